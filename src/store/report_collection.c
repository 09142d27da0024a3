/* Statistics of one collection, and what gets that were sampled met in it. Any thread; no locks but those of what is asked. */
#include "store/report.h"

/* Relaxed: counts that stand alone. Most are 0 most of the time. */
static void add(_Atomic uint64_t *figure, uint64_t more)
{
    if (more) {
        atomic_fetch_add_explicit(figure, more, memory_order_relaxed);
    }
}

void read_figures_add(struct read_figures *figures, const struct lookup_counts *counts,
                      const struct block_cache_lookups *cache)
{
    add(&figures->gets, 1);
    add(&figures->segments, counts->segments);
    add(&figures->filter_asked, counts->filter_asked);
    add(&figures->filter_no, counts->filter_no);
    add(&figures->filter_wrong, counts->filter_wrong);
    add(&figures->cache_hits, cache->hits);
    add(&figures->cache_misses, cache->misses);
}

struct about { /* what is worked out */
    uint64_t keys, memtable_bytes, sealed_bytes, segments, segment_bytes, write_amplification, read_amplification;
};

static uint64_t percent(uint64_t part, uint64_t whole)
{
    return whole ? (uint64_t)(100 * (double)part / (double)whole + 0.5) : 0;
}

/* Memtables hold versions of keys that may be in segments too: what is put anew and what replaces is not known apart. */
static uint64_t estimate_keys(const struct tree_stats *tree, uint64_t puts, uint64_t deletes)
{
    uint64_t gone = 2 * tree->deletes + tree->shadowed + tree->dead_rows + deletes, all = tree->entries + puts;
    return all > gone ? all - gone : 0;
}

static void look_at_memtables(nacre_collection *collection, struct collection_report *report, struct about *about)
{
    uint64_t puts = 0, deletes = 0;
    struct view *view = view_hold(collection);
    for (uint32_t i = 0; i < view->table_count; i++) {
        const struct memtable *memtable = view->tables[i]->memtable;
        uint64_t bytes = memtable_bytes(memtable), gone = memtable_deletes(memtable);
        uint64_t entries = memtable_entries(memtable);
        about->memtable_bytes += bytes;
        about->sealed_bytes += i > 0 ? bytes : 0;
        *(i > 0 ? &report->sealed_memory : &report->active_memory) += memtable_memory(memtable);
        deletes += gone;
        puts += entries > gone ? entries - gone : 0;
    }
    view_release(collection->store, view);
    report->memtable_bytes = about->memtable_bytes;
    about->keys = estimate_keys(&report->tree, puts, deletes);
}

#define FIGURE_ROW(name, kind, text, expression) { #name, kind, text, (uint64_t)(expression) },

int collection_report(nacre_collection *collection, struct collection_report *report)
{
    struct about about = { 0 };
    struct tree_stats *tree = &report->tree;
    tree_get_stats(collection->tree, tree);
    look_at_memtables(collection, report, &about);
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        about.segments += tree->level_segments[level];
        about.segment_bytes += tree->level_bytes[level];
    }
#define reads(field) atomic_load_explicit(&collection->reads.field, memory_order_relaxed)
    about.write_amplification = percent(tree->bytes_flushed + tree->bytes_merged_written, tree->bytes_flushed);
    about.read_amplification = percent(reads(segments), reads(gets));
    const struct figure rows[COLLECTION_FIGURE_COUNT] = { COLLECTION_FIGURES(FIGURE_ROW) };
#undef reads
    memcpy(report->figures, rows, sizeof rows);
    report->collection = collection;
    return NACRE_OK;
}

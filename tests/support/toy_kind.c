/* See toy_kind.h. */
#include "support/toy_kind.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include <assert.h>

struct toy_builder {
    struct container_writer *segment;
    struct buffer entry;
};

static int toy_builder_create(struct container_writer *segment, const struct build_options *options, void **builder)
{
    (void)options;
    struct toy_builder *b = memory_zalloc(sizeof *b);
    if (!b) {
        return NACRE_NO_MEMORY;
    }
    b->segment = segment;
    *builder = b;
    return container_section_begin(segment, "TOYS");
}

static int toy_builder_add(void *builder, const struct entry *entry)
{
    struct toy_builder *b = builder;
    struct buffer *out = &b->entry;
    int status;
    buffer_clear(out);
    if ((status = buffer_append_slice(out, entry->key)) != NACRE_OK ||
        (status = buffer_append_slice(out, entry->value)) != NACRE_OK ||
        (status = buffer_append_u64(out, entry->sequence)) != NACRE_OK ||
        (status = buffer_append_u64(out, entry->expiry_ms)) != NACRE_OK ||
        (status = buffer_append_u8(out, entry->type)) != NACRE_OK) {
        return status;
    }
    return container_write(b->segment, out->data, out->size, NULL);
}

static int toy_builder_finish(void *builder, struct container_writer *index)
{
    int status = container_section_end(((struct toy_builder *)builder)->segment);
    return status == NACRE_OK && index ? container_write_section(index, "NONE", (nacre_slice){ NULL, 0 }) : status;
}

static void toy_builder_free(void *builder)
{
    if (builder) {
        buffer_free(&((struct toy_builder *)builder)->entry);
        memory_free(builder);
    }
}

struct toy_reader {
    struct container *container;
    _Atomic bool full_index;
    struct entry *entries;
    size_t count;
};

static int read_entries(struct toy_reader *r, nacre_slice contents)
{
    struct reader in = reader_of(contents);
    size_t capacity = 0;
    while (in.at < in.end) {
        struct entry entry = { .key = reader_slice(&in), .value = reader_slice(&in) };
        entry.sequence = reader_u64(&in);
        entry.expiry_ms = reader_u64(&in);
        entry.type = reader_u8(&in);
        if (!in.ok) {
            return fail(NACRE_CORRUPT, "%s: section TOYS cannot be read", r->container->path);
        }
        if (r->count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            struct entry *more = memory_realloc(r->entries, capacity * sizeof *more);
            if (!more) {
                return NACRE_NO_MEMORY;
            }
            r->entries = more;
        }
        r->entries[r->count++] = entry;
    }
    return NACRE_OK;
}

static void toy_close(void *reader)
{
    memory_free(((struct toy_reader *)reader)->entries);
    memory_free(reader);
}

static void toy_give_sequence(void *reader, uint64_t sequence)
{
    struct toy_reader *r = reader;
    for (size_t i = 0; i < r->count; i++) {
        r->entries[i].sequence = sequence;
    }
}

static int toy_open(struct container *container, struct block_cache *cache, void **reader)
{
    (void)cache;
    nacre_slice contents;
    struct toy_reader *r = memory_zalloc(sizeof *r);
    if (!r) {
        return NACRE_NO_MEMORY;
    }
    r->container = container;
    int status = container_section(container, "TOYS", &contents);
    if (status == NACRE_OK) {
        status = read_entries(r, contents);
    }
    if (status != NACRE_OK) {
        toy_close(r);
        return status;
    }
    *reader = r;
    return NACRE_OK;
}

static int toy_attach_index(void *reader, struct container *index)
{
    if (container_has_section(index, "FULL")) {
        atomic_store(&((struct toy_reader *)reader)->full_index, true);
    }
    return NACRE_OK;
}

static bool toy_index_is_good(const void *reader)
{
    return atomic_load(&((const struct toy_reader *)reader)->full_index);
}

static void toy_prefetch(const void *reader, const struct lookup *lookup)
{
    (void)reader, (void)lookup;
}

static size_t first_not_before(const struct toy_reader *r, nacre_slice key)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(r->entries[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int toy_get(void *reader, const struct lookup *lookup, struct entry *entry, struct pin *pin)
{
    const struct toy_reader *r = reader;
    (void)pin;
    for (size_t i = first_not_before(r, lookup->key); i < r->count && slice_equal(r->entries[i].key, lookup->key);
         i++) {
        if (r->entries[i].sequence <= lookup->snapshot) {
            *entry = r->entries[i];
            entry->key = lookup->key;
            return NACRE_OK;
        }
    }
    return NACRE_NOT_FOUND;
}

static bool toy_may_have_key(void *reader, const struct lookup *lookup)
{
    struct entry entry;
    struct lookup newest = *lookup;
    newest.snapshot = SEQUENCE_MAX;
    return toy_get(reader, &newest, &entry, NULL) == NACRE_OK;
}

static bool toy_may_have_prefix(void *reader, nacre_slice prefix)
{
    (void)reader, (void)prefix;
    return true;
}

struct toy_cursor {
    struct cursor cursor; /* first */
    const struct toy_reader *reader;
    size_t at; /* reader->count = invalid */
};

static void stand(struct cursor *c, size_t at)
{
    struct toy_cursor *t = (struct toy_cursor *)c;
    t->at = at;
    c->valid = at < t->reader->count;
    if (c->valid) {
        c->entry = t->reader->entries[at];
    }
}

static void toy_first(struct cursor *c)
{
    stand(c, 0);
}
static void toy_last(struct cursor *c)
{
    stand(c, ((struct toy_cursor *)c)->reader->count - 1);
}
static void toy_seek(struct cursor *c, nacre_slice key)
{
    stand(c, first_not_before(((struct toy_cursor *)c)->reader, key));
}
static void toy_seek_before(struct cursor *c, nacre_slice key)
{
    stand(c, first_not_before(((struct toy_cursor *)c)->reader, key) - 1);
}
static void toy_next(struct cursor *c)
{
    stand(c, ((struct toy_cursor *)c)->at + 1);
}
static void toy_prev(struct cursor *c)
{
    stand(c, ((struct toy_cursor *)c)->at - 1);
}
static void toy_cursor_close(struct cursor *c)
{
    memory_free(c);
}

static int toy_cursor_create(void *reader, struct cursor **cursor)
{
    static const struct cursor_ops ops = { toy_first, toy_last, toy_seek,        toy_seek_before,
                                           toy_next,  toy_prev, toy_cursor_close };
    struct toy_cursor *t = memory_zalloc(sizeof *t);
    if (!t) {
        return NACRE_NO_MEMORY;
    }
    t->cursor.ops = &ops;
    t->reader = reader;
    *cursor = &t->cursor;
    return NACRE_OK;
}

/* ---- search: each entry is asked for by itself ---- */

struct toy_match {
    struct toy_cursor cursor; /* first */
    struct toy_reader wanted; /* the entries that are */
    nacre_slice begin, end;
};

static bool inside(nacre_slice key, nacre_slice begin, nacre_slice end)
{
    return slice_compare(key, begin) >= 0 && (end.size == 0 || slice_compare(key, end) < 0);
}

/* Calls `give` for each wanted entry of [begin, end). */
static int each_wanted(const struct toy_reader *r, struct search *search, nacre_slice begin, nacre_slice end,
                       void (*give)(void *context, const struct entry *), void *context)
{
    struct automaton *a = search->automaton;
    int status = NACRE_OK;
    for (size_t i = 0; i < r->count && status == NACRE_OK; i++) {
        bool wanted = false;
        if (search->stop && i % 16 == 15) {
            status = search->stop(search->stop_context);
        }
        if (status == NACRE_OK && inside(r->entries[i].key, begin, end)) {
            status = automaton_finish(a, a->start, r->entries[i].key, 0, &wanted);
            if (search->report) {
                search->report->keys_run++;
            }
        }
        if (status == NACRE_OK && wanted) {
            give(context, &r->entries[i]);
        }
    }
    return status;
}

static void keep(void *context, const struct entry *entry)
{
    struct toy_reader *wanted = context;
    wanted->entries[wanted->count++] = *entry;
}

/* The caller keeps inside the bounds. */
static void toy_match_seek(struct cursor *c, nacre_slice key)
{
    const struct toy_match *m = (struct toy_match *)c;
    assert(inside(key, m->begin, m->end));
    toy_seek(c, key);
}
static void toy_match_seek_before(struct cursor *c, nacre_slice key)
{
    const struct toy_match *m = (struct toy_match *)c;
    assert(slice_compare(key, m->begin) >= 0 && (m->end.size == 0 || slice_compare(key, m->end) <= 0));
    toy_seek_before(c, key);
}
static void toy_match_close(struct cursor *c)
{
    memory_free(((struct toy_match *)c)->wanted.entries);
    memory_free(c);
}

static int toy_match_cursor(void *reader, struct search *search, nacre_slice begin, nacre_slice end,
                            struct cursor **cursor)
{
    static const struct cursor_ops ops = { toy_first, toy_last, toy_match_seek, toy_match_seek_before,
                                           toy_next,  toy_prev, toy_match_close };
    const struct toy_reader *r = reader;
    struct toy_match *m = memory_zalloc(sizeof *m);
    if (!m) {
        return NACRE_NO_MEMORY;
    }
    m->cursor.cursor.ops = &ops;
    m->cursor.reader = &m->wanted;
    m->begin = begin;
    m->end = end;
    m->wanted.entries = memory_alloc((r->count + 1) * sizeof *m->wanted.entries);
    int status = m->wanted.entries ? each_wanted(r, search, begin, end, keep, &m->wanted) : NACRE_NO_MEMORY;
    if (status != NACRE_OK) {
        toy_match_close(&m->cursor.cursor);
        return status;
    }
    *cursor = &m->cursor.cursor;
    return NACRE_OK;
}

struct toy_count {
    const struct search *search;
    nacre_slice key; /* the last one that was decided */
    bool any;
    uint64_t live;
};

static void count_newest(void *context, const struct entry *entry)
{
    struct toy_count *c = context;
    if (entry->sequence > c->search->snapshot || (c->any && slice_equal(entry->key, c->key))) {
        return;
    }
    c->key = entry->key;
    c->any = true;
    c->live += entry->type != ENTRY_DELETE && (entry->expiry_ms == 0 || entry->expiry_ms > c->search->now_ms);
}

static int toy_match_count(void *reader, struct search *search, nacre_slice begin, nacre_slice end, uint64_t *live)
{
    struct toy_count c = { .search = search };
    int status = each_wanted(reader, search, begin, end, count_newest, &c);
    if (search->report) {
        search->report->strategy = "walk";
        search->report->keys += ((struct toy_reader *)reader)->count;
        search->report->matches += c.live;
    }
    *live = c.live;
    return status;
}

static int toy_sample_keys(void *reader, size_t count, struct buffer *keys, size_t *made)
{
    const struct toy_reader *r = reader;
    *made = 0;
    for (size_t i = 1; i <= count && r->count > count; i++) {
        int status = buffer_append_slice(keys, r->entries[i * r->count / (count + 1)].key);
        if (status != NACRE_OK) {
            return status;
        }
        ++*made;
    }
    return NACRE_OK;
}

static int toy_build_index(void *reader, const struct index_job *job, struct container_writer *index)
{
    (void)job; /* one thread, and little time and memory */
    (void)reader;
    return container_write_section(index, "NONE", (nacre_slice){ NULL, 0 });
}

struct toy_index_watch toy_index_watch;

/* As long as the test wants, looking up every 100 us. */
static int toy_build_slowly(void *reader, const struct index_job *job, struct container_writer *index)
{
    const struct toy_reader *r = reader;
    struct toy_index_watch *w = &toy_index_watch;
    int status = atomic_exchange(&w->fail, NACRE_OK);
    if (!job->quick) {
        atomic_fetch_add(&w->begun, 1);
        atomic_store(&w->sources, job->source_count);
    }
    while (status == NACRE_OK && !job->quick && atomic_load(&w->hold)) {
        atomic_store(&w->holding, true);
        status = job->stop ? job->stop(job->stop_context) : NACRE_OK;
        clock_sleep_ns(100000);
    }
    atomic_store(&w->holding, false);
    if (status != NACRE_OK) {
        return fail_context(status, "index of %zu entries", r->count);
    }
    atomic_fetch_add(job->quick ? &w->quick : &w->full, 1);
    return container_write_section(index, job->quick ? "QUIK" : "FULL", (nacre_slice){ NULL, 0 });
}

/* Rows are the puts, in their order. */
static int toy_find_dead(void *reader, void *newer, const struct range_set *newer_ranges, struct dead_rows *rows,
                         int (*stop)(void *context), void *stop_context)
{
    const struct toy_reader *r = reader;
    uint32_t row = 0;
    int status = stop ? stop(stop_context) : NACRE_OK;
    for (size_t i = 0; i < r->count && status == NACRE_OK; i++) {
        struct lookup lookup = { .key = r->entries[i].key, .snapshot = SEQUENCE_MAX };
        struct entry entry = { .sequence = 0 };
        struct pin pin = { NULL, NULL };
        bool superseded = newer && toy_get(newer, &lookup, &entry, &pin) == NACRE_OK;
        uint64_t range = range_set_covering(newer_ranges, lookup.key, SEQUENCE_MAX, NULL);
        if (entry_sets(&r->entries[i])) {
            if (superseded || range > 0) {
                status = dead_rows_add(rows, row, entry.sequence > range ? entry.sequence : range);
            }
            row++;
        }
    }
    return status;
}

static int toy_verify(void *reader, uint64_t *entries)
{
    *entries += ((const struct toy_reader *)reader)->count;
    return NACRE_OK;
}

static int toy_dump(void *reader, void (*line)(void *context, const char *json), void *context)
{
    (void)reader;
    line(context, "{\"kind\":\"toy\"}");
    return NACRE_OK;
}

static uint64_t toy_memory(const void *reader)
{
    return ((const struct toy_reader *)reader)->count * sizeof(struct entry);
}

#define TOY_FUNCTIONS \
    .key_max = NACRE_STRING_KEY_MAX, .builder_create = toy_builder_create, .builder_add = toy_builder_add, \
    .builder_finish = toy_builder_finish, .builder_free = toy_builder_free, .open = toy_open, \
    .give_sequence = toy_give_sequence, .close = toy_close, .attach_index = toy_attach_index, \
    .prefetch = toy_prefetch, .get = toy_get, .may_have_key = toy_may_have_key, \
    .may_have_prefix = toy_may_have_prefix, .cursor_create = toy_cursor_create, .sample_keys = toy_sample_keys, \
    .verify = toy_verify, .dump = toy_dump, .memory = toy_memory, .match_cursor = toy_match_cursor, \
    .match_count = toy_match_count

const struct kind kind_toy = { .code = TOY_KIND, .name = "toy", .build_index = toy_build_index, TOY_FUNCTIONS };
const struct kind kind_toy_runs = { .code = TOY_RUNS_KIND,
                                    .name = "toy runs",
                                    .build_index = toy_build_index,
                                    TOY_FUNCTIONS,
                                    .whole_runs = true,
                                    .find_dead = toy_find_dead };
const struct kind kind_toy_indexed = { .code = TOY_INDEXED_KIND,
                                       .name = "toy indexed",
                                       .build_index = toy_build_slowly,
                                       .index_is_good = toy_index_is_good,
                                       TOY_FUNCTIONS,
                                       .whole_runs = true,
                                       .quick_index = true,
                                       .find_dead = toy_find_dead };

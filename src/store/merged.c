/* Making values of operands at reads (see merged.h). Sources are taken from the newest to the oldest, as all versions that one has of a key are newer than those of the
   next. Operands are copied, and the base is merged while its bytes are there: so nothing is held. Any thread; no locks. */
#include "store/merged.h"
#include "base/status.h"

int merged_begin(struct merged *m, nacre_collection *collection, struct merge_fold *fold, nacre_slice key,
                 uint64_t floor)
{
    *m = (struct merged){ .collection = collection, .fold = fold, .key = key, .floor = floor };
    if (!collection->merge_operator) {
        return fail(NACRE_UNSUPPORTED, "collection '%s' has operands, and %s%s", collection->name,
                    collection->merge_operator_name ? "the program has not given its merge operator "
                                                    : "names no merge operator",
                    collection->merge_operator_name ? collection->merge_operator_name : "");
    }
    fold_begin(fold, collection->merge_operator);
    return NACRE_OK;
}

static bool end_with(struct merged *m, const nacre_slice *base)
{
    m->status = fold_value(m->fold, m->key, base, &m->value);
    m->has_value = m->status == NACRE_OK;
    return false;
}

static bool end_on_pointer(struct merged *m, const struct entry *entry)
{
    struct value_pointer pointer;
    struct pin pin = { NULL, NULL };
    nacre_slice value = { NULL, 0 };
    m->status = value_pointer_decode(entry->value, &pointer)
                    ? value_log_read(m->collection->store->segments.values, &pointer, &value, &pin)
                    : fail(NACRE_CORRUPT, "an entry that points into the value log has %zu bytes", entry->value.size);
    if (m->status == NACRE_OK) {
        end_with(m, &value);
    }
    pin_release(&pin);
    return false;
}

bool merged_add(struct merged *m, const struct entry *entry)
{
    if (entry->sequence < m->floor || entry->type == ENTRY_DELETE || fold_hides(m->fold, entry)) {
        return end_with(m, NULL);
    }
    if (entry->type == ENTRY_MERGE) {
        m->status = fold_add(m->fold, entry);
        m->operands++;
        return m->status == NACRE_OK;
    }
    return entry->type == ENTRY_PUT ? end_with(m, &entry->value) : end_on_pointer(m, entry);
}

int merged_end(struct merged *m, nacre_slice *value)
{
    if (m->status == NACRE_OK && !m->has_value) {
        end_with(m, NULL); /* there is nothing older */
    }
    if (__builtin_expect(m->operands > FOLD_LONG, 0)) {
        fold_hint_note(m->collection, m->key, m->operands);
    }
    *value = m->value;
    return m->status;
}

static bool visit(void *context, const struct entry *entry)
{
    return merged_add(context, entry);
}

int merged_value(nacre_collection *collection, const struct view *view, const struct lookup *lookup,
                 const struct merged_own *own, struct merge_fold *fold, nacre_slice *value)
{
    struct merged m;
    int status = merged_begin(&m, collection, fold, lookup->key, view_covering(view, lookup->key, lookup->snapshot));
    if (status == NACRE_OK && own) {
        own->each(own->context, lookup->key, visit, &m);
    }
    for (uint32_t i = 0; i < view->table_count && status == NACRE_OK && m.status == NACRE_OK && !m.has_value; i++) {
        memtable_visit_versions(view->tables[i]->memtable, lookup->key, lookup->snapshot, visit, &m);
    }
    if (status == NACRE_OK && m.status == NACRE_OK && !m.has_value) {
        status = version_visit(view->version, lookup, visit, &m);
    }
    return status == NACRE_OK ? merged_end(&m, value) : status;
}

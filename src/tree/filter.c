/* Asking a collection's compaction filter (see filter.h).

   Operands that are newer than the inputs, in memtables or upper runs, make the entry a part of the key's value only: it is left alone until a merge has them
   all. One that is written while the merge runs is merged into what the filter left.
   One thread per filtering. Locks: none. */
#include "tree/filter.h"
#include "base/hash.h"
#include "base/status.h"

static bool has_operands_above(const struct filtering *f, nacre_slice key)
{
    struct tree_env *env = f->tree->env;
    struct lookup lookup = { .key = key, .hash = hash_bytes(key.data, key.size), .snapshot = SEQUENCE_MAX };
    return f->tree->takes_operands &&
           (version_may_have_operands(f->base, f->above, &lookup) ||
            (env->has_operands && env->has_operands(env->context, f->tree->owner, f->base, key)));
}

static void acted(struct filtered *done, uint64_t *count, const struct entry *entry)
{
    if (!filtered_any(done) || entry->sequence < done->least_sequence) {
        done->least_sequence = entry->sequence;
    }
    ++*count;
}

static void change(struct filtering *f, struct entry *entry)
{
    const struct buffer *bytes = &f->changed.bytes;
    if (f->changed.status != NACRE_OK || bytes->size > NACRE_BATCH_MAX) {
        f->done->failed++;
        return;
    }
    acted(f->done, &f->done->changed, entry);
    entry->type = ENTRY_PUT;
    entry->value = slice_of(bytes->size ? bytes->data : (const uint8_t *)"", bytes->size);
}

int filter_entry(struct filtering *f, struct entry *entry, bool *remove)
{
    const nacre_compaction_filter *filter = f->tree->filter;
    struct pin pin = { NULL, NULL };
    nacre_slice value = entry->value;
    if (has_operands_above(f, entry->key)) {
        return NACRE_OK;
    }
    if (entry->type == ENTRY_POINTER && tree_read_pointer(f->tree, entry, &value, &pin) != NACRE_OK) {
        f->done->failed++;
        return NACRE_OK;
    }
    output_clear(&f->changed);
    switch (filter->filter(filter->context, entry->key, value, f->level, &f->changed)) {
    case NACRE_FILTER_REMOVE:
        acted(f->done, &f->done->removed, entry);
        *remove = true;
        break;
    case NACRE_FILTER_CHANGE:
        change(f, entry);
        break;
    case NACRE_FILTER_KEEP:
    default:
        break;
    }
    pin_release(&pin);
    return NACRE_OK;
}

void filtering_free(struct filtering *f)
{
    buffer_free(&f->changed.bytes);
}

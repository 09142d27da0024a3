/* Which keys may show an older value, or be back though they were deleted: those that lie in a range of which something was lost, and whose surviving version
   is not newer than all that was lost there (salvage.h). One thread. */
#include "base/memory.h"
#include "base/status.h"
#include "store/salvage.h"

int salvage_note_lost(struct salvage *s, const struct salvaged_segment *segment, const struct lost_part *part)
{
    struct lost_keys lost = { .collection = segment->collection,
                              .has_after = part->has_after || part->is_key,
                              .has_before = part->has_before || part->is_key,
                              .sequence = segment->properties.greatest_sequence };
    nacre_slice before = part->is_key ? part->after : part->before;
    int status = memory_grow((void **)&s->lost, &s->lost_capacity, s->lost_count + 1, sizeof *s->lost);
    if (status == NACRE_OK && lost.has_after) {
        status = buffer_append(&lost.after, part->after.data, part->after.size);
    }
    if (status == NACRE_OK && lost.has_before) {
        status = buffer_append(&lost.before, before.data, before.size);
    }
    if (status != NACRE_OK) {
        buffer_free(&lost.after);
        buffer_free(&lost.before);
        return status;
    }
    s->lost[s->lost_count++] = lost;
    return NACRE_OK;
}

int salvage_note_unordered_part(struct salvage *s, const struct salvaged_segment *segment, const struct lost_part *part)
{
    int status = salvage_note_lost(s, segment, part);
    if (status == NACRE_OK) {
        s->lost[s->lost_count - 1].unordered = true;
    }
    return status;
}

int salvage_note_unordered(struct salvage *s, const struct salvaged_segment *segment)
{
    const struct segment_properties *p = &segment->properties;
    struct lost_part all = { .has_after = p->smallest.size > 0,
                             .has_before = p->greatest.size > 0 && !p->greatest_open,
                             .after = buffer_slice(&p->smallest),
                             .before = buffer_slice(&p->greatest) };
    return salvage_note_unordered_part(s, segment, &all);
}

static bool is_in(const struct lost_keys *lost, nacre_slice key)
{
    return (!lost->has_after || slice_compare(key, buffer_slice(&lost->after)) >= 0) &&
           (!lost->has_before || slice_compare(key, buffer_slice(&lost->before)) <= 0);
}

int salvage_note_doubt(struct salvage *s, const struct manifest_collection *c, nacre_slice key)
{
    for (size_t i = 0; i < s->lost_count; i++) {
        const struct lost_keys *lost = &s->lost[i];
        if (lost->unordered && lost->collection == c->id && is_in(lost, key)) {
            return salvage_report_stale(s, c->name, key);
        }
    }
    return NACRE_OK;
}

/* Whether what the key shows may not be its newest version. */
static bool may_be_stale(const struct lost_keys *lost, uint64_t sequence)
{
    return lost->unordered ? sequence > SEQUENCE_SETTLED : sequence <= lost->sequence || lost->sequence == 0;
}

/* By a range before this one. */
static bool is_named_already(const struct salvage *s, const struct lost_keys *lost, nacre_slice key, uint64_t sequence)
{
    for (const struct lost_keys *other = s->lost; other < lost; other++) {
        if (other->collection == lost->collection && is_in(other, key) && may_be_stale(other, sequence)) {
            return true;
        }
    }
    return false;
}

/* Every key of the range whose newest surviving version is not newer than what was lost. */
static int find_in_range(struct salvage *s, nacre_collection *c, const struct lost_keys *lost)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor = NULL;
    options.keys_only = true;
    options.begin = lost->has_after ? buffer_slice(&lost->after) : slice_of(NULL, 0);
    int status = collection_scan(c, &options, &cursor);
    if (status != NACRE_OK) {
        return status;
    }
    for (; nacre_cursor_valid(cursor) && status == NACRE_OK; nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor);
        if (lost->has_before && slice_compare(key, buffer_slice(&lost->before)) > 0) {
            break;
        }
        uint64_t sequence = cursor_sequence(cursor);
        if (may_be_stale(lost, sequence) && !is_named_already(s, lost, key, sequence)) {
            status = salvage_report_stale(s, c->name, key);
        }
    }
    status = status == NACRE_OK ? nacre_cursor_status(cursor) : status;
    nacre_cursor_close(cursor);
    return status;
}

int salvage_find_stale(struct salvage *s)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < s->lost_count && status == NACRE_OK; i++) {
        pthread_mutex_lock(&s->store->collections_lock);
        nacre_collection *c = store_find_collection(s->store, s->lost[i].collection);
        pthread_mutex_unlock(&s->store->collections_lock);
        status = c ? find_in_range(s, c, &s->lost[i]) : NACRE_OK;
    }
    return status;
}

/* Draining value files (see value_moves.h).

   Which files are to go is decided for the whole store (store/value_garbage.c). A merge that reads entries which point into one of them copies the
   values to the value log's stream of merges and writes entries with the new pointers; their sequences stay, so nothing else sees a
   difference. Old versions, snapshots and cursors keep the old segments and these the old file.
   Invariants:
   1. what was written is durable before a segment that points to it is named by the manifest (outputs.c syncs the value log);
   2. the file that it was written to is held until that segment holds it;
   3. nothing is moved out of a file that a value could not be read from: the file stays, and so does the pointer.
   Locks: none of its own. Any number of merges at once, each with its own moves. */
#include "tree/value_moves.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "values/value_format.h"

#define LOOK_BYTES (UINT64_C(4) << 20) /* moved between two looks at the stop flag */

/* ---- what is to go ---- */

bool value_file_drains(struct value_file *file, unsigned garbage_percent)
{
    const struct value_usage *usage = value_file_usage(file);
    if (atomic_load_explicit(&usage->unreadable, memory_order_relaxed)) {
        return false;
    }
    if (atomic_load_explicit(&usage->drain, memory_order_relaxed) != VALUE_STAYS) {
        return true;
    }
    if (garbage_percent == 0) {
        return false;
    }
    struct value_file_info info;
    value_file_describe(file, &info);
    uint64_t live = atomic_load_explicit(&usage->live_bytes, memory_order_relaxed);
    return !info.active && live < info.bytes &&
           (double)(info.bytes - live) * 100 >= (double)garbage_percent * (double)info.bytes;
}

bool piece_drains(const struct piece *piece, enum value_drain least)
{
    const struct segment *segment = piece->segment;
    for (size_t i = 0; segment->value_files && i < segment->properties.values.count; i++) {
        const struct value_usage *usage = value_file_usage(segment->value_files[i]);
        if (atomic_load_explicit(&usage->drain, memory_order_relaxed) >= (uint32_t)least &&
            !atomic_load_explicit(&usage->unreadable, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

bool piece_drains_garbage(const struct piece *piece, unsigned garbage_percent)
{
    const struct segment *segment = piece->segment;
    for (size_t i = 0; segment->value_files && i < segment->properties.values.count; i++) {
        if (value_file_drains(segment->value_files[i], garbage_percent)) {
            return true;
        }
    }
    return false;
}

/* ---- moving ---- */

/* The place of the first file with an id >= `id`. */
static size_t find_from(const struct value_moves *moves, uint64_t id)
{
    size_t low = 0, high = moves->from_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (value_file_id(moves->from[middle]) < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int make_room(struct value_file ***list, size_t count, size_t *capacity)
{
    if (count < *capacity) {
        return NACRE_OK;
    }
    size_t more = *capacity ? 2 * *capacity : 8;
    struct value_file **larger = memory_realloc(*list, more * sizeof(struct value_file *));
    if (!larger) {
        return NACRE_NO_MEMORY;
    }
    *list = larger;
    *capacity = more;
    return NACRE_OK;
}

int value_moves_from(struct value_moves *moves, const struct segment *segment, unsigned garbage_percent)
{
    for (size_t i = 0; segment->value_files && i < segment->properties.values.count; i++) {
        struct value_file *file = segment->value_files[i];
        size_t at = find_from(moves, value_file_id(file));
        bool known = at < moves->from_count && moves->from[at] == file;
        if (known || !value_file_drains(file, garbage_percent)) {
            continue;
        }
        if (make_room(&moves->from, moves->from_count, &moves->from_capacity) != NACRE_OK) {
            return NACRE_NO_MEMORY;
        }
        memmove(moves->from + at + 1, moves->from + at, (moves->from_count - at) * sizeof *moves->from);
        moves->from[at] = file;
        moves->from_count++;
    }
    return NACRE_OK;
}

/* Invariant 3. */
static int leave_alone(const struct value_moves *moves, struct value_file *file, int status)
{
    char text[1024];
    if (!atomic_exchange_explicit(&value_file_usage(file)->unreadable, true, memory_order_relaxed)) {
        log_line(moves->tree->env->logger, NACRE_LOG_ERROR, "value_not_moved",
                 "\"file\":\"%016llx\",\"status\":\"%s\",\"detail\":\"%s\"", (unsigned long long)value_file_id(file),
                 nacre_status_name(status), log_escape(fail_detail(), text, sizeof text));
    }
    return NACRE_OK;
}

/* Takes over the reference. Invariant 2. */
static int hold_into(struct value_moves *moves, struct value_file *file)
{
    if (moves->into_count > 0 && moves->into[moves->into_count - 1] == file) {
        value_file_unref(file);
        return NACRE_OK;
    }
    int status = make_room(&moves->into, moves->into_count, &moves->into_capacity);
    if (status != NACRE_OK) {
        value_file_unref(file);
        return status;
    }
    moves->into[moves->into_count++] = file;
    return NACRE_OK;
}

static int move(struct value_moves *moves, struct entry *entry, const struct value_pointer *old)
{
    struct value_log *log = moves->tree->env->segments->values;
    struct value_pointer fresh;
    struct value_file *file = NULL;
    nacre_slice value;
    struct pin pin = { 0 };
    int status = value_log_read(log, old, &value, &pin);
    if (status == NACRE_CORRUPT || status == NACRE_IO) {
        return leave_alone(moves, moves->from[find_from(moves, old->file)], status);
    }
    if (status == NACRE_OK) {
        status = value_log_append(log, VALUE_STREAM_MERGES, moves->tree->collection, entry->key, value, &fresh, &file);
    }
    pin_release(&pin);
    if (status == NACRE_OK) {
        status = hold_into(moves, file);
    }
    if (status == NACRE_OK) {
        value_pointer_encode(&fresh, moves->pointer);
        entry->value = slice_of(moves->pointer, sizeof moves->pointer);
        moves->moved++;
        moves->moved_bytes += value_record_bytes(entry->key.size, old->size);
    }
    return status;
}

int value_moves_entry(struct value_moves *moves, struct entry *entry)
{
    struct value_pointer old;
    if (entry->type != ENTRY_POINTER || moves->from_count == 0 || moves->moved_bytes >= moves->budget) {
        return NACRE_OK;
    }
    if (!value_pointer_decode(entry->value, &old)) {
        return fail(NACRE_CORRUPT, "an entry that points into the value log has %zu bytes instead of %u",
                    entry->value.size, VALUE_POINTER_BYTES);
    }
    size_t at = find_from(moves, old.file);
    if (at == moves->from_count || value_file_id(moves->from[at]) != old.file ||
        atomic_load_explicit(&value_file_usage(moves->from[at])->unreadable, memory_order_relaxed)) {
        return NACRE_OK;
    }
    return move(moves, entry, &old);
}

bool value_moves_look_due(struct value_moves *moves)
{
    if (moves->moved_bytes - moves->looked_bytes < LOOK_BYTES) {
        return false;
    }
    moves->looked_bytes = moves->moved_bytes;
    return true;
}

void value_moves_free(struct value_moves *moves)
{
    for (size_t i = 0; i < moves->into_count; i++) {
        value_file_unref(moves->into[i]);
    }
    memory_free(moves->into);
    memory_free(moves->from);
    *moves = (struct value_moves){ 0 };
}

/* ---- usage ---- */

static void change(const struct segment *segment, uint64_t entries, bool comes)
{
    const struct value_shares *values = &segment->properties.values;
    for (size_t i = 0; segment->value_files && i < values->count; i++) {
        _Atomic uint64_t *live = &value_file_usage(segment->value_files[i])->live_bytes;
        uint64_t bytes = value_share_of(segment, entries, values->list[i].bytes);
        if (comes) {
            atomic_fetch_add_explicit(live, bytes, memory_order_relaxed);
        } else {
            atomic_fetch_sub_explicit(live, bytes, memory_order_relaxed);
        }
    }
}

void value_usage_change(const struct placed *removed, size_t removed_count, const struct placed *added,
                        size_t added_count)
{
    for (size_t i = 0; i < added_count; i++) { /* first, so that no sum is less than what it stands for */
        change(added[i].segment, added[i].entries, true);
    }
    for (size_t i = 0; i < removed_count; i++) {
        change(removed[i].segment, removed[i].entries, false);
    }
}

void value_usage_version(const struct version *v, bool comes)
{
    for (size_t r = 0; r < v->run_count; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            change(v->runs[r].pieces[i].segment, v->runs[r].pieces[i].entries, comes);
        }
    }
}

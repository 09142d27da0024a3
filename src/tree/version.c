/* Reading through a version (see version.h). Any thread; no locks, no allocation but for cursors.

   A lookup searches each run for the one piece that may hold the key (by the 8 bytes behind what all bounds of the run share), asks the
   kinds to prefetch, then probes newest first. Only the piece is touched, not the segment behind it. */
#include "base/hash.h"
#include "base/memory.h"
#include "tree/run_cursor.h"
#include "tree/version_build.h"

#define PROBES 32 /* pieces that are looked through at once; runs beyond it come in another round */

/* The piece that may hold the key, or NULL. */
static inline const struct piece *find_piece(const struct run *run, nacre_slice key)
{
    if (run->shared) {
        size_t size = key.size < run->shared ? key.size : run->shared;
        if (size < run->shared || memcmp(key.data, run->pieces[0].begin.data, size) != 0) {
            return NULL; /* not between bounds that all begin so */
        }
    }
    uint64_t head =
        slice_head(run->shared ? slice_of((const uint8_t *)key.data + run->shared, key.size - run->shared) : key);
    size_t low = 0, high = run->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t begin = run->heads[middle];
        if (begin < head || (begin == head && slice_compare(run->pieces[middle].begin, key) <= 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return NULL;
    }
    const struct piece *piece = &run->pieces[low - 1];
    if (head < piece->end_head || piece->open_end) {
        return piece;
    }
    return head > piece->end_head || piece_ends_before(piece, key) ? NULL : piece;
}

uint64_t version_covering(const struct version *v, nacre_slice key, uint64_t snapshot, struct range_delete *fragment)
{
    uint64_t newest = 0;
    for (size_t r = 0; r < v->run_count && v->has_ranges; r++) {
        const struct piece *piece = v->runs[r].has_ranges ? find_piece(&v->runs[r], key) : NULL;
        if (piece && piece->segment->ranges) {
            struct range_delete found;
            uint64_t sequence = range_set_covering(piece->segment->ranges, key, snapshot, &found);
            if (sequence > newest) {
                newest = sequence;
                if (fragment) {
                    *fragment = found;
                }
            }
        }
    }
    return newest;
}

/* The next pieces to probe, from run *r on. */
static inline size_t gather(const struct version *v, const struct lookup *lookup, size_t *r,
                            const struct piece *found[PROBES])
{
    size_t count = 0;
    for (; *r < v->run_count && count < PROBES; ++*r) {
        const struct piece *piece = find_piece(&v->runs[*r], lookup->key);
        if (piece && piece->least_sequence <= lookup->snapshot) {
            found[count++] = piece;
        }
    }
    return count;
}

/* A filter that let the lookup pass to where the key is not was wrong. */
static int get_counted(const struct kind *kind, void *reader, const struct lookup *lookup, struct entry *entry,
                       struct pin *pin)
{
    struct lookup_counts *counts = lookup->counts;
    uint32_t asked = counts->filter_asked, no = counts->filter_no;
    int status = kind->get(reader, lookup, entry, pin);
    counts->segments++;
    counts->filter_wrong += status == NACRE_NOT_FOUND && counts->filter_asked > asked && counts->filter_no == no;
    return status;
}

static inline int get_from(const struct version *v, size_t r, const struct lookup *lookup, struct entry *entry,
                           struct pin *pin)
{
    const struct piece *found[PROBES];
    while (r < v->run_count) {
        size_t count = gather(v, lookup, &r, found);
        for (size_t i = 0; i < count && count > 1; i++) {
            v->kind->prefetch(found[i]->reader, lookup);
        }
        for (size_t i = 0; i < count; i++) {
            int status = __builtin_expect(lookup->counts != NULL, 0)
                             ? get_counted(v->kind, found[i]->reader, lookup, entry, pin)
                             : v->kind->get(found[i]->reader, lookup, entry, pin);
            if (status != NACRE_NOT_FOUND) {
                return status;
            }
        }
    }
    return NACRE_NOT_FOUND;
}

int version_get_below(const struct version *v, size_t from_run, const struct lookup *lookup, struct entry *entry,
                      struct pin *pin)
{
    return get_from(v, from_run, lookup, entry, pin);
}

int version_get(const struct version *v, const struct lookup *lookup, uint64_t covered, struct entry *entry,
                struct pin *pin)
{
    if (v->has_ranges) {
        uint64_t range = version_covering(v, lookup->key, lookup->snapshot, NULL);
        covered = range > covered ? range : covered;
    }
    int status = get_from(v, 0, lookup, entry, pin);
    if (status == NACRE_OK && entry->sequence < covered) {
        pin_release(pin);
        status = NACRE_NOT_FOUND;
    }
    return status;
}

struct visitor {
    struct lookup lookup;
    bool (*visit)(void *context, const struct entry *);
    void *context;
    bool more;
};

/* All versions but those that `lookup` leaves out: a cursor, as looking one after another up would begin at the newest each time. */
static int visit_older(const struct piece *piece, struct visitor *v)
{
    struct cursor *cursor = NULL;
    int status = piece->segment->kind->cursor_create(piece->reader, &cursor);
    if (status != NACRE_OK) {
        return status;
    }
    for (cursor_seek(cursor, v->lookup.key); v->more && cursor->valid && slice_equal(cursor->entry.key, v->lookup.key);
         cursor_next(cursor)) {
        if (cursor->entry.sequence <= v->lookup.snapshot) {
            v->more = v->visit(v->context, &cursor->entry);
        }
    }
    status = cursor->status;
    cursor_close(cursor);
    return status;
}

/* Mostly there is one version, so that is looked up, and whether there is another. */
static int visit_piece(const struct piece *piece, struct visitor *v)
{
    uint64_t snapshot = v->lookup.snapshot;
    int status = NACRE_OK;
    for (unsigned looked = 0; v->more && status == NACRE_OK && looked < 2; looked++) {
        struct entry entry;
        struct pin pin = { NULL, NULL };
        status = piece->segment->kind->get(piece->reader, &v->lookup, &entry, &pin);
        if (status == NACRE_OK) {
            v->more = v->visit(v->context, &entry);
            pin_release(&pin);
            v->lookup.snapshot = entry.sequence - (entry.sequence > 0);
            status = entry.sequence > piece->least_sequence ? NACRE_OK : NACRE_NOT_FOUND;
        }
    }
    if (v->more && status == NACRE_OK) {
        status = visit_older(piece, v);
    }
    v->lookup.snapshot = snapshot;
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

int version_visit(const struct version *version, const struct lookup *lookup,
                  bool (*visit)(void *context, const struct entry *), void *context)
{
    struct visitor v = { .lookup = *lookup, .visit = visit, .context = context, .more = true };
    int status = NACRE_OK;
    for (size_t r = 0; r < version->run_count && v.more && status == NACRE_OK; r++) {
        const struct piece *piece = find_piece(&version->runs[r], lookup->key);
        if (piece && piece->least_sequence <= lookup->snapshot) {
            status = visit_piece(piece, &v);
        }
    }
    return status;
}

void version_prefetch(const struct version *v, size_t from_run, const struct lookup *lookup)
{
    const struct piece *found[PROBES];
    for (size_t r = from_run; r < v->run_count;) {
        size_t count = gather(v, lookup, &r, found);
        for (size_t i = 0; i < count; i++) {
            v->kind->prefetch(found[i]->reader, lookup);
        }
    }
}

bool version_may_have_key_from(const struct version *v, size_t from_run, const struct lookup *lookup)
{
    for (size_t r = from_run; r < v->run_count; r++) {
        const struct piece *piece = find_piece(&v->runs[r], lookup->key);
        if (piece && v->kind->may_have_key(piece->reader, lookup)) {
            return true;
        }
    }
    return false;
}

bool version_may_have_operands(const struct version *v, size_t run, const struct lookup *lookup)
{
    for (size_t r = 0; r < run; r++) {
        const struct piece *piece = find_piece(&v->runs[r], lookup->key);
        if (piece && piece->merges && v->kind->may_have_key(piece->reader, lookup)) {
            return true;
        }
    }
    return false;
}

bool version_may_have_key(const struct version *v, const struct lookup *lookup, uint32_t from_level)
{
    size_t from = 0;
    while (from < v->run_count && v->runs[from].level < from_level) {
        from++;
    }
    return version_may_have_key_from(v, from, lookup);
}

/* ---- what newer segments supersede ---- */

bool piece_dead_rows(const struct piece *piece, uint64_t snapshot, const struct dead_rows **dead)
{
    bool known = piece->dead_known && (!piece->dead_rows || snapshot >= piece->dead_rows->valid_from);
    *dead = known ? piece->dead_rows : NULL;
    return known;
}

/* Runs are ordered by age, so any version that the snapshot sees is newer; of range deletes the sequence tells. */
static int supersedes(const struct piece *piece, const struct lookup *lookup, uint64_t sequence, bool *newer)
{
    struct entry entry;
    struct pin pin = { NULL, NULL };
    if (piece->segment->ranges &&
        range_set_covering(piece->segment->ranges, lookup->key, lookup->snapshot, NULL) > sequence) {
        *newer = true;
        return NACRE_OK;
    }
    if (!piece->segment->kind->may_have_key(piece->reader, lookup)) {
        return NACRE_OK;
    }
    int status = piece->segment->kind->get(piece->reader, lookup, &entry, &pin);
    *newer = status == NACRE_OK;
    if (*newer) {
        pin_release(&pin);
    }
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

int version_newer_has(const struct version *v, size_t run, const struct lookup *lookup, uint64_t sequence, bool *newer)
{
    int status = NACRE_OK;
    *newer = false;
    for (size_t r = 0; r < run && status == NACRE_OK && !*newer; r++) {
        const struct piece *piece = find_piece(&v->runs[r], lookup->key);
        if (piece && piece->least_sequence <= lookup->snapshot) {
            status = supersedes(piece, lookup, sequence, newer);
        }
    }
    return status;
}

/* Of all versions that the piece has of the key: a put, or an operand, may lie under a delete that another merge is dropping. */
static int piece_has_put(const struct piece *piece, struct lookup lookup, bool *has)
{
    struct entry entry;
    struct pin pin = { NULL, NULL };
    int status = NACRE_OK;
    while (status == NACRE_OK && !*has) {
        status = piece->segment->kind->get(piece->reader, &lookup, &entry, &pin);
        if (status == NACRE_OK) {
            pin_release(&pin);
            *has = entry.type != ENTRY_DELETE;
            if (entry.sequence == 0) {
                break;
            }
            lookup.snapshot = entry.sequence - 1;
        }
    }
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

int version_has_put(const struct version *v, size_t from_run, nacre_slice key, bool *has)
{
    struct lookup lookup = { .key = key, .hash = hash_bytes(key.data, key.size), .snapshot = SEQUENCE_MAX };
    int status = NACRE_OK;
    *has = false;
    for (size_t r = from_run; r < v->run_count && status == NACRE_OK && !*has; r++) {
        const struct piece *piece = find_piece(&v->runs[r], key);
        if (piece && v->kind->may_have_key(piece->reader, &lookup)) {
            status = piece_has_put(piece, lookup, has);
        }
    }
    return status;
}

/* ---- cursors ---- */

static bool may_have_prefix(const struct run *run, size_t first, size_t after, nacre_slice prefix)
{
    if (prefix.size == 0 || after - first > 4) {
        return true;
    }
    for (size_t i = first; i < after; i++) {
        if (run->pieces[i].segment->kind->may_have_prefix(run->pieces[i].reader, prefix)) {
            return true;
        }
    }
    return false;
}

static int open_run(const struct run *run, size_t first, size_t after, struct cursor **cursor)
{
    const struct piece *only = &run->pieces[first];
    if (after - first == 1 && !only->has_begin && !only->has_end) {
        return only->segment->kind->cursor_create(only->reader, cursor);
    }
    return run_cursor_create(only, after - first, cursor);
}

static int add_child(struct cursor *child, struct cursor ***children, size_t *count, size_t *capacity)
{
    if (*count == *capacity) {
        size_t more = *capacity ? 2 * *capacity : 8;
        struct cursor **larger = memory_realloc(*children, more * sizeof(struct cursor *));
        if (!larger) {
            cursor_close(child);
            return NACRE_NO_MEMORY;
        }
        *children = larger;
        *capacity = more;
    }
    (*children)[(*count)++] = child;
    return NACRE_OK;
}

/* The keys with the prefix that lie in [begin, end); `room` takes the end of the prefix. */
static struct key_range narrow(nacre_slice begin, nacre_slice end, nacre_slice prefix, uint8_t *room)
{
    struct key_range range = { begin, end };
    size_t size;
    if (prefix.size && slice_compare(prefix, begin) > 0) {
        range.begin = prefix;
    }
    if (prefix.size && slice_prefix_end(prefix, room, &size) &&
        (end.size == 0 || slice_compare(slice_of(room, size), end) < 0)) {
        range.end = slice_of(room, size);
    }
    return range;
}

int version_cursors(const struct version *v, nacre_slice begin, nacre_slice end, nacre_slice prefix,
                    struct cursor ***children, size_t *count, size_t *capacity)
{
    uint8_t *room = NULL;
    if (prefix.size && !(room = memory_alloc(prefix.size))) {
        return NACRE_NO_MEMORY;
    }
    struct key_range range = narrow(begin, end, prefix, room);
    bool empty = range.end.size && slice_compare(range.begin, range.end) >= 0;
    int status = NACRE_OK;
    for (size_t r = 0; r < v->run_count && status == NACRE_OK && !empty; r++) {
        const struct run *run = &v->runs[r];
        struct cursor *child;
        size_t first, after;
        run_overlap(run, &range, &first, &after);
        if (first < after && may_have_prefix(run, first, after, prefix)) {
            status = open_run(run, first, after, &child);
            if (status == NACRE_OK) {
                status = add_child(child, children, count, capacity);
            }
        }
    }
    memory_free(room);
    return status;
}

int version_match_cursors(const struct version *v, size_t from_run, struct search *search, nacre_slice begin,
                          nacre_slice end, struct cursor ***children, size_t *count, size_t *capacity)
{
    struct key_range range = { begin, end };
    bool empty = end.size && slice_compare(begin, end) >= 0;
    int status = NACRE_OK;
    for (size_t r = from_run; r < v->run_count && status == NACRE_OK && !empty; r++) {
        const struct run *run = &v->runs[r];
        struct cursor *child;
        size_t first, after;
        run_overlap(run, &range, &first, &after);
        if (first < after) {
            status = run_match_cursor_create(&run->pieces[first], after - first, search, begin, end, &child);
            if (status == NACRE_OK) {
                status = add_child(child, children, count, capacity);
            }
        }
    }
    return status;
}

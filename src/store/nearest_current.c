/* Does a row count, as far as newer layers and range deletes say (see nearest_search.h)? Asked of rows that would be among the k nearest, so
   a few times per search.

   A row of a layer is the newest version of its key there. It is current when
   1. no newer memtable has a version of the key that the snapshot sees;
   2. no range delete over the key that the snapshot sees is newer than the row: in its own layer or a newer one, as older layers hold
      older deletes alone;
   3. for rows of a segment: no newer run has such a version. Where the piece's dead rows are known for the snapshot, they say so of all newer runs and
      their range deletes, and the kind has left these rows out; else the newer runs are asked. The segment's own range deletes are looked at in both cases.
   One thread at a time. No locks. */
#include "base/hash.h"
#include "store/nearest_search.h"

static bool table_supersedes(const struct memtable *memtable, nacre_slice key, uint64_t snapshot)
{
    struct entry newer;
    return memtable_entries(memtable) > 0 &&
           ((memtable_has_ranges(memtable) && memtable_covering(memtable, key, snapshot) > 0) ||
            memtable_get(memtable, key, snapshot, &newer));
}

static bool own_table_covers(const struct memtable *memtable, nacre_slice key, uint64_t snapshot, uint64_t sequence)
{
    return memtable_has_ranges(memtable) && memtable_covering(memtable, key, snapshot) > sequence;
}

/* True also where that could not be found out; search->status then says why. */
static bool segments_supersede(struct nearest_search *s, nacre_slice key, uint64_t snapshot, uint64_t sequence)
{
    const struct range_set *ranges = s->piece->segment->ranges;
    bool newer = false;
    if (ranges && range_set_covering(ranges, key, snapshot, NULL) > sequence) {
        return true;
    }
    if (!s->newer_runs_known && s->run > 0) {
        struct lookup lookup = { .key = key, .hash = hash_bytes(key.data, key.size), .snapshot = snapshot };
        int status = version_newer_has(s->view->version, s->run, &lookup, sequence, &newer);
        if (status != NACRE_OK) {
            s->status = status;
            return true;
        }
    }
    return newer;
}

bool search_row_is_current(void *search, nacre_slice key, uint64_t sequence)
{
    struct nearest_search *s = search;
    uint64_t snapshot = s->nearest.snapshot;
    for (uint32_t i = 0; i < s->newer_tables; i++) {
        if (table_supersedes(s->view->tables[i]->memtable, key, snapshot)) {
            return false;
        }
    }
    return s->table ? !own_table_covers(s->table, key, snapshot, sequence)
                    : !segments_supersede(s, key, snapshot, sequence);
}

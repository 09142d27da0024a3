/* Salvage copies: a new store of everything that can be read from a damaged one, and a report of what could not. What the parts share
   (salvage_copy.c, salvage_segments.c, salvage_words.c, salvage_merge.c, salvage_values.c, salvage_lost.c, salvage_log.c, salvage_stale.c, salvage_report.c).
   One thread. */
#ifndef NACRE_STORE_SALVAGE_H
#define NACRE_STORE_SALVAGE_H
#include "os/copy.h"
#include "segment/rebuild.h"
#include "store/key_set.h"
#include "store/store.h"
#include "tree/manifest_salvage.h"
#include "values/value_salvage.h"

/* Keys of a collection whose entries, or some versions of them, are lost: so an older value or a deleted key may have come back. */
struct lost_keys {
    uint32_t collection;
    bool has_after, has_before;  /* bounds, both inclusive, as far as there are any */
    struct buffer after, before; /* owned */
    uint64_t sequence;           /* what was lost is not newer */
    bool
        unordered; /* nothing is lost, but where the settled entries stand among others is not known: each version of the keys that is not of them may be older */
};

/* Keys of which a value, or several, are in no value file. */
struct lost_value {
    uint64_t owner;               /* the collection; where a segment does not know it, the segment's id */
    uint64_t sequence;            /* of the newest entry that lost its value */
    bool open;                    /* nothing that is newer was seen */
    size_t detail;                /* where it begins, with its NUL */
    struct value_pointer pointer; /* of what was lost first */
};
struct lost_values {
    struct key_set set; /* of owner and key, as bytes; an item's `newest` is the place in the list */
    struct buffer keys; /* their bytes */
    struct buffer details;
    struct lost_value *list;
    size_t count, capacity;
    size_t reported; /* so many are in the report */
};

enum salvaged_how {
    SALVAGED_SOUND,
    SALVAGED_REBUILT,
    SALVAGED_NOTHING,
    SALVAGED_MISSING,
    SALVAGED_LEFT_OUT /* a bulk load that was not taken in */
};

/* Where a segment that no edit names stands among the others. */
enum salvaged_order { ORDER_KNOWN, ORDER_UNKNOWN, ORDER_NOT_TAKEN_IN };

struct salvaged_segment {
    uint64_t id;
    uint32_t collection; /* 0: not known */
    const struct kind *kind;
    uint32_t dimension; /* of vectors, as far as it is known; so is the metric */
    nacre_metric metric;
    enum salvaged_how how;
    uint64_t given; /* the sequence of all entries, which the file has as settled; 0: the file's count */
    enum salvaged_order order;
    bool has_words;      /* what it says of its collection: */
    struct buffer words; /* section COLL; owned */
    struct segment_properties
        properties; /* of what is in the new store; owned. Of what should be there where nothing is */
};

struct salvage {
    const nacre_os *os;
    const nacre_options *options;
    const char *path, *to;
    struct copier copier;
    struct manifest_salvaged manifest; /* its state becomes the new store's */
    struct given_list given;
    struct segment_env source, target;
    char source_segments[OS_PATH_MAX], target_segments[OS_PATH_MAX];
    struct salvaged_segment *segments;
    size_t segment_count, segment_capacity;
    struct lost_keys *lost;
    size_t lost_count, lost_capacity;
    struct replaced *replaced; /* ascending by id and begin; as far as it is believed */
    size_t replaced_count, replaced_capacity;
    uint64_t next_segment; /* ids of segments that are made here */
    nacre_store *store;    /* the new one, once it is open */
    char source_values[OS_PATH_MAX], target_values[OS_PATH_MAX];
    struct value_source values, copies; /* in the old store's value files, and in what was copied of them */
    struct lost_values lost_values;
    struct wal_replay_report log;
    int log_status;
    /* What the report will say. */
    struct buffer damage, stale; /* JSON objects, divided by commas */
    uint64_t damaged_places, log_damages, stale_keys, entries, value_files, unknown_ops, lost_in_log;
    char log_detail[512]; /* why its reading ended early */
};

/* ---- the report (salvage_report.c) ---- */
/* One damaged place. file: beneath the store's directory. collection, lost and detail may be NULL. */
int salvage_report_damage(struct salvage *, const char *file, const struct manifest_collection *,
                          const struct lost_part *, const char *detail);
int salvage_report_stale(struct salvage *, const char *collection, nacre_slice key);
int salvage_report_json(struct salvage *, char **json);

/* ---- segments (salvage_segments.c) ---- */
/* Brings every segment that is wanted into the new store, and the manifest's state to what is there. */
int salvage_segments(struct salvage *);
struct manifest_collection *salvage_collection(struct salvage *, uint32_t id);       /* NULL: there is none */
const struct salvaged_segment *salvage_segment(const struct salvage *, uint64_t id); /* NULL: there is none */
/* ---- what segments know that the manifest does not tell (salvage_words.c) ---- */
int salvage_keep_words(struct salvaged_segment *, const struct segment_words *);
bool salvage_words_of(const struct salvaged_segment *, struct segment_words *);
/* For a segment that is made here: all writes of before are in segments of the new store. */
struct segment_words salvage_words_for(const struct salvage *, uint32_t collection, bool bulk);
/* Of a segment that no edit names, with what it says of itself. */
enum salvaged_order salvage_order_of(const struct salvage *, const struct salvaged_segment *,
                                     const struct segment_properties *);
/* Names of collections, operators and the rest; once all segments are there. */
int salvage_name_collections(struct salvage *);
/* An operator of which nothing is known gets a name that a program can give one of its own. what: operands of a segment, or NULL: of the log. */
int salvage_miss_operator(struct salvage *, struct manifest_collection *, const struct salvaged_segment *);
/* All of the collection's writes up to it are in segments. */
uint64_t salvage_reach(const struct salvage *, uint32_t collection);
/* Whether those of the key up to the sequence are, by a segment that says so of its own keys only. *next: where these end, or, where none is about the key, the next ones begin;
   empty: nowhere. */
bool salvage_reaches(const struct salvage *, uint32_t collection, uint64_t sequence, nacre_slice key,
                     nacre_slice *next);
/* ---- what segments say of those that they replace (salvage_replaced.c) ---- */
/* Sorts out what is said; once all segments are there. Where a segment that replaced others is damaged, or does not say which, its keys are noted as unordered. */
int salvage_find_replaced(struct salvage *);
/* The ranges of the segment that are not to be read, ascending and disjoint; an empty end: to the end of all keys. They live as long as the segments' words;
   free the list with memory_free. */
struct dead_range {
    nacre_slice begin, end;
};
int salvage_dead_ranges(const struct salvage *, uint64_t segment, struct dead_range **, size_t *count);
/* ---- segments of which no manifest tells the order (salvage_merge.c) ---- */
int salvage_merge_collection(struct salvage *, struct manifest_collection *);
/* ---- value files (salvage_values.c) ---- */
/* Into the new store, before all segments. */
int salvage_copy_values(struct salvage *);
/* NACRE_NOT_FOUND: the entry points to a value that is lost, which is noted. NACRE_OK: it does not. All else says nothing of the value. */
int salvage_check_value(struct salvage *, const struct salvaged_segment *, const struct entry *);
/* Whether all entries of a sound segment have their values. */
int salvage_check_values(struct salvage *, const struct salvaged_segment *, struct segment *, bool *whole);
/* Makes one, of the same id, of those that have. *made: NULL where there are none; else 1 reference. */
int salvage_leave_out_lost(struct salvage *, const struct salvaged_segment *, struct segment *, struct segment **made);
/* The value that an operation of the log points to, until the next one is read. NACRE_NOT_FOUND: it is lost; *pointer is set. */
int salvage_read_logged(struct salvage *, nacre_slice bytes, struct value_pointer *, nacre_slice *value);
/* ---- keys whose values are lost (salvage_lost.c) ---- */
/* Keeps the calling thread's detail with it. */
int salvage_lose_value(struct salvage *, uint64_t owner, nacre_slice key, uint64_t sequence,
                       const struct value_pointer *);
int salvage_report_lost(struct salvage *); /* those that are not in the report; collections have their names by now */
/* Which have newer versions in the segments of the new store, which has no merges yet. */
int salvage_weigh_lost(struct salvage *);
/* The log's next operation gives the key a value, or deletes it. */
int salvage_note_write(struct salvage *, uint32_t collection, nacre_slice key);
int salvage_find_stale_values(struct salvage *); /* once the log is there */
void salvage_free_lost(struct lost_values *);
/* ---- the log (salvage_log.c) ---- */
int salvage_note_log_collections(struct salvage *);     /* of which nothing else is left */
int salvage_log(struct salvage *);                      /* into the new store, which is open */
wal_position salvage_log_begin(const struct salvage *); /* from where on the manifest wants it */
/* ---- what may have come back (salvage_stale.c) ---- */
int salvage_note_lost(struct salvage *, const struct salvaged_segment *, const struct lost_part *);
int salvage_note_unordered(struct salvage *, const struct salvaged_segment *);
int salvage_note_unordered_part(struct salvage *, const struct salvaged_segment *, const struct lost_part *);
/* The key is in a range of such entries: it is reported. */
int salvage_note_doubt(struct salvage *, const struct manifest_collection *, nacre_slice key);
int salvage_find_stale(struct salvage *); /* in the new store, before the log is there */

bool store_is_sound(nacre_store *); /* true of NULL: what failed was not its own doing */
int store_salvage_copy(const char *path, const char *to, const nacre_options *, char **report_json);
#endif

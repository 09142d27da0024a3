/* Mechanism knobs: one table makes the values, their check, tuning.json, `nacre tune` and the docs. The engine chooses; a value that the
   user set is kept in tuning.json and never moved. */
#ifndef NACRE_STORE_TUNING_H
#define NACRE_STORE_TUNING_H
#include "os/os.h"
#include <pthread.h>
#include <stdatomic.h>

/* name, unit, default (0 = worked out from the options), least, greatest, text, how to tell that it is wrong */
#define TUNING_TABLE(X) \
    X(seal_bytes, "bytes", 0, 4 << 10, UINT64_C(4) << 30, \
      "a memtable of this size is sealed; 0: a fourth of the memtables' share of memory_budget, at most 64 MiB", \
      "flushed_bytes / flushes is small and write_amplification_percent grows: larger; stalls_memtables grow: " \
      "smaller, or a larger memory_budget") \
    X(vector_scan_us, "microseconds", 3000, 10, 10000000, \
      "a memtable whose vectors an exact search would take so long to go over, at 10 GB/s, is sealed", \
      "nearest is slow while memtable_bytes of a collection of vectors is large: smaller; many flushes of small " \
      "bytes: larger") \
    X(log_file_bytes, "bytes", 0, 64 << 10, UINT64_C(1) << 30, \
      "size of a log file; 0: 1/128 of log_limit, 1 to 8 MiB, up to 8 times that while writers wait for the next one", \
      "stalls_disk grow, or log_files is in the hundreds: larger") \
    X(log_map, "0 or 1", 1, 0, 1, "write the log through a map (1) or by one write per commit (0); read at open", \
      "the disk of the log can vanish, or the process ended by SIGBUS: 0") \
    X(log_recycle, "0 or 1", 1, 0, 1, "use pruned log files again; read at open", \
      "stalls_disk grow with 0: 1; copies of the log's files by other programs must not change under them: 0") \
    X(value_file_bytes, "bytes", 64 << 20, 4096, UINT64_C(1) << 30, \
      "size of a value file; a larger value gets one of its own; read at open", \
      "value_log_files is in the thousands: larger; value_log_garbage_bytes stays high beside few value_log_files: " \
      "smaller") \
    X(segment_map, "0 or 1", 1, 0, 1, \
      "read segments and value files through maps; 0 for disks that can vanish; read at open", \
      "the disk of the store can vanish, or the process ended by SIGBUS: 0") \
    X(file_handles, "handles", 1024, 32, 1 << 20, \
      "so many files are open at a time; those that are only read are closed, the least used first, and opened again", \
      "other parts of the program run out of handles: smaller; reads without maps open files again and again: larger") \
    X(disk_reserve_bytes, "bytes", 8 << 20, 0, UINT64_C(1) << 30, \
      "room kept in the file RESERVE for deletes, flushes and merges on a full disk (0 = none)", \
      "a full disk leaves no room for the merges that would free some: larger") \
    X(cache_bytes, "bytes", 0, 0, UINT64_C(1) << 50, \
      "block cache for blocks that are not used in place; 0: what the memtables leave of memory_budget", \
      "cache_misses grow as fast as cache_hits and memory is free: larger, by memory_budget") \
    X(segment_bytes, "bytes", 64 << 20, 16 << 10, UINT64_C(2) << 30, "size that merges aim at for a segment", \
      "merge_unit takes longer than is borne: smaller; segments is in the thousands: larger") \
    X(level_base_bytes, "bytes", 512 << 20, 64 << 10, UINT64_C(1) << 40, "size of level 1", \
      "stalls_merges grow: larger; read_amplification_percent is far over 100: smaller") \
    X(level_ratio, "times", 8, 2, 64, "each deeper level is so many times larger", \
      "write_amplification_percent is high: smaller; space that level 1 and deeper shadow is high: larger") \
    X(level0_runs, "runs", 6, 1, 64, "level 0 is merged from so many runs on", \
      "segments_asked / gets_sampled is high, or cursor_move slow: smaller; merge_written_bytes outgrow " \
      "flushed_bytes: larger") \
    X(tombstone_percent, "percent", 25, 1, 100, "a segment with this share of deletes is merged early", \
      "scan_dead grows faster than keys are deleted: smaller; merges go on while nothing but deletes come: larger") \
    X(value_garbage_percent, "percent", 30, 5, 90, \
      "value log: from this share of garbage on, values move out of the files with the most of it", \
      "value_log_garbage_bytes is more than is borne: smaller; value_log_moved_bytes outgrow " \
      "value_log_appended_bytes: larger") \
    X(tier_runs, "runs", 4, 2, 32, "vectors: so many neighbouring runs of about one size become one", \
      "runs of vectors are many and nearest is slow: smaller; merge_written_bytes outgrow flushed_bytes: larger") \
    X(runs_most, "runs", 8, 1, 256, "vectors: runs are merged, whatever their sizes, from more than so many on", \
      "nearest is slow and level 0 of a collection of vectors has many runs: smaller; stalls_merges grow: larger") \
    X(run_segment_bytes, "bytes", 0, 16 << 10, UINT64_C(2) << 30, \
      "vectors: size that merges aim at for a segment; 0: twice memory_budget, at most 2 GiB", \
      "memory of building is over what is borne while vectors are merged: smaller; many segments per run: larger") \
    X(block_bytes, "bytes", 4096, 512, 1 << 20, "size that blocks aim at before compression", \
      "scans matter and gets do not: larger; gets are slow and cache_misses grow: smaller") \
    X(compression_top, "0 none, 1 lz4, 2 zstd", 0, 0, 2, "levels 0 and 1", \
      "segment_bytes is too much for the disk: 1; the processor is busy with flushes and merges: 0") \
    X(compression_middle, "0 none, 1 lz4, 2 zstd", 1, 0, 2, "levels 2 and 3", \
      "get is slow and cache_misses grow: 0; segment_bytes is too much for the disk: 2") \
    X(compression_bottom, "0 none, 1 lz4, 2 zstd", 2, 0, 2, "levels from 4 on", \
      "get is slow and cache_misses grow: 1 or 0; segment_bytes is too much for the disk: 2") \
    X(learned_index, "0 never, 1 where it pays, 2 always", 1, 0, 2, \
      "ordered: side files get a model that finds the block of a key, for seeks", \
      "memory of readers_ordered is too much: 0; seeks are slow: 2") \
    X(async_index_build, "0 or 1", 0, 0, 1, "make side files after their segment (1) or with it (0)", \
      "missing_indexes stays over 0: 0; merge_unit takes too long: 1") \
    X(autotune, "0 or 1", 0, 0, 1, \
      "the engine moves cache_bytes (with seal_bytes) and level0_runs by what it measures (1), where they are not " \
      "set", \
      "decisions in autotune go back and forth, or a phase is slower than with 0: 0") \
    X(statistics, "0 or 1", 1, 0, 1, "time calls and the work behind them (1) or count them only (0)", \
      "the time that calls take matters to the last percent: 0")

enum tuning_name {
#define TUNING_ENUM(name, unit, value, least, most, text, wrong) TUNING_##name,
    TUNING_TABLE(TUNING_ENUM)
#undef TUNING_ENUM
        TUNING_COUNT
};
struct tuning {
    pthread_mutex_t lock;
    _Atomic uint64_t values[TUNING_COUNT];
    _Atomic uint64_t chosen[TUNING_COUNT]; /* by the autotuner for this opening, 0 = not; written under lock */
    _Atomic uint64_t
        worked_out[TUNING_COUNT]; /* what stands for a value 0 that says so; 0 elsewhere. By store_apply_tuning */
    bool set[TUNING_COUNT];       /* by the user; lock */
    uint64_t text_hash;           /* of the file as it was read last, 0 = it was not there; by who loads */
};
int tuning_load(struct tuning *, const nacre_os *,
                const char *store_path); /* missing file: defaults; unknown names are kept out and an error */
/* The file again, where it is not as it was when it was read last: NACRE_OK then. NACRE_EXISTS: nothing has changed. */
int tuning_reload(struct tuning *, const nacre_os *, const char *store_path);
int tuning_set(struct tuning *, const nacre_os *, const char *store_path, const char *name, const char *value,
               enum tuning_name *which); /* "default" unsets */
/* What a 0 stands for, as it comes out of the options and the other parameters. */
void tuning_note_worked_out(struct tuning *, enum tuning_name, uint64_t value);
/* The autotuner's choice; 0 takes it back. False: it is the user's, out of its range, or the autotuner is off. */
bool tuning_choose(struct tuning *, enum tuning_name, uint64_t value);
bool tuning_is_set(struct tuning *, enum tuning_name); /* by the user, itself or what it goes with */
const char *tuning_name_of(enum tuning_name);
uint64_t tuning_least(enum tuning_name);
uint64_t tuning_most(enum tuning_name);
int tuning_json(struct tuning *, char **json);
void tuning_destroy(struct tuning *);
static inline uint64_t tuning_get(const struct tuning *t, enum tuning_name name)
{
    return atomic_load_explicit(&t->values[name], memory_order_relaxed);
}
/* The same, but for what the autotuner chose. */
static inline uint64_t tuning_now(const struct tuning *t, enum tuning_name name)
{
    uint64_t chosen = atomic_load_explicit(&t->chosen[name], memory_order_relaxed);
    return chosen ? chosen : tuning_get(t, name);
}
#endif

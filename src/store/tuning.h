/* Mechanism knobs: one table makes the values, their check, tuning.json, `nacre tune` and the docs. The engine chooses; a value that the
   user set is kept in tuning.json and never moved. */
#ifndef NACRE_STORE_TUNING_H
#define NACRE_STORE_TUNING_H
#include "os/os.h"
#include <pthread.h>
#include <stdatomic.h>

/* name, unit, default (0 = worked out from the options), least, greatest, text */
#define TUNING_TABLE(X) \
    X(seal_bytes, "bytes", 0, 4 << 10, UINT64_C(4) << 30, \
      "a memtable of this size is sealed; 0: a fourth of the memtables' share of memory_budget, at most 64 MiB") \
    X(log_file_bytes, "bytes", 0, 64 << 10, UINT64_C(1) << 30, \
      "size of a log file; 0: 1/128 of log_limit, 1 to 8 MiB") \
    X(log_map, "0 or 1", 1, 0, 1, "write the log through a map (1) or by one write per commit (0); read at open") \
    X(log_recycle, "0 or 1", 1, 0, 1, "use pruned log files again; read at open") \
    X(segment_map, "0 or 1", 1, 0, 1, "read segments through maps; 0 for disks that can vanish; read at open") \
    X(cache_bytes, "bytes", 0, 0, UINT64_C(1) << 50, \
      "block cache for blocks that are not used in place; 0: what the memtables leave of memory_budget") \
    X(segment_bytes, "bytes", 64 << 20, 16 << 10, UINT64_C(2) << 30, "size that merges aim at for a segment") \
    X(level_base_bytes, "bytes", 512 << 20, 64 << 10, UINT64_C(1) << 40, "size of level 1") \
    X(level_ratio, "times", 8, 2, 64, "each deeper level is so many times larger") \
    X(level0_runs, "runs", 6, 1, 64, "level 0 is merged from so many runs on") \
    X(tombstone_percent, "percent", 25, 1, 100, "a segment with this share of deletes is merged early") \
    X(block_bytes, "bytes", 4096, 512, 1 << 20, "size that blocks aim at before compression") \
    X(compression_top, "0 none, 1 lz4, 2 zstd", 0, 0, 2, "levels 0 and 1") \
    X(compression_middle, "0 none, 1 lz4, 2 zstd", 1, 0, 2, "levels 2 and 3") \
    X(compression_bottom, "0 none, 1 lz4, 2 zstd", 2, 0, 2, "levels from 4 on") \
    X(async_index_build, "0 or 1", 0, 0, 1, "make side files after their segment (1) or with it (0)")

enum tuning_name {
#define TUNING_ENUM(name, unit, value, least, most, text) TUNING_##name,
    TUNING_TABLE(TUNING_ENUM)
#undef TUNING_ENUM
        TUNING_COUNT
};
struct tuning {
    pthread_mutex_t lock;
    _Atomic uint64_t values[TUNING_COUNT];
    bool set[TUNING_COUNT]; /* by the user; lock */
};
int tuning_load(struct tuning *, const nacre_os *,
                const char *store_path); /* missing file: defaults; unknown names are kept out and an error */
int tuning_set(struct tuning *, const nacre_os *, const char *store_path, const char *name, const char *value,
               enum tuning_name *which); /* "default" unsets */
int tuning_json(struct tuning *, char **json);
void tuning_destroy(struct tuning *);
static inline uint64_t tuning_get(const struct tuning *t, enum tuning_name name)
{
    return atomic_load_explicit(&t->values[name], memory_order_relaxed);
}
#endif

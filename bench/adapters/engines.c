/* The list of engines that this build knows. bench/CMakeLists.txt defines BENCH_WITH_x for each engine that was found. */
#include "adapters/engine.h"
#include <string.h>

const struct engine *const engines[] = {
#ifdef BENCH_WITH_NACRE
    &engine_nacre,
    &engine_nacre_inline,
#endif
#ifdef BENCH_WITH_ROCKSDB
    &engine_rocksdb,
    &engine_rocksdb_blobs,
#endif
#ifdef BENCH_WITH_LEVELDB
    &engine_leveldb,
#endif
#ifdef BENCH_WITH_LMDB
    &engine_lmdb,
#endif
#ifdef BENCH_WITH_WIREDTIGER
    &engine_wiredtiger,
#endif
    NULL,
};

const struct engine *engine_find(const char *name)
{
    for (size_t i = 0; engines[i] != NULL; i++) {
        if (strcmp(engines[i]->name, name) == 0) {
            return engines[i];
        }
    }
    return NULL;
}

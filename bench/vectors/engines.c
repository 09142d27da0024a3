/* The engines of this build. */
#include "engine.h"

const struct engine *const engines[] = {
#ifdef BENCH_WITH_NACRE
    &engine_nacre,
    &engine_nacre_unmerged,
#endif
#ifdef BENCH_WITH_HNSWLIB
    &engine_hnswlib,
#endif
#ifdef BENCH_WITH_FAISS
    &engine_faiss_hnsw,
    &engine_faiss_hnsw_sq8,
    &engine_faiss_ivf,
    &engine_faiss_ivf_pq,
#endif
#ifdef BENCH_WITH_USEARCH
    &engine_usearch_f32,
    &engine_usearch_bf16,
    &engine_usearch_i8,
#endif
    NULL
};

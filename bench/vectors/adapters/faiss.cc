/* FAISS. Where the metric is cosine, vectors are of length one, and L2 has the same nearest. A search gets as many
   queries as there are, which its inverted lists profit from, and uses one thread. A graph that is searched must not
   be inserted to, so that the two exclude each other where they come together. */
#include "adapter.h"
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexRefine.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>
#include <memory>
#include <omp.h>

extern "C" void openblas_set_num_threads(int count) __attribute__((weak));

namespace {

struct index_state {
    std::unique_ptr<faiss::Index> index;
    insert_lock lock;
};

void tell_version(char *text, std::size_t size)
{
    std::snprintf(text, size, "FAISS %d.%d.%d", FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH);
}

/* "%IVF" stands for as many lists as the square root of the rows, rounded up to a power of two, "%PQ" for codes of 4
   bits for 2 dimensions. */
std::string factory_text(const engine *engine, const engine_place *place)
{
    std::string text = engine->variant;
    std::size_t lists = 1, at = text.find("%IVF");
    while (lists * lists < place->rows) {
        lists *= 2;
    }
    if (at != std::string::npos) {
        text.replace(at, 4, "IVF" + std::to_string(lists));
    }
    if ((at = text.find("%PQ")) != std::string::npos) {
        text.replace(at, 3, "PQ" + std::to_string(place->dimension / 2) + "x4fs");
    }
    return text;
}

std::unique_ptr<faiss::Index> make_index(const engine *engine, const engine_place *place)
{
    std::unique_ptr<faiss::Index> index(faiss::index_factory(static_cast<int>(place->dimension),
                                                             factory_text(engine, place).c_str(), faiss::METRIC_L2));
    if (auto *graph = dynamic_cast<faiss::IndexHNSW *>(index.get())) {
        graph->hnsw.efConstruction = GRAPH_CONSTRUCTION_BEAM;
    }
    return index;
}

void build(const engine *engine, const engine_place *place, const vector_file *base)
{
    omp_set_num_threads(static_cast<int>(place->threads));
    if (openblas_set_num_threads != nullptr) {
        openblas_set_num_threads(static_cast<int>(place->threads));
    }
    std::unique_ptr<faiss::Index> index = make_index(engine, place);
    auto rows = static_cast<faiss::Index::idx_t>(place->rows);
    index->train(rows, base->floats);
    index->add(rows, base->floats);
    faiss::write_index(index.get(), index_path(place).c_str());
}

void *open_index(const engine *, const engine_place *place)
{
    auto *state = new index_state;
    state->index.reset(faiss::read_index(index_path(place).c_str()));
    return state;
}

void set_beam(void *state, double setting)
{
    auto *graph = dynamic_cast<faiss::IndexHNSW *>(static_cast<index_state *>(state)->index.get());
    graph->hnsw.efSearch = static_cast<int>(setting);
}

/* The part behind the point, if any, is how many times k candidates are taken to the full vectors, in thousandths. */
void set_lists(void *state, double setting)
{
    faiss::Index *index = static_cast<index_state *>(state)->index.get();
    auto lists = static_cast<std::size_t>(setting);
    if (auto *refined = dynamic_cast<faiss::IndexRefine *>(index)) {
        refined->k_factor = static_cast<float>(static_cast<int>((setting - static_cast<double>(lists)) * 1000 + 0.5));
        index = refined->base_index;
    }
    dynamic_cast<faiss::IndexIVF *>(index)->nprobe = lists;
}

void search(void *context, const float *queries, std::size_t count, std::size_t k, std::int32_t *rows)
{
    auto *state = static_cast<index_state *>(context);
    static thread_local std::vector<float> distances;
    static thread_local std::vector<faiss::Index::idx_t> labels;
    distances.resize(count * k);
    labels.resize(count * k);
    omp_set_num_threads(1);
    state->lock.while_searching([&] {
        state->index->search(static_cast<faiss::Index::idx_t>(count), queries, static_cast<faiss::Index::idx_t>(k),
                             distances.data(), labels.data());
    });
    for (std::size_t i = 0; i < count * k; i++) {
        rows[i] = static_cast<std::int32_t>(labels[i]);
    }
}

void *create(const engine *engine, const engine_place *place)
{
    auto *state = new index_state;
    state->index = make_index(engine, place);
    state->lock.enable();
    return state;
}

void insert(void *context, std::size_t, const float *vector) /* rows come in their order */
{
    auto *state = static_cast<index_state *>(context);
    omp_set_num_threads(1);
    state->lock.while_inserting([&] { state->index->add(1, vector); });
}

void close_index(void *state)
{
    delete static_cast<index_state *>(state);
}

const double list_counts[] = { 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 0 };
const double lists_and_factors[] = { 1.004,  1.010,  2.004,  2.010,  4.004,  4.010,  4.030,  8.010, 8.030,
                                     16.010, 16.030, 32.010, 32.030, 64.030, 64.100, 128.03, 128.1, 0 };

constexpr engine make_graph(const char *name, const char *variant)
{
    return { name,       variant,  true,   "ef",        beam_widths, tell_version, build,
             open_index, set_beam, search, close_index, nullptr,     create,       insert };
}

constexpr engine make_lists(const char *name, const char *variant, const double *settings)
{
    return { name,       variant,   true,   "nprobe",    settings, tell_version, build,
             open_index, set_lists, search, close_index, nullptr,  nullptr,      nullptr };
}

} // namespace

extern "C" const engine engine_faiss_hnsw = make_graph("faiss-hnsw", "HNSW16,Flat");
extern "C" const engine engine_faiss_hnsw_sq8 = without_inserts(make_graph("faiss-hnsw-sq8", "HNSW16,SQ8"));
extern "C" const engine engine_faiss_ivf = make_lists("faiss-ivf", "%IVF,Flat", list_counts);
extern "C" const engine engine_faiss_ivf_pq = make_lists("faiss-ivf-pq", "%IVF,%PQ,RFlat", lists_and_factors);

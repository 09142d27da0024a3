/* hnswlib. Rows go in by several threads at once. Its searches do not lock what inserts change, so that the two
   exclude each other where they come together. */
#include "adapter.h"
#include <hnswlib.h>
#include <memory>

namespace {

struct index_state {
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
    insert_lock lock;
};

struct label_filter : hnswlib::BaseFilterFunctor {
    const row_filter *filter;
    explicit label_filter(const row_filter *given) : filter(given) {}
    bool operator()(hnswlib::labeltype row) override { return filter_allows(filter, static_cast<std::uint32_t>(row)); }
};

void tell_version(char *text, std::size_t size)
{
    std::snprintf(text, size, "hnswlib %s", BENCH_HNSWLIB_VERSION);
}

hnswlib::SpaceInterface<float> *make_space(const engine_place *place)
{
    if (place->metric == METRIC_COSINE) {
        return new hnswlib::InnerProductSpace(place->dimension);
    }
    return new hnswlib::L2Space(place->dimension);
}

void build(const engine *, const engine_place *place, const vector_file *base)
{
    std::unique_ptr<hnswlib::SpaceInterface<float>> space(make_space(place));
    hnswlib::HierarchicalNSW<float> graph(space.get(), place->rows, GRAPH_DEGREE, GRAPH_CONSTRUCTION_BEAM);
    for_each_row(place, [&](std::size_t row, unsigned) { graph.addPoint(vector_file_floats(base, row), row); });
    graph.saveIndex(index_path(place));
}

void *open_index(const engine *, const engine_place *place)
{
    auto *state = new index_state;
    state->space.reset(make_space(place));
    state->graph.reset(new hnswlib::HierarchicalNSW<float>(state->space.get(), index_path(place)));
    return state;
}

void set_beam(void *state, double setting)
{
    static_cast<index_state *>(state)->graph->setEf(static_cast<std::size_t>(setting));
}

using answer = std::priority_queue<std::pair<float, hnswlib::labeltype>>;

void take_rows(answer &found, std::size_t k, std::int32_t *rows)
{
    for (std::size_t i = found.size(); i < k; i++) {
        rows[i] = -1;
    }
    for (std::size_t i = found.size(); i-- > 0; found.pop()) {
        rows[i] = static_cast<std::int32_t>(found.top().second);
    }
}

void search(void *context, const float *queries, std::size_t count, std::size_t k, std::int32_t *rows)
{
    auto *state = static_cast<index_state *>(context);
    std::size_t dimension = *static_cast<std::size_t *>(state->space->get_dist_func_param());
    for (std::size_t query = 0; query < count; query++) {
        answer found;
        state->lock.while_searching([&] { found = state->graph->searchKnn(queries + query * dimension, k); });
        take_rows(found, k, rows + query * k);
    }
}

void search_filtered(void *state, const float *query, std::size_t k, const row_filter *filter, std::int32_t *rows)
{
    label_filter allowed(filter);
    answer found = static_cast<index_state *>(state)->graph->searchKnn(query, k, &allowed);
    take_rows(found, k, rows);
}

void *create(const engine *, const engine_place *place)
{
    auto *state = new index_state;
    state->space.reset(make_space(place));
    state->graph.reset(
        new hnswlib::HierarchicalNSW<float>(state->space.get(), place->rows, GRAPH_DEGREE, GRAPH_CONSTRUCTION_BEAM));
    state->lock.enable();
    return state;
}

void insert(void *context, std::size_t row, const float *vector)
{
    auto *state = static_cast<index_state *>(context);
    state->lock.while_inserting([&] { state->graph->addPoint(vector, row); });
}

void close_index(void *state)
{
    delete static_cast<index_state *>(state);
}

} // namespace

extern "C" const engine engine_hnswlib = { "hnswlib", "",         true,     "ef",   beam_widths, tell_version,
                                           build,     open_index, set_beam, search, close_index, search_filtered,
                                           create,    insert };

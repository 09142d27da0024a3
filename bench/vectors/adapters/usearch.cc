/* usearch, with its own kernels, which it chooses for the machine. It lets inserts and searches come together.

   Its own way to eight bits makes each vector one of length one, which is no way to L2, and coarse where vectors are
   long. So they are made here: the range of all numbers of the set is spread over eight bits; where the metric is
   cosine, with zero in the middle. */
#include "adapter.h"
#include <algorithm>
#include <cmath>
#include <usearch/index_dense.hpp>

namespace {

using unum::usearch::index_dense_config_t;
using unum::usearch::index_dense_t;
using unum::usearch::index_limits_t;
using unum::usearch::metric_kind_t;
using unum::usearch::metric_punned_t;
using unum::usearch::scalar_kind_t;

const unsigned searchers_max = 64;

struct quantizer {
    float offset = 0, scale = 0; /* scale 0: vectors stay floats */

    template <typename use_codes> auto apply(const float *vector, std::size_t dimension, use_codes use) const
    {
        static thread_local std::vector<unum::usearch::i8_t> codes;
        codes.resize(dimension);
        for (std::size_t i = 0; i < dimension; i++) {
            float code = std::nearbyint((vector[i] - offset) * scale);
            codes[i] = static_cast<unum::usearch::i8_t>(std::min(127.0f, std::max(-127.0f, code)));
        }
        return use(codes.data());
    }
};

struct index_state {
    index_dense_t index;
    quantizer codes;
    std::atomic<std::size_t> threads{ 0 };
};

void tell_version(char *text, std::size_t size)
{
    std::snprintf(text, size, "usearch %s", BENCH_USEARCH_VERSION);
}

template <typename result_type> void check(result_type &result)
{
    if (!result) {
        adapter_die("usearch", result.error.release());
    }
}

scalar_kind_t scalar_of(const engine *engine)
{
    std::string variant = engine->variant;
    return variant == "bf16" ? scalar_kind_t::bf16_k : variant == "i8" ? scalar_kind_t::i8_k : scalar_kind_t::f32_k;
}

index_dense_t make_index(const engine *engine, const engine_place *place)
{
    index_dense_config_t config(GRAPH_DEGREE, GRAPH_CONSTRUCTION_BEAM, 64);
    metric_kind_t kind = place->metric == METRIC_COSINE ? metric_kind_t::cos_k : metric_kind_t::l2sq_k;
    auto made = index_dense_t::make(metric_punned_t(place->dimension, kind, scalar_of(engine)), config);
    check(made);
    return std::move(made.index);
}

std::string quantizer_path(const engine_place *place)
{
    return std::string(place->directory) + "/quantizer";
}

quantizer make_quantizer(const engine_place *place, const vector_file *base)
{
    quantizer made;
    auto range = std::minmax_element(base->floats, base->floats + base->rows * base->dimension);
    float least = *range.first, greatest = *range.second;
    if (place->metric == METRIC_COSINE) {
        greatest = std::max(-least, greatest);
        least = -greatest;
    }
    made.offset = (least + greatest) / 2;
    made.scale = 254 / (greatest - least);
    std::FILE *file = std::fopen(quantizer_path(place).c_str(), "we");
    if (file == nullptr || std::fwrite(&made, sizeof made, 1, file) != 1 || std::fclose(file) != 0) {
        adapter_die("usearch", "a file cannot be written");
    }
    return made;
}

quantizer read_quantizer(const engine_place *place)
{
    quantizer made;
    std::FILE *file = std::fopen(quantizer_path(place).c_str(), "re");
    if (file != nullptr && std::fread(&made, sizeof made, 1, file) != 1) {
        adapter_die("usearch", "a file cannot be read");
    }
    if (file != nullptr) {
        std::fclose(file);
    }
    return made;
}

template <typename add_vector>
auto with_scalars(const quantizer &codes, const float *vector, std::size_t dimension, add_vector add)
{
    return codes.scale == 0 ? add(vector) : codes.apply(vector, dimension, add);
}

void build(const engine *engine, const engine_place *place, const vector_file *base)
{
    index_dense_t index = make_index(engine, place);
    if (!index.try_reserve(index_limits_t(place->rows, place->threads))) {
        adapter_die("usearch", "no memory");
    }
    quantizer codes = scalar_of(engine) == scalar_kind_t::i8_k ? make_quantizer(place, base) : quantizer();
    for_each_row(place, [&](std::size_t row, unsigned thread) {
        auto added = with_scalars(codes, vector_file_floats(base, row), place->dimension,
                                  [&](auto vector) { return index.add(row, vector, thread); });
        check(added);
    });
    auto saved = index.save(index_path(place).c_str());
    check(saved);
}

void *open_index(const engine *engine, const engine_place *place)
{
    auto *state = new index_state{ make_index(engine, place), read_quantizer(place) };
    auto loaded = state->index.load(index_path(place).c_str());
    check(loaded);
    state->index.try_reserve(index_limits_t(place->rows, searchers_max));
    return state;
}

void set_beam(void *state, double setting)
{
    static_cast<index_state *>(state)->index.change_expansion_search(static_cast<std::size_t>(setting));
}

/* Each thread of the program has a number of its own in the index. */
std::size_t this_thread(index_state *state)
{
    static thread_local std::size_t number = state->threads.fetch_add(1) % searchers_max;
    return number;
}

template <typename result_type> void take_rows(result_type &result, std::size_t k, std::int32_t *rows)
{
    check(result);
    std::size_t count = result.size();
    for (std::size_t i = 0; i < k; i++) {
        rows[i] = i < count ? static_cast<std::int32_t>(result[i].member.key) : -1;
    }
}

void search(void *context, const float *queries, std::size_t count, std::size_t k, std::int32_t *rows)
{
    auto *state = static_cast<index_state *>(context);
    std::size_t dimension = state->index.dimensions();
    for (std::size_t query = 0; query < count; query++) {
        auto result = with_scalars(state->codes, queries + query * dimension, dimension,
                                   [&](auto vector) { return state->index.search(vector, k, this_thread(state)); });
        take_rows(result, k, rows + query * k);
    }
}

void search_filtered(void *context, const float *query, std::size_t k, const row_filter *filter, std::int32_t *rows)
{
    auto *state = static_cast<index_state *>(context);
    auto allowed = [filter](auto key) noexcept { return filter_allows(filter, static_cast<std::uint32_t>(key)); };
    auto result = state->index.filtered_search(query, k, allowed, this_thread(state));
    take_rows(result, k, rows);
}

void *create(const engine *engine, const engine_place *place)
{
    auto *state = new index_state{ make_index(engine, place), quantizer() };
    if (!state->index.try_reserve(index_limits_t(place->rows, searchers_max))) {
        adapter_die("usearch", "no memory");
    }
    return state;
}

void insert(void *context, std::size_t row, const float *vector)
{
    auto *state = static_cast<index_state *>(context);
    auto added = state->index.add(row, vector, this_thread(state));
    check(added);
}

void close_index(void *state)
{
    delete static_cast<index_state *>(state);
}

constexpr engine make_engine(const char *name, const char *variant)
{
    return { name,       variant,  true,   "ef",        beam_widths,     tell_version, build,
             open_index, set_beam, search, close_index, search_filtered, create,       insert };
}

} // namespace

extern "C" const engine engine_usearch_f32 = make_engine("usearch-f32", "f32");
extern "C" const engine engine_usearch_bf16 = make_engine("usearch-bf16", "bf16");
extern "C" const engine engine_usearch_i8 = without_inserts(make_engine("usearch-i8", "i8"));

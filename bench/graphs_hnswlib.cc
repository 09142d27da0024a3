// hnswlib, for graphs.c: M 16, ef_construction 200, one thread.
#include "graphs.h"
#include <cmath>
#include <cstdio>
#include <hnswlib/hnswlib.h>
#include <memory>
#include <unistd.h>
#include <vector>

static std::vector<float> scaled(const float *row, size_t dimension, bool cosine)
{
    std::vector<float> copy(row, row + dimension);
    double norm2 = 0;
    for (float x : copy)
        norm2 += double(x) * x;
    if (cosine && norm2 > 0)
        for (float &x : copy)
            x = float(x / std::sqrt(norm2));
    return copy;
}

void bench_hnswlib(const bench_vectors *base, const bench_vectors *queries, bool cosine, size_t k, const char *path)
{
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    if (cosine)
        space.reset(new hnswlib::InnerProductSpace(base->dimension));
    else
        space.reset(new hnswlib::L2Space(base->dimension));
    double start = bench_cpu_seconds();
    bool saved = path && access(path, R_OK) == 0;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> made(
        saved ? new hnswlib::HierarchicalNSW<float>(space.get(), std::string(path))
              : new hnswlib::HierarchicalNSW<float>(space.get(), base->count, 16, 200));
    hnswlib::HierarchicalNSW<float> &index = *made;
    for (size_t i = 0; !saved && i < base->count; i++)
        index.addPoint(scaled(base->rows + i * base->stride, base->dimension, cosine).data(), i);
    std::printf("hnswlib: %s %.2f s of CPU, %.1f MB in its main table\n", saved ? "load" : "build", bench_cpu_seconds() - start,
                double(index.size_data_per_element_) * double(base->count) / 1e6);
    if (path && !saved)
        index.saveIndex(path);
    bench_curve curve = {};
    for (size_t ef : { 10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536 }) {
        index.setEf(ef);
        double best = 1e9;
        size_t hits = 0;
        for (int round = 0; round < 3; round++) {
            hits = 0;
            start = bench_cpu_seconds();
            for (size_t q = 0; q < queries->count; q++) {
                const float *query = queries->rows + q * queries->stride;
                auto found = index.searchKnn(cosine ? scaled(query, queries->dimension, true).data() : query, k);
                std::vector<uint32_t> rows;
                for (; !found.empty(); found.pop())
                    rows.push_back(uint32_t(found.top().second));
                hits += bench_hits(q, rows.data(), rows.size());
            }
            best = std::min(best, bench_cpu_seconds() - start);
        }
        double recall = double(hits) / double(queries->count * k), rate = double(queries->count) / best;
        std::printf("ef %4zu  recall %.4f  %8.0f q/s\n", ef, recall, rate);
        bench_curve_add(&curve, recall, rate);
        if (recall > 0.993)
            break;
    }
    bench_curve_print("hnswlib", &curve);
}

/* What the adapters in C++ share. */
#ifndef BENCH_VECTORS_ADAPTER_H
#define BENCH_VECTORS_ADAPTER_H
#include "../engine.h"
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

/* From the fastest to the most exact, a factor of about 1.3 apart. */
static const double beam_widths[] = {
    10, 13, 17, 22, 29, 38, 50, 65, 85, 110, 145, 190, 250, 325, 420, 550, 720, 940, 0
};

[[noreturn]] inline void adapter_die(const char *engine, const char *what)
{
    std::fprintf(stderr, "%s: %s\n", engine, what);
    std::_Exit(1);
}

inline std::string index_path(const engine_place *place)
{
    return std::string(place->directory) + "/index";
}

/* Calls add(row, thread) for each row, by all threads. */
template <typename add_row> void for_each_row(const engine_place *place, add_row add)
{
    std::atomic<std::size_t> next{ 0 };
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < place->threads; thread++) {
        threads.emplace_back([&, thread] {
            for (std::size_t row; (row = next.fetch_add(1)) < place->rows;) {
                add(row, thread);
            }
        });
    }
    for (std::thread &thread : threads) {
        thread.join();
    }
}

#endif

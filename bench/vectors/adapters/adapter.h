/* What the adapters in C++ share. */
#ifndef BENCH_VECTORS_ADAPTER_H
#define BENCH_VECTORS_ADAPTER_H
#include "../engine.h"
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <pthread.h>
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

/* Of an index that must not be searched while it is inserted to; inserts go first. Where nothing is inserted it is not
   enabled, and costs searches nothing. */
class insert_lock {
  public:
    insert_lock() = default;
    insert_lock(const insert_lock &) = delete;
    insert_lock &operator=(const insert_lock &) = delete;
    ~insert_lock()
    {
        if (enabled) {
            pthread_rwlock_destroy(&lock);
        }
    }
    void enable()
    {
        pthread_rwlockattr_t kind;
        pthread_rwlockattr_init(&kind);
        pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
        pthread_rwlock_init(&lock, &kind);
        enabled = true;
    }
    template <typename search> void while_searching(search run)
    {
        if (enabled) {
            pthread_rwlock_rdlock(&lock);
        }
        run();
        if (enabled) {
            pthread_rwlock_unlock(&lock);
        }
    }
    template <typename insert> void while_inserting(insert run)
    {
        pthread_rwlock_wrlock(&lock);
        run();
        pthread_rwlock_unlock(&lock);
    }

  private:
    pthread_rwlock_t lock;
    bool enabled = false;
};

/* The same engine, which is measured at searches alone. */
constexpr engine without_inserts(engine made)
{
    made.search_filtered = nullptr;
    made.create = nullptr;
    made.insert = nullptr;
    return made;
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

/* A learned index against the fence index (src/ordered/fence.c): which block to look in for a key, both sides in one run, on five sets of keys. Every
   answer of the learned one is compared with that of the fence, which is the oracle.

     learned_index [keys = 4000000] [paths file] [names file]

   Prints for each set and for two bounds on the error (the engine takes the first): blocks, those whose digest is that of the block before, pieces and
   greatest error of the models, in how many of the segments the engine would keep one, bytes of the fence's upper levels and of the models, and nanoseconds per
   lookup: in one segment (its index stays in the nearest cache), and in segments taken at random. */
#include "base/memory.h"
#include "base/status.h"
#include "median.h"
#include "ordered/learned_index.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_KEYS     36u /* of 16 bytes with values of 100 in 4 KiB */
#define SEGMENT_BLOCKS 16384u
#define LOOKUPS        1000000u
#define ROUNDS         5
#define ERRORS         2

struct keys {
    char *bytes;
    uint32_t *ends; /* key i is bytes[ends[i - 1], ends[i]) */
    size_t count;
};

struct indexed {
    struct container *container;
    struct fence fence;
    struct buffer sections[ERRORS];
    struct learned_index models[ERRORS];
    bool kept; /* the engine's own choice would be to write one */
};

static const uint32_t bounds[ERRORS] = { 3, 15 };

static void check(int status, const char *what)
{
    if (status != NACRE_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, fail_detail());
        exit(1);
    }
}

static uint64_t clock_thread_cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *allocate(size_t size)
{
    void *memory = malloc(size ? size : 1);
    check(memory ? NACRE_OK : NACRE_NO_MEMORY, "memory");
    return memory;
}

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* ---- keys ---- */

static const struct keys *sorting;

static nacre_slice key_at(const struct keys *k, size_t i)
{
    uint32_t start = i ? k->ends[i - 1] : 0;
    return slice_of(k->bytes + start, k->ends[i] - start);
}

static int compare_places(const void *a, const void *b)
{
    return slice_compare(key_at(sorting, *(const uint32_t *)a), key_at(sorting, *(const uint32_t *)b));
}

/* Sorted, each once. */
static struct keys sort_keys(struct keys from)
{
    uint32_t *places = allocate(4 * from.count);
    struct keys to = { allocate(from.count ? from.ends[from.count - 1] : 1), allocate(4 * from.count), 0 };
    for (uint32_t i = 0; i < from.count; i++)
        places[i] = i;
    sorting = &from;
    qsort(places, from.count, 4, compare_places);
    uint32_t end = 0;
    for (size_t i = 0; i < from.count; i++) {
        nacre_slice key = key_at(&from, places[i]);
        if (to.count && slice_equal(key, key_at(&to, to.count - 1)))
            continue;
        memcpy(to.bytes + end, key.data, key.size);
        to.ends[to.count++] = end += (uint32_t)key.size;
    }
    free(places);
    free(from.bytes);
    free(from.ends);
    return to;
}

enum made { UNIFORM, SEQUENTIAL, CLUSTERED };

static struct keys make_keys(enum made what, size_t count)
{
    struct keys k = { allocate(24 * count), allocate(4 * count), count };
    uint64_t seed = 4711, cluster = 0;
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        char text[32];
        if (what == CLUSTERED && i % 1000 == 0)
            cluster = random_next(&seed) % 1000000000;
        uint64_t number = what == UNIFORM      ? random_next(&seed)
                          : what == SEQUENTIAL ? i
                                               : cluster * 10000 + random_next(&seed) % 10000;
        int size = 16;
        if (what == UNIFORM)
            memcpy(text, (uint64_t[2]){ __builtin_bswap64(number), random_next(&seed) }, 16);
        else
            size =
                snprintf(text, sizeof text, what == SEQUENTIAL ? "key%013llu" : "%016llu", (unsigned long long)number);
        memcpy(k.bytes + end, text, (size_t)size);
        k.ends[i] = end += (uint32_t)size;
    }
    return sort_keys(k);
}

/* Lines of a file, each between two texts. */
static struct keys read_keys(const char *path, size_t most, const char *before, const char *after)
{
    FILE *file = fopen(path, "r");
    struct keys k = { 0 };
    if (!file)
        return k;
    size_t capacity = 0, line_capacity = 0;
    char *line = NULL;
    uint32_t end = 0;
    k.ends = allocate(4 * most);
    for (ssize_t got; k.count < most && (got = getline(&line, &line_capacity, file)) > 1;) {
        size_t need = (size_t)got + strlen(before) + strlen(after);
        if (end + need > capacity) {
            capacity = 2 * capacity + need + 4096;
            k.bytes = realloc(k.bytes, capacity);
            check(k.bytes ? NACRE_OK : NACRE_NO_MEMORY, "memory");
        }
        line[got - 1] = 0;
        end += (uint32_t)snprintf(k.bytes + end, capacity - end, "%s%s%s", before, line, after);
        k.ends[k.count++] = end;
    }
    free(line);
    (void)fclose(file);
    return sort_keys(k);
}

/* ---- measuring ---- */

static struct indexed index_segment(const struct keys *k, size_t first, size_t after)
{
    struct fence_builder builder = { 0 };
    struct container_writer *writer;
    struct indexed made = { 0 };
    nacre_slice section;
    char path[64];
    uint64_t bytes, checksum;
    uint32_t offset = 64;
    (void)snprintf(path, sizeof path, "/tmp/nacre-learned-index-%d", getpid());
    check(container_writer_create(os_posix(), path, CONTAINER_SEGMENT, 1, 1, &writer), "a file");
    for (size_t i = first; i < after; i += BLOCK_KEYS, offset += 4096)
        check(fence_builder_add(&builder, offset, 0, i > first ? key_at(k, i - 1) : (nacre_slice){ NULL, 0 },
                                key_at(k, i)),
              "a block");
    check(fence_builder_write(&builder, writer, offset), "the fence");
    check(container_writer_finish(writer, &bytes, &checksum), "the file");
    check(container_open(os_posix(), path, CONTAINER_SEGMENT, 1, bytes, true, &made.container), "the file");
    check(container_section(made.container, "FENC", &section), "the section");
    check(fence_open(made.container, section, 64, UINT32_MAX, &made.fence), "the fence");
    (void)unlink(path);
    fence_builder_free(&builder);
    const struct fence *f = &made.fence;
    struct buffer chosen = { 0 };
    for (unsigned e = 0; e < ERRORS; e++) {
        check(learned_make_bounded(f->ends, f->separators, f->blocks, 0, bounds[e], &made.sections[e]), "a model");
        check(learned_open("model", buffer_slice(&made.sections[e]), f->blocks, &made.models[e]), "a model");
    }
    check(learned_make(f->ends, f->separators, f->blocks, 0, false, &chosen), "a model");
    made.kept = chosen.size != 0;
    buffer_free(&chosen);
    return made;
}

struct asked {
    nacre_slice key;
    uint32_t segment;
};

/* Nanoseconds per lookup of each side, the fence first: medians of rounds taken in turn. */
static void measure(const struct indexed *segments, const struct asked *asked, double medians[1 + ERRORS])
{
    double times[1 + ERRORS][ROUNDS];
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned side = 0; side < 1 + ERRORS; side++) {
            uint64_t sum = 0, began = clock_thread_cpu_ns();
            for (unsigned i = 0; i < LOOKUPS; i++) {
                const struct indexed *s = &segments[asked[i].segment];
                sum += side ? learned_find(&s->models[side - 1], &s->fence, asked[i].key)
                            : fence_find(&s->fence, asked[i].key);
            }
            times[side][round] = (double)(clock_thread_cpu_ns() - began) / LOOKUPS;
            check(sum ? NACRE_OK : NACRE_INVALID, "no block was ever found");
        }
    }
    for (unsigned side = 0; side < 1 + ERRORS; side++) {
        medians[side] = median(times[side], ROUNDS);
    }
}

static void compare(const char *name, struct keys k)
{
    if (k.count < 1000) {
        (void)printf("%-12s left out: no keys\n", name);
        return;
    }
    size_t per = (size_t)SEGMENT_BLOCKS * BLOCK_KEYS, count = (k.count + per - 1) / per, blocks = 0, equal = 0,
           kept = 0;
    struct indexed *segments = allocate(count * sizeof *segments);
    struct asked *asked = allocate(LOOKUPS * sizeof *asked);
    uint64_t pieces[ERRORS] = { 0 }, bytes[ERRORS] = { 0 }, levels = 0, seed = 99;
    uint32_t error[ERRORS] = { 0 };
    for (size_t s = 0; s < count; s++) {
        segments[s] = index_segment(&k, s * per, (s + 1) * per < k.count ? (s + 1) * per : k.count);
        blocks += segments[s].fence.blocks;
        kept += segments[s].kept;
        for (uint32_t i = 1; i < segments[s].fence.blocks; i++)
            equal += memcmp(segments[s].models[0].digests + 8 * (size_t)i,
                            segments[s].models[0].digests + 8 * (size_t)(i - 1), 8) == 0;
        for (uint32_t l = 1; l < segments[s].fence.levels; l++)
            levels += 8 * (uint64_t)segments[s].fence.level_count[l];
        for (unsigned e = 0; e < ERRORS; e++) {
            pieces[e] += segments[s].models[e].pieces;
            bytes[e] += segments[s].sections[e].size;
            error[e] = segments[s].models[e].error > error[e] ? segments[s].models[e].error : error[e];
        }
    }
    double near[1 + ERRORS], far[1 + ERRORS];
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < LOOKUPS; i++) {
            size_t range = pass == 0 && per < k.count ? per : k.count, at = random_next(&seed) % range;
            asked[i] = (struct asked){ key_at(&k, at), (uint32_t)(at / per) };
            const struct indexed *s = &segments[asked[i].segment];
            for (unsigned e = 0; e < ERRORS; e++) {
                if (learned_find(&s->models[e], &s->fence, asked[i].key) != fence_find(&s->fence, asked[i].key)) {
                    (void)fprintf(stderr, "%s: the model leads to another block than the fence\n", name);
                    exit(1);
                }
            }
        }
        measure(segments, asked, pass == 0 ? near : far);
    }
    for (unsigned e = 0; e < ERRORS; e++) {
        (void)printf("%-11s %8zu %7zu %7llu %6u %8zu/%zu %9llu %9llu %7.1f %7.1f %5.2f %7.1f %7.1f %5.2f\n", name,
                     blocks, equal, (unsigned long long)pieces[e], error[e], kept, count, (unsigned long long)levels,
                     (unsigned long long)bytes[e], near[0], near[1 + e], near[0] / near[1 + e], far[0], far[1 + e],
                     far[0] / far[1 + e]);
    }
    (void)fflush(stdout);
    for (size_t s = 0; s < count; s++) {
        container_close(segments[s].container);
        for (unsigned e = 0; e < ERRORS; e++)
            buffer_free(&segments[s].sections[e]);
    }
    free(segments);
    free(asked);
    free(k.bytes);
    free(k.ends);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 4000000;
    (void)printf("%-11s %8s %7s %7s %6s %10s %9s %9s %7s %7s %5s %7s %7s %5s\n", "keys", "blocks", "equal", "pieces",
                 "error", "kept", "levels B", "model B", "near ns", "learned", "x", "far ns", "learned", "x");
    compare("uniform", make_keys(UNIFORM, count));
    compare("sequential", make_keys(SEQUENTIAL, count));
    compare("clustered", make_keys(CLUSTERED, count));
    compare("paths", argc > 2 ? read_keys(argv[2], count, "", "") : (struct keys){ 0 });
    compare("urls",
            argc > 3 ? read_keys(argv[3], count, "https://registry.npmjs.org/", "/latest") : (struct keys){ 0 });
    return 0;
}

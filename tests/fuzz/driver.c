/* Runs a libFuzzer target without libFuzzer, as a normal test: all files of a corpus directory, then a fixed number of
   mutations of them, the same in every run, within a bounded time.

     fuzz_NAME CORPUS_DIRECTORY_OR_FILE...

   NACRE_FUZZ_RUNS (default 20000) mutations at most, NACRE_FUZZ_SECONDS (default 8) at most. With NACRE_FUZZ_KEEP every
   input is written to ./fuzz-last-input before it is run, so that one that crashes can be given as argument again. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20, INPUTS_MAX = 4096 };

struct input {
    uint8_t *data;
    size_t size;
};

static struct input inputs[INPUTS_MAX];
static size_t input_count;
static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t random_next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t random_below(size_t bound)
{
    return bound ? (size_t)(random_next() % bound) : 0;
}

static void load_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || input_count == INPUTS_MAX) {
        fprintf(stderr, "driver: cannot take %s\n", path);
        exit(2);
    }
    uint8_t *data = malloc(INPUT_MAX);
    if (!data)
        exit(2);
    size_t size = fread(data, 1, INPUT_MAX, file);
    fclose(file);
    uint8_t *exact = realloc(data, size ? size : 1);
    inputs[input_count++] = (struct input){ exact ? exact : data, size };
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return; /* a target may come without a corpus */
    if (!S_ISDIR(info.st_mode)) {
        load_file(path);
        return;
    }
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, by_name);
    for (int i = 0; i < count; i++) {
        char child[4096];
        if (names[i]->d_name[0] != '.' &&
            snprintf(child, sizeof child, "%s/%s", path, names[i]->d_name) < (int)sizeof child)
            load_file(child);
        free(names[i]);
    }
    free(names);
}

static void run(const uint8_t *data, size_t size)
{
    if (getenv("NACRE_FUZZ_KEEP")) {
        FILE *file = fopen("fuzz-last-input", "wb");
        if (file) {
            fwrite(data, 1, size, file);
            fclose(file);
        }
    }
    /* An allocation of just this size, so that AddressSanitizer sees the first byte read beyond it. */
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact)
        exit(2);
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

/* One change of the kinds that break parsers: bits, bytes, extreme numbers, lengths, pieces moved about. */
static size_t mutate_once(uint8_t *data, size_t size)
{
    static const uint64_t extremes[] = { 0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0xffffffff, UINT64_MAX };
    size_t at = random_below(size);
    size_t length = 1 + random_below(16);
    switch (size ? random_below(8) : 3) {
    case 0:
        data[at] ^= (uint8_t)(1u << random_below(8));
        return size;
    case 1:
        data[at] = (uint8_t)random_next();
        return size;
    case 2: {
        uint64_t extreme = extremes[random_below(sizeof extremes / sizeof *extremes)];
        size_t width = (size_t)1 << random_below(4);
        memcpy(data + at, &extreme, width < size - at ? width : size - at);
        return size;
    }
    case 3:
        if (size + length > INPUT_MAX)
            return size;
        memmove(data + at + length, data + at, size - at);
        for (size_t i = 0; i < length; i++)
            data[at + i] = (uint8_t)random_next();
        return size + length;
    case 4:
        if (length > size - at)
            length = size - at;
        memmove(data + at, data + at + length, size - at - length);
        return size - length;
    case 5:
        return at; /* cut short */
    case 6: {
        size_t from = random_below(size);
        size_t room = size - (from > at ? from : at);
        memmove(data + at, data + from, length < room ? length : room);
        return size;
    }
    default:
        memset(data + at, 0, length < size - at ? length : size - at);
        return size;
    }
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    static uint8_t scratch[INPUT_MAX];
    for (int i = 1; i < argc; i++)
        load(argv[i]);
    run(scratch, 0);
    for (size_t i = 0; i < input_count; i++)
        run(inputs[i].data, inputs[i].size);

    uint64_t runs = setting("NACRE_FUZZ_RUNS", 20000);
    uint64_t until = now_ms() + 1000 * setting("NACRE_FUZZ_SECONDS", 8);
    uint64_t done = 0;
    for (; done < runs && now_ms() < until; done++) {
        size_t size = 0;
        if (input_count) {
            const struct input *base = &inputs[random_below(input_count)];
            size = base->size;
            memcpy(scratch, base->data, size);
        }
        for (size_t changes = 1 + random_below(4); changes > 0; changes--)
            size = mutate_once(scratch, size);
        run(scratch, size);
    }
    printf("%zu inputs of the corpus and %llu mutations\n", input_count, (unsigned long long)done);
    for (size_t i = 0; i < input_count; i++)
        free(inputs[i].data);
    return 0;
}

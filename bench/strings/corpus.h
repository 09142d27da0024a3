/* The lines that are searched: a file of different lines in the order of their bytes, mapped whole, and the same lines shuffled. */
#ifndef BENCH_STRINGS_CORPUS_H
#define BENCH_STRINGS_CORPUS_H
#include <stddef.h>
#include <stdint.h>

struct corpus {
    char *name;           /* of the file, without folder and ".txt" */
    char *path;           /* of a file with these lines, sorted */
    const char *bytes;    /* that file, mapped; each line ends with a newline */
    size_t size;          /* bytes, newlines included */
    const char *shuffled; /* the same lines in another order */
    uint64_t lines;
};

/* Maps NAME.txt and NAME.shuf.txt. With a limit, the lines are the first `limit` of the shuffled file, sorted into a file in `directory`. */
void corpus_open(struct corpus *corpus, const char *path, uint64_t limit, const char *directory);
void corpus_close(struct corpus *corpus);

/* The newline that ends the line with `at` in it. */
const char *line_end(const struct corpus *corpus, const char *at);

#endif

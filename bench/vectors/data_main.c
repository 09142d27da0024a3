/* nacre_bench_vectors_data: vectors that are made up, and the exact neighbours of queries
   (scripts/bench_vectors_data.sh). */
#include "generate.h"
#include "support.h"
#include "truth.h"
#include <stdlib.h>
#include <string.h>

const char program_name[] = "nacre_bench_vectors_data";

int main(int count, char **arguments)
{
    enum metric metric;
    if (count == 5 && strcmp(arguments[1], "generate") == 0) {
        generate_clustered(strtoull(arguments[2], NULL, 10), arguments[3], strtoull(arguments[4], NULL, 10));
    } else if (count == 4 && strcmp(arguments[1], "truth") == 0 && metric_parse(arguments[2], &metric)) {
        truth_make(metric, arguments[3]);
    } else {
        die("usage: nacre_bench_vectors_data generate ROWS SET QUERIES | truth l2|cosine SET");
    }
    return 0;
}

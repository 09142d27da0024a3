/* See small_graphs.h. */
#include "support/small_graphs.h"
#include "vectors/graph_layout.h"

void small_graphs(void)
{
    graph_tuning.least_rows = 6;
    vectors_few_floats = 64;
}

/* Makes segments of a few rows have graphs, and be searched by their indexes. Before there are any searches. */
#ifndef TESTS_SMALL_GRAPHS_H
#define TESTS_SMALL_GRAPHS_H
void small_graphs(void);
#endif

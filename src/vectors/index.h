/* The side file of a segment of vectors: its codes and graph (vectors/graph.h). Private to src/vectors. */
#ifndef NACRE_VECTORS_INDEX_H
#define NACRE_VECTORS_INDEX_H
#include "vectors/reader.h"

struct graph;
/* The newest graph, for a search; NULL where there is none or its side file is damaged. The first call reads all of the side file and checks it: what is damaged
   would give other answers. */
const struct graph *index_to_search(struct vector_reader *);
void index_close(struct vector_reader *);
uint64_t index_memory(const struct vector_reader *); /* heap */
int index_verify(struct vector_reader *);            /* the newest one, if there is one */
/* Which row of `to` each row of `from` has become: that of its key with its vector, or GRAPH_NO_ROW. All rows of `to` were checked. `taken` has a bit per row of
   `to`, set when one has been found for it: no two rows become the same. The job is asked whether to stop; NULL: never. */
int index_map_rows(struct vector_reader *from, struct vector_reader *to, uint64_t *taken, uint32_t *rows,
                   const struct index_job *);
#endif

/* The bytes of section TRIE that block_trie_builder.c writes and block_trie.c reads; N is the number of nodes, numbered breadth first.

   0  4  N
   4  4  number of blocks
   8  4  bytes of edges, E
   12 4  zero
   16    louds: 2N - 1 bits: a one for each child of node 0 and a zero, the same for node 1, ...; filled up to words of 8 bytes with zeros
         terminal: N bits, set where a separator ends; filled up likewise
         zeros up to a multiple of 16
         places: N + 1 of 16 bytes:
             0 4 first block of the node's subtree
             4 4 where the node's bits begin in louds
             8 1 size of its edge, and 9 7 the edge, filled up with zeros; or, where it has more than 7 bytes:
             8 1 255 | 9 3 size of the edge | 12 4 where it begins in the edges (where that of the one before it ends)
           the one behind the last node has the number of blocks, 2N - 1 and eight zeros
         labels: N x 1: the first byte of the edge; 0 for the root
         edges: E bytes, those that do not fit a place

   Bit i is bit i % 8 of byte i / 8. */
#ifndef NACRE_STRINGS_BLOCK_TRIE_FORMAT_H
#define NACRE_STRINGS_BLOCK_TRIE_FORMAT_H
#include <stddef.h>
#include <stdint.h>

#define TRIE_HEADER      16u
#define TRIE_PLACE       16u
#define TRIE_EDGE_INSIDE 7u
#define TRIE_EDGE_FAR    255u

static inline size_t trie_louds_words(uint32_t nodes)
{
    return (2 * (size_t)nodes - 1 + 63) / 64;
}
static inline size_t trie_terminal_words(uint32_t nodes)
{
    return ((size_t)nodes + 63) / 64;
}
/* Bytes of the header, both bit vectors and the zeros behind them. */
static inline size_t trie_front_bytes(uint32_t nodes)
{
    size_t bytes = TRIE_HEADER + 8 * (trie_louds_words(nodes) + trie_terminal_words(nodes));
    return (bytes + TRIE_PLACE - 1) / TRIE_PLACE * TRIE_PLACE;
}
#endif

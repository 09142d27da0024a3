/* The bytes of section TRIE that block_trie_builder.c writes and block_trie.c reads; N is the number of nodes, numbered breadth first.

   0  4  N
   4  4  number of blocks
   8  4  bytes of edges, E
   12 4  zero
   16    louds: 2N - 1 bits: a one for each child of node 0 and a zero, the same for node 1, ...; filled up to words of 8 bytes with zeros
         terminal: N bits, set where a separator ends; filled up likewise
         select: for nodes 16, 32, ... 4 bytes each: where its bits begin in louds
         places: N x 8: 4 first block of the node's subtree | 4 where its edge ends in the edges (it begins where that of the node before ends)
         labels: N x 1: the first byte of the edge; 0 for the root
         edges: E bytes

   Bit i is bit i % 8 of byte i / 8. */
#ifndef NACRE_STRINGS_BLOCK_TRIE_FORMAT_H
#define NACRE_STRINGS_BLOCK_TRIE_FORMAT_H
#include <stddef.h>
#include <stdint.h>

#define TRIE_HEADER       16u
#define TRIE_SELECT_EVERY 16u

static inline size_t trie_louds_words(uint32_t nodes)
{
    return (2 * (size_t)nodes - 1 + 63) / 64;
}
static inline size_t trie_terminal_words(uint32_t nodes)
{
    return ((size_t)nodes + 63) / 64;
}
static inline size_t trie_select_count(uint32_t nodes)
{
    return ((size_t)nodes - 1) / TRIE_SELECT_EVERY;
}
#endif

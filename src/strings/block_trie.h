/* A LOUDS trie over the separators of a segment's blocks: which block may hold a key, walked by get, prefix, range and regex.
   (Jacobson, "Space-efficient static trees and graphs", FOCS 1989; path compression as in a Patricia trie.)

   The separator of block 0 is empty. That of block b is the shortest prefix of its first key that is greater than the last key of block b - 1. So a key is in
   the last block whose separator is not greater than it, or nowhere.

   Nodes are numbered in breadth-first order, 0 is the root; each has an edge (one or more bytes; the root's is empty) and may end one separator. All nodes of a
   subtree cover a range of blocks. Immutable; any thread. */
#ifndef NACRE_STRINGS_BLOCK_TRIE_H
#define NACRE_STRINGS_BLOCK_TRIE_H
#include "base/buffer.h"
#include "segment/container.h"

struct block_trie {
    const uint8_t *bytes; /* the section */
    uint32_t blocks, nodes;
    /* private parts: block_trie.c */
    const uint8_t *louds, *terminal, *places, *labels, *edges;
};
/* From a checked section; *trie points into it. All structure is checked here (nothing is believed later): NACRE_CORRUPT. */
int block_trie_open(const struct container *, nacre_slice section, uint32_t blocks, struct block_trie *);

/* The last block whose separator is <= key. */
uint32_t block_trie_find(const struct block_trie *, nacre_slice key);

/* Walking. A place is a node with what is needed to go on. */
struct trie_place {
    uint32_t node;
    uint32_t first, after; /* the separators of blocks [first, after) begin with the node's path */
    bool ends_separator;   /* ... and that of block `first` is the path itself */
    nacre_slice edge;      /* the bytes that lead from the parent here */
    uint32_t bit;          /* private: of the node among the children of its parent */
};
void block_trie_root(const struct block_trie *, struct trie_place *);
/* The children of a place, ascending. begin: *child is the first one; next: the one after it. False: there is none. `parent` stays the same. */
bool block_trie_child_first(const struct block_trie *, const struct trie_place *parent, struct trie_place *child);
bool block_trie_child_next(const struct block_trie *, const struct trie_place *parent, struct trie_place *child);

/* Building: separators of blocks 0, 1, 2, ... as they come. */
struct block_trie_builder {
    struct buffer separators, ends;
    uint32_t blocks;
};
/* Block 0, 1, 2, ...: `first` is its first key, `common` the number of bytes that it has in common with the key before. Makes the separator itself. */
int block_trie_builder_add(struct block_trie_builder *, size_t common, nacre_slice first);
int block_trie_builder_make(const struct block_trie_builder *, struct buffer *section);
void block_trie_builder_free(struct block_trie_builder *);
#endif

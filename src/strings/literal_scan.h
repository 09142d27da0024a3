/* Which keys of a block contain a literal: a scan of the front-coded bytes as they lie, without decoding a key.

   An occurrence that ends inside what a key shares with the key before is that key's as well: it is found once and inherited by the keys
   that follow, as far as they share it. So only occurrences are looked for whose last byte is a key's own; those that begin in the shared
   part are compared with the keys before. */
#ifndef NACRE_STRINGS_LITERAL_SCAN_H
#define NACRE_STRINGS_LITERAL_SCAN_H
#include "regex/analysis.h"
#include "strings/key_block.h"

#define SCAN_BYTES_MAX (32u << 10) /* of shared bytes and stream; larger blocks are not scanned */
#define SCAN_WORDS     (SCAN_BYTES_MAX / 64 + 1)

/* Where the keys of a narrow block begin. Made once per block, used for each literal. */
struct block_layout {
    const uint8_t *text; /* shared bytes, and right behind them the stream */
    uint32_t size, words;
    uint32_t begins[KEY_BLOCK_KEYS + 1]; /* in text: of the keys' own bytes; one more for the end */
    uint64_t starts[SCAN_WORDS + 1];     /* a bit for each begin but that of key 0 */
};
bool block_layout_make(struct block_layout *, const struct key_block *); /* false: wide, or too large */

/* A bit per key that contains the literal (at_end: that ends with it). folded: the literal is in lower case, and A to Z of the keys count as a to z. */
uint64_t literal_scan(const struct key_block *, const struct block_layout *, const struct literal *, bool folded,
                      bool at_end);
#endif

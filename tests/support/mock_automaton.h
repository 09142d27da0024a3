/* Automata made by hand, for tests of what walks keys: each wants what mock_wants says of a whole key. */
#ifndef TESTS_MOCK_AUTOMATON_H
#define TESTS_MOCK_AUTOMATON_H
#include "base/automaton.h"

enum mock_kind {
    MOCK_CONTAINS,   /* has the byte; unsure behind a byte >= 0x80 */
    MOCK_PREFIX,     /* begins with the bytes; unsure behind a byte >= 0x80 */
    MOCK_ENDS,       /* ends with the byte */
    MOCK_EVERYTHING, /* its start is `all` */
    MOCK_NOTHING,    /* its start is dead */
    MOCK_UNSURE,     /* has the byte, but is unsure of everything */
    MOCK_KINDS
};
struct mock_automaton {
    struct automaton automaton; /* first */
    enum mock_kind kind;
    nacre_slice bytes;
    uint64_t decided, ran; /* how often decide was called; bytes that were run over */
    uint64_t fail_at;      /* decide fails at this call; 0 = never */
};
void mock_automaton_init(struct mock_automaton *, enum mock_kind, nacre_slice bytes);
bool mock_wants(const struct mock_automaton *, nacre_slice key);
#endif

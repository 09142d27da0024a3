/* A deterministic automaton over the bytes of a key that says which keys a search wants. Made by whoever knows the pattern (regex/),
   walked by whoever holds keys (memtable/, strings/) without knowing it.

   A state is a number. Three are absorbing: AUTOMATON_DEAD (no key that goes on from here is wanted), automaton->all (every key that goes
   on from here is wanted, also one that ends here) and automaton->unsure (ask `decide` for each key that goes on from here). States stay
   good as long as the automaton lives: a walker may keep one per depth and go back to it.
   An automaton belongs to one thread at a time: it may build its states as they are met. */
#ifndef NACRE_BASE_AUTOMATON_H
#define NACRE_BASE_AUTOMATON_H
#include "base/sketch.h"

typedef uint32_t automaton_state;
#define AUTOMATON_DEAD ((automaton_state)0)

enum automaton_answer { ANSWER_NO, ANSWER_UNKNOWN, ANSWER_YES };

struct automaton {
    automaton_state start, all, unsure;
    /* From a state over some bytes. Never fails: where memory runs out it gives `unsure`. */
    automaton_state (*run)(struct automaton *, automaton_state, const uint8_t *bytes, size_t size);
    /* Is a key wanted that ends in this state? Not to be asked of `unsure`. */
    bool (*accepts)(struct automaton *, automaton_state);
    /* Is this key wanted? Looks at all of it. NACRE_OK or NACRE_NO_MEMORY. */
    int (*decide)(struct automaton *, nacre_slice key, bool *wanted);
    /* A quick look at a whole key, much cheaper than a run over it. NO and YES are certain. NULL: there is none. */
    enum automaton_answer (*look)(struct automaton *, nacre_slice key);
    /* A wanted key has all bits of one of these in its sketch; none: nothing is known. needs_ascii: that holds for keys of ASCII only. */
#define AUTOMATON_NEEDS 8u
    uint64_t needs[AUTOMATON_NEEDS];
    uint32_t need_count;
    bool needs_ascii;
};

/* May a key with this sketch be wanted? */
static inline bool automaton_may_want(const struct automaton *a, uint64_t sketch)
{
    if (a->need_count == 0 || (a->needs_ascii && (sketch & SKETCH_OTHER_BYTES)))
        return true;
    for (uint32_t i = 0; i < a->need_count; i++)
        if ((sketch & a->needs[i]) == a->needs[i])
            return true;
    return false;
}

/* Whether a key is wanted whose bytes from `depth` on have not been walked; `state` is that at `depth`. */
static inline int automaton_finish(struct automaton *a, automaton_state state, nacre_slice key, size_t depth,
                                   bool *wanted)
{
    if (state > a->unsure)
        state = a->run(a, state, (const uint8_t *)key.data + depth, key.size - depth);
    if (state == a->unsure)
        return a->decide(a, key, wanted);
    *wanted = state == a->all || (state != AUTOMATON_DEAD && a->accepts(a, state));
    return NACRE_OK;
}

/* Whether a key is wanted of which nothing has been walked. */
static inline int automaton_wants(struct automaton *a, nacre_slice key, bool *wanted)
{
    enum automaton_answer answer = a->look ? a->look(a, key) : ANSWER_UNKNOWN;
    if (answer == ANSWER_UNKNOWN)
        return automaton_finish(a, a->start, key, 0, wanted);
    *wanted = answer == ANSWER_YES;
    return NACRE_OK;
}
#endif

/* See mock_automaton.h. */
#include "support/mock_automaton.h"
#include "base/status.h"

enum { DEAD = AUTOMATON_DEAD, ALL = 1, UNSURE = 2, FIRST = 3 };

static struct mock_automaton *of(struct automaton *a)
{
    return (struct mock_automaton *)a;
}

static uint8_t only_byte(const struct mock_automaton *m)
{
    return *(const uint8_t *)m->bytes.data;
}

static automaton_state step(const struct mock_automaton *m, automaton_state state, uint8_t byte)
{
    if (m->kind == MOCK_ENDS)
        return byte == only_byte(m) ? FIRST + 1 : FIRST;
    if (byte >= 0x80)
        return UNSURE;
    if (m->kind == MOCK_CONTAINS)
        return byte == only_byte(m) ? ALL : FIRST;
    size_t matched = state - FIRST;
    if (byte != ((const uint8_t *)m->bytes.data)[matched])
        return DEAD;
    return matched + 1 == m->bytes.size ? ALL : state + 1;
}

static automaton_state mock_run(struct automaton *a, automaton_state state, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size && state > UNSURE; i++) {
        state = step(of(a), state, bytes[i]);
        of(a)->ran++;
    }
    return state;
}

static bool mock_accepts(struct automaton *a, automaton_state state)
{
    return state == ALL || (of(a)->kind == MOCK_ENDS && state == FIRST + 1);
}

bool mock_wants(const struct mock_automaton *m, nacre_slice key)
{
    switch (m->kind) {
    case MOCK_CONTAINS:
    case MOCK_UNSURE:
        return key.size && memchr(key.data, only_byte(m), key.size);
    case MOCK_PREFIX:
        return slice_has_prefix(key, m->bytes);
    case MOCK_ENDS:
        return key.size && ((const uint8_t *)key.data)[key.size - 1] == only_byte(m);
    default:
        return m->kind == MOCK_EVERYTHING;
    }
}

static int mock_decide(struct automaton *a, nacre_slice key, bool *wanted)
{
    if (++of(a)->decided == of(a)->fail_at)
        return fail(NACRE_NO_MEMORY, "the mock has no memory");
    *wanted = mock_wants(of(a), key);
    return NACRE_OK;
}

void mock_automaton_init(struct mock_automaton *m, enum mock_kind kind, nacre_slice bytes)
{
    *m = (struct mock_automaton){ .kind = kind, .bytes = bytes };
    m->automaton = (struct automaton){ .start = kind == MOCK_EVERYTHING ? ALL
                                                : kind == MOCK_NOTHING  ? DEAD
                                                : kind == MOCK_UNSURE   ? UNSURE
                                                                        : FIRST,
                                       .all = ALL,
                                       .unsure = UNSURE,
                                       .run = mock_run,
                                       .accepts = mock_accepts,
                                       .decide = mock_decide };
}

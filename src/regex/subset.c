/* Sets of instructions (see subset.h).

   A set is closed: from each instruction in it all GO are followed, and all assertions that hold. What looks behind holds or not
   when the set is made; what looks ahead waits in the set, and the next step first resolves it, follows what it leads to, and only then
   moves over the byte. So a match behind such an assertion is seen one byte later, or at the end.
   A place remembers what lies before it (context) only where something that waits may come to ask: else places that differ in nothing would be
   different states.

   While a set is made it is a bitmap with a second one over its words, so that the ids come out ascending whatever their order of arrival, and
   a sparse set costs what it holds, not what the program holds.

   Invariants:
   1. Between calls all marks are clear.
   2. A place holds BYTES, and ASSERT that look ahead; ids ascend.
   3. A place is never such that the match is found already.
   Threads: one at a time. No locks. */
#include "regex/subset.h"
#include "base/memory.h"

struct marks {
    uint64_t *words, *summary; /* a bit per instruction; a bit per word that is not 0 */
    uint32_t summary_count;
    bool matches; /* MATCH was reached: the set is of no interest any more */
};

static bool mark(struct marks *m, uint32_t id)
{
    uint64_t *word = &m->words[id / 64], bit = 1ull << id % 64;
    if (*word & bit)
        return false;
    *word |= bit;
    m->summary[id / 4096] |= 1ull << id / 64 % 64;
    return true;
}

static void marks_clear(struct marks *m)
{
    for (uint32_t i = 0; i < m->summary_count; i++) {
        for (; m->summary[i]; m->summary[i] &= m->summary[i] - 1)
            m->words[i * 64 + (uint32_t)__builtin_ctzll(m->summary[i])] = 0;
    }
    m->matches = false;
}

/* Adds a run of alternatives and all it leads to without a byte. `holds`: assertions that hold here. */
static void follow(struct subset *s, uint32_t run, unsigned holds)
{
    const struct instruction *instructions = s->program->instructions;
    uint32_t depth = 0;
    s->stack[depth++] = run;
    while (depth > 0) {
        uint32_t id = s->stack[--depth];
        for (bool more = true; more; id++) {
            const struct instruction *at = &instructions[id];
            more = at->flags & INSTRUCTION_MORE;
            if (!mark(s->marks, id)) /* then the run is there as well */
                break;
            if (at->kind == INSTRUCTION_GO || (at->kind == INSTRUCTION_ASSERT && (at->assertion & holds)))
                s->stack[depth++] = at->next;
            else if (at->kind == INSTRUCTION_MATCH)
                s->marks->matches = true;
        }
    }
}

/* The marked instructions that wait for a byte or are among `open`, into the place; marks are cleared. */
static void collect(struct subset *s, unsigned open, struct place *place)
{
    const struct instruction *instructions = s->program->instructions;
    struct marks *m = s->marks;
    uint32_t count = 0;
    unsigned context = 0;
    for (uint32_t i = 0; i < m->summary_count; i++) {
        for (; m->summary[i]; m->summary[i] &= m->summary[i] - 1) {
            uint32_t base = (i * 64 + (uint32_t)__builtin_ctzll(m->summary[i])) * 64;
            uint64_t word = m->words[base / 64];
            m->words[base / 64] = 0;
            for (; word; word &= word - 1) {
                uint32_t id = base + (uint32_t)__builtin_ctzll(word);
                const struct instruction *at = &instructions[id];
                bool waits = at->kind == INSTRUCTION_ASSERT && (at->assertion & open);
                if (at->kind != INSTRUCTION_BYTES && !waits)
                    continue;
                context |= waits ? CONTEXT_WAITING : 0;
                place->ids[count++] = id;
            }
        }
    }
    place->count = count;
    place->context = (uint8_t)context;
}

/* What a finished set amounts to. `holds`: the assertions that look behind and hold at the place. */
static enum subset_outcome conclude(struct subset *s, unsigned holds, bool after_word)
{
    if (s->marks->matches) {
        marks_clear(s->marks);
        return SUBSET_ALL;
    }
    collect(s, ASSERT_AHEAD, &s->to);
    if (s->to.count == 0 && s->anchored)
        return SUBSET_DEAD;
    if (s->to.context & CONTEXT_WAITING) {
        unsigned behind = holds & s->program->assertions;
        if (after_word && (s->program->assertions & ASSERT_WORDS))
            behind |= CONTEXT_AFTER_WORD;
        s->to.context = (uint8_t)(s->to.context | behind);
    }
    return SUBSET_SOME;
}

enum subset_outcome subset_start(struct subset *s)
{
    follow(s, s->program->start, ASSERT_BEHIND);
    return conclude(s, ASSERT_BEHIND, false);
}

/* All assertions that hold at a place before this byte. */
static unsigned holding_before(const struct subset *s, unsigned context, unsigned byte)
{
    unsigned holds = context & ASSERT_BEHIND;
    if (byte == END_OF_KEY)
        holds |= ASSERT_END_TEXT | ASSERT_END_LINE;
    if (byte == '\n')
        holds |= ASSERT_END_LINE;
    bool after_word = context & CONTEXT_AFTER_WORD, before_word = byte != END_OF_KEY && byte_is_word(byte);
    if (after_word != before_word)
        holds |= ASSERT_BOUNDARY;
    else if (!(s->program->utf8 && byte >= 0x80 && byte <= 0xBF)) /* a continuation byte: not between characters */
        holds |= ASSERT_NO_BOUNDARY;
    return holds;
}

/* Follows what waits in `from` and holds before this byte. *resolved: those instructions of the place that can take a byte now; in the
   memory of `to`, or `from` as it is. True when a match is there. */
static bool resolve(struct subset *s, unsigned byte, struct place *resolved)
{
    const struct instruction *instructions = s->program->instructions;
    unsigned holds = holding_before(s, s->from.context, byte);
    bool any = false;
    *resolved = s->from;
    for (uint32_t i = 0; i < s->from.count; i++) {
        const struct instruction *at = &instructions[s->from.ids[i]];
        if (at->kind == INSTRUCTION_ASSERT && (at->assertion & holds)) {
            follow(s, at->next, holds);
            any = true;
        }
    }
    if (!any)
        return false;
    if (s->marks->matches) {
        marks_clear(s->marks);
        return true;
    }
    for (uint32_t i = 0; i < s->from.count; i++) {
        if (instructions[s->from.ids[i]].kind == INSTRUCTION_BYTES)
            (void)mark(s->marks, s->from.ids[i]);
    }
    *resolved = s->to;
    collect(s, 0, resolved);
    return false;
}

/* Over a character that has no bytes in the program. */
static enum subset_outcome step_beyond(const struct subset *s, const struct place *now)
{
    bool may_go_on = !s->anchored;
    for (uint32_t i = 0; i < now->count && !may_go_on; i++) {
        const struct instruction *at = &s->program->instructions[now->ids[i]];
        may_go_on = at->kind == INSTRUCTION_BYTES && (at->flags & INSTRUCTION_BEYOND);
    }
    return may_go_on ? SUBSET_UNSURE : SUBSET_DEAD;
}

enum subset_outcome subset_step(struct subset *s, unsigned byte)
{
    const struct instruction *instructions = s->program->instructions;
    struct place now = s->from;
    if ((s->from.context & CONTEXT_WAITING) && resolve(s, byte, &now))
        return SUBSET_ALL;
    if (byte == END_OF_KEY)
        return SUBSET_DEAD;
    if (byte >= 0x80 && !s->program->whole)
        return step_beyond(s, &now);

    bool line = byte == '\n';
    unsigned holds = line ? ASSERT_BEGIN_LINE : 0;
    if (s->again_matches[line])
        return SUBSET_ALL;
    for (uint32_t i = 0; i < now.count; i++) {
        const struct instruction *at = &instructions[now.ids[i]];
        if (at->kind == INSTRUCTION_BYTES && at->low <= byte && byte <= at->high)
            follow(s, at->next, holds);
    }
    const struct place *again = &s->again[line];
    for (uint32_t i = 0; i < again->count; i++)
        (void)mark(s->marks, again->ids[i]);
    return conclude(s, holds, byte_is_word(byte));
}

/* ---- making one ---- */

/* What begins at a place other than the first. */
static void find_again(struct subset *s, bool line)
{
    bool same = line && !(s->program->assertions & ASSERT_BEGIN_LINE);
    if (same) {
        s->again[1] = s->again[0];
        s->again_matches[1] = s->again_matches[0];
        return;
    }
    follow(s, s->program->start, line ? ASSERT_BEGIN_LINE : 0);
    s->again_matches[line] = s->marks->matches;
    if (s->marks->matches)
        marks_clear(s->marks);
    else
        collect(s, ASSERT_AHEAD, &s->again[line]);
}

int subset_create(const struct program *program, struct subset **out)
{
    size_t words = program->count / 64 + 1, summary = words / 64 + 1, ids = (size_t)program->count + 1;
    size_t bytes = sizeof(struct subset) + sizeof(struct marks) + (words + summary) * 8 + ids * 5 * sizeof(uint32_t);
    struct subset *s = memory_alloc(bytes);
    if (!s)
        return NACRE_NO_MEMORY;
    memset(s, 0, sizeof *s + sizeof *s->marks + (words + summary) * 8);
    s->program = program;
    s->marks = (struct marks *)(s + 1);
    s->marks->words = (uint64_t *)(s->marks + 1);
    s->marks->summary = s->marks->words + words;
    s->marks->summary_count = (uint32_t)summary;
    uint32_t *at = (uint32_t *)(s->marks->summary + summary);
    s->stack = at;
    s->from.ids = at + ids;
    s->to.ids = at + 2 * ids;
    s->again[0].ids = at + 3 * ids;
    s->again[1].ids = at + 4 * ids;
    find_again(s, false);
    find_again(s, true);
    s->anchored = s->again[0].count + s->again[1].count == 0 && !s->again_matches[0] && !s->again_matches[1];
    *out = s;
    return NACRE_OK;
}

void subset_free(struct subset *s)
{
    memory_free(s);
}

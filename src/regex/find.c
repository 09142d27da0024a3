/* Where a regular expression matches (see find.h; Pike's simulation, in Cox, "Regular Expression Matching: the Virtual Machine Approach",
   2009).

   Threads are instructions that wait for a byte, each with the place where its match began. They go over the text side by side, a character's
   bytes one after the other; a byte that is not part of valid UTF-8 is read as the three bytes of U+FFFD. Before each character, as long as
   no match is known, one more thread begins. All that stands before and behind a place is known there, so assertions are decided at once.

   Invariants:
   1. Threads stand in the order of their begins. So the first that comes to an instruction has the least begin, and later ones may go.
   2. Once a match is known no thread begins behind it; the end is the last one that a thread with that begin comes to.
   One thread of the process at a time per call; no locks. */
#include "regex/find.h"
#include "base/memory.h"
#include "base/status.h"
#include "regex/program.h"
#include "base/utf8.h"

struct thread {
    uint32_t id;
    size_t begin;
};
struct threads {
    struct thread *items; /* room for all instructions */
    uint32_t count;
};
struct finder {
    const struct program *program;
    nacre_slice text;
    struct threads now, next;
    uint32_t *stack;
    uint64_t *reached; /* by instruction: the step in which it was reached last */
    uint64_t step;
    bool found;
    size_t begin, end; /* of the match */
};

static int finder_create(const struct program *program, nacre_slice text, struct finder **out)
{
    size_t room = (size_t)program->count + 1;
    size_t each = 2 * sizeof(struct thread) + sizeof(uint64_t) + sizeof(uint32_t);
    struct finder *f = memory_zalloc(sizeof *f + room * each);
    if (!f)
        return NACRE_NO_MEMORY;
    f->program = program;
    f->text = text;
    f->reached = (uint64_t *)(f + 1);
    f->now.items = (struct thread *)(f->reached + room);
    f->next.items = f->now.items + room;
    f->stack = (uint32_t *)(f->next.items + room);
    *out = f;
    return NACRE_OK;
}

/* All assertions that hold at a place of the text. */
static unsigned holding_at(const struct finder *f, size_t at)
{
    const uint8_t *bytes = f->text.data;
    bool first = at == 0, last = at == f->text.size;
    bool after_word = !first && byte_is_word(bytes[at - 1]), before_word = !last && byte_is_word(bytes[at]);
    return (first ? ASSERT_BEGIN_TEXT : 0u) | (last ? ASSERT_END_TEXT : 0u) |
           (first || bytes[at - 1] == '\n' ? ASSERT_BEGIN_LINE : 0u) |
           (last || bytes[at] == '\n' ? ASSERT_END_LINE : 0u) |
           (after_word != before_word ? ASSERT_BOUNDARY : ASSERT_NO_BOUNDARY);
}

static void match(struct finder *f, size_t begin, size_t end)
{
    if (f->found && f->begin < begin)
        return;
    f->found = true;
    f->begin = begin;
    f->end = end;
}

/* Adds a run of alternatives and all it leads to without a byte, at the place `at`. */
static void follow(struct finder *f, struct threads *threads, uint32_t run, size_t begin, size_t at, unsigned holds)
{
    const struct instruction *instructions = f->program->instructions;
    uint32_t depth = 0;
    f->stack[depth++] = run;
    while (depth > 0) {
        uint32_t id = f->stack[--depth];
        for (bool more = true; more; id++) {
            const struct instruction *instruction = &instructions[id];
            more = instruction->flags & INSTRUCTION_MORE;
            if (f->reached[id] == f->step) /* then the rest of the run is there as well */
                break;
            f->reached[id] = f->step;
            if (instruction->kind == INSTRUCTION_GO ||
                (instruction->kind == INSTRUCTION_ASSERT && (instruction->assertion & holds)))
                f->stack[depth++] = instruction->next;
            else if (instruction->kind == INSTRUCTION_MATCH)
                match(f, begin, at);
            else if (instruction->kind == INSTRUCTION_BYTES)
                threads->items[threads->count++] = (struct thread){ id, begin };
        }
    }
}

/* All threads over a byte; `at` is the place behind it. */
static void step(struct finder *f, uint8_t byte, size_t at, unsigned holds)
{
    struct threads before = f->now;
    f->next.count = 0;
    f->step++;
    for (uint32_t i = 0; i < before.count; i++) {
        const struct thread *thread = &before.items[i];
        const struct instruction *instruction = &f->program->instructions[thread->id];
        if (f->found && thread->begin > f->begin)
            break;
        if (instruction->low <= byte && byte <= instruction->high)
            follow(f, &f->next, instruction->next, thread->begin, at, holds);
    }
    f->now = f->next;
    f->next = before;
}

/* The bytes that stand for the character at a place. Returns how many of the text they are. */
static size_t character_at(const struct finder *f, size_t at, const uint8_t **bytes, uint32_t *size)
{
    static const uint8_t replacement[] = { 0xEF, 0xBF, 0xBD }; /* U+FFFD */
    size_t left = f->text.size - at;
    *bytes = (const uint8_t *)f->text.data + at;
    *size = 1;
    if (!f->program->utf8 || **bytes < 0x80)
        return 1;
    if (utf8_valid_size((nacre_slice){ *bytes, left < UTF8_BYTES_MAX ? left : UTF8_BYTES_MAX }) > 0) {
        (void)utf8_decode(*bytes, size);
        return *size;
    }
    *bytes = replacement;
    *size = sizeof replacement;
    return 1;
}

static void run(struct finder *f, size_t from)
{
    unsigned holds = holding_at(f, from);
    f->step = 1;
    follow(f, &f->now, f->program->start, from, from, holds);
    for (size_t at = from; at < f->text.size && (f->now.count || !f->found);) {
        const uint8_t *bytes;
        uint32_t size;
        at += character_at(f, at, &bytes, &size);
        holds = holding_at(f, at);
        for (uint32_t i = 0; i < size; i++)
            step(f, bytes[i], at, holds);
        if (!f->found)
            follow(f, &f->now, f->program->start, at, at, holds);
    }
}

/* The pattern with all that it matches: struct regex has what may be dropped at its edges dropped. */
static int compile(nacre_slice pattern, const struct regex_options *options, struct program **program)
{
    struct syntax_tree tree;
    uint32_t size;
    int status = syntax_parse_untrimmed(pattern, options, &tree, NULL);
    if (status != NACRE_OK)
        return status;
    status = program_size(&tree, PROGRAM_WHOLE, REGEX_PROGRAM_MAX, &size);
    if (status == NACRE_OK && size > REGEX_PROGRAM_MAX)
        status = fail(NACRE_LIMIT, "regular expression: the program would have more than %u instructions",
                      REGEX_PROGRAM_MAX);
    if (status == NACRE_OK)
        status = program_make(&tree, PROGRAM_WHOLE, program);
    syntax_free(&tree);
    return status;
}

int regex_find(nacre_slice pattern, const struct regex_options *options, nacre_slice text, size_t from, size_t *begin,
               size_t *size)
{
    struct program *program = NULL;
    struct finder *f = NULL;
    *begin = *size = 0;
    int status = compile(pattern, options, &program);
    if (status == NACRE_OK)
        status = finder_create(program, text, &f);
    if (status == NACRE_OK) {
        run(f, from);
        status = f->found ? NACRE_OK : NACRE_NOT_FOUND;
        *begin = f->begin;
        *size = f->end - f->begin;
        memory_free(f);
    }
    program_free(program);
    return status;
}

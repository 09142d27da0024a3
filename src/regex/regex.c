/* Compiled regular expressions (see regex.h).

   Programs are made when an automaton first needs them: a thread that finds none makes it and puts it there by compare-and-swap; one that
   comes second throws its own away. The stores release, the loads acquire.
   Threads: any, but for regex_free. No locks. */
#include "regex/regex.h"
#include "base/memory.h"
#include "base/status.h"
#include "regex/lazy_dfa.h"
#include <stdatomic.h>

struct regex {
    struct syntax_tree tree;
    struct regex_analysis analysis;        /* its parts lie in the tree's arena */
    _Atomic(struct program *) programs[2]; /* by flavour; the one for ASCII stays NULL where the tree is over bytes */
};

int regex_compile(nacre_slice pattern, const struct regex_options *options, struct regex **out, size_t *error_at)
{
    struct regex *regex = memory_zalloc(sizeof *regex);
    if (!regex)
        return NACRE_NO_MEMORY;
    uint32_t size;
    int status = syntax_parse(pattern, options, &regex->tree, error_at);
    if (status == NACRE_OK)
        status = program_size(&regex->tree, PROGRAM_WHOLE, REGEX_PROGRAM_MAX, &size);
    if (status == NACRE_OK && size > REGEX_PROGRAM_MAX)
        status = fail(NACRE_LIMIT, "regular expression: the program would have more than %u instructions",
                      REGEX_PROGRAM_MAX);
    if (status == NACRE_OK)
        status = analysis_make(&regex->tree, &regex->analysis);
    if (status == NACRE_OK)
        *out = regex;
    else
        regex_free(regex);
    return status;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    for (unsigned i = 0; i < 2; i++)
        program_free(atomic_load_explicit(&regex->programs[i], memory_order_relaxed));
    syntax_free(&regex->tree);
    memory_free(regex);
}

const struct syntax_tree *regex_syntax(const struct regex *regex)
{
    return &regex->tree;
}

const struct regex_analysis *regex_analysis(const struct regex *regex)
{
    return &regex->analysis;
}

const struct program *regex_program(const struct regex *regex, enum program_flavour flavour)
{
    struct regex *mutable = (struct regex *)regex; /* the programs alone, and these by atomics */
    if (regex->tree.bytes)
        flavour = PROGRAM_WHOLE;
    struct program *there = atomic_load_explicit(&mutable->programs[flavour], memory_order_acquire), *made;
    if (there)
        return there;
    if (program_make(&regex->tree, flavour, &made) != NACRE_OK)
        return NULL;
    if (atomic_compare_exchange_strong_explicit(&mutable->programs[flavour], &there, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    program_free(made);
    return there;
}

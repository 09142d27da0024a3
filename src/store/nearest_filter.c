/* The filters of a search for nearest neighbours: prefix, bounds and the literal that an expression begins with become one range of keys; what is
   left of the expression, and the caller's function, become one question (see nearest_search.h).

   Most searches have no filter, and some segments remember what an expression allows: so the automaton is made when the first key is asked about.
   One thread at a time. No locks. */
#include "store/nearest_search.h"
#include "base/status.h"
#include "store/values.h"

static void begin_later(struct search_filter *f, nacre_slice begin)
{
    if (slice_compare(begin, f->range.begin) > 0) {
        f->range.begin = begin;
    }
}

static void end_earlier(struct search_filter *f, nacre_slice end)
{
    if (f->range.end.size == 0 || slice_compare(end, f->range.end) < 0) {
        f->range.end = end;
    }
}

/* Only keys with the prefix. */
static int narrow(struct search_filter *f, nacre_slice prefix, struct buffer *end)
{
    size_t size;
    if (prefix.size == 0) {
        return NACRE_OK;
    }
    int status = buffer_reserve(end, prefix.size);
    if (status != NACRE_OK) {
        return status;
    }
    begin_later(f, prefix);
    if (slice_prefix_end(prefix, end->data, &size)) {
        end_earlier(f, slice_of(end->data, size));
    }
    return NACRE_OK;
}

/* What the caller's function says, which is given the value itself. */
static bool ask_caller(struct search_filter *f, const struct entry *given)
{
    struct entry entry = *given;
    struct pin pin = { NULL, NULL };
    f->status = value_resolve(f->store, entry.key, &entry, &pin);
    bool allowed = f->status == NACRE_OK && f->callback(f->callback_context, entry.key, entry.value);
    pin_release(&pin);
    return allowed;
}

static bool ask(void *context, const struct entry *entry)
{
    struct search_filter *f = context;
    bool wanted = true;
    if (f->status == NACRE_OK && f->regex && !f->dfa) {
        f->status = dfa_create(f->regex, 0, &f->dfa);
    }
    if (f->status == NACRE_OK && f->dfa) {
        f->status = automaton_wants(&f->dfa->automaton, entry->key, &wanted);
    }
    return f->status == NACRE_OK && wanted && (!f->callback || ask_caller(f, entry));
}

/* Does a key match if and only if it begins with analysis->begin? */
static bool is_prefix(const struct regex_analysis *analysis)
{
    return analysis->shape == SHAPE_LITERALS && analysis->at_begin && !analysis->at_end &&
           analysis->literals.count == 1 && !analysis->literals.folded &&
           analysis->literals.items[0].size == analysis->begin.size;
}

static int compile(struct search_filter *f, nacre_slice pattern)
{
    const struct regex_options characters = { .ignore_case = false, .bytes = false };
    int status = regex_compile(pattern, &characters, &f->regex, NULL);
    if (status != NACRE_OK) {
        return status;
    }
    const struct regex_analysis *analysis = regex_analysis(f->regex);
    f->nothing = analysis->shape == SHAPE_NOTHING;
    status = narrow(f, slice_of(analysis->begin.bytes, analysis->begin.size), &f->pattern_end);
    if (analysis->shape != SHAPE_EVERYTHING && !is_prefix(analysis)) {
        f->asks = true;
        f->asked.identity = pattern;
    }
    return status;
}

int search_filter_create(struct search_filter *f, nacre_store *store, const nacre_nearest_options *options)
{
    *f = (struct search_filter){ .range = { options->begin, options->end },
                                 .store = store,
                                 .callback = options->filter,
                                 .callback_context = options->filter_context };
    f->asked = (struct nearest_filter){
        .allows = ask, .context = f, .status = &f->status, .wants_value = options->filter != NULL
    };
    int status = narrow(f, options->key_prefix, &f->prefix_end);
    if (status == NACRE_OK && options->key_regex.size) {
        status = compile(f, options->key_regex);
    }
    if (options->filter) {
        f->asks = true;
        f->asked.identity = (nacre_slice){ NULL, 0 };
    }
    if (f->range.end.size && slice_compare(f->range.begin, f->range.end) >= 0) {
        f->nothing = true;
    }
    return status;
}

void search_filter_free(struct search_filter *f)
{
    dfa_free(f->dfa);
    regex_free(f->regex);
    buffer_free(&f->prefix_end);
    buffer_free(&f->pattern_end);
}

/* What segments and the file GIVEN know that a damaged manifest does not tell (salvage.h): which sequence the segments of a bulk load have, what a collection is called,
   how it folds operands, and which of its writes are in segments.

   A segment of a bulk load says so itself; which sequence it was given GIVEN says (given.h), and where that is whole, a load that it does not have was never taken in.
   Segments of older versions say nothing of themselves: where GIVEN is not whole, one that holds settled puts alone may be such a load. One thread. */
#include "base/memory.h"
#include "base/status.h"
#include "store/salvage.h"
#include <stdio.h>

/* What an operator of which only operands are left is called from now on. */
#define STAND_IN "salvaged"

int salvage_keep_words(struct salvaged_segment *segment, const struct segment_words *words)
{
    buffer_clear(&segment->words);
    int status = segment_words_encode(words, &segment->words);
    segment->has_words = status == NACRE_OK;
    return status;
}

bool salvage_words_of(const struct salvaged_segment *segment, struct segment_words *words)
{
    return segment->has_words && segment_words_decode(buffer_slice(&segment->words), words);
}

static nacre_slice text_or_nothing(const char *text)
{
    return text ? slice_text(text) : slice_of("", 0);
}

struct segment_words salvage_words_for(const struct salvage *s, uint32_t collection, bool bulk)
{
    const struct manifest_state *state = &s->manifest.state;
    struct segment_words words = { .bulk = bulk, .reach = bulk ? 0 : state->last_sequence };
    for (size_t i = 0; i < state->collection_count; i++) {
        const struct manifest_collection *c = &state->collections[i];
        if (c->id == collection) {
            words.name = text_or_nothing(c->name);
            words.default_ttl_ms = c->default_ttl_ms;
            words.value_log_threshold = c->value_log_threshold;
            words.merge_operator = text_or_nothing(c->merge_operator);
            words.compaction_filter = text_or_nothing(c->compaction_filter);
        }
    }
    return words;
}

/* ---- order ---- */

static bool has_settled_puts_alone(const struct segment_properties *p)
{
    return p->entries > 0 && p->least_sequence == SEQUENCE_SETTLED && p->greatest_sequence == SEQUENCE_SETTLED &&
           p->deletes + p->range_deletes + p->merges + p->values.count == 0;
}

enum salvaged_order salvage_order_of(const struct salvage *s, const struct salvaged_segment *segment,
                                     const struct segment_properties *p)
{
    struct segment_words words;
    if (segment->given) {
        return ORDER_KNOWN;
    }
    if (salvage_words_of(segment, &words)) {
        return !words.bulk ? ORDER_KNOWN : s->given.whole ? ORDER_NOT_TAKEN_IN : ORDER_UNKNOWN;
    }
    return !s->given.whole && has_settled_puts_alone(p) ? ORDER_UNKNOWN : ORDER_KNOWN;
}

uint64_t salvage_reach(const struct salvage *s, uint32_t collection)
{
    uint64_t reach = 0;
    for (size_t i = 0; i < s->segment_count; i++) {
        const struct salvaged_segment *segment = &s->segments[i];
        struct segment_words words;
        if (segment->collection == collection && segment->how != SALVAGED_LEFT_OUT) {
            uint64_t own = segment->given ? 0 : segment->properties.greatest_sequence;
            if (salvage_words_of(segment, &words)) {
                own = segment_words_are_of_all(&words) ? words.reach : 0;
            }
            reach = own > reach ? own : reach;
        }
    }
    return reach;
}

bool salvage_reaches(const struct salvage *s, uint32_t collection, uint64_t sequence, nacre_slice key,
                     nacre_slice *next)
{
    *next = slice_of("", 0);
    for (size_t i = 0; i < s->segment_count; i++) {
        const struct salvaged_segment *segment = &s->segments[i];
        struct segment_words words;
        if (segment->collection != collection || segment->how == SALVAGED_LEFT_OUT ||
            !salvage_words_of(segment, &words) || words.reach < sequence || segment_words_are_of_all(&words) ||
            (words.to.size && slice_compare(words.to, key) <= 0)) {
            continue;
        }
        if (slice_compare(words.from, key) <= 0) {
            *next = words.to;
            return true;
        }
        if (next->size == 0 || slice_compare(words.from, *next) < 0) {
            *next = words.from;
        }
    }
    return false;
}

/* ---- names ---- */

static bool is_nameless(const struct manifest_collection *c)
{
    char name[32];
    (void)snprintf(name, sizeof name, "salvaged-%u", c->id);
    return strcmp(c->name, name) == 0;
}

static bool is_taken(const struct manifest_state *state, nacre_slice name)
{
    for (size_t i = 0; i < state->collection_count; i++) {
        if (slice_equal(slice_text(state->collections[i].name), name)) {
            return true;
        }
    }
    return false;
}

static bool is_a_name(nacre_slice name)
{
    return name.size > 0 && name.size <= NACRE_NAME_MAX && !memchr(name.data, 0, name.size);
}

static int take_name(nacre_slice name, char **to)
{
    if (!is_a_name(name)) {
        return NACRE_OK;
    }
    char *copy = memory_alloc(name.size + 1);
    if (!copy) {
        return NACRE_NO_MEMORY;
    }
    memcpy(copy, name.data, name.size);
    copy[name.size] = 0;
    memory_free(*to);
    *to = copy;
    return NACRE_OK;
}

/* Of its newest segment that says it. */
static bool find_words(const struct salvage *s, const struct manifest_collection *c, struct segment_words *words)
{
    const struct salvaged_segment *newest = NULL;
    for (size_t i = 0; i < s->segment_count; i++) {
        const struct salvaged_segment *segment = &s->segments[i];
        if (segment->collection == c->id && segment->has_words && (!newest || segment->id > newest->id)) {
            newest = segment;
        }
    }
    return newest && salvage_words_of(newest, words);
}

static int name_one(struct salvage *s, struct manifest_collection *c)
{
    struct segment_words words;
    if (!is_nameless(c) || !find_words(s, c, &words)) {
        return NACRE_OK;
    }
    c->default_ttl_ms = words.default_ttl_ms;
    c->value_log_threshold = words.value_log_threshold;
    int status = is_taken(&s->manifest.state, words.name) ? NACRE_OK : take_name(words.name, &c->name);
    if (status == NACRE_OK) {
        status = take_name(words.merge_operator, &c->merge_operator);
    }
    return status == NACRE_OK ? take_name(words.compaction_filter, &c->compaction_filter) : status;
}

/* ---- operators ---- */

int salvage_miss_operator(struct salvage *s, struct manifest_collection *c, const struct salvaged_segment *segment)
{
    const struct segment_properties *p = segment ? &segment->properties : NULL;
    struct lost_part lost = { .what = "the name of its merge operator: an operator named '" STAND_IN
                                      "' reads what has operands" };
    if (p) {
        lost.has_after = true;
        lost.has_before = !p->greatest_open;
        lost.after = buffer_slice(&p->smallest);
        lost.before = buffer_slice(&p->greatest);
    }
    int status = c->merge_operator ? NACRE_OK : take_name(slice_text(STAND_IN), &c->merge_operator);
    return status == NACRE_OK ? salvage_report_damage(s, "manifest", c, &lost, NULL) : status;
}

static int look_for_operands(struct salvage *s, struct manifest_collection *c)
{
    int status = NACRE_OK;
    bool missing = c->merge_operator == NULL;
    for (size_t i = 0; i < s->segment_count && status == NACRE_OK && missing; i++) {
        const struct salvaged_segment *segment = &s->segments[i];
        bool there = segment->how == SALVAGED_SOUND || segment->how == SALVAGED_REBUILT;
        if (segment->collection == c->id && there && segment->properties.merges > 0) {
            status = salvage_miss_operator(s, c, segment);
        }
    }
    return status;
}

/* The newest collection first: of two with one name, the older one was dropped. */
int salvage_name_collections(struct salvage *s)
{
    struct manifest_state *state = &s->manifest.state;
    int status = NACRE_OK;
    for (uint32_t below = UINT32_MAX; status == NACRE_OK;) {
        struct manifest_collection *newest = NULL;
        for (size_t i = 0; i < state->collection_count; i++) {
            struct manifest_collection *c = &state->collections[i];
            newest = c->id < below && (!newest || c->id > newest->id) ? c : newest;
        }
        if (!newest) {
            return NACRE_OK;
        }
        below = newest->id;
        status = name_one(s, newest);
        if (status == NACRE_OK) {
            status = look_for_operands(s, newest);
        }
    }
    return status;
}

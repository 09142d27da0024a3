/* Which segments were replaced by others, where no manifest says it (salvage.h): segments say it themselves (segment/replaced.h).

   What a damaged segment says of those that it was merged from is not believed: they may have what it has lost, or it was never finished. Then both are read, and keys
   whose version may be an older one are named. One thread. */
#include "base/memory.h"
#include "base/status.h"
#include "store/salvage.h"
#include <stdlib.h>

static int add(struct salvage *s, const struct replaced *one)
{
    void *items = s->replaced;
    int status = memory_grow(&items, &s->replaced_capacity, s->replaced_count + 1, sizeof *s->replaced);
    s->replaced = items;
    if (status == NACRE_OK) {
        s->replaced[s->replaced_count++] = *one;
    }
    return status;
}

static int doubt_range(struct salvage *s, const struct salvaged_segment *segment, nacre_slice begin, nacre_slice end)
{
    struct lost_part part = { .has_after = begin.size > 0, .has_before = end.size > 0, .after = begin, .before = end };
    return salvage_note_unordered_part(s, segment, &part);
}

/* The groups of one segment. */
static int take_words(struct salvage *s, const struct salvaged_segment *segment, const struct segment_words *words)
{
    struct replaced_reader reader = replaced_reader_of(words->replaced);
    struct replaced one;
    bool doubted = false;
    int status = NACRE_OK;
    while (status == NACRE_OK && replaced_next(&reader, &one)) {
        if (!one.by_own || segment->how == SALVAGED_SOUND) {
            status = add(s, &one);
        } else if (!doubted) { /* all of these have one range */
            doubted = true;
            status = doubt_range(s, segment, one.begin, one.end);
        }
    }
    return status;
}

static int compare(const void *a, const void *b)
{
    const struct replaced *l = a, *r = b;
    return l->id != r->id ? (l->id < r->id ? -1 : 1) : slice_compare(l->begin, r->begin);
}

int salvage_find_replaced(struct salvage *s)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < s->segment_count && status == NACRE_OK; i++) {
        const struct salvaged_segment *segment = &s->segments[i];
        struct segment_words words;
        if (segment->how == SALVAGED_LEFT_OUT) {
            continue;
        }
        if (salvage_words_of(segment, &words)) {
            status = take_words(s, segment, &words);
        } else if (segment->properties.least_sequence == SEQUENCE_SETTLED && !segment->given) {
            status = salvage_note_unordered(s, segment); /* merged from what it does not say */
        }
    }
    if (s->replaced_count > 1) {
        qsort(s->replaced, s->replaced_count, sizeof *s->replaced, compare);
    }
    return status;
}

static bool ends_before(nacre_slice end, nacre_slice other)
{
    return end.size > 0 && (other.size == 0 || slice_compare(end, other) < 0);
}

int salvage_dead_ranges(const struct salvage *s, uint64_t segment, struct dead_range **out, size_t *count)
{
    size_t first = 0, after;
    while (first < s->replaced_count && s->replaced[first].id < segment) {
        first++;
    }
    for (after = first; after < s->replaced_count && s->replaced[after].id == segment; after++) {}
    *count = 0;
    struct dead_range *list = *out = memory_alloc((after - first) * sizeof *list + 1);
    if (!list) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = first; i < after; i++) {
        const struct replaced *r = &s->replaced[i];
        struct dead_range *last = *count ? &list[*count - 1] : NULL;
        bool apart = last && r->begin.size > 0 && ends_before(last->end, r->begin);
        if (last && !apart) {
            last->end = ends_before(last->end, r->end) ? r->end : last->end;
        } else {
            list[(*count)++] = (struct dead_range){ r->begin, r->end };
        }
    }
    return NACRE_OK;
}

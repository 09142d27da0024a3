/* Sets of characters over UTF-8 (see utf8_class.h).

   The ranges are cut by the length of the UTF-8 form. For each length, the first byte's values are looked at one by one: a value all of whose
   characters are in the set leads to the node that takes any continuation bytes; one with some of them leads to a node that is made in
   the same way from the rest of the bits. Nodes with the same steps are one node, so the automaton is minimal.

   As keys are valid UTF-8 by the time they are read, what is no UTF-8 may be added where that saves steps: surrogates between two
   characters of the set, and overlong forms or those above U+10FFFF next to the first or last character of a length. So "any character"
   has 7 steps.

   Invariants:
   1. Steps of a node ascend and do not touch where their targets are the same.
   2. Two nodes differ in a step.
   Threads: a class belongs to one at a time. No locks. */
#include "regex/utf8_class.h"
#include "base/hash.h"
#include "base/memory.h"

#define NONE          UINT32_MAX
#define SURROGATE_MIN 0xD800u
#define SURROGATE_MAX 0xDFFFu

struct utf8_node {
    uint32_t first, count; /* steps */
    uint32_t next;         /* in its bucket, or NONE */
};

/* The steps of a node while they are found. */
struct draft {
    struct utf8_step steps[256];
    uint32_t count;
};

/* What the first byte says of a form with `more` continuation bytes. */
static const struct {
    uint32_t low, high;    /* characters of this length */
    uint32_t below, above; /* ... and what the bytes could express beside them */
    uint8_t lead;          /* the first byte's fixed bits */
} forms[4] = {
    { 0, 0x7F, 0, 0x7F, 0 },
    { 0x80, 0x7FF, 0x80, 0x7FF, 0xC0 },
    { 0x800, 0xFFFF, 0, 0xFFFF, 0xE0 },
    { 0x10000, 0x10FFFF, 0, 0x13FFFF, 0xF0 },
};

static bool make_room(void **items, uint32_t *capacity, uint32_t needed, size_t size)
{
    if (needed <= *capacity)
        return true;
    uint32_t wanted = *capacity * 2 > needed ? *capacity * 2 : needed + 16;
    void *larger = memory_realloc(*items, wanted * size);
    if (!larger)
        return false;
    *items = larger;
    *capacity = wanted;
    return true;
}

static void draft_add(struct draft *draft, uint8_t low, uint8_t high, uint32_t target)
{
    struct utf8_step *last = draft->count ? &draft->steps[draft->count - 1] : NULL;
    if (last && last->target == target && last->high + 1 == low) {
        last->high = high;
        return;
    }
    draft->steps[draft->count++] = (struct utf8_step){ .low = low, .high = high, .target = target };
}

static bool same_steps(const struct utf8_step *a, const struct utf8_step *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (a[i].low != b[i].low || a[i].high != b[i].high || a[i].target != b[i].target)
            return false;
    }
    return true;
}

/* The node with these steps, new if there is none yet. */
static int node_of(struct utf8_class *class, struct draft *draft, uint32_t *node)
{
    uint64_t hash = draft->count;
    for (uint32_t i = 0; i < draft->count; i++) {
        struct utf8_step *step = &draft->steps[i];
        step->more = i + 1 < draft->count;
        hash = (hash ^ step->target ^ (uint64_t)step->low << 32 ^ (uint64_t)step->high << 40) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    uint32_t *bucket = &class->buckets[hash % 64];
    for (uint32_t i = *bucket; i != NONE; i = class->nodes[i].next) {
        const struct utf8_node *there = &class->nodes[i];
        if (there->count == draft->count && same_steps(&class->steps[there->first], draft->steps, draft->count)) {
            *node = there->first;
            return NACRE_OK;
        }
    }
    if (!make_room((void **)&class->steps, &class->capacity, class->count + draft->count, sizeof *class->steps) ||
        !make_room((void **)&class->nodes, &class->node_capacity, class->node_count + 1, sizeof *class->nodes))
        return NACRE_NO_MEMORY;
    memcpy(&class->steps[class->count], draft->steps, draft->count * sizeof *draft->steps);
    class->nodes[class->node_count] = (struct utf8_node){ class->count, draft->count, *bucket };
    *bucket = class->node_count++;
    *node = class->count;
    class->count += draft->count;
    return NACRE_OK;
}

/* The node that takes any `more` continuation bytes. */
static int full_node(struct utf8_class *class, unsigned more, uint32_t *node)
{
    if (more > 0 && class->full[more] == NONE) {
        uint32_t target;
        struct draft draft;
        draft.count = 0;
        int status = full_node(class, more - 1, &target);
        if (status != NACRE_OK)
            return status;
        draft_add(&draft, 0x80, 0xBF, target);
        if ((status = node_of(class, &draft, &class->full[more])) != NACRE_OK)
            return status;
    }
    *node = class->full[more];
    return NACRE_OK;
}

/* Adds the steps of the bytes first_value .. last_value (without `lead`), each of which stands for 64^more code points from value * 64^more on above
   `base`. `ranges` end with one that lies above everything. */
static int add_values(struct utf8_class *class, const struct code_range *ranges, uint32_t base, unsigned more,
                      uint8_t lead, uint32_t values, struct draft *draft)
{
    uint32_t unit = 1u << 6 * more;
    for (uint32_t value = 0; value < values; value++) {
        uint32_t low = base + value * unit, high = low + unit - 1, target;
        while (ranges->high < low)
            ranges++;
        if (ranges->low > high) {
            if (ranges->low >= base + values * unit)
                break;
            value = (ranges->low - base) / unit - 1; /* the loop adds one */
            continue;
        }
        int status;
        if (ranges->low <= low && ranges->high >= high) {
            status = full_node(class, more, &target);
        } else {
            struct draft below;
            below.count = 0;
            status = add_values(class, ranges, low, more - 1, 0x80, 64, &below);
            if (status == NACRE_OK)
                status = node_of(class, &below, &target);
        }
        if (status != NACRE_OK)
            return status;
        draft_add(draft, (uint8_t)(lead | value), (uint8_t)(lead | value), target);
    }
    return NACRE_OK;
}

/* The ranges within one form, widened by what is no UTF-8, into class->ranges. */
static uint32_t clip(struct utf8_class *class, unsigned form, const struct code_range *ranges, uint32_t count)
{
    uint32_t clipped = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct code_range range = ranges[i];
        if (range.high < forms[form].low || range.low > forms[form].high)
            continue;
        if (range.low <= forms[form].low)
            range.low = forms[form].below;
        if (range.high >= forms[form].high)
            range.high = forms[form].above;
        struct code_range *last = clipped ? &class->ranges[clipped - 1] : NULL;
        if (last && last->high >= SURROGATE_MIN - 1 && last->high <= SURROGATE_MAX && range.low >= SURROGATE_MIN &&
            range.low <= SURROGATE_MAX + 1)
            last->high = range.high;
        else
            class->ranges[clipped++] = range;
    }
    class->ranges[clipped] = (struct code_range){ UINT32_MAX, UINT32_MAX };
    return clipped;
}

int utf8_class_make(struct utf8_class *class, const struct code_range *ranges, uint32_t count)
{
    class->count = class->node_count = class->entry = 0;
    for (unsigned i = 0; i < 4; i++)
        class->full[i] = i ? NONE : UTF8_CLASS_ACCEPT;
    for (unsigned i = 0; i < 64; i++)
        class->buckets[i] = NONE;
    if (!make_room((void **)&class->ranges, &class->range_capacity, count + 1, sizeof *class->ranges))
        return NACRE_NO_MEMORY;

    struct draft entry;
    entry.count = 0;
    for (unsigned form = 0; form < 4; form++) {
        uint32_t clipped = clip(class, form, ranges, count);
        if (form == 0) {
            for (uint32_t i = 0; i < clipped; i++)
                draft_add(&entry, (uint8_t) class->ranges[i].low, (uint8_t) class->ranges[i].high, UTF8_CLASS_ACCEPT);
            continue;
        }
        uint32_t values = (forms[form].above >> 6 * form) + 1;
        int status = clipped ? add_values(class, class->ranges, 0, form, forms[form].lead, values, &entry) : NACRE_OK;
        if (status != NACRE_OK)
            return status;
    }
    return entry.count ? node_of(class, &entry, &class->entry) : NACRE_OK;
}

void utf8_class_free(struct utf8_class *class)
{
    memory_free(class->steps);
    memory_free(class->nodes);
    memory_free(class->ranges);
    *class = (struct utf8_class){ .count = 0 };
}

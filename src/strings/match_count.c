/* Counting the live wanted keys of a segment (kind.h: match_count).

   Where the expression is a set of literals and the whole segment is asked, the number often stands in the segment: ranks of a prefix's first and last key, numbers of
   keys per literal of up to three bytes, numbers of keys per tail of up to eight. These count all keys; those that are not live at the snapshot are looked up in the few blocks that have
   any and taken off. Else blocks are taken as a whole where the search says so, and looked at one by one where not. No key is built.
   One thread at a time; locks: those of first use (reader.h). */
#include "strings/segment_search.h"

#define DEAD_BLOCKS_FEW \
    4u /* blocks that are not plain, up to one in so many: then counts from the index are set right block by block */

/* ---- what is live ---- */

/* Must the versions of the block be looked at to know what is live? */
static inline bool needs_versions(const struct strings_reader *r, const struct search *search, uint32_t block)
{
    return (r->flags[block] & BLOCK_NOT_PLAIN) ||
           (r->greatest_sequence > search->snapshot &&
            ((r->flags[block] & BLOCK_HAS_VERSIONS) || r->base_sequence > search->snapshot));
}

static bool is_live(const struct versions_view *v, uint32_t key, const struct search *search)
{
    uint32_t first, after;
    versions_of_key(v, key, &first, &after);
    for (uint32_t version = first; version < after; version++) {
        struct entry e;
        versions_entry(v, version, &e);
        if (e.sequence <= search->snapshot)
            return e.type != ENTRY_DELETE && (e.expiry_ms == 0 || e.expiry_ms > search->now_ms);
    }
    return false;
}

/* How many of the keys are live. */
static int count_live(struct strings_reader *r, const struct search *search, uint32_t block, uint64_t keys,
                      uint64_t *live)
{
    if (!needs_versions(r, search, block)) {
        *live += (uint64_t)__builtin_popcountll(keys);
        return NACRE_OK;
    }
    struct versions_view v;
    int status = keys ? strings_view_versions(r, block, &v) : NACRE_OK;
    if (status != NACRE_OK || !keys)
        return status;
    for (; keys; keys &= keys - 1)
        *live += is_live(&v, (uint32_t)__builtin_ctzll(keys), search);
    strings_release_versions(&v);
    return NACRE_OK;
}

/* The next block of [from, after) whose versions must be looked at; `after` when there is none. */
static uint32_t next_doubtful(const struct strings_reader *r, const struct search *search, uint32_t from,
                              uint32_t after)
{
    if (r->greatest_sequence <= search->snapshot) { /* eight blocks at a time */
        if (r->not_plain == 0)
            return after;
        for (; from + 8 <= after; from += 8)
            if (load_u64(r->flags + from) & UINT64_C(0x0101010101010101) * BLOCK_NOT_PLAIN)
                break;
    }
    while (from < after && !needs_versions(r, search, from))
        from++;
    return from;
}

/* All keys from key first_index of first_block up to, without it, key last_index of last_block. */
struct span {
    uint32_t first_block, first_index, last_block, last_index;
};

static int count_span(struct strings_reader *r, const struct search *search, const struct span *span, uint64_t *live)
{
    uint64_t from = strings_block_rank(r, span->first_block) + span->first_index,
             to = strings_block_rank(r, span->last_block) + span->last_index;
    if (from >= to)
        return NACRE_OK;
    uint32_t after = span->last_index ? span->last_block + 1 : span->last_block;
    uint64_t total = to - from;
    int status = NACRE_OK;
    for (uint32_t block = next_doubtful(r, search, span->first_block, after); status == NACRE_OK && block < after;
         block = next_doubtful(r, search, block + 1, after)) {
        uint64_t keys = key_block_first(strings_block_rank(r, block + 1) - strings_block_rank(r, block)), alive = 0;
        if (block == span->first_block)
            keys &= ~key_block_first(span->first_index);
        if (block == span->last_block)
            keys &= key_block_first(span->last_index);
        status = count_live(r, search, block, keys, &alive);
        total -= (uint64_t)__builtin_popcountll(keys) - alive;
    }
    *live += total;
    return status;
}

/* ---- by looking ---- */

static int count_blocks(struct segment_search *s, uint64_t *live)
{
    struct strings_reader *r = s->reader;
    int status = NACRE_OK;
    uint32_t block = segment_search_next(s, s->first_block);
    while (status == NACRE_OK && block < r->blocks) {
        if (segment_search_takes_all(s, block)) {
            uint32_t after = block + 1;
            while (after < r->blocks && segment_search_takes_all(s, after))
                after++;
            struct span span = { block, block == s->first_block ? s->first_index : 0, after, 0 };
            if (after > s->last_block) {
                span.last_block = s->last_block;
                span.last_index = s->last_index;
            }
            status = count_span(r, s->search, &span, live);
            block = segment_search_next(s, after);
            continue;
        }
        uint64_t wanted = 0;
        status = segment_search_look(s, block, NULL, &wanted);
        if (status == NACRE_OK)
            status = count_live(r, s->search, block, wanted, live);
        block = segment_search_next(s, block + 1);
    }
    return status;
}

static int count_by_search(struct strings_reader *r, struct search *search, nacre_slice begin, nacre_slice end,
                           uint64_t *live)
{
    struct segment_search s;
    int status = segment_search_begin(&s, r, search, begin, end);
    if (status == NACRE_OK)
        status = count_blocks(&s, live);
    segment_search_end(&s);
    return status;
}

/* ---- from what stands in the segment ---- */

static void say(const struct search *search, const char *strategy, uint64_t blocks)
{
    if (search->report) {
        search->report->strategy = strategy;
        search->report->blocks += blocks;
        search->report->blocks_counted += blocks;
    }
}

static nacre_slice later(nacre_slice a, nacre_slice b)
{
    return slice_compare(a, b) >= 0 ? a : b;
}

static nacre_slice earlier_end(nacre_slice a, nacre_slice b) /* empty = open */
{
    return b.size == 0 || (a.size && slice_compare(a, b) <= 0) ? a : b;
}

/* The keys of [begin, end). */
static int count_range(struct strings_reader *r, const struct search *search, nacre_slice begin, nacre_slice end,
                       uint64_t *live)
{
    struct span span = { 0, 0, r->blocks, 0 };
    bool equal;
    int status = NACRE_OK;
    if (begin.size)
        status = strings_lower_bound(r, begin, &span.first_block, &span.first_index, &equal);
    if (status == NACRE_OK && end.size)
        status = strings_lower_bound(r, end, &span.last_block, &span.last_index, &equal);
    return status == NACRE_OK && span.first_block < r->blocks ? count_span(r, search, &span, live) : status;
}

/* Is the literal implied by another one of the set (a prefix of it, or itself listed before)? */
static bool is_covered(const struct literal_set *set, uint32_t i, bool from_begin)
{
    const struct literal *a = &set->items[i];
    for (uint32_t j = 0; j < set->count; j++) {
        const struct literal *b = &set->items[j];
        if (j == i || b->size > a->size || (b->size == a->size && j > i))
            continue;
        if (memcmp(from_begin ? a->bytes : a->bytes + a->size - b->size, b->bytes, b->size) == 0)
            return true;
    }
    return false;
}

static int count_prefix(struct strings_reader *r, const struct search *search, nacre_slice prefix, nacre_slice begin,
                        nacre_slice end, uint64_t *live)
{
    struct buffer room = { 0 };
    size_t size = 0;
    int status = buffer_reserve(&room, prefix.size);
    if (status == NACRE_OK) {
        nacre_slice after = { NULL, 0 };
        if (slice_prefix_end(prefix, room.data, &size))
            after = slice_of(room.data, size);
        nacre_slice from = later(prefix, begin), to = earlier_end(after, end);
        if (to.size == 0 || slice_compare(from, to) < 0)
            status = count_range(r, search, from, to, live);
    }
    buffer_free(&room);
    return status;
}

static int count_prefixes(struct strings_reader *r, const struct search *search, const struct literal_set *set,
                          nacre_slice begin, nacre_slice end, uint64_t *live)
{
    int status = NACRE_OK;
    for (uint32_t i = 0; i < set->count && status == NACRE_OK; i++)
        if (!is_covered(set, i, true))
            status = count_prefix(r, search, slice_of(set->items[i].bytes, set->items[i].size), begin, end, live);
    return status;
}

/* Whole keys. */
static int count_keys(struct strings_reader *r, const struct search *search, const struct literal_set *set,
                      nacre_slice begin, nacre_slice end, uint64_t *live)
{
    int status = NACRE_OK;
    for (uint32_t i = 0; i < set->count && status == NACRE_OK; i++) {
        nacre_slice key = slice_of(set->items[i].bytes, set->items[i].size);
        uint32_t block, index;
        bool equal = false, is_twin = false;
        for (uint32_t j = 0; j < i; j++)
            is_twin |= slice_equal(key, slice_of(set->items[j].bytes, set->items[j].size));
        if (is_twin || slice_compare(key, begin) < 0 || (end.size && slice_compare(key, end) >= 0))
            continue;
        status = strings_lower_bound(r, key, &block, &index, &equal);
        if (status == NACRE_OK && equal)
            status = count_live(r, search, block, UINT64_C(1) << index, live);
    }
    return status;
}

/* All keys of the segment that match, live or not, from the index. False: it cannot say. */
static bool keys_from_index(struct string_index *index, const struct regex_analysis *analysis, uint64_t *keys)
{
    const struct literal_set *set = &analysis->literals;
    *keys = 0;
    if (!analysis->at_end)
        return set->count == 1 && set->items[0].size <= 3 &&
               string_index_literal_keys(index, set->items[0].bytes, set->items[0].size, keys);
    for (uint32_t i = 0; i < set->count; i++) {
        uint64_t more = 0;
        if (set->items[i].size > 8 || !string_index_tail_keys(index, set->items[i].bytes, set->items[i].size, &more))
            return false;
        if (!is_covered(set, i, false))
            *keys += more;
    }
    return true;
}

/* Those of the segment's matching keys that are not live: only blocks that are not plain have any. */
static int count_dead(struct strings_reader *r, struct search *search, uint64_t *dead)
{
    struct block_matcher matcher;
    int status = NACRE_OK;
    block_matcher_begin(&matcher, search);
    for (uint32_t block = next_doubtful(r, search, 0, r->blocks); status == NACRE_OK && block < r->blocks;
         block = next_doubtful(r, search, block + 1, r->blocks)) {
        struct key_block view;
        uint64_t wanted = 0, live = 0;
        status = strings_view_block(r, block, &view);
        if (status != NACRE_OK)
            break;
        status = block_match(&matcher, &view, &wanted);
        strings_release_block(&view);
        if (status == NACRE_OK)
            status = count_live(r, search, block, wanted, &live);
        *dead += (uint64_t)__builtin_popcountll(wanted) - live;
    }
    block_matcher_end(&matcher);
    return status;
}

static bool has_few_doubtful(const struct strings_reader *r, const struct search *search)
{
    uint32_t found = 0;
    for (uint32_t block = next_doubtful(r, search, 0, r->blocks);
         block < r->blocks && found <= r->blocks / DEAD_BLOCKS_FEW;
         block = next_doubtful(r, search, block + 1, r->blocks))
        found++;
    return found <= r->blocks / DEAD_BLOCKS_FEW;
}

/* U+FFFD in a literal stands for bytes that are not UTF-8 as well, which the numbers do not count. */
static bool has_replacement(const struct literal_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (memmem(set->items[i].bytes, set->items[i].size, "\xef\xbf\xbd", 3))
            return true;
    return false;
}

/* *known: *live was counted without looking at plain blocks. */
static int count_from_metadata(struct strings_reader *r, struct search *search, nacre_slice begin, nacre_slice end,
                               bool *known, uint64_t *live)
{
    const struct regex_analysis *analysis = regex_analysis(search->regex);
    const struct literal_set *set = &analysis->literals;
    *known = true;
    if (segment_search_wants_everything(r, search)) {
        say(search, "all", r->blocks);
        return count_range(r, search, begin, end, live);
    }
    if (analysis->shape != SHAPE_LITERALS || set->folded ||
        (!regex_syntax(search->regex)->bytes && has_replacement(set))) {
        *known = false;
        return NACRE_OK;
    }
    if (analysis->at_begin) {
        say(search, analysis->at_end ? "keys" : "prefix", r->blocks);
        return analysis->at_end ? count_keys(r, search, set, begin, end, live)
                                : count_prefixes(r, search, set, begin, end, live);
    }
    struct string_index *index = search->indexes_off ? NULL : strings_index(r);
    bool whole = slice_compare(begin, r->least_key) <= 0 && (end.size == 0 || slice_compare(end, r->greatest_key) > 0);
    uint64_t keys = 0, dead = 0;
    if (!whole || !index || !has_few_doubtful(r, search) || !keys_from_index(index, analysis, &keys)) {
        *known = false;
        return NACRE_OK;
    }
    say(search, analysis->at_end ? "suffix" : "literal", r->blocks);
    int status = keys ? count_dead(r, search, &dead) : NACRE_OK;
    *live += keys - dead;
    return status;
}

int strings_match_count(void *reader, struct search *search, nacre_slice begin, nacre_slice end, uint64_t *live)
{
    struct strings_reader *r = reader;
    uint64_t found = 0;
    bool known = false;
    int status = strings_need(r);
    *live = 0;
    if (status == NACRE_OK && r->blocks > 0)
        status = count_from_metadata(r, search, begin, end, &known, &found);
    if (status == NACRE_OK && r->blocks > 0 && !known)
        status = count_by_search(r, search, begin, end, &found);
    if (status == NACRE_OK && search->report)
        search->report->matches += found;
    *live = found;
    return status;
}

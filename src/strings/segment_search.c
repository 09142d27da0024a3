/* Choosing the blocks of a search and looking at them (see segment_search.h).

   The explored automaton. When much is left to be looked at, the automaton is built whole over the bytes that occur in the segment. It then knows states that accept, or refuse, whatever
   follows (`^.*$` where no key has a newline), and signatures can be proved on it. It speaks of keys of ASCII only: blocks with other bytes keep to the search's own
   automaton. It stays with the search (search->memo) for the segments to come.

   One thread at a time; locks: those of first use of a segment (reader.h). */
#include "strings/segment_search.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "strings/signature.h"

#define TRIE_PLACES_FIRST     4096u /* places of the trie visited before anything else is known */
#define TRIE_PLACES_PER_BLOCK 2u    /* visited later, for each block that may be spared by it */
#define COMMON_SHARE          3u    /* a literal that is in more than one of so many blocks is common */
#define EXPLORE_ROWS_MAX      4096u
#define STOP_LOOKS            64u /* blocks, or as many times 16 KiB of keys, between two looks at the stop function */
#define STOP_BYTES            (16u << 10)
#define FETCH_BYTES_MAX       1536u /* of the next block */

uint32_t segment_search_explore_worth = 1024;

/* ---- bits ---- */

static inline __attribute__((always_inline)) uint64_t add_bits(const uint64_t *words, size_t count)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < count; i++)
        bits += (uint64_t)__builtin_popcountll(words[i]);
    return bits;
}

#if defined(__x86_64__)
__attribute__((target("popcnt"))) static uint64_t add_bits_popcnt(const uint64_t *words, size_t count)
{
    return add_bits(words, count);
}
#endif

uint64_t bits_count(const uint64_t *words, size_t count)
{
#if defined(__x86_64__)
    if (cpu_level() != CPU_PORTABLE)
        return add_bits_popcnt(words, count);
#endif
    return add_bits(words, count);
}

void bits_set_range(uint64_t *words, uint32_t from, uint32_t after)
{
    uint32_t first = from / 64, last = (after - 1) / 64;
    uint64_t head = UINT64_MAX << (from % 64), tail = UINT64_MAX >> (63 - (after - 1) % 64);
    if (first == last) {
        words[first] |= head & tail;
        return;
    }
    words[first] |= head;
    for (uint32_t w = first + 1; w < last; w++)
        words[w] = UINT64_MAX;
    words[last] |= tail;
}

uint32_t segment_search_next(const struct segment_search *s, uint32_t from)
{
    if (from >= s->reader->blocks || s->words == 0)
        return s->reader->blocks;
    size_t w = from / 64;
    uint64_t bits = (s->some[w] | s->all[w]) & UINT64_MAX << (from % 64);
    while (!bits) {
        if (++w == s->words)
            return s->reader->blocks;
        bits = s->some[w] | s->all[w];
    }
    return (uint32_t)(64 * w) + (uint32_t)__builtin_ctzll(bits);
}

bool segment_search_before(const struct segment_search *s, uint32_t from, uint32_t *block)
{
    if (s->words == 0)
        return false;
    size_t w = from / 64;
    uint64_t bits = (s->some[w] | s->all[w]) & UINT64_MAX >> (63 - from % 64);
    while (!bits) {
        if (w-- == 0)
            return false;
        bits = s->some[w] | s->all[w];
    }
    *block = (uint32_t)(64 * w) + 63 - (uint32_t)__builtin_clzll(bits);
    return true;
}

/* ---- the explored automaton ---- */

struct explored {
    struct explored *older; /* made for fewer bytes; it may still be in use by a cursor over another segment */
    struct dfa *dfa;        /* NULL: it is too large */
    uint64_t alphabet[4];
    uint64_t features; /* that every wanted key of ASCII has */
    bool is_small;
    struct small_dfa small; /* where is_small */
};

static void free_explored(void *memo)
{
    for (struct explored *e = memo, *older; e; e = older) {
        older = e->older;
        dfa_free(e->dfa);
        memory_free(e);
    }
}

static bool is_within(const uint64_t a[4], const uint64_t b[4])
{
    return !(a[0] & ~b[0]) && !(a[1] & ~b[1]) && !(a[2] & ~b[2]) && !(a[3] & ~b[3]);
}

static int explore(struct explored *e, const struct regex *regex)
{
    bool complete = false;
    int status = dfa_create(regex, 0, &e->dfa);
    if (status == NACRE_OK)
        status = dfa_explore(e->dfa, e->alphabet, EXPLORE_ROWS_MAX, &complete);
    if (status == NACRE_OK && complete) {
        e->is_small = small_dfa_make(e->dfa, &e->small);
        return required_features(e->dfa, e->alphabet, &e->features);
    }
    dfa_free(e->dfa);
    e->dfa = NULL;
    return status;
}

/* *found: the explored automaton for the segment's alphabet, with dfa NULL when it is too large. */
static int need_explored(struct segment_search *s, struct explored **found)
{
    struct search *search = s->search;
    struct explored *newest = search->memo;
    uint64_t alphabet[4];
    memcpy(alphabet, s->reader->alphabet, sizeof alphabet);
    if (!s->matcher.bytes)
        alphabet[2] = alphabet[3] = 0;
    *found = newest;
    if (newest && is_within(alphabet, newest->alphabet))
        return NACRE_OK;
    struct explored *e = memory_alloc_aligned(_Alignof(struct explored), sizeof *e);
    if (!e)
        return NACRE_NO_MEMORY;
    memset(e, 0, offsetof(struct explored, small));
    for (unsigned i = 0; i < 4; i++)
        e->alphabet[i] = alphabet[i] | (newest ? newest->alphabet[i] : 0);
    e->older = newest;
    search->memo = e;
    search->free_memo = free_explored;
    *found = e;
    return explore(e, search->regex);
}

static bool has_other_bytes(const struct segment_search *s, uint32_t block)
{
    return !s->matcher.bytes && (s->reader->flags[block] & KEY_BLOCK_NON_ASCII);
}

/* What the explored automaton says of the separators, for blocks of ASCII only. */
static int walk_again(struct segment_search *s, struct dfa *dfa, uint32_t last)
{
    uint64_t *some = memory_zalloc(2 * s->words * sizeof *some), *all = some ? some + s->words : NULL;
    bool finished;
    if (!some)
        return NACRE_NO_MEMORY;
    uint64_t most = bits_count(s->some, s->words) * TRIE_PLACES_PER_BLOCK;
    int status = trie_walk(&s->reader->trie, &dfa->automaton, s->first_block, last,
                           most < UINT32_MAX ? (uint32_t)most : UINT32_MAX, some, all, &finished);
    for (uint32_t block = segment_search_next(s, s->first_block);
         status == NACRE_OK && block <= last && block < s->reader->blocks; block = segment_search_next(s, block + 1)) {
        uint64_t bit = UINT64_C(1) << (block % 64);
        if (segment_search_takes_all(s, block) || has_other_bytes(s, block) || (some[block / 64] & bit))
            continue;
        s->some[block / 64] &= ~bit;
        s->all[block / 64] |= all[block / 64] & bit;
    }
    memory_free(some);
    return status;
}

static void apply_signatures(struct segment_search *s, uint64_t features)
{
    const uint64_t *signatures = features && s->index ? string_index_signatures(s->index) : NULL;
    uint64_t ruled_out = 0;
    if (!signatures)
        return;
    for (size_t w = 0; w < s->words; w++) {
        for (uint64_t left = s->some[w]; left; left &= left - 1) {
            uint32_t block = (uint32_t)(64 * w) + (uint32_t)__builtin_ctzll(left);
            if ((signatures[block] & features) != features && !has_other_bytes(s, block)) {
                s->some[w] &= ~(left & -left);
                ruled_out++;
            }
        }
    }
    if (s->search->report)
        s->search->report->signatures += ruled_out;
}

/* Only where much is left to be looked at, by the automaton. *used: it took blocks away. */
static int narrow_by_exploring(struct segment_search *s, uint32_t last, bool *used)
{
    struct explored *e;
    uint64_t before = bits_count(s->some, s->words);
    if (!s->search->want_all || s->matcher.enough || before <= segment_search_explore_worth)
        return NACRE_OK;
    int status = need_explored(s, &e);
    if (status != NACRE_OK || !e->dfa)
        return status;
    s->matcher.ascii = e->dfa;
    s->matcher.small = e->is_small ? &e->small : NULL;
    bool is_decided = e->dfa->automaton.start == e->dfa->automaton.all || e->dfa->automaton.start == AUTOMATON_DEAD;
    if (!is_decided)
        apply_signatures(s, e->features);
    if (is_decided ||
        (regex_analysis(s->search->regex)->anchored && bits_count(s->some, s->words) > segment_search_explore_worth))
        status = walk_again(s, e->dfa, last);
    *used = bits_count(s->some, s->words) < before;
    return status;
}

/* ---- making a search ---- */

static void say(const struct segment_search *s, const char *strategy)
{
    if (s->search->report)
        s->search->report->strategy = strategy;
}

bool segment_search_wants_everything(const struct strings_reader *r, const struct search *search)
{
    const struct regex_analysis *analysis = regex_analysis(search->regex);
    bool has_newline = r->alphabet[0] >> '\n' & 1;
    return analysis->shape == SHAPE_EVERYTHING || (analysis->everything_on_one_line && !has_newline);
}

/* How many blocks hold the literal, at most; UINT32_MAX: not known. */
static uint32_t blocks_with(struct string_index *index, const struct literal *literal)
{
    uint32_t least = UINT32_MAX;
    uint8_t folded[3];
    unsigned n = literal->size < 3 ? literal->size : 3;
    for (uint32_t at = 0; at + n <= literal->size; at++) {
        for (unsigned i = 0; i < n; i++) {
            uint8_t byte = literal->bytes[at + i];
            folded[i] = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
        }
        uint32_t blocks = string_index_gram_blocks(index, gram_of(folded, n));
        least = blocks < least ? blocks : least;
    }
    return least;
}

/* A scan for literals that most blocks have only costs time on top of the automaton's. */
static void drop_useless_literals(struct segment_search *s)
{
    const struct literal_set *set = s->matcher.literals;
    uint64_t blocks = 0;
    if (!set || s->matcher.enough || !s->index || !string_index_has_grams(s->index))
        return;
    for (uint32_t i = 0; i < set->count; i++)
        blocks += blocks_with(s->index, &set->items[i]);
    if (blocks > s->reader->blocks / COMMON_SHARE)
        s->matcher.literals = NULL;
}

/* All blocks from first_block to `last` may hold wanted keys: takes away what can be. */
static int choose_blocks(struct segment_search *s, uint32_t last)
{
    const struct regex_analysis *analysis = regex_analysis(s->search->regex);
    bool used_grams = false, finished = true, used_features = false;
    int status = NACRE_OK;
    if (segment_search_wants_everything(s->reader, s->search)) {
        bits_set_range(s->all, s->first_block, last + 1);
        say(s, "all");
        return NACRE_OK;
    }
    if (analysis->anchored)
        status = trie_walk(&s->reader->trie, s->search->automaton, s->first_block, last, TRIE_PLACES_FIRST, s->some,
                           s->all, &finished);
    else
        bits_set_range(s->some, s->first_block, last + 1);
    drop_useless_literals(s);
    if (status == NACRE_OK && s->index && !grams_are_cheap(s->index, analysis->grams, s->words))
        status = narrow_by_exploring(s, last, &used_features);
    if (status == NACRE_OK && s->index)
        status = gram_blocks(s->index, analysis->grams, s->some, s->words, &used_grams);
    if (status == NACRE_OK && s->matcher.ascii == s->matcher.dfa)
        status = narrow_by_exploring(s, last, &used_features);
    say(s, used_features         ? (used_grams ? "grams and features" : "features")
           : used_grams          ? "grams"
           : analysis->anchored  ? "trie"
           : s->matcher.enough   ? "literal scan"
           : s->matcher.literals ? "literal scan, then automaton"
                                 : "automaton");
    return status;
}

static int find_bounds(struct segment_search *s, nacre_slice begin, nacre_slice end)
{
    bool equal;
    int status = NACRE_OK;
    s->first_block = s->first_index = 0;
    s->last_block = s->reader->blocks;
    s->last_index = 0;
    if (begin.size)
        status = strings_lower_bound(s->reader, begin, &s->first_block, &s->first_index, &equal);
    if (status == NACRE_OK && end.size)
        status = strings_lower_bound(s->reader, end, &s->last_block, &s->last_index, &equal);
    if (s->last_block == s->reader->blocks)
        s->last_index = 0;
    return status;
}

int segment_search_begin(struct segment_search *s, struct strings_reader *reader, struct search *search,
                         nacre_slice begin, nacre_slice end)
{
    memset(s, 0, sizeof *s);
    s->reader = reader;
    s->search = search;
    block_matcher_begin(&s->matcher, search);
    int status = strings_need(reader);
    if (status == NACRE_OK)
        status = find_bounds(s, begin, end);
    if (status != NACRE_OK)
        return status;
    s->index = search->indexes_off ? NULL : strings_index(reader);
    bool is_empty =
        s->first_block > s->last_block || (s->first_block == s->last_block && s->first_index >= s->last_index);
    if (is_empty || regex_analysis(search->regex)->shape == SHAPE_NOTHING) {
        say(s, "none");
        return NACRE_OK;
    }
    uint32_t last = s->last_index ? s->last_block : s->last_block - 1;
    size_t words = ((size_t)reader->blocks + 63) / 64;
    s->some = memory_zalloc(2 * words * sizeof *s->some);
    if (!s->some)
        return NACRE_NO_MEMORY;
    s->all = s->some + words;
    s->words = words;
    status = choose_blocks(s, last);
    if (status == NACRE_OK && search->report) {
        search->report->blocks += last + 1 - s->first_block;
        search->report->keys += strings_block_rank(reader, s->last_block) + s->last_index -
                                strings_block_rank(reader, s->first_block) - s->first_index;
        search->report->candidates += bits_count(s->some, words);
        search->report->blocks_counted += bits_count(s->all, words);
    }
    return status;
}

void segment_search_end(struct segment_search *s)
{
    if (s->search && s->search->report)
        s->search->report->keys_run += s->matcher.keys_run;
    block_matcher_end(&s->matcher);
    memory_free(s->some);
    s->some = s->all = NULL;
    s->words = 0;
}

/* ---- looking ---- */

uint64_t segment_search_bounds(const struct segment_search *s, uint32_t block)
{
    uint64_t bits = key_block_first(strings_block_rank(s->reader, block + 1) - strings_block_rank(s->reader, block));
    if (block == s->first_block)
        bits &= ~key_block_first(s->first_index);
    if (block == s->last_block)
        bits &= key_block_first(s->last_index);
    return bits;
}

/* Asks for the block that will be looked at next: what a look reads lies together, right from its beginning. */
static inline void fetch_next(const struct segment_search *s, uint32_t block)
{
    uint32_t next = segment_search_next(s, block + 1);
    if (!s->reader->map || next >= s->reader->blocks)
        return;
    const uint8_t *at = s->reader->map + strings_block_offset(s->reader, next);
    size_t size = strings_block_offset(s->reader, next + 1) - strings_block_offset(s->reader, next);
    size_t most = size < FETCH_BYTES_MAX ? size : FETCH_BYTES_MAX;
    for (size_t i = 0; i < most; i += 64)
        __builtin_prefetch(at + i);
}

int segment_search_look(struct segment_search *s, uint32_t block, struct key_block *view, uint64_t *wanted)
{
    struct key_block own;
    *wanted = segment_search_bounds(s, block);
    int status = strings_view_block(s->reader, block, view ? view : &own);
    if (status != NACRE_OK)
        return status;
    const struct key_block *b = view ? view : &own;
    fetch_next(s, block);
    if (!segment_search_takes_all(s, block)) {
        uint64_t found = 0;
        status = block_match(&s->matcher, b, &found);
        *wanted &= found;
        if (s->search->report) {
            s->search->report->blocks_read++;
            s->search->report->bytes_read += b->shared + b->stream_size + 2 * b->count;
        }
    }
    s->looks += 1 + (b->shared + b->stream_size) / STOP_BYTES;
    if (status == NACRE_OK && s->looks >= STOP_LOOKS) {
        s->looks = 0;
        if (s->search->stop)
            status = s->search->stop(s->search->stop_context);
    }
    if (!view || status != NACRE_OK)
        strings_release_block(view ? view : &own);
    return status;
}

/* Searches in one strings segment against brute force: the counts and the cursors of each pattern, with and without side file, at several snapshots and times,
   within bounds, at each level of the processor, over keys of many shapes. What is right is said by the simulation of the NFA, key by key. */
#include "segment_fixture.h"
#include "base/cpu.h"
#include "regex/regex.h"
#include "strings/segment_search.h"
#include "strings/strings.h"

enum key_shape { PATH_KEYS, LETTER_KEYS, CLUSTERED_KEYS, UNICODE_KEYS, BAD_KEYS, LONGER_KEYS, KEY_SHAPES };

static const char *const path_parts[] = {
    "usr",        "share", "doc",     "python3",     "lib",         "README.md", "changelog.Debian.gz",
    "x.png",      "a",     "test_ab", "tests",       "systemd",     "File.java", "0123456789abcdef0123456789abcdef",
    "2024-01-15", "ss",    "e",       "libssl.so.1", "LICENSE.txt", "UPPERCASE."
};

static size_t make_key(enum key_shape shape, uint64_t *random, uint8_t *key)
{
    static const char *const characters[] = { "a", "b", "k",  "K",           "s", "é", "É", "日", "ſ", "\xe2\x84\xaa",
                                              "ö", "/", "\n", "\xef\xbf\xbd" };
    size_t size = 0;
    switch (shape) {
    case PATH_KEYS:
        for (uint64_t parts = 1 + below(random, 6); parts > 0; parts--) {
            const char *part = path_parts[below(random, sizeof path_parts / sizeof path_parts[0])];
            memcpy(key + size, part, strlen(part));
            size += strlen(part);
            if (below(random, 3) == 0)
                key[size++] = (uint8_t)('0' + below(random, 10));
            if (parts > 1)
                key[size++] = '/';
        }
        break;
    case LETTER_KEYS:
        size = 1 + below(random, 9);
        for (size_t i = 0; i < size; i++)
            key[i] = (uint8_t) "abcxyAB/.0"[below(random, 10)];
        break;
    case CLUSTERED_KEYS:
        memset(key, 'p', 300);
        size = 300 + (size_t)snprintf((char *)key + 300, 64, "/item/%05u.png", (unsigned)below(random, 20000));
        break;
    case UNICODE_KEYS:
        for (uint64_t i = 1 + below(random, 6); i > 0; i--) {
            const char *c = characters[below(random, sizeof characters / sizeof characters[0])];
            memcpy(key + size, c, strlen(c));
            size += strlen(c);
        }
        break;
    case BAD_KEYS:
        size = 1 + below(random, 6);
        for (size_t i = 0; i < size; i++)
            key[i] = (uint8_t) "ab\xff\xc3\xa9\xe2\x84\xaa\0\n"[below(random, 10)];
        break;
    case LONGER_KEYS:
    default:
        size = 1 + below(random, 3) * 400 + below(random, 300);
        memset(key, 'l', size);
        for (unsigned i = 0; i < 4; i++)
            key[below(random, size)] = (uint8_t) "abz/"[below(random, 4)];
        break;
    }
    return size;
}

enum versions { PLAIN, MIXED };

static void fill(struct model *m, enum key_shape shape, enum versions versions, size_t count, uint64_t *random)
{
    static uint8_t key[4096];
    *m = (struct model){ 0 };
    for (size_t i = 0; i < count; i++) {
        size_t size = make_key(shape, random, key);
        uint8_t pointer[VALUE_POINTER_BYTES];
        struct entry e = { .key = { key, size }, .sequence = 1, .type = ENTRY_PUT };
        if (versions == MIXED) {
            e.sequence = 1 + below(random, 1000);
            static const uint8_t types[] = { ENTRY_DELETE, ENTRY_PUT, ENTRY_PUT, ENTRY_MERGE, ENTRY_POINTER };
            e.type = types[below(random, 5)];
            if (e.type == ENTRY_POINTER) {
                value_pointer_encode(&(struct value_pointer){ 1, (uint32_t)i * 64, 9, i }, pointer);
                e.value = slice_of(pointer, sizeof pointer);
            }
            e.expiry_ms = below(random, 6) ? 0 : 1 + below(random, 1000);
        }
        model_add(m, e);
    }
    model_finish(m);
}

static struct segment *build(struct fixture *f, const struct model *m, bool with_index)
{
    struct segment_builder *builder = NULL;
    struct segment *segment = NULL;
    struct build_options options = { .block_bytes = 4096, .build_index = with_index };
    assert_int_equal(segment_builder_create(&f->env, &kind_strings, f->next_id++, &options, &builder), NACRE_OK);
    for (size_t i = 0; i < m->count; i++)
        assert_int_equal(segment_builder_add(builder, &m->items[i]), NACRE_OK);
    assert_int_equal(segment_builder_finish(builder, &segment), NACRE_OK);
    assert_int_equal(segment_has_index(segment), with_index);
    return segment;
}

struct question {
    const char *pattern;
    struct regex_options options;
    uint64_t snapshot, now_ms;
    nacre_slice begin, end;
    bool indexes_off;
};

static bool within(const struct question *q, nacre_slice key)
{
    return slice_compare(key, q->begin) >= 0 && (q->end.size == 0 || slice_compare(key, q->end) < 0);
}

/* bits[i]: is item i's key wanted? */
static void brute_force(const struct model *m, const struct regex *regex, const struct question *q, bool *wanted,
                        uint64_t *live)
{
    bool is_wanted = false;
    *live = 0;
    for (size_t i = 0; i < m->count; i++) {
        bool first = i == 0 || !slice_equal(m->items[i].key, m->items[i - 1].key);
        if (first) {
            assert_int_equal(regex_matches_slowly(regex, m->items[i].key, &is_wanted), NACRE_OK);
            is_wanted = is_wanted && within(q, m->items[i].key);
        }
        wanted[i] = is_wanted;
        if (!is_wanted || !first)
            continue;
        const struct entry *e = model_get(m, m->items[i].key, q->snapshot);
        *live += e && e->type != ENTRY_DELETE && (e->expiry_ms == 0 || e->expiry_ms > q->now_ms);
    }
}

static void compare_cursor(struct segment *segment, struct search *search, const struct question *q,
                           const struct model *m, const bool *wanted, uint64_t *random)
{
    struct cursor *c;
    assert_int_equal(segment->kind->match_cursor(segment->reader, search, q->begin, q->end, &c), NACRE_OK);
    cursor_first(c);
    for (size_t i = 0; i < m->count; i++) {
        if (!wanted[i])
            continue;
        if (!c->valid)
            print_message("pattern %s: item %zu of %zu is missing\n", q->pattern, i, m->count);
        assert_true(c->valid);
        assert_entry(&m->items[i], &c->entry);
        cursor_next(c);
    }
    assert_false(c->valid);
    assert_int_equal(c->status, NACRE_OK);
    cursor_last(c);
    for (size_t i = m->count; i-- > 0;) {
        if (!wanted[i])
            continue;
        assert_true(c->valid);
        assert_entry(&m->items[i], &c->entry);
        cursor_prev(c);
    }
    assert_false(c->valid);
    for (int n = 0; n < 8; n++) {
        nacre_slice target = m->items[below(random, m->count)].key;
        if (!within(q, target))
            continue;
        size_t at = model_seek(m, target), before = at;
        while (at < m->count && !wanted[at])
            at++;
        cursor_seek(c, target);
        assert_int_equal(c->valid, at < m->count);
        if (c->valid)
            assert_entry(&m->items[at], &c->entry);
        while (before > 0 && !wanted[before - 1])
            before--;
        cursor_seek_before(c, target);
        assert_int_equal(c->valid, before > 0);
        if (c->valid)
            assert_entry(&m->items[before - 1], &c->entry);
    }
    cursor_close(c);
}

static void ask(struct segment *segment, const struct model *m, const struct question *q, uint64_t *random)
{
    struct regex *regex;
    struct dfa *dfa;
    uint64_t expected, live;
    int status = regex_compile(slice_text(q->pattern), &q->options, &regex, NULL);
    if (status == NACRE_INVALID && q->options.bytes)
        return; /* a character that is no byte */
    if (status != NACRE_OK)
        print_message("%s: %s\n", q->pattern, fail_detail());
    assert_int_equal(status, NACRE_OK);
    assert_int_equal(dfa_create(regex, 0, &dfa), NACRE_OK);
    bool *wanted = calloc(m->count + 1, sizeof *wanted);
    assert_non_null(wanted);
    brute_force(m, regex, q, wanted, &expected);
    struct search search = { .regex = regex,
                             .automaton = &dfa->automaton,
                             .snapshot = q->snapshot,
                             .now_ms = q->now_ms,
                             .want_all = true,
                             .indexes_off = q->indexes_off };
    assert_int_equal(segment->kind->match_count(segment->reader, &search, q->begin, q->end, &live), NACRE_OK);
    if (live != expected)
        print_message("pattern %s, indexes %s, snapshot %llu, now %llu, bounds %zu %zu: %llu expected, %llu counted\n",
                      q->pattern, q->indexes_off ? "off" : "on", (unsigned long long)q->snapshot,
                      (unsigned long long)q->now_ms, q->begin.size, q->end.size, (unsigned long long)expected,
                      (unsigned long long)live);
    assert_int_equal(live, expected);
    compare_cursor(segment, &search, q, m, wanted, random);
    search_end(&search);
    free(wanted);
    dfa_free(dfa);
    regex_free(regex);
}

static const char *const patterns[] = {
    "",
    "a*",
    "^.*$",
    "(?s)^.*$",
    "e",
    "ss",
    "sys",
    "python3",
    "systemd",
    "zzzzqqq",
    "^usr/",
    "^usr/share/doc",
    "^usr/(lib|share)/[^/]*$",
    "^a",
    "^[^/]+/[^/]+$",
    "^[^/]+(/[^/]+)*/[^/]*e[^/]*$",
    "\\.png$",
    "\\.so\\.1$",
    "/README\\.md$",
    "\\.(png|java|md)$",
    "^x\\.png$",
    "^(a|b|ab)$",
    "(foo|test|Debian)",
    "python3.*test",
    "(?i)readme",
    "(?i)license",
    "(?i)K",
    "(?i)k.*s",
    "(?i)É",
    "é",
    "[^\\x00-\\x7F]",
    "\\x{FFFD}",
    "日|ö",
    "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "[0-9a-f]{32}",
    "[A-Z]{8,}",
    "\\d{10,}",
    "(/[^/]+){4,}",
    "[^/]{30,}$",
    "^.{40,}$",
    "^.{1,3}$",
    "\\bss\\b",
    "\\Ba\\B",
    "(x+x+)+y",
    "[ae].{5}[xz]$",
    "(a?){8}a{8}",
    "(?m)^a$",
    "(?m)b$",
    "\\n",
    ".",
    "[^a]",
    "^[^a]*$",
    "p/item/0[0-4]",
    "item/.*7\\.png$",
    "l{200}",
    "a.*z",
    "ll$",
    "^lll",
    "[[:upper:]][[:lower:]]+",
    "a|b|é",
    "ab",
    "ba",
    "abc",
    "bca",
    "(?i)ab",
    "(?i)abx$",
    "\\.[0-9]",
    "b.a",
    "b$",
    "[xy]$",
    "(ab|ba)$",
    "(g|ng|png)$",
    "[A-Z]{2}",
    "^([a-z]+/)+x",
    "[^/]{3}/[^/]{3}$",

    "^$",
    "x$|^y",
};

static void ask_all(struct segment *segment, const struct model *m, enum versions versions, uint64_t *random)
{
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        for (int bytes = 0; bytes < 2; bytes++) {
            struct question q = {
                .pattern = patterns[p], .options = { .bytes = bytes }, .snapshot = SEQUENCE_MAX, .now_ms = 1
            };
            if (versions == MIXED && below(random, 2)) {
                q.snapshot = below(random, 1100);
                q.now_ms = below(random, 1100);
            }
            if (below(random, 3) == 0)
                q.begin = m->items[below(random, m->count)].key;
            if (below(random, 3) == 0)
                q.end = m->items[below(random, m->count)].key;
            if (q.end.size && slice_compare(q.begin, q.end) >= 0)
                q.end = q.begin;
            cpu_limit((enum cpu_level)below(random, 3));
            segment_search_explore_worth = below(random, 2) ? 0 : 1024;
            for (int off = 0; off < 2; off++) {
                q.indexes_off = off;
                ask(segment, m, &q, random);
            }
        }
    }
    cpu_limit(CPU_AVX512);
    segment_search_explore_worth = 1024;
}

/* Patterns cut out of the keys, with some of their parts made general. */
static size_t cut_pattern(const struct model *m, uint64_t *random, char *out)
{
    nacre_slice key = m->items[below(random, m->count)].key;
    const uint8_t *bytes = key.data;
    size_t from = below(random, key.size), size = 1 + below(random, key.size - from < 12 ? key.size - from : 12),
           at = 0;
    if (below(random, 4) == 0) {
        out[at++] = '^';
        from = 0;
        size = size < key.size ? size : key.size;
    }
    for (size_t i = from; i < from + size; i++) {
        bool plain = (bytes[i] >= '0' && bytes[i] <= '9') || (bytes[i] >= 'A' && bytes[i] <= 'z' && bytes[i] != '\\' &&
                                                              bytes[i] != '^' && bytes[i] != '[' && bytes[i] != ']');
        switch (below(random, 14)) {
        case 0:
            out[at++] = '.';
            break;
        case 1:
            at += (size_t)snprintf(out + at, 16, ".*");
            break;
        case 2:
            at += (size_t)snprintf(out + at, 16, "[a-z]+");
            break;
        case 3:
            at += (size_t)snprintf(out + at, 16, plain ? "%c?" : ".?", bytes[i]);
            break;
        default:
            at += (size_t)snprintf(out + at, 16, plain ? "%c" : ".", bytes[i]);
        }
    }
    if (below(random, 4) == 0)
        out[at++] = '$';
    out[at] = 0;
    return at;
}

static void ask_cuts(struct segment *segment, const struct model *m, unsigned count, uint64_t *random)
{
    char pattern[512];
    for (unsigned i = 0; i < count; i++) {
        segment_search_explore_worth = below(random, 2) ? 0 : 1024;
        cut_pattern(m, random, pattern);
        struct question q = { .pattern = pattern,
                              .options = { .ignore_case = below(random, 4) == 0 },
                              .snapshot = SEQUENCE_MAX,
                              .now_ms = 1,
                              .indexes_off = below(random, 2) };
        ask(segment, m, &q, random);
    }
}

static unsigned scale(void)
{
    const char *text = getenv("NACRE_TEST_SCALE");
    int value = text ? atoi(text) : 1;
    return value > 0 ? (unsigned)value : 1;
}

static void run(bool map, enum versions versions, uint64_t seed)
{
    struct fixture f;
    fixture_open(&f, map);
    for (int shape = 0; shape < KEY_SHAPES; shape++) {
        for (unsigned round = 0; round < scale(); round++) {
            uint64_t random = seed + 1000 * (uint64_t)shape + round;
            struct model m;
            fill(&m, (enum key_shape)shape, versions, shape == LONGER_KEYS ? 150 : 100 + below(&random, 1200), &random);
            struct segment *segment = build(&f, &m, below(&random, 4) != 0);
            ask_all(segment, &m, versions, &random);
            ask_cuts(segment, &m, 60, &random);
            segment_mark_obsolete(segment);
            segment_unref(segment);
            model_free(&m);
        }
    }
    fixture_close(&f);
}

static void searches_of_plain_keys_find_what_brute_force_finds(void **state)
{
    (void)state;
    run(true, PLAIN, 11);
}

static void searches_of_versions_deletes_and_expiries_find_what_brute_force_finds(void **state)
{
    (void)state;
    run(true, MIXED, 12);
}

static void searches_without_maps_find_what_brute_force_finds(void **state)
{
    (void)state;
    run(false, MIXED, 13);
}

/* Flips a byte in the middle of a section of the segment's side file. */
static void damage_section(struct fixture *f, uint64_t id, const char *name)
{
    struct container *c;
    char path[OS_PATH_MAX];
    uint64_t offset = 0, size = 0;
    assert_int_equal(segment_path(&f->env, id, true, path), NACRE_OK);
    assert_int_equal(container_open(f->env.os, path, CONTAINER_INDEX, id, 0, false, &c), NACRE_OK);
    assert_int_equal(container_section_bounds(c, name, &offset, &size), NACRE_OK);
    container_close(c);
    assert_true(size > 0);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)(offset + size / 2), SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, (long)(offset + size / 2), SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 0x40, file), byte ^ 0x40);
    assert_int_equal(fclose(file), 0);
}

static void each_part_of_the_side_file_may_be_missing(void **state)
{
    static const char *const parts[] = { "SGNT", "GRAM", "GPOS", "GCNT", "TAIL", "KFIL", "PFIX" };
    struct fixture f;
    (void)state;
    fixture_open(&f, true);
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        uint64_t random = 700 + p;
        struct model m;
        fill(&m, PATH_KEYS, MIXED, 3000, &random);
        struct segment *segment = build(&f, &m, true);
        uint64_t id = segment->properties.id, bytes = segment->properties.bytes;
        segment_unref(segment);
        damage_section(&f, id, parts[p]);
        assert_int_equal(segment_open(&f.env, &kind_strings, id, bytes, &segment), NACRE_OK);
        assert_true(segment_has_index(segment)); /* nobody has looked yet */
        ask_all(segment, &m, MIXED, &random);
        if (!segment_index_is_sound(segment)) {
            assert_int_equal(segment_build_index(segment, NULL), NACRE_OK);
            assert_true(segment_index_is_sound(segment));
        } else {
            print_message("%s: the damage was not found\n", parts[p]);
            assert_true(false);
        }
        ask_all(segment, &m, MIXED, &random);
        segment_mark_obsolete(segment);
        segment_unref(segment);
        model_free(&m);
    }
    fixture_close(&f);
}

/* A search that goes on over several segments keeps what it learned of the pattern: the second segment has bytes that the first one did not. */
static void what_was_learned_of_one_segment_is_not_believed_of_another(void **state)
{
    struct fixture f;
    struct segment *segments[2];
    (void)state;
    fixture_open(&f, true);
    for (int s = 0; s < 2; s++) {
        struct model m = { 0 };
        for (unsigned i = 0; i < 80000; i++) {
            char key[64];
            size_t size = (size_t)snprintf(key, sizeof key, "%c%05u%s", 'a' + s, i, s ? "\n" : "x");
            model_add(&m, (struct entry){ .key = { key, size }, .sequence = 1, .type = ENTRY_PUT });
        }
        model_finish(&m);
        segments[s] = build(&f, &m, true);
        model_free(&m);
    }
    struct regex *regex;
    struct dfa *dfa;
    struct regex_options options = { 0 };
    assert_int_equal(regex_compile(slice_text("^.*$"), &options, &regex, NULL), NACRE_OK);
    assert_int_equal(dfa_create(regex, 0, &dfa), NACRE_OK);
    struct search_report report = { 0 };
    struct search search = { .regex = regex,
                             .automaton = &dfa->automaton,
                             .snapshot = SEQUENCE_MAX,
                             .now_ms = 1,
                             .want_all = true,
                             .report = &report };
    uint64_t live;
    assert_int_equal(
        kind_strings.match_count(segments[0]->reader, &search, (nacre_slice){ 0 }, (nacre_slice){ 0 }, &live),
        NACRE_OK);
    assert_int_equal(live, 80000);
    assert_int_equal(report.blocks_read, 0); /* no key has a newline: all are wanted, and none was read */
    assert_int_equal(
        kind_strings.match_count(segments[1]->reader, &search, (nacre_slice){ 0 }, (nacre_slice){ 0 }, &live),
        NACRE_OK);
    assert_int_equal(live, 0);
    search_end(&search);
    dfa_free(dfa);
    regex_free(regex);
    for (int s = 0; s < 2; s++) {
        segment_mark_obsolete(segments[s]);
        segment_unref(segments[s]);
    }
    fixture_close(&f);
}

/* What is proved over ASCII (two letters are upper case) does not hold where é is one of them. */
static void signatures_say_nothing_of_keys_beyond_ascii(void **state)
{
    struct fixture f;
    struct model m = { 0 };
    uint64_t random = 5;
    (void)state;
    fixture_open(&f, true);
    for (unsigned i = 0; i < 600; i++) { /* others, in other blocks, are upper case */
        char key[32];
        size_t size = (size_t)snprintf(key, sizeof key, "%s%03u", i % 2 ? "éé" : "ZZ", i);
        model_add(&m, (struct entry){ .key = { key, size }, .sequence = 1, .type = ENTRY_PUT });
    }
    model_finish(&m);
    struct segment *segment = build(&f, &m, true);
    struct question q = { .pattern = "[A-Zé]{2}[0-9]", .snapshot = SEQUENCE_MAX, .now_ms = 1 };
    segment_search_explore_worth = 0;
    ask(segment, &m, &q, &random);
    segment_search_explore_worth = 1024;
    segment_mark_obsolete(segment);
    segment_unref(segment);
    model_free(&m);
    fixture_close(&f);
}

static int stop_at_once(void *context)
{
    ++*(unsigned *)context;
    return NACRE_CANCELLED;
}

static void a_search_that_is_told_to_stop_stops(void **state)
{
    struct fixture f;
    struct model m = { 0 };
    (void)state;
    fixture_open(&f, true);
    for (unsigned i = 0; i < 50000; i++) {
        char key[64];
        size_t size = (size_t)snprintf(key, sizeof key, "key/%07u", i * 7);
        model_add(&m, (struct entry){ .key = { key, size }, .sequence = 1, .type = ENTRY_PUT });
    }
    model_finish(&m);
    struct segment *segment = build(&f, &m, true);
    struct regex *regex;
    struct dfa *dfa;
    struct regex_options options = { 0 };
    unsigned asked = 0;
    uint64_t live;
    assert_int_equal(regex_compile(slice_text("1.*2.*3"), &options, &regex, NULL), NACRE_OK);
    assert_int_equal(dfa_create(regex, 0, &dfa), NACRE_OK);
    struct search search = { .regex = regex,
                             .automaton = &dfa->automaton,
                             .snapshot = SEQUENCE_MAX,
                             .now_ms = 1,
                             .want_all = true,
                             .stop = stop_at_once,
                             .stop_context = &asked };
    assert_int_equal(
        segment->kind->match_count(segment->reader, &search, (nacre_slice){ 0 }, (nacre_slice){ 0 }, &live),
        NACRE_CANCELLED);
    assert_int_equal(asked, 1);
    search_end(&search);
    dfa_free(dfa);
    regex_free(regex);
    segment_mark_obsolete(segment);
    segment_unref(segment);
    model_free(&m);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_of_plain_keys_find_what_brute_force_finds),
        cmocka_unit_test(searches_of_versions_deletes_and_expiries_find_what_brute_force_finds),
        cmocka_unit_test(searches_without_maps_find_what_brute_force_finds),
        cmocka_unit_test(each_part_of_the_side_file_may_be_missing),
        cmocka_unit_test(what_was_learned_of_one_segment_is_not_believed_of_another),
        cmocka_unit_test(signatures_say_nothing_of_keys_beyond_ascii),
        cmocka_unit_test(a_search_that_is_told_to_stop_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

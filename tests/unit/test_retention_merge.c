/* What merges make of operands, against a model that reads every viewer's value before and after, now and later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#undef fail /* base/status.h has its own */
#include "base/operand.h"
#include "base/status.h"
#include "tree/retention.h"

#define VERSIONS 12
#define VALUE    64 /* bytes of a value that is read */

struct version {
    struct entry entry;
    uint8_t bytes[VALUE];
};
struct world { /* one key: the newest versions lie above the inputs, the oldest ones beneath them */
    struct version versions[VERSIONS], out[VERSIONS];
    size_t count, above, inputs, out_count;
    struct range_delete range; /* of the inputs; sequence 0: none */
    uint64_t snapshots[3];
    size_t snapshot_count;
    uint64_t now;
    bool fails, range_kept; /* fails: the operator takes no operand 'x' */
};
static uint64_t seed;

static uint64_t below(uint64_t bound)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed * UINT64_C(0x2545f4914f6cdd1d) >> 20) % bound;
}

/* ---- the operator: appends, and may refuse 'x' ---- */

static int append(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands, size_t count,
                  nacre_output *value)
{
    const struct world *w = context;
    (void)key;
    int status = base ? output_append(value, *base) : NACRE_OK;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        bool refused = w->fails && operands[i].size && memchr(operands[i].data, 'x', operands[i].size);
        status = refused ? NACRE_INVALID : output_append(value, operands[i]);
    }
    return status;
}

static int append_two(void *context, nacre_slice key, nacre_slice older, nacre_slice newer, nacre_output *operand)
{
    const nacre_slice both[2] = { older, newer };
    return append(context, key, NULL, both, 2, operand);
}

/* ---- reading, by what nacre_merge says ---- */

/* The value as a text; "!" where the operator refuses. False: there is none. `from` is a version that counts at time `at`. */
static bool value_of(const struct world *w, const struct entry *const *list, size_t count, size_t from, uint64_t floor,
                     uint64_t at, char *text)
{
    const struct entry *e = from < count ? list[from] : NULL;
    if (!e || e->sequence < floor || e->type == ENTRY_DELETE || (e->expiry_ms && e->expiry_ms <= at)) {
        return false;
    }
    const char *bytes = e->value.data;
    size_t size = e->value.size;
    text[0] = 0;
    if (e->type == ENTRY_MERGE) {
        bytes += OPERAND_CLOCK_BYTES;
        size -= OPERAND_CLOCK_BYTES;
        if (!value_of(w, list, count, from + 1, floor, load_u64(e->value.data), text)) {
            text[0] = 0;
        }
        if (w->fails && memchr(bytes, 'x', size)) {
            memcpy(text, "!", 2);
        }
    }
    if (text[0] != '!') {
        size_t before = strlen(text);
        memcpy(text + before, bytes, size);
        text[before + size] = 0;
    }
    return true;
}

static void read_at(const struct world *w, bool after, uint64_t viewer, uint64_t at, char *text)
{
    const struct entry *list[2 * VERSIONS];
    size_t count = 0, first = 0;
    for (size_t i = 0; i < w->above; i++) {
        list[count++] = &w->versions[i].entry;
    }
    for (size_t i = 0; i < (after ? w->out_count : w->inputs); i++) {
        list[count++] = after ? &w->out[i].entry : &w->versions[w->above + i].entry;
    }
    for (size_t i = w->above + w->inputs; i < w->count; i++) {
        list[count++] = &w->versions[i].entry;
    }
    while (first < count && list[first]->sequence > viewer) {
        first++;
    }
    uint64_t range = after && !w->range_kept ? 0 : w->range.sequence;
    if (!value_of(w, list, count, first, range <= viewer ? range : 0, at, text)) {
        memcpy(text, "none", 5);
    }
}

/* ---- a world ---- */

static uint64_t clock_of(uint64_t sequence)
{
    return 1000 + 10 * sequence;
}

static void make_version(struct version *v, uint64_t sequence)
{
    static const uint8_t types[] = { ENTRY_MERGE, ENTRY_MERGE, ENTRY_MERGE, ENTRY_PUT, ENTRY_DELETE };
    uint8_t type = types[below(5)];
    size_t size = 0;
    if (type == ENTRY_MERGE) {
        store_u64(v->bytes, clock_of(sequence));
        size = OPERAND_CLOCK_BYTES;
    }
    if (type != ENTRY_DELETE) {
        v->bytes[size++] = (uint8_t)(below(8) ? 'a' + below(20) : 'x');
    }
    v->entry =
        (struct entry){ .key = slice_text("k"),
                        .value = { v->bytes, size },
                        .sequence = sequence,
                        .expiry_ms = type != ENTRY_DELETE && below(3) == 0 ? clock_of(sequence) + 1 + below(60) : 0,
                        .type = type };
}

static void make_world(struct world *w)
{
    memset(w, 0, sizeof *w);
    uint64_t sequence = 50;
    w->count = below(VERSIONS + 1);
    w->above = below(3) ? 0 : below(w->count + 1);
    w->inputs = below(2) ? w->count - w->above : below(w->count - w->above + 1);
    for (size_t i = 0; i < w->count; i++) {
        sequence -= 1 + below(3);
        make_version(&w->versions[i], sequence);
    }
    for (size_t i = 0; i < (w->snapshot_count = below(4)); i++) {
        w->snapshots[i] = (i ? w->snapshots[i - 1] : 5) + 1 + below(18);
    }
    if (below(3) == 0 && w->inputs > 0) { /* in the middle of the inputs */
        w->range = (struct range_delete){ slice_text("a"), slice_text("z"), 0 };
        w->range.sequence = w->versions[w->above + below(w->inputs)].entry.sequence;
        w->versions[w->above].entry.sequence += w->range.sequence == w->versions[w->above].entry.sequence;
        for (size_t i = w->above; i < w->above + w->inputs; i++) { /* no version has its sequence */
            w->range.sequence += w->versions[i].entry.sequence == w->range.sequence;
        }
        if (w->above && w->range.sequence >= w->versions[w->above - 1].entry.sequence) {
            w->range.sequence = 0;
        }
        for (size_t i = 0; i < w->count; i++) {
            w->range.sequence = w->versions[i].entry.sequence == w->range.sequence ? 0 : w->range.sequence;
        }
    }
    w->now = clock_of(50) + below(80);
    w->fails = below(3) == 0;
}

static bool may_be_beneath(void *context, nacre_slice key)
{
    const struct world *w = context;
    (void)key;
    return w->above + w->inputs < w->count;
}

static bool may_be_above(void *context, nacre_slice key)
{
    const struct world *w = context;
    (void)key;
    for (size_t i = 0; i < w->above; i++) {
        if (w->versions[i].entry.type == ENTRY_MERGE) {
            return true;
        }
    }
    return false;
}

static int keep(void *context, const struct entry *entry, bool older)
{
    struct world *w = context;
    assert_int_equal(older, w->out_count > 0);
    assert_true(w->out_count < VERSIONS && entry->value.size <= VALUE);
    struct version *v = &w->out[w->out_count++];
    v->entry = *entry;
    memcpy(v->bytes, entry->value.data, entry->value.size);
    v->entry.value.data = v->bytes;
    assert_true(w->out_count == 1 || v->entry.sequence < w->out[w->out_count - 2].entry.sequence);
    return NACRE_OK;
}

static void merge_inputs(struct world *w, const nacre_merge_operator *operator)
{
    struct range_set *set = NULL;
    assert_int_equal(range_set_create(&w->range, w->range.sequence != 0, &set), NACRE_OK);
    struct retention r = { .snapshots = w->snapshots,
                           .snapshot_count = w->snapshot_count,
                           .ranges = w->range.sequence ? set : NULL,
                           .now_ms = w->now,
                           .may_be_beneath = may_be_beneath,
                           .may_be_above = may_be_above,
                           .merge_operator = operator,
                           .keep = keep,
                           .context = w };
    for (size_t i = 0; i < w->inputs; i++) {
        assert_int_equal(retention_add(&r, &w->versions[w->above + i].entry), NACRE_OK);
    }
    assert_int_equal(retention_finish(&r), NACRE_OK);
    w->range_kept = w->range.sequence && retention_needs_range(&r, &w->range, may_be_beneath(w, w->range.begin));
    retention_free(&r);
    range_set_free(set);
}

static void check(const struct world *w, unsigned round)
{
    for (size_t s = 0; s <= w->snapshot_count; s++) {
        for (uint64_t later = 0; later < 100; later += 33) {
            char before[256], after[256];
            uint64_t viewer = s < w->snapshot_count ? w->snapshots[s] : SEQUENCE_MAX;
            read_at(w, false, viewer, w->now + later, before);
            read_at(w, true, viewer, w->now + later, after);
            if (strcmp(before, after) != 0) {
                print_error("round %u, viewer %llu, %llu ms later: '%s' before, '%s' after\n", round,
                            (unsigned long long)viewer, (unsigned long long)later, before, after);
                assert_null("not the same value");
            }
        }
    }
}

/* With nobody but the present to look there is one version of a key, and it is a put where that can be known. */
static void check_folded(const struct world *w, bool combines)
{
    if (w->fails || w->snapshot_count) {
        return;
    }
    if (!may_be_beneath((void *)(uintptr_t)w, slice_text("k"))) {
        assert_true(w->out_count <= 1);
        assert_true(w->out_count == 0 || w->out[0].entry.type == ENTRY_PUT);
    } else if (combines) {
        assert_true(w->out_count <= 2);
    }
}

static void run(bool operated, bool combines)
{
    const char *scale = getenv("NACRE_TEST_SCALE");
    unsigned rounds = 200000 * (scale ? (unsigned)atoi(scale) : 1);
    for (unsigned round = 1; round <= rounds; round++) {
        struct world w;
        seed = round * UINT64_C(0x9e3779b97f4a7c15) + combines + 2 * (unsigned)operated;
        make_world(&w);
        const nacre_merge_operator operator= { "append", &w, append, combines ? append_two : NULL };
        merge_inputs(&w, operated ? &operator : NULL);
        check(&w, round);
        if (operated) {
            check_folded(&w, combines);
        }
    }
}

static void every_viewer_reads_the_same_where_operands_combine(void **unused)
{
    (void)unused;
    run(true, true);
}

static void every_viewer_reads_the_same_where_they_do_not(void **unused)
{
    (void)unused;
    run(true, false);
}

static void every_viewer_reads_the_same_without_the_operator(void **unused)
{
    (void)unused;
    run(false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_viewer_reads_the_same_where_operands_combine),
        cmocka_unit_test(every_viewer_reads_the_same_where_they_do_not),
        cmocka_unit_test(every_viewer_reads_the_same_without_the_operator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

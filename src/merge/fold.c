/* Folding operands (see fold.h).
   Invariants:
   1. items[0, stacked) lie in `stack`, one behind the other, each at least twice as large as the next one, as long as combining works; the others in `window`.
   2. items are in order, the newest first; two that became one were neighbours, and the older one had not expired at the newer one's clock.
   3. a call to `combine` that fails leaves both operands as they were, and is the last one. */
#include "merge/fold.h"
#include "base/memory.h"
#include "base/operand.h"
#include "base/status.h"

#define WINDOW_ITEMS  64u
#define WINDOW_BYTES  ((size_t)1 << 20)
#define COMBINED_MOST NACRE_BATCH_MAX /* larger ones would not fit into a segment beside others */
#define INLINE_ITEMS  32u

void fold_begin(struct merge_fold *f, const nacre_merge_operator *operator)
{
    f->operator= operator;
    f->count = f->stacked = 0;
    f->combine_failed = false;
    buffer_clear(&f->stack);
    buffer_clear(&f->window);
}

void fold_free(struct merge_fold *f)
{
    memory_free(f->items);
    buffer_free(&f->stack);
    buffer_free(&f->window);
    buffer_free(&f->spare);
    buffer_free(&f->output.bytes);
}

static nacre_slice value_of(const struct merge_fold *f, size_t i)
{
    const struct buffer *in = i < f->stacked ? &f->stack : &f->window;
    return slice_of(in->data + f->items[i].at, f->items[i].size);
}

static nacre_slice operand_of(nacre_slice value)
{
    return slice_of((const uint8_t *)value.data + OPERAND_CLOCK_BYTES, value.size - OPERAND_CLOCK_BYTES);
}

static bool can_combine(const struct merge_fold *f)
{
    return f->operator&& f->operator->combine && !f->combine_failed;
}

bool fold_hides(const struct merge_fold *f, const struct entry *entry)
{
    if (entry->expiry_ms == 0 || f->count == 0) {
        return false;
    }
    return entry->expiry_ms <= load_u64(value_of(f, f->count - 1).data);
}

/* ---- combining ---- */

/* Appends what the two become to `to`, where combining them works; their bytes lie elsewhere. */
static int combine(struct merge_fold *f, nacre_slice key, nacre_slice older, nacre_slice newer, struct buffer *to)
{
    int status = merge_operator_combine(f->operator, key, operand_of(older), operand_of(newer), &f->output);
    if (status != NACRE_OK || f->output.bytes.size > COMBINED_MOST) {
        f->combine_failed = true;
        return NACRE_OK;
    }
    status = buffer_append(to, older.data, OPERAND_CLOCK_BYTES);
    return status == NACRE_OK ? buffer_append(to, f->output.bytes.data, f->output.bytes.size) : status;
}

/* Neighbours of the window become one, two by two: the bytes go to `spare`, which takes the window's place. */
static int halve_window(struct merge_fold *f, nacre_slice key)
{
    size_t made = f->stacked;
    int status = NACRE_OK;
    buffer_clear(&f->spare);
    for (size_t i = f->stacked; i < f->count && status == NACRE_OK; made++) {
        struct fold_item item = f->items[i];
        nacre_slice newer = value_of(f, i++);
        item.at = f->spare.size;
        if (i < f->count && can_combine(f)) {
            status = combine(f, key, value_of(f, i), newer, &f->spare);
            i += !f->combine_failed;
        }
        if (f->spare.size == item.at && status == NACRE_OK) { /* an odd one, or what could not be combined */
            status = buffer_append(&f->spare, newer.data, newer.size);
        }
        item.size = f->spare.size - item.at;
        f->items[made] = item;
    }
    if (status != NACRE_OK) {
        return status;
    }
    f->count = made;
    struct buffer window = f->window;
    f->window = f->spare;
    f->spare = window;
    return NACRE_OK;
}

/* The two last ones of the stack become one. */
static int combine_top(struct merge_fold *f, nacre_slice key)
{
    struct fold_item *newer = &f->items[f->stacked - 2], *older = &f->items[f->stacked - 1];
    buffer_clear(&f->spare);
    int status = combine(f, key, value_of(f, f->stacked - 1), value_of(f, f->stacked - 2), &f->spare);
    if (status != NACRE_OK || f->combine_failed) {
        return status;
    }
    f->stack.size = newer->at;
    status = buffer_append(&f->stack, f->spare.data, f->spare.size);
    newer->size = f->spare.size;
    if (f->count > f->stacked) {
        memmove(older, older + 1, (f->count - f->stacked) * sizeof *older);
    }
    f->count--;
    f->stacked--;
    return status;
}

/* The window becomes one item on the stack. */
static int stack_window(struct merge_fold *f, nacre_slice key)
{
    int status = NACRE_OK;
    while (status == NACRE_OK && can_combine(f) && f->count - f->stacked > 1) {
        status = halve_window(f, key);
    }
    if (status != NACRE_OK || !can_combine(f) || f->count == f->stacked) {
        return status;
    }
    struct fold_item *item = &f->items[f->stacked];
    size_t at = f->stack.size;
    status = buffer_append(&f->stack, f->window.data + item->at, item->size);
    if (status != NACRE_OK) {
        return status;
    }
    item->at = at;
    f->stacked++;
    buffer_clear(&f->window);
    return NACRE_OK;
}

int fold_settle(struct merge_fold *f, nacre_slice key)
{
    int status = f->count > 1 ? stack_window(f, key) : NACRE_OK;
    while (status == NACRE_OK && can_combine(f) && f->stacked > 1) {
        status = combine_top(f, key);
    }
    return status;
}

/* ---- taking and giving ---- */

static bool is_full(const struct merge_fold *f)
{
    return f->count - f->stacked >= WINDOW_ITEMS || f->window.size >= WINDOW_BYTES;
}

int fold_add(struct merge_fold *f, const struct entry *operand)
{
    uint64_t clock_ms;
    nacre_slice bytes;
    int status = NACRE_OK;
    if (!operand_read(operand->value, &clock_ms, &bytes)) {
        return fail(NACRE_CORRUPT, "an operand of %zu bytes, sequence %llu: at least %u expected", operand->value.size,
                    (unsigned long long)operand->sequence, OPERAND_CLOCK_BYTES);
    }
    if (is_full(f) && can_combine(f)) {
        status = stack_window(f, operand->key);
        while (status == NACRE_OK && can_combine(f) && f->stacked > 1 &&
               f->items[f->stacked - 1].size * 2 >= f->items[f->stacked - 2].size) {
            status = combine_top(f, operand->key);
        }
    }
    if (status == NACRE_OK) {
        status = memory_grow((void **)&f->items, &f->capacity, f->count + 1, sizeof *f->items);
    }
    if (status == NACRE_OK) {
        f->items[f->count] =
            (struct fold_item){ operand->sequence, operand->expiry_ms, f->window.size, operand->value.size };
        status = buffer_append(&f->window, operand->value.data, operand->value.size);
    }
    f->count += status == NACRE_OK;
    return status;
}

int fold_value(struct merge_fold *f, nacre_slice key, const nacre_slice *base, nacre_slice *value)
{
    nacre_slice few[INLINE_ITEMS], *operands = few;
    if (f->count > INLINE_ITEMS && !(operands = memory_alloc(f->count * sizeof *operands))) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < f->count; i++) {
        operands[f->count - 1 - i] = operand_of(value_of(f, i));
    }
    int status = merge_operator_merge(f->operator, key, base, operands, f->count, &f->output);
    *value = slice_of(f->output.bytes.data ? f->output.bytes.data : (const uint8_t *)"", f->output.bytes.size);
    if (operands != few) {
        memory_free(operands);
    }
    return status;
}

struct entry fold_entry(const struct merge_fold *f, nacre_slice key, size_t i)
{
    const struct fold_item *item = &f->items[i];
    return (struct entry){ .key = key,
                           .value = value_of(f, i),
                           .sequence = item->sequence,
                           .expiry_ms = item->expiry_ms,
                           .type = ENTRY_MERGE };
}

/* Which rows a search may give (see row_gate.h): the table of answers.

   1. The table is a power of two in size and at most half full, so a look always ends at an empty place.
   2. An answer of `allows` that no memory can be had for is not remembered; a row that was given always is.
   Threads: one at a time. Locks: none. */
#include "vectors/row_gate.h"
#include "base/memory.h"
#include "base/status.h"
#include <string.h>

#define GATE_EMPTY     UINT32_MAX /* rows are numbered by 31 bits, and VECTORS_ROWS_MAX is no row */
#define CAPACITY_LEAST 256u

void row_gate_begin(struct row_gate *gate, const struct graph_search *search)
{
    *gate = (struct row_gate){ .search = search };
}

void row_gate_free(struct row_gate *gate)
{
    memory_free(gate->answers);
    *gate = (struct row_gate){ 0 };
}

/* Where the row's answer is, or is to be put. */
static uint32_t *place_of(uint32_t *answers, uint32_t capacity, uint32_t row)
{
    uint32_t at = (uint32_t)((row * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (capacity - 1);
    while (answers[at] != GATE_EMPTY && answers[at] >> 1 != row)
        at = (at + 1) & (capacity - 1);
    return &answers[at];
}

static int grow(struct row_gate *gate)
{
    uint32_t capacity = gate->capacity ? gate->capacity * 2 : CAPACITY_LEAST;
    uint32_t *answers = memory_alloc((size_t)capacity * sizeof *answers);
    if (!answers)
        return NACRE_NO_MEMORY;
    memset(answers, 0xff, (size_t)capacity * sizeof *answers);
    for (uint32_t i = 0; i < gate->capacity; i++)
        if (gate->answers[i] != GATE_EMPTY)
            *place_of(answers, capacity, gate->answers[i] >> 1) = gate->answers[i];
    memory_free(gate->answers);
    gate->answers = answers;
    gate->capacity = capacity;
    return NACRE_OK;
}

static int remember(struct row_gate *gate, uint32_t row, bool passes)
{
    int status = gate->count * 2 >= gate->capacity ? grow(gate) : NACRE_OK;
    if (status != NACRE_OK)
        return status;
    uint32_t *place = place_of(gate->answers, gate->capacity, row);
    gate->count += *place == GATE_EMPTY;
    *place = row << 1 | passes;
    return NACRE_OK;
}

int row_gate_close(struct row_gate *gate, uint32_t row)
{
    return remember(gate, row, false);
}

bool row_gate_is_closed(const struct row_gate *gate, uint32_t row)
{
    return *place_of(gate->answers, gate->capacity, row) == row << 1;
}

bool row_gate_ask(struct row_gate *gate, uint32_t row)
{
    const struct graph_search *search = gate->search;
    if (gate->count > 0) {
        uint32_t answer = *place_of(gate->answers, gate->capacity, row);
        if (answer != GATE_EMPTY)
            return answer & 1;
    }
    bool passes = search->allows(search->context, row);
    (void)remember(gate, row, passes); /* else it is asked again, maybe */
    return passes;
}

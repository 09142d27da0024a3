/* Reading ahead for walks over values. What a walk wants next cannot be known, as it lies behind a merge; but values that were written in the
   order of their keys, or moved by a merge, lie in that order. So as soon as one value lies right behind the last one (or before it, in a walk that goes
   down) those beyond are asked for, in windows that double as long as it goes on so. The map is read by faults meanwhile; a window is asked for
   when half of the last one is left.

   Any thread; the state is its caller's. */
#include "values/value_internal.h"

#define AHEAD_LEAST 65536u
#define AHEAD_MOST  1048576u

/* Between two values lie at least a header and a key; values of other collections, or dead ones, are passed over. */
static bool lies_near(uint64_t from, uint64_t to)
{
    return to >= from && to - from <= AHEAD_LEAST + ENTRY_KEY_MAX;
}

static void ask_for(const struct value_file *file, uint64_t begin, uint64_t end)
{
    const uint8_t *map = atomic_load_explicit(&file->map, memory_order_acquire);
    uint64_t most = atomic_load_explicit(&file->end, memory_order_acquire);
    end = end < most ? end : most;
    if (map && begin < end) {
        os_read_ahead(file->log->os, map + begin, end - begin);
    }
}

static void widen(struct value_ahead *ahead)
{
    ahead->window = ahead->window < AHEAD_MOST ? 2 * ahead->window : AHEAD_MOST;
}

static void go_up(struct value_ahead *ahead, const struct value_file *file)
{
    if (ahead->end + ahead->window / 2 > ahead->edge) {
        uint64_t from = ahead->edge > ahead->begin ? ahead->edge : ahead->begin;
        ahead->edge = (from > ahead->end ? from : ahead->end) + ahead->window;
        ask_for(file, from, ahead->edge);
        widen(ahead);
    }
}

static void go_down(struct value_ahead *ahead, const struct value_file *file)
{
    if (ahead->begin < ahead->edge + ahead->window / 2) {
        uint64_t to = ahead->edge < ahead->end ? ahead->edge : ahead->end;
        uint64_t from = to < ahead->begin ? to : ahead->begin;
        ahead->edge = from > ahead->window ? from - ahead->window : 0;
        ask_for(file, ahead->edge, to);
        widen(ahead);
    }
}

void value_log_read_ahead(struct value_log *log, struct value_ahead *ahead, const struct value_pointer *pointer)
{
    struct value_file *file = NULL;
    const uint64_t begin = pointer->offset, end = begin + pointer->size;
    if (value_find(log, pointer, &file) != NACRE_OK || value_file_load(file) != NACRE_OK) {
        return; /* the read itself says what is wrong */
    }
    bool up = pointer->file == ahead->file && lies_near(ahead->end, begin);
    bool down = pointer->file == ahead->file && lies_near(end, ahead->begin);
    if (ahead->window == 0 || ahead->down != down || up == down) {
        ahead->window = up || down ? AHEAD_LEAST : 0;
        ahead->down = down;
        ahead->edge = down ? end : begin;
    }
    ahead->file = pointer->file;
    ahead->begin = begin;
    ahead->end = end;
    if (up) {
        go_up(ahead, file);
    } else if (down) {
        go_down(ahead, file);
    } else if (pointer->size >= AHEAD_LEAST) {
        ask_for(file, begin, end);
    }
}

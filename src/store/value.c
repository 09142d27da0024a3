/* Values given to callers (see value.h). Cells are kept per thread, at most CELLS_KEPT of them, and freed when the thread ends. */
#include "store/value.h"
#include "base/memory.h"

#define CELLS_KEPT 64u

struct cell {
    nacre_store *store;
    bool large; /* more than VALUE_COPY_MOST bytes of copy: not kept */
    struct view *view;
    struct pin pin; /* without it and a view the bytes are a copy, behind the cell */
    struct cell *next;
    uint8_t bytes[];
};
struct kept {
    struct cell *first;
    unsigned count;
    bool registered;
};
static _Thread_local struct kept kept;
static pthread_key_t kept_key;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;

static void free_kept(void *context)
{
    struct kept *mine = context;
    while (mine->first) {
        struct cell *next = mine->first->next;
        memory_free(mine->first);
        mine->first = next;
    }
    mine->count = 0;
}

static void make_key(void)
{
    pthread_key_create(&kept_key, free_kept);
}

static struct cell *take_cell(void)
{
    struct cell *cell = kept.first;
    if (cell) {
        kept.first = cell->next;
        kept.count--;
        return cell;
    }
    cell = memory_alloc(sizeof *cell + VALUE_COPY_MOST);
    if (cell) {
        cell->large = false;
    }
    return cell;
}

static struct cell *make_large_cell(size_t bytes)
{
    struct cell *cell = memory_alloc(sizeof *cell + bytes);
    if (cell) {
        cell->large = true;
    }
    return cell;
}

static void keep_cell(struct cell *cell)
{
    if (kept.count >= CELLS_KEPT || cell->large) {
        memory_free(cell);
        return;
    }
    if (!kept.registered) {
        pthread_once(&kept_once, make_key);
        pthread_setspecific(kept_key, &kept);
        kept.registered = true;
    }
    cell->next = kept.first;
    kept.first = cell;
    kept.count++;
}

int value_copy(nacre_store *store, nacre_slice bytes, nacre_value *value)
{
    struct cell *cell = bytes.size <= VALUE_COPY_MOST ? take_cell() : make_large_cell(bytes.size);
    if (!cell) {
        return NACRE_NO_MEMORY;
    }
    cell->store = store;
    cell->view = NULL;
    cell->pin.release = NULL;
    if (bytes.size) {
        memcpy(cell->bytes, bytes.data, bytes.size);
    }
    *value = (nacre_value){ { cell->bytes, bytes.size }, cell };
    return NACRE_OK;
}

int value_pin(nacre_store *store, struct view *view, struct pin *pin, nacre_slice bytes, nacre_value *value)
{
    struct cell *cell = take_cell();
    if (!cell) {
        pin_release(pin);
        view_release(store, view);
        return NACRE_NO_MEMORY;
    }
    cell->store = store;
    cell->view = view;
    cell->pin = *pin;
    stats_add(&store->stats, STATS_values_held, 1);
    *value = (nacre_value){ bytes, cell };
    return NACRE_OK;
}

void value_release(nacre_value *value)
{
    struct cell *cell = value->pin;
    *value = (nacre_value){ { NULL, 0 }, NULL };
    if (!cell) {
        return;
    }
    if (cell->view || cell->pin.release) {
        pin_release(&cell->pin);
        view_release(cell->store, cell->view);
        stats_add(&cell->store->stats, STATS_values_released, 1);
    }
    keep_cell(cell);
}

/* Pins on a store's files (see pins.h). Any thread; no locks. */
#include "store/pins.h"
#include "base/memory.h"
#include "base/status.h"

static int open_file(struct pins *pins, const nacre_os *os, const char *store_path, uint32_t flags)
{
    char path[OS_PATH_MAX];
    *pins = (struct pins){ .os = os };
    if (!os_has_pins(os)) {
        return NACRE_OK;
    }
    int status = os_path(path, store_path, PINS_FILE);
    return status == NACRE_OK ? os->open(os->context, path, flags, &pins->file) : status;
}

int pins_make(struct pins *pins, const nacre_os *os, const char *store_path)
{
    return open_file(pins, os, store_path, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE);
}

void pins_open(struct pins *pins, const nacre_os *os, const char *store_path)
{
    if (open_file(pins, os, store_path, NACRE_FILE_READ) != NACRE_OK) {
        pins->file = NULL;
    }
}

void pins_close(struct pins *pins)
{
    if (pins->file) {
        (void)pins->os->close(pins->file); /* nothing is ever written to it */
        pins->file = NULL;
    }
}

uint64_t pins_first(const struct pins *pins, uint64_t end)
{
    uint64_t first = end;
    if (pins->file && end > 0 && pins->os->pinned(pins->file, 0, end, &first) != NACRE_OK) {
        return 0;
    }
    return first;
}

int pins_set(const struct pins *pins, uint64_t byte, bool held)
{
    return pins->file ? pins->os->pin(pins->file, byte, held) : NACRE_OK;
}

int reader_pin_create(const struct pins *pins, uint64_t position, struct reader_pin **created)
{
    struct reader_pin *pin = memory_zalloc(sizeof *pin);
    int status = pin ? pins_set(pins, position, true) : NACRE_NO_MEMORY;
    if (status != NACRE_OK) {
        memory_free(pin);
        return status;
    }
    atomic_init(&pin->references, 1);
    pin->pins = pins;
    pin->position = position;
    *created = pin;
    return NACRE_OK;
}

void reader_pin_ref(struct reader_pin *pin)
{
    atomic_fetch_add_explicit(&pin->references, 1, memory_order_relaxed); /* the caller holds one already */
}

void reader_pin_unref(struct reader_pin *pin)
{
    /* acq_rel: the last one comes after all uses by the others. */
    if (pin && atomic_fetch_sub_explicit(&pin->references, 1, memory_order_acq_rel) == 1) {
        (void)pins_set(pin->pins, pin->position, false); /* what stays pinned goes with the handle */
        memory_free(pin);
    }
}

/* The kinds of collection this build has. A new kind is a folder and a line here. */
#include "base/status.h"
#include "ordered/ordered.h"
#include "store/store.h"
#include "strings/strings.h"
#include "vectors/vectors.h"

const struct kind *const store_kinds[] = {
    &kind_ordered,
    &kind_strings,
    &kind_vectors,
    NULL,
};

static _Atomic(const struct kind *) extra_kind;

void store_register_kind(const struct kind *kind)
{
    atomic_store_explicit(&extra_kind, kind, memory_order_release);
}

const struct kind *store_kind(uint32_t code)
{
    for (size_t i = 0; store_kinds[i]; i++) {
        if (store_kinds[i]->code == code) {
            return store_kinds[i];
        }
    }
    const struct kind *extra = atomic_load_explicit(&extra_kind, memory_order_acquire);
    return extra && extra->code == code ? extra : NULL;
}

/* The ordered kind's table of functions. */
#include "ordered/ordered.h"
#include "ordered/reader.h"

const struct kind kind_ordered = {
    .code = NACRE_ORDERED,
    .name = "ordered",
    .key_max = NACRE_KEY_MAX,
    .builder_create = ordered_builder_create,
    .builder_add = ordered_builder_add,
    .builder_finish = ordered_builder_finish,
    .builder_free = ordered_builder_free,
    .open = ordered_open,
    .close = ordered_close,
    .give_sequence = ordered_give_sequence,
    .attach_index = ordered_attach_index,
    .index_is_good = ordered_index_is_good,
    .prefetch = ordered_prefetch,
    .get = ordered_get,
    .may_have_key = ordered_may_have_key,
    .may_have_prefix = ordered_may_have_prefix,
    .cursor_create = ordered_cursor_create,
    .sample_keys = ordered_sample_keys,
    .build_index = ordered_build_index,
    .verify = ordered_verify,
    .dump = ordered_dump,
    .memory = ordered_memory,
    .salvage = ordered_salvage,
    .has_learned_index = ordered_has_learned_index,
};

/* The strings kind's table of functions. */
#include "strings/strings.h"
#include "strings/reader.h"

const struct kind kind_strings = {
    .code = NACRE_STRINGS,
    .name = "strings",
    .key_max = NACRE_STRING_KEY_MAX,
    .builder_create = strings_builder_create,
    .builder_add = strings_builder_add,
    .builder_finish = strings_builder_finish,
    .builder_free = strings_builder_free,
    .open = strings_open,
    .close = strings_close,
    .give_sequence = strings_give_sequence,
    .attach_index = strings_attach_index,
    .index_is_good = strings_index_is_good,
    .prefetch = strings_prefetch,
    .get = strings_get,
    .may_have_key = strings_may_have_key,
    .may_have_prefix = strings_may_have_prefix,
    .cursor_create = strings_cursor_create,
    .sample_keys = strings_sample_keys,
    .build_index = strings_build_index,
    .verify = strings_verify,
    .dump = strings_dump,
    .memory = strings_memory,
    .salvage = strings_salvage,
    .match_cursor = strings_match_cursor,
    .match_count = strings_match_count,
};

/* Section COLL of a segment (words.h):
     varint flags (1 bulk), varint reach, varint default time to live in ms, varint value log threshold;
     name, merge operator, compaction filter (each: varint length, bytes; empty = none);
     what it replaces (the same; bytes of replaced.c), missing in files of older versions;
     begin and end of the keys that its reach is about (the same), missing where it is about all.
   Any thread; no locks. */
#include "segment/words.h"
#include "base/status.h"
#include "segment/segment.h"

#define BULK 1u

int segment_words_encode(const struct segment_words *words, struct buffer *out)
{
    const uint64_t numbers[] = { words->bulk ? BULK : 0, words->reach, words->default_ttl_ms,
                                 words->value_log_threshold };
    const nacre_slice texts[] = { words->name,     words->merge_operator, words->compaction_filter,
                                  words->replaced, words->from,           words->to };
    const size_t count = segment_words_are_of_all(words) ? 4 : 6;
    int status = NACRE_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && status == NACRE_OK; i++)
        status = buffer_append_varint(out, numbers[i]);
    for (size_t i = 0; i < count && status == NACRE_OK; i++)
        status = buffer_append_slice(out, texts[i]);
    return status;
}

bool segment_words_decode(nacre_slice section, struct segment_words *words)
{
    struct reader in = reader_of(section);
    *words = (struct segment_words){ .bulk = reader_varint(&in) & BULK };
    words->reach = reader_varint(&in);
    words->default_ttl_ms = reader_varint(&in);
    words->value_log_threshold = reader_varint(&in);
    words->name = reader_slice(&in);
    words->merge_operator = reader_slice(&in);
    words->compaction_filter = reader_slice(&in);
    if (in.at < in.end)
        words->replaced = reader_slice(&in);
    if (in.at < in.end) {
        words->from = reader_slice(&in);
        words->to = reader_slice(&in);
    }
    return in.ok;
}

bool segment_words_are_of_all(const struct segment_words *words)
{
    return words->from.size == 0 && words->to.size == 0;
}

bool segment_words_of(struct container *container, struct segment_words *words)
{
    nacre_slice section;
    return container_has_section(container, "COLL") && container_section(container, "COLL", &section) == NACRE_OK &&
           segment_words_decode(section, words);
}

uint64_t segment_reach(const struct segment *s)
{
    struct segment_words words;
    if (container_has_section(s->container, "COLL"))
        return segment_words_of(s->container, &words) ? words.reach : 0;
    return s->properties.given_sequence ? 0 : s->properties.greatest_sequence;
}

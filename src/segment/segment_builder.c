/* Making a segment: the kind's builder writes blocks and sections; what all kinds have in common is written here.
   One thread at a time. Files get their final names at once: nothing knows of them before the manifest does. */
#include "base/memory.h"
#include "base/status.h"
#include "segment/segment.h"

struct segment_builder {
    struct segment_env *env;
    const struct kind *kind;
    uint64_t id;
    bool build_index, sync_later;
    struct container_writer *segment, *index;
    void *builder;
    struct segment_properties properties;
    struct buffer words;    /* section COLL as of the begin; empty: there is none */
    struct buffer from, to; /* words.h */
    struct buffer replaced;
    struct range_delete *ranges; /* their keys are owned */
    size_t range_count, range_capacity;
};

static int create_writers(struct segment_builder *b, const struct build_options *options)
{
    char path[OS_PATH_MAX];
    int status = segment_path(b->env, b->id, false, path);
    if (status == NACRE_OK)
        status = segment_writer(b->env, path, CONTAINER_SEGMENT, b->id, b->kind->code, &b->segment);
    if (status == NACRE_OK && b->sync_later)
        container_writer_sync_later(b->segment);
    return status == NACRE_OK ? b->kind->builder_create(b->segment, options, &b->builder) : status;
}

int segment_builder_create(struct segment_env *env, const struct kind *kind, uint64_t id,
                           const struct build_options *options, struct segment_builder **out)
{
    *out = NULL;
    struct segment_builder *b = memory_zalloc(sizeof *b);
    if (!b)
        return NACRE_NO_MEMORY;
    b->env = env;
    b->kind = kind;
    b->id = id;
    b->build_index = options->build_index && !kind->quick_index;
    b->sync_later = options->sync_later;
    b->properties.least_sequence = UINT64_MAX;
    b->properties.collection = options->collection;
    int status = options->words.name.size ? segment_words_encode(&options->words, &b->words) : NACRE_OK;
    if (status == NACRE_OK)
        status = create_writers(b, options);
    if (status != NACRE_OK) {
        segment_builder_abandon(b);
        return status;
    }
    *out = b;
    return NACRE_OK;
}

static int set_key(struct buffer *buffer, nacre_slice key)
{
    buffer_clear(buffer);
    return buffer_append(buffer, key.data, key.size);
}

static inline void note_sequence(struct segment_properties *p, uint64_t sequence)
{
    if (sequence < p->least_sequence)
        p->least_sequence = sequence;
    if (sequence > p->greatest_sequence)
        p->greatest_sequence = sequence;
}

static inline void note_expiry(struct segment_properties *p, uint64_t expiry_ms)
{
    if (expiry_ms == 0) {
        p->latest_expiry_ms = UINT64_MAX;
        return;
    }
    p->expiring++;
    if (p->earliest_expiry_ms == 0 || expiry_ms < p->earliest_expiry_ms)
        p->earliest_expiry_ms = expiry_ms;
    if (expiry_ms > p->latest_expiry_ms)
        p->latest_expiry_ms = expiry_ms;
}

int segment_builder_add(struct segment_builder *b, const struct entry *e)
{
    int status = b->kind->builder_add(b->builder, e);
    if (__builtin_expect(status != NACRE_OK, 0))
        return status;
    struct segment_properties *p = &b->properties;
    if (__builtin_expect(p->entries++ == 0, 0))
        status = set_key(&p->smallest, e->key);
    p->deletes += e->type == ENTRY_DELETE;
    p->merges += e->type == ENTRY_MERGE;
    if (e->type == ENTRY_POINTER && status == NACRE_OK)
        status = segment_note_value(&p->values, e);
    p->key_value_bytes += e->key.size + e->value.size;
    note_sequence(p, e->sequence);
    note_expiry(p, e->expiry_ms);
    if (__builtin_expect(p->greatest.capacity < e->key.size || !p->greatest.data, 0)) {
        int reserved = buffer_reserve(&p->greatest, e->key.size + 64);
        if (reserved != NACRE_OK)
            return reserved;
    }
    if (e->key.size)
        memcpy(p->greatest.data, e->key.data, e->key.size);
    p->greatest.size = e->key.size;
    return status;
}

static int copy_key(nacre_slice from, nacre_slice *to)
{
    void *copy = memory_alloc(from.size + 1);
    if (!copy)
        return NACRE_NO_MEMORY;
    if (from.size)
        memcpy(copy, from.data, from.size);
    *to = slice_of(copy, from.size);
    return NACRE_OK;
}

int segment_builder_add_range(struct segment_builder *b, const struct range_delete *range)
{
    if (b->range_count == b->range_capacity) {
        size_t capacity = b->range_capacity ? b->range_capacity * 2 : 16;
        struct range_delete *ranges = memory_realloc(b->ranges, capacity * sizeof *ranges);
        if (!ranges)
            return NACRE_NO_MEMORY;
        b->ranges = ranges;
        b->range_capacity = capacity;
    }
    struct range_delete *own = &b->ranges[b->range_count];
    *own = (struct range_delete){ .sequence = range->sequence };
    int status = copy_key(range->begin, &own->begin);
    if (status != NACRE_OK)
        return status;
    b->range_count++;
    status = copy_key(range->end, &own->end);
    note_sequence(&b->properties, range->sequence);
    b->properties.range_deletes++;
    return status;
}

uint64_t segment_builder_bytes(const struct segment_builder *b)
{
    return container_bytes(b->segment);
}

uint64_t segment_builder_entries(const struct segment_builder *b)
{
    return b->properties.entries;
}

static int widen_bounds(struct segment_builder *b)
{
    struct segment_properties *p = &b->properties;
    int status = NACRE_OK;
    for (size_t i = 0; i < b->range_count && status == NACRE_OK; i++) {
        nacre_slice begin = b->ranges[i].begin, end = b->ranges[i].end;
        bool first = p->entries == 0 && i == 0;
        if (first || slice_compare(begin, buffer_slice(&p->smallest)) < 0)
            status = set_key(&p->smallest, begin);
        if (end.size == 0)
            p->greatest_open = true;
        nacre_slice reach = end.size ? end : begin;
        if (status == NACRE_OK && (first || slice_compare(reach, buffer_slice(&p->greatest)) > 0))
            status = set_key(&p->greatest, reach);
    }
    if (b->range_count)
        p->latest_expiry_ms = UINT64_MAX;
    if (p->least_sequence == UINT64_MAX)
        p->least_sequence = 0;
    return status;
}

static int write_ranges(struct segment_builder *b)
{
    if (b->range_count == 0)
        return NACRE_OK;
    struct buffer section = { 0 };
    int status = buffer_append_varint(&section, b->range_count);
    for (size_t i = 0; i < b->range_count && status == NACRE_OK; i++) {
        status = buffer_append_slice(&section, b->ranges[i].begin);
        if (status == NACRE_OK)
            status = buffer_append_slice(&section, b->ranges[i].end);
        if (status == NACRE_OK)
            status = buffer_append_varint(&section, b->ranges[i].sequence);
    }
    if (status == NACRE_OK)
        status = container_write_section(b->segment, "RDEL", buffer_slice(&section));
    buffer_free(&section);
    return status;
}

int segment_builder_replaces(struct segment_builder *b, nacre_slice groups)
{
    return buffer_append(&b->replaced, groups.data, groups.size);
}

int segment_builder_reaches(struct segment_builder *b, nacre_slice from, nacre_slice to)
{
    int status = set_key(&b->from, from);
    return status == NACRE_OK ? set_key(&b->to, to) : status;
}

static int write_words(struct segment_builder *b)
{
    struct segment_words words;
    struct buffer section = { 0 };
    if (!b->words.size)
        return NACRE_OK;
    (void)segment_words_decode(buffer_slice(&b->words), &words); /* our own */
    words.replaced = buffer_slice(&b->replaced);
    words.from = buffer_slice(&b->from);
    words.to = buffer_slice(&b->to);
    int status = segment_words_encode(&words, &section);
    if (status == NACRE_OK)
        status = container_write_section(b->segment, "COLL", buffer_slice(&section));
    buffer_free(&section);
    return status;
}

static int write_properties(struct segment_builder *b)
{
    struct buffer section = { 0 };
    int status = segment_properties_encode(&b->properties, &section);
    if (status == NACRE_OK)
        status = container_write_section(b->segment, "PROP", buffer_slice(&section));
    buffer_free(&section);
    return status;
}

/* The writers are gone once their files are finished. */
static int finish_writers(struct segment_builder *b, uint64_t *bytes)
{
    uint64_t index_bytes = 0, index_checksum = 0;
    int status = b->kind->builder_finish(b->builder, b->index);
    if (status == NACRE_OK)
        status = widen_bounds(b);
    if (status == NACRE_OK)
        status = write_ranges(b);
    if (status == NACRE_OK)
        status = write_words(b);
    if (status == NACRE_OK)
        status = write_properties(b);
    uint64_t checksum = 0;
    if (status == NACRE_OK)
        status = container_writer_finish(b->segment, bytes, &checksum);
    if (status != NACRE_OK)
        return status;
    b->segment = NULL;
    if (!b->index)
        return NACRE_OK;
    const struct segment_properties identity = { .id = b->id, .checksum = checksum };
    status = segment_write_identity(b->index, &identity);
    if (status == NACRE_OK)
        status = container_writer_finish(b->index, &index_bytes, &index_checksum);
    if (status == NACRE_OK)
        b->index = NULL;
    return status;
}

/* What was just written is in the page cache: its pages are mapped now, by the builder, and not one by one by readers. */
static void populate(const struct segment *s)
{
    const struct container *index = atomic_load_explicit(&s->index, memory_order_acquire); /* set when it was opened */
    if (s->container->map)
        (void)s->env->os->populate((void *)(uintptr_t)s->container->map, s->container->bytes, false);
    if (index && index->map)
        (void)s->env->os->populate((void *)(uintptr_t)index->map, index->bytes, false);
}

int segment_builder_finish(struct segment_builder *b, struct segment **out)
{
    *out = NULL;
    char path[OS_PATH_MAX];
    uint64_t bytes = 0;
    int status = NACRE_OK;
    if (b->build_index) {
        status = segment_path(b->env, b->id, true, path);
        if (status == NACRE_OK)
            status = segment_writer(b->env, path, CONTAINER_INDEX, b->id, b->kind->code, &b->index);
        if (status == NACRE_OK && b->sync_later)
            container_writer_sync_later(b->index);
    }
    if (status == NACRE_OK)
        status = finish_writers(b, &bytes);
    if (status == NACRE_OK) {
        b->kind->builder_free(b->builder); /* its memory before the reader's */
        b->builder = NULL;
        status = segment_open(b->env, b->kind, b->id, bytes, out);
        if (status == NACRE_OK)
            populate(*out);
    }
    bool written = b->segment == NULL;
    struct segment_env *env = b->env;
    uint64_t id = b->id;
    segment_builder_abandon(b);
    if (status != NACRE_OK && written)
        (void)segment_remove_files(env, id); /* the first failure is what the caller hears of */
    return status;
}

void segment_builder_abandon(struct segment_builder *b)
{
    if (!b)
        return;
    if (b->builder)
        b->kind->builder_free(b->builder);
    container_writer_abandon(b->index);
    container_writer_abandon(b->segment);
    for (size_t i = 0; i < b->range_count; i++) {
        memory_free((void *)(uintptr_t)b->ranges[i].begin.data);
        memory_free((void *)(uintptr_t)b->ranges[i].end.data);
    }
    memory_free(b->ranges);
    segment_properties_free(&b->properties);
    buffer_free(&b->words);
    buffer_free(&b->from);
    buffer_free(&b->to);
    buffer_free(&b->replaced);
    memory_free(b);
}

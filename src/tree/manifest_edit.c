/* Manifest edits as bytes (see manifest_format.h). Fields, each a varint tag and:
     1 collection        varint: the fields about a collection that follow speak of it
     2 create            name (varint length, bytes), varint kind, varint default ttl, varint log position, varint next run
     3 drop              nothing
     4 remove            varint segment id, varint level, varint run, flags, [begin], [end]
     5 add               varint level, varint run, flags, [begin], [end], varint shadowed, varint hiding, varint last expiry, properties (segment/properties.c)
     6 log position   7 next run   8 last sequence   9 clean log end   10 opening   11 next log file   12 next collection: varint
     13 vectors          varint dimension, varint metric: after `create`, where the collection holds vectors
    14 merge operator   15 compaction filter: name (varint length, bytes): after `create`, where the collection has one
    16 value log threshold: varint: after `create`, where the collection keeps large values in the value log
   flags: 1 begin is there, 2 end is there; keys are varint length, bytes. */
#include "base/memory.h"
#include "base/status.h"
#include "tree/manifest_format.h"

enum field {
    FIELD_COLLECTION = 1,
    FIELD_CREATE,
    FIELD_DROP,
    FIELD_REMOVE,
    FIELD_ADD,
    FIELD_LOG_POSITION,
    FIELD_NEXT_RUN,
    FIELD_LAST_SEQUENCE,
    FIELD_CLEAN_LOG_END,
    FIELD_OPENING,
    FIELD_NEXT_LOG_FILE,
    FIELD_NEXT_COLLECTION,
    FIELD_VECTORS,
    FIELD_MERGE_OPERATOR,
    FIELD_COMPACTION_FILTER,
    FIELD_VALUE_LOG_THRESHOLD
};
#define PIECE_HAS_BEGIN 1u
#define PIECE_HAS_END   2u

/* ---- writing ---- */

static int put_field(struct buffer *out, enum field field, uint64_t value)
{
    int status = buffer_append_varint(out, field);
    return status == NACRE_OK ? buffer_append_varint(out, value) : status;
}

static int put_optional(struct buffer *out, int status, bool present, enum field field, uint64_t value)
{
    return status == NACRE_OK && present ? put_field(out, field, value) : status;
}

static int put_place(struct buffer *out, const struct manifest_piece *piece)
{
    int status = buffer_append_varint(out, piece->level);
    if (status == NACRE_OK) {
        status = buffer_append_varint(out, piece->run);
    }
    if (status == NACRE_OK) {
        status =
            buffer_append_varint(out, (piece->has_begin ? PIECE_HAS_BEGIN : 0) | (piece->has_end ? PIECE_HAS_END : 0));
    }
    if (status == NACRE_OK && piece->has_begin) {
        status = buffer_append_slice(out, buffer_slice(&piece->begin));
    }
    if (status == NACRE_OK && piece->has_end) {
        status = buffer_append_slice(out, buffer_slice(&piece->end));
    }
    return status;
}

static int put_remove(struct buffer *out, const struct manifest_piece *piece)
{
    int status = put_field(out, FIELD_REMOVE, piece->properties.id);
    return status == NACRE_OK ? put_place(out, piece) : status;
}

static int put_add(struct buffer *out, const struct manifest_piece *piece)
{
    int status = buffer_append_varint(out, FIELD_ADD);
    if (status == NACRE_OK) {
        status = put_place(out, piece);
    }
    if (status == NACRE_OK) {
        status = buffer_append_varint(out, piece->shadowed);
    }
    if (status == NACRE_OK) {
        status = buffer_append_varint(out, piece->hiding);
    }
    if (status == NACRE_OK) {
        status = buffer_append_varint(out, piece->last_expiry_ms);
    }
    return status == NACRE_OK ? segment_properties_encode(&piece->properties, out) : status;
}

static int put_name(struct buffer *out, int status, const char *name, enum field field)
{
    if (status != NACRE_OK || !name) {
        return status;
    }
    status = buffer_append_varint(out, field);
    return status == NACRE_OK ? buffer_append_slice(out, slice_text(name)) : status;
}

static int put_create(struct buffer *out, const struct manifest_collection *c)
{
    const uint64_t numbers[] = { c->kind, c->default_ttl_ms, c->log_position, c->next_run };
    int status = buffer_append_varint(out, FIELD_CREATE);
    if (status == NACRE_OK) {
        status = buffer_append_slice(out, slice_text(c->name));
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && status == NACRE_OK; i++) {
        status = buffer_append_varint(out, numbers[i]);
    }
    if (status == NACRE_OK && c->dimension != 0) {
        status = put_field(out, FIELD_VECTORS, c->dimension);
        status = status == NACRE_OK ? buffer_append_varint(out, c->metric) : status;
    }
    status = put_name(out, status, c->merge_operator, FIELD_MERGE_OPERATOR);
    status = put_name(out, status, c->compaction_filter, FIELD_COMPACTION_FILTER);
    return put_optional(out, status, c->value_log_threshold != 0, FIELD_VALUE_LOG_THRESHOLD, c->value_log_threshold);
}

int manifest_edit_encode(const struct manifest_edit *edit, struct buffer *out)
{
    int status = put_optional(out, NACRE_OK, edit->collection != 0, FIELD_COLLECTION, edit->collection);
    if (status == NACRE_OK && edit->create) {
        status = put_create(out, edit->create);
    }
    if (status == NACRE_OK && edit->drop) {
        status = buffer_append_varint(out, FIELD_DROP);
    }
    for (size_t i = 0; i < edit->remove_count && status == NACRE_OK; i++) {
        status = put_remove(out, &edit->remove[i]);
    }
    for (size_t i = 0; i < edit->add_count && status == NACRE_OK; i++) {
        status = put_add(out, &edit->add[i]);
    }
    status = put_optional(out, status, edit->has_log_position, FIELD_LOG_POSITION, edit->log_position);
    status = put_optional(out, status, edit->has_next_run, FIELD_NEXT_RUN, edit->next_run);
    status = put_optional(out, status, edit->has_last_sequence, FIELD_LAST_SEQUENCE, edit->last_sequence);
    status = put_optional(out, status, edit->has_clean_log_end, FIELD_CLEAN_LOG_END, edit->clean_log_end);
    status = put_optional(out, status, edit->has_opening, FIELD_OPENING, edit->opening);
    status = put_optional(out, status, edit->has_next_log_file, FIELD_NEXT_LOG_FILE, edit->next_log_file);
    return put_optional(out, status, edit->has_next_collection, FIELD_NEXT_COLLECTION, edit->next_collection);
}

/* ---- reading ---- */

static uint32_t get_u32(struct reader *in)
{
    uint64_t value = reader_varint(in);
    in->ok = in->ok && value <= UINT32_MAX;
    return in->ok ? (uint32_t)value : 0;
}

/* A key that stays where it is; never freed. */
static struct buffer borrow(nacre_slice key)
{
    return (struct buffer){ .data = (uint8_t *)(uintptr_t)key.data, .size = key.size };
}

static void get_place(struct reader *in, struct manifest_piece *piece)
{
    piece->level = get_u32(in);
    piece->run = reader_varint(in);
    uint64_t flags = reader_varint(in);
    piece->has_begin = flags & PIECE_HAS_BEGIN;
    piece->has_end = flags & PIECE_HAS_END;
    piece->begin = piece->has_begin ? borrow(reader_slice(in)) : (struct buffer){ 0 };
    piece->end = piece->has_end ? borrow(reader_slice(in)) : (struct buffer){ 0 };
    in->ok = in->ok && flags <= (PIECE_HAS_BEGIN | PIECE_HAS_END) && piece->level < MANIFEST_LEVELS &&
             piece->begin.size <= ENTRY_KEY_MAX && piece->end.size <= ENTRY_KEY_MAX + 1;
}

static struct manifest_piece *grow(struct manifest_piece **pieces, size_t count, size_t *capacity)
{
    if (count == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 8;
        struct manifest_piece *larger = memory_realloc(*pieces, more * sizeof *larger);
        if (!larger) {
            return NULL;
        }
        *pieces = larger;
        *capacity = more;
    }
    memset(&(*pieces)[count], 0, sizeof **pieces);
    return &(*pieces)[count];
}

static int get_remove(struct reader *in, struct manifest_decoded *to)
{
    struct manifest_piece *piece = grow(&to->remove, to->edit.remove_count, &to->remove_capacity);
    if (!piece) {
        return NACRE_NO_MEMORY;
    }
    piece->properties.id = reader_varint(in);
    get_place(in, piece);
    to->edit.remove = to->remove;
    to->edit.remove_count++;
    return NACRE_OK;
}

static int get_add(struct reader *in, struct manifest_decoded *to)
{
    struct manifest_piece *piece = grow(&to->add, to->edit.add_count, &to->add_capacity);
    if (!piece) {
        return NACRE_NO_MEMORY;
    }
    get_place(in, piece);
    piece->shadowed = reader_varint(in);
    piece->hiding = reader_varint(in);
    piece->last_expiry_ms = reader_varint(in);
    if (in->ok) {
        int status = segment_properties_decode(in, &piece->properties);
        if (status != NACRE_OK) {
            return status;
        }
    }
    to->edit.add = to->add;
    to->edit.add_count++;
    return NACRE_OK;
}

/* A name becomes a text of its own; NULL where it cannot be one. */
static char *get_name(struct reader *in, char room[NACRE_NAME_MAX + 1])
{
    nacre_slice name = reader_slice(in);
    if (name.size == 0 || name.size > NACRE_NAME_MAX || memchr(name.data, 0, name.size)) {
        in->ok = false;
        return NULL;
    }
    memcpy(room, name.data, name.size);
    room[name.size] = 0;
    return room;
}

static void get_create(struct reader *in, struct manifest_decoded *to)
{
    to->create.name = get_name(in, to->name);
    if (!to->create.name) {
        return;
    }
    to->create.id = to->edit.collection;
    to->create.kind = get_u32(in);
    to->create.default_ttl_ms = reader_varint(in);
    to->create.log_position = reader_varint(in);
    to->create.next_run = reader_varint(in);
    to->edit.create = &to->create;
}

static void get_vectors(struct reader *in, struct manifest_decoded *to)
{
    to->create.dimension = get_u32(in);
    to->create.metric = get_u32(in);
    in->ok = in->ok && to->create.dimension >= 1 && to->create.dimension <= NACRE_DIMENSION_MAX &&
             to->create.metric >= NACRE_L2 && to->create.metric <= NACRE_DOT;
}

static void get_value_log_threshold(struct reader *in, struct manifest_decoded *to)
{
    to->create.value_log_threshold = reader_varint(in);
    in->ok = in->ok && to->create.value_log_threshold != 0;
}

/* What more there is to say of a collection that is created. */
static void get_create_detail(struct reader *in, uint64_t tag, struct manifest_decoded *to)
{
    in->ok = in->ok && to->edit.create;
    switch (tag) {
    case FIELD_VECTORS:
        get_vectors(in, to);
        break;
    case FIELD_MERGE_OPERATOR:
        to->create.merge_operator = get_name(in, to->merge_operator);
        break;
    case FIELD_COMPACTION_FILTER:
        to->create.compaction_filter = get_name(in, to->compaction_filter);
        break;
    default:
        get_value_log_threshold(in, to);
        break;
    }
}

static int get_field(struct reader *in, struct manifest_decoded *to)
{
    struct manifest_edit *edit = &to->edit;
    uint64_t tag = reader_varint(in);
    if (!in->ok) {
        return NACRE_OK;
    }
    switch (tag) {
#define FIELD(name, member, get) \
    case FIELD_##name: \
        edit->has_##member = true; \
        edit->member = get(in); \
        return NACRE_OK;
        FIELD(LOG_POSITION, log_position, reader_varint)
        FIELD(NEXT_RUN, next_run, reader_varint)
        FIELD(LAST_SEQUENCE, last_sequence, reader_varint)
        FIELD(CLEAN_LOG_END, clean_log_end, reader_varint)
        FIELD(OPENING, opening, reader_varint)
        FIELD(NEXT_LOG_FILE, next_log_file, get_u32)
        FIELD(NEXT_COLLECTION, next_collection, get_u32)
#undef FIELD
    case FIELD_COLLECTION:
        in->ok = in->ok && edit->collection == 0;
        edit->collection = get_u32(in);
        return NACRE_OK;
    case FIELD_DROP:
        edit->drop = true;
        return NACRE_OK;
    case FIELD_CREATE:
        get_create(in, to);
        return NACRE_OK;
    case FIELD_VECTORS:
    case FIELD_MERGE_OPERATOR:
    case FIELD_COMPACTION_FILTER:
    case FIELD_VALUE_LOG_THRESHOLD:
        get_create_detail(in, tag, to);
        return NACRE_OK;
    case FIELD_REMOVE:
        return get_remove(in, to);
    case FIELD_ADD:
        return get_add(in, to);
    default:
        return fail(NACRE_UNSUPPORTED, "field %llu is not known: written by a newer version", (unsigned long long)tag);
    }
}

int manifest_edit_decode(nacre_slice bytes, struct manifest_decoded *to)
{
    memset(to, 0, sizeof *to);
    struct reader in = reader_of(bytes);
    int status = NACRE_OK;
    while (status == NACRE_OK && in.ok && in.at < in.end) {
        status = get_field(&in, to);
    }
    if (status == NACRE_OK && !in.ok) {
        status = fail(NACRE_CORRUPT, "an edit of %zu bytes whose fields do not fit", bytes.size);
    }
    if (status == NACRE_OK && to->edit.collection == 0 &&
        (to->edit.create || to->edit.drop || to->edit.add_count || to->edit.remove_count || to->edit.has_log_position ||
         to->edit.has_next_run)) {
        status = fail(NACRE_CORRUPT, "an edit about no collection");
    }
    return status;
}

void manifest_decoded_free(struct manifest_decoded *decoded)
{
    for (size_t i = 0; i < decoded->edit.add_count; i++) {
        segment_properties_free(&decoded->add[i].properties);
    }
    memory_free(decoded->add);
    memory_free(decoded->remove);
    memset(decoded, 0, sizeof *decoded);
}

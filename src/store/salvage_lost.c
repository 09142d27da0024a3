/* Keys whose values are in no value file (salvage.h): each is named once, however many versions of it lost theirs; and of those that are still there, which show an older
   version, or operands without what was beneath them.

   A key is *open* while nothing newer is seen than what it lost: in the segments of the new store, then, in order, in the log. One that is open at the end, and is there,
   may be stale. One thread. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/salvage.h"
#include <stdio.h>

#define OWNER_BYTES 8u

/* Owner and key become the last bytes of `keys`. */
static int append_name(struct lost_values *l, uint64_t owner, nacre_slice key)
{
    int status = buffer_append_u64(&l->keys, owner);
    return status == NACRE_OK ? buffer_append(&l->keys, key.data, key.size) : status;
}

static nacre_slice key_of(const struct lost_values *l, size_t i)
{
    nacre_slice name = key_item_key(&l->set.items[i], l->keys.data);
    return slice_of((const uint8_t *)name.data + OWNER_BYTES, name.size - OWNER_BYTES);
}

/* What is known of the key, or NULL. Its name is left behind the others, from *at on: the caller's to keep or to take away. */
static int look_up(struct lost_values *l, uint64_t owner, nacre_slice key, size_t *at, struct lost_value **found)
{
    *at = l->keys.size;
    *found = NULL;
    int status = append_name(l, owner, key);
    if (status == NACRE_OK) {
        nacre_slice name = slice_of(l->keys.data + *at, l->keys.size - *at);
        struct key_item *item = key_set_find(&l->set, l->keys.data, hash_bytes(name.data, name.size), NULL, name);
        *found = item ? &l->list[item->newest] : NULL;
    }
    return status;
}

/* A key whose name begins at `at` and ends the bytes. */
static int add(struct lost_values *l, size_t at, struct lost_value *value)
{
    const char *detail = fail_detail();
    value->detail = l->details.size;
    int status = buffer_append(&l->details, detail, strlen(detail) + 1);
    if (status == NACRE_OK) {
        status = memory_grow((void **)&l->list, &l->capacity, l->count + 1, sizeof *l->list);
    }
    if (status == NACRE_OK) {
        status = key_set_reserve(&l->set);
    }
    if (status == NACRE_OK) {
        struct key_item item = { .hash = hash_bytes(l->keys.data + at, l->keys.size - at),
                                 .at = at,
                                 .size = (uint32_t)(l->keys.size - at),
                                 .newest = (uint32_t)l->count };
        key_set_add(&l->set, &item);
        l->list[l->count++] = *value;
    }
    return status;
}

int salvage_lose_value(struct salvage *s, uint64_t owner, nacre_slice key, uint64_t sequence,
                       const struct value_pointer *pointer)
{
    struct lost_values *l = &s->lost_values;
    struct lost_value *known, fresh = { .owner = owner, .sequence = sequence, .open = true, .pointer = *pointer };
    size_t at;
    int status = look_up(l, owner, key, &at, &known);
    if (status == NACRE_OK && !known) {
        status = add(l, at, &fresh);
    } else {
        l->keys.size = at;
    }
    if (known) {
        known->sequence = sequence > known->sequence ? sequence : known->sequence;
        known->open = true;
    }
    return status;
}

int salvage_note_write(struct salvage *s, uint32_t collection, nacre_slice key)
{
    struct lost_values *l = &s->lost_values;
    struct lost_value *known = NULL;
    size_t at;
    int status = l->count ? look_up(l, collection, key, &at, &known) : NACRE_OK;
    if (l->count) {
        l->keys.size = at;
    }
    if (known) {
        known->open = false;
    }
    return status;
}

/* ---- the report ---- */

static uint32_t collection_of(const struct salvage *s, const struct lost_value *value)
{
    const struct salvaged_segment *segment = value->owner > UINT32_MAX ? salvage_segment(s, value->owner) : NULL;
    return segment ? segment->collection : (uint32_t)value->owner;
}

int salvage_report_lost(struct salvage *s)
{
    struct lost_values *l = &s->lost_values;
    int status = NACRE_OK;
    for (; l->reported < l->count && status == NACRE_OK; l->reported++) {
        const struct lost_value *value = &l->list[l->reported];
        char file[64];
        struct lost_part part = { .what = "a value",
                                  .is_key = true,
                                  .offset = value->pointer.offset,
                                  .size = value->pointer.size,
                                  .after = key_of(l, l->reported) };
        (void)snprintf(file, sizeof file, "values/" VALUE_FILE_NAME, (unsigned long long)value->pointer.file);
        status = salvage_report_damage(s, file, salvage_collection(s, collection_of(s, value)), &part,
                                       (const char *)l->details.data + value->detail);
    }
    return status;
}

/* ---- what may be stale ---- */

static nacre_collection *find_collection(struct salvage *s, const struct lost_value *value)
{
    pthread_mutex_lock(&s->store->collections_lock);
    nacre_collection *c = store_find_collection(s->store, collection_of(s, value));
    pthread_mutex_unlock(&s->store->collections_lock);
    return c;
}

/* Goes below operands: they show what is beneath them. */
static int weigh_key(struct cursor *cursor, nacre_slice key, struct lost_value *value)
{
    cursor_seek(cursor, key);
    while (cursor->valid && slice_equal(cursor->entry.key, key) && cursor->entry.type == ENTRY_MERGE) {
        cursor_next(cursor);
    }
    if (cursor->valid && slice_equal(cursor->entry.key, key) && cursor->entry.sequence > value->sequence) {
        value->open = false;
    }
    return cursor->status;
}

/* Whether the piece may have entries of the key. */
static bool is_in_piece(const struct manifest_piece *piece, nacre_slice key)
{
    const struct segment_properties *p = &piece->properties;
    return (!piece->has_begin || slice_compare(key, buffer_slice(&piece->begin)) >= 0) &&
           (!piece->has_end || slice_compare(key, buffer_slice(&piece->end)) < 0) &&
           slice_compare(key, buffer_slice(&p->smallest)) >= 0 &&
           (p->greatest_open || slice_compare(key, buffer_slice(&p->greatest)) <= 0);
}

static int weigh_piece(struct salvage *s, const struct manifest_collection *c, const struct manifest_piece *piece)
{
    struct lost_values *l = &s->lost_values;
    const struct segment_properties *p = &piece->properties;
    struct segment *segment = NULL;
    struct cursor *cursor = NULL;
    int status = segment_open(&s->target, store_kind(c->kind), p->id, 0, &segment);
    if (status == NACRE_OK && p->given_sequence) {
        status = segment_give_sequence(segment, p->given_sequence);
    }
    if (status == NACRE_OK) {
        status = segment->kind->cursor_create(segment->reader, &cursor);
    }
    for (size_t i = 0; i < l->count && status == NACRE_OK; i++) {
        nacre_slice key = key_of(l, i);
        if (collection_of(s, &l->list[i]) == c->id && is_in_piece(piece, key)) {
            status = weigh_key(cursor, key, &l->list[i]);
        }
    }
    cursor_close(cursor);
    segment_unref(segment);
    return status;
}

int salvage_weigh_lost(struct salvage *s)
{
    const struct manifest_state *state = &s->manifest.state;
    int status = NACRE_OK;
    for (size_t i = 0; i < state->collection_count && s->lost_values.count > 0; i++) {
        const struct manifest_collection *c = &state->collections[i];
        for (size_t j = 0; j < c->piece_count && status == NACRE_OK; j++) {
            status = weigh_piece(s, c, &c->pieces[j]);
        }
    }
    return status;
}

int salvage_find_stale_values(struct salvage *s)
{
    struct lost_values *l = &s->lost_values;
    int status = NACRE_OK;
    for (size_t i = 0; i < l->count && status == NACRE_OK; i++) {
        nacre_collection *c = l->list[i].open ? find_collection(s, &l->list[i]) : NULL;
        nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
        nacre_cursor *cursor = NULL;
        nacre_slice key = key_of(l, i);
        options.keys_only = true;
        options.begin = key;
        if (!c || (status = collection_scan(c, &options, &cursor)) != NACRE_OK) {
            continue;
        }
        if (nacre_cursor_valid(cursor) && slice_equal(nacre_cursor_key(cursor), key)) {
            status = salvage_report_stale(s, c->name, key);
        }
        status = status == NACRE_OK ? nacre_cursor_status(cursor) : status;
        nacre_cursor_close(cursor);
    }
    return status;
}

void salvage_free_lost(struct lost_values *l)
{
    key_set_free(&l->set);
    buffer_free(&l->keys);
    buffer_free(&l->details);
    memory_free(l->list);
}

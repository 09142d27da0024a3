/* Reading damaged manifests (manifest_salvage.h).

   Each edit has its own checksum, seeded with its place: so good ones are found behind damage, too. What they come to may lack pieces and name some that later,
   lost edits took away; it is told apart from a whole state, and users of it look at the segments themselves. One thread; no locks. */
#include "tree/manifest_salvage.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/manifest_format.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- segments that are gone ---- */

static void put_back(struct manifest_salvaged *s, uint64_t id)
{
    for (size_t i = 0; i < s->gone_count; i++) {
        if (s->gone[i] == id) {
            s->gone[i--] = s->gone[--s->gone_count];
        }
    }
}

static int take_away(struct manifest_salvaged *s, uint64_t id)
{
    put_back(s, id); /* once in the list */
    int status = memory_grow((void **)&s->gone, &s->gone_capacity, s->gone_count + 1, sizeof *s->gone);
    if (status == NACRE_OK) {
        s->gone[s->gone_count++] = id;
    }
    return status;
}

/* ---- edits over what is known ---- */

struct manifest_collection *manifest_salvage_collection(struct manifest_state *state, uint32_t id)
{
    char name[32];
    struct manifest_change change;
    (void)snprintf(name, sizeof name, "salvaged-%u", id);
    struct manifest_collection words = { .id = id, .name = name };
    struct manifest_edit edit = { .collection = id, .create = &words };
    if (manifest_change_prepare(state, &edit, &change) != NACRE_OK) {
        return NULL;
    }
    manifest_change_apply(state, &edit, &change);
    return &state->collections[state->collection_count - 1];
}

static struct manifest_collection *find(struct manifest_state *state, uint32_t id)
{
    for (size_t i = 0; i < state->collection_count; i++) {
        if (state->collections[i].id == id) {
            return &state->collections[i];
        }
    }
    return NULL;
}

/* A removal of what no edit that could be read has added changes nothing. */
static bool is_known(struct manifest_state *state, uint32_t collection, const struct manifest_piece *piece)
{
    struct manifest_change change;
    struct manifest_edit edit = { .collection = collection, .remove = piece, .remove_count = 1 };
    bool known = manifest_change_prepare(state, &edit, &change) == NACRE_OK;
    if (known) {
        manifest_change_discard(&change);
    }
    return known;
}

static int note_moves(struct manifest_salvaged *s, const struct manifest_edit *edit)
{
    const struct manifest_collection *c = find(&s->state, edit->collection);
    int status = NACRE_OK;
    for (size_t i = 0; edit->drop && c && i < c->piece_count && status == NACRE_OK; i++) {
        status = take_away(s, c->pieces[i].properties.id);
    }
    for (size_t i = 0; i < edit->remove_count && status == NACRE_OK; i++) {
        status = take_away(s, edit->remove[i].properties.id);
    }
    for (size_t i = 0; i < edit->add_count && status == NACRE_OK; i++) {
        put_back(s, edit->add[i].properties.id);
    }
    for (size_t i = 0; c && !edit->drop && i < c->piece_count; i++) {
        bool stays = true;
        for (size_t j = 0; j < edit->remove_count; j++) {
            stays = stays && edit->remove[j].properties.id != c->pieces[i].properties.id;
        }
        if (stays) {
            put_back(s, c->pieces[i].properties.id);
        }
    }
    return status;
}

static int apply(struct manifest_salvaged *s, struct manifest_decoded *decoded)
{
    struct manifest_edit *edit = &decoded->edit;
    struct manifest_change change;
    if (edit->collection && !edit->create && !find(&s->state, edit->collection) &&
        !manifest_salvage_collection(&s->state, edit->collection)) {
        return NACRE_NO_MEMORY;
    }
    if (edit->create && find(&s->state, edit->collection)) {
        edit->create = NULL; /* an edit of it was read before: of a file that is not in order; its name is kept */
    }
    int status = note_moves(s, edit);
    size_t kept = 0;
    for (size_t i = 0; i < edit->remove_count; i++) {
        if (is_known(&s->state, edit->collection, &decoded->remove[i])) {
            struct manifest_piece piece = decoded->remove[kept];
            decoded->remove[kept++] = decoded->remove[i];
            decoded->remove[i] = piece;
        }
    }
    edit->remove_count = kept;
    if (status == NACRE_OK) {
        status = manifest_change_prepare(&s->state, edit, &change);
    }
    if (status == NACRE_OK) {
        manifest_change_apply(&s->state, edit, &change);
    }
    s->any |= status == NACRE_OK;
    return status == NACRE_NO_MEMORY ? status : NACRE_OK; /* one that does not fit is passed over */
}

static int take_frame(struct manifest_salvaged *s, nacre_slice edit)
{
    struct manifest_decoded decoded;
    int status = manifest_edit_decode(edit, &decoded);
    if (status == NACRE_OK) {
        status = apply(s, &decoded);
    }
    manifest_decoded_free(&decoded);
    return status == NACRE_CORRUPT ? NACRE_OK : status;
}

/* *broken: something between them, before them or at the end is no edit. */
static int take_frames(struct manifest_salvaged *s, nacre_slice file, const char *path, uint64_t generation,
                       bool *broken)
{
    struct manifest_header header = { 0 };
    nacre_slice edit;
    int status = NACRE_OK;
    *broken = manifest_header_decode(file, path, &header) != NACRE_OK || header.snapshot_end > file.size;
    for (uint64_t at = MANIFEST_HEADER_BYTES; at < file.size && status == NACRE_OK;) {
        if (manifest_frame_read(file, generation, at, &edit)) {
            status = take_frame(s, edit);
            at += MANIFEST_FRAME_BYTES + edit.size;
        } else {
            at++;
            *broken = true;
        }
    }
    return status;
}

/* ---- files ---- */

struct generations {
    uint64_t *numbers;
    size_t count, capacity;
    int status;
};

static void note_generation(void *context, const char *name)
{
    struct generations *list = context;
    char *end = NULL;
    unsigned long long number = strtoull(name, &end, 16);
    if (end != name + 16 || *end) {
        return;
    }
    int status = memory_grow((void **)&list->numbers, &list->capacity, list->count + 1, sizeof *list->numbers);
    if (status == NACRE_OK) {
        list->numbers[list->count++] = number;
    }
    list->status = list->status == NACRE_OK ? status : list->status;
}

static int descending(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return *left > *right ? -1 : *left < *right;
}

static int list_generations(const nacre_os *os, const char *store_path, struct generations *list)
{
    char directory[OS_PATH_MAX];
    int status = os_path(directory, store_path, "manifest");
    if (status == NACRE_OK && os->list(os->context, directory, note_generation, list) == NACRE_OK) {
        status = list->status;
    }
    if (list->count > 1) {
        qsort(list->numbers, list->count, sizeof *list->numbers, descending);
    }
    return status;
}

static int read_generation(const nacre_os *os, const char *store_path, uint64_t generation, char path[OS_PATH_MAX],
                           struct buffer *file)
{
    int status = manifest_file_path(store_path, generation, path);
    return status == NACRE_OK ? os_read_file(os, path, MANIFEST_FILE_MAX, file) : status;
}

static int take_parts(const nacre_os *os, const char *store_path, const struct generations *list,
                      struct manifest_salvaged *s)
{
    struct buffer file = { 0 };
    char path[OS_PATH_MAX];
    bool broken = true;
    int status = NACRE_OK;
    for (size_t i = 0; i < list->count && !s->any && status == NACRE_OK; i++) {
        if (read_generation(os, store_path, list->numbers[i], path, &file) == NACRE_OK) {
            status = take_frames(s, buffer_slice(&file), path, list->numbers[i], &broken);
        }
    }
    s->whole = s->any && !broken;
    buffer_free(&file);
    return status;
}

int manifest_salvage_edits(const nacre_os *os, const char *store_path, struct manifest_salvaged *s)
{
    struct generations list = { .status = NACRE_OK };
    *s = (struct manifest_salvaged){ 0 };
    (void)snprintf(s->detail, sizeof s->detail, "%s", fail_detail());
    int status = list_generations(os, store_path, &list);
    if (status == NACRE_OK) {
        status = take_parts(os, store_path, &list, s);
    }
    memory_free(list.numbers);
    if (status != NACRE_OK) {
        manifest_salvaged_free(s);
    }
    return status;
}

int manifest_salvage(const nacre_os *os, const char *store_path, struct manifest_salvaged *s)
{
    struct manifest_read read;
    *s = (struct manifest_salvaged){ 0 };
    int status = manifest_load(os, store_path, &s->state, &read);
    if (status == NACRE_OK) {
        s->whole = s->any = true;
        return NACRE_OK;
    }
    bool fatal = status == NACRE_NO_MEMORY || status == NACRE_UNSUPPORTED;
    return fatal ? status : manifest_salvage_edits(os, store_path, s);
}

void manifest_salvaged_free(struct manifest_salvaged *s)
{
    manifest_state_free(&s->state);
    memory_free(s->gone);
    s->gone = NULL;
    s->gone_count = s->gone_capacity = 0;
}

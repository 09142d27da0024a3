/* Reading a manifest on while another process writes it.

   The file of the generation is kept open: it stays readable when a newer one has taken its place and its name is gone. CURRENT is read first:
   where it names another generation, the whole state is read anew. An edit is applied when it checks; what does not check yet is being written,
   or was torn, and then a new generation follows.

   One thread at a time; manifest.lock while the state changes, for those who copy it. */
#include "base/memory.h"
#include "base/status.h"
#include "tree/manifest_private.h"

#define FOLLOW_BYTES    65536u
#define FOLLOW_ATTEMPTS 8

const struct manifest_state *manifest_followed(const struct manifest *m)
{
    return &m->state;
}

static int read_anew(struct manifest *m)
{
    struct manifest_state state;
    struct manifest_read read;
    int status = manifest_load(m->os, m->store_path, &state, &read);
    if (status != NACRE_OK) {
        return status;
    }
    if (m->file) {
        m->os->close(m->file);
        m->file = NULL;
    }
    pthread_mutex_lock(&m->lock);
    manifest_state_free(&m->state);
    m->state = state;
    m->generation = read.generation;
    m->bytes = read.good;
    manifest_note_position(m);
    pthread_mutex_unlock(&m->lock);
    return NACRE_OK;
}

/* A generation whose name is gone already was followed by another. */
static int open_file(struct manifest *m, bool *gone)
{
    char path[OS_PATH_MAX];
    *gone = false;
    int status = manifest_file_path(m->store_path, m->generation, path);
    if (status == NACRE_OK) {
        status = m->os->open(m->os->context, path, NACRE_FILE_READ, &m->file);
        *gone = status == NACRE_NOT_FOUND;
    }
    return *gone ? NACRE_OK : status;
}

/* The frames in m->frame, which begins at m->bytes of the file. */
static int apply_frames(struct manifest *m, size_t *used)
{
    int status = NACRE_OK;
    nacre_slice edit, file = buffer_slice(&m->frame);
    *used = 0;
    pthread_mutex_lock(&m->lock);
    while (status == NACRE_OK && manifest_frame_at(file, m->generation, *used, m->bytes, &edit)) {
        status = manifest_apply_edit(edit, &m->state);
        if (status == NACRE_OK) {
            *used += MANIFEST_FRAME_BYTES + edit.size;
            m->bytes += MANIFEST_FRAME_BYTES + edit.size;
        }
    }
    manifest_note_position(m);
    pthread_mutex_unlock(&m->lock);
    return status == NACRE_OK ? status
                              : fail_context(status, "%s: manifest generation %llx, offset %llu", m->store_path,
                                             (unsigned long long)m->generation, (unsigned long long)m->bytes);
}

static int read_on(struct manifest *m)
{
    size_t used = 0, got = 0, want = FOLLOW_BYTES;
    int status;
    do {
        buffer_clear(&m->frame);
        if ((status = buffer_reserve(&m->frame, want)) != NACRE_OK) {
            return status;
        }
        status = m->os->read(m->file, m->bytes, m->frame.data, want, &got);
        if (status != NACRE_OK || got == 0) {
            return status;
        }
        m->frame.size = got;
        status = apply_frames(m, &used);
        want = used == 0 ? 4 * want : FOLLOW_BYTES; /* an edit longer than what was read, or one that is half there */
    } while (status == NACRE_OK && (used > 0 || got == want / 4));
    return status;
}

int manifest_follow(struct manifest *m)
{
    bool gone = true;
    for (int attempt = 0; gone && attempt < FOLLOW_ATTEMPTS; attempt++) {
        struct manifest_current current;
        int status = manifest_current_read(m->os, m->store_path, &current);
        if (status == NACRE_OK && current.generation != m->generation) {
            status = read_anew(m);
        }
        gone = false;
        if (status == NACRE_OK && !m->file) {
            status = open_file(m, &gone);
        }
        if (status == NACRE_OK && !gone) {
            status = read_on(m);
        }
        if (status != NACRE_OK) {
            return status;
        }
    }
    return gone ? fail(NACRE_CORRUPT, "%s: manifest generation %llx is named by CURRENT, but not there", m->store_path,
                       (unsigned long long)m->generation)
                : NACRE_OK;
}

/* The manifest of an open store: commits, rotation, segment ids (see manifest.h; bytes: manifest_format.h).

   Invariants:
   1. nothing is appended to a file after a failed write or sync of it, nor after what an earlier opening wrote, nor after a clean close: the next
      commit begins a new generation (must_rotate).
   2. a generation begins as a copy of the state and carries no edit of its own until CURRENT names it: whichever of the two CURRENTs
      survives a failure, it names the same state. So the old file stays until a rotation has succeeded.
   3. the state changes only after its edit is durable, and then it cannot fail.
   Any thread. Lock: manifest.lock, the innermost of src/tree. */
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/manifest_private.h"

#define ROTATE_LEAST_BYTES (UINT64_C(1) << 20)
#define ROTATE_SNAPSHOTS   4u

static int manifest_new(const nacre_os *os, const char *store_path, const nacre_logger *logger,
                        struct manifest **created)
{
    struct manifest *m = memory_zalloc(sizeof *m);
    if (!m) {
        return NACRE_NO_MEMORY;
    }
    m->os = os;
    m->logger = logger;
    m->store_path = memory_strdup(store_path);
    if (!m->store_path) {
        memory_free(m);
        return NACRE_NO_MEMORY;
    }
    if (pthread_mutex_init(&m->lock, NULL) != 0) {
        memory_free(m->store_path);
        memory_free(m);
        return fail(NACRE_NO_MEMORY, "a mutex could not be made");
    }
    atomic_init(&m->segment_counter, 0);
    atomic_init(&m->opening, 0);
    *created = m;
    return NACRE_OK;
}

void manifest_close(struct manifest *m)
{
    if (!m) {
        return;
    }
    if (m->file) {
        m->os->close(m->file); /* all of it is synced */
    }
    manifest_state_free(&m->state);
    buffer_free(&m->edit);
    buffer_free(&m->frame);
    pthread_mutex_destroy(&m->lock);
    memory_free(m->store_path);
    memory_free(m);
}

/* ---- generations ---- */

struct stale {
    const char *keep;
    struct buffer names; /* one after another, each with its NUL */
    int status;
};

static void note_stale(void *context, const char *name)
{
    struct stale *stale = context;
    bool ours = strlen(name) == 16 && strspn(name, "0123456789abcdef") == 16;
    if (ours && strcmp(name, stale->keep) != 0 && stale->status == NACRE_OK) {
        stale->status = buffer_append(&stale->names, name, strlen(name) + 1);
    }
}

/* What stays behind does no harm; the next rotation tries again. */
static void remove_others(struct manifest *m)
{
    char directory[OS_PATH_MAX], path[OS_PATH_MAX];
    if (os_path(directory, m->store_path, "manifest") != NACRE_OK ||
        manifest_file_path(m->store_path, m->generation, path) != NACRE_OK) {
        return;
    }
    struct stale stale = { .keep = path + strlen(path) - 16 };
    char keep[17];
    memcpy(keep, stale.keep, sizeof keep);
    stale.keep = keep;
    int status = m->os->list(m->os->context, directory, note_stale, &stale);
    status = status == NACRE_OK ? stale.status : status;
    for (size_t at = 0; status == NACRE_OK && at < stale.names.size;
         at += strlen((const char *)stale.names.data + at) + 1) {
        status = os_path(path, directory, "%s", (const char *)stale.names.data + at);
        if (status == NACRE_OK) {
            status = m->os->remove(m->os->context, path);
        }
    }
    buffer_free(&stale.names);
    if (status != NACRE_OK) {
        char text[512];
        log_line(m->logger, NACRE_LOG_WARNING, "manifest_not_removed", "\"detail\":\"%s\"",
                 log_escape(fail_detail(), text, sizeof text));
    }
}

/* Invariant 2. */
static int rotate(struct manifest *m)
{
    nacre_file *file = NULL;
    uint64_t bytes = 0, generation = m->next_generation++;
    int status = manifest_write_generation(m->os, m->store_path, generation, &m->state, &file, &bytes);
    if (status == NACRE_OK) {
        status = manifest_current_write(m->os, m->store_path, &(struct manifest_current){ .generation = generation });
    }
    if (status != NACRE_OK) {
        m->must_rotate = true;
        if (file) {
            m->os->close(file);
        }
        return fail_context(status, "%s: manifest generation %llx", m->store_path, (unsigned long long)generation);
    }
    if (m->file) {
        m->os->close(m->file);
    }
    m->file = file;
    m->generation = generation;
    m->bytes = m->snapshot_bytes = bytes;
    m->must_rotate = false;
    manifest_note_position(m);
    remove_others(m);
    return NACRE_OK;
}

static bool wants_rotation(const struct manifest *m)
{
    uint64_t bound = ROTATE_SNAPSHOTS * m->snapshot_bytes;
    return m->must_rotate || m->bytes > (bound > ROTATE_LEAST_BYTES ? bound : ROTATE_LEAST_BYTES);
}

/* ---- opening ---- */

int manifest_create(const nacre_os *os, const char *store_path, struct manifest **created)
{
    struct manifest *m = NULL;
    int status = manifest_new(os, store_path, NULL, &m);
    if (status != NACRE_OK) {
        return status;
    }
    m->state.next_collection = 1;
    m->next_generation = 1;
    status = rotate(m);
    if (status != NACRE_OK) {
        manifest_close(m);
        return status;
    }
    *created = m;
    return NACRE_OK;
}

int manifest_open(const nacre_os *os, const char *store_path, bool read_only, const nacre_logger *logger,
                  struct manifest **opened)
{
    struct manifest *m = NULL;
    struct manifest_read read;
    int status = manifest_new(os, store_path, logger, &m);
    if (status != NACRE_OK) {
        return status;
    }
    m->read_only = read_only;
    status = manifest_load(os, store_path, &m->state, &read);
    if (status != NACRE_OK) {
        manifest_close(m);
        return status;
    }
    if (read.torn) {
        log_line(logger, NACRE_LOG_WARNING, "manifest_torn_tail", "\"generation\":%llu,\"offset\":%llu",
                 (unsigned long long)read.generation, (unsigned long long)read.good);
    }
    m->generation = read.generation;
    m->next_generation = read.generation + 1;
    m->bytes = read.good;
    m->snapshot_bytes = read.snapshot_end;
    m->must_rotate = true;
    atomic_store_explicit(&m->opening, m->state.opening, memory_order_relaxed);
    manifest_note_position(m);
    *opened = m;
    return NACRE_OK;
}

/* ---- commits ---- */

static int append(struct manifest *m)
{
    buffer_clear(&m->frame);
    int status = manifest_frame_append(&m->frame, m->generation, m->bytes, buffer_slice(&m->edit));
    if (status != NACRE_OK) {
        return status; /* nothing was written */
    }
    status = m->os->write(m->file, m->bytes, m->frame.data, m->frame.size);
    if (status == NACRE_OK) {
        status = m->os->sync(m->file);
    }
    if (status != NACRE_OK) {
        m->must_rotate = true; /* invariant 1 */
        return fail_context(status, "%s: manifest generation %llx, offset %llu", m->store_path,
                            (unsigned long long)m->generation, (unsigned long long)m->bytes);
    }
    m->bytes += m->frame.size;
    return NACRE_OK;
}

/* The length is a help against damage only, so a failure is told and no more. */
static void seal(struct manifest *m)
{
    m->must_rotate = true;
    int status = manifest_current_write(m->os, m->store_path,
                                        &(struct manifest_current){ .generation = m->generation, .length = m->bytes });
    if (status != NACRE_OK) {
        char text[512];
        log_line(m->logger, NACRE_LOG_WARNING, "manifest_not_sealed", "\"detail\":\"%s\"",
                 log_escape(fail_detail(), text, sizeof text));
    }
}

static int commit_locked(struct manifest *m, const struct manifest_edit *edit)
{
    struct manifest_change change;
    buffer_clear(&m->edit);
    int status = manifest_edit_encode(edit, &m->edit);
    if (status == NACRE_OK && wants_rotation(m)) {
        status = rotate(m);
    }
    if (status == NACRE_OK) {
        status = manifest_change_prepare(&m->state, edit, &change);
    }
    if (status != NACRE_OK) {
        return status;
    }
    status = append(m);
    if (status != NACRE_OK) {
        manifest_change_discard(&change);
        return status;
    }
    manifest_change_apply(&m->state, edit, &change);
    atomic_store_explicit(&m->opening, m->state.opening, memory_order_relaxed);
    manifest_note_position(m);
    if (edit->has_clean_log_end && edit->clean_log_end != 0) {
        seal(m);
    }
    return NACRE_OK;
}

int manifest_commit(struct manifest *m, const struct manifest_edit *edit)
{
    if (m->read_only) {
        return fail(NACRE_READ_ONLY, "%s: the manifest was opened for reading", m->store_path);
    }
    pthread_mutex_lock(&m->lock);
    int status = commit_locked(m, edit);
    pthread_mutex_unlock(&m->lock);
    return status;
}

/* ---- looking ---- */

int manifest_copy_state(struct manifest *m, struct manifest_state *state)
{
    pthread_mutex_lock(&m->lock);
    int status = manifest_state_copy(&m->state, state);
    pthread_mutex_unlock(&m->lock);
    return status;
}

uint64_t manifest_position(const struct manifest *m)
{
    return atomic_load_explicit(&m->position, memory_order_acquire); /* pairs with manifest_note_position */
}

uint64_t manifest_generation(const struct manifest *m)
{
    struct manifest *locked = (struct manifest *)(uintptr_t)m;
    pthread_mutex_lock(&locked->lock);
    uint64_t generation = m->generation;
    pthread_mutex_unlock(&locked->lock);
    return generation;
}

uint64_t manifest_bytes(const struct manifest *m)
{
    struct manifest *locked = (struct manifest *)(uintptr_t)m;
    pthread_mutex_lock(&locked->lock);
    uint64_t bytes = m->bytes;
    pthread_mutex_unlock(&locked->lock);
    return bytes;
}

uint64_t manifest_next_segment_id(struct manifest *m)
{
    /* Relaxed: only uniqueness counts. An opening is durable before it hands out its first id. */
    uint64_t counter = atomic_fetch_add_explicit(&m->segment_counter, 1, memory_order_relaxed) + 1;
    return atomic_load_explicit(&m->opening, memory_order_relaxed) << 32 | (counter & UINT32_MAX);
}

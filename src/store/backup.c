/* Making a backup (backup.h) of what a picture names.

   Order, so that a crash at any point leaves the backups that were there before, and unnamed files: contents are copied to incoming/, synced,
   checked, and renamed into files/; files/ is synced; the backup's own file is written aside, synced, renamed into backups/, and that is synced.

   A file of the store is not read again when a backup names one of the same id and identity: segments and side files never change, and their identity
   covers the checksums of all that is in them; so it is with value files that are full. Everything else is copied and found to be there already by its contents.
   Any thread. The lock of the directory is held; of the store's what picture.h says. */
#include "store/backup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/picture.h"
#include <stdio.h>
#include <stdlib.h>

struct backup_run {
    nacre_store *store;
    const nacre_os *os;
    const char *directory;
    const nacre_backup_options *options;
    struct picture picture;
    struct copier copier;
    struct backup made;
    struct backup *known; /* the backups that are there */
    size_t known_count;
    const struct backup_file **containers; /* of all of them, by checksum */
    size_t container_count;
    struct segment_env incoming; /* copied segments, to be checked */
    char incoming_path[OS_PATH_MAX];
};

/* ---- what is there already ---- */

static int compare_containers(const void *a, const void *b)
{
    const struct backup_file *const *left = a, *const *right = b;
    if ((*left)->checksum != (*right)->checksum) {
        return (*left)->checksum < (*right)->checksum ? -1 : 1;
    }
    return (*left)->id < (*right)->id ? -1 : (*left)->id > (*right)->id;
}

static int index_known(struct backup_run *run)
{
    size_t count = 0;
    for (size_t i = 0; i < run->known_count; i++) {
        count += run->known[i].file_count;
    }
    run->containers = memory_alloc((count + 1) * sizeof *run->containers);
    if (!run->containers) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < run->known_count; i++) {
        for (size_t j = 0; j < run->known[i].file_count; j++) {
            if (run->known[i].files[j].checksum) {
                run->containers[run->container_count++] = &run->known[i].files[j];
            }
        }
    }
    qsort((void *)run->containers, run->container_count, sizeof *run->containers, compare_containers);
    return NACRE_OK;
}

/* A backup that cannot be read gives nothing to share; it is named by who verifies it. */
static int load_known(struct backup_run *run)
{
    struct backup_ids list;
    int status = backup_ids_list(run->os, run->directory, &list);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t newest = list.count ? list.ids[list.count - 1] : 0;
    run->made.id = (list.gone > newest ? list.gone : newest) + 1;
    run->known = memory_zalloc((list.count + 1) * sizeof *run->known);
    status = run->known ? NACRE_OK : NACRE_NO_MEMORY;
    for (size_t i = 0; i < list.count && status == NACRE_OK; i++) {
        status = backup_read(run->os, run->directory, list.ids[i], &run->known[run->known_count]);
        run->known_count += status == NACRE_OK;
        status = status == NACRE_CORRUPT || status == NACRE_UNSUPPORTED ? NACRE_OK : status;
    }
    backup_ids_free(&list);
    return status == NACRE_OK ? index_known(run) : status;
}

static int look_for_contents(const struct backup_run *run, const struct backup_file *file, bool *there)
{
    char path[OS_PATH_MAX], name[CONTENT_NAME_BYTES];
    nacre_file *handle = NULL;
    uint64_t size = 0;
    content_name(file, name);
    *there = false;
    int status = os_path(path, run->directory, "files/%s", name);
    if (status == NACRE_OK) {
        status = run->os->open(run->os->context, path, NACRE_FILE_READ, &handle);
    }
    if (status != NACRE_OK) {
        return status == NACRE_NOT_FOUND ? NACRE_OK : status;
    }
    status = run->os->size(handle, &size);
    *there = status == NACRE_OK && size == file->size;
    (void)run->os->close(handle); /* only read: nothing can be lost */
    return status;
}

/* The entry of a container that a backup has, or NULL. The name's ending tells segments from side files. */
static const struct backup_file *find_known(const struct backup_run *run, const struct picture_file *file)
{
    struct backup_file wanted = { .id = file->id, .checksum = file->checksum };
    size_t low = 0, high = run->container_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct backup_file *at = &wanted;
        if (compare_containers(&run->containers[middle], &at) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < run->container_count; low++) {
        const struct backup_file *at = run->containers[low];
        if (at->checksum != file->checksum || at->id != file->id) {
            break;
        }
        if (at->size == file->bytes && strcmp(at->name, file->name) == 0) {
            return at;
        }
    }
    return NULL;
}

static int add_again(struct backup_run *run, const struct backup_file *known)
{
    struct backup_file file = *known;
    file.name = memory_strdup(known->name);
    file.pieces = memory_alloc(4 * known->piece_count + 1);
    if (!file.name || !file.pieces) {
        memory_free(file.name);
        memory_free(file.pieces);
        return NACRE_NO_MEMORY;
    }
    if (known->piece_count) {
        memcpy(file.pieces, known->pieces, 4 * known->piece_count);
    }
    return backup_add_file(&run->made, &file);
}

/* ---- copying ---- */

static int incoming_name(const struct backup_run *run, const char *name, char out[OS_PATH_MAX])
{
    const char *slash = strrchr(name, '/');
    return os_path(out, run->incoming_path, "%s", slash ? slash + 1 : name);
}

/* What the copier has just made, at `from` in incoming/, gets its place in files/ and in the backup. */
static int take_in(struct backup_run *run, const char *from, const char *name, uint64_t id, uint64_t checksum)
{
    char to[OS_PATH_MAX], contents[CONTENT_NAME_BYTES];
    struct backup_file file = { .size = run->copier.size, .sum = run->copier.sum, .id = id, .checksum = checksum };
    bool there = false;
    content_name(&file, contents);
    int status = os_path(to, run->directory, "files/%s", contents);
    if (status == NACRE_OK) {
        status = look_for_contents(run, &file, &there);
    }
    if (status == NACRE_OK) {
        status = there ? run->os->remove(run->os->context, from) : run->os->rename(run->os->context, from, to);
    }
    if (status != NACRE_OK) {
        return status;
    }
    run->made.copied_bytes += there ? 0 : file.size;
    file.name = memory_strdup(name);
    file.pieces = run->copier.pieces.data;
    file.piece_count = run->copier.pieces.size / 4;
    run->copier.pieces = (struct buffer){ 0 };
    if (!file.pieces && !(file.pieces = memory_alloc(1))) {
        memory_free(file.name);
        return NACRE_NO_MEMORY;
    }
    if (!file.name) {
        memory_free(file.pieces);
        return NACRE_NO_MEMORY;
    }
    return backup_add_file(&run->made, &file);
}

/* The copy is read back and every block of it checked, so that damage of the store does not become that of its backups. */
static int check_segment(struct backup_run *run, const struct picture_file *file)
{
    struct segment *segment = NULL;
    uint64_t entries = 0;
    int status = segment_open(&run->incoming, file->kind, file->id, file->bytes, &segment);
    if (status == NACRE_OK && segment->properties.checksum != file->checksum) {
        status = fail(NACRE_CORRUPT, "%s/%s: identity %016llx expected, %016llx found", run->store->path, file->name,
                      (unsigned long long)file->checksum, (unsigned long long)segment->properties.checksum);
    }
    if (status == NACRE_OK) {
        status = segment_verify(segment, &entries);
    }
    segment_unref(segment);
    return status == NACRE_OK ? NACRE_OK : fail_context(status, "the copy of %s/%s", run->store->path, file->name);
}

/* Who the container is: what the manifest says of a segment, what a side file says of itself. */
static int identify(const struct backup_run *run, struct picture_file *file, const char *path)
{
    struct container *container = NULL;
    enum container_role role = file->part == PICTURE_SEGMENT ? CONTAINER_SEGMENT : CONTAINER_INDEX;
    int status = container_open(run->os, path, role, file->id, file->bytes, false, &container);
    if (status == NACRE_OK && file->part == PICTURE_SEGMENT && container->checksum != file->checksum) {
        status = fail(NACRE_CORRUPT, "%s: identity %016llx expected, %016llx found", path,
                      (unsigned long long)file->checksum, (unsigned long long)container->checksum);
    }
    if (status == NACRE_OK) {
        file->bytes = container->bytes;
        file->checksum = container->checksum;
    }
    container_close(container);
    return status;
}

static int copy_container(struct backup_run *run, struct picture_file *file, const char *from, const char *aside)
{
    bool there = false;
    int status = identify(run, file, from);
    const struct backup_file *known = status == NACRE_OK ? find_known(run, file) : NULL;
    if (known) {
        status = look_for_contents(run, known, &there);
    }
    if (status != NACRE_OK || there) {
        return status == NACRE_OK ? add_again(run, known) : status;
    }
    status = copier_copy(&run->copier, from, aside, UINT64_MAX);
    if (status == NACRE_OK) {
        /* A side file may have been replaced since it was looked at: what was copied counts. */
        status = file->part == PICTURE_SEGMENT ? check_segment(run, file) : identify(run, file, aside);
    }
    return status == NACRE_OK ? take_in(run, aside, file->name, file->id, file->checksum) : status;
}

/* A side file that is missing or damaged is left out: it is made again. */
static int copy_index(struct backup_run *run, struct picture_file *file, const char *from, const char *aside)
{
    if (run->options->without_indexes) {
        return NACRE_OK;
    }
    file->bytes = 0;
    int status = copy_container(run, file, from, aside);
    if (status == NACRE_CORRUPT || status == NACRE_UNSUPPORTED) {
        status = run->os->remove(run->os->context, aside);
    }
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

/* All of its bytes. */
static int copy_checked(struct backup_run *run, const struct picture_file *file, const char *from, const char *aside)
{
    int status = copier_copy(&run->copier, from, aside, file->most);
    if (status == NACRE_OK && file->most != UINT64_MAX && run->copier.size != file->most) {
        status = fail(NACRE_IO, "%s: ends at %llu, %llu bytes were expected", from,
                      (unsigned long long)run->copier.size, (unsigned long long)file->most);
    }
    return status;
}

static int copy_plain(struct backup_run *run, const struct picture_file *file, const char *from, const char *aside)
{
    int status = copy_checked(run, file, from, aside);
    if (status == NACRE_NOT_FOUND && file->part == PICTURE_TUNING) {
        return NACRE_OK;
    }
    return status == NACRE_OK ? take_in(run, aside, file->name, 0, 0) : status;
}

/* Only the value files that are not written to any more can be known from before. Each copy is read back, as those of segments are. */
static int copy_values(struct backup_run *run, struct picture_file *file, const char *from, const char *aside)
{
    bool there = false;
    int status = NACRE_OK;
    if (file->immutable) {
        file->bytes = file->most;
        status = value_file_identity(run->os, from, file->id, file->bytes, &file->checksum);
    }
    const struct backup_file *known = status == NACRE_OK && file->checksum ? find_known(run, file) : NULL;
    if (known) {
        status = look_for_contents(run, known, &there);
    }
    if (status != NACRE_OK || there) {
        return status == NACRE_OK ? add_again(run, known) : status;
    }
    /* One that the writer in another process seals meanwhile is cut behind its last value. */
    status = run->store->read_only && !file->immutable ? copier_copy(&run->copier, from, aside, file->most)
                                                       : copy_checked(run, file, from, aside);
    if (status == NACRE_OK) {
        status = backup_check_values(&run->picture, file, &run->incoming, aside);
    }
    return status == NACRE_OK ? take_in(run, aside, file->name, file->id, file->checksum) : status;
}

static int copy_one(struct backup_run *run, struct picture_file *file)
{
    char from[OS_PATH_MAX], aside[OS_PATH_MAX];
    int status = os_path(from, run->store->path, "%s", file->name);
    if (status == NACRE_OK) {
        status = incoming_name(run, file->name, aside);
    }
    if (status != NACRE_OK) {
        return status;
    }
    switch (file->part) {
    case PICTURE_SEGMENT:
        status = copy_container(run, file, from, aside);
        break;
    case PICTURE_INDEX:
        status = copy_index(run, file, from, aside);
        break;
    case PICTURE_VALUES:
        status = copy_values(run, file, from, aside);
        break;
    default:
        status = copy_plain(run, file, from, aside);
    }
    return status;
}

static int add_bytes(struct backup_run *run, const char *name, nacre_slice bytes)
{
    char aside[OS_PATH_MAX];
    int status = incoming_name(run, name, aside);
    if (status == NACRE_OK) {
        status = copier_write(&run->copier, bytes, aside);
    }
    return status == NACRE_OK ? take_in(run, aside, name, 0, 0) : status;
}

/* What the restored store will know of itself; CURRENT is the last file. */
static int add_manifest(struct backup_run *run)
{
    struct buffer file = { 0 }, current = { 0 };
    int status = manifest_copy_bytes(&run->picture.state, &file, &current);
    if (status == NACRE_OK) {
        status = add_bytes(run, MANIFEST_COPY_NAME, buffer_slice(&file));
    }
    if (status == NACRE_OK) {
        status = add_bytes(run, "CURRENT", buffer_slice(&current));
    }
    buffer_free(&file);
    buffer_free(&current);
    return status;
}

static int copy_all(struct backup_run *run)
{
    struct picture *p = &run->picture;
    int status = NACRE_OK;
    for (size_t i = 0; i < p->count && status == NACRE_OK; i++) {
        status = picture_copied(p, i + 1, copy_one(run, &p->files[i]));
    }
    return status == NACRE_OK ? add_manifest(run) : status;
}

/* ---- the directory ---- */

static int make_directory(const nacre_os *os, const char *directory, const char *name, char path[OS_PATH_MAX])
{
    int status = os_path(path, directory, "%s", name);
    if (status == NACRE_OK) {
        status = os->make_directory(os->context, path);
    }
    return status == NACRE_EXISTS ? NACRE_OK : status;
}

static int make_directories(struct backup_run *run)
{
    const nacre_os *os = run->os;
    char path[OS_PATH_MAX];
    bool store = false;
    int status = os_path(path, run->directory, "CURRENT");
    if (status == NACRE_OK) {
        status = os_look(os, path, &store);
    }
    if (status == NACRE_OK && store) {
        return fail(NACRE_INVALID, "%s: is a store; backups need a directory of their own", run->directory);
    }
    if (status == NACRE_OK) {
        status = os->make_directory(os->context, run->directory);
        status = status == NACRE_EXISTS ? NACRE_OK : status;
    }
    if (status == NACRE_OK && (status = make_directory(os, run->directory, "files", path)) == NACRE_OK &&
        (status = make_directory(os, run->directory, "backups", path)) == NACRE_OK &&
        (status = make_directory(os, run->directory, "incoming", run->incoming_path)) == NACRE_OK &&
        (status = os->sync_directory(os->context, run->directory)) == NACRE_OK &&
        (status = os_path(path, run->directory, "..")) == NACRE_OK) {
        status = os->sync_directory(os->context, path);
    }
    return status;
}

/* From here on the backup exists. */
static int commit(struct backup_run *run)
{
    char path[OS_PATH_MAX], name[BACKUP_NAME_BYTES + 1];
    struct buffer bytes = { 0 };
    run->made.created_ms = clock_wall_ms();
    run->made.sequence = run->picture.state.last_sequence;
    run->made.collections = run->picture.state.collection_count;
    (void)snprintf(name, sizeof name, "%016llx", (unsigned long long)run->made.id);
    int status = os_path(path, run->directory, "files");
    if (status == NACRE_OK) {
        status = run->os->sync_directory(run->os->context, path);
    }
    if (status == NACRE_OK) {
        status = backup_encode(&run->made, &bytes);
    }
    if (status == NACRE_OK) {
        status = os_path(path, run->directory, "backups");
    }
    if (status == NACRE_OK) {
        status = os_replace_file(run->os, path, name, buffer_slice(&bytes));
    }
    buffer_free(&bytes);
    return status;
}

/* All of the backup is read again, also what former ones had copied. */
static int verify_made(struct backup_run *run)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < run->made.file_count && status == NACRE_OK; i++) {
        status = backup_check_file(&run->copier, run->directory, &run->made.files[i], NULL);
    }
    return status;
}

/* The lock is held. */
static int run_backup(struct backup_run *run)
{
    int status = backup_sweep(run->os, run->directory);
    if (status == NACRE_OK) {
        status = load_known(run);
    }
    if (status != NACRE_OK || (status = picture_take(run->store, true, &run->picture)) != NACRE_OK) {
        return status;
    }
    status = copy_all(run);
    if (status == NACRE_OK && run->options->verify) {
        status = verify_made(run);
    }
    if (status == NACRE_OK) {
        status = commit(run);
    }
    picture_release(&run->picture);
    return status;
}

static void free_run(struct backup_run *run)
{
    for (size_t i = 0; i < run->known_count; i++) {
        backup_free(&run->known[i]);
    }
    memory_free(run->known);
    memory_free((void *)run->containers);
    backup_free(&run->made);
    copier_free(&run->copier);
    block_cache_free(run->incoming.cache);
}

/* What was copied for nothing goes, so that a full disk does not stay full; the detail stays that of the failure. */
static void give_up(struct backup_run *run, int status)
{
    char detail[1024];
    (void)snprintf(detail, sizeof detail, "%s", fail_detail());
    (void)backup_sweep(run->os, run->directory);
    (void)fail(status, "%s", detail);
}

int store_backup(nacre_store *store, const char *directory, const nacre_backup_options *options, uint64_t *id)
{
    struct backup_run run = { .store = store, .os = store->os, .directory = directory, .options = options };
    nacre_file *lock = NULL;
    int status = make_directories(&run);
    if (status != NACRE_OK || (status = backup_lock(run.os, directory, &lock)) != NACRE_OK) {
        return status;
    }
    run.incoming = (struct segment_env){
        .os = run.os, .logger = store->logger, .directory = run.incoming_path, .map = store->segments.map
    };
    status = copier_create(run.os, &run.copier);
    if (status == NACRE_OK) {
        status = block_cache_create(1 << 20, &run.incoming.cache);
    }
    if (status == NACRE_OK) {
        status = run_backup(&run);
    }
    if (status == NACRE_OK) {
        *id = run.made.id;
    } else {
        give_up(&run, status);
    }
    free_run(&run);
    (void)run.os->close(lock); /* holds nothing that was written */
    return status;
}

/* Checkpoints: another directory that opens as this store was at one point (picture.h).

   CURRENT is written last: half a checkpoint is no store. One that fails takes away what it made; of one that was interrupted by a crash a directory
   without CURRENT is left. Any thread. */
#include "base/status.h"
#include "os/copy.h"
#include "store/picture.h"

struct checkpoint {
    struct picture picture;
    struct copier copier;
    const char *path;
};

static int link_or_copy(struct checkpoint *c, const char *from, const char *to)
{
    const nacre_os *os = c->copier.os;
    int status = os->link(os->context, from, to);
    return status == NACRE_UNSUPPORTED ? copier_copy(&c->copier, from, to, UINT64_MAX) : status;
}

/* What is written on is copied. */
static int copy_file(struct checkpoint *c, const struct picture_file *file)
{
    char from[OS_PATH_MAX], to[OS_PATH_MAX];
    bool optional = file->part == PICTURE_INDEX || file->part == PICTURE_TUNING;
    int status = os_path(from, c->picture.store->path, "%s", file->name);
    if (status == NACRE_OK) {
        status = os_path(to, c->path, "%s", file->name);
    }
    if (status == NACRE_OK) {
        status = file->immutable ? link_or_copy(c, from, to) : copier_copy(&c->copier, from, to, file->most);
    }
    return optional && status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

static int copy_all(struct checkpoint *c)
{
    struct picture *p = &c->picture;
    int status = layout_make(c->copier.os, c->path, p->folders);
    if (status != NACRE_OK) {
        if (status != NACRE_EXISTS) {
            layout_remove(c->copier.os, c->path);
        }
        return status;
    }
    for (size_t i = 0; i < p->count && status == NACRE_OK; i++) {
        status = picture_copied(p, i + 1, copy_file(c, &p->files[i]));
    }
    if (status == NACRE_OK) {
        status = layout_sync(c->copier.os, c->path, p->folders);
    }
    if (status == NACRE_OK) {
        status = manifest_write_copy(c->copier.os, c->path, &p->state);
    }
    if (status != NACRE_OK) {
        layout_remove(c->copier.os, c->path);
    }
    return status;
}

int store_checkpoint(nacre_store *store, const char *path)
{
    struct checkpoint c = { .path = path };
    int status = copier_create(store->os, &c.copier);
    if (status == NACRE_OK && (status = picture_take(store, false, &c.picture)) == NACRE_OK) {
        status = copy_all(&c);
        picture_release(&c.picture);
    }
    copier_free(&c.copier);
    return status;
}

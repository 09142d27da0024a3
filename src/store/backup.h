/* Backups: a directory that holds stores as they were, each file's contents once.

     LOCK              held by who changes the directory
     backups/<id>      what belongs to a backup (backup_manifest.h): it exists when this file does
     backups/<id>.gone empty: the newest backup was removed, and had this id, which is not used again
     files/<contents>  files of stores, named by XXH3-128 and size of their contents, shared by all backups that name them
     incoming/         files that are being copied, under the names they have in a store; what is there is nobody's

   Nothing in it is linked to a store. Names in files/ that no backup has are left over from a crash or a failure: the next who changes the
   directory removes them, unless a backup cannot be read and so might name them. */
#ifndef NACRE_STORE_BACKUP_H
#define NACRE_STORE_BACKUP_H
#include "store/backup_manifest.h"
#include "store/store.h"

int store_backup(nacre_store *, const char *directory, const nacre_backup_options *, uint64_t *id);
struct picture;
struct picture_file;
/* The copy of a value file, at `path` in the directory of `copies`, has whole what the picture points to in it; else NACRE_CORRUPT. */
int backup_check_values(const struct picture *, const struct picture_file *, const struct segment_env *copies,
                        const char *path);
int backup_list_json(const nacre_os *, const char *directory, char **json);
int backup_verify(const nacre_os *, const char *directory, uint64_t id, nacre_verify_report *);
int backup_restore(const nacre_os *, const char *directory, uint64_t id, const char *path);
int backup_remove(const nacre_os *, const char *directory, uint64_t id);
int backup_keep(const nacre_os *, const char *directory, uint64_t count);

/* ---- what the files of backups share (backup_directory.c) ---- */
struct backup_ids { /* ascending */
    uint64_t *ids;
    size_t count, capacity;
    uint64_t gone; /* the greatest id that a removed backup had and none had after it, or 0 */
    int status;
};
/* The backups of a directory; none where there is no such directory. */
int backup_ids_list(const nacre_os *, const char *directory, struct backup_ids *);
void backup_ids_free(struct backup_ids *);
int backup_pick(const nacre_os *, const char *directory, uint64_t *id);      /* 0: the newest; NACRE_NOT_FOUND */
int backup_lock(const nacre_os *, const char *directory, nacre_file **lock); /* NACRE_LOCKED */
/* Removes from files/ and incoming/ what no backup names. The lock is held. */
int backup_sweep(const nacre_os *, const char *directory);
/* Reads one of the backup's files, from files/ into `to` (NULL: nowhere), and holds it against what the backup says. NACRE_CORRUPT names the
   place. */
int backup_check_file(struct copier *, const char *directory, const struct backup_file *, const char *to);
#endif

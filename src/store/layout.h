/* What a store's directory is made of, for those who copy or remove whole stores: a folder that is added to stores is added here. */
#ifndef NACRE_STORE_LAYOUT_H
#define NACRE_STORE_LAYOUT_H
#include "os/os.h"

/* Bit i of a set of folders is folder i. */
extern const char *const layout_folders[];
extern const size_t layout_folder_count;
extern const unsigned layout_always; /* the folders that every store has */

/* Whether `name` is that of a file of a store: one of the files beside the folders, or a folder, a slash, and letters, digits and dots that begin with no
   dot. *folder gets the folder's number, or layout_folder_count. What comes from outside is checked so before it becomes a path. */
bool layout_is_file(const char *name, size_t *folder);
/* A new directory with the folders of a set; NACRE_EXISTS when there is something of that name. */
int layout_make(const nacre_os *, const char *path, unsigned folders);
/* The names in the folders, and the directory's own and its parent's, are durable. */
int layout_sync(const nacre_os *, const char *path, unsigned folders);
/* Takes away what layout_make and others after it made, as far as that can be. The calling thread's detail stays. */
void layout_remove(const nacre_os *, const char *path);
#endif

/* The disk beneath os_memory.h: files and directories, each as programs see it now and as it is sure to be after a loss
   of power. Tests only. Not thread safe: os_memory.c holds its mutex around every call. No call fails but for want of
   space that the disk was given: what the test's own machine refuses ends the test. */
#ifndef NACRE_MEMORY_DISK_H
#define NACRE_MEMORY_DISK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR 512u

/* Bytes in memory that grow without touching what is not written: zeros from `end` on. */
struct image {
    uint8_t *bytes;
    uint64_t capacity, end;
};

struct node;
struct names {
    struct name {
        char *text;
        struct node *node;
    } * items;
    size_t count, capacity;
};

#define LENGTHS 8
struct node {
    struct node *next;   /* all nodes of the disk */
    struct node *copy;   /* while a disk is copied */
    unsigned references; /* by names (now and durable), pending operations and handles */
    unsigned links;      /* names now */
    unsigned handles;
    bool directory, reachable, locked;

    struct names now, durable; /* directories */

    /* Files. What programs see is a memfd, of which the maps are maps: those of before a crash keep the old one. */
    int fd;
    uint64_t size, fd_size;
    bool mapped, mapped_writable;
    uint64_t dirty_begin,
        dirty_end; /* all that calls changed since the last sync lies within; maps are compared whole */
    struct image durable_bytes;
    uint64_t durable_size;
    uint64_t lengths[LENGTHS]; /* since the last sync, in their order; some left out where they are many */
    unsigned length_count;
    /* What a failed sync left: marked clean, but not durable. A flag per sector, and its bytes at that time. */
    struct image lost_flags, lost_bytes;
    bool length_lost;
    uint64_t lost_length;
};

/* A change of names that no sync of its directories has made durable: `to` alone adds, `from` alone removes, both is a
   rename, which survives as a whole or not at all. */
struct operation {
    struct node *from, *to; /* directories, or NULL */
    char *from_name, *to_name;
    struct node *node; /* with `to` */
};

struct disk {
    struct node *root, *nodes;
    struct operation *pending; /* in the order of the calls */
    size_t pending_count, pending_capacity;
};

void disk_init(struct disk *);
void disk_clear(struct disk *);
void disk_copy(struct disk *to, const struct disk *from); /* `to` is cleared first */
void disk_detach(struct disk *); /* maps of now are not seen any more: they keep what they show, alone */
void disk_restart(struct disk *, uint64_t seed); /* after disk_detach: power came back */
void disk_forget_handles(struct disk *);         /* as if no handle had been open */
uint64_t disk_used(const struct disk *);         /* bytes of all files that have a name or a handle */

struct node *disk_new(struct disk *, bool directory); /* held by nobody yet */
void node_hold(struct node *);
void node_release(struct disk *, struct node *);
struct node *names_find(const struct names *, const char *text);
void disk_change_names(struct disk *, struct node *from, const char *from_name, struct node *to, const char *to_name,
                       struct node *);
void disk_sync_names(struct disk *, const struct node *directory);

/* Files. */
void file_init(struct node *);
void file_clear(struct node *);
void file_copy(struct node *to, const struct node *from);
void file_detach(struct node *);
void file_resize(struct node *, uint64_t size);                                  /* new bytes are zeros */
void file_write(struct node *, uint64_t offset, const void *bytes, size_t size); /* within its size */
size_t file_read(const struct node *, uint64_t offset, void *bytes, size_t size);
void *file_map(struct node *, uint64_t size, bool writable);
void file_unmap(void *address, uint64_t size);
void file_sync(struct node *);
void file_sync_failed(struct node *);                               /* nothing gets durable; all is marked clean */
void file_survive(struct node *, uint64_t *seed, unsigned percent); /* percent > 100: chosen here */
void file_flip(struct node *, uint64_t offset, uint8_t mask);       /* wherever the byte is kept */

uint64_t chance(uint64_t *seed);
void must(bool fine, const char *what); /* ends the test */
void *must_alloc(void *old, size_t bytes);
char *must_copy(const char *text);
#endif

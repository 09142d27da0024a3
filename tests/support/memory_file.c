/* Contents of the files of a disk in memory (see memory_disk.h).

   Invariants:
   1. Outside of [dirty_begin, dirty_end), of sectors with a lost flag, and of what writable maps cover, the memfd and
      durable_bytes are the same.
   2. Beyond `size` the memfd shows zeros, beyond `durable_size` so does durable_bytes.
   3. The memfd is never shortened, so that a map of it can always be read.

   One thread at a time; mapped memory is written by others meanwhile: it is looked at only by the kernel, through the
   memfd, so that a torn read is as harmless as on a disk. */
#include "memory_disk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK ((uint64_t)64 << 10)

void must(bool fine, const char *what)
{
    if (!fine) {
        perror(what);
        abort();
    }
}

void *must_alloc(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes ? bytes : 1);
    must(memory != NULL, "realloc");
    return memory;
}

char *must_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(must_alloc(NULL, size), text, size);
}

uint64_t chance(uint64_t *seed)
{
    uint64_t x = *seed += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ---- Images ---- */

static void image_reserve(struct image *image, uint64_t end)
{
    uint64_t capacity = most(image->capacity, 2 * CHUNK);
    while (capacity < end) {
        capacity *= 2;
    }
    if (capacity == image->capacity) {
        return;
    }
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *bytes = image->bytes ? mremap(image->bytes, image->capacity, capacity, MREMAP_MAYMOVE)
                               : mmap(NULL, capacity, PROT_READ | PROT_WRITE, flags, -1, 0);
    must(bytes != MAP_FAILED, "image");
    image->bytes = bytes;
    image->capacity = capacity;
}

static void image_free(struct image *image)
{
    if (image->bytes) {
        munmap(image->bytes, image->capacity);
    }
    *image = (struct image){ 0 };
}

static void image_put(struct image *image, uint64_t at, const void *bytes, size_t size)
{
    image_reserve(image, at + size);
    memcpy(image->bytes + at, bytes, size);
    image->end = most(image->end, at + size);
}

static void image_get(const struct image *image, uint64_t at, uint8_t *bytes, size_t size)
{
    size_t there = at < image->end ? (size_t)least(size, image->end - at) : 0;
    if (there) {
        memcpy(bytes, image->bytes + at, there);
    }
    memset(bytes + there, 0, size - there);
}

static void image_zero_from(struct image *image, uint64_t at)
{
    if (at < image->end) {
        memset(image->bytes + at, 0, image->end - at);
        image->end = at;
    }
}

static void image_copy(struct image *to, const struct image *from)
{
    image_free(to);
    if (from->end) {
        image_put(to, 0, from->bytes, from->end);
    }
}

/* ---- The memfd ---- */

static int new_memfd(uint64_t size)
{
    int fd = memfd_create("nacre-test", MFD_CLOEXEC);
    must(fd >= 0, "memfd_create");
    must(ftruncate(fd, (off_t)size) == 0, "ftruncate");
    return fd;
}

static void put(int fd, uint64_t offset, const uint8_t *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(fd, bytes + done, size - done, (off_t)(offset + done));
        must(n > 0, "pwrite");
        done += (size_t)n;
    }
}

static void get(int fd, uint64_t offset, uint8_t *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, bytes + done, size - done, (off_t)(offset + done));
        must(n >= 0, "pread");
        if (n == 0) {
            memset(bytes + done, 0, size - done);
            return;
        }
        done += (size_t)n;
    }
}

static void punch(struct node *node, uint64_t from, uint64_t to)
{
    if (from < to) {
        const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        must(fallocate(node->fd, mode, (off_t)from, (off_t)(to - from)) == 0, "fallocate");
    }
}

/* Where the next bytes are that were ever written; UINT64_MAX: nowhere. */
static uint64_t next_data(int fd, uint64_t at)
{
    off_t found = lseek(fd, (off_t)at, SEEK_DATA);
    return found < 0 ? UINT64_MAX : (uint64_t)found;
}

/* ---- Programs' view ---- */

void file_init(struct node *node)
{
    node->fd = new_memfd(0);
}

void file_clear(struct node *node)
{
    close(node->fd);
    image_free(&node->durable_bytes);
    image_free(&node->lost_flags);
    image_free(&node->lost_bytes);
}

static void touch(struct node *node, uint64_t begin, uint64_t end)
{
    bool clean = node->dirty_begin >= node->dirty_end;
    node->dirty_begin = clean ? begin : least(node->dirty_begin, begin);
    node->dirty_end = clean ? end : most(node->dirty_end, end);
    /* Written anew, a sector is dirty once more: the next sync that succeeds makes it durable. */
    uint64_t first = begin / SECTOR, last = least((end + SECTOR - 1) / SECTOR, node->lost_flags.end);
    if (first < last) {
        memset(node->lost_flags.bytes + first, 0, last - first);
    }
    if (end >= node->lost_length) {
        node->length_lost = false;
    }
}

void file_resize(struct node *node, uint64_t size)
{
    if (size == node->size) {
        return;
    }
    if (size < node->size) {
        punch(node, size, node->fd_size);
        touch(node, size, node->size);
    } else if (node->mapped) {
        punch(node, node->size, node->fd_size); /* what a map wrote behind the end is not the file's */
    }
    if (size > node->fd_size) {
        must(ftruncate(node->fd, (off_t)size) == 0, "ftruncate");
        node->fd_size = size;
    }
    node->size = size;
    if (node->length_count == LENGTHS) {
        /* Of two in the middle the larger goes: the least tells what was cut off. */
        unsigned out = LENGTHS / 2;
        out += node->lengths[out] < node->lengths[out + 1];
        node->length_count--;
        memmove(node->lengths + out, node->lengths + out + 1, (node->length_count - out) * sizeof *node->lengths);
    }
    node->lengths[node->length_count++] = size;
}

void file_write(struct node *node, uint64_t offset, const void *bytes, size_t size)
{
    put(node->fd, offset, bytes, size);
    touch(node, offset, offset + size);
}

size_t file_read(const struct node *node, uint64_t offset, void *bytes, size_t size)
{
    size_t there = offset < node->size ? (size_t)least(size, node->size - offset) : 0;
    get(node->fd, offset, bytes, there);
    return there;
}

void *file_map(struct node *node, uint64_t size, bool writable)
{
    void *map = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, node->fd, 0);
    must(map != MAP_FAILED, "mmap");
    node->mapped = true;
    node->mapped_writable |= writable;
    return map;
}

void file_unmap(void *address, uint64_t size)
{
    must(munmap(address, size) == 0, "munmap");
}

static void copy_contents(int to, int from)
{
    uint8_t bytes[CHUNK];
    for (uint64_t at = next_data(from, 0); at != UINT64_MAX; at = next_data(from, at + CHUNK)) {
        get(from, at, bytes, sizeof bytes);
        size_t size = sizeof bytes;
        while (size > 0 && bytes[size - 1] == 0) {
            size--;
        }
        put(to, at, bytes, size);
    }
}

void file_detach(struct node *node)
{
    if (!node->mapped) {
        return;
    }
    int fd = new_memfd(node->fd_size);
    copy_contents(fd, node->fd);
    close(node->fd);
    node->fd = fd;
    punch(node, node->size, node->fd_size);
    if (node->mapped_writable) {
        node->dirty_begin = 0;
        node->dirty_end = node->size;
    }
    node->mapped = node->mapped_writable = false;
}

void file_copy(struct node *to, const struct node *from)
{
    to->fd = new_memfd(from->fd_size);
    copy_contents(to->fd, from->fd);
    to->size = from->size;
    to->fd_size = from->fd_size;
    punch(to, to->size, to->fd_size);
    to->dirty_begin = from->mapped_writable ? 0 : from->dirty_begin;
    to->dirty_end = from->mapped_writable ? from->size : from->dirty_end;
    to->durable_size = from->durable_size;
    memcpy(to->lengths, from->lengths, sizeof to->lengths);
    to->length_count = from->length_count;
    to->length_lost = from->length_lost;
    to->lost_length = from->lost_length;
    image_copy(&to->durable_bytes, &from->durable_bytes);
    image_copy(&to->lost_flags, &from->lost_flags);
    image_copy(&to->lost_bytes, &from->lost_bytes);
}

/* ---- What the disk is sure to have ---- */

static bool is_lost(const struct node *node, uint64_t sector)
{
    return sector < node->lost_flags.end && node->lost_flags.bytes[sector];
}

/* Calls `visit` for each sector whose bytes now may not be the durable ones. */
static void each_doubtful_sector(struct node *node, uint64_t end,
                                 void (*visit)(struct node *, uint64_t at, const uint8_t *now, void *context),
                                 void *context)
{
    uint8_t bytes[CHUNK];
    bool whole = node->mapped_writable || node->lost_flags.end > 0;
    uint64_t at = whole ? 0 : node->dirty_begin;
    end = whole ? end : least(end, node->dirty_end);
    for (at -= at % SECTOR; at < end; at += CHUNK) {
        if (at >= node->durable_bytes.end) { /* only bytes that were written can differ from its zeros */
            uint64_t data = next_data(node->fd, at);
            if (data >= end) {
                return;
            }
            at = data - data % SECTOR;
        }
        get(node->fd, at, bytes, sizeof bytes);
        for (size_t i = 0; i < CHUNK && at + i < end; i += SECTOR) {
            visit(node, at + i, bytes + i, context);
        }
    }
}

static bool same_as_durable(const struct node *node, uint64_t at, const uint8_t *now)
{
    uint8_t durable[SECTOR];
    image_get(&node->durable_bytes, at, durable, SECTOR);
    return memcmp(now, durable, SECTOR) == 0;
}

static void sync_sector(struct node *node, uint64_t at, const uint8_t *now, void *context)
{
    (void)context;
    if (is_lost(node, at / SECTOR)) {
        if (memcmp(now, node->lost_bytes.bytes + at, SECTOR) == 0) {
            return; /* the kernel takes it for clean */
        }
        node->lost_flags.bytes[at / SECTOR] = 0;
    }
    if (!same_as_durable(node, at, now)) {
        image_put(&node->durable_bytes, at, now, SECTOR);
    }
}

static void forget_changes(struct node *node)
{
    node->dirty_begin = node->dirty_end = 0;
}

void file_sync(struct node *node)
{
    each_doubtful_sector(node, node->size, sync_sector, NULL);
    forget_changes(node);
    if (!node->length_lost || node->size != node->lost_length) {
        node->durable_size = node->size;
        node->length_count = 0;
        node->length_lost = false;
        image_zero_from(&node->durable_bytes, node->size);
    }
}

static void lose_sector(struct node *node, uint64_t at, const uint8_t *now, void *context)
{
    (void)context;
    static const uint8_t flag = 1;
    if (!same_as_durable(node, at, now)) {
        image_put(&node->lost_flags, at / SECTOR, &flag, 1);
        image_put(&node->lost_bytes, at, now, SECTOR);
    }
}

void file_sync_failed(struct node *node)
{
    each_doubtful_sector(node, most(node->size, node->durable_size), lose_sector, NULL);
    forget_changes(node);
    if (node->size != node->durable_size || node->length_count) {
        node->length_lost = true;
        node->lost_length = node->size;
    }
}

struct fate {
    uint64_t *seed, floor; /* from `floor` on the durable bytes were cut off */
    unsigned percent;
};

static void decide_sector(struct node *node, uint64_t at, const uint8_t *now, void *context)
{
    const struct fate *fate = context;
    uint8_t chosen[SECTOR];
    image_get(&node->durable_bytes, at, chosen, SECTOR);
    if (fate->floor < at + SECTOR) {
        uint64_t kept = fate->floor > at ? fate->floor - at : 0;
        memset(chosen + kept, 0, SECTOR - kept);
    }
    if (is_lost(node, at / SECTOR) && chance(fate->seed) % 100 < fate->percent) {
        memcpy(chosen, node->lost_bytes.bytes + at, SECTOR);
    }
    if (memcmp(now, chosen, SECTOR) != 0 && chance(fate->seed) % 100 < fate->percent) {
        memcpy(chosen, now, SECTOR);
    }
    if (memcmp(now, chosen, SECTOR) != 0) {
        put(node->fd, at, chosen, SECTOR);
    }
    image_put(&node->durable_bytes, at, chosen, SECTOR);
}

void file_survive(struct node *node, uint64_t *seed, unsigned percent)
{
    static const unsigned percents[] = { 0, 10, 50, 90, 100 };
    struct fate fate = { .seed = seed, .floor = node->durable_size };
    fate.percent = percent <= 100 ? percent : percents[chance(seed) % 5];
    /* Of the lengths, those up to one of them survive. */
    unsigned count = node->length_count;
    unsigned survivors = percent == 0 ? 0 : percent == 100 ? count : (unsigned)(chance(seed) % (count + 1));
    uint64_t size = node->durable_size;
    for (unsigned i = 0; i < survivors; i++) {
        size = node->lengths[i];
        fate.floor = least(fate.floor, size);
    }
    uint64_t end = most(most(size, node->size), node->durable_size);
    if (node->fd_size < end + SECTOR) {
        node->fd_size = end + SECTOR;
        must(ftruncate(node->fd, (off_t)node->fd_size) == 0, "ftruncate");
    }
    each_doubtful_sector(node, end, decide_sector, &fate);
    forget_changes(node);
    image_free(&node->lost_flags);
    image_free(&node->lost_bytes);
    image_zero_from(&node->durable_bytes, size);
    punch(node, size, node->fd_size);
    node->size = node->durable_size = size;
    node->length_count = 0;
    node->length_lost = false;
}

void file_flip(struct node *node, uint64_t offset, uint8_t mask)
{
    uint8_t byte;
    get(node->fd, offset, &byte, 1);
    byte ^= mask;
    put(node->fd, offset, &byte, 1);
    if (offset < node->durable_size) {
        image_get(&node->durable_bytes, offset, &byte, 1);
        byte ^= mask;
        image_put(&node->durable_bytes, offset, &byte, 1);
    }
    if (is_lost(node, offset / SECTOR)) {
        node->lost_bytes.bytes[offset] ^= mask;
    }
}

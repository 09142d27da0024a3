/* Names of the files of a disk in memory, and what a loss of power makes of the whole disk (see memory_disk.h).

   Invariants:
   1. Each entry of a directory's `now` is there through its `durable` and the pending operations, applied in order.
   2. A node lives as long as a name, an operation or a handle refers to it; the root always does.
   3. After a restart nothing is pending: what is there is durable.

   One thread at a time. */
#include "memory_disk.h"
#include <stdlib.h>
#include <string.h>

/* ---- Nodes ---- */

struct node *disk_new(struct disk *disk, bool directory)
{
    struct node *node = must_alloc(NULL, sizeof *node);
    *node = (struct node){ .directory = directory, .next = disk->nodes };
    disk->nodes = node;
    if (!directory) {
        file_init(node);
    }
    return node;
}

static void names_clear(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->items[i].text);
    }
    free(names->items);
    *names = (struct names){ 0 };
}

static void node_free(struct node *node)
{
    names_clear(&node->now);
    names_clear(&node->durable);
    if (!node->directory) {
        file_clear(node);
    }
    free(node);
}

void node_hold(struct node *node)
{
    node->references++;
}

void node_release(struct disk *disk, struct node *node)
{
    if (--node->references > 0) {
        return;
    }
    struct node **at = &disk->nodes;
    while (*at != node) {
        at = &(*at)->next;
    }
    *at = node->next;
    for (size_t i = 0; i < node->now.count; i++) {
        node->now.items[i].node->links--;
        node_release(disk, node->now.items[i].node);
    }
    for (size_t i = 0; i < node->durable.count; i++) {
        node_release(disk, node->durable.items[i].node);
    }
    node_free(node);
}

/* ---- Names ---- */

struct node *names_find(const struct names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].text, text) == 0) {
            return names->items[i].node;
        }
    }
    return NULL;
}

static void names_remove(struct disk *disk, struct names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].text, text) == 0) {
            struct node *node = names->items[i].node;
            free(names->items[i].text);
            names->items[i] = names->items[--names->count];
            node_release(disk, node);
            return;
        }
    }
}

static void names_set(struct disk *disk, struct names *names, const char *text, struct node *node)
{
    node_hold(node);
    names_remove(disk, names, text);
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? 2 * names->capacity : 8;
        names->items = must_alloc(names->items, names->capacity * sizeof *names->items);
    }
    names->items[names->count++] = (struct name){ must_copy(text), node };
}

static void apply_durably(struct disk *disk, const struct operation *operation)
{
    if (operation->from) {
        names_remove(disk, &operation->from->durable, operation->from_name);
    }
    if (operation->to) {
        names_set(disk, &operation->to->durable, operation->to_name, operation->node);
    }
}

static void operation_free(struct disk *disk, struct operation *operation)
{
    if (operation->from) {
        node_release(disk, operation->from);
    }
    if (operation->to) {
        node_release(disk, operation->to);
        node_release(disk, operation->node);
    }
    free(operation->from_name);
    free(operation->to_name);
}

void disk_change_names(struct disk *disk, struct node *from, const char *from_name, struct node *to,
                       const char *to_name, struct node *node)
{
    if (disk->pending_count == disk->pending_capacity) {
        disk->pending_capacity = disk->pending_capacity ? 2 * disk->pending_capacity : 64;
        disk->pending = must_alloc(disk->pending, disk->pending_capacity * sizeof *disk->pending);
    }
    struct operation *operation = &disk->pending[disk->pending_count++];
    *operation = (struct operation){ 0 };
    if (to) {
        struct node *replaced = names_find(&to->now, to_name);
        if (replaced) {
            replaced->links--;
        }
        *operation = (struct operation){ .to = to, .to_name = must_copy(to_name), .node = node };
        node_hold(to);
        node_hold(node);
        node->links++;
        names_set(disk, &to->now, to_name, node);
    }
    if (from) {
        operation->from = from;
        operation->from_name = must_copy(from_name);
        node_hold(from);
        names_find(&from->now, from_name)->links--;
        names_remove(disk, &from->now, from_name);
    }
}

static bool touches(const struct operation *operation, const struct node *directory, const char *name)
{
    return directory && ((operation->from == directory && strcmp(operation->from_name, name) == 0) ||
                         (operation->to == directory && strcmp(operation->to_name, name) == 0));
}

/* The operations on the directory get durable, and of others those that came before them on the same names. */
void disk_sync_names(struct disk *disk, const struct node *directory)
{
    size_t count = disk->pending_count, kept = 0;
    bool *chosen = must_alloc(NULL, count * sizeof *chosen);
    for (size_t i = count; i-- > 0;) {
        const struct operation *one = &disk->pending[i];
        chosen[i] = one->from == directory || one->to == directory;
        for (size_t j = i + 1; j < count && !chosen[i]; j++) {
            const struct operation *later = &disk->pending[j];
            chosen[i] =
                chosen[j] && (touches(one, later->from, later->from_name) || touches(one, later->to, later->to_name));
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (chosen[i]) {
            apply_durably(disk, &disk->pending[i]);
            operation_free(disk, &disk->pending[i]);
        } else {
            disk->pending[kept++] = disk->pending[i];
        }
    }
    disk->pending_count = kept;
    free(chosen);
}

/* ---- The disk ---- */

void disk_init(struct disk *disk)
{
    *disk = (struct disk){ 0 };
    disk->root = disk_new(disk, true);
    node_hold(disk->root);
    disk->root->links = 1;
}

void disk_clear(struct disk *disk)
{
    for (size_t i = 0; i < disk->pending_count; i++) {
        free(disk->pending[i].from_name);
        free(disk->pending[i].to_name);
    }
    free(disk->pending);
    for (struct node *node = disk->nodes, *next; node; node = next) {
        next = node->next;
        node_free(node);
    }
    *disk = (struct disk){ 0 };
}

uint64_t disk_used(const struct disk *disk)
{
    uint64_t bytes = 0;
    for (const struct node *node = disk->nodes; node; node = node->next) {
        bytes += node->links || node->handles ? node->size : 0;
    }
    return bytes;
}

void disk_detach(struct disk *disk)
{
    for (struct node *node = disk->nodes; node; node = node->next) {
        if (!node->directory) {
            file_detach(node);
        }
    }
}

/* Counts references anew where no handle is open; nodes that none is left for are freed. */
static void recount(struct disk *disk)
{
    for (struct node *node = disk->nodes; node; node = node->next) {
        node->references = node->links = node->handles = 0;
        node->locked = false;
    }
    disk->root->references = disk->root->links = 1;
    for (struct node *node = disk->nodes; node; node = node->next) {
        for (size_t i = 0; i < node->now.count; i++) {
            node->now.items[i].node->references++;
            node->now.items[i].node->links++;
        }
        for (size_t i = 0; i < node->durable.count; i++) {
            node->durable.items[i].node->references++;
        }
    }
    for (size_t i = 0; i < disk->pending_count; i++) {
        const struct operation *operation = &disk->pending[i];
        struct node *named[] = { operation->from, operation->to, operation->to ? operation->node : NULL };
        for (size_t j = 0; j < 3; j++) {
            if (named[j]) {
                named[j]->references++;
            }
        }
    }
    for (struct node *node = disk->nodes; node;) {
        if (node->references > 0) {
            node = node->next;
            continue;
        }
        node->references = 1;
        node_release(disk, node);
        node = disk->nodes; /* others may have gone with it */
    }
}

void disk_forget_handles(struct disk *disk)
{
    recount(disk);
}

static void reach(struct node *node)
{
    if (!node->reachable) {
        node->reachable = true;
        for (size_t i = 0; i < node->durable.count; i++) {
            reach(node->durable.items[i].node);
        }
    }
}

/* In one life of four all or none survive; else a beginning of the operations, or any of them. */
static void decide_names(struct disk *disk, uint64_t *seed, unsigned percent)
{
    static const unsigned percents[] = { 20, 50, 90 };
    size_t count = disk->pending_count;
    bool in_order = chance(seed) % 2;
    size_t beginning = (size_t)(chance(seed) % (count + 1));
    unsigned each = percent <= 100 ? percent : percents[chance(seed) % 3];
    for (size_t i = 0; i < count; i++) {
        bool luck = chance(seed) % 100 < each;
        if (percent <= 100 || !in_order ? luck : i < beginning) {
            apply_durably(disk, &disk->pending[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        operation_free(disk, &disk->pending[i]);
    }
    disk->pending_count = 0;
}

static void names_copy(struct names *to, const struct names *from)
{
    names_clear(to);
    to->count = to->capacity = from->count;
    to->items = must_alloc(NULL, from->count * sizeof *to->items);
    for (size_t i = 0; i < from->count; i++) {
        to->items[i] = (struct name){ must_copy(from->items[i].text), from->items[i].node };
    }
}

/* Only what the root leads to stays; of that, names now are the durable ones. */
static void keep_reachable(struct disk *disk)
{
    for (struct node *node = disk->nodes; node; node = node->next) {
        node->reachable = false;
    }
    reach(disk->root);
    for (struct node **at = &disk->nodes; *at;) {
        struct node *node = *at;
        if (node->reachable) {
            names_copy(&node->now, &node->durable);
            at = &node->next;
        } else {
            *at = node->next;
            node_free(node);
        }
    }
    recount(disk);
}

void disk_restart(struct disk *disk, uint64_t seed)
{
    uint64_t state = seed;
    uint64_t kind = chance(&state) % 8;
    unsigned percent = kind == 0 ? 0 : kind == 1 ? 100 : 101;
    decide_names(disk, &state, percent);
    keep_reachable(disk);
    for (struct node *node = disk->nodes; node; node = node->next) {
        if (!node->directory) {
            file_survive(node, &state, percent);
        }
    }
}

static void copy_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        names->items[i].node = names->items[i].node->copy;
    }
}

static struct node *copy_of(const struct node *node)
{
    return node ? node->copy : NULL;
}

void disk_copy(struct disk *to, const struct disk *from)
{
    disk_clear(to);
    struct node **last = &to->nodes;
    for (struct node *node = from->nodes; node; node = node->next) {
        struct node *copy = must_alloc(NULL, sizeof *copy);
        *copy = (struct node){ .directory = node->directory };
        if (!node->directory) {
            file_copy(copy, node);
        }
        names_copy(&copy->now, &node->now);
        names_copy(&copy->durable, &node->durable);
        *last = node->copy = copy; /* in the same order: the same seed decides the same */
        last = &copy->next;
    }
    for (struct node *node = to->nodes; node; node = node->next) {
        copy_names(&node->now);
        copy_names(&node->durable);
    }
    to->root = from->root->copy;
    to->pending_count = to->pending_capacity = from->pending_count;
    to->pending = must_alloc(NULL, from->pending_count * sizeof *to->pending);
    for (size_t i = 0; i < from->pending_count; i++) {
        const struct operation *old = &from->pending[i];
        to->pending[i] = (struct operation){
            .from = copy_of(old->from),
            .to = copy_of(old->to),
            .from_name = old->from ? must_copy(old->from_name) : NULL,
            .to_name = old->to ? must_copy(old->to_name) : NULL,
            .node = copy_of(old->to ? old->node : NULL),
        };
    }
    recount(to);
}

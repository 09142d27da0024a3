/* See txn_history.h. What is looked for, in this order:
     internal       a transaction that does not read what it read before, plus what it appended
     G1a, G1b       a read of what an aborted transaction appended, or of one that was not the last of its transaction's to the key
     order          lists of a key that are not each a prefix of the longest
     lost           what was appended by a committed transaction, or read by one, and is not in the last list
     G1c            a cycle of ww and wr
     G-SI           a cycle in which no two rw follow each other: with every rw comes a ww or wr before it (Adya 1999, Cerone and Gotsman 2018)
     G2             any cycle (for serializable histories) */
#include "support/txn_history.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum edge_kind { EDGE_WW = 1, EDGE_WR = 2, EDGE_RW = 4, EDGE_TIME = 8 };
struct edge {
    uint32_t from, to;
    unsigned kind;
};
struct check {
    const struct history_txn *txns;
    size_t count, nodes;
    uint32_t *writer;     /* of an element: transaction + 1 */
    bool *last_of_writer; /* of an element: its transaction's last one to the key */
    const struct history_op *longest[HISTORY_KEYS];
    struct edge *edges;
    size_t edge_count, edge_capacity;
    char complaint[400];
};
static char complaint[sizeof((struct check *)0)->complaint];

static bool complain(struct check *c, const char *what, size_t txn, unsigned key)
{
    snprintf(c->complaint, sizeof c->complaint, "%s: transaction %zu, key %u", what, txn, key);
    return false;
}

static void add_edge(struct check *c, size_t from, size_t to, unsigned kind)
{
    if (from == to) {
        return;
    }
    if (c->edge_count == c->edge_capacity) {
        c->edge_capacity = c->edge_capacity ? 2 * c->edge_capacity : 1024;
        c->edges = realloc(c->edges, c->edge_capacity * sizeof *c->edges);
    }
    c->edges[c->edge_count++] = (struct edge){ (uint32_t)from, (uint32_t)to, kind };
}

/* ---- one transaction, one key ---- */

static void note_writers(struct check *c)
{
    for (size_t t = 0; t < c->count; t++) {
        uint32_t last[HISTORY_KEYS] = { 0 };
        for (size_t i = 0; i < c->txns[t].op_count; i++) {
            const struct history_op *op = &c->txns[t].ops[i];
            if (op->append) {
                c->writer[op->element] = (uint32_t)t + 1;
                c->last_of_writer[op->element] = true;
                c->last_of_writer[last[op->key]] = false;
                last[op->key] = op->element;
            }
        }
    }
}

/* What a transaction reads of a key is what it read first, and behind that its own appends so far. */
static bool check_internal(struct check *c, size_t number)
{
    const struct history_txn *txn = &c->txns[number];
    for (size_t i = 0; i < txn->op_count; i++) {
        const struct history_op *op = &txn->ops[i], *before = NULL;
        uint32_t own[HISTORY_OPS];
        size_t count = 0;
        for (size_t j = 0; j < i && !op->append; j++) {
            const struct history_op *earlier = &txn->ops[j];
            if (earlier->key == op->key && earlier->append) {
                own[count++] = earlier->element;
            } else if (earlier->key == op->key) {
                before = earlier;
                count = 0;
            }
        }
        if (op->append) {
            continue;
        }
        size_t known = before ? before->size : op->size < count ? 0 : op->size - count;
        if (op->size != known + count || (count && memcmp(op->list + known, own, count * sizeof *own) != 0) ||
            (before && known && memcmp(op->list, before->list, known * sizeof *own) != 0)) {
            return complain(c, "internal", number, op->key);
        }
    }
    return true;
}

static bool is_external(const struct check *c, size_t reader, const struct history_op *op)
{
    return op->size > 0 && c->writer[op->list[op->size - 1]] != reader + 1;
}

static bool check_read(struct check *c, size_t number, const struct history_op *op)
{
    for (size_t i = 0; i < op->size; i++) {
        uint32_t writer = c->writer[op->list[i]];
        if (writer == 0 || c->txns[writer - 1].outcome == HISTORY_ABORTED) {
            return complain(c, writer ? "G1a, aborted read" : "a read of what nobody wrote", number, op->key);
        }
    }
    if (is_external(c, number, op) && !c->last_of_writer[op->list[op->size - 1]]) {
        return complain(c, "G1b, intermediate read", number, op->key);
    }
    return true;
}

/* Calls visit for each read of a transaction that committed. */
static bool each_read(struct check *c, bool (*visit)(struct check *, size_t, const struct history_op *))
{
    bool good = true;
    for (size_t t = 0; t < c->count && good; t++) {
        for (size_t i = 0; i < c->txns[t].op_count && good && c->txns[t].outcome == HISTORY_COMMITTED; i++) {
            good = c->txns[t].ops[i].append || visit(c, t, &c->txns[t].ops[i]);
        }
    }
    return good;
}

static bool keep_longest(struct check *c, size_t number, const struct history_op *op)
{
    (void)number;
    if (!c->longest[op->key] || op->size > c->longest[op->key]->size) {
        c->longest[op->key] = op;
    }
    return true;
}

static bool check_prefix(struct check *c, size_t number, const struct history_op *op)
{
    const struct history_op *longest = c->longest[op->key];
    return op->size == 0 || memcmp(op->list, longest->list, op->size * sizeof *op->list) == 0
               ? true
               : complain(c, "order, lists that contradict each other", number, op->key);
}

/* The last transaction read what was there in the end. */
static bool check_lost(struct check *c)
{
    const struct history_txn *end = &c->txns[c->count - 1];
    bool *there = calloc(HISTORY_ELEMENTS, sizeof *there), good = true;
    for (size_t i = 0; i < end->op_count; i++) {
        for (size_t j = 0; j < end->ops[i].size; j++) {
            there[end->ops[i].list[j]] = true;
        }
    }
    for (size_t t = 0; t < c->count && good; t++) {
        for (size_t i = 0; i < c->txns[t].op_count && good && c->txns[t].outcome == HISTORY_COMMITTED; i++) {
            const struct history_op *op = &c->txns[t].ops[i];
            if (op->append && !there[op->element]) {
                good = complain(c, "lost, a committed append is gone", t, op->key);
            }
            if (!op->append && op->size && !there[op->list[op->size - 1]]) {
                good = complain(c, "lost, what was read is gone", t, op->key);
            }
        }
    }
    free(there);
    return good;
}

/* ---- dependencies ---- */

static bool add_read_edges(struct check *c, size_t number, const struct history_op *op)
{
    const struct history_op *longest = c->longest[op->key];
    if (is_external(c, number, op)) {
        add_edge(c, c->writer[op->list[op->size - 1]] - 1, number, EDGE_WR);
    }
    /* A read of one's own appends says nothing of who comes next: what was read before them does. */
    if (op->size < longest->size && (op->size == 0 || is_external(c, number, op))) {
        add_edge(c, number, c->writer[longest->list[op->size]] - 1, EDGE_RW);
    }
    return true;
}

static void add_write_edges(struct check *c)
{
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        for (size_t i = 1; c->longest[k] && i < c->longest[k]->size; i++) {
            add_edge(c, c->writer[c->longest[k]->list[i - 1]] - 1, c->writer[c->longest[k]->list[i]] - 1, EDGE_WW);
        }
    }
}

struct tick {
    uint64_t at;
    size_t txn;
    bool begins;
};

static int by_tick(const void *a, const void *b)
{
    uint64_t x = ((const struct tick *)a)->at, y = ((const struct tick *)b)->at;
    return (x > y) - (x < y);
}

/* A chain of nodes, one for each tick: who ends leads into it, who begins comes out of it. */
static void add_time_edges(struct check *c)
{
    struct tick *ticks = malloc(2 * c->count * sizeof *ticks);
    size_t count = 0;
    for (size_t t = 0; t < c->count; t++) {
        if (c->txns[t].outcome == HISTORY_COMMITTED && c->txns[t].ended) {
            ticks[count++] = (struct tick){ c->txns[t].began, t, true };
            ticks[count++] = (struct tick){ c->txns[t].ended, t, false };
        }
    }
    qsort(ticks, count, sizeof *ticks, by_tick);
    for (size_t i = 0; i < count; i++) {
        size_t node = c->count + i;
        add_edge(c, ticks[i].begins ? node : ticks[i].txn, ticks[i].begins ? ticks[i].txn : node, EDGE_TIME);
        if (i > 0) {
            add_edge(c, node - 1, node, EDGE_TIME);
        }
    }
    c->nodes = c->count + count;
    free(ticks);
}

/* ---- cycles ---- */

static int by_from(const void *a, const void *b)
{
    uint32_t x = ((const struct edge *)a)->from, y = ((const struct edge *)b)->from;
    return (x > y) - (x < y);
}

struct walk {
    struct edge *edges;  /* sorted by from */
    size_t *first;       /* of a node's edges; one more at the end */
    uint8_t *state;      /* 0 new, 1 on the path, 2 done */
    size_t *path, *next; /* nodes, and which edge each takes next */
    size_t depth;
};

static void describe_cycle(struct check *c, const struct walk *w, size_t entry, const char *what)
{
    size_t at = (size_t)snprintf(c->complaint, sizeof c->complaint, "%s:", what), i = 0;
    while (w->path[i] != entry) {
        i++;
    }
    for (; i < w->depth && at < sizeof c->complaint - 20; i++) {
        const struct edge *taken = &w->edges[w->next[i] - 1];
        if (w->path[i] < c->count) {
            at += (size_t)snprintf(c->complaint + at, sizeof c->complaint - at, " %zu -%s->", w->path[i],
                                   taken->kind == EDGE_WW     ? "ww"
                                   : taken->kind == EDGE_WR   ? "wr"
                                   : taken->kind == EDGE_RW   ? "rw"
                                   : taken->kind == EDGE_TIME ? "time"
                                                              : "ww or wr, rw");
        }
    }
}

static bool walk_from(struct check *c, struct walk *w, size_t start, const char *what)
{
    w->depth = 0;
    w->path[w->depth++] = start;
    w->next[0] = w->first[start];
    w->state[start] = 1;
    while (w->depth > 0) {
        size_t node = w->path[w->depth - 1];
        if (w->next[w->depth - 1] == w->first[node + 1]) {
            w->state[node] = 2;
            w->depth--;
            continue;
        }
        size_t to = w->edges[w->next[w->depth - 1]++].to;
        if (w->state[to] == 1) {
            describe_cycle(c, w, to, what);
            return false;
        }
        if (w->state[to] == 0) {
            w->state[to] = 1;
            w->next[w->depth] = w->first[to];
            w->path[w->depth++] = to;
        }
    }
    return true;
}

static bool has_no_cycle(struct check *c, struct edge *edges, size_t count, const char *what)
{
    struct walk w = { .edges = edges };
    bool good = true;
    qsort(edges, count, sizeof *edges, by_from);
    w.first = calloc(c->nodes + 2, sizeof *w.first);
    w.state = calloc(c->nodes + 1, 1);
    w.path = malloc((c->nodes + 1) * sizeof *w.path);
    w.next = malloc((c->nodes + 1) * sizeof *w.next);
    for (size_t i = 0; i < count; i++) {
        w.first[edges[i].from + 1]++;
    }
    for (size_t i = 0; i < c->nodes; i++) {
        w.first[i + 1] += w.first[i];
    }
    for (size_t node = 0; node < c->nodes && good; node++) {
        good = w.state[node] != 0 || walk_from(c, &w, node, what);
    }
    free(w.first);
    free(w.state);
    free(w.path);
    free(w.next);
    return good;
}

static bool has_no_cycle_of(struct check *c, unsigned kinds, const char *what)
{
    struct edge *some = malloc((c->edge_count + 1) * sizeof *some);
    size_t count = 0;
    for (size_t i = 0; i < c->edge_count; i++) {
        if (c->edges[i].kind & kinds) {
            some[count++] = c->edges[i];
        }
    }
    bool good = has_no_cycle(c, some, count, what);
    free(some);
    return good;
}

/* Of ww, wr, and each of these with an rw behind it. */
static bool has_no_cycle_with_lone_rw(struct check *c)
{
    struct check steps = { .nodes = c->nodes, .count = c->count };
    for (size_t i = 0; i < c->edge_count; i++) {
        const struct edge *one = &c->edges[i];
        if (!(one->kind & (EDGE_WW | EDGE_WR))) {
            continue;
        }
        add_edge(&steps, one->from, one->to, one->kind);
        for (size_t j = 0; j < c->edge_count; j++) {
            if (c->edges[j].kind == EDGE_RW && c->edges[j].from == one->to) {
                if (c->edges[j].to == one->from) {
                    free(steps.edges);
                    return complain(c, "G-SI, a cycle with one rw", one->from, 0);
                }
                add_edge(&steps, one->from, c->edges[j].to, one->kind | EDGE_RW);
            }
        }
    }
    bool good = has_no_cycle(c, steps.edges, steps.edge_count, "G-SI, a cycle without two rw in a row");
    free(steps.edges);
    return good;
}

static bool check_all(struct check *c, bool serializable)
{
    note_writers(c);
    for (size_t t = 0; t < c->count; t++) {
        if (c->txns[t].outcome == HISTORY_COMMITTED && !check_internal(c, t)) {
            return false;
        }
    }
    if (!each_read(c, check_read) || !each_read(c, keep_longest) || !each_read(c, check_prefix) || !check_lost(c)) {
        return false;
    }
    add_write_edges(c);
    (void)each_read(c, add_read_edges);
    c->nodes = c->count;
    if (!has_no_cycle_of(c, EDGE_WW | EDGE_WR, "G1c, a cycle of ww and wr")) {
        return false;
    }
    if (!serializable) {
        return has_no_cycle_with_lone_rw(c);
    }
    if (!has_no_cycle_of(c, EDGE_WW | EDGE_WR | EDGE_RW, "G2, a cycle")) {
        return false;
    }
    add_time_edges(c);
    return has_no_cycle_of(c, EDGE_WW | EDGE_WR | EDGE_RW | EDGE_TIME, "a cycle with real time");
}

const char *history_check(const struct history_txn *txns, size_t count, bool serializable)
{
    struct check c = { .txns = txns, .count = count };
    c.writer = calloc(HISTORY_ELEMENTS, sizeof *c.writer);
    c.last_of_writer = calloc(HISTORY_ELEMENTS, sizeof *c.last_of_writer);
    bool good = check_all(&c, serializable);
    memcpy(complaint, c.complaint, sizeof complaint);
    free(c.writer);
    free(c.last_of_writer);
    free(c.edges);
    return good ? NULL : complaint;
}

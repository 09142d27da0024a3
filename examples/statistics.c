/* Hearing what a store does while it does it, and asking what it has done: events, figures as JSON, and metrics for Prometheus. */
#include "example.h"
#include <stdatomic.h>

struct counts {
    _Atomic unsigned flushes, merges, errors;
};

/* Called from any thread, also from several at once: it counts, and leaves. */
static void on_event(void *context, const nacre_event *event)
{
    struct counts *counts = context;
    switch (event->type) {
    case NACRE_EVENT_FLUSH:
        counts->flushes++;
        break;
    case NACRE_EVENT_MERGE:
        counts->merges++;
        break;
    case NACRE_EVENT_ERROR:
        counts->errors++;
        break;
    default:
        break;
    }
}

static void fill(nacre_collection *orders)
{
    char key[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "order %05d", i);
        must(nacre_put(orders, text(key), text("paid"), NULL), "put");
    }
}

/* The figure of that name; the whole is JSON, for which a program has a parser. */
static unsigned long long figure(const char *json, const char *name)
{
    const char *at = strstr(json, name);
    check(at != NULL, name);
    return strtoull(strchr(at, ':') + 1, NULL, 10);
}

/* Lines of the metrics that begin so. */
static void print_metrics(const char *metrics, const char *beginning)
{
    for (const char *line = metrics; *line; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, beginning, strlen(beginning)) == 0)
            printf("%.*s\n", (int)strcspn(line, "\n"), line);
    }
}

int main(void)
{
    struct counts counts = { 0, 0, 0 };
    nacre_hooks hooks = NACRE_HOOKS_INIT;
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    char *json, *metrics;

    hooks.on_event = on_event;
    hooks.event_context = &counts;
    options.hooks = &hooks;
    options.durability = NACRE_OS;
    must(nacre_open("statistics.nacre", &options, &store), "open");
    nacre_collection *orders = collection(store, "orders");
    fill(orders);
    must(nacre_flush(orders), "flush");
    check(counts.flushes > 0 && counts.errors == 0, "a flush was heard of, and no error");

    must(nacre_stats(store, &json), "stats");
    printf("%llu puts, %llu bytes of memory\n", figure(json, "\"puts\""), figure(json, "\"memory_bytes\""));
    nacre_free(json);

    /* The same from any process on the machine, by the path alone. */
    must(nacre_writer_stats("statistics.nacre", NULL, 5000, &json), "writer_stats");
    check(figure(json, "\"puts\"") == 20000, "the writer tells what it put");
    nacre_free(json);

    must(nacre_metrics(store, &metrics), "metrics");
    print_metrics(metrics, "nacre_call_seconds{call=\"put\"");
    nacre_free(metrics);

    nacre_collection_close(orders);
    must(nacre_close(store), "close");
    return 0;
}

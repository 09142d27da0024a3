/* nacre_bench_strings: counts what patterns match in a file of lines, with nacre and with its peers, in one process and one run, and compares every
   count (docs/benchmarks.md).

   The engines take turns query by query, so that what else happens on the machine falls on all of them. */
#include "corpus.h"
#include "machine.h"
#include "measure.h"
#include "options.h"
#include "peer.h"
#include "query.h"
#include "report.h"
#include "results.h"
#include "support.h"
#ifdef BENCH_WITH_NACRE
#include "store.h"
#endif
#include <stdio.h>

const char program_name[] = "nacre_bench_strings";

struct taking_part {
    const struct peer *peer; /* NULL: not in this run */
    void *state;
};

static bool peer_wanted(const struct options *options, const struct peer *peer)
{
    char version[64] = "";
    if (options->load_peers != NULL || (options->peers == NULL && !peer->by_default) ||
        !name_listed(options->peers, peer->name)) {
        return false;
    }
    peer->version(version, sizeof version);
    if (version[0] == '\0') {
        fprintf(stderr, "%s is not installed (scripts/deps.sh bench) and is left out\n", peer->name);
    }
    return version[0] != '\0';
}

static void open_peers(struct taking_part *list, const struct options *options, struct results *results)
{
    for (size_t i = 0; peers[i] != NULL; i++) {
        list[i] = (struct taking_part){ NULL, NULL };
        if (!peer_wanted(options, peers[i])) {
            continue;
        }
        uint64_t start = clock_ns();
        list[i] = (struct taking_part){ peers[i], peers[i]->open(results->corpus, options->directory) };
        if (peers[i]->index_bytes != NULL) {
            figure_add(results, peers[i]->name, (double)peers[i]->index_bytes(list[i].state), "bytes on disk");
            fprintf(stderr, "%s: index made in %.1f s\n", peers[i]->name, (double)(clock_ns() - start) / 1e9);
        }
    }
}

static void close_peers(struct taking_part *list)
{
    for (size_t i = 0; peers[i] != NULL; i++) {
        if (list[i].peer != NULL) {
            list[i].peer->close(list[i].state);
        }
    }
}

static void query_peers(struct taking_part *list, struct results *results, size_t query)
{
    for (size_t i = 0; peers[i] != NULL; i++) {
        const struct peer *peer = list[i].peer;
        if (peer != NULL && peer->prepare(list[i].state, &results->queries->list[query])) {
            struct result *result = result_of(results, query, FIRST_PEER + i);
            result->present = measure(peer->count, list[i].state, &result->timing);
            peer->finish(list[i].state);
        }
    }
}

#ifdef BENCH_WITH_NACRE
static void load_store(struct store *store, const struct options *options, struct results *results)
{
    bool made;
    uint64_t memory = process_status_bytes("RssAnon");
    store_open(store, results->corpus, options->directory, &made);
    if (made) {
        fprintf(stderr, "nacre: loading\n");
        store_load(store, results, options->live_lines);
    }
    for (size_t query = 0; query < results->queries->count && name_listed(options->phases, "queries"); query++) {
        store_warm(store, results, query); /* what searches keep in memory is part of the memory that is measured */
    }
    store_sizes(store, results, memory);
}
#endif

static void run_queries(const struct options *options, struct results *results)
{
    struct taking_part list[PEERS_MAX];
    open_peers(list, options, results);
#ifdef BENCH_WITH_NACRE
    struct store store;
    bool queries = name_listed(options->phases, "queries");
    if (options->engine) {
        load_store(&store, options, results);
    }
#endif
    for (size_t query = 0; query < results->queries->count; query++) {
        fprintf(stderr, "\r%zu/%zu %-60.60s", query + 1, results->queries->count,
                results->queries->list[query].pattern);
#ifdef BENCH_WITH_NACRE
        if (options->engine && queries) {
            store_query(&store, results, query);
        }
#endif
        query_peers(list, results, query);
    }
    fprintf(stderr, "\r%-80s\r", "");
    close_peers(list);
#ifdef BENCH_WITH_NACRE
    if (options->engine) {
        if (name_listed(options->phases, "reads")) {
            store_reads(&store, results);
        }
        if (name_listed(options->phases, "writer") && !options->reuse) {
            store_beside_writer(&store, results, options->seconds);
        }
        store_close(&store);
    }
#endif
}

int main(int count, char **arguments)
{
    struct options options;
    struct corpus corpus;
    struct queries queries;
    struct results results;
    options_parse(&options, count, arguments);
    if (!options.reuse) {
        directory_remove(options.directory);
    }
    directory_make(options.directory);
    queries_read(&queries, BENCH_STRINGS_QUERIES, options.queries);
    corpus_open(&corpus, options.lines, options.limit_lines, options.directory);
    results_init(&results, &corpus, &queries);
    if (options.load_peers != NULL) {
        results_load_peers(&results, options.load_peers);
    }
    report_heading(&corpus, options.directory);
    run_queries(&options, &results);
    report_queries(&results);
    report_summary(&results);
    if (options.tsv != NULL) {
        results_save(&results, options.tsv, false);
    }
    if (options.save_peers != NULL) {
        results_save(&results, options.save_peers, true);
    }
    unsigned wrong = results_check(&results);
    printf("\n%s\n", wrong == 0 ? "all counts agree" : "COUNTS DIFFER");
    results_free(&results);
    queries_free(&queries);
    corpus_close(&corpus);
    if (!options.reuse) {
        directory_remove(options.directory);
    }
    return wrong == 0 ? 0 : 1;
}

/* A search for nearest neighbours told as JSON, layer by layer (see nearest_search.h). */
#include "base/clock.h"
#include "store/nearest_search.h"

static const char *yes_or_no(bool yes)
{
    return yes ? "true" : "false";
}

static int add_counts(struct buffer *json, const struct nearest_layer *layer)
{
    const struct nearest_report *r = &layer->report;
    return buffer_append_format(
        json,
        "\"strategy\":\"%s\",\"rows\":%llu,\"examined\":%llu,\"reranked\":%llu,\"filtered\":%llu,\"exact\":%s,"
        "\"time_us\":%llu}",
        r->strategy ? r->strategy : "none", (unsigned long long)r->rows, (unsigned long long)r->examined,
        (unsigned long long)r->reranked, (unsigned long long)r->filtered, yes_or_no(r->exact),
        (unsigned long long)(layer->took_ns / 1000));
}

static int add_memtables(struct buffer *json, const struct nearest_search *s)
{
    int status = buffer_append_format(json, ",\"memtables\":[");
    for (uint32_t i = 0; i < s->view->table_count && status == NACRE_OK; i++) {
        status = buffer_append_format(json, i ? ",{" : "{");
        if (status == NACRE_OK) {
            status = add_counts(json, &s->layers[i]);
        }
    }
    return status == NACRE_OK ? buffer_append_u8(json, ']') : status;
}

static int add_segments(struct buffer *json, const struct nearest_search *s)
{
    const struct version *version = s->view->version;
    int status = buffer_append_format(json, ",\"segments\":[");
    for (size_t number = 0; number < version->piece_count && status == NACRE_OK; number++) {
        size_t run;
        const struct piece *piece = search_piece(version, number, &run);
        status = buffer_append_format(json, "%s{\"id\":\"%016llx\",\"level\":%u,\"indexed\":%s,", number ? "," : "",
                                      (unsigned long long)piece->segment->properties.id, version->runs[run].level,
                                      yes_or_no(segment_has_index(piece->segment)));
        if (status == NACRE_OK) {
            status = add_counts(json, &s->layers[s->view->table_count + number]);
        }
    }
    return status == NACRE_OK ? buffer_append_u8(json, ']') : status;
}

static int describe(struct buffer *json, const struct nearest_search *s, uint64_t took_ns)
{
    static const char *const metrics[] = { "?", "l2", "cosine", "dot" };
    const struct nearest_report *sum = &s->sum;
    int status = buffer_append_format(
        json,
        "{\"metric\":\"%s\",\"dimension\":%u,\"k\":%zu,\"recall\":%.4g,\"found\":%zu,\"exact\":%s,\"examined\":%llu,"
        "\"reranked\":%llu,\"filtered\":%llu,\"time_us\":%llu",
        metrics[s->distance.metric], s->distance.dimension, s->nearest.k,
        s->nearest.exact ? 1.0 : (double)s->nearest.recall, s->nearest.found_count, yes_or_no(sum->exact),
        (unsigned long long)sum->examined, (unsigned long long)sum->reranked, (unsigned long long)sum->filtered,
        (unsigned long long)(took_ns / 1000));
    if (status == NACRE_OK) {
        status = add_memtables(json, s);
    }
    if (status == NACRE_OK) {
        status = add_segments(json, s);
    }
    return status == NACRE_OK ? buffer_append_format(json, "}") : status;
}

int collection_nearest_explain(nacre_collection *collection, const float *query, size_t k,
                               const nacre_nearest_options *options, char **json)
{
    uint64_t began_ns = clock_monotonic_ns();
    struct nearest_search search;
    struct buffer text = { 0 };
    int status = nearest_search_run(&search, collection, query, k, options, true);
    if (status == NACRE_OK) {
        status = describe(&text, &search, clock_monotonic_ns() - began_ns);
    }
    nearest_search_end(&search);
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    *json = (char *)text.data;
    return NACRE_OK;
}

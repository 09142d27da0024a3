/* The two calls that count, and what is said of a count as JSON (see search.h). */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/search_count.h"

/* ---- counting ---- */

static int start_stop(struct search_stop *stop, const nacre_regex_options *options, uint64_t began_ns)
{
    *stop = (struct search_stop){ .cancel = options->cancel,
                                  .timeout_ms = options->timeout_ms,
                                  .deadline_ns = began_ns + options->timeout_ms * UINT64_C(1000000) };
    return search_stop_due(stop);
}

/* With a limit matches are walked until there are so many. */
static int count_up_to(nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *options,
                       uint64_t *count)
{
    nacre_regex_options keys = *options;
    nacre_cursor *cursor;
    uint64_t found = 0;
    keys.keys_only = true;
    int status = collection_regex_scan(collection, pattern, &keys, &cursor);
    if (status != NACRE_OK) {
        return status;
    }
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        found++;
    }
    status = nacre_cursor_status(cursor);
    nacre_cursor_close(cursor);
    *count = found;
    return status;
}

static int count_all(nacre_collection *collection, const struct regex *regex, const nacre_regex_options *options,
                     const struct search_stop *stop, struct count_result *result)
{
    nacre_store *store = collection->store;
    /* Reads like a cursor, and is counted as one. */
    atomic_fetch_add_explicit(&store->cursors, 1, memory_order_relaxed);
    stats_add(&store->stats, STATS_searches, 1);
    int status = search_count(collection, regex, options, stop, result);
    for (size_t i = 0; i < result->plan.source_count; i++) {
        search_note(store, &result->plan.sources[i].report, 0);
    }
    stats_add(&store->stats, STATS_search_matches, status == NACRE_OK ? result->count : 0);
    return status;
}

static void end_count(nacre_collection *collection, struct count_result *result)
{
    count_plan_free(&result->plan);
    view_release(collection->store, result->plan.view);
    atomic_fetch_sub_explicit(&collection->store->cursors, 1, memory_order_relaxed);
}

int collection_regex_count(nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *options,
                           uint64_t *count)
{
    struct search_stop stop;
    struct count_result result;
    struct regex *regex;
    if (options->limit > 0) {
        return count_up_to(collection, pattern, options, count);
    }
    int status = start_stop(&stop, options, options->timeout_ms ? clock_monotonic_ns() : 0);
    if (status != NACRE_OK || (status = search_compile(collection, pattern, options, &regex)) != NACRE_OK) {
        return status;
    }
    status = count_all(collection, regex, options, &stop, &result);
    *count = status == NACRE_OK ? result.count : 0;
    end_count(collection, &result);
    regex_free(regex);
    return status;
}

/* ---- JSON ---- */

/* The size of the well-formed UTF-8 character that the bytes begin with; 0: there is none. */
static size_t character(const uint8_t *at, size_t left)
{
    size_t size = at[0] < 0x80                    ? 1
                  : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
                  : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                  : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                  : 0;
    if (size > left) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool outside = (at[0] == 0xed && at[1] >= 0xa0) || (at[0] == 0xf4 && at[1] >= 0x90);
    return overlong || outside ? 0 : size;
}

/* A string; bytes that are not UTF-8 are shown as \xNN. */
static int add_text(struct buffer *json, nacre_slice text)
{
    const uint8_t *bytes = text.data;
    int status = buffer_append_u8(json, '"');
    for (size_t i = 0; i < text.size && status == NACRE_OK;) {
        size_t size = character(bytes + i, text.size - i);
        if (size == 0) {
            status = buffer_append_format(json, "\\\\x%02x", bytes[i]);
        } else if (bytes[i] < 0x20 || bytes[i] == 0x7f) {
            status = buffer_append_format(json, "\\u%04x", bytes[i]);
        } else if (bytes[i] == '"' || bytes[i] == '\\') {
            status = buffer_append_format(json, "\\%c", bytes[i]);
        } else {
            status = buffer_append(json, bytes + i, size);
        }
        i += size ? size : 1;
    }
    return status == NACRE_OK ? buffer_append_u8(json, '"') : status;
}

static int add_literals(struct buffer *json, const char *name, const struct literal_set *set)
{
    int status = buffer_append_format(json, ",\"%s\":[", name);
    for (uint32_t i = 0; i < set->count && status == NACRE_OK; i++) {
        if (i > 0) {
            status = buffer_append_u8(json, ',');
        }
        if (status == NACRE_OK) {
            status = add_text(json, slice_of(set->items[i].bytes, set->items[i].size));
        }
    }
    return status == NACRE_OK ? buffer_append_u8(json, ']') : status;
}

static const char *yes_or_no(bool yes)
{
    return yes ? "true" : "false";
}

static int add_analysis(struct buffer *json, const struct regex_analysis *analysis)
{
    static const char *const shapes[] = { "general", "nothing", "everything", "literals" };
    struct buffer grams = { 0 };
    int status = buffer_append_format(
        json, ",\"shape\":\"%s\",\"anchored\":%s,\"at_begin\":%s,\"at_end\":%s,\"least_bytes\":%llu",
        shapes[analysis->shape], yes_or_no(analysis->anchored), yes_or_no(analysis->at_begin),
        yes_or_no(analysis->at_end), (unsigned long long)analysis->least_bytes);
    if (status == NACRE_OK) {
        status = add_literals(json, "literals", &analysis->literals);
    }
    if (status == NACRE_OK) {
        bool folded = analysis->literals.count ? analysis->literals.folded : analysis->required.folded;
        status = buffer_append_format(json, ",\"folded\":%s,\"begin\":", yes_or_no(folded));
    }
    if (status == NACRE_OK) {
        status = add_text(json, slice_of(analysis->begin.bytes, analysis->begin.size));
    }
    if (status == NACRE_OK) {
        status = add_literals(json, "required", &analysis->required);
    }
    if (status == NACRE_OK) {
        status = gram_query_text(analysis->grams, &grams);
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(json, ",\"grams\":");
    }
    if (status == NACRE_OK) {
        status = add_text(json, buffer_slice(&grams));
    }
    buffer_free(&grams);
    return status;
}

static int add_memtable(struct buffer *json, const struct count_source *source)
{
    return buffer_append_format(json, "{\"keys\":%llu,\"matches\":%llu,\"keys_run\":%llu,\"strategy\":\"%s\"}",
                                (unsigned long long)source->entries, (unsigned long long)source->matches,
                                (unsigned long long)source->report.keys_run,
                                source->report.strategy ? source->report.strategy : "none");
}

static int add_segment(struct buffer *json, const struct count_source *source)
{
    static const char *const below[] = { "nothing", "lookups", "merged" };
    const struct search_report *r = &source->report;
    const struct segment *segment = source->piece->segment;
    return buffer_append_format(
        json,
        "{\"id\":\"%016llx\",\"level\":%u,\"strategy\":\"%s\",\"below\":\"%s\",\"indexed\":%s,\"keys\":%llu,\"blocks\":"
        "%llu,"
        "\"candidates\":%llu,\"signatures\":%llu,\"blocks_counted\":%llu,\"blocks_read\":%llu,\"bytes_read\":%llu,"
        "\"keys_run\":%llu,\"matches\":%llu}",
        (unsigned long long)segment->properties.id, source->level, r->strategy ? r->strategy : "none",
        below[source->below], yes_or_no(segment_has_index(segment)), (unsigned long long)r->keys,
        (unsigned long long)r->blocks, (unsigned long long)r->candidates, (unsigned long long)r->signatures,
        (unsigned long long)r->blocks_counted, (unsigned long long)r->blocks_read, (unsigned long long)r->bytes_read,
        (unsigned long long)r->keys_run, (unsigned long long)source->matches);
}

static int add_sources(struct buffer *json, const struct count_plan *plan, const char *name, bool memtables)
{
    int status = buffer_append_format(json, ",\"%s\":[", name);
    bool first = true;
    for (size_t i = 0; i < plan->source_count && status == NACRE_OK; i++) {
        const struct count_source *source = &plan->sources[i];
        if ((source->memtable != NULL) != memtables) {
            continue;
        }
        if (!first) {
            status = buffer_append_u8(json, ',');
        }
        first = false;
        if (status == NACRE_OK) {
            status = memtables ? add_memtable(json, source) : add_segment(json, source);
        }
    }
    return status == NACRE_OK ? buffer_append_u8(json, ']') : status;
}

static int describe(struct buffer *json, nacre_slice pattern, const struct regex *regex,
                    const struct count_result *result, uint64_t took_ns)
{
    int status = buffer_append_format(json, "{\"pattern\":");
    if (status == NACRE_OK) {
        status = add_text(json, pattern);
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(json, ",\"matches\":%llu,\"time_us\":%llu,\"threads\":%u",
                                      (unsigned long long)result->count, (unsigned long long)(took_ns / 1000),
                                      result->threads);
    }
    if (status == NACRE_OK) {
        status = add_analysis(json, regex_analysis(regex));
    }
    if (status == NACRE_OK) {
        status = add_sources(json, &result->plan, "memtables", true);
    }
    if (status == NACRE_OK) {
        status = add_sources(json, &result->plan, "segments", false);
    }
    return status == NACRE_OK ? buffer_append_format(json, "}") : status;
}

int collection_regex_explain(nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *options,
                             char **json)
{
    uint64_t began_ns = clock_monotonic_ns();
    struct search_stop stop;
    struct count_result result;
    struct regex *regex;
    struct buffer text = { 0 };
    int status = start_stop(&stop, options, began_ns);
    if (status != NACRE_OK || (status = search_compile(collection, pattern, options, &regex)) != NACRE_OK) {
        return status;
    }
    status = count_all(collection, regex, options, &stop, &result);
    if (status == NACRE_OK) {
        status = describe(&text, pattern, regex, &result, clock_monotonic_ns() - began_ns);
    }
    end_count(collection, &result);
    regex_free(regex);
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    *json = (char *)text.data;
    return NACRE_OK;
}

/* Telling what happened (see event.h). The logger's lines and the hook's events say the same. Any thread; no locks. */
#include "store/event.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include <stdio.h>

#define TEXT_BYTES 1024

static void send(const nacre_store *store, nacre_event event)
{
    if (store->hooks.on_event) {
        event.struct_size = sizeof event;
        event.reason = event.reason ? event.reason : "";
        store->hooks.on_event(store->hooks.event_context, &event);
    }
}

typedef unsigned long long number;

void event_sealed(const nacre_collection *collection, uint64_t bytes, uint64_t entries)
{
    const nacre_store *store = collection->store;
    char name[2 * NACRE_NAME_MAX + 8];
    log_line(store->logger, NACRE_LOG_INFO, "seal", "\"collection\":\"%s\",\"bytes\":%llu,\"entries\":%llu",
             log_escape(collection->name, name, sizeof name), (number)bytes, (number)entries);
    send(store, (nacre_event){
                    .type = NACRE_EVENT_SEAL, .collection = collection->name, .bytes_in = bytes, .entries = entries });
}

void event_work_done(const nacre_collection *collection, const struct tree_work_done *done)
{
    static const struct {
        const char *name;
        nacre_event_type type;
        enum latency_class class;
    } rows[] = { { "flush", NACRE_EVENT_FLUSH, LATENCY_memtable_flush },
                 { "merge", NACRE_EVENT_MERGE, LATENCY_merge_unit },
                 { "index", NACRE_EVENT_INDEX, LATENCY_index_build } };
    const nacre_store *store = collection->store;
    char name[2 * NACRE_NAME_MAX + 8];
    if (store_latencies(store)) {
        latency_record(store->latencies, rows[done->kind].class, done->ns);
    }
    log_line(store->logger, NACRE_LOG_INFO, rows[done->kind].name,
             "\"collection\":\"%s\",\"what\":\"%s\",\"bytes_in\":%llu,\"bytes_out\":%llu,\"entries\":%llu,\"us\":%llu",
             log_escape(collection->name, name, sizeof name), done->what, (number)done->bytes_in,
             (number)done->bytes_out, (number)done->entries, (number)(done->ns / 1000));
    send(store, (nacre_event){ .type = rows[done->kind].type,
                               .collection = collection->name,
                               .reason = done->what,
                               .bytes_in = done->bytes_in,
                               .bytes_out = done->bytes_out,
                               .entries = done->entries,
                               .duration_us = done->ns / 1000 });
}

/* A flush is told by who holds the collection's flush_lock, after that is let go (seal.c). */
void event_tree_done(void *store, void *owner, const struct tree_work_done *done)
{
    nacre_collection *collection = owner;
    (void)store;
    if (done->kind == TREE_FLUSHED) {
        collection->flushed = *done;
    } else {
        event_work_done(collection, done);
    }
}

void event_stall(nacre_store *store, enum stall_reason reason, bool begins, uint64_t ns)
{
    log_line(store->logger, begins ? NACRE_LOG_WARNING : NACRE_LOG_INFO, "stall",
             "\"on\":%s,\"reason\":\"%s\",\"us\":%llu", begins ? "true" : "false", stall_reason_text(reason),
             (number)(ns / 1000));
    send(store, (nacre_event){ .type = NACRE_EVENT_STALL,
                               .status = begins ? NACRE_BUSY : NACRE_OK,
                               .reason = stall_reason_text(reason),
                               .duration_us = ns / 1000 });
}

void event_recovered(nacre_store *store)
{
    const struct wal_replay_report *r = &store->recovery;
    log_line(store->logger, r->torn_bytes || r->damaged_regions ? NACRE_LOG_WARNING : NACRE_LOG_INFO, "recovery",
             "\"records\":%llu,\"bytes\":%llu,\"torn_bytes\":%llu,\"torn_records\":%llu,\"damaged_regions\":%llu,"
             "\"ms\":%llu",
             (number)r->records, (number)r->bytes, (number)r->torn_bytes, (number)r->torn_records,
             (number)r->damaged_regions, (number)(store->recovery_ns / 1000000));
    send(store, (nacre_event){ .type = NACRE_EVENT_RECOVERY,
                               .status = r->damaged_regions ? NACRE_CORRUPT : NACRE_OK,
                               .reason = r->damaged_regions ? r->damage : "",
                               .bytes_in = r->bytes,
                               .entries = r->records,
                               .duration_us = store->recovery_ns / 1000 });
}

void event_state(nacre_store *store, nacre_state state, int cause, const char *reason)
{
    static const char *const names[] = { "ok", "read_only", "failed" };
    char text[TEXT_BYTES];
    log_line(store->logger, state == NACRE_STATE_OK ? NACRE_LOG_INFO : NACRE_LOG_ERROR, "state",
             "\"state\":\"%s\",\"reason\":\"%s\"", names[state], log_escape(reason, text, sizeof text));
    send(store, (nacre_event){ .type = NACRE_EVENT_STATE, .status = cause, .reason = reason });
}

void event_failed(nacre_store *store, const nacre_collection *collection, const char *task, int status,
                  unsigned failures)
{
    char name[2 * NACRE_NAME_MAX + 8], text[TEXT_BYTES];
    log_line(store->logger, NACRE_LOG_ERROR, "background_error",
             "\"collection\":\"%s\",\"task\":\"%s\",\"status\":\"%s\",\"detail\":\"%s\",\"failures\":%u",
             log_escape(collection->name, name, sizeof name), task, nacre_status_name(status),
             log_escape(fail_detail(), text, sizeof text), failures);
    send(store, (nacre_event){ .type = NACRE_EVENT_ERROR,
                               .collection = collection->name,
                               .status = status,
                               .reason = fail_detail(),
                               .entries = failures });
}

void event_housekeeping_failed(nacre_store *store, int status)
{
    char text[TEXT_BYTES];
    log_line(store->logger, NACRE_LOG_WARNING, "housekeeping_error", "\"status\":\"%s\",\"detail\":\"%s\"",
             nacre_status_name(status), log_escape(fail_detail(), text, sizeof text));
    send(store, (nacre_event){ .type = NACRE_EVENT_ERROR, .status = status, .reason = fail_detail() });
}

void event_tuned(nacre_store *store, const char *name, uint64_t value, const char *why)
{
    char text[TEXT_BYTES], escaped[TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%s = %llu: %s", name, (number)value, why);
    log_line(store->logger, NACRE_LOG_INFO, "tune", "\"parameter\":\"%s\",\"value\":%llu,\"why\":\"%s\"", name,
             (number)value, log_escape(why, escaped, sizeof escaped));
    send(store, (nacre_event){ .type = NACRE_EVENT_TUNE, .reason = text });
}

uint64_t event_phase(const nacre_store *store, const char *phase, uint64_t began_ns)
{
    uint64_t now = clock_monotonic_ns();
    log_line(store->logger, NACRE_LOG_DEBUG, "open", "\"phase\":\"%s\",\"us\":%llu", phase,
             (number)((now - began_ns) / 1000));
    return now;
}

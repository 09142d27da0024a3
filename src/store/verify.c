/* Reads everything a store consists of and checks it. Writes nothing. */
#include "base/status.h"
#include "store/store.h"

struct verifying {
    nacre_verify_report *report;
    struct buffer damage;
};

static void note_damage(void *context, int status, const char *detail)
{
    struct verifying *verifying = context;
    (void)buffer_append_format(&verifying->damage, "%s: %s\n", nacre_status_name(status), detail);
    verifying->report->damaged++;
}

static int verify_collection(nacre_collection *collection, void *context)
{
    struct verifying *verifying = context;
    nacre_verify_report *report = verifying->report;
    return tree_verify(collection->tree, note_damage, verifying, &report->files, &report->bytes, &report->entries);
}

static int count_record(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload)
{
    nacre_verify_report *report = context;
    (void)begin, (void)end, (void)sequence;
    report->bytes += payload.size;
    return NACRE_OK;
}

static int verify_log(nacre_store *store, struct verifying *verifying, const struct manifest_state *state)
{
    struct wal_replay_report replayed;
    struct wal_replay_options options = { .os = store->os,
                                          .directory = store->log_path,
                                          .from = WAL_POSITION(state->next_log_file, 0),
                                          .clean_end = state->clean_log_end,
                                          .end = store->wal ? wal_end(store->wal) : 0 };
    int status = wal_replay(&options, count_record, verifying->report, &replayed);
    if (status == NACRE_CORRUPT) {
        note_damage(verifying, status, fail_detail());
        return NACRE_OK;
    }
    verifying->report->files += status == NACRE_OK;
    return status;
}

int store_verify(nacre_store *store, nacre_verify_report *report)
{
    struct verifying verifying = { .report = report };
    struct manifest_state state = { 0 };
    report->files = report->bytes = report->entries = report->damaged = 0;
    report->damage = NULL;
    pthread_mutex_lock(&store->house_lock); /* no log file goes meanwhile */
    int status = manifest_verify(store->os, store->path, &state);
    if (status == NACRE_CORRUPT) {
        note_damage(&verifying, status, fail_detail());
        status = manifest_copy_state(store->manifest, &state);
    }
    report->files++;
    if (status == NACRE_OK) {
        status = verify_log(store, &verifying, &state);
    }
    pthread_mutex_unlock(&store->house_lock);
    if (status == NACRE_OK) {
        status = store_each_collection(store, verify_collection, &verifying);
    }
    manifest_state_free(&state);
    if (status != NACRE_OK) {
        buffer_free(&verifying.damage);
        return status;
    }
    report->damage = (char *)verifying.damage.data;
    return report->damaged
               ? fail(NACRE_CORRUPT, "%llu damaged places; the report lists them", (unsigned long long)report->damaged)
               : NACRE_OK;
}

/* Reads everything a store consists of and checks it. Writes nothing. */
#include "base/hash.h"
#include "base/status.h"
#include "store/values.h"

struct verifying {
    nacre_verify_report *report;
    struct buffer damage;
    struct buffer told; /* hashes of its lines */
};

/* Once, however many entries point to one missing file. */
static void note_damage(void *context, int status, const char *detail)
{
    struct verifying *verifying = context;
    uint64_t hash = hash_bytes(detail, strlen(detail)), known;
    (void)status;
    for (size_t at = 0; at < verifying->told.size; at += sizeof known) {
        memcpy(&known, verifying->told.data + at, sizeof known);
        if (known == hash) {
            return;
        }
    }
    (void)buffer_append(&verifying->told, &hash, sizeof hash);
    (void)buffer_append_format(&verifying->damage, "%s\n", detail);
    verifying->report->damaged++;
}

static void note_left_out(const nacre_store *store, struct verifying *verifying)
{
    const char *text;
    for (size_t at = 0; at < store->left_out.size; at += strlen(text) + 1) {
        text = (const char *)store->left_out.data + at;
        note_damage(verifying, NACRE_CORRUPT, text);
    }
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

/* A reader's log may be pruned while it is read: then it is read again from where the manifest says now. *moved: so it was. */
static int look_for_prune(const nacre_store *store, struct manifest_state *state, bool *moved)
{
    struct manifest_state now = { 0 };
    char damage[1024];
    size_t size = strnlen(fail_detail(), sizeof damage - 1);
    memcpy(damage, fail_detail(), size);
    damage[size] = 0;
    *moved = false;
    if (!store->read_only) {
        return NACRE_OK;
    }
    int status = manifest_verify(store->os, store->path, &now);
    if (status == NACRE_OK && now.next_log_file != state->next_log_file) {
        manifest_state_free(state);
        *state = now;
        *moved = true;
        return NACRE_OK;
    }
    manifest_state_free(&now);
    return status == NACRE_OK ? fail(NACRE_CORRUPT, "%s", damage) : status;
}

static int verify_log(nacre_store *store, struct verifying *verifying, struct manifest_state *state)
{
    struct wal_replay_report replayed;
    uint64_t bytes = verifying->report->bytes;
    bool moved = false;
    int status;
    do {
        verifying->report->bytes = bytes;
        struct wal_replay_options options = { .os = store->os,
                                              .directory = store->log_path,
                                              .from = WAL_POSITION(state->next_log_file, 0),
                                              .clean_end = state->clean_log_end,
                                              .end = store->wal ? wal_end(store->wal) : 0 };
        status = wal_replay(&options, count_record, verifying->report, &replayed);
        if (status == NACRE_CORRUPT) {
            int looked = look_for_prune(store, state, &moved);
            status = looked == NACRE_OK ? status : looked;
        }
    } while (status == NACRE_CORRUPT && moved);
    if (status == NACRE_CORRUPT) {
        note_damage(verifying, status, fail_detail());
        return NACRE_OK;
    }
    verifying->report->files += status == NACRE_OK;
    return status;
}

/* Manifest and log; no log file goes meanwhile, by this opening's house_lock or, as far as the writer lets it, by a reader's pin. */
static int verify_written(nacre_store *store, struct verifying *verifying)
{
    struct manifest_state state = { 0 };
    struct pins pins = { .file = NULL };
    if (store->read_only) {
        pins_open(&pins, store->os, store->path); /* a handle of its own: a refresh sets and clears the same byte */
    }
    int status = pins_set(&pins, PIN_READING, true);
    if (status == NACRE_OK) {
        pthread_mutex_lock(&store->house_lock);
        status = manifest_verify(store->os, store->path, &state);
        if (status == NACRE_CORRUPT) {
            note_damage(verifying, status, fail_detail());
            status = manifest_copy_state(store->manifest, &state);
        }
        verifying->report->files++;
        if (status == NACRE_OK) {
            status = verify_log(store, verifying, &state);
        }
        pthread_mutex_unlock(&store->house_lock);
    }
    pins_close(&pins);
    manifest_state_free(&state);
    return status;
}

int store_verify(nacre_store *store, nacre_verify_report *report)
{
    struct verifying verifying = { .report = report };
    report->files = report->bytes = report->entries = report->damaged = 0;
    report->damage = NULL;
    note_left_out(store, &verifying);
    int status = verify_written(store, &verifying);
    if (status == NACRE_OK) {
        status = store_each_collection(store, verify_collection, &verifying);
    }
    if (status == NACRE_OK) {
        status = verify_values(store, note_damage, &verifying, report);
    }
    buffer_free(&verifying.told);
    if (status != NACRE_OK) {
        buffer_free(&verifying.damage);
        return status;
    }
    report->damage = (char *)verifying.damage.data;
    return report->damaged
               ? fail(NACRE_CORRUPT, "%llu damaged places; the report lists them", (unsigned long long)report->damaged)
               : NACRE_OK;
}

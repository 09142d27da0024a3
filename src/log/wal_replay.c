/* Reading the log back: follows the chain of files from `from`, hands out good records in order, and judges the first bad place.

   Invariants:
   1. The chain: the file after A is the one with the greatest number whose header names A as its predecessor. Others between them are spares
      that were given up before anything was written to them.
   2. A file goes on in the next one only behind an end record, or where the next one's header says that the tail was given up.
   3. A bad place is damage when something says that it was durable: the manifest's clean end, a later record or header, an end
      record behind which a durable header must follow, a file that names a missing one. Else it is the first hole in what never was durable: it and all behind it was never
      promised, and is left out, even where records behind it look good.
   4. Records are handed out only in the order of positions, and only behind good ones (salvage excepted).

   One thread; the log may be written meanwhile only where `end` is given. No locks. */
#include "log/wal_replay.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/status.h"
#include <stdarg.h>
#include <stdio.h>

struct walk {
    bool entered; /* `index` is a file of the log */
    struct replay *r;
    const struct wal_replay_options *options;
    wal_visitor *visit;
    void *context;
    size_t index;      /* the file being read */
    uint64_t offset;   /* the next record */
    uint64_t stop;     /* from here on the file is void; UINT64_MAX = nowhere */
    bool ended;        /* behind its end record */
    bool next_durable; /* as that record says */
    bool finished;
    bool complete; /* where the walk stands the log ends */
};

/* Where the chain of good records broke. */
struct bad_place {
    size_t index; /* the file that is bad or comes after what is missing */
    uint64_t offset;
    wal_position position;
    bool proven;  /* it was durable, whatever later records say */
    bool unclean; /* something was written there */
    bool hollow;  /* a good record that speaks of something that is not there */
    char text[320];
};

__attribute__((format(printf, 2, 3))) static void describe(struct bad_place *bad, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(bad->text, sizeof bad->text, format, arguments);
    va_end(arguments);
}

static void describe_record(struct bad_place *bad, const struct replay_file *file, enum wal_check check,
                            const struct wal_record *record)
{
    char name[32];
    replay_name(file, name);
    bad->unclean = check != WAL_ABSENT;
    if (check == WAL_ABSENT) {
        describe(bad, "%s: offset %llu: a record was expected, found none", name, (unsigned long long)bad->offset);
    } else if (check == WAL_CUT_SHORT) {
        describe(bad, "%s: offset %llu: %s: expected %llu, found %llu", name, (unsigned long long)bad->offset,
                 wal_check_text(check), (unsigned long long)record->expected, (unsigned long long)record->found);
    } else {
        describe(bad, "%s: offset %llu: %s: expected %016llx, found %016llx", name, (unsigned long long)bad->offset,
                 wal_check_text(check), (unsigned long long)record->expected, (unsigned long long)record->found);
    }
}

/* Invariant 1; count when there is none. `number` 0 and a floor: the first file of the chain. */
static size_t file_after(const struct replay *r, uint32_t number, uint32_t floor)
{
    for (size_t i = r->count; i-- > 0;) {
        const struct wal_header *header = &r->files[i].header;
        if (r->files[i].header_good && (floor ? header->previous < floor : header->previous == number)) {
            return i;
        }
    }
    return r->count;
}

/* The chain breaks before files[index]. */
static void break_before(const struct replay *r, size_t index, bool proven, struct bad_place *bad)
{
    const struct replay_file *file = &r->files[index];
    char name[32];
    *bad = (struct bad_place){ .index = index, .position = WAL_POSITION(file->number, 0), .proven = proven };
    if (!file->header_good) {
        describe(bad, "%s", file->header_damage);
        return;
    }
    bad->position = WAL_POSITION(file->header.previous, 0);
    bad->proven = true; /* names are durable before files are used */
    describe(bad, "log file " WAL_FILE_NAME " is missing: %s names it as the one before", file->header.previous,
             replay_name(file, name));
}

/* Files that were passed over hold nothing. */
static int check_skipped(struct walk *w, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const struct replay_file *file = &w->r->files[i];
        uint8_t bytes[WAL_RECORD_HEADER_BYTES];
        struct wal_record record;
        size_t got = 0;
        char name[32];
        int status = w->r->os->read(file->handle, WAL_HEADER_BYTES, bytes, sizeof bytes, &got);
        if (status != NACRE_OK) {
            return status;
        }
        enum wal_check check =
            wal_header_check(bytes, got, WAL_POSITION(file->number, WAL_HEADER_BYTES), file->size, &record);
        if (check == WAL_GOOD && !w->options->salvage) {
            return fail(NACRE_CORRUPT,
                        "%s: offset %u: a file outside of the log was expected to be empty, found a record",
                        replay_name(file, name), WAL_HEADER_BYTES);
        }
    }
    return NACRE_OK;
}

/* Makes the record at `offset`, as long as it says it is, readable. */
static int read_record(struct replay *r, struct replay_file *file, uint64_t offset)
{
    uint64_t body = offset + WAL_RECORD_HEADER_BYTES;
    int status = replay_need(r, file, body);
    uint32_t length = status == NACRE_OK && body <= file->there ? load_u32(file->bytes + offset + 24) : 0;
    return status == NACRE_OK && length != WAL_END_LENGTH ? replay_need(r, file, body + length) : status;
}

/* The record where the walk stands is good, but what it speaks of is not there, as the detail says. */
static void describe_hollow(const struct walk *w, wal_position at, struct bad_place *bad)
{
    char name[32];
    *bad =
        (struct bad_place){ .index = w->index, .offset = w->offset, .position = at, .unclean = true, .hollow = true };
    describe(bad, "%s: offset %llu: %s", replay_name(&w->r->files[w->index], name), (unsigned long long)bad->offset,
             fail_detail());
}

/* Hands out records until the file's end record or a bad place. */
static int read_file(struct walk *w, struct bad_place *bad)
{
    struct replay *r = w->r;
    struct replay_file *file = &r->files[w->index];
    int status = NACRE_OK;
    while (status == NACRE_OK) {
        struct wal_record record;
        wal_position at = WAL_POSITION(file->number, w->offset);
        if (at >= r->end) {
            w->finished = true;
            return NACRE_OK;
        }
        if ((!file->bytes || file->there < file->size) && (status = read_record(r, file, w->offset)) != NACRE_OK) {
            return status;
        }
        enum wal_check check = wal_record_check(file->bytes, file->size, at, &record);
        if (check != WAL_GOOD || w->offset >= w->stop) {
            *bad = (struct bad_place){ .index = w->index, .offset = w->offset, .position = at };
            describe_record(bad, file, check, &record);
            return NACRE_OK;
        }
        bool counts = !record.is_end && !record.is_filler && at >= w->options->from;
        nacre_slice payload = slice_of(file->bytes + w->offset + WAL_RECORD_HEADER_BYTES, counts ? record.length : 0);
        if (counts && w->options->check) {
            status = w->options->check(w->context, at, payload);
            if (status == NACRE_CORRUPT) {
                describe_hollow(w, at, bad);
                return NACRE_OK;
            }
        }
        w->offset = record.next;
        if (record.is_end) {
            w->ended = true;
            w->next_durable = record.sequence == 1;
            return NACRE_OK;
        }
        if (!counts || status != NACRE_OK) {
            continue;
        }
        r->report->records++;
        r->report->bytes += record.length;
        status = w->visit(w->context, at, WAL_POSITION(file->number, record.next), record.sequence, payload);
    }
    return status;
}

static void enter_file(struct walk *w, size_t index)
{
    w->index = index;
    w->entered = true;
    w->offset = WAL_HEADER_BYTES;
    w->stop = UINT64_MAX;
    for (size_t i = index + 1; i < w->r->count; i++) {
        wal_position from = w->r->files[i].header.void_from;
        if (from != 0 && WAL_FILE(from) == w->r->files[index].number && WAL_OFFSET(from) < w->stop) {
            w->stop = WAL_OFFSET(from);
        }
    }
    w->ended = w->next_durable = false;
}

/* A log that is being written may have gone on since its files were listed. */
static int has_grown(const struct walk *w, bool *grown)
{
    const struct replay *r = w->r;
    uint32_t number = r->files[w->index].number;
    struct wal_replay_report report = { 0 };
    struct replay now = { .os = r->os, .directory = r->directory, .report = &report, .end = r->end };
    *grown = false;
    if (w->options->truncate || w->options->salvage) {
        return NACRE_OK; /* nobody else writes */
    }
    int status = replay_load(&now, number, false);
    *grown = status == NACRE_OK && file_after(&now, number, 0) < now.count;
    replay_unload(&now);
    return status;
}

/* The listed files end in a bad place: or, where the log has grown, just here. */
static int find_growth(struct walk *w, bool *broken)
{
    bool grown = false;
    int status = has_grown(w, &grown);
    *broken = !grown;
    w->finished = w->finished || grown; /* at the end record: a tail goes on from there */
    return status;
}

/* Behind an end record: on to the next file, or the end of the log, or a bad place. */
static int go_on(struct walk *w, bool *broken, struct bad_place *bad)
{
    struct replay *r = w->r;
    size_t current = w->index, next = file_after(r, r->files[current].number, 0);
    *broken = false;
    if (next < r->count) {
        enter_file(w, next);
        return check_skipped(w, current + 1, next);
    }
    for (next = current + 1; next < r->count; next++) {
        if (!r->files[next].header_good || r->files[next].header.previous > r->files[current].number) {
            break_before(r, next, w->next_durable, bad);
            return find_growth(w, broken);
        }
    }
    if (w->next_durable) {
        *bad = (struct bad_place){ .index = r->count,
                                   .position = WAL_POSITION(r->files[current].number + 1, 0),
                                   .proven = true };
        describe(bad, "the log file after " WAL_FILE_NAME " is missing", r->files[current].number);
        return find_growth(w, broken);
    }
    w->finished = w->complete = true;
    return check_skipped(w, current + 1, r->count);
}

/* What stands at and behind the bad place: how much, and how far any of it says the log was durable. */
static int survey(struct replay *r, const struct bad_place *bad, wal_position *durable, uint64_t *bytes,
                  uint64_t *records)
{
    *durable = r->durable;
    *bytes = *records = 0;
    for (size_t i = bad->index; i < r->count && *durable <= bad->position; i++) {
        struct scan_result found;
        uint64_t offset = i == bad->index && bad->offset > WAL_HEADER_BYTES ? bad->offset : WAL_HEADER_BYTES;
        int status = replay_scan(r, &r->files[i], offset, bad->position, &found);
        if (status != NACRE_OK) {
            return status;
        }
        *durable = found.durable > *durable ? found.durable : *durable;
        *bytes += found.content_end - offset;
        if (i == bad->index && bad->unclean && *bytes == 0) {
            *bytes = WAL_RECORD_HEADER_BYTES; /* at least */
        }
        *records += found.records;
    }
    return NACRE_OK;
}

/* A later file whose header gives up the log's tail from before `position`; count when there is none. */
static size_t resumed_in(const struct replay *r, wal_position position)
{
    for (size_t i = r->count; i-- > 0;) {
        const struct wal_header *header = &r->files[i].header;
        if (header->undecided != 0 && header->undecided <= position && position < WAL_POSITION(header->number, 0)) {
            return i;
        }
    }
    return r->count;
}

/* A log that is being written may have been looked at in the middle of an append: what was read there is read again. */
static bool is_good_by_now(struct walk *w, const struct bad_place *bad)
{
    struct wal_record record;
    struct replay_file *file = &w->r->files[bad->index];
    if (bad->hollow || bad->offset < WAL_HEADER_BYTES || !file->read || bad->offset > file->there) {
        return false;
    }
    file->there = bad->offset;
    return read_record(w->r, file, bad->offset) == NACRE_OK &&
           wal_record_check(file->bytes, file->size, bad->position, &record) == WAL_GOOD;
}

static void note_damage(struct walk *w, const struct bad_place *bad, wal_position durable)
{
    struct wal_replay_report *report = w->r->report;
    char text[sizeof report->damage], escaped[2 * sizeof text];
    if (bad->proven) {
        (void)snprintf(text, sizeof text, "%s", bad->text);
    } else {
        (void)snprintf(text, sizeof text, "%s; the log was durable up to file %08x, offset %u", bad->text,
                       WAL_FILE(durable), WAL_OFFSET(durable));
    }
    if (report->damaged_regions++ == 0) {
        memcpy(report->damage, text, sizeof text);
    }
    log_line(w->r->logger, NACRE_LOG_ERROR, "log_damage", "\"detail\":\"%s\"",
             log_escape(text, escaped, sizeof escaped));
    (void)fail(NACRE_CORRUPT, "%s", text);
}

static void tell_damage(const struct walk *w, const struct bad_place *bad, uint64_t bytes)
{
    if (w->options->damaged) {
        w->options->damaged(w->context, bad->position, bytes, bad->text);
    }
}

/* Salvage, a bad place among the records of a file: goes on with the next good one, or as if the file ended here. */
static int skip_records(struct walk *w, const struct bad_place *bad)
{
    struct replay *r = w->r;
    struct replay_file *file = &r->files[bad->index];
    uint64_t found;
    int status = replay_need(r, file, UINT64_MAX);
    if (status == NACRE_OK) {
        status = replay_keep_copy(r, file);
    }
    if (status != NACRE_OK) {
        return status;
    }
    bool any = replay_next_good(file, bad->offset + WAL_RECORD_HEADER_BYTES, &found);
    tell_damage(w, bad, any ? found - bad->offset : 0);
    if (any) {
        w->offset = found;
        return w->options->truncate ? replay_cover(r, file, bad->offset, found) : NACRE_OK;
    }
    w->offset = bad->offset + WAL_RECORD_HEADER_BYTES;
    w->ended = true;
    w->next_durable = false;
    return w->options->truncate ? replay_end(r, file, bad->offset) : NACRE_OK;
}

/* Salvage, a broken chain: goes on with the file behind the break, or ends the log before it. */
static int skip_break(struct walk *w, const struct bad_place *bad)
{
    struct replay *r = w->r;
    uint32_t previous = w->entered ? r->files[w->index].number : 0;
    tell_damage(w, bad, 0);
    if (bad->index == r->count) {
        w->finished = true;
        w->complete = w->entered;
        w->offset -=
            w->entered ? WAL_RECORD_HEADER_BYTES : 0; /* an end record that names no next file takes its place */
        w->ended = false;
        return NACRE_OK;
    }
    struct replay_file *file = &r->files[bad->index];
    int status = file->header_good ? NACRE_OK : replay_keep_copy(r, file);
    if (status == NACRE_OK && w->options->truncate) {
        status = replay_relink(r, file, previous);
    }
    enter_file(w, bad->index);
    return status;
}

/* Invariant 3. */
static int judge(struct walk *w, const struct bad_place *bad)
{
    struct replay *r = w->r;
    wal_position durable;
    uint64_t bytes, records;
    if (bad->position >= r->end) {
        w->finished = true;
        return NACRE_OK;
    }
    size_t resumed = resumed_in(r, bad->position);
    if (resumed < r->count) {
        enter_file(w, resumed);
        return NACRE_OK;
    }
    int status = survey(r, bad, &durable, &bytes, &records);
    if (status != NACRE_OK) {
        return status;
    }
    bool goes_on = w->options->keep_all && records > 0 && !bad->hollow;
    if (bad->proven || durable > bad->position || goes_on) {
        if (is_good_by_now(w, bad)) {
            return NACRE_OK; /* the walk stands before it still */
        }
        note_damage(w, bad, durable);
        if (!w->options->salvage) {
            return NACRE_CORRUPT;
        }
        return bad->offset < WAL_HEADER_BYTES ? skip_break(w, bad) : skip_records(w, bad);
    }
    r->report->torn_bytes = bytes;
    r->report->torn_records = records;
    if (bytes) {
        r->report->torn_at = bad->position;
        log_line(r->logger, NACRE_LOG_WARNING, "log_tail_cut",
                 "\"file\":\"%08x\",\"offset\":%u,\"bytes\":%llu,\"records\":%llu", WAL_FILE(bad->position),
                 WAL_OFFSET(bad->position), (unsigned long long)bytes, (unsigned long long)records);
    }
    w->index = bad->index;
    w->offset = bad->offset;
    w->ended = false;
    w->finished = w->complete = true;
    return NACRE_OK;
}

static int walk_all(struct walk *w)
{
    struct bad_place bad;
    int status = NACRE_OK;
    while (status == NACRE_OK && !w->finished) {
        bool broken = false;
        if (!w->ended) {
            status = read_file(w, &bad);
            broken = status == NACRE_OK && !w->ended;
        }
        if (status == NACRE_OK && w->ended && !w->finished) {
            status = go_on(w, &broken, &bad);
        }
        if (status == NACRE_OK && broken && !w->finished) {
            status = judge(w, &bad);
        }
    }
    return status;
}

/* A position whose record was laid over or cut off by salvage lies inside of a filler or behind the file's end record: then the walk stands
   behind these. */
static int settle_start(struct walk *w)
{
    struct replay_file *file = &w->r->files[w->index];
    struct wal_record record;
    int status = replay_need(w->r, file, file->size);
    if (status != NACRE_OK ||
        wal_record_check(file->bytes, file->size, WAL_POSITION(file->number, w->offset), &record) == WAL_GOOD) {
        return status;
    }
    uint64_t at = WAL_HEADER_BYTES;
    while (at < w->offset) {
        if (wal_record_check(file->bytes, file->size, WAL_POSITION(file->number, at), &record) != WAL_GOOD) {
            return NACRE_OK;
        }
        at = record.next;
        if (record.is_end) {
            w->ended = true;
            w->next_durable = record.sequence == 1;
            break;
        }
    }
    w->offset = record.is_filler || record.is_end ? at : w->offset;
    return NACRE_OK;
}

/* Stands the walk before the first record at or after `from`; a bad place where there is none. */
static int find_start(struct walk *w, wal_position from, struct bad_place *bad, bool *broken)
{
    struct replay *r = w->r;
    uint32_t number = WAL_FILE(from) ? WAL_FILE(from) : 1;
    size_t first = file_after(r, 0, number);
    *broken = first == r->count;
    if (*broken) {
        if (r->count) {
            break_before(r, 0, false, bad);
        } else {
            *bad = (struct bad_place){ .position = WAL_POSITION(number, 0) };
            describe(bad, "log file " WAL_FILE_NAME " is missing", number);
        }
        return NACRE_OK;
    }
    enter_file(w, first);
    if (r->files[first].number != WAL_FILE(from) || WAL_OFFSET(from) <= WAL_HEADER_BYTES) {
        return NACRE_OK;
    }
    w->offset = WAL_OFFSET(from);
    return settle_start(w);
}

/* What was handed out must be durable before anything is appended behind it. */
static int make_durable(struct walk *w)
{
    struct replay *r = w->r;
    int status = replay_cut(r, w->index, w->offset, w->ended);
    for (size_t i = 0; status == NACRE_OK && i < w->index && i < r->count; i++) {
        if (r->files[i].number >= WAL_FILE(w->options->clean_end) || r->report->damaged_regions) {
            status = r->os->sync(r->files[i].handle);
        }
    }
    return status;
}

int wal_replay(const struct wal_replay_options *options, wal_visitor *visit, void *context,
               struct wal_replay_report *report)
{
    *report = (struct wal_replay_report){ 0 };
    struct replay r = {
        .os = options->os, .directory = options->directory, .logger = options->logger, .report = report
    };
    struct walk w = { .r = &r, .options = options, .visit = visit, .context = context };
    struct bad_place bad;
    r.end = options->end ? options->end : UINT64_MAX;
    r.durable = options->clean_end > options->end ? options->clean_end : options->end;
    if (WAL_OFFSET(r.durable) <= WAL_HEADER_BYTES) {
        r.durable = WAL_POSITION(WAL_FILE(r.durable), 0); /* of a file without records nothing need be there */
    }
    bool broken = false;
    int status = replay_load(&r, WAL_FILE(options->from), options->truncate);
    if (status == NACRE_OK) {
        status = find_start(&w, options->from, &bad, &broken);
    }
    if (status == NACRE_OK && broken) {
        status = judge(&w, &bad);
    }
    if (status == NACRE_OK) {
        status = walk_all(&w);
    }
    if (w.entered && w.index < r.count) {
        report->end = WAL_POSITION(r.files[w.index].number, w.offset);
        report->ended = w.ended;
    }
    if (options->finish) {
        int finished = options->finish(context);
        status = status == NACRE_OK ? finished : status;
    }
    if (status == NACRE_OK && options->truncate && w.complete && r.count > 0) {
        status = make_durable(&w);
    }
    replay_unload(&r);
    return status;
}

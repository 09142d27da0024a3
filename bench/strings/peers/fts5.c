/* SQLite's FTS5 with its trigram tokenizer, for literals of three characters and more. The index knows upper from lower case, so that a literal is one phrase and no row has
   to be read; an anchor is checked on the rows. Making the index takes minutes. */
#include "machine.h"
#include "measure.h"
#include "peer.h"
#include "support.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fts5 {
    char path[PATH_SIZE + 16];
    sqlite3 *database;
    sqlite3_stmt *statement;
};

static void check(struct fts5 *peer, int code, const char *what)
{
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) {
        die("sqlite: %s: %s", what, sqlite3_errmsg(peer->database));
    }
}

static void fts5_version(char *text, size_t size)
{
    if (sqlite3_compileoption_used("ENABLE_FTS5")) {
        snprintf(text, size, "SQLite %s FTS5 trigram", sqlite3_libversion());
    }
}

static void run(struct fts5 *peer, const char *statement)
{
    check(peer, sqlite3_exec(peer->database, statement, NULL, NULL, NULL), statement);
}

static void insert_lines(struct fts5 *peer, const struct corpus *corpus)
{
    sqlite3_stmt *insert;
    check(peer, sqlite3_prepare_v2(peer->database, "INSERT INTO lines VALUES (?)", -1, &insert, NULL), "insert");
    for (const char *at = corpus->bytes, *end; at < corpus->bytes + corpus->size; at = end + 1) {
        end = line_end(corpus, at);
        check(peer, sqlite3_bind_text(insert, 1, at, (int)(end - at), SQLITE_STATIC), "bind");
        check(peer, sqlite3_step(insert), "insert");
        check(peer, sqlite3_reset(insert), "insert");
    }
    sqlite3_finalize(insert);
}

static void *fts5_open(const struct corpus *corpus, const char *directory)
{
    struct fts5 *peer = allocate(sizeof *peer);
    snprintf(peer->path, sizeof peer->path, "%s/fts5.db", directory);
    unlink(peer->path);
    check(peer, sqlite3_open(peer->path, &peer->database), "open");
    run(peer, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; PRAGMA mmap_size = "
              "4294967296");
    run(peer, "CREATE VIRTUAL TABLE lines USING fts5(line, tokenize = 'trigram case_sensitive 1')");
    run(peer, "BEGIN");
    insert_lines(peer, corpus);
    run(peer, "COMMIT; INSERT INTO lines(lines) VALUES ('optimize')");
    return peer;
}

static void fts5_close(void *opaque)
{
    struct fts5 *peer = opaque;
    sqlite3_close(peer->database);
    unlink(peer->path);
    free(peer);
}

static uint64_t fts5_bytes(void *opaque)
{
    const struct fts5 *peer = opaque;
    struct stat status;
    return stat(peer->path, &status) == 0 ? (uint64_t)status.st_blocks * 512 : 0;
}

static bool fts5_prepare(void *opaque, const struct query *query)
{
    struct fts5 *peer = opaque;
    struct query_literal literal;
    if (!query_literal(query->pattern, &literal) || literal.ignore_case || literal.size < 3 ||
        strpbrk(literal.bytes, "\"*?[") != NULL) {
        return false;
    }
    bool anchored = literal.at_begin || literal.at_end;
    char phrase[QUERY_LITERAL_MAX + 8], glob[QUERY_LITERAL_MAX + 8];
    snprintf(phrase, sizeof phrase, "\"%s\"", literal.bytes);
    snprintf(glob, sizeof glob, "%s%s%s", literal.at_begin ? "" : "*", literal.bytes, literal.at_end ? "" : "*");
    const char *text = anchored ? "SELECT count(*) FROM lines WHERE lines MATCH ?1 AND line GLOB ?2"
                                : "SELECT count(*) FROM lines WHERE lines MATCH ?1";
    check(peer, sqlite3_prepare_v2(peer->database, text, -1, &peer->statement, NULL), text);
    check(peer, sqlite3_bind_text(peer->statement, 1, phrase, -1, SQLITE_TRANSIENT), "bind");
    if (anchored) {
        check(peer, sqlite3_bind_text(peer->statement, 2, glob, -1, SQLITE_TRANSIENT), "bind");
    }
    return true;
}

static uint64_t fts5_count(void *opaque)
{
    struct fts5 *peer = opaque;
    check(peer, sqlite3_step(peer->statement), "select");
    uint64_t count = (uint64_t)sqlite3_column_int64(peer->statement, 0);
    check(peer, sqlite3_reset(peer->statement), "select");
    return count;
}

static void fts5_finish(void *opaque)
{
    struct fts5 *peer = opaque;
    sqlite3_finalize(peer->statement);
    peer->statement = NULL;
}

const struct peer peer_fts5 = {
    .name = "fts5",
    .by_default = false,
    .version = fts5_version,
    .open = fts5_open,
    .close = fts5_close,
    .index_bytes = fts5_bytes,
    .prepare = fts5_prepare,
    .count = fts5_count,
    .finish = fts5_finish,
};

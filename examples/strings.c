/* Keys that are searched by regular expressions: a collection of kind strings, a cursor over what matches, a count, how it was done, and a
   pattern out of somebody's hands. */
#include "example.h"

static nacre_collection *paths_of(nacre_store *store)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *paths = NULL;
    options.kind = NACRE_STRINGS;
    int status = nacre_collection_create(store, "paths", &options, &paths);
    if (status == NACRE_EXISTS)
        status = nacre_collection_open(store, "paths", &paths);
    must(status, "collection");
    return paths;
}

static void print_matches(nacre_collection *paths, const char *pattern)
{
    nacre_cursor *cursor;
    must(nacre_regex_scan(paths, text(pattern), NULL, &cursor), "regex_scan");
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor);
        printf("  %.*s\n", (int)key.size, (const char *)key.data);
    }
    must(nacre_cursor_status(cursor), "cursor");
    nacre_cursor_close(cursor);
}

/* In any case, of what lies beneath /usr/, for at most a second. */
static uint64_t count_readmes(nacre_collection *paths)
{
    nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
    uint64_t count;
    options.ignore_case = true;
    options.begin = text("/usr/");
    options.end = text("/usr0"); /* '0' comes after '/' */
    options.timeout_ms = 1000;
    must(nacre_regex_count(paths, text("readme(\\.md)?$"), &options, &count), "regex_count");
    return count;
}

static void show_match(const char *pattern, const char *key)
{
    size_t begin, size;
    must(nacre_regex_find(text(pattern), NULL, text(key), 0, &begin, &size), "regex_find");
    printf("%.*s[%.*s]%s\n", (int)begin, key, (int)size, key + begin, key + begin + size);
}

int main(void)
{
    static const char *const keys[] = { "/etc/hosts",          "/usr/bin/ls",          "/usr/lib/libz.so.1",
                                        "/usr/lib/libzstd.so", "/usr/share/README.md", "/usr/share/doc/zlib/readme" };
    nacre_store *store;
    must(nacre_open("strings.nacre", NULL, &store), "open");
    nacre_collection *paths = paths_of(store);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        must(nacre_put(paths, text(keys[i]), text(""), NULL), "put");

    printf("libraries:\n");
    print_matches(paths, "/lib[a-z]+\\.so(\\.[0-9]+)?$");
    printf("read-mes: %d\n", (int)count_readmes(paths));
    check(count_readmes(paths) == 2, "one in capitals, one not");

    char *json;
    must(nacre_regex_explain(paths, text("^/usr/.*z"), NULL, &json), "regex_explain");
    printf("how: %.60s...\n", json);
    nacre_free(json);

    size_t position;
    int status = nacre_regex_check(text("lib(z"), NULL, &position);
    check(status == NACRE_INVALID, "a group is not closed");
    printf("refused: %s\n", nacre_last_error());
    show_match("z[^/]*\\.so", "/usr/lib/libzstd.so");

    nacre_collection_close(paths);
    must(nacre_close(store), "close");
    return 0;
}

/* One process writes, others read beside it: an opening with read_only sees the store as it was then, and a refresh brings it to what the writer has
   done since. */
#include "example.h"
#include <sys/wait.h>
#include <unistd.h>

static const char *const path = "reader.nacre";

/* Waits for the entry "done", and tells what came before it. */
static int follow(void)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    nacre_collection *log;
    nacre_value value;
    options.read_only = true;
    must(nacre_open(path, &options, &store), "open for reading");
    must(nacre_collection_open(store, "log", &log), "collection");
    while (nacre_get(log, text("done"), NULL, &value) == NACRE_NOT_FOUND) {
        usleep(1000);
        must(nacre_refresh(store), "refresh");
    }
    printf("the reader sees: %.*s\n", (int)value.slice.size, (const char *)value.slice.data);
    nacre_value_release(&value);
    nacre_collection_close(log);
    return nacre_close(store);
}

int main(void)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    int ended = 1;
    options.durability = NACRE_OS;
    must(nacre_open(path, &options, &store), "open");
    nacre_collection *log = collection(store, "log");
    must(nacre_delete(log, text("done"), NULL), "delete");

    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(follow() == NACRE_OK && fflush(stdout) == 0 ? 0 : 1);

    must(nacre_put(log, text("first"), text("1"), NULL), "put");
    must(nacre_flush(log), "flush");
    must(nacre_put(log, text("done"), text("all of it"), NULL), "put");

    check(waitpid(child, &ended, 0) == child && ended == 0, "the reader has seen what was written beside it");
    nacre_collection_close(log);
    must(nacre_close(store), "close");
    return 0;
}

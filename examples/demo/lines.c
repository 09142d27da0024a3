/* What the searches go over: a file with a path per line, sorted, each once. The paths of the demo, and where apt-file keeps the contents of
   all packages of the distribution, those too, up to a bound. sort(1) makes them distinct, so what must be found does not hang on what is
   shown. */
#include "demo.h"
#include <glob.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTENTS   "/var/lib/apt/lists/*Contents-*"
#define APT_HELPER "/usr/lib/apt/apt-helper" /* decompresses what apt keeps */

/* Runs a program with its output going to `out` (-1: where the demo's goes), in the locale of bytes. Spawned, not forked: no time goes into
   copying the tables of this process's memory. Returns its end, or -1. */
static int run(char *const *arguments, int out)
{
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = -1;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return -1;
    }
    setenv("LC_ALL", "C", 1);
    int failed = out < 0 ? 0 : posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    failed = failed ? failed : posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return !failed && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int run_and_read(char *const *arguments, char *output, size_t size)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return -1;
    }
    int status = run(arguments, ends[1]); /* what it says fits into the pipe */
    close(ends[1]);
    ssize_t got = read(ends[0], output, size - 1);
    close(ends[0]);
    output[got > 0 ? got : 0] = 0;
    return status;
}

/* "usr/bin/ls    utils/coreutils": the package stands behind the last blanks. */
static bool write_content(FILE *out, char *line)
{
    size_t size = strcspn(line, "\n");
    while (size && line[size - 1] != ' ' && line[size - 1] != '\t') {
        size--;
    }
    while (size && (line[size - 1] == ' ' || line[size - 1] == '\t')) {
        size--;
    }
    return !size || fprintf(out, "/%.*s\n", (int)size, line) > 0;
}

/* The paths of one such file, as many as `left` allows. */
static bool write_contents(FILE *out, const char *file, size_t *left)
{
    char command[1024], *line = NULL;
    size_t space = 0;
    bool good = true;
    snprintf(command, sizeof command, APT_HELPER " cat-file '%s' 2>/dev/null", file);
    FILE *in = popen(command, "r");
    for (; in && good && *left && getline(&line, &space, in) > 0; --*left) {
        good = write_content(out, line);
    }
    free(line);
    if (in) {
        (void)pclose(in);
    }
    return good;
}

static bool write_all(const struct paths *paths, FILE *out, size_t most, bool *contents_taken)
{
    glob_t files = { 0 };
    size_t left = most > paths->count ? most - paths->count : 0;
    bool good = true;
    for (size_t i = 0; i < paths->count && good; i++) {
        good = fprintf(out, "%s\n", paths->entries[i].path) > 0;
    }
    if (access(APT_HELPER, X_OK) == 0 && glob(CONTENTS, 0, NULL, &files) == 0) {
        for (size_t i = 0; i < files.gl_pathc && good && left; i++) {
            good = write_contents(out, files.gl_pathv[i], &left);
        }
        *contents_taken = true;
    }
    globfree(&files);
    return good;
}

bool lines_make(const struct paths *paths, const char *path, size_t most, bool *contents_taken)
{
    char *sort[] = { "sort", "-u", "-o", (char *)path, (char *)path, NULL };
    double begun = seconds_now();
    FILE *out = fopen(path, "w");
    *contents_taken = false;
    bool good = out && write_all(paths, out, most, contents_taken);
    good = (!out || fclose(out) == 0) && good;
    if (!good || run(sort, -1) != 0) {
        return show_failure("%s: the lines cannot be written: %m", path);
    }
    show_time("make and sort a file of lines", seconds_now() - begun);
    return true;
}

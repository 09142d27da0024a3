/* Runs a command and reads what it prints. It is spawned, not forked: this process is large, and copying its page tables would count. */
#include "process.h"
#include "support.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *const environment[] = { "LC_ALL=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", NULL };

/* Reads to the end, or to the time limit. */
static bool read_all(int input, char *output, size_t size, unsigned seconds)
{
    char chunk[4096];
    size_t used = 0;
    struct pollfd ready = { .fd = input, .events = POLLIN };
    for (;;) {
        if (poll(&ready, 1, (int)seconds * 1000) <= 0) {
            output[used] = '\0';
            return false;
        }
        ssize_t got = read(input, chunk, sizeof chunk);
        if (got <= 0) {
            output[used] = '\0';
            return got == 0;
        }
        size_t kept = (size_t)got < size - 1 - used ? (size_t)got : size - 1 - used;
        memcpy(output + used, chunk, kept);
        used += kept;
    }
}

int process_run(const char *const *arguments, char *output, size_t size, unsigned seconds)
{
    int channel[2], status = 0;
    pid_t process;
    posix_spawn_file_actions_t actions;
    if (pipe2(channel, O_CLOEXEC) != 0) {
        die("pipe: %s", strerror(errno));
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, channel[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    int code = posix_spawnp(&process, arguments[0], &actions, NULL, (char *const *)(uintptr_t)arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    close(channel[1]);
    if (code == 0 && !read_all(channel[0], output, size, seconds)) {
        kill(process, SIGKILL);
        code = ETIMEDOUT;
    }
    close(channel[0]);
    if (code == 0 || code == ETIMEDOUT) {
        waitpid(process, &status, 0);
    }
    return code == 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool process_known(const char *name)
{
    char output[256];
    const char *const arguments[] = { name, "--version", NULL };
    int code = process_run(arguments, output, sizeof output, 10);
    return code == 0;
}

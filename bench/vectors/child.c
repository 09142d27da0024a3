/* Runs a part of the benchmark in a process of its own. This process has no threads, so that its copy is sound. */
#include "child.h"
#include "support.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

bool child_run(const char *name, void (*work)(void *context), void *context)
{
    int status = 0;
    fflush(NULL);
    pid_t process = fork();
    if (process < 0) {
        die("fork: %s", strerror(errno));
    }
    if (process == 0) {
        work(context);
        fflush(NULL);
        _exit(0);
    }
    while (waitpid(process, &status, 0) < 0 && errno == EINTR) {}
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "%s: ended by signal %d\n", name, WTERMSIG(status));
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void *shared_allocate(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        die("no memory for %zu bytes", size);
    }
    return memory;
}

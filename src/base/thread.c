/* Priorities of threads. On Linux niceness belongs to the thread, not the process. */
#include "base/thread.h"
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BACKGROUND_NICENESS 10

void thread_lower_priority(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), BACKGROUND_NICENESS);
}

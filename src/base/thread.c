/* Priorities of threads. On Linux policy and niceness belong to the thread, not the process. */
#include "base/thread.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BACKGROUND_NICENESS 10

void thread_work_behind(void)
{
    const struct sched_param none = { 0 };
    (void)sched_setscheduler(0, SCHED_BATCH, &none); /* batch threads never preempt at a wake-up */
}

void thread_lower_priority(void)
{
    thread_work_behind();
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), BACKGROUND_NICENESS);
}

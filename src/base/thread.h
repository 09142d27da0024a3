#ifndef NACRE_BASE_THREAD_H
#define NACRE_BASE_THREAD_H
/* For background threads: the calling thread does not take the processor away from the one that wakes it. No promise. */
void thread_work_behind(void);
/* It also yields to the program's own threads where they compete. No promise. */
void thread_lower_priority(void);
#endif

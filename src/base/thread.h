#ifndef NACRE_BASE_THREAD_H
#define NACRE_BASE_THREAD_H
/* The calling thread yields the processor to the program's own threads where they compete; no promise. */
void thread_lower_priority(void);
#endif

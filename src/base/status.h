/* The calling thread's detail of its last failed call. */
#ifndef NACRE_BASE_STATUS_H
#define NACRE_BASE_STATUS_H
#include <nacre/nacre.h>

/* Sets the thread's detail (printf-like, cut at 1023 bytes) and returns `status`, so that an error is told once,
   where it is known: return fail(NACRE_CORRUPT, "%s: block at %llu: checksum ...", ...). */
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts words before the detail that is set already ("while sealing 'users': ..."); returns `status`. */
int fail_context(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *fail_detail(void); /* never NULL; the calling thread's own memory */
#endif

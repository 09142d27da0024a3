/* A file layer with a gate: while it is closed, calls that make files with a part of their path wait, as on a disk that hangs. One at a time
   in a process. */
#ifndef TESTS_GATE_H
#define TESTS_GATE_H
#include <nacre/nacre.h>

/* The layer beneath with the gate in front, open. Good until the next gate_over. */
const nacre_os *gate_over(const nacre_os *beneath);
void gate_close(const char *path_part); /* a literal */
void gate_open(void);
#endif

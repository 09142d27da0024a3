/* The terminal as a screen that is drawn over: on entry the other screen, no cursor, keys at once; all given back on leaving, also where a signal ends
   the program. */
#ifndef NACRE_CLI_TERMINAL_H
#define NACRE_CLI_TERMINAL_H
#include <stdbool.h>

void terminal_enter(void);
void terminal_leave(void);
bool terminal_ended(void); /* q was pressed, or a signal asked for the end */
void terminal_size(unsigned *width, unsigned *height);
/* Waits so long, or until something calls for a drawing or the end. */
void terminal_wait(unsigned milliseconds);
void terminal_catch_signals(void); /* also without a screen */
#endif

#ifndef NACRE_BASE_CLOCK_H
#define NACRE_BASE_CLOCK_H
#include <stdint.h>
uint64_t clock_monotonic_ns(void);
uint64_t clock_coarse_ms(void);                /* monotonic, behind by some ms, for next to nothing */
uint64_t clock_wall_ms(void);                  /* milliseconds since 1970; what expiry is measured by */
void clock_set_wall_ms(uint64_t (*now)(void)); /* tests; NULL = the machine's */
void clock_sleep_ns(uint64_t ns);
#endif

/* The processor's level, found once. Threads: any; two that find it at once find the same. */
#include "base/cpu.h"
#include <stdatomic.h>

#define NOT_LOOKED (-1)
static atomic_int found = NOT_LOOKED;

static enum cpu_level look(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi") ||
        !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("popcnt"))
        return CPU_PORTABLE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni"))
        return CPU_AVX512;
    return CPU_AVX2;
#else
    return CPU_PORTABLE;
#endif
}

enum cpu_level cpu_level(void)
{
    int level = atomic_load_explicit(&found, memory_order_relaxed); /* relaxed: a number that stands alone */
    if (__builtin_expect(level == NOT_LOOKED, 0)) {
        level = (int)look();
        atomic_store_explicit(&found, level, memory_order_relaxed);
    }
    return (enum cpu_level)level;
}

void cpu_limit(enum cpu_level most)
{
    enum cpu_level has = look();
    atomic_store_explicit(&found, (int)(has < most ? has : most), memory_order_relaxed);
}

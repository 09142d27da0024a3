/* What the processor can, for kernels that are chosen at run time. Any thread. */
#ifndef NACRE_BASE_CPU_H
#define NACRE_BASE_CPU_H

enum cpu_level {
    CPU_PORTABLE, /* plain C */
    CPU_AVX2,     /* AVX2, FMA, BMI1, BMI2, POPCNT */
    CPU_AVX512    /* also AVX-512 F, BW, VL, VBMI, VNNI */
};
enum cpu_level cpu_level(void); /* the best that this processor has, or less where cpu_limit said so */
void cpu_limit(enum cpu_level); /* tests: pretend to have no more */
#endif

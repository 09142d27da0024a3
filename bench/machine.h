/* What the kernel says about this machine, this process and this disk. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t clock_ns(void);              /* monotonic */
double process_cpu_seconds(void);     /* user and system, all threads */
double machine_cpu_seconds(void);     /* all processes, since boot */
uint64_t process_written_bytes(void); /* caused to be written to the disk, less what was cancelled (/proc/self/io) */
uint64_t process_status_bytes(const char *field); /* of /proc/self/status, such as "VmHWM" */
void process_reset_peak(void);                    /* VmHWM starts again from what is resident now */

uint64_t directory_bytes(const char *path); /* blocks in use, as du counts them */
uint64_t directory_free_bytes(const char *path);
void directory_make(const char *path);   /* with its parents */
void directory_remove(const char *path); /* with what is in it */
void directory_settle(const char *path); /* waits until the file system has written everything back */

/* Syncs per second of one thread that writes 128 bytes each time: appending, or over what is there already. */
double disk_sync_rate(const char *directory, bool append, double seconds);
double disk_write_rate(const char *directory,
                       uint64_t bytes); /* bytes per second, sequential, with the sync at the end */

struct machine {
    char model[96], kernel[96], compiler[96], file_system[32], date[32];
    unsigned cores;
    double memory_gib, load_average;
};
void machine_describe(struct machine *machine, const char *directory);

#endif

/* Reads /proc and measures the raw disk, so that every table says on what it was made. */
#include "machine.h"
#include "support.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double process_cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double machine_cpu_seconds(void)
{
    unsigned long long user = 0, nice = 0, system = 0;
    FILE *file = fopen("/proc/stat", "re");
    if (file == NULL || fscanf(file, "cpu %llu %llu %llu", &user, &nice, &system) != 3) {
        die("/proc/stat cannot be read");
    }
    fclose(file);
    return (double)(user + nice + system) / (double)sysconf(_SC_CLK_TCK);
}

/* The number after `field` and a colon in a file of /proc. */
static uint64_t proc_field(const char *path, const char *field)
{
    char line[256];
    size_t length = strlen(field);
    unsigned long long value = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        die("%s cannot be read", path);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, field, length) == 0 && line[length] == ':') {
            value = strtoull(line + length + 1, NULL, 10);
            break;
        }
    }
    fclose(file);
    return value;
}

uint64_t process_written_bytes(void)
{
    uint64_t written = proc_field("/proc/self/io", "write_bytes"),
             cancelled = proc_field("/proc/self/io", "cancelled_write_bytes");
    return written > cancelled ? written - cancelled : 0;
}

uint64_t process_status_bytes(const char *field)
{
    return proc_field("/proc/self/status", field) * 1024;
}

void process_reset_peak(void)
{
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        if (write(file, "5", 1) != 1) {
            die("/proc/self/clear_refs: %s", strerror(errno));
        }
        close(file);
    }
}

static uint64_t counted_bytes;

static int count_file(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)path, (void)type, (void)walk;
    counted_bytes += (uint64_t)status->st_blocks * 512;
    return 0;
}

uint64_t directory_bytes(const char *path)
{
    counted_bytes = 0;
    nftw(path, count_file, 16, FTW_PHYS); /* files may vanish under it: merges go on */
    return counted_bytes;
}

uint64_t directory_free_bytes(const char *path)
{
    struct statvfs space;
    if (statvfs(path, &space) != 0) {
        die("%s: %s", path, strerror(errno));
    }
    return (uint64_t)space.f_bavail * space.f_frsize;
}

void directory_make(const char *path)
{
    char text[PATH_SIZE];
    snprintf(text, sizeof text, "%s", path);
    for (char *slash = strchr(text + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) {
            *slash = '\0';
        }
        if (mkdir(text, 0777) != 0 && errno != EEXIST) {
            die("%s: %s", text, strerror(errno));
        }
        if (slash == NULL) {
            return;
        }
        *slash = '/';
    }
}

static int remove_file(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void directory_remove(const char *path)
{
    if (nftw(path, remove_file, 16, FTW_PHYS | FTW_DEPTH) != 0 && errno != ENOENT) {
        die("%s cannot be removed: %s", path, strerror(errno));
    }
}

void directory_settle(const char *path)
{
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0 || syncfs(file) != 0) {
        die("%s: %s", path, strerror(errno));
    }
    close(file);
}

static int scratch_open(const char *directory, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/disk-figures", directory);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        die("%s: %s", path, strerror(errno));
    }
    return file;
}

static void scratch_write(int file, const void *bytes, size_t size, off_t offset)
{
    if (pwrite(file, bytes, size, offset) != (ssize_t)size) {
        die("the disk cannot be written: %s", strerror(errno));
    }
}

double disk_sync_rate(const char *directory, bool append, double seconds)
{
    static const uint8_t line[128] = { 1 };
    const off_t area = 4 << 20;
    char path[PATH_SIZE];
    int file = scratch_open(directory, path);
    for (off_t offset = 0; !append && offset < area; offset += (off_t)sizeof line) {
        scratch_write(file, line, sizeof line, offset);
    }
    fsync(file);
    uint64_t start = clock_ns(), now = start, count = 0;
    while ((double)(now - start) < seconds * 1e9) {
        off_t offset = (off_t)(count * sizeof line);
        scratch_write(file, line, sizeof line, append ? offset : offset % area);
        if (fdatasync(file) != 0) {
            die("fdatasync: %s", strerror(errno));
        }
        count++;
        now = clock_ns();
    }
    close(file);
    unlink(path);
    return (double)count * 1e9 / (double)(now - start);
}

double disk_write_rate(const char *directory, uint64_t bytes)
{
    static uint8_t chunk[1 << 20];
    char path[PATH_SIZE];
    memset(chunk, 0x5A, sizeof chunk);
    int file = scratch_open(directory, path);
    uint64_t start = clock_ns();
    for (uint64_t offset = 0; offset < bytes; offset += sizeof chunk) {
        scratch_write(file, chunk, sizeof chunk, (off_t)offset);
    }
    if (fdatasync(file) != 0) {
        die("fdatasync: %s", strerror(errno));
    }
    double seconds = (double)(clock_ns() - start) / 1e9;
    close(file);
    unlink(path);
    return (double)bytes / seconds;
}

static void describe_processor(char *text, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(text, size, "unknown");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && value != NULL) {
            value[strcspn(value, "\n")] = '\0';
            snprintf(text, size, "%.90s", value + 2);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* The type of the mount with the longest path above the directory. */
static void describe_file_system(char *text, size_t size, const char *directory)
{
    char line[1024], real[PATH_MAX];
    size_t longest = 0;
    FILE *file = fopen("/proc/mounts", "re");
    snprintf(text, size, "unknown");
    if (realpath(directory, real) == NULL) {
        snprintf(real, sizeof real, "/");
    }
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char where[512], type[32];
        if (sscanf(line, "%*s %511s %31s", where, type) != 2) {
            continue;
        }
        size_t length = strlen(where);
        if (length >= longest && strncmp(real, where, length) == 0) {
            longest = length;
            snprintf(text, size, "%s", type);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

void machine_describe(struct machine *machine, const char *directory)
{
    struct utsname kernel;
    time_t now = time(NULL);
    struct tm utc;
    uname(&kernel);
    gmtime_r(&now, &utc);
    strftime(machine->date, sizeof machine->date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    snprintf(machine->kernel, sizeof machine->kernel, "Linux %.64s", kernel.release);
#ifdef __clang__
    snprintf(machine->compiler, sizeof machine->compiler, "%s", __VERSION__);
#else
    snprintf(machine->compiler, sizeof machine->compiler, "gcc %s", __VERSION__);
#endif
    describe_processor(machine->model, sizeof machine->model);
    describe_file_system(machine->file_system, sizeof machine->file_system, directory);
    machine->cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    machine->memory_gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (double)(1 << 30);
    if (getloadavg(&machine->load_average, 1) != 1) {
        machine->load_average = 0;
    }
}

/* The progress line (see progress.h). */
#include "progress.h"
#include "print.h"
#include <unistd.h>

#define BAR_WIDTH 24

void progress_begin(struct progress *progress, const char *label, const char *unit, uint64_t total)
{
    double now = clock_seconds();
    *progress = (struct progress){
        .shown = isatty(STDERR_FILENO) != 0, .label = label, .unit = unit, .begun = now, .drawn = now, .total = total
    };
}

static void draw(const struct progress *progress, double elapsed, uint64_t bytes, uint64_t count)
{
    char figure[FIGURE_SIZE], rate[FIGURE_SIZE];
    figure_count((double)count, figure);
    figure_count((double)count / elapsed, rate);
    fprintf(stderr, "\r\033[K%s ", progress->label);
    if (progress->total) {
        double part = bytes < progress->total ? (double)bytes / (double)progress->total : 1;
        unsigned left = part > 0 ? (unsigned)(elapsed / part - elapsed + 0.5) : 0;
        fputc('[', stderr);
        for (int i = 0; i < BAR_WIDTH; i++) {
            fputc(i < (int)(part * BAR_WIDTH) ? '#' : '.', stderr);
        }
        fprintf(stderr, "] %3.0f %%  ETA %u:%02u  ", part * 100, left / 60, left % 60);
    } else {
        fprintf(stderr, "%.0f s  ", elapsed);
    }
    fprintf(stderr, "%s %s  %s/s  %.1f MB/s", figure, progress->unit, rate, (double)bytes / elapsed / 1e6);
    fflush(stderr);
}

void progress_show(struct progress *progress, uint64_t bytes, uint64_t count)
{
    double now;
    if (progress->shown && (now = clock_seconds()) - progress->drawn >= 0.1) {
        progress->drawn = now;
        draw(progress, now - progress->begun, bytes, count);
    }
}

void progress_end(struct progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}

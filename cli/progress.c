/* The progress line (see progress.h). */
#include "progress.h"
#include "print.h"
#include <unistd.h>

#define BAR_WIDTH 24

void progress_begin(struct progress *progress, const char *label, uint64_t total)
{
    double now = clock_seconds();
    *progress = (struct progress){
        .shown = isatty(STDERR_FILENO) != 0, .label = label, .begun = now, .drawn = now, .total = total
    };
}

static void draw(const struct progress *progress, double elapsed, uint64_t done, uint64_t entries)
{
    char count[FIGURE_SIZE], rate[FIGURE_SIZE];
    figure_count((double)entries, count);
    figure_count((double)entries / elapsed, rate);
    fprintf(stderr, "\r\033[K%s ", progress->label);
    if (progress->total) {
        double part = done < progress->total ? (double)done / (double)progress->total : 1;
        unsigned left = part > 0 ? (unsigned)(elapsed / part - elapsed + 0.5) : 0;
        fputc('[', stderr);
        for (int i = 0; i < BAR_WIDTH; i++) {
            fputc(i < (int)(part * BAR_WIDTH) ? '#' : '.', stderr);
        }
        fprintf(stderr, "] %3.0f %%  %s entries  %s/s  ETA %u:%02u", part * 100, count, rate, left / 60, left % 60);
    } else {
        fprintf(stderr, "%s entries  %s/s  %.0f s", count, rate, elapsed);
    }
    fflush(stderr);
}

void progress_show(struct progress *progress, uint64_t done, uint64_t entries)
{
    double now;
    if (progress->shown && (now = clock_seconds()) - progress->drawn >= 0.1) {
        progress->drawn = now;
        draw(progress, now - progress->begun, done, entries);
    }
}

void progress_end(struct progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}

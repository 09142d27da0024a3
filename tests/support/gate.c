/* See gate.h. */
#include "support/gate.h"
#include <pthread.h>
#include <string.h>

static const nacre_os *below;
static nacre_os gated;
static const char *closed_to; /* lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;

static int open_behind_gate(void *context, const char *path, uint32_t flags, nacre_file **file)
{
    pthread_mutex_lock(&lock);
    while ((flags & NACRE_FILE_CREATE) && closed_to && strstr(path, closed_to)) {
        pthread_cond_wait(&opened, &lock);
    }
    pthread_mutex_unlock(&lock);
    return below->open(context, path, flags, file);
}

const nacre_os *gate_over(const nacre_os *beneath)
{
    below = beneath;
    gated = *beneath;
    gated.open = open_behind_gate;
    gate_open();
    return &gated;
}

void gate_close(const char *path_part)
{
    pthread_mutex_lock(&lock);
    closed_to = path_part;
    pthread_mutex_unlock(&lock);
}

void gate_open(void)
{
    pthread_mutex_lock(&lock);
    closed_to = NULL;
    pthread_cond_broadcast(&opened);
    pthread_mutex_unlock(&lock);
}

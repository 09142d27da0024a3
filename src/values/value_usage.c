/* Access to what is kept of a file's usage (see value_usage.h). Any thread. */
#include "values/value_usage.h"
#include "values/value_internal.h"

struct value_usage *value_file_usage(struct value_file *file)
{
    return &file->usage;
}

void value_file_describe(struct value_file *file, struct value_file_info *info)
{
    struct value_log *log = file->log;
    pthread_mutex_lock(&log->lock);
    value_file_say(file, info);
    pthread_mutex_unlock(&log->lock);
}

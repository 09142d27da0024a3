/* What the program plugged into its store, copied: merge operators and compaction filters by name, and who hears of events. Constant while the store is
   open; any thread. */
#ifndef NACRE_STORE_HOOKS_H
#define NACRE_STORE_HOOKS_H
#include <nacre/nacre.h>

struct hooks {
    nacre_merge_operator *operators; /* with their names in one piece of memory; so are the filters */
    size_t operator_count;
    nacre_compaction_filter *filters;
    size_t filter_count;
    void (*on_event)(void *context, const nacre_event *);
    void *event_context;
};

/* Of checked hooks of the newest struct_size; NULL for none. NACRE_NO_MEMORY: what was copied is freed by hooks_free. */
int hooks_copy(const nacre_hooks *, struct hooks *);
void hooks_free(struct hooks *);
/* The engine's own too: those are made in `room`, and need the name as long as they live. NULL: nobody knows the name. */
const nacre_merge_operator *hooks_merge_operator(const struct hooks *, const char *name, nacre_merge_operator *room);
const nacre_compaction_filter *hooks_compaction_filter(const struct hooks *, const char *name);
#endif

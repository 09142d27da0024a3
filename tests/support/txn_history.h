/* Whether what transactions read and wrote can have happened at an isolation level. Values are lists, and each write appends an element that nobody else
   appends, so the order of all writes of a key can be read off its longest list (Kingsbury and Alvaro, "Elle", VLDB 2020).

   Dependencies between transactions: ww, who appended next; wr, who read what another appended last; rw, who read a list that another then appended
   to; and, where they are to be serializable in real time, who began after another had ended. */
#ifndef TESTS_TXN_HISTORY_H
#define TESTS_TXN_HISTORY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_KEYS 16u /* at most */
#define HISTORY_OPS  24u /* of one transaction, at most */

enum history_outcome { HISTORY_ABORTED, HISTORY_COMMITTED, HISTORY_UNKNOWN };
struct history_op {
    bool append;
    unsigned key;
    uint32_t element;     /* appended: 1 and up, less than HISTORY_ELEMENTS */
    const uint32_t *list; /* read */
    size_t size;
};
#define HISTORY_ELEMENTS (1u << 20)
struct history_txn {
    enum history_outcome outcome;
    size_t op_count;
    struct history_op ops[HISTORY_OPS];
    uint64_t began, ended; /* ticks, different in all; 0: not known */
};

/* NULL: it can. Else the anomaly and the transactions, by number, that show it (a static buffer). The last transaction of the history has to have read all keys
   after all others were done. serializable: strictly, that is also in real time; else snapshot isolation. */
const char *history_check(const struct history_txn *txns, size_t count, bool serializable);
#endif

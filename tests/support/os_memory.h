/* A file layer in memory for tests: it loses power, fails calls and tears writes. Compiled into tests only. */
#ifndef NACRE_OS_MEMORY_H
#define NACRE_OS_MEMORY_H
#include <nacre/nacre.h>

nacre_os *os_memory_create(void);
void os_memory_free(nacre_os *); /* handles are to be closed before; maps stay readable until they are unmapped */

/* Every call of the layer (but map's populate and unmap, which name no file) and os_memory_tick count one. At the count
   `at` the power fails: from then on every call returns NACRE_IO and changes nothing. 0 = never. */
void os_memory_cut_at(nacre_os *, uint64_t at);
uint64_t os_memory_calls(const nacre_os *);
void os_memory_tick(nacre_os *); /* between stores to mapped memory, so that the power may fail there too */
/* The machine starts again: what was synced is there; of what was not, each 512-byte sector of data (also of mapped
   files), each length change and each directory operation since the last sync of its directory survives or not as
   `seed` decides (data sectors of one write may survive in any combination; names survive in any order-respecting or
   not subset; one seed in four keeps all or nothing). Open handles and maps of before are dead: calls give NACRE_IO,
   the memory of maps stays readable and writable until it is unmapped, but is no file's. Locks are gone. */
void os_memory_restart(nacre_os *, uint64_t seed);
/* As if the process was killed: nothing is lost (and nothing made durable), handles, maps and locks are gone. */
void os_memory_kill(nacre_os *);

/* SHORT_WRITE: a write puts a part of its bytes and then fails with NACRE_NO_SPACE, as all other calls just do. */
enum os_fault { OS_FAULT_NONE, OS_FAULT_IO, OS_FAULT_NO_SPACE, OS_FAULT_SHORT_WRITE };
/* The n-th call from now fails that way (once, or from then on when `sticky`). A failed sync leaves its data
   undecided and marked clean, as Linux does: a retried sync succeeds without making them durable. A failed close has
   closed. */
void os_memory_fail(nacre_os *, uint64_t nth, enum os_fault, bool sticky);
/* The next `times` calls of an operation ("sync", "write", ...; "" = any) on a path that has path_part in it. Up to 8
   such rules are in force together; the first that fits counts. */
void os_memory_fail_matching(nacre_os *, const char *operation, const char *path_part, enum os_fault, uint64_t times);
void os_memory_heal(nacre_os *);
/* UINT64_MAX = no end. A write that does not fit puts what does and is NACRE_NO_SPACE. */
void os_memory_set_space(nacre_os *, uint64_t free_bytes);
/* Damage, on the disk and in the view of programs. NACRE_NOT_FOUND where there is no such file or byte. */
int os_memory_flip(nacre_os *, const char *path, uint64_t offset, uint8_t mask);
int os_memory_resize(nacre_os *, const char *path, uint64_t size);
/* All files and their durable state, in place of what was there. Handles and locks stay behind. */
int os_memory_copy_tree(nacre_os *to, nacre_os *from);
uint64_t os_memory_bytes(const nacre_os *); /* all files */
#endif

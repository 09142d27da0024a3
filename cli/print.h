/* Output: errors, bytes as text, hexadecimal and JSON, and numbers for people. */
#ifndef NACRE_CLI_PRINT_H
#define NACRE_CLI_PRINT_H
#include <nacre/nacre.h>
#include <stdio.h>

/* `nacre: ...` on standard error. Returns RESULT_ERROR. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* `nacre: WHAT: the detail of the library's last error` on standard error. Returns RESULT_ERROR. */
int complain_status(const char *what, int status);
/* The same with the key it came upon, where that is not empty: escaped, its first 64 bytes. */
int complain_key(const char *what, nacre_slice key, int status);
/* The same with what helps a store that cannot be mended in its place. */
int complain_salvage(const char *what, const char *path, int status);

bool text_is_utf8(nacre_slice);
void print_escaped(FILE *, nacre_slice); /* printable UTF-8 as it is, other bytes as \t \n \r \\ or \xNN */
void print_hex(FILE *, nacre_slice);
void print_json_text(FILE *, nacre_slice); /* with its quotes; what is no UTF-8 becomes U+FFFD */
/* "name":"text", or "name_hex":"..." where hex is asked for or the bytes are no UTF-8. */
void print_json_bytes(FILE *, const char *name, nacre_slice, bool hex);

/* Numbers in at most 15 characters, for tables. Each returns out. */
enum { FIGURE_SIZE = 24 };
const char *figure_bytes(double bytes, char out[FIGURE_SIZE]);   /* "12.3 MiB" */
const char *figure_count(double count, char out[FIGURE_SIZE]);   /* "1.23 M" */
const char *figure_exact(uint64_t count, char out[FIGURE_SIZE]); /* "1 234 567" */
const char *figure_time(double seconds, char out[FIGURE_SIZE]);  /* "12.3 ms" */

double clock_seconds(void); /* monotonic */
#endif

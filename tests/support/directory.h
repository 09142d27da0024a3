/* Directories of this machine as tests look at them: what is in them, byte for byte. Each call ends the test where it fails. */
#ifndef TESTS_DIRECTORY_H
#define TESTS_DIRECTORY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t directory_hash(const char *path);  /* of all names, sizes and bytes beneath */
uint64_t directory_bytes(const char *path); /* that files beneath it occupy on the disk */
void directory_remove(const char *path);    /* with all that is in it */
bool path_exists(const char *path);

size_t file_read_all(const char *path, uint8_t **bytes); /* free them */
void file_write_all(const char *path, const void *bytes, size_t size);
/* The last name in a directory that ends so, as a path; "" when there is none. */
void directory_last(const char *path, const char *ending, char *out, size_t out_size);
#endif

/* What keys are made of: ASCII, UTF-8, or other bytes. */
#ifndef NACRE_STRINGS_UTF8_H
#define NACRE_STRINGS_UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool bytes_are_ascii(const uint8_t *bytes, size_t size);
/* As Go's unicode/utf8 has it: shortest forms only, up to U+10FFFF, no surrogates. */
bool bytes_are_utf8(const uint8_t *bytes, size_t size);
#endif

/* Syntax trees as text, for tests to compare: "abc" a literal, [a-z] a class, ^ $ \b \B assertions (with m: of lines), (x y) a concatenation,
   (x|y) an alternation, x* x+ x? x{2,} repetitions, EMPTY, NOTHING. Not printable: \x{code}. */
#ifndef NACRE_TESTS_REGEX_TEXT_H
#define NACRE_TESTS_REGEX_TEXT_H
#include "base/buffer.h"
#include "regex/syntax.h"

void syntax_text(const struct syntax_tree *, struct buffer *out);
#endif

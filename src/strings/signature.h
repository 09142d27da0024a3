/* Block signatures: yes-or-no features of the keys of a block, over their raw bytes. A bit is set when some key of the block has the feature. A search
   whose matches must all have a feature skips blocks without it; it proves that on its automaton over ASCII, so blocks with other bytes are never skipped
   by it (but where the pattern is over bytes). */
#ifndef NACRE_STRINGS_SIGNATURE_H
#define NACRE_STRINGS_SIGNATURE_H
#include <stddef.h>
#include <stdint.h>

enum signature_measure {
    MEASURE_RUN,  /* the longest run of bytes of the class is >= threshold */
    MEASURE_COUNT /* the key has >= threshold bytes of the class */
};
enum signature_class {
    CLASS_ANY,         /* every byte: COUNT is the key's size */
    CLASS_DIGIT,       /* 0-9 */
    CLASS_HEX,         /* 0-9a-f */
    CLASS_HEX_ANY,     /* 0-9a-fA-F */
    CLASS_UPPER,       /* A-Z */
    CLASS_LOWER,       /* a-z */
    CLASS_LETTER,      /* A-Za-z */
    CLASS_SLASH,       /* '/' */
    CLASS_NO_SLASH,    /* all but '/' */
    CLASS_NON_ASCII,   /* >= 0x80 */
    CLASS_SPACE,       /* 9-13 and 32 */
    CLASS_CONTROL,     /* < 0x20 and 0x7f */
    CLASS_PUNCTUATION, /* 0x21 to 0x7e without letters, digits and "/._-+" */
    SIGNATURE_CLASSES
};

struct signature_feature {
    uint8_t measure, class_;
    uint16_t threshold;
};
/* Bit i of a signature is feature i. The list (signature.c) is part of the format: a change raises the number in the side file. */
#define SIGNATURE_FEATURES_MAX 64u
extern const struct signature_feature signature_features[];
extern const unsigned signature_feature_count;
/* A bit per byte: which bytes are in the class. */
const uint64_t *signature_class_bytes(enum signature_class); /* [4] */

#endif

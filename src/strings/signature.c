/* The features of block signatures, and the classes of bytes that they speak of. Immutable tables; any thread. */
#include "strings/signature.h"

/* The thresholds lie where patterns of real use ask (dates, hashes of 32 and 40 digits, versions, constants in capitals, depth and length of paths), not closer together
   than a factor that makes a difference. Bits from the end on are free for later features. */
const struct signature_feature signature_features[] = {
    { MEASURE_RUN, CLASS_DIGIT, 3 },         { MEASURE_RUN, CLASS_DIGIT, 4 },
    { MEASURE_RUN, CLASS_DIGIT, 6 },         { MEASURE_RUN, CLASS_DIGIT, 8 },
    { MEASURE_RUN, CLASS_DIGIT, 10 },        { MEASURE_RUN, CLASS_DIGIT, 14 },
    { MEASURE_RUN, CLASS_HEX, 8 },           { MEASURE_RUN, CLASS_HEX, 12 },
    { MEASURE_RUN, CLASS_HEX, 16 },          { MEASURE_RUN, CLASS_HEX, 24 },
    { MEASURE_RUN, CLASS_HEX, 32 },          { MEASURE_RUN, CLASS_HEX, 40 },
    { MEASURE_RUN, CLASS_HEX_ANY, 16 },      { MEASURE_RUN, CLASS_HEX_ANY, 32 },
    { MEASURE_RUN, CLASS_UPPER, 2 },         { MEASURE_RUN, CLASS_UPPER, 3 },
    { MEASURE_RUN, CLASS_UPPER, 4 },         { MEASURE_RUN, CLASS_UPPER, 6 },
    { MEASURE_RUN, CLASS_UPPER, 8 },         { MEASURE_RUN, CLASS_UPPER, 12 },
    { MEASURE_COUNT, CLASS_UPPER, 1 },       { MEASURE_COUNT, CLASS_UPPER, 2 },
    { MEASURE_COUNT, CLASS_UPPER, 3 },       { MEASURE_COUNT, CLASS_UPPER, 5 },
    { MEASURE_RUN, CLASS_LOWER, 12 },        { MEASURE_RUN, CLASS_LOWER, 16 },
    { MEASURE_RUN, CLASS_LOWER, 24 },        { MEASURE_RUN, CLASS_LETTER, 16 },
    { MEASURE_RUN, CLASS_LETTER, 24 },       { MEASURE_COUNT, CLASS_DIGIT, 8 },
    { MEASURE_COUNT, CLASS_DIGIT, 12 },      { MEASURE_COUNT, CLASS_DIGIT, 20 },
    { MEASURE_COUNT, CLASS_SLASH, 1 },       { MEASURE_COUNT, CLASS_SLASH, 2 },
    { MEASURE_COUNT, CLASS_SLASH, 4 },       { MEASURE_COUNT, CLASS_SLASH, 8 },
    { MEASURE_COUNT, CLASS_SLASH, 10 },      { MEASURE_COUNT, CLASS_SLASH, 12 },
    { MEASURE_COUNT, CLASS_SLASH, 14 },      { MEASURE_COUNT, CLASS_SLASH, 15 },
    { MEASURE_COUNT, CLASS_SLASH, 16 },      { MEASURE_COUNT, CLASS_SLASH, 20 },
    { MEASURE_RUN, CLASS_NO_SLASH, 32 },     { MEASURE_RUN, CLASS_NO_SLASH, 48 },
    { MEASURE_RUN, CLASS_NO_SLASH, 64 },     { MEASURE_RUN, CLASS_NO_SLASH, 80 },
    { MEASURE_RUN, CLASS_NO_SLASH, 100 },    { MEASURE_RUN, CLASS_NO_SLASH, 128 },
    { MEASURE_COUNT, CLASS_ANY, 32 },        { MEASURE_COUNT, CLASS_ANY, 64 },
    { MEASURE_COUNT, CLASS_ANY, 96 },        { MEASURE_COUNT, CLASS_ANY, 128 },
    { MEASURE_COUNT, CLASS_ANY, 160 },       { MEASURE_COUNT, CLASS_ANY, 200 },
    { MEASURE_COUNT, CLASS_ANY, 250 },       { MEASURE_COUNT, CLASS_ANY, 512 },
    { MEASURE_COUNT, CLASS_NON_ASCII, 1 },   { MEASURE_COUNT, CLASS_NON_ASCII, 4 },
    { MEASURE_COUNT, CLASS_SPACE, 1 },       { MEASURE_COUNT, CLASS_CONTROL, 1 },
    { MEASURE_COUNT, CLASS_PUNCTUATION, 1 }, { MEASURE_COUNT, CLASS_PUNCTUATION, 3 },
};
const unsigned signature_feature_count = sizeof signature_features / sizeof signature_features[0];
_Static_assert(sizeof signature_features / sizeof signature_features[0] <= SIGNATURE_FEATURES_MAX, "a bit each");

static const uint64_t classes[SIGNATURE_CLASSES][4] = {
    [CLASS_ANY] = { 0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu },
    [CLASS_DIGIT] = { 0x03ff000000000000u, 0, 0, 0 },
    [CLASS_HEX] = { 0x03ff000000000000u, 0x0000007e00000000u, 0, 0 },
    [CLASS_HEX_ANY] = { 0x03ff000000000000u, 0x0000007e0000007eu, 0, 0 },
    [CLASS_UPPER] = { 0, 0x0000000007fffffeu, 0, 0 },
    [CLASS_LOWER] = { 0, 0x07fffffe00000000u, 0, 0 },
    [CLASS_LETTER] = { 0, 0x07fffffe07fffffeu, 0, 0 },
    [CLASS_SLASH] = { 0x0000800000000000u, 0, 0, 0 },
    [CLASS_NO_SLASH] = { 0xffff7fffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu, 0xffffffffffffffffu },
    [CLASS_NON_ASCII] = { 0, 0, 0xffffffffffffffffu, 0xffffffffffffffffu },
    [CLASS_SPACE] = { 0x0000000100003e00u, 0, 0, 0 },
    [CLASS_CONTROL] = { 0x00000000ffffffffu, 0x8000000000000000u, 0, 0 },
    [CLASS_PUNCTUATION] = { 0xfc0017fe00000000u, 0x7800000178000001u, 0, 0 },
};

const uint64_t *signature_class_bytes(enum signature_class class_)
{
    return classes[class_];
}

/* Writing and opening the section SGNT; signature_section.h has the bytes. No state; any thread. */
#include "strings/signature_section.h"
#include "base/endian.h"
#include "base/hash.h"
#include "base/status.h"
#include "strings/signature.h"

#define HEADER_BYTES  16u
#define FEATURE_LIST  1u
#define FEATURE_BYTES 4u

static uint64_t features_hash(void)
{
    uint8_t bytes[SIGNATURE_FEATURES_MAX * FEATURE_BYTES];
    for (unsigned i = 0; i < signature_feature_count; i++) {
        bytes[i * FEATURE_BYTES] = signature_features[i].measure;
        bytes[i * FEATURE_BYTES + 1] = signature_features[i].class_;
        store_u16(bytes + i * FEATURE_BYTES + 2, signature_features[i].threshold);
    }
    return hash_bytes(bytes, signature_feature_count * FEATURE_BYTES);
}

int signature_section_append(uint32_t blocks, struct buffer *out)
{
    int status = buffer_append_u32(out, FEATURE_LIST);
    if (status == NACRE_OK)
        status = buffer_append_u32(out, blocks);
    return status == NACRE_OK ? buffer_append_u64(out, features_hash()) : status;
}

int signature_section_open(nacre_slice section, uint32_t blocks, const uint64_t **words)
{
    struct reader r = reader_of(section);
    uint32_t list = reader_u32(&r), found = reader_u32(&r);
    uint64_t hash = reader_u64(&r);
    if (!r.ok || found != blocks || section.size - HEADER_BYTES != (uint64_t)blocks * 8)
        return fail(NACRE_CORRUPT, "signatures: %zu bytes for %u blocks, %u blocks expected", section.size, found,
                    blocks);
    if (list != FEATURE_LIST || hash != features_hash())
        return fail(NACRE_UNSUPPORTED, "signatures: list of features %u is not known", list);
    *words = (const uint64_t *)(const void *)r.at; /* sections lie at multiples of 64 */
    return NACRE_OK;
}

/* The properties of a segment as bytes:
     17 varints: id, bytes, index bytes, checksum, entries, deletes, range deletes, key and value bytes, least and greatest sequence, earliest and
     latest expiry, expiring, flags (1 greatest is open, 2 a sequence is given; + 256 times the collection, 0 = not known), operands of merges, value
     files, size check (the sum of the others, mod 2^32);
     smallest and greatest key (each: varint length, bytes);
     varint given sequence, where the flags say so;
     per value file, ascending: id, entries that point into it, bytes of their records (varints)
   Ids, sizes and checksum are zero in a segment's own PROP section: the file itself tells them. */
#include "base/status.h"
#include "segment/segment.h"

#define GREATEST_OPEN    1u
#define SEQUENCE_GIVEN   2u
#define COLLECTION_SHIFT 8
#define NUMBERS          16

int segment_properties_encode(const struct segment_properties *p, struct buffer *out)
{
    const uint64_t numbers[NUMBERS] = { p->id,
                                        p->bytes,
                                        p->index_bytes,
                                        p->checksum,
                                        p->entries,
                                        p->deletes,
                                        p->range_deletes,
                                        p->key_value_bytes,
                                        p->least_sequence,
                                        p->greatest_sequence,
                                        p->earliest_expiry_ms,
                                        p->latest_expiry_ms,
                                        p->expiring,
                                        (p->greatest_open ? GREATEST_OPEN : 0) |
                                            (p->given_sequence ? SEQUENCE_GIVEN : 0) |
                                            p->collection << COLLECTION_SHIFT,
                                        p->merges,
                                        p->values.count };
    uint64_t sum = 0;
    int status = NACRE_OK;
    for (int i = 0; i < NUMBERS && status == NACRE_OK; i++) {
        status = buffer_append_varint(out, numbers[i]);
        sum += numbers[i];
    }
    if (status == NACRE_OK)
        status = buffer_append_varint(out, sum & UINT32_MAX);
    if (status == NACRE_OK)
        status = buffer_append_slice(out, buffer_slice(&p->smallest));
    if (status == NACRE_OK)
        status = buffer_append_slice(out, buffer_slice(&p->greatest));
    if (status == NACRE_OK && p->given_sequence)
        status = buffer_append_varint(out, p->given_sequence);
    return status == NACRE_OK ? value_shares_encode(&p->values, out) : status;
}

int segment_properties_decode(struct reader *in, struct segment_properties *p)
{
    uint64_t numbers[NUMBERS], sum = 0;
    for (int i = 0; i < NUMBERS; i++)
        sum += numbers[i] = reader_varint(in);
    uint64_t expected = reader_varint(in);
    nacre_slice smallest = reader_slice(in), greatest = reader_slice(in);
    uint64_t given = numbers[13] & SEQUENCE_GIVEN ? reader_varint(in) : 0;
    if (!in->ok || expected != (sum & UINT32_MAX))
        return fail(NACRE_CORRUPT, "properties of a segment: their numbers do not fit");
    *p = (struct segment_properties){ .id = numbers[0],
                                      .bytes = numbers[1],
                                      .index_bytes = numbers[2],
                                      .checksum = numbers[3],
                                      .entries = numbers[4],
                                      .deletes = numbers[5],
                                      .range_deletes = numbers[6],
                                      .key_value_bytes = numbers[7],
                                      .least_sequence = numbers[8],
                                      .greatest_sequence = numbers[9],
                                      .given_sequence = given,
                                      .earliest_expiry_ms = numbers[10],
                                      .latest_expiry_ms = numbers[11],
                                      .expiring = numbers[12],
                                      .greatest_open = numbers[13] & GREATEST_OPEN,
                                      .collection = numbers[13] >> COLLECTION_SHIFT,
                                      .merges = numbers[14] };
    int status = buffer_append(&p->smallest, smallest.data, smallest.size);
    if (status == NACRE_OK)
        status = buffer_append(&p->greatest, greatest.data, greatest.size);
    if (status == NACRE_OK)
        status = value_shares_decode(in, numbers[15], &p->values);
    if (status == NACRE_OK && p->values.pointers > p->entries)
        status = fail(NACRE_CORRUPT, "properties of a segment: more values in the value log than entries");
    if (status != NACRE_OK)
        segment_properties_free(p);
    return status;
}

int segment_properties_copy(const struct segment_properties *p, struct segment_properties *copy)
{
    *copy = *p;
    copy->smallest = copy->greatest = (struct buffer){ 0 };
    copy->values = (struct value_shares){ 0 };
    int status = buffer_append(&copy->smallest, p->smallest.data, p->smallest.size);
    if (status == NACRE_OK)
        status = buffer_append(&copy->greatest, p->greatest.data, p->greatest.size);
    if (status == NACRE_OK)
        status = value_shares_copy(&p->values, &copy->values);
    if (status != NACRE_OK)
        segment_properties_free(copy);
    return status;
}

void segment_properties_free(struct segment_properties *p)
{
    buffer_free(&p->smallest);
    buffer_free(&p->greatest);
    value_shares_free(&p->values);
}

/* Point reads of a strings segment: the side file's filter where there is one, the trie, a scan of the block's front-coded keys, and its versions where it
   has any. Any thread; no locks but those of first use (reader.h). */
#include "strings/reader.h"

/* Nothing can be asked for ahead without walking the trie, which is the most of a get. */
void strings_prefetch(const void *reader, const struct lookup *lookup)
{
    const struct string_index *x = strings_index(reader);
    if (x)
        string_index_prefetch_key(x, lookup->hash);
}

/* The newest version of key `index` of the block that counts. */
static int give_version(struct strings_reader *r, uint32_t block, uint32_t index, const struct lookup *lookup,
                        struct entry *entry, struct pin *pin)
{
    struct versions_view v;
    uint32_t version, after;
    int status = strings_view_versions(r, block, &v);
    if (status != NACRE_OK)
        return status;
    for (versions_of_key(&v, index, &version, &after); version < after; version++) {
        versions_entry(&v, version, entry);
        if (entry->sequence > lookup->snapshot)
            continue;
        entry->key = lookup->key;
        *pin = v.pin;
        return NACRE_OK;
    }
    strings_release_versions(&v);
    return NACRE_NOT_FOUND;
}

int strings_get(void *reader, const struct lookup *lookup, struct entry *entry, struct pin *pin)
{
    struct strings_reader *r = reader;
    *pin = (struct pin){ NULL, NULL };
    int status = strings_need(r);
    if (status != NACRE_OK)
        return status;
    if (r->blocks == 0)
        return NACRE_NOT_FOUND;
    struct string_index *x = strings_index(r);
    if (x) {
        bool may_have = string_index_may_have_key(x, lookup->hash);
        lookup_note_filter(lookup, may_have);
        if (!may_have)
            return NACRE_NOT_FOUND;
    }
    struct key_block b;
    bool equal;
    uint32_t block = block_trie_find(&r->trie, lookup->key);
    strings_prefetch_block(r, block);
    status = strings_view_block(r, block, &b);
    if (status != NACRE_OK)
        return status;
    uint32_t index = key_block_lower_bound(&b, lookup->key, &equal);
    strings_release_block(&b);
    return equal ? give_version(r, block, index, lookup, entry, pin) : NACRE_NOT_FOUND;
}

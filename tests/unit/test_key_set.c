/* Sets of keys: with and without a table, by whole key and by hash, and taking the newest out again. */
#include "store/key_set.h"
#include "store/change_ring.h"
#include "support/store_fixture.h"

#define KEYS 2000

static char bytes[KEYS * 8];
static int one, two; /* stand for collections */
#define FIRST  ((nacre_collection *)&one)
#define SECOND ((nacre_collection *)&two)

static nacre_slice key_at(unsigned number)
{
    snprintf(bytes + number * 8, 8, "%07u", number);
    return (nacre_slice){ bytes + number * 8, 7 };
}

static void add(struct key_set *set, unsigned number)
{
    nacre_slice key = key_at(number);
    assert_ok(key_set_reserve(set));
    key_set_add(set,
                &(struct key_item){ .hash = change_hash(1, key), .collection = FIRST, .at = number * 8, .size = 7 });
}

static bool has(const struct key_set *set, unsigned number)
{
    char copy[8];
    snprintf(copy, sizeof copy, "%07u", number);
    nacre_slice key = { copy, 7 };
    struct key_item *item = key_set_find(set, bytes, change_hash(1, key), FIRST, key);
    assert_true(!item || item->at == number * 8);
    assert_int_equal(key_set_find_hash(set, change_hash(1, key)) != NULL, item != NULL);
    return item != NULL;
}

static void keys_are_found_however_many_there_are(void **state)
{
    (void)state;
    struct key_set set = { 0 };
    for (unsigned i = 0; i < KEYS; i++) {
        assert_false(has(&set, i));
        add(&set, i);
        assert_true(has(&set, i) && has(&set, i / 2));
    }
    key_set_clear(&set);
    assert_false(has(&set, 1));
    key_set_free(&set);
}

static void another_collection_or_key_of_the_same_hash_is_not_the_key(void **state)
{
    (void)state;
    struct key_set set = { 0 };
    nacre_slice key = key_at(1), other = key_at(2);
    assert_ok(key_set_reserve(&set));
    key_set_add(&set, &(struct key_item){ .hash = 5, .collection = FIRST, .at = 8, .size = 7 });
    assert_non_null(key_set_find(&set, bytes, 5, FIRST, key));
    assert_null(key_set_find(&set, bytes, 5, SECOND, key));
    assert_null(key_set_find(&set, bytes, 5, FIRST, other));
    assert_non_null(key_set_find_hash(&set, 5));
    assert_null(key_set_find_hash(&set, 6));
    key_set_free(&set);
}

static void taking_out_the_newest_leaves_the_others(void **state)
{
    (void)state;
    struct key_set set = { 0 };
    uint64_t seed = 99;
    unsigned count = 0;
    for (unsigned step = 0; step < 20000; step++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        bool grow = count == 0 || (count < KEYS && seed % 5 < (step / 2000 % 2 ? 1u : 4u));
        if (grow) {
            add(&set, count++);
        } else {
            key_set_remove_last(&set);
            count--;
        }
        assert_int_equal(set.count, count);
        assert_false(has(&set, count));
        assert_true(count == 0 || (has(&set, count - 1) && has(&set, (unsigned)(seed / 8 % count))));
    }
    key_set_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_however_many_there_are),
        cmocka_unit_test(another_collection_or_key_of_the_same_hash_is_not_the_key),
        cmocka_unit_test(taking_out_the_newest_leaves_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

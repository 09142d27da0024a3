/* Points that transactions read at: taken at the visible sequence, listed while they are held, and never missed by who could do harm. */
#include "store/read_points.h"
#include "support/store_fixture.h"
#include <pthread.h>

static void points_are_listed_while_they_are_held(void **state)
{
    (void)state;
    static struct read_points points;
    static struct publisher publisher;
    uint64_t sequences[READ_POINTS], first, second, age;
    publish_init(&publisher, 7);
    struct read_point *one = read_points_take(&points, &publisher, 3, &first);
    publish_raise(&publisher, 9);
    struct read_point *two = read_points_take(&points, &publisher, 3, &second);
    assert_true(one && two && one != two);
    assert_int_equal(first, 7);
    assert_int_equal(second, 9);
    assert_int_equal(read_points_list(&points, sequences), 2);
    assert_int_equal(sequences[0] + sequences[1], 16);
    assert_int_equal(read_points_count(&points, &age), 2);
    read_point_release(one);
    assert_int_equal(read_points_list(&points, sequences), 1);
    assert_int_equal(sequences[0], 9);
    read_point_release(two);
    assert_int_equal(read_points_list(&points, sequences), 0);
}

static void there_are_so_many_and_no_more(void **state)
{
    (void)state;
    static struct read_points points;
    static struct publisher publisher;
    struct read_point *held[READ_POINTS];
    uint64_t sequence;
    publish_init(&publisher, 0);
    for (unsigned i = 0; i < READ_POINTS; i++) {
        held[i] = read_points_take(&points, &publisher, i * 17, &sequence);
        assert_non_null(held[i]);
    }
    assert_null(read_points_take(&points, &publisher, 0, &sequence));
    read_point_release(held[5]);
    assert_ptr_equal(read_points_take(&points, &publisher, 99, &sequence), held[5]);
}

/* One thread raises the visible sequence, then lists the points and says up to where it may drop; others take points and must find that nobody dropped
   what they see: a point below what was dropped when it was listed is one that was missed. */
struct race {
    struct read_points points;
    struct publisher publisher;
    _Atomic uint64_t dropped_below;
    _Atomic bool stop;
};

static void *take_points(void *context)
{
    struct race *race = context;
    while (!atomic_load(&race->stop)) {
        uint64_t sequence;
        struct read_point *point = read_points_take(&race->points, &race->publisher, 0, &sequence);
        for (unsigned i = 0; point && i < 50; i++) {
            assert_true(atomic_load(&race->dropped_below) <= sequence);
        }
        if (point) {
            read_point_release(point);
        }
    }
    return NULL;
}

static void a_point_that_is_being_taken_is_not_missed(void **state)
{
    (void)state;
    static struct race race;
    pthread_t ids[3];
    publish_init(&race.publisher, 1);
    for (unsigned i = 0; i < 3; i++) {
        pthread_create(&ids[i], NULL, take_points, &race);
    }
    for (uint64_t visible = 2; visible < 300000; visible++) {
        uint64_t sequences[READ_POINTS], least = visible;
        publish_raise(&race.publisher, visible);
        for (size_t i = read_points_list(&race.points, sequences); i-- > 0;) {
            least = sequences[i] < least ? sequences[i] : least;
        }
        if (least > atomic_load(&race.dropped_below)) {
            atomic_store(&race.dropped_below, least);
        }
    }
    atomic_store(&race.stop, true);
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(ids[i], NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_listed_while_they_are_held),
        cmocka_unit_test(there_are_so_many_and_no_more),
        cmocka_unit_test(a_point_that_is_being_taken_is_not_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

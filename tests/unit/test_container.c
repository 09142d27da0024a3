/* Containers: what is written is read back, and nothing that was changed passes. */
#include "segment_fixture.h"
#include <fcntl.h>

static struct fixture fixture;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&fixture, true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

static void path_of(char path[OS_PATH_MAX], const char *name)
{
    assert_int_equal(os_path(path, fixture.directory, "%s", name), NACRE_OK);
}

/* Two sections and something before them. Returns the size. */
static uint64_t write_sample(const char *path, size_t large_size)
{
    struct container_writer *w = NULL;
    uint64_t offset = 0, bytes = 0, checksum = 0;
    uint8_t *large = malloc(large_size + 1);
    assert_non_null(large);
    for (size_t i = 0; i < large_size; i++)
        large[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(container_writer_create(os_posix(), path, CONTAINER_SEGMENT, 77, NACRE_ORDERED, &w), NACRE_OK);
    assert_int_equal(container_write(w, "blocks", 6, &offset), NACRE_OK);
    assert_int_equal(offset, 64);
    assert_int_equal(container_write_section(w, "AAAA", slice_text("first")), NACRE_OK);
    assert_int_equal(container_section_begin(w, "BBBB"), NACRE_OK);
    assert_int_equal(container_offset(w) % 64, 0);
    assert_int_equal(container_section_begin(w, "CCCC"), NACRE_INVALID);
    assert_int_equal(container_write(w, large, large_size / 3, NULL), NACRE_OK);
    assert_int_equal(container_write(w, large + large_size / 3, large_size - large_size / 3, NULL), NACRE_OK);
    assert_int_equal(container_section_end(w), NACRE_OK);
    assert_int_equal(container_write_section(w, "NONE", (nacre_slice){ NULL, 0 }), NACRE_OK);
    assert_int_equal(container_writer_finish(w, &bytes, &checksum), NACRE_OK);
    free(large);
    return bytes;
}

static void check_sample(const char *path, uint64_t bytes, size_t large_size, bool map)
{
    struct container *c = NULL;
    nacre_slice section;
    struct buffer scratch = { 0 };
    const uint8_t *part = NULL;
    uint64_t offset, size;
    assert_int_equal(container_open(os_posix(), path, CONTAINER_SEGMENT, 77, bytes, map, &c), NACRE_OK);
    assert_int_equal(c->kind, NACRE_ORDERED);
    assert_int_equal(map, c->map != NULL);
    assert_int_equal(container_section(c, "AAAA", &section), NACRE_OK);
    assert_true(slice_equal(section, slice_text("first")));
    assert_int_equal(container_section(c, "BBBB", &section), NACRE_OK);
    assert_int_equal(section.size, large_size);
    for (size_t i = 0; i < large_size; i++)
        assert_int_equal(((const uint8_t *)section.data)[i], (uint8_t)(i * 7 + i / 256));
    nacre_slice again;
    assert_int_equal(container_section(c, "BBBB", &again), NACRE_OK);
    assert_ptr_equal(section.data, again.data);
    assert_int_equal(container_section(c, "NONE", &section), NACRE_OK);
    assert_int_equal(section.size, 0);
    assert_int_equal(container_section(c, "ZZZZ", &section), NACRE_NOT_FOUND);
    assert_int_equal(container_section_bounds(c, "AAAA", &offset, &size), NACRE_OK);
    assert_int_equal(size, 5);
    assert_int_equal(container_read(c, 64, 6, &scratch, &part), NACRE_OK);
    assert_memory_equal(part, "blocks", 6);
    assert_int_equal(container_read(c, bytes - 3, 4, &scratch, &part), NACRE_CORRUPT);
    assert_int_equal(container_read(c, UINT64_MAX, 2, &scratch, &part), NACRE_CORRUPT);
    assert_int_equal(container_verify(c), NACRE_OK);
    buffer_free(&scratch);
    container_close(c);
}

static void sections_are_read_back_mapped_and_not(void **state)
{
    (void)state;
    char path[OS_PATH_MAX];
    const size_t sizes[] = { 0, 1, 100, (1 << 20) - 64, (1 << 20) + 3, 5000000 };
    path_of(path, "sample");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t bytes = write_sample(path, sizes[i]);
        check_sample(path, bytes, sizes[i], true);
        check_sample(path, bytes, sizes[i], false);
        assert_int_equal(unlink(path), 0);
    }
}

static void a_file_that_is_there_is_not_written_over(void **state)
{
    (void)state;
    char path[OS_PATH_MAX];
    struct container_writer *w = NULL;
    path_of(path, "there");
    (void)write_sample(path, 10);
    assert_int_equal(container_writer_create(os_posix(), path, CONTAINER_SEGMENT, 77, 1, &w), NACRE_EXISTS);
    assert_null(w);
    check_sample(path, 0, 10, true);
    (void)unlink(path);
}

static void an_abandoned_file_is_gone(void **state)
{
    (void)state;
    char path[OS_PATH_MAX];
    struct container_writer *w = NULL;
    path_of(path, "gone");
    assert_int_equal(container_writer_create(os_posix(), path, CONTAINER_SEGMENT, 77, 1, &w), NACRE_OK);
    assert_true(os_exists(os_posix(), path));
    container_writer_abandon(w);
    assert_false(os_exists(os_posix(), path));
}

static int open_and_verify(const char *path, uint64_t id, uint64_t bytes, enum container_role role, bool map)
{
    struct container *c = NULL;
    int status = container_open(os_posix(), path, role, id, bytes, map, &c);
    if (status == NACRE_OK)
        status = container_verify(c);
    container_close(c);
    return status;
}

static void another_id_role_or_size_is_damage(void **state)
{
    (void)state;
    char path[OS_PATH_MAX];
    path_of(path, "other");
    uint64_t bytes = write_sample(path, 10);
    assert_int_equal(open_and_verify(path, 77, bytes, CONTAINER_SEGMENT, true), NACRE_OK);
    assert_int_equal(open_and_verify(path, 78, bytes, CONTAINER_SEGMENT, true), NACRE_CORRUPT);
    assert_int_equal(open_and_verify(path, 77, bytes + 1, CONTAINER_SEGMENT, true), NACRE_CORRUPT);
    assert_int_equal(open_and_verify(path, 77, bytes, CONTAINER_INDEX, true), NACRE_CORRUPT);
    (void)unlink(path);
    assert_int_equal(open_and_verify(path, 77, bytes, CONTAINER_SEGMENT, true), NACRE_NOT_FOUND);
}

/* Bytes before the first section belong to the kind; everything else is the container's to check. */
static void every_flipped_byte_and_every_cut_is_found(void **state)
{
    (void)state;
    char path[OS_PATH_MAX];
    path_of(path, "flip");
    uint64_t bytes = write_sample(path, 300);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    for (uint64_t i = 0; i < bytes; i++) {
        uint8_t byte, flipped;
        if (i >= 64 && i < 128)
            continue;
        assert_int_equal(pread(fd, &byte, 1, (off_t)i), 1);
        flipped = (uint8_t)(byte ^ (1u << (i % 8)));
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)i), 1);
        assert_int_equal(open_and_verify(path, 77, 0, CONTAINER_SEGMENT, i & 1), NACRE_CORRUPT);
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
    }
    assert_int_equal(open_and_verify(path, 77, 0, CONTAINER_SEGMENT, true), NACRE_OK);
    for (uint64_t size = bytes; size-- > 0;) {
        assert_int_equal(ftruncate(fd, (off_t)size), 0);
        assert_int_equal(open_and_verify(path, 77, 0, CONTAINER_SEGMENT, size & 1), NACRE_CORRUPT);
    }
    (void)close(fd);
    (void)unlink(path);
}

/* ---- spools ---- */

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Of parts of many sizes, small ones and such as are larger than what is kept in memory. */
static void what_is_set_aside_comes_where_its_place_is(void **state)
{
    (void)state;
    char path[OS_PATH_MAX], aside[OS_PATH_MAX + 16];
    static uint8_t bytes[5 << 20];
    const size_t sizes[] = { 1, 100, 0, 300000, 1u << 20, 700000, 700000, 3, (1u << 20) - 1, 17 };
    struct container_writer *w = NULL;
    struct container_spool *s = NULL;
    struct container *c = NULL;
    uint64_t file_bytes = 0, checksum = 0, offset = 0;
    size_t total = 0;
    path_of(path, "spool");
    (void)snprintf(aside, sizeof aside, "%s.parts.tmp", path);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    assert_int_equal(container_writer_create(os_posix(), path, CONTAINER_SEGMENT, 77, 1, &w), NACRE_OK);
    assert_int_equal(container_spool_create(w, "parts", &s), NACRE_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(container_spool_append(s, bytes + total, sizes[i]), NACRE_OK);
        assert_int_equal(container_write(w, "ahead", 5, NULL), NACRE_OK);
        total += sizes[i];
        assert_int_equal(container_spool_size(s), total);
        assert_int_equal(container_bytes(w), container_offset(w) + total);
    }
    assert_true(is_there(aside));
    offset = container_offset(w);
    assert_int_equal(container_spool_write(s), NACRE_OK);
    assert_int_equal(container_bytes(w), container_offset(w));
    assert_int_equal(container_offset(w), offset + total);
    container_spool_free(s);
    assert_false(is_there(aside));
    assert_int_equal(container_writer_finish(w, &file_bytes, &checksum), NACRE_OK);
    assert_int_equal(container_open(os_posix(), path, CONTAINER_SEGMENT, 77, file_bytes, true, &c), NACRE_OK);
    assert_memory_equal(c->map + offset, bytes, total);
    container_close(c);
    (void)unlink(path);
}

static void a_spool_that_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    char path[OS_PATH_MAX], aside[OS_PATH_MAX + 16];
    static const uint8_t bytes[3 << 20];
    struct container_writer *w = NULL;
    struct container_spool *s = NULL;
    path_of(path, "given_up");
    (void)snprintf(aside, sizeof aside, "%s.parts.tmp", path);
    assert_int_equal(container_writer_create(os_posix(), path, CONTAINER_SEGMENT, 77, 1, &w), NACRE_OK);
    assert_int_equal(container_spool_create(w, "parts", &s), NACRE_OK);
    assert_int_equal(container_spool_append(s, bytes, sizeof bytes), NACRE_OK);
    assert_int_equal(container_spool_append(s, bytes, CONTAINER_BYTES_MAX - sizeof bytes), NACRE_LIMIT);
    assert_true(is_there(aside));
    container_spool_free(s);
    assert_false(is_there(aside));
    assert_int_equal(container_bytes(w), container_offset(w));
    container_writer_abandon(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_are_read_back_mapped_and_not),
        cmocka_unit_test(a_file_that_is_there_is_not_written_over),
        cmocka_unit_test(an_abandoned_file_is_gone),
        cmocka_unit_test(another_id_role_or_size_is_damage),
        cmocka_unit_test(every_flipped_byte_and_every_cut_is_found),
        cmocka_unit_test(what_is_set_aside_comes_where_its_place_is),
        cmocka_unit_test(a_spool_that_is_given_up_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* The file layer of this machine, in a fresh directory. */
#include "unit/os_harness.h"
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    const nacre_os *os;
    char directory[64];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    p->os = os_posix();
    (void)snprintf(p->directory, sizeof p->directory, "/tmp/nacre-test-XXXXXX");
    *state = p;
    return mkdtemp(p->directory) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    struct place *p = *state;
    int result = nftw(p->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
    return result;
}

/* A path in the directory; good for four at a time. */
static const char *in(const struct place *p, const char *name)
{
    static char paths[4][OS_PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    assert_fine(os_path(path, p->directory, "%s", name));
    return path;
}

static void a_file_reads_back_what_was_written(void **state)
{
    const struct place *p = *state;
    char bytes[8];
    size_t got = 9;
    uint64_t size = 0;
    nacre_file *file = open_file(p->os, in(p, "f"), OPEN_NEW);
    assert_fine(p->os->write(file, 5000, "abc", 3));
    assert_fine(p->os->sync(file));
    assert_fine(p->os->write_behind(file, 0, 5003));
    assert_fine(p->os->size(file, &size));
    assert_int_equal(size, 5003);
    assert_fine(p->os->read(file, 4999, bytes, sizeof bytes, &got));
    assert_int_equal(got, 4);
    assert_memory_equal(bytes, "\0abc", 4);
    assert_fine(p->os->read(file, 6000, bytes, sizeof bytes, &got));
    assert_int_equal(got, 0);
    assert_fine(p->os->truncate(file, 2));
    assert_fine(p->os->size(file, &size));
    assert_int_equal(size, 2);
    assert_fine(p->os->allocate(file, 10000));
    assert_fine(p->os->allocate(file, 0));
    assert_fine(p->os->size(file, &size));
    assert_int_equal(size, 10000);
    assert_fine(p->os->close(file));
}

static void files_and_directories_are_for_their_owner_alone(void **state)
{
    const struct place *p = *state;
    struct stat status;
    mode_t mask = umask(0);
    make_file(p->os, in(p, "f"), "x", false);
    assert_fine(p->os->make_directory(p->os->context, in(p, "d")));
    umask(mask);
    assert_int_equal(stat(in(p, "f"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(stat(in(p, "d"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
}

static void failures_have_their_code_and_name_the_path(void **state)
{
    const struct place *p = *state;
    nacre_file *file = NULL;
    assert_os(p->os->open(NULL, in(p, "f"), NACRE_FILE_READ, &file), NACRE_NOT_FOUND);
    assert_non_null(strstr(fail_detail(), in(p, "f")));
    assert_non_null(strstr(fail_detail(), "No such file"));
    assert_os(p->os->open(NULL, in(p, "d/f"), OPEN_NEW, &file), NACRE_NOT_FOUND);
    make_file(p->os, in(p, "f"), "x", false);
    assert_os(p->os->open(NULL, in(p, "f"), OPEN_NEW | NACRE_FILE_EXCLUSIVE, &file), NACRE_EXISTS);
    assert_os(p->os->open(NULL, in(p, "f/f"), OPEN_NEW, &file), NACRE_IO);
    assert_os(p->os->open(NULL, p->directory, NACRE_FILE_READ | NACRE_FILE_WRITE, &file), NACRE_IO);
    assert_null(file);
    assert_os(p->os->make_directory(NULL, p->directory), NACRE_EXISTS);
    assert_os(p->os->remove(NULL, in(p, "g")), NACRE_NOT_FOUND);
    assert_os(p->os->remove_directory(NULL, in(p, "g")), NACRE_NOT_FOUND);
    assert_os(p->os->remove_directory(NULL, p->directory), NACRE_IO);
    assert_os(p->os->sync_directory(NULL, in(p, "g")), NACRE_NOT_FOUND);
    assert_os(p->os->rename(NULL, in(p, "g"), in(p, "h")), NACRE_NOT_FOUND);
    file = open_file(p->os, in(p, "f"), NACRE_FILE_READ);
    assert_os(p->os->write(file, 0, "y", 1), NACRE_IO);
    assert_fine(p->os->close(file));
}

/* In a child that is not the superuser, who may open everything. */
static void a_file_that_may_not_be_written_is_read_only(void **state)
{
    const struct place *p = *state;
    const char *path = in(p, "f");
    int status = -1;
    make_file(p->os, path, "x", false);
    assert_int_equal(chmod(path, 0000), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        nacre_file *file = NULL;
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(1);
        }
        if (p->os->open(NULL, path, NACRE_FILE_READ | NACRE_FILE_WRITE, &file) != NACRE_READ_ONLY) {
            _exit(2);
        }
        _exit(p->os->open(NULL, path, NACRE_FILE_READ, &file) == NACRE_IO ? 0 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_full_device_is_no_space(void **state)
{
    const struct place *p = *state;
    nacre_file *file = open_file(p->os, "/dev/full", NACRE_FILE_READ | NACRE_FILE_WRITE);
    assert_os(p->os->write(file, 0, "x", 1), NACRE_NO_SPACE);
    assert_fine(p->os->close(file));
}

static void a_map_is_the_file(void **state)
{
    const struct place *p = *state;
    void *map = NULL;
    char bytes[6];
    size_t got = 0;
    nacre_file *file = open_file(p->os, in(p, "f"), OPEN_NEW);
    assert_fine(p->os->allocate(file, 10000));
    assert_fine(p->os->map(file, 10000, true, &map));
    assert_fine(p->os->populate(map, 10000, true));
    memcpy((char *)map + 9000, "by map", 6);
    assert_fine(p->os->read(file, 9000, bytes, 6, &got));
    assert_memory_equal(bytes, "by map", 6);
    assert_fine(p->os->write(file, 100, "by call", 7));
    assert_memory_equal((char *)map + 100, "by call", 7);
    assert_fine(p->os->read_ahead((char *)map + 5001, 4000));
    assert_fine(p->os->unmap(map, 10000));
    assert_fine(p->os->close(file));
}

static void a_map_beyond_the_end_is_damage_not_a_signal(void **state)
{
    const struct place *p = *state;
    void *map = NULL;
    make_file(p->os, in(p, "f"), "abc", false);
    nacre_file *file = open_file(p->os, in(p, "f"), NACRE_FILE_READ);
    assert_os(p->os->map(file, 4, false, &map), NACRE_CORRUPT);
    assert_os(p->os->map(file, 0, false, &map), NACRE_CORRUPT);
    assert_os(p->os->map(file, UINT64_MAX, false, &map), NACRE_CORRUPT);
    assert_null(map);
    assert_fine(p->os->map(file, 3, false, &map));
    assert_fine(p->os->populate(map, 3, false));
    assert_memory_equal(map, "abc", 3);
    assert_fine(p->os->unmap(map, 3));
    assert_fine(p->os->close(file));
}

static void a_rename_replaces_and_a_link_is_a_second_name(void **state)
{
    const struct place *p = *state;
    make_file(p->os, in(p, "a"), "new", true);
    make_file(p->os, in(p, "b"), "old", true);
    assert_fine(p->os->rename(NULL, in(p, "a"), in(p, "b")));
    assert_fine(p->os->sync_directory(NULL, p->directory));
    assert_string_equal(contents(p->os, in(p, "b")), "new");
    assert_string_equal(contents(p->os, in(p, "a")), "<none>");
    assert_fine(p->os->link(NULL, in(p, "b"), in(p, "c")));
    assert_os(p->os->link(NULL, in(p, "b"), in(p, "c")), NACRE_EXISTS);
    assert_os(p->os->link(NULL, in(p, "x"), in(p, "y")), NACRE_NOT_FOUND);
    assert_fine(p->os->remove(NULL, in(p, "b")));
    assert_string_equal(contents(p->os, in(p, "c")), "new");
}

static void a_link_to_another_file_system_is_unsupported(void **state)
{
    const struct place *p = *state;
    struct stat here, there;
    if (stat(p->directory, &here) != 0 || stat("/dev/shm", &there) != 0 || here.st_dev == there.st_dev) {
        skip();
    }
    make_file(p->os, in(p, "f"), "x", false);
    assert_os(p->os->link(NULL, in(p, "f"), "/dev/shm/nacre-test-link"), NACRE_UNSUPPORTED);
}

static void a_listing_has_every_name_once_and_no_dots(void **state)
{
    const struct place *p = *state;
    char all[1024] = "";
    assert_fine(p->os->list(NULL, p->directory, append_name, all));
    assert_string_equal(all, "");
    make_file(p->os, in(p, "f"), "x", false);
    assert_fine(p->os->make_directory(NULL, in(p, "d")));
    assert_fine(p->os->list(NULL, p->directory, append_name, all));
    assert_true(strcmp(all, "[f][d]") == 0 || strcmp(all, "[d][f]") == 0);
    assert_os(p->os->list(NULL, in(p, "nothing"), append_name, all), NACRE_NOT_FOUND);
    assert_fine(p->os->remove_directory(NULL, in(p, "d")));
}

static void a_lock_is_refused_within_its_process_too(void **state)
{
    const struct place *p = *state;
    nacre_file *first = NULL, *second = NULL;
    char holder[128] = "", self[32];
    (void)snprintf(self, sizeof self, "pid %ld ", (long)getpid());
    assert_fine(p->os->lock(NULL, in(p, "LOCK"), &first, holder, sizeof holder));
    assert_os(p->os->lock(NULL, in(p, "LOCK"), &second, holder, sizeof holder), NACRE_LOCKED);
    assert_null(second);
    assert_ptr_equal(strstr(holder, self), holder);
    assert_non_null(strstr(holder, "os_posix")); /* the command line of this test */
    assert_non_null(strstr(fail_detail(), self));
    assert_fine(p->os->close(first));
    assert_fine(p->os->lock(NULL, in(p, "LOCK"), &second, holder, sizeof holder));
    assert_fine(p->os->close(second));
}

static void pins_are_seen_by_others_and_go_with_their_handle(void **state)
{
    const struct place *p = *state;
    check_pins(p->os, in(p, "READERS"));
}

/* Waits for a byte on each side: the child holds the lock until the parent has looked. */
struct pipes {
    int to_child[2], to_parent[2];
};

static void pass(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

static void await(int fd)
{
    char byte;
    assert_int_equal(read(fd, &byte, 1), 1);
}

static void open_pipes(struct pipes *pipes)
{
    assert_int_equal(pipe(pipes->to_child), 0);
    assert_int_equal(pipe(pipes->to_parent), 0);
}

static void end_child(struct pipes *pipes, pid_t child)
{
    int status = -1;
    pass(pipes->to_child[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (unsigned i = 0; i < 2; i++) {
        close(pipes->to_child[i]);
        close(pipes->to_parent[i]);
    }
}

static void a_lock_of_another_process_names_it_and_ends_with_it(void **state)
{
    const struct place *p = *state;
    struct pipes pipes;
    char holder[128] = "", other[32];
    const char *path = in(p, "LOCK");
    nacre_file *file = NULL;
    open_pipes(&pipes);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool locked = p->os->lock(NULL, path, &file, holder, sizeof holder) == NACRE_OK;
        char byte;
        bool spoke = write(pipes.to_parent[1], "x", 1) == 1 && read(pipes.to_child[0], &byte, 1) == 1;
        _exit(locked && spoke ? 0 : 1); /* the handle is not closed: its process just ends */
    }
    await(pipes.to_parent[0]);
    (void)snprintf(other, sizeof other, "pid %ld ", (long)child);
    assert_os(p->os->lock(NULL, path, &file, holder, sizeof holder), NACRE_LOCKED);
    assert_ptr_equal(strstr(holder, other), holder);
    end_child(&pipes, child);
    assert_fine(p->os->lock(NULL, path, &file, holder, sizeof holder));
    assert_fine(p->os->close(file));
}

static void a_forked_child_does_not_hold_a_closed_lock(void **state)
{
    const struct place *p = *state;
    struct pipes pipes;
    char holder[128] = "";
    nacre_file *file = NULL;
    assert_fine(p->os->lock(NULL, in(p, "LOCK"), &file, holder, sizeof holder));
    open_pipes(&pipes);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte;
        _exit(read(pipes.to_child[0], &byte, 1) == 1 ? 0 : 1); /* lives on with a copy of the descriptor */
    }
    assert_fine(p->os->close(file));
    assert_fine(p->os->lock(NULL, in(p, "LOCK"), &file, holder, sizeof holder));
    assert_fine(p->os->close(file));
    end_child(&pipes, child);
}

static void space_is_told(void **state)
{
    const struct place *p = *state;
    uint64_t space = 0;
    assert_fine(p->os->space(NULL, p->directory, &space));
    assert_true(space > 0);
    assert_os(p->os->space(NULL, in(p, "nothing"), &space), NACRE_NOT_FOUND);
}

static void a_long_path_is_over_the_limit(void **state)
{
    (void)state;
    char path[OS_PATH_MAX], name[OS_PATH_MAX];
    memset(name, 'x', sizeof name);
    name[OS_PATH_MAX - 3] = 0; /* "d/" and this and a NUL are one byte too many */
    assert_fine(os_path(path, "d", "%s", name + 1));
    assert_os(os_path(path, "d", "%s%s", name, "x"), NACRE_LIMIT);
    assert_os(os_path(path, name, "%s", "abc"), NACRE_LIMIT);
}

static void whole_files_are_read_up_to_a_limit(void **state)
{
    const struct place *p = *state;
    struct buffer out = { 0 };
    char bytes[8];
    make_file(p->os, in(p, "f"), "abcdef", false);
    assert_fine(os_read_file(p->os, in(p, "f"), 6, &out));
    assert_int_equal(out.size, 6);
    assert_memory_equal(out.data, "abcdef", 6);
    assert_os(os_read_file(p->os, in(p, "f"), 5, &out), NACRE_CORRUPT);
    assert_os(os_read_file(p->os, in(p, "g"), 5, &out), NACRE_NOT_FOUND);
    buffer_free(&out);
    nacre_file *file = open_file(p->os, in(p, "f"), NACRE_FILE_READ);
    assert_fine(os_read_exact(p->os, file, 2, bytes, 4, "f"));
    assert_memory_equal(bytes, "cdef", 4);
    assert_os(os_read_exact(p->os, file, 3, bytes, 4, "f"), NACRE_CORRUPT);
    assert_fine(p->os->close(file));
    bool present = false;
    assert_fine(os_look(p->os, in(p, "f"), &present));
    assert_true(present && os_exists(p->os, in(p, "f")));
    assert_fine(os_look(p->os, in(p, "g"), &present));
    assert_true(!present && !os_exists(p->os, in(p, "g")));
}

static void a_replaced_file_is_the_new_one_and_leaves_nothing_beside_it(void **state)
{
    const struct place *p = *state;
    char all[1024] = "";
    make_file(p->os, in(p, "f.tmp"), "what a crash left, longer than the new", false);
    assert_fine(os_replace_file(p->os, p->directory, "f", slice_text("one")));
    assert_fine(os_replace_file(p->os, p->directory, "f", slice_text("two")));
    assert_string_equal(contents(p->os, in(p, "f")), "two");
    assert_fine(p->os->list(NULL, p->directory, append_name, all));
    assert_string_equal(all, "[f]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_reads_back_what_was_written, setup, teardown),
        cmocka_unit_test_setup_teardown(files_and_directories_are_for_their_owner_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_have_their_code_and_name_the_path, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_may_not_be_written_is_read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_device_is_no_space, setup, teardown),
        cmocka_unit_test_setup_teardown(a_map_is_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_map_beyond_the_end_is_damage_not_a_signal, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rename_replaces_and_a_link_is_a_second_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_to_another_file_system_is_unsupported, setup, teardown),
        cmocka_unit_test_setup_teardown(a_listing_has_every_name_once_and_no_dots, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lock_is_refused_within_its_process_too, setup, teardown),
        cmocka_unit_test_setup_teardown(pins_are_seen_by_others_and_go_with_their_handle, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lock_of_another_process_names_it_and_ends_with_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_forked_child_does_not_hold_a_closed_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(space_is_told, setup, teardown),
        cmocka_unit_test(a_long_path_is_over_the_limit),
        cmocka_unit_test_setup_teardown(whole_files_are_read_up_to_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_replaced_file_is_the_new_one_and_leaves_nothing_beside_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

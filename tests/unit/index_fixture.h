/* Indexes of rows in files, for tests of codes and graphs. */
#ifndef NACRE_TESTS_INDEX_FIXTURE_H
#define NACRE_TESTS_INDEX_FIXTURE_H
#include "base/status.h"
#include "os/os.h"
#include "segment/container.h"
#include "vectors/graph_layout.h"
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#define INDEX_ID 7u

struct index_file {
    struct container *container;
    struct graph *graph;
};

/* The file at `path` is made anew. What graph_build says; then there may be no file. */
static inline int index_build(const char *path, const struct graph_job *job)
{
    struct container_writer *writer;
    uint64_t bytes, checksum;
    (void)unlink(path);
    assert_int_equal(container_writer_create(os_posix(), path, CONTAINER_INDEX, INDEX_ID, NACRE_VECTORS, &writer),
                     NACRE_OK);
    int status = graph_build(job, writer);
    if (status != NACRE_OK) {
        container_writer_abandon(writer);
        return status;
    }
    assert_int_equal(container_writer_finish(writer, &bytes, &checksum), NACRE_OK);
    return NACRE_OK;
}

/* `rows` live as long as the graph. */
static inline struct index_file index_build_and_open(const char *path, const struct graph_job *job, bool map)
{
    struct index_file file;
    if (index_build(path, job) != NACRE_OK) {
        fail_msg("%s", fail_detail());
    }
    assert_int_equal(container_open(os_posix(), path, CONTAINER_INDEX, INDEX_ID, 0, map, &file.container), NACRE_OK);
    if (graph_open(file.container, job->rows, &file.graph) != NACRE_OK) {
        fail_msg("%s", fail_detail());
    }
    return file;
}

static inline void index_close_file(const struct index_file *file)
{
    graph_close(file->graph);
    container_close(file->container);
}
#endif

/* Vectors in clusters. A row of 768 dimensions is a linear map of a point of 48 dimensions, plus noise in all 768:
   the points lie about the square root of their number of centres, which are normally distributed with variance 1;
   around its centre a point is normally distributed with variance 1/4. The map is one random matrix. The noise is a
   tenth of the variance around a centre. Queries are drawn the same way.

   So the intrinsic dimension is near 48, as that of embeddings of texts and images is a few tens, and clusters touch:
   distances to the nearest points of other centres are as those within. */
#include "generate.h"
#include "support.h"
#include "vector_file.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define POINT_DIMENSION 48
#define SPREAD          0.5f
#define NOISE_SHARE     0.1f /* of the variance around a centre, per dimension */

static uint64_t random_state = 20240229;

static uint64_t random_bits(void) /* splitmix64 */
{
    uint64_t bits = random_state += UINT64_C(0x9E3779B97F4A7C15);
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94D049BB133111EB);
    return bits ^ (bits >> 31);
}

static float random_normal(void) /* Box and Muller */
{
    float radius = (float)(random_bits() >> 40) + 1, angle = (float)(random_bits() >> 40);
    radius = sqrtf(-2 * logf(radius / 16777217.0f));
    return radius * cosf(angle * (6.2831853f / 16777216.0f));
}

/* Nearly normal and cheap: the sum of four uniform numbers of 16 bits, of variance 1. */
static float random_noise(void)
{
    uint64_t bits = random_bits();
    int64_t sum = (int64_t)(bits & 0xFFFF) + (int64_t)(bits >> 16 & 0xFFFF) + (int64_t)(bits >> 32 & 0xFFFF) +
                  (int64_t)(bits >> 48);
    return (float)(sum - 2 * 65535) / 37837.2f;
}

struct clusters {
    size_t count;
    float *centres;                                   /* count points */
    float map[POINT_DIMENSION * GENERATED_DIMENSION]; /* row i: where the unit vector i goes */
};

static struct clusters *clusters_make(size_t rows)
{
    struct clusters *clusters = allocate(sizeof *clusters);
    clusters->count = (size_t)sqrt((double)rows);
    clusters->centres = allocate(clusters->count * POINT_DIMENSION * sizeof(float));
    for (size_t i = 0; i < clusters->count * POINT_DIMENSION; i++) {
        clusters->centres[i] = random_normal();
    }
    for (size_t i = 0; i < (size_t)POINT_DIMENSION * GENERATED_DIMENSION; i++) {
        clusters->map[i] = random_normal() / sqrtf(POINT_DIMENSION);
    }
    return clusters;
}

static void clusters_free(struct clusters *clusters)
{
    free(clusters->centres);
    free(clusters);
}

static void draw(const struct clusters *clusters, float row[GENERATED_DIMENSION])
{
    const float *centre = clusters->centres + random_bits() % clusters->count * POINT_DIMENSION;
    for (size_t i = 0; i < GENERATED_DIMENSION; i++) {
        row[i] = SPREAD * sqrtf(NOISE_SHARE) * random_noise();
    }
    for (size_t from = 0; from < POINT_DIMENSION; from++) {
        float length = centre[from] + SPREAD * random_normal();
        const float *direction = clusters->map + from * GENERATED_DIMENSION;
        for (size_t i = 0; i < GENERATED_DIMENSION; i++) {
            row[i] += length * direction[i];
        }
    }
}

static void write_rows(const struct clusters *clusters, const char *set, const char *kind, size_t rows)
{
    char path[PATH_SIZE];
    float row[GENERATED_DIMENSION];
    snprintf(path, sizeof path, "%s.%s.fvecs", set, kind);
    FILE *output = vector_file_create(path);
    for (size_t i = 0; i < rows; i++) {
        draw(clusters, row);
        vector_file_append(output, row, GENERATED_DIMENSION);
    }
    vector_file_close(output);
}

void generate_clustered(size_t rows, const char *set, size_t queries)
{
    struct clusters *clusters = clusters_make(rows);
    write_rows(clusters, set, "base", rows);
    write_rows(clusters, set, "query", queries);
    clusters_free(clusters);
}

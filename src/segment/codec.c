/* Block compression over LZ4 and Zstd (codec.h).
   A decompressor keeps a few Zstd contexts in slots; a thread takes one out by an exchange, so that none is ever shared. */
#include "segment/codec.h"
#include "base/memory.h"
#include "base/status.h"
#include <lz4.h>
#include <stdatomic.h>
#include <zstd.h>

#define ZSTD_BLOCK_LEVEL   1 /* 4 KiB blocks gain 2 to 4 % from level 3, for twice the time */
#define DECOMPRESSOR_SLOTS 8

struct compressor {
    enum compression codec;
    void *lz4_state;
    ZSTD_CCtx *zstd;
};

int compressor_create(enum compression codec, struct compressor **out)
{
    *out = NULL;
    struct compressor *c = memory_zalloc(sizeof *c);
    if (!c)
        return NACRE_NO_MEMORY;
    c->codec = codec;
    if (codec == COMPRESSION_LZ4)
        c->lz4_state = memory_alloc_aligned(64, (size_t)LZ4_sizeofState());
    if (codec == COMPRESSION_ZSTD)
        c->zstd = ZSTD_createCCtx();
    if ((codec == COMPRESSION_LZ4 && !c->lz4_state) || (codec == COMPRESSION_ZSTD && !c->zstd)) {
        compressor_free(c);
        return fail(NACRE_NO_MEMORY, "working memory of the compressor");
    }
    *out = c;
    return NACRE_OK;
}

void compressor_free(struct compressor *c)
{
    if (!c)
        return;
    memory_free(c->lz4_state);
    ZSTD_freeCCtx(c->zstd);
    memory_free(c);
}

size_t compressor_bound(const struct compressor *c, size_t raw_size)
{
    return c->codec == COMPRESSION_LZ4 ? (size_t)LZ4_compressBound((int)raw_size) : ZSTD_compressBound(raw_size);
}

int compressor_run(struct compressor *c, const void *raw, size_t raw_size, void *to, size_t limit, size_t *stored)
{
    *stored = 0;
    if (raw_size > CODEC_RAW_MAX)
        return NACRE_OK;
    if (c->codec == COMPRESSION_LZ4) {
        int size = LZ4_compress_fast_extState(c->lz4_state, raw, to, (int)raw_size, (int)limit, 1);
        if (size > 0)
            *stored = (size_t)size;
        return NACRE_OK;
    }
    size_t size = ZSTD_compressCCtx(c->zstd, to, compressor_bound(c, raw_size), raw, raw_size, ZSTD_BLOCK_LEVEL);
    if (ZSTD_isError(size))
        return fail(NACRE_NO_MEMORY, "zstd: %s", ZSTD_getErrorName(size));
    if (size < limit)
        *stored = size;
    return NACRE_OK;
}

struct decompressor {
    _Atomic(ZSTD_DCtx *) contexts[DECOMPRESSOR_SLOTS];
};

struct decompressor *decompressor_create(void)
{
    return memory_zalloc(sizeof(struct decompressor));
}

void decompressor_free(struct decompressor *d)
{
    if (!d)
        return;
    for (int i = 0; i < DECOMPRESSOR_SLOTS; i++)
        ZSTD_freeDCtx(atomic_load_explicit(&d->contexts[i], memory_order_acquire));
    memory_free(d);
}

static ZSTD_DCtx *take_context(struct decompressor *d)
{
    for (int i = 0; i < DECOMPRESSOR_SLOTS; i++) {
        if (!atomic_load_explicit(&d->contexts[i], memory_order_relaxed))
            continue;
        /* Acquire pairs with the release of give_context: what the last user wrote into the context is seen. */
        ZSTD_DCtx *context = atomic_exchange_explicit(&d->contexts[i], NULL, memory_order_acquire);
        if (context)
            return context;
    }
    return ZSTD_createDCtx();
}

static void give_context(struct decompressor *d, ZSTD_DCtx *context)
{
    for (int i = 0; i < DECOMPRESSOR_SLOTS; i++) {
        ZSTD_DCtx *empty = NULL;
        if (atomic_compare_exchange_strong_explicit(&d->contexts[i], &empty, context, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    ZSTD_freeDCtx(context);
}

int decompressor_run(struct decompressor *d, enum compression codec, const void *stored, size_t stored_size, void *raw,
                     size_t raw_size)
{
    if (raw_size > CODEC_RAW_MAX || stored_size > CODEC_RAW_MAX)
        return fail(NACRE_CORRUPT, "compressed block: at most %zu bytes expected, %zu found", CODEC_RAW_MAX, raw_size);
    if (codec == COMPRESSION_LZ4) {
        int made = LZ4_decompress_safe(stored, raw, (int)stored_size, (int)raw_size);
        if (made >= 0 && (size_t)made == raw_size)
            return NACRE_OK;
        return fail(NACRE_CORRUPT, "LZ4: %zu bytes expected, %d found", raw_size, made);
    }
    if (codec != COMPRESSION_ZSTD)
        return fail(NACRE_CORRUPT, "codec 0 to 2 expected, %d found", (int)codec);
    ZSTD_DCtx *context = take_context(d);
    if (!context)
        return fail(NACRE_NO_MEMORY, "working memory of the decompressor");
    size_t made = ZSTD_decompressDCtx(context, raw, raw_size, stored, stored_size);
    give_context(d, context);
    if (!ZSTD_isError(made) && made == raw_size)
        return NACRE_OK;
    return fail(NACRE_CORRUPT, "Zstd: %zu bytes expected, %s", raw_size,
                ZSTD_isError(made) ? ZSTD_getErrorName(made) : "fewer found");
}

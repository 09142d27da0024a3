/* The peers of this build. */
#include "peer.h"

const struct peer *const peers[] = {
#ifdef BENCH_WITH_HYPERSCAN
    &peer_hyperscan,
#endif
#ifdef BENCH_WITH_RE2
    &peer_re2,
    &peer_re2_lines,
#endif
    &peer_ripgrep,
    &peer_plocate,
#ifdef BENCH_WITH_FTS5
    &peer_fts5,
#endif
    NULL,
};

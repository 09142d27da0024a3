#!/bin/sh
# Runs nacre's nearest neighbours beside those of its peers over each set of vectors, and keeps the tables
# (docs/benchmarks.md). Some hours, most of them for FAISS to build; QUICK=1: 20 000 rows of each set, once. A set
# that cannot be had is left out.
#   scripts/bench_vectors.sh [nacre_bench_vectors OPTIONS]        make bench-vectors VECTORS="--engines nacre,hnswlib"
#   SETS="fashion784 glove100" scripts/bench_vectors.sh           default: all but clustered768-1m, which is 3 GB
#   PARTS="searches inserts filters" scripts/bench_vectors.sh     default: all three
set -eu
cd "$(dirname "$0")/.."
program=build/bench/bench/vectors/nacre_bench_vectors
results=build/bench-results
date=$(date -u +%Y-%m-%dT%H:%M:%SZ)

[ -z "${QUICK:-}" ] || [ "$QUICK" = 0 ] || set -- --rows 20000 --queries 200 --runs 1 "$@"
# shellcheck disable=SC2086 # options, separated by blanks
set -- "$@" ${VECTORS:-}

sets=${SETS:-fashion784 mnist784 glove100 clustered768}
# shellcheck disable=SC2086 # names, separated by blanks
data=$(scripts/bench_vectors_data.sh $sets peers)
# What was fetched just now is found only if it is looked for again.
scripts/build.sh bench help >/dev/null
cmake --preset bench -DNACRE_BENCH_DATA="$data" >build/bench/configure.log
scripts/build.sh bench nacre_bench_vectors >/dev/null

mkdir -p "$results"
failed=0
run() { # run SET PART OPTION...
    table=$results/$date-$1-$2
    shift 2
    "$program" "$@" >"$table.md" || failed=1
    cat "$table.md"
    echo "table: $table.md"
}
for name in $sets; do
    if [ ! -s "$data/$name.truth.ivecs" ]; then
        echo "bench_vectors.sh: there is no $data/$name.base.fvecs; its tables are left out" >&2
        continue
    fi
    for part in ${PARTS:-searches inserts filters}; do
        case $part in
        searches) run "$name" searches --tsv "$results/$date-$name.tsv" "$@" "$data/$name" ;;
        inserts) run "$name" inserts --insert "$@" "$data/$name" ;;
        filters) run "$name" filters --filter --queries 200 "$@" "$data/$name" ;;
        *) echo "bench_vectors.sh: there is no part '$part'" >&2; exit 2 ;;
        esac
    done
done
exit "$failed"

#!/bin/sh
# Runs nacre beside the other engines and keeps the table, then its searches and its nearest neighbours beside those of others
# (docs/benchmarks.md). About two hours, and the vectors; QUICK=1: some minutes each.
#   scripts/bench.sh [nacre_bench OPTIONS]        make bench QUICK=1        make bench BENCH="--workloads fillrandom,queue"
set -eu
cd "$(dirname "$0")/.."
program=build/bench/bench/nacre_bench
results=build/bench-results

[ -z "${QUICK:-}" ] || [ "$QUICK" = 0 ] || set -- --quick "$@"
# shellcheck disable=SC2086 # options, separated by blanks
set -- "$@" ${BENCH:-}

mkdir -p "$results"
status=$results/.status
table=$results/$(date -u +%Y-%m-%dT%H:%M:%SZ).txt
{ "$program" "$@" && echo 0 >"$status" || echo $? >"$status"; } | tee "$table"
code=$(cat "$status")
rm -f "$status"
echo "table: $table"
scripts/bench_strings.sh || code=1
scripts/bench_vectors.sh || code=1
exit "$code"

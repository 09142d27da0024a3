#!/bin/sh
# Runs nacre's searches beside those of its peers over each set of lines, and keeps the tables (docs/benchmarks.md). About half an hour;
# QUICK=1: 200 000 lines of each, some minutes. A set of lines that cannot be had is left out.
#   scripts/bench_strings.sh [nacre_bench_strings OPTIONS]        make bench STRINGS="--queries prefix,suffix"
set -eu
cd "$(dirname "$0")/.."
program=build/bench/bench/strings/nacre_bench_strings
results=build/bench-results
date=$(date -u +%Y-%m-%dT%H:%M:%SZ)

[ -z "${QUICK:-}" ] || [ "$QUICK" = 0 ] || set -- --limit-lines 200000 --seconds 2 "$@"
# shellcheck disable=SC2086 # options, separated by blanks
set -- "$@" ${STRINGS:-}

data=$(scripts/bench_data.sh)
mkdir -p "$results"
failed=0
for name in paths npmnames; do
    if [ ! -s "$data/$name.shuf.txt" ]; then
        echo "bench_strings.sh: there is no $data/$name.txt; its table is left out" >&2
        continue
    fi
    table=$results/$date-$name
    "$program" --tsv "$table.tsv" "$@" "$data/$name.txt" >"$table.txt" || failed=1
    cat "$table.txt"
    echo "table: $table.txt"
done
exit "$failed"

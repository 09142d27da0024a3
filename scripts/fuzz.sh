#!/bin/sh
# A campaign of each libFuzzer target (build preset `fuzz`):  scripts/fuzz.sh [SECONDS EACH]
# What it learns is kept in build/fuzz/corpus; inputs that fail are kept in build/fuzz/failures, and named.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
status=0
mkdir -p build/fuzz/failures
for target in build/fuzz/fuzz/fuzz_*; do
    [ -x "$target" ] || continue
    name=$(basename "$target")
    name=${name#fuzz_}
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus"
    seeds=
    [ ! -d "tests/fuzz/corpus/$name" ] || seeds=tests/fuzz/corpus/$name
    echo "== fuzzing $name for $seconds s"
    # shellcheck disable=SC2086 # none or one
    if ! "$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/failures/$name-" "$corpus" $seeds >"build/fuzz/$name.log" 2>&1; then
        tail -n 60 "build/fuzz/$name.log" >&2
        echo "== fuzzing $name FAILED, its input is in build/fuzz/failures" >&2
        status=1
    else
        sed -n 's/^stat::number_of_executed_units: */   inputs run: /p' "build/fuzz/$name.log"
    fi
done
exit "$status"

#!/bin/sh
# Runs the tests of presets that are built, and ends with one line: N passed, N failed.
#   scripts/test.sh PRESET... [-- CTEST ARGUMENTS]
set -u
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
presets=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    presets="$presets $1"
    shift
done
[ $# -eq 0 ] || shift

passed=0
failed=0
for preset in $presets; do
    echo "== tests of build/$preset"
    case $preset in
    asan | tsan | coverage) seconds=1200 ;; # several times slower
    *) seconds=300 ;;
    esac
    log=build/$preset/test.log
    ctest --test-dir "build/$preset" -j "$jobs" --timeout "$seconds" --output-on-failure "$@" 2>&1 | tee "$log"
    p=$(grep -c '^ *[0-9]*/[0-9]* Test .* Passed ' "$log")
    f=$(grep -c '^ *[0-9]*/[0-9]* Test .*\*\*\*' "$log")
    if [ $((p + f)) -eq 0 ]; then
        echo "== build/$preset: no test ran"
        f=1
    fi
    passed=$((passed + p))
    failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

#!/bin/sh
# clang-tidy over the library and the command, then the house rules.
set -eu
cd "$(dirname "$0")/.."
scripts/build.sh check
status=0
find src cli -name '*.c' -print0 |
    xargs -0 -n 4 -P "${JOBS:-$(nproc)}" clang-tidy --quiet -p build/check 2>/dev/null || status=1
ctest --test-dir build/check --output-on-failure -R '^house/' || status=1
exit "$status"

#!/bin/sh
# The long tier: everything of `make test` under both compilers and the sanitizers, with longer random histories; fuzz
# campaigns of bounded time; and which lines the tests run. About an hour on two cores.
#   FUZZ_SECONDS      for each fuzz target, default 60
#   NACRE_TEST_SCALE  the work of random tests, default 10
set -eu
cd "$(dirname "$0")/.."
fuzz_seconds=${FUZZ_SECONDS:-60}
scale=${NACRE_TEST_SCALE:-10}

for preset in release check clang asan tsan fuzz coverage; do
    echo "== building $preset"
    scripts/build.sh "$preset"
done

status=0
NACRE_TEST_SCALE=$scale scripts/test.sh check -- --timeout 3600 || status=1
# The same histories once more under each tool; those of scale 1 are long enough where every access is checked.
NACRE_TEST_SCALE=1 scripts/test.sh clang asan tsan coverage || status=1
scripts/fuzz.sh "$fuzz_seconds" || status=1
scripts/coverage.sh || status=1

total=$(cat build/check/test.log build/clang/test.log build/asan/test.log build/tsan/test.log build/coverage/test.log |
    grep -c '^ *[0-9]*/[0-9]* Test .* Passed ') || true
broken=$(cat build/check/test.log build/clang/test.log build/asan/test.log build/tsan/test.log build/coverage/test.log |
    grep -c '^ *[0-9]*/[0-9]* Test .*\*\*\*') || true
[ "$status" -eq 0 ] || [ "$broken" -gt 0 ] || broken=1
echo "$total passed, $broken failed"
exit "$status"

#!/bin/sh
# Lines of src/ that the tests run, per folder, and the files that are run least (after the tests of preset `coverage`).
set -eu
cd "$(dirname "$0")/.."
objects=build/coverage/CMakeFiles/nacre_objects.dir/src
if [ ! -d "$objects" ]; then
    echo "coverage.sh: build the preset 'coverage' and run its tests first" >&2
    exit 1
fi
echo "== lines run by the tests"
find "$objects" -name '*.gcno' | sort | while read -r notes; do
    gcov --no-output --object-directory "$notes" "$notes" 2>/dev/null || true
done | awk -v root="$PWD/" '
    /^File / { file = $2; gsub(/\047/, "", file); sub(root, "", file); next }
    /^Lines executed:/ && file ~ /^src\/.*\.c$/ {
        split($0, part, /[:% ]+/)
        percent = part[3]; lines = $NF
        folder = file; sub(/\/[^\/]*$/, "", folder)
        run[folder] += percent * lines / 100; all[folder] += lines
        total_run += percent * lines / 100; total += lines
        printf "%6.1f %% of %5d  %s\n", percent, lines, file > "build/coverage/files.txt"
        file = ""
    }
    /^No executable/ { file = "" }
    END {
        for (folder in all) printf "%6.1f %% of %5d  %s\n", 100 * run[folder] / all[folder], all[folder], folder | "sort -k4"
        close("sort -k4")
        if (total) printf "%6.1f %% of %5d  in all\n", 100 * total_run / total, total
    }'
echo "== run least"
sort -n build/coverage/files.txt | head -n 10

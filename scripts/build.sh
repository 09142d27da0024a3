#!/bin/sh
# Configures (when it was not) and builds one preset:  scripts/build.sh PRESET [TARGET...]
# All of it lands in build/PRESET.
set -eu
cd "$(dirname "$0")/.."
preset=$1
shift
jobs=${JOBS:-$(nproc)}
directory=build/$preset

if [ ! -f "$directory/build.ninja" ] || [ ! -f "$directory/configure.log" ] || [ CMakePresets.json -nt "$directory/CMakeCache.txt" ]; then
    mkdir -p "$directory"
    if ! cmake --preset "$preset" >"$directory/configure.log" 2>&1; then
        cat "$directory/configure.log" >&2
        exit 1
    fi
    touch "$directory/CMakeCache.txt"
fi
if [ $# -gt 0 ]; then
    exec cmake --build "$directory" -j "$jobs" --target "$@"
fi
exec cmake --build "$directory" -j "$jobs"

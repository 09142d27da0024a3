#!/bin/sh
# Five seconds of the soak, in a directory of its own.
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$1" "$directory" 5 1

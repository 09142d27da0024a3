#!/bin/sh
# Runs one example in a directory of its own, so that the store it makes there goes away with it.
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
"$1"

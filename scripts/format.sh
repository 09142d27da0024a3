#!/bin/sh
# Lays out all sources by .clang-format.
set -eu
cd "$(dirname "$0")/.."
find include src cli tests examples bench -name '*.[ch]' -print0 | xargs -0 clang-format -i

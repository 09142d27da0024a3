#!/bin/sh
# The sources are laid out by .clang-format. Skipped (77) without clang-format 14: other versions differ in small things.
. "$(dirname "$0")/lib.sh"
clang-format --version 2>/dev/null | grep -q 'version 14\.' || { echo "clang-format 14 is not here"; exit 77; }

# shellcheck disable=SC2046 # names without blanks
clang-format --dry-run $(c_files include src cli tests bench examples) 2>&1 |
    awk -F : '/warning:|error:/ && !seen[$1]++ { print $1 ":" $2 ": not laid out by .clang-format (make format)" }' >"$breaches"
finish "the layout of .clang-format"

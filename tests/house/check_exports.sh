#!/bin/sh
# The shared library exports exactly exports.txt, and that is exactly what the header declares.
. "$(dirname "$0")/lib.sh"
library=$2
work=$(mktemp -d)
trap 'rm -rf "$breaches" "$work"' EXIT

nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/exported"
grep -v '^#' tests/house/exports.txt | sort >"$work/listed"
awk '/^NACRE_API / { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name); print name }' \
    include/nacre/nacre.h | sort >"$work/declared"

comm -23 "$work/exported" "$work/listed" | sed 's/^/exported, not in exports.txt: /' >>"$breaches"
comm -13 "$work/exported" "$work/listed" | sed 's/^/in exports.txt, not exported: /' >>"$breaches"
comm -23 "$work/listed" "$work/declared" | sed 's/^/in exports.txt, not declared in nacre.h: /' >>"$breaches"
comm -13 "$work/listed" "$work/declared" | sed 's/^/declared in nacre.h, not in exports.txt: /' >>"$breaches"
[ -s "$work/exported" ] || echo "$library exports nothing" >>"$breaches"
finish "the library exports what the header declares and exports.txt lists ($(wc -l <"$work/listed") names)"

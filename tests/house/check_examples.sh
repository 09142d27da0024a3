#!/bin/sh
# Every public call is shown at work: in a program of examples/ or in a C snippet of a page (whose lines check_docs.sh finds in the examples).
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2046 # names without blanks
awk "$strip_c"'
FILENAME ~ /nacre\.h$/ {
    if ($0 ~ /^NACRE_API /) { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name); order[++calls] = name }
    next
}
FILENAME ~ /\.md$/ {
    if ($0 ~ /^```/) { snippet = !snippet && $0 ~ /^```c$/; next }
    if (!snippet) next
}
{
    line = strip($0)
    while (match(line, /nacre_[a-z0-9_]+/)) {
        used[substr(line, RSTART, RLENGTH)] = 1
        line = substr(line, RSTART + RLENGTH)
    }
}
END {
    if (!calls) print "include/nacre/nacre.h: no calls were found"
    for (i = 1; i <= calls; i++)
        if (!(order[i] in used)) print order[i] ": neither a program of examples/ nor a snippet of a page uses it"
}' include/nacre/nacre.h $(c_files examples) $(ls ./*.md docs/*.md 2>/dev/null) >"$breaches"
finish "every public call has an example"

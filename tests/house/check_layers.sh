#!/bin/sh
# A layer includes itself and what stands beneath it. The kinds know nothing of each other; tree knows a kind only through
# segment/kind.h, store only in kinds.c; liburcu is for tree and store; the command and the examples see the public header.
. "$(dirname "$0")/lib.sh"

c_files src | xargs awk '
BEGIN {
    may["base"] = "base"
    may["os"] = "base os"
    may["log"] = "base os log"
    may["values"] = "base os values"
    may["memtable"] = "base os log memtable"
    may["segment"] = "base os log values memtable segment"
    may["filter"] = "base filter"
    may["regex"] = "base regex"
    may["distance"] = "base distance"
    may["merge"] = "base merge"
    may["ordered"] = "base os log values memtable segment filter ordered"
    may["strings"] = "base os log values memtable segment filter regex strings"
    may["vectors"] = "base os log values memtable segment filter distance vectors"
    may["tree"] = "base os log values memtable segment merge tree"
    may["store"] = "base os log values memtable segment regex distance merge tree store"
    may["api"] = "base os log values memtable segment regex distance merge tree store api"
}
FNR == 1 {
    split(FILENAME, part, "/"); layer = part[2]
    if (!(layer in may))
        print FILENAME ": there is no layer " layer
    allowed = " " may[layer] " "
    if (FILENAME == "src/store/kinds.c")
        allowed = allowed "ordered strings vectors "
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\""); path = quoted[2]
    target = path; sub(/\/.*/, "", target)
    if (path !~ /^[a-z]+\/[a-z0-9_]+\.h$/)
        print FILENAME ":" FNR ": write it as \"layer/name.h\": " path
    else if (index(allowed, " " target " ") == 0)
        print FILENAME ":" FNR ": " layer " may not include " path
}
/^[ \t]*#[ \t]*include[ \t]*</ {
    if ($0 ~ /<urcu/ && layer != "tree" && layer != "store")
        print FILENAME ":" FNR ": liburcu is for tree and store"
    if ($0 ~ /<nacre\// && $0 !~ /<nacre\/nacre\.h>/)
        print FILENAME ":" FNR ": there is one public header"
}' >"$breaches"

c_files cli examples | xargs -r awk '
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\""); path = quoted[2]
    folder = FILENAME; sub(/\/[^\/]*$/, "", folder)
    if (path ~ /\// || (getline line < (folder "/" path)) < 0)
        print FILENAME ":" FNR ": only <nacre/nacre.h>, system headers and its own: " path
    close(folder "/" path)
}
/^[ \t]*#[ \t]*include[ \t]*</ && (/<nacre\// && !/<nacre\/nacre\.h>/ || /<(urcu|cmocka)/) {
    print FILENAME ":" FNR ": only <nacre/nacre.h>, system headers and its own"
}' >>"$breaches"
finish "every layer includes only what stands beneath it"

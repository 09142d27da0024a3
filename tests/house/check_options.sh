#!/bin/sh
# Options stay few: at most 10 for a store, 6 for a collection. struct_size is none, and logger, os, hooks, merge operators and filters are
# parts that the caller plugs in rather than settings to choose.
. "$(dirname "$0")/lib.sh"

awk "$strip_c"'
{ line = strip($0) }
line ~ /^typedef struct nacre_(options|collection_options) \{/ {
    name = line; sub(/^typedef struct /, "", name); sub(/ .*/, "", name)
    cap = name == "nacre_options" ? 10 : 6
    fields = 0; inside = 1; next
}
inside && line ~ /^\}/ {
    inside = 0
    if (fields > cap) print name " has " fields " options, at most " cap
    if (fields == 0) print name " was not understood"
    found++
}
inside && line ~ /;/ {
    n = split(line, names, /,/)
    if (line !~ /struct_size|nacre_logger|nacre_os|nacre_hooks|\*(merge_operator|compaction_filter);/) fields += n
}
END { if (found != 2) print "include/nacre/nacre.h: the option structs were not found" }
' include/nacre/nacre.h >"$breaches"
finish "at most 10 options for a store and 6 for a collection"

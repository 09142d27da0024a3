#!/bin/sh
# Every call of the public header is documented right above it, in a fixed order: what it does, Returns: (where it returns
# something), Ownership:, Threads:, and Durability: for those that write.
. "$(dirname "$0")/lib.sh"

awk '
BEGIN {
    n = split("nacre_put nacre_delete nacre_delete_range nacre_delete_prefix nacre_write nacre_sync nacre_collection_create " \
              "nacre_collection_drop nacre_collection_clear nacre_checkpoint", w, " ")
    for (i = 1; i <= n; i++) writes[w[i]] = 1
}
function check(   name, returns, at, i, word, where, words) {
    name = declaration; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
    returns = declaration !~ /^NACRE_API void nacre_/
    words = (returns ? "Returns: " : "") "Ownership: Threads:" (name in writes ? " Durability:" : "")
    if (comment == "") { print name ": no documentation right above it"; return }
    at = 0
    count = split(words, word, " ")
    for (i = 1; i <= count; i++) {
        where = index(comment, word[i])
        if (!where) print name ": no " word[i]
        else if (where < at) print name ": " word[i] " is out of order"
        at = where
    }
    calls++
}
/^\/\*/ { comment = ""; inside = 1 }
inside { comment = comment "\n" $0; if (/\*\//) inside = 0; next }
/^NACRE_API/ { declaration = $0; check(); comment = ""; next }
/^[ \t]*$|^[^ \t]/ { comment = "" }
END { if (calls < 10) print "include/nacre/nacre.h was not understood" }
' include/nacre/nacre.h >"$breaches"
finish "every public call is documented in the fixed order"

#!/bin/sh
# A .c begins with what it is; an internal header is guarded by a macro of its own.
. "$(dirname "$0")/lib.sh"

c_files src cli tests bench examples | grep '\.c$' | xargs awk '
FNR == 1 && !/^\/\*/ { print FILENAME ": begin with a comment that says what it is" }' >>"$breaches"
c_files src | grep '\.h$' | xargs awk '
FNR == 1 { guard[FILENAME] = "none" }
/^#ifndef / && guard[FILENAME] == "none" {
    guard[FILENAME] = $2
    if ($2 !~ /^NACRE_[A-Z0-9_]+_H$/) print FILENAME ": its guard is " $2 ", expected NACRE_..._H"
    if ($2 in owner) print FILENAME ": the guard " $2 " is that of " owner[$2]
    owner[$2] = FILENAME
}
END { for (file in guard) if (guard[file] == "none") print file ": no guard" }' >>"$breaches"
finish "every file says what it is"

#!/bin/sh
# The checkers can fail: each is given a small tree that breaks its rule, and must say where; and one that keeps it.
. "$(dirname "$0")/lib.sh"
house=$PWD/tests/house
tree=$(mktemp -d)
trap 'rm -rf "$breaches" "$tree"' EXIT

fresh_tree() {
    rm -rf "$tree"
    mkdir -p "$tree/src/base" "$tree/src/store" "$tree/src/ordered" "$tree/cli" "$tree/include/nacre" "$tree/tests/house" "$tree/examples"
    printf '/* One. */\n#include <nacre/nacre.h>\n#include "base/one.h"\nint one(void)\n{\n    return 1; /* abort(); */\n}\n' \
        >"$tree/src/base/one.c"
    printf '#ifndef NACRE_BASE_ONE_H\n#define NACRE_BASE_ONE_H\nint one(void);\n#endif\n' >"$tree/src/base/one.h"
    printf '/* The command. */\n#include <nacre/nacre.h>\n#include <stdio.h>\n' >"$tree/cli/main.c"
    printf '# none\n' >"$tree/tests/house/long_functions.txt"
    cp include/nacre/nacre.h "$tree/include/nacre/nacre.h"
    { echo '/* All of it. */'; sed -n 's/^NACRE_API .*\(nacre_[a-z_0-9]*\)(.*/\1();/p' include/nacre/nacre.h; } >"$tree/examples/all.c"
}

run() { sh "$house/check_$1.sh" "$tree" /dev/null 2>&1; }

keeps() { # keeps CHECK
    if ! run "$1" >"$tree.out"; then
        echo "check_$1 fails on a tree that keeps the rule: $(head -n 1 "$tree.out")" >>"$breaches"
    fi
    rm -f "$tree.out"
}

breaks() { # breaks CHECK WORDS: it must fail and its output must have WORDS
    if run "$1" >"$tree.out"; then
        echo "check_$1 does not see: $2" >>"$breaches"
    elif ! grep -qF -- "$2" "$tree.out"; then
        echo "check_$1 fails without saying '$2': $(head -n 1 "$tree.out")" >>"$breaches"
    fi
    rm -f "$tree.out"
    fresh_tree
}

fresh_tree
for check in layers lengths banned heads options documentation docs examples; do
    keeps "$check"
done

printf '#include "store/store.h"\n' >>"$tree/src/base/one.c"
breaks layers "base may not include store/store.h"
printf '/* X. */\n#include "vectors/graph.h"\n' >"$tree/src/ordered/x.c"
breaks layers "ordered may not include vectors/graph.h"
printf '/* X. */\n#include "ordered/ordered.h"\n' >"$tree/src/store/x.c"
breaks layers "store may not include ordered/ordered.h"
printf '#include "../src/base/one.h"\n' >>"$tree/cli/main.c"
breaks layers "../src/base/one.h"

yes 'int a;' | head -n 1001 >>"$tree/src/base/one.c" || true
breaks lengths "at most 1000"
{ echo 'int two(void)'; echo '{'; yes '    one();' | head -n 90; echo '}'; } >>"$tree/src/base/one.c"
breaks lengths "two has 93 lines, at most 80"
echo 'src/base/one.c gone 100' >>"$tree/tests/house/long_functions.txt"
breaks lengths "gone: take it out"

for call in 'strcpy(a, b);' 'printf("x");' 'abort();' 'x = malloc(3);' 'fsync(3);'; do
    printf 'void f(void)\n{\n    %s\n}\n' "$call" >>"$tree/src/base/one.c"
    breaks banned "one.c:10:"
done
printf '/* %s: more */\n' TODO >>"$tree/src/base/one.c"
breaks banned "work left undone"

printf 'int x;\n' >"$tree/src/base/two.c"
breaks heads "two.c: begin with a comment"
cp "$tree/src/base/one.h" "$tree/src/base/two.h"
breaks heads "the guard NACRE_BASE_ONE_H is that of"

sed 's/^    uint32_t background_threads;/    uint32_t a, b, c, d, background_threads;/' include/nacre/nacre.h >"$tree/include/nacre/nacre.h"
breaks options "options, at most 10"
sed 's/^   Threads:/   Thread:/' include/nacre/nacre.h >"$tree/include/nacre/nacre.h"
breaks documentation "nacre_put: no Threads:"
echo '/* nacre_sync(); */ void f(void) { puts("nacre_sync"); }' >"$tree/examples/all.c"
printf '# A\n\n```sh\nnacre_put\n```\n\n```c\nnacre_get();\n```\n\nnacre_close();\n' >"$tree/README.md"
for call in put sync close; do
    cp -r "$tree" "$tree.kept"
    breaks examples "nacre_$call: neither"
    rm -rf "$tree" && mv "$tree.kept" "$tree"
done
if run examples | grep -q '^nacre_get:'; then
    echo "check_examples does not see snippets of pages" >>"$breaches"
fi
fresh_tree
printf '# A\n\n[x](none.md)\n' >"$tree/README.md"
breaks docs "README.md: there is no none.md"
printf '# A\n\nIt is in `src/base/none.c`.\n' >"$tree/README.md"
breaks docs "there is no src/base/none.c"
printf '# A\n\n[x](#b)\n' >"$tree/README.md"
breaks docs "there is no heading #b"
printf '# A\n\n```c\nint two(void);\n```\n' >"$tree/README.md"
breaks docs "README.md:4: these lines are in none of the examples"
finish "the checkers see what they are for"

#!/bin/sh
# The pages keep up with the tree: C snippets are lines of the examples, links and names of files lead somewhere, commands exist, and
# the tables of parameters and statistics are those of the source.
. "$(dirname "$0")/lib.sh"
pages=$(ls ./*.md docs/*.md 2>/dev/null || true)
examples=$(ls examples/*.[ch] 2>/dev/null || true)

# Snippets. Blanks at the beginning of lines do not count; a line of three dots stands for lines left out.
# shellcheck disable=SC2086 # lists of names without blanks
[ -z "$pages" ] || awk '
function bare(line) { sub(/^[ \t]+/, "", line); sub(/[ \t]+$/, "", line); return line }
function look(   i) {
    if (piece == "") return
    for (i in source) if (index(source[i], "\n" piece)) { piece = ""; return }
    print FILENAME ":" begin ": these lines are in none of the examples"
    piece = ""
}
FILENAME ~ /\.[ch]$/ { if (FNR == 1) source[FILENAME] = "\n"; source[FILENAME] = source[FILENAME] bare($0) "\n"; next }
/^```c$/ { inside = 1; begin = FNR + 1; piece = ""; next }
/^```/ { if (inside) look(); inside = 0; next }
inside && bare($0) == "..." { look(); begin = FNR + 1; next }
inside { piece = piece bare($0) "\n" }' $examples $pages >>"$breaches"

# Links, and names of files in the text.
for page in $pages; do
    folder=$(dirname "$page")
    sed -e '/^```/,/^```/d' -e 's/`[^`]*`//g' "$page" | grep -o '](\([^)]*\))' | sed 's/^](//; s/)$//; s/#.*//' | sort -u | while read -r target; do
        case $target in
        '' | http*) ;;
        *) [ -e "$folder/$target" ] || echo "$page: there is no $target" ;;
        esac
    done >>"$breaches"
    grep -oE '`(src|tests|examples|scripts|include|docs|bench|cli|cmake)/[A-Za-z0-9_./-]*`' "$page" | tr -d '`' | sort -u |
        while read -r target; do
            [ -e "$target" ] || echo "$page: there is no $target"
        done >>"$breaches"
done

# Anchors of links within a page.
# shellcheck disable=SC2086
[ -z "$pages" ] || awk '
/^```/ { code = !code }
!code && /^#+ / {
    anchor = tolower($0); sub(/^#+ /, "", anchor); gsub(/[^a-z0-9 _-]/, "", anchor); gsub(/ /, "-", anchor)
    known[FILENAME " " anchor] = 1
}
!code {
    text = $0
    while (match(text, /\]\(#[^)]*\)/)) {
        wanted[FILENAME " " substr(text, RSTART + 3, RLENGTH - 4)] = FNR
        text = substr(text, RSTART + RLENGTH)
    }
}
END { for (id in wanted) if (!(id in known)) { split(id, part, " "); print part[1] ":" wanted[id] ": there is no heading #" part[2] } }' \
    $pages >>"$breaches"

# Commands in the shell snippets.
if [ -f cli/command_table.c ]; then
    # shellcheck disable=SC2086
    awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0 }
        inside && /^nacre [a-z]/ { print $2 "\t" FILENAME ":" FNR }' $pages | while read -r name where; do
        grep -qE "^ *\{ \"[^\"]*\", \"$name\"," cli/command_table.c || echo "$where: there is no command '$name'"
    done >>"$breaches"
fi

if [ -f scripts/doc_tables.sh ]; then
    sh scripts/doc_tables.sh --check >>"$breaches" 2>&1 || true
fi
finish "the pages keep up with the tree"

#!/bin/sh
# The tables of docs/tuning.md and docs/statistics.md, made from the tables in the source.
#   scripts/doc_tables.sh           writes them into the pages
#   scripts/doc_tables.sh --check   says which page is not up to date, and fails
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The rows of an X-macro as: name, tab, what follows it.
rows() { # rows MACRO FILE
    awk -v macro="$1(X)" '
    index($0, "#define " macro) { inside = 1; next }
    inside {
        more = /\\[ \t]*$/
        line = $0
        sub(/[ \t]*\\[ \t]*$/, "", line); sub(/^[ \t]+/, "", line)
        row = row (row == "" ? "" : " ") line
        if (row ~ /^X\(.*\)$/) { # a long row goes over several lines
            sub(/^X\([ \t]*/, "", row); sub(/\)$/, "", row)
            name = row; sub(/,.*/, "", name); sub(/^[^,]*,[ \t]*/, "", row)
            print name "\t" row
            row = ""
        }
        if (!more) exit
    }' "$2"
}

tuning() {
    echo '| parameter | unit | default | least | greatest | | how to tell that it is wrong |'
    echo '|---|---|---|---|---|---|---|'
    rows TUNING_TABLE src/store/tuning.h | awk -F '\t' '
    function number(text,   part) {
        gsub(/UINT64_C|[() ]/, "", text)
        return split(text, part, "<<") == 2 ? part[1] * 2 ^ part[2] : text + 0
    }
    function shown(n, unit,   i) {
        if (unit != "bytes" || n == 0) return sprintf("%.0f", n)
        for (i = 1; n >= 1024 && n % 1024 == 0 && i < 5; i++) n /= 1024
        return sprintf("%.0f %s", n, substr("B  KiBMiBGiBTiB", 3 * i - 2, 3))
    }
    {
        gsub(/"[ \t]+"/, "", $2) # parts of one text
        split($2, quoted, "\""); unit = quoted[2]; text = quoted[4]; wrong = quoted[6]
        split(quoted[3], value, ",")
        default_value = text ~ /; 0: / ? "worked out" : shown(number(value[2]), unit)
        line = "| `" $1 "` | " unit " | " default_value " | " shown(number(value[3]), unit) " | " shown(number(value[4]), unit) " | " text " | " wrong " |"
        gsub(/ +\|/, " |", line); print line
    }'
}

figures() { # figures MACRO FILE
    echo '| name | |'
    echo '|---|---|'
    rows "$1" "$2" | awk -F '\t' '{ split($2, quoted, "\""); print "| `" $1 "` | " quoted[2] " |" }'
}

# Puts the tables into the page: each takes the place of the table behind the line that names it.
page() { # page FILE NAME TABLE ...
    file=$1
    shift
    cp "docs/$file" "$work/$file"
    while [ $# -gt 0 ]; do
        [ "$(wc -l <"$2")" -gt 3 ] || { echo "doc_tables: the table of $1 was not found in the source" >&2; exit 1; }
        awk -v heading="## $1" -v table="$2" '
        $0 == heading { state = 1 }
        state == 1 && /^\|/ { while ((getline line < table) > 0) print line; state = 2 }
        state == 2 && /^\|/ { next }
        state == 2 { state = 3 }
        { print }
        END { if (state < 2) { print "doc_tables: no table behind \"" heading "\"" > "/dev/stderr"; exit 1 } }' "$work/$file" >"$work/next"
        mv "$work/next" "$work/$file"
        shift 2
    done
    cmp -s "docs/$file" "$work/$file" && return
    if [ "$mode" = --check ]; then
        echo "docs/$file: its tables are not those of the source: run scripts/doc_tables.sh"
        stale=1
    else
        cp "$work/$file" "docs/$file"
        echo "docs/$file: written"
    fi
}

mode=${1:-}
stale=0
tuning >"$work/tuning"
figures STATS_COUNTERS src/store/stats.h >"$work/counters"
figures GAUGES src/store/report.c >"$work/gauges"
figures LATENCY_TABLE src/store/latency.h >"$work/latencies"
figures MEMORY_OWNERS src/store/report.h >"$work/memory"
figures COLLECTION_FIGURES src/store/report.h >"$work/collections"
page tuning.md Parameters "$work/tuning"
page statistics.md Counters "$work/counters" Gauges "$work/gauges" Latencies "$work/latencies" \
    "Memory by owner" "$work/memory" Collections "$work/collections"
exit "$stale"

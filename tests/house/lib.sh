# Shared by the checkers. Each is called: check_NAME.sh SOURCE_DIRECTORY LIBRARY; it prints one line per breach and fails.
set -eu
cd "$1"
LC_ALL=C
export LC_ALL
breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT

c_files() { # the C sources and headers under the folders given, as far as they exist
    for folder in "$@"; do
        if [ -d "$folder" ]; then
            find "$folder" -name '*.[ch]' | sort
        fi
    done
}

finish() { # finish RULE: fails when breaches were written
    if [ -s "$breaches" ]; then
        cat "$breaches"
        echo "rule broken: $1"
        exit 1
    fi
    echo "kept: $1"
}

# Comments and the contents of strings and characters become blanks; lines keep their numbers.
strip_c='
function strip(line,   out, i, c, two) {
    out = ""
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1); two = substr(line, i, 2)
        if (mode == "comment") {
            if (two == "*/") { mode = ""; i++ }
            out = out " "
        } else if (mode != "") {
            if (c == "\\") { i++; out = out "  " }
            else if (c == mode) { mode = ""; out = out c }
            else out = out " "
        } else if (two == "/*") { mode = "comment"; i++; out = out "  " }
        else if (two == "//") break
        else { if (c == "\"" || c == "\047") mode = c; out = out c }
    }
    if (mode != "comment") mode = ""
    return out
}
FNR == 1 { mode = "" }'

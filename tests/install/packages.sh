#!/bin/sh
# Installs this build into a scratch prefix and builds examples/hello.c against it: by pkg-config, shared and static; by
# find_package, shared and static; and by add_subdirectory. Each program is run.
#   packages.sh SOURCE_DIRECTORY BUILD_DIRECTORY CMAKE C_COMPILER
set -eu
source=$1 build=$2 cmake=$3 compiler=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

fail() {
    echo "install: $*" >&2
    exit 1
}

quietly() { # its output is shown only when it fails
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "failed: $*"; }
}

try() { # try WHAT PROGRAM
    mkdir "$work/run"
    output=$(cd "$work/run" && "$2") || fail "$1: the program failed"
    rm -rf "$work/run"
    case $output in
    *"an apple is red"*) echo "ok: $1" ;;
    *) fail "$1: the program says: $output" ;;
    esac
}

quietly "$cmake" --install "$build" --prefix "$prefix"
libdir=$(dirname "$(find "$prefix" -name libnacre.so)")
for file in "$libdir/libnacre.so.0" "$libdir/libnacre.a" "$prefix/include/nacre/nacre.h" "$libdir/pkgconfig/nacre.pc"; do
    [ -e "$file" ] || fail "$file was not installed"
done
[ "$(find "$prefix/include" -type f | wc -l)" -eq 1 ] || fail "more than the one header was installed"
export PKG_CONFIG_PATH="$libdir/pkgconfig"
example=$source/examples/hello.c

if [ -x "$build/nacre" ]; then
    "$prefix/bin/nacre" --version | grep -q '^nacre [0-9]' || fail "the installed command does not run"
    [ -s "$prefix/share/man/man1/nacre.1" ] || fail "the man page was not installed"
fi

# The static library shows its users nothing but the public names.
leaks=$(nm -g --defined-only "$libdir/libnacre.a" | awk 'NF == 3 && $3 !~ /^nacre_/ { print $3 }')
[ -z "$leaks" ] || fail "libnacre.a defines more than nacre_ names: $(echo $leaks | head -c 300)"

# shellcheck disable=SC2046 # flags
quietly "$compiler" -o "$work/shared" "$example" $(pkg-config --cflags --libs nacre)
readelf -d "$work/shared" | grep -q 'NEEDED.*libnacre\.so\.0' || fail "the program does not ask for libnacre.so.0"
LD_LIBRARY_PATH=$libdir try "pkg-config, shared" "$work/shared"

# shellcheck disable=SC2046 # flags
quietly "$compiler" -o "$work/static" "$example" $(pkg-config --cflags nacre) "$libdir/libnacre.a" \
    $(pkg-config --static --libs nacre | sed 's/-lnacre//')
! readelf -d "$work/static" | grep -q 'NEEDED.*libnacre' || fail "the static program asks for libnacre.so"
try "pkg-config, static" "$work/static"

mkdir "$work/package"
cp "$example" "$work/package/"
cat >"$work/package/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.21)
project(user C)
find_package(nacre 0.1 REQUIRED)
add_executable(shared hello.c)
target_link_libraries(shared PRIVATE nacre::nacre)
add_executable(static hello.c)
target_link_libraries(static PRIVATE nacre::nacre_static)
END
quietly "$cmake" -S "$work/package" -B "$work/package/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$compiler"
quietly "$cmake" --build "$work/package/build"
try "find_package, shared" "$work/package/build/shared"
try "find_package, static" "$work/package/build/static"

# As a folder of a larger project: it must configure there, bring its targets, and leave the project's settings alone.
mkdir "$work/larger"
cp "$example" "$work/larger/"
cat >"$work/larger/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.21)
project(larger C)
add_subdirectory("$source" nacre)
add_executable(inside hello.c)
target_link_libraries(inside PRIVATE nacre::nacre_static)
END
quietly "$cmake" -S "$work/larger" -B "$work/larger/build" -DCMAKE_C_COMPILER="$compiler"
quietly "$cmake" --build "$work/larger/build" -j 2 --target inside
try "add_subdirectory" "$work/larger/build/inside"

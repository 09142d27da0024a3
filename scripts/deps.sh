#!/bin/sh
# Installs the Debian packages that are missing, and says so. Quick and silent when nothing is.
#   scripts/deps.sh [build] [demo] [test] [full] [bench] [lint]
set -eu

packages_of() {
    case $1 in
    build) echo gcc libc6-dev binutils make cmake ninja-build pkg-config \
                liburcu-dev libxxhash-dev liblz4-dev libzstd-dev libjansson-dev libroaring-dev mawk unicode-data ;;
    test) echo g++ libcmocka-dev libre2-dev universal-ctags jq ;;
    demo) echo curl ca-certificates tar gzip mawk ;;
    full) echo clang llvm ;;
    bench) echo g++ librocksdb-dev liblmdb-dev libleveldb-dev libwiredtiger-dev \
                libhyperscan-dev libre2-dev libsqlite3-dev ripgrep plocate apt-file jq \
                libfaiss-dev libopenblas-pthread-dev liblapack-dev ;;
    lint) echo clang-format clang-tidy ;;
    *) echo "deps.sh: unknown group '$1' (there are build, demo, test, full, bench, lint)" >&2; exit 2 ;;
    esac
}

wanted=
for group in "${@:-build}"; do
    wanted="$wanted $(packages_of "$group")"
done

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    echo "deps.sh: this is not a Debian machine; please see to it that these are there:$wanted" >&2
    exit 0
fi

# shellcheck disable=SC2086 # a list of names
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p') || true
missing=
for package in $wanted; do
    case "
$installed
" in
    *"
$package
"*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "deps.sh: these packages are missing, and installing them takes root:$missing" >&2
        exit 1
    fi
    as_root=sudo
fi

echo "deps.sh: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install_missing() {
    # shellcheck disable=SC2086 # a list of names
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1
}
if ! install_missing; then
    echo "deps.sh: not in the package lists; fetching newer lists"
    if ! $as_root apt-get update >"$log" 2>&1 || ! install_missing; then
        cat "$log" >&2
        echo "deps.sh: apt-get could not install:$missing" >&2
        exit 1
    fi
fi
echo "deps.sh: done"

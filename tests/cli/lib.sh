# Shared by the tests of the command. Each runs in a directory of its own, with NACRE_STORE naming a store there.
set -eu
command=${NACRE_COMMAND:-}
[ -x "$command" ] || { echo "NACRE_COMMAND names no program"; exit 77; }
LC_ALL=C.UTF-8
export LC_ALL
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export NACRE_STORE="$work/store"
sentence="(no test has begun)"

nacre() { "$command" "$@"; }

it() { sentence=$*; }

wrong() {
    echo "FAILED: $sentence" >&2
    echo "  $*" >&2
    [ ! -s "$work/out" ] || sed 's/^/  out: /' "$work/out" | head -n 20 >&2
    [ ! -s "$work/err" ] || sed 's/^/  err: /' "$work/err" | head -n 20 >&2
    exit 1
}

# expect CODE ARGUMENTS...: runs the command, keeps what it says in out and err.
expect() {
    expected=$1
    shift
    code=0
    nacre "$@" >"$work/out" 2>"$work/err" || code=$?
    [ "$code" -eq "$expected" ] || wrong "nacre $* ends with $code, expected $expected"
    if [ "$code" -eq 2 ]; then
        grep -q '^nacre: .' "$work/err" || wrong "nacre $* fails without saying why"
    fi
}

# says LINE...: what was printed last is these lines, and nothing else.
says() {
    printf '%s\n' "$@" >"$work/expected"
    cmp -s "$work/expected" "$work/out" || wrong "printed something other than: $*"
}

# blames TEXT: the error that was told last has it.
blames() {
    grep -qF -- "$1" "$work/err" || wrong "the error does not say '$1'"
}

prints() {
    grep -qF -- "$1" "$work/out" || wrong "the output does not have '$1'"
}

same() { # same FILE FILE
    cmp -s "$1" "$2" || wrong "$1 and $2 differ: $(cmp "$1" "$2" 2>&1 | head -n 1)"
}

# Names, sizes and contents of all files beneath a directory.
fingerprint() { (cd "$1" && find . -type f -exec sha256sum {} + | sort -k 2); }

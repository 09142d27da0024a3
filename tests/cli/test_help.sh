#!/bin/sh
# Help, man page and completion are made from one table; mistakes get a hint.
. "$(dirname "$0")/lib.sh"

it "--version and --help say what the command is"
expect 0 --version
grep -qE '^nacre [0-9]+\.[0-9]+\.[0-9]+$' out || wrong "no version"
expect 0 --help
prints "usage: nacre"
cp out general

it "every command of the help has help of its own, a place in the man page and in the completion"
nacre man >manual
nacre completion bash >completion
names=$(awk '/^  [a-z]/ && !/^  --/ { print $1 }' general)
[ "$(echo "$names" | wc -w)" -ge 28 ] || wrong "the help has too few commands"
for name in $names; do
    expect 0 "$name" --help
    prints "usage: nacre [--store DIR] $name"
    expect 0 help "$name"
    grep -qE "^\.SS \"$(echo "$name" | sed 's/-/../g')" manual || wrong "$name is not in the man page"
    grep -qE "^ +$name\) names=" completion || wrong "$name is not completed"
done

it "the help stands in columns"
for name in $names; do
    nacre help "$name" >>general
done
awk 'length > 100 { print; bad = 1 } END { exit bad }' general >result || wrong "too wide: $(head -n 1 result)"
grep -q '^ \{34\}print what a file of the store says$' general || wrong "what does not fit has no line of its own"
grep -q '^ \{24\}bytes from which on' general || wrong "an option that does not fit has no line of its own"

it "the man page has no errors"
if command -v man >/dev/null; then
    man --warnings -E UTF-8 -l -Tutf8 manual >page 2>err || wrong "man cannot show it"
    [ ! -s err ] || wrong "man warns"
fi

it "the completion completes"
if command -v bash >/dev/null; then
    [ "$(bash -c '. ./completion; COMP_WORDS=(nacre imp); COMP_CWORD=1; _nacre; echo "${COMPREPLY[@]}"')" = import ] || wrong "a command"
    [ "$(bash -c '. ./completion; COMP_WORDS=(nacre --store x scan --rev); COMP_CWORD=4; _nacre; echo "${COMPREPLY[@]}"')" = --reverse ] ||
        wrong "an option"
    [ "$(bash -c '. ./completion; COMP_WORDS=(nacre dump m); COMP_CWORD=2; _nacre; echo "${COMPREPLY[@]}"')" = manifest ] || wrong "an argument"
fi

it "help and man page show the letters of options"
expect 0 grep --help
prints "--ignore-case, -i"
prints "--limit, -m N"
expect 0 grep -h
prints "--ignore-case, -i"
expect 0 man
prints 'ignore\-case\fR, \fB\-i\fR'

it "no command at all is an error that shows the help"
code=0
nacre >out 2>err || code=$?
[ "$code" -eq 2 ] || wrong "ends with $code"
grep -q "usage: nacre" err || wrong "no usage"

it "unknown commands and options are told, with what is near"
expect 2 scna x
blames "did you mean scan?"
expect 2 xyzzy
blames "nacre --help"
expect 2 scan x --limt 3
blames "did you mean --limit?"
expect 2 scan x -l 3
blames "unknown option -l"
expect 2 scan x -c
blames "scan has no option --count"
expect 2 help scna
expect 2 put x y --limit 3
blames "put has no option --limit"

it "wrong arguments are told"
expect 2 get x
blames "usage: nacre [OPTIONS] get NAME KEY"
expect 2 get x y z
expect 2 scan x --limit
blames "needs a value"
expect 2 scan x --limit -5
blames "expected a number"
expect 2 scan x --reverse=yes
expect 2 put x y --durability sometimes
blames "memory, os or disk"
expect 2 create x --kind queue
blames "ordered, strings or vectors"
expect 2 create x --kind vectors
expect 2 dump nonsense file
blames "log, manifest, segment or values"
expect 2 bench fillsex
blames "fillseq"

it "output that cannot be written is an error"
if [ -w /dev/full ]; then
    code=0
    nacre man >/dev/full 2>err || code=$?
    [ "$code" -eq 2 ] || wrong "ends with $code"
fi

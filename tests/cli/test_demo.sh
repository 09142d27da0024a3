#!/bin/sh
# The demo keeps its word on this machine, and says so when it cannot.
. "$(dirname "$0")/lib.sh"
demo=$(dirname "$command")/demo
[ -x "$demo" ] || { echo "there is no demo beside the command"; exit 77; }

it "the demo imports, is killed, recovers, answers, and finds what grep finds"
awk 'BEGIN { srand(7); for (i = 0; i < 4000; i++) { printf "w%d%s", i, i % 3 ? "" : "ing"; for (j = 0; j < 100; j++) printf " %.4f", rand() - .5; print "" } }' >words
"$demo" there 200000 words >out 2>err || wrong "the demo ends with $?"
[ "$(grep -c '^  ok ' out)" -ge 4 ] || wrong "too few checks"
grep -q "grep over the same lines finds as many" out || wrong "no searches"
grep -q "the recall that was asked for is there" out || wrong "no neighbours"
! grep -q FAILED out || wrong "a check failed"
grep -q SIGKILL out || wrong "nothing was killed"

it "its store is good"
NACRE_STORE=there
expect 0 verify
expect 0 count files
expect 0 grep -c paths /usr/
expect 0 near words --key w17 -k 3

it "it does not touch a directory that is there"
fingerprint there >before
! "$demo" there >out 2>err || wrong "the demo took a directory that was there"
fingerprint there >after
same before after

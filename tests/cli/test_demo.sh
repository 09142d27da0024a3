#!/bin/sh
# The demo keeps its word on this machine, and says so when it cannot.
. "$(dirname "$0")/lib.sh"
demo=$(dirname "$command")/demo
[ -x "$demo" ] || { echo "there is no demo beside the command"; exit 77; }

it "the demo imports, is killed, recovers, answers, and finds what grep finds"
"$demo" there 200000 >out 2>err || wrong "the demo ends with $?"
[ "$(grep -c '^  ok ' out)" -ge 4 ] || wrong "too few checks"
grep -q "grep over the same lines finds as many" out || wrong "no searches"
! grep -q FAILED out || wrong "a check failed"
grep -q SIGKILL out || wrong "nothing was killed"

it "its store is good"
NACRE_STORE=there
expect 0 verify
expect 0 count files
expect 0 grep -c paths /usr/

it "it does not touch a directory that is there"
fingerprint there >before
! "$demo" there >out 2>err || wrong "the demo took a directory that was there"
fingerprint there >after
same before after

#!/bin/sh
# bench: every workload runs, checks what it reads, and leaves nothing where no store was named.
. "$(dirname "$0")/lib.sh"
unset NACRE_STORE
mkdir tmp
export TMPDIR="$work/tmp"

it "the usual round runs and cleans up"
expect 0 bench --num 2000
prints "fillseq"
prints "readrandom"
[ -z "$(ls tmp)" ] || wrong "something is left in TMPDIR"

it "every name of db_bench that is promised runs, with threads, batches and sizes"
expect 0 --store store bench \
    fillseq,fillrandom,overwrite,fillsync,fillbatch,readrandom,readmissing,readseq,readreverse,readhot,seekrandom,deleterandom,compact,stats,open \
    --num 1000 --value_size 33 --threads 2 --batch 7 --durability memory
[ "$(grep -cE '^(fill|over|read|seek|delete|compact|open)[a-z]* +[0-9]' out)" -eq 14 ] || wrong "a line for each"

it "--json gives an object for each"
expect 0 --store store bench fillseq,readrandom,readseq --num 1000 --json
[ "$(jq -s 'map(.name) | join(" ")' out)" = '"fillseq readrandom readseq"' ] || wrong "names"
[ "$(jq -s '.[1].found' out)" -eq 1000 ] || wrong "found"
[ "$(jq -s '.[2].operations' out)" -eq 1000 ] || wrong "read in sequence"

it "a value that is wrong is noticed"
expect 0 --store store put bench 0000000000000005 wrong
expect 2 --store store bench readseq --num 1000
blames "wrong"

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

it "compaction gives back what was overwritten and deleted, and leaves nothing"
for kind in ordered strings; do
    expect 0 bench compaction --inserts 20000 --overwrites 5000 --deletes 15000 --kind $kind --json
    [ "$(jq -c '[.kind, .inserts, .overwrites, .deletes, .live_before, .live_after]' out)" = "[\"$kind\",20000,5000,15000,5000,5000]" ] ||
        wrong "counts"
    jq -e '.reduction > 0.5 and .bytes_after < .bytes_before' out >result || wrong "nothing was given back"
    expect 0 bench compaction --inserts 5000 --deletes 5000 --overwrites 5000 --kind $kind --assert-empty
    prints "reduction 100.00 %"
    expect 1 bench compaction --inserts 5000 --deletes 4999 --kind $kind --assert-empty
    grep -q "not empty: 1 live keys" err || wrong "does not say what is left"
done
[ -z "$(ls tmp)" ] || wrong "something is left in TMPDIR"

it "compaction leaves a named store as it was, or with --keep its collection"
expect 0 --store other create mine
expect 0 --store other bench compaction --inserts 1000
expect 0 --store other list
! grep -q compaction out || wrong "its collection is left"
expect 0 --store other bench compaction --inserts 1000 --deletes 0 --keep
expect 0 --store other count compaction
says 1000
expect 2 --store other bench compaction --inserts 1000
blames "compaction"
expect 0 bench compaction --inserts 1000 --keep
kept=$(sed -n 's/^kept: //p' err)
expect 0 --store "$kept" count compaction
says 500

it "the options of compaction are for it alone, and within bounds"
expect 2 bench fillseq --inserts 10
blames "--inserts"
expect 2 bench compaction,fillseq
blames "and alone compaction"
expect 2 bench compaction --inserts 10 --deletes 11
blames "from 0 to 10"

it "a store that only the environment names is not touched"
expect 0 --store mine create bench
expect 0 --store mine put bench key precious
fingerprint mine >before
NACRE_STORE="$work/mine"
export NACRE_STORE
expect 0 bench fillseq,stats --num 100
expect 0 bench compaction --inserts 100
unset NACRE_STORE
fingerprint mine >after
same before after
[ -z "$(ls tmp | grep -vxF "$(basename "$kept")")" ] || wrong "something is left in TMPDIR"

it "a collection bench that no bench made is neither emptied nor written"
for names in fillseq fillsync readseq,overwrite deleterandom; do
    expect 2 --store mine bench $names --num 100
    blames "collection bench of mine"
    [ ! -s out ] || wrong "a workload ran"
done
expect 0 --store mine get bench key
says precious
expect 0 --store mine bench compact --num 100
expect 0 --store mine drop bench
expect 0 --store mine create bench
expect 0 --store mine put bench 0000000000000000 precious
expect 2 --store mine bench fillseq --num 100
expect 0 --store mine get bench 0000000000000000
says precious
expect 0 --store mine drop bench
expect 0 --store mine create bench --kind strings
expect 2 --store mine bench fillseq --num 100

it "a collection bench of a bench is filled again, with values of any size"
for size in 100 0 0; do
    expect 0 --store again bench fillrandom --num 100 --value_size $size
done
expect 0 --store again drop bench
for size in 50 2000000 20; do
    expect 0 --store again bench fillrandom,deleterandom --num 10 --value_size $size
done
expect 0 --store again put bench user value
expect 2 --store again bench fillseq --num 10
blames "collection bench of again"
expect 0 --store again get bench user

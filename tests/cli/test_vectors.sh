#!/bin/sh
# Vectors by the command: every format that import reads, near in all its forms, export and back.
. "$(dirname "$0")/lib.sh"
NACRE_STORE=store

it "a collection of vectors is made, filled and asked"
expect 0 create points --kind vectors --dim 2 --metric l2
expect 0 put points a first --vector 1,0
expect 0 put points b --vector "0 2"
expect 0 put points c third --vector -3,0
near() { "$command" --store store near "$@"; }
near points --vector 1,0.25 -k 2 >out
printf 'a\t0.0625\tfirst\nb\t4.0625\n' >want
same want out
near points --key c -k 1 --json >out
printf '{"key":"c","distance":0,"value":"third"}\n' >want
same want out
"$command" --store store list >out
grep -q "vectors, 2 dimensions, l2" out || wrong "list does not tell the dimension"

it "what does not fit is refused"
expect 2 put points d --vector 1,2,3
expect 2 put points d value
expect 2 put points d --vector 1,nan
expect 2 put points d --vector 1,x
expect 2 near points --vector 1
expect 2 near points --vector 1,2 --key a
expect 2 near points
expect 2 near points --vector 1,2 --recall 2
expect 2 near points --vector 1,2 --truth none
expect 1 near points --key none
expect 2 create other --kind vectors --dim 2
expect 2 create other --kind vectors --metric l2
expect 2 create other --dim 2
expect 0 create plain
expect 2 near plain --vector 1,2

it "get prints the vector when asked"
"$command" --store store get points a --with-vector >out
printf '1,0\nfirst\n' >want
same want out
"$command" --store store get points c --with-vector --json >out
printf '{"key":"c","vector":[-3,0],"value":"third"}\n' >want
same want out

it "filters: prefix, range, expression"
for i in 1 2 3 4 5 6 7 8 9; do
    echo "w$i $i 0"
done >words.glove
expect 0 import points words.glove
near points --vector 0,0 -k 3 --prefix w >out
printf 'w1\t1\nw2\t4\nw3\t9\n' >want
same want out
near points --vector 0,0 -k 3 --begin w4 --end w6 >out
printf 'w4\t16\nw5\t25\n' >want
same want out
near points --vector 0,0 -k 2 --match '[79]$' --exact >out
printf 'w7\t49\nw9\t81\n' >want
same want out
expect 1 near points --vector 0,0 --prefix nothing
expect 2 near points --vector 0,0 --match '('

it "fvecs, bvecs and npy: rows get their number"
# 2 dimensions; 1.0 = 00 00 80 3f, 2.0 = 00 00 00 40
printf '\002\000\000\000\000\000\200\077\000\000\000\100\002\000\000\000\000\000\000\100\000\000\200\077' >rows.fvecs
printf '\002\000\000\000\001\002\002\000\000\000\002\001' >rows.bvecs
{
    printf '\223NUMPY\001\000\166\000'
    printf '%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"
    printf '\000\000\200\077\000\000\000\100\000\000\000\100\000\000\200\077'
} >rows.npy
printf 'one 1 2\ntwo 2 1\n' >rows.txt
for format in fvecs bvecs npy; do
    expect 0 import "$format" rows.$format --kind vectors --metric l2
    near "$format" --vector 2,1 -k 2 >out
    printf '1\t0\n0\t2\n' >want
    same want out
done
expect 0 import text rows.txt --kind vectors --metric cosine --format glove
near text --vector 4,2 -k 1 >out
grep -q '^two' out || wrong "glove"

it "a file cut short, or of another dimension, is refused"
head -c 20 rows.fvecs >short.fvecs
expect 2 import fvecs short.fvecs
printf '\003\000\000\000\000\000\200\077\000\000\000\100\000\000\000\100' >three.fvecs
expect 2 import fvecs three.fvecs
expect 2 import plain rows.fvecs
expect 2 import fvecs words.glove --kind ordered
expect 2 import new rows.fvecs --kind vectors
head -c 60 rows.npy >short.npy
expect 2 import new short.npy --kind vectors --metric l2

it "queries from a file, and their recall"
near fvecs --queries rows.fvecs -k 1 >out
printf '0\t0\t0\n1\t1\t0\n' >want
same want out
near fvecs --queries rows.fvecs -k 1 --json >out
grep -q '"neighbors":\[{"key":"0","distance":0,"value":""}\]' out || wrong "json of a query"
# one column: row 0 for the first query, row 0 (wrong) for the second
printf '\001\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000' >truth.ivecs
near fvecs --queries rows.fvecs -k 1 --truth truth.ivecs --json >out
grep -q '"recall":0.500000,"queries_per_second":' out || wrong "recall"
near fvecs --queries rows.fvecs --truth truth.ivecs -k 1 --limit 1 --exact >out
grep -q '^recall@1 1.0000 over 1 queries' out || wrong "recall of one"

it "truth that does not belong to the queries is refused"
refused() { # refused TRUTH K TEXT
    expect 2 near fvecs --queries rows.fvecs --truth "$1" -k "$2"
    blames "$3"
    [ ! -s out ] || wrong "a recall was printed"
}
refused truth.ivecs 2 "1 columns, fewer than the 2"
head -c 8 truth.ivecs >one.ivecs
refused one.ivecs 1 "has 1 rows, and rows.fvecs has 2 queries"
cat truth.ivecs one.ivecs >three.ivecs
refused three.ivecs 1 "has 3 rows, and rows.fvecs has 2 queries"
expect 2 near fvecs --queries rows.fvecs --truth three.ivecs -k 1 --limit 1
refused rows.fvecs 1 "rows.fvecs: by its name it holds vectors"
refused rows.txt 1 "no ivecs file"
: >empty.ivecs
refused empty.ivecs 1 "no ivecs file"
head -c 14 truth.ivecs >cut.ivecs
refused cut.ivecs 1 "no ivecs file: row 1 is cut short"
head -c 10 truth.ivecs >cut.ivecs
refused cut.ivecs 1 "no ivecs file: row 1 is cut short"
printf '\001\000\000\000\000\000\000\277' >negative.ivecs
refused negative.ivecs 1 "negative"

it "lines of words and numbers are counted from 1, with those passed over"
printf 'x 1 2\nbad 1\n' >bad.glove
expect 2 import points bad.glove
blames "bad.glove, line 2: "
printf '2 2\n\nx 1 2\ny 1 z\n' >bad.glove
expect 2 import points bad.glove
blames "bad.glove, line 4: "
printf 'x a b\n' >bad.glove
expect 2 import points bad.glove
blames "bad.glove, line 1: "
expect 0 delete points x

it "export writes what import reads"
expect 0 export points points.jsonl
expect 0 create again --kind vectors --dim 2 --metric l2
expect 0 import again points.jsonl
expect 0 export again again.jsonl
same points.jsonl again.jsonl
expect 2 export points points.tsv

it "explain tells of each layer"
near points --vector 0,0 --explain >out
grep -q strategy out || wrong "explain"
expect 0 flush points
expect 0 verify
near points --vector 1,0.25 -k 1 >out
printf 'a\t0.0625\tfirst\n' >want
same want out

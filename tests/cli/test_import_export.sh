#!/bin/sh
# import and export: every format, any bytes, and what is wrong with a file.
. "$(dirname "$0")/lib.sh"
nacre create one
nacre create two

it "lines are keys"
printf 'pear\napple\n\nback\\slash\n' | nacre import one - >out
expect 0 scan one --keys-only --json
[ "$(jq -r .key out | tr '\n' ' ')" = 'apple back\slash pear ' ] || wrong "keys of lines"

it "a carriage return before the end of a line is kept in lines, and goes with --crlf"
expect 0 clear one
printf 'a\r\nb\r\r\nc\nd\r' >dos
expect 0 import one dos
expect 0 scan one --keys-only
says 'a\r' 'b\r\r' c 'd\r'
expect 0 clear one
expect 0 import one dos --crlf
expect 0 scan one --keys-only
says a 'b\r' c 'd\r'
nacre help import >out
prints 'a \r at its end is kept'

it "tsv has escapes, and further columns are passed over"
expect 0 clear one
printf 'a\\tb\tx\\x00y\\n\tmore\r\nplain\n' >in.tsv
expect 0 import one in.tsv
expect 0 scan one
says "$(printf '%s\t%s' 'a\tb' 'x\x00y\n')" "$(printf 'plain\t')"

it "csv has quotes over several lines"
expect 0 clear one
printf 'name,colour,more\n"ap,ple","re""d\nish",x\r\npear,green\nlonely\n' >in.csv
expect 0 import one in.csv --header --json
[ "$(jq .entries out)" = 3 ] || wrong "entries"
expect 0 get one ap,ple
says 're"d' ish
expect 0 get one pear
says green
expect 0 get one lonely
says ""

it "jsonl takes texts, hexadecimal, and other JSON as its text"
expect 0 clear one
printf '%s\n' '{"key":"a","value":"A\u0000é"}' '{"key_hex":"00ff","value_hex":"fe"}' '{"key":"n","value":{"x":[1,2]}}' '{"key":"e"}' >in.jsonl
expect 0 import one in.jsonl
expect 0 get one n
says '{"x":[1,2]}'
nacre get one a --raw >got
printf 'A\0\303\251' >expected
same expected got
nacre get one --hex 00ff --raw >got
printf '\376' >expected
same expected got

it "tsv and jsonl bring any bytes there and back"
expect 0 clear one
i=0
while [ $i -lt 256 ]; do
    byte=$(printf '%02x' $i)
    printf '{"key_hex":"%s","value_hex":"%s00ff%s"}\n{"key_hex":"5c78%s%s","value":"v%s"}\n' "$byte" "$byte" "$byte" "$byte" "$byte" "$byte"
    i=$((i + 1))
done >bytes.jsonl
expect 0 import one bytes.jsonl
expect 0 count one
says 512
for format in tsv jsonl; do
    expect 0 export one "out.$format"
    expect 0 clear two
    expect 0 import two "out.$format"
    expect 0 export two "back.$format"
    same "out.$format" "back.$format"
    nacre scan one --json --hex >before
    nacre scan two --json --hex >after
    same before after
done
nacre export one --hex | (nacre clear two && nacre import two - --format tsv --hex) >out
nacre scan two --json --hex >after
same before after

it "export writes a range, and no file where it fails"
expect 0 export one range.tsv --prefix 'A'
[ "$(wc -l <range.tsv)" -eq 1 ] || wrong "a range"
expect 2 export nothing there.tsv
[ -z "$(ls there.tsv* 2>/dev/null)" ] || wrong "a file was left"

it "many entries go in batches, and come in order"
awk 'BEGIN { for (i = 0; i < 20000; i++) printf "%08d\tvalue %d\n", (i * 7919) % 20000, i }' >many.tsv
expect 0 clear two
expect 0 import two many.tsv --batch 333
expect 0 count two
says 20000
sort many.tsv >sorted
nacre scan two >got
same sorted got

it "a line that cannot be read is named; what came before it stays"
expect 0 clear two
printf '{"key":"good"}\n{"key":5}\n' >bad.jsonl
expect 2 import two bad.jsonl
blames "bad.jsonl, line 2"
expect 0 scan two --keys-only
says good
printf 'a,"b\n' >bad.csv
expect 2 import two bad.csv
blames "quote"
printf '\tvalue\n' | nacre import two - --format tsv >out 2>err && wrong "an empty key was taken"
grep -q 'line 1' err || wrong "the line is not named"

it "a file that is not there, or is a directory, is an error"
expect 2 import two nothing.tsv
blames "nothing.tsv"
expect 2 import two "$work"
expect 2 import two many.tsv --format fvecs

it "no progress is shown where standard error is no terminal"
expect 0 import two many.tsv
[ ! -s err ] || wrong "something is on standard error"

it "progress is shown on a terminal"
if command -v script >/dev/null; then
    yes 'a line that is a key' | head -n 3000000 >long.txt
    script -qec "'$command' import two long.txt" /dev/null >typed 2>&1 </dev/null || wrong "import on a terminal"
    grep -q 'ETA' typed || wrong "no progress on a terminal"
fi

it "sorted entries are loaded as one write"
nacre create sorted
expect 0 put sorted b old
printf 'a\t1\nb\t2\nc\t3\n' >sorted.tsv
expect 0 import sorted sorted.tsv --sorted --json
[ "$(jq .entries out)" = 3 ] || wrong "entries"
expect 0 scan sorted
says "$(printf 'a\t1')" "$(printf 'b\t2')" "$(printf 'c\t3')"
seq -w 1 30000 | sed 's/.*/key-&/' >sorted.lines
expect 0 import sorted sorted.lines --sorted
expect 0 count sorted --prefix key-
says 30000
expect 0 verify
printf '{"key":"x","value":"9"}\n{"key":"y"}\n' >sorted.jsonl
expect 0 import sorted sorted.jsonl --sorted --ttl 1
sleep 0.01
expect 1 scan sorted --begin x
expect 0 import sorted - --sorted --kind ordered --header --format csv <<'END'
key,value
"p,q",1
r,2
END
expect 0 get sorted p,q
says 1

it "a sorted import that is not sorted imports nothing and names line and keys"
printf 'm\t1\no\t2\nn\t3\n' >unsorted.tsv
expect 2 import sorted unsorted.tsv --sorted
blames "line 3"
blames "'n' after 'o'"
expect 1 scan sorted --begin m --end p
printf 'm\nm\n' >twice.lines
expect 2 import sorted twice.lines --sorted
blames "'m' after 'm'"
expect 2 import sorted sorted.tsv --sorted --batch 10
expect 2 import sorted sorted.tsv --sorted --durability os
[ "$(find "$NACRE_STORE/segments" -name '*.seg' | wc -l)" -lt 20 ] || wrong "segments are left behind"

it "export writes a pipe or a device as it stands, and says where it takes no more"
expect 0 clear two
expect 0 put two key value
mkfifo fifo
timeout 60 cat fifo >through &
reader=$!
expect 0 export two fifo
[ -p fifo ] || wrong "the pipe was replaced"
wait $reader
printf 'key\tvalue\n' >want
same want through
if [ -c /dev/full ]; then
    ln -s /dev/full full
    expect 2 export two full
    blames "No space left on device"
    [ -L full ] || wrong "the link to a device was replaced"
    [ -z "$(ls full.* 2>/dev/null)" ] || wrong "a file was left"
fi

it "export follows links to files"
mkdir away
echo before >away/target.tsv
ln -s away/target.tsv link.tsv
ln -s link.tsv second.tsv
expect 0 export two second.tsv
[ -L second.tsv ] && [ -L link.tsv ] || wrong "a link was replaced"
same want away/target.tsv
rm away/target.tsv
expect 0 export two second.tsv
same want away/target.tsv
expect 2 export nothing second.tsv
same want away/target.tsv
[ "$(ls away)" = target.tsv ] || wrong "a file was left"
ln -s round.tsv round.tsv
expect 2 export two round.tsv
blames "round.tsv"

it "export to the name of standard output is as without a name"
if [ -e /dev/stdout ]; then
    ln -s /dev/stdout standard
    nacre export two standard | cat >through
    [ -L standard ] || wrong "the link was replaced"
    same want through
fi

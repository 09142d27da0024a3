#!/bin/sh
# grep: which keys are found, how they are printed, and what it ends with, as users of grep expect.
. "$(dirname "$0")/lib.sh"
escape=$(printf '\033')
{
    printf '%s\n' /etc/hosts /etc/motd /usr/bin/ls /usr/lib/libssl.so /usr/lib/libssl.so.3 /usr/share/README.md \
        /usr/share/doc/readme a.b axb
    printf 'caf\303\251\nCAF\303\211\n'
} >keys

it "import makes the collection of the kind that is named, and the store; what is there must be of that kind"
expect 0 import paths keys --kind strings
prints "imported 11 keys"
expect 0 list --json
[ "$(jq -r '.[0].name + " " + .[0].kind' out)" = "paths strings" ] || wrong "the kind"
expect 0 import paths keys --kind strings
expect 2 import paths keys --kind ordered
blames "kind strings, not ordered"
expect 2 import other keys
blames "other"
expect 2 import other keys --kind vectors
blames "no fixed one"

in_memory_and_in_segments() { # runs the tests below on both
    it "keys that match are printed in their order"
    expect 0 grep paths 'ssl'
    says /usr/lib/libssl.so /usr/lib/libssl.so.3
    expect 0 grep paths '^/etc/'
    says /etc/hosts /etc/motd
    expect 0 grep paths '\.so$'
    says /usr/lib/libssl.so
    expect 0 grep paths 'm[a-z]*d|^a.b$'
    says /etc/motd /usr/share/README.md a.b axb
    expect 0 grep paths '' --limit 1
    says /etc/hosts

    it "no match ends with 1 and prints nothing"
    expect 1 grep paths 'nothing of the kind'
    [ ! -s out ] && [ ! -s err ] || wrong "printed something"

    it "-c counts, and ends as if it had printed"
    expect 0 grep paths -c ssl
    says 2
    expect 0 grep paths ssl --count --json
    says '{"count":2}'
    expect 1 grep -c paths nothing
    says 0
    expect 0 grep -c -m 1 paths ssl
    says 1

    it "-i takes letters in any case, also those beyond ASCII"
    expect 0 grep paths -i readme
    says /usr/share/README.md /usr/share/doc/readme
    expect 0 grep -ci paths "$(printf 'caf\303\251')"
    says 2

    it "-v gives the others: printed, counted, limited, backwards, within bounds"
    expect 0 grep -v paths '/'
    says "$(printf 'CAF\303\211')" a.b axb "$(printf 'caf\303\251')"
    expect 0 grep -v paths '/' --reverse -m 2
    says "$(printf 'caf\303\251')" axb
    expect 0 grep -cv paths '/'
    says 4
    expect 0 grep -cv -m 3 paths '/'
    says 3
    expect 0 grep -v --prefix /usr/ paths lib
    says /usr/bin/ls /usr/share/README.md /usr/share/doc/readme
    expect 0 grep -v --prefix /usr/ --reverse paths lib
    says /usr/share/doc/readme /usr/share/README.md /usr/bin/ls
    expect 1 grep -v paths ''
    [ ! -s out ] || wrong "printed something"
    expect 1 grep -vc paths ''
    says 0
    expect 0 grep -vc paths 'nothing of the kind'
    says 11

    it "-m, --max-count and --limit stop; --reverse begins at the end"
    expect 0 grep -m2 paths /usr
    says /usr/bin/ls /usr/lib/libssl.so
    expect 0 grep paths /usr --max-count=1
    says /usr/bin/ls
    expect 0 grep paths /usr --limit 2 --reverse
    says /usr/share/doc/readme /usr/share/README.md

    it "-q prints nothing; the end tells"
    expect 0 grep -q paths ssl
    [ ! -s out ] || wrong "printed something"
    expect 1 grep -q paths nothing
    expect 0 grep -qv paths ssl
    expect 0 grep -qc paths ssl
    [ ! -s out ] || wrong "printed something"

    it "-F takes texts as they are, -x whole keys, -e several patterns"
    expect 0 grep -F paths a.b
    says a.b
    expect 0 grep -x paths a.b
    says a.b axb
    expect 0 grep -Fx paths a.b
    says a.b
    expect 0 grep paths -e hosts -e '^a\.b$' --regexp=motd
    says /etc/hosts /etc/motd a.b
    expect 0 grep -x paths -e '/etc/hosts|/etc/motd' -e axb -e usr
    says /etc/hosts /etc/motd axb
    expect 0 grep -x paths '\Qa.b'
    says a.b
    expect 1 grep -F paths '^a\.b$'
    expect 0 grep -F -i paths README
    says /usr/share/README.md /usr/share/doc/readme

    it "bounds and prefix hold for what is printed and counted, together too"
    expect 0 grep paths ssl --begin /usr/lib/libssl.so.
    says /usr/lib/libssl.so.3
    expect 0 grep paths . --end /f
    says /etc/hosts /etc/motd
    expect 0 grep paths s --prefix /usr/lib/ --end /usr/lib/libssl.so.3
    says /usr/lib/libssl.so
    expect 0 grep paths -c . --prefix /etc/m
    says 1
    expect 1 grep paths . --begin b --end a
    expect 1 grep paths -c . --prefix /etc --begin /usr
    says 0
    expect 1 grep paths -cv . --prefix /etc --begin /usr
    says 0

    it "--bytes reads keys as bytes"
    expect 1 grep -x paths 'caf..'
    expect 0 grep -x --bytes paths 'caf..'

    it "threads are taken, and change nothing"
    expect 0 grep paths -c s --threads 3
    says 6

    it "--explain tells how, for people and as JSON, whether or not something matches"
    expect 0 grep paths --explain ssl
    prints "ssl"
    [ "$(wc -l <out)" -gt 3 ] || wrong "too little is told"
    ! grep -q '[{}]' out || wrong "JSON for people"
    expect 0 grep paths --explain ssl --json
    jq -e 'type == "object"' out >result || wrong "no JSON"
    expect 0 grep paths --explain nothing
    expect 0 grep paths --explain '\.so'
    prints 'pattern             \.so'
}
in_memory_and_in_segments
nacre flush paths
in_memory_and_in_segments
nacre compact paths
in_memory_and_in_segments

it "deleted and expired keys are not found, nor are they among those that do not match"
expect 0 put paths /tmp/soon --ttl 200
expect 0 put paths /tmp/gone
expect 0 delete paths /tmp/gone
sleep 0.3
expect 1 grep paths '^/tmp'
expect 1 grep -v paths '^/[eu]|^[^/]'

it "a pattern that does not parse is told with the place"
expect 2 grep paths 'foo(bar'
blames "missing"
sed -n 2p err | grep -qx '  foo(bar' || wrong "the pattern is not shown"
sed -n 3p err | grep -qxE ' +\^' || wrong "no caret"
expect 2 grep paths 'ab[z-a]c'
[ "$(sed -n 3p err)" = "    ^" ] || [ "$(sed -n 3p err)" = "     ^" ] || wrong "the caret stands elsewhere"
expect 2 grep paths "$(printf '\303\251\303\251(')"
[ "$(sed -n 3p err)" = "    ^" ] || wrong "the caret counts bytes, not characters"
expect 2 grep paths -e good -e 'x**' -x
sed -n 2p err | grep -qx '  x\*\*' || wrong "another pattern than the wrong one is shown"
expect 2 grep paths '(a)\1'
expect 2 grep paths '(?=a)'

it "what is missing, doubled or unknown is told"
expect 2 grep paths
blames "which pattern"
expect 2 grep paths a -e b
blames "--regexp"
expect 2 grep nothing a
blames nothing
expect 2 grep paths a --color sometimes
blames "auto, always or never"
expect 2 grep paths a -y
blames "-y"
expect 2 grep paths a -m
blames "needs a value"
expect 2 grep paths a -m x
blames "expected a number"
expect 2 grep paths a -v --explain
nacre create plain
nacre put plain key value
expect 2 grep plain key
blames "plain"

it "letters may stand together, and the last may take a value"
expect 0 grep -civm2 paths SSL
says 2
expect 0 grep -cehosts paths
says 1
expect 2 grep -cz paths hosts
blames "-z"

it "a pattern that begins with a dash follows -- or -e"
expect 0 put paths -- -dash
expect 0 grep paths -- -d
says -dash
expect 0 grep paths -e -da
says -dash
expect 0 delete paths -- -dash

it "any bytes are keys, and are printed as they are"
printf '%s\n' '{"key_hex":"62696e0a6e6577"}' '{"key_hex":"62696e00ff"}' >any.jsonl
expect 0 import any any.jsonl --kind strings
nacre grep any ^bin >got
printf 'bin\0\377\nbin\nnew\n' >wanted
same wanted got
nacre grep any ^bin -Z >got
printf 'bin\0\377\0bin\nnew\0' >wanted
same wanted got
nacre grep any ^bin -0 >again
same got again
expect 0 grep any ^bin --hex
says 62696e00ff 62696e0a6e6577
expect 0 grep any ^bin --json
[ "$(jq -c . out | tr '\n' ' ')" = '{"key_hex":"62696e00ff"} {"key":"bin\nnew"} ' ] || wrong "JSON"
expect 0 grep any --hex -F 00ff
says 62696e00ff
expect 0 grep any --hex --prefix 62696e00 .
says 62696e00ff
expect 0 grep any '(?s)^bin.new$' --hex
says 62696e0a6e6577
expect 1 grep any '^bin.new$'
expect 0 grep any '^...\x00.$' --hex
says 62696e00ff
expect 0 grep any '^bin\x00\x{FFFD}$' --hex
says 62696e00ff
expect 0 grep any --bytes '\xff$' --hex
says 62696e00ff
expect 2 grep any --hex -F 0g
blames hexadecimal

it "--values prints values too"
expect 0 put any key1 'the value'
expect 0 grep any key --values
says "$(printf 'key1\tthe value')"
expect 0 grep any key --values --json
says '{"key":"key1","value":"the value"}'
expect 0 grep any -v bin --values
says "$(printf 'key1\tthe value')"
nacre grep any key --values -Z >got
printf 'key1\tthe value\0' >wanted
same wanted got

it "--color marks every match in a key, and nothing where there is nothing to mark"
expect 0 grep paths --color always 'ss|so'
says "/usr/lib/lib${escape}[1;31mss${escape}[ml.${escape}[1;31mso${escape}[m" "/usr/lib/lib${escape}[1;31mss${escape}[ml.${escape}[1;31mso${escape}[m.3"
expect 0 grep paths --colour=always '^/e|t|$' -m 1
says "${escape}[1;31m/e${escape}[m${escape}[1;31mt${escape}[mc/hos${escape}[1;31mt${escape}[ms"
expect 0 grep paths --color always 'x*' -x --prefix a.b -v
says a.b
expect 0 grep paths --color always 'b*' --prefix axb
says "ax${escape}[1;31mb${escape}[m"
expect 0 grep paths --color never ss -m 1
says /usr/lib/libssl.so
expect 0 grep paths ss -m 1
says /usr/lib/libssl.so

it "on a terminal matches are marked, and bytes that a terminal would obey are written out"
if command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1; then
    TERM=xterm script -qec "'$command' grep any '^bin'" /dev/null </dev/null | tr -d '\r' >out
    says "${escape}[1;31mbin${escape}[m\\x00\\xff" "${escape}[1;31mbin${escape}[m\\nnew"
    NO_COLOR=1 script -qec "'$command' grep any '^bin' -m1" /dev/null </dev/null | tr -d '\r' >out
    says 'bin\x00\xff'
fi

it "a search is given up after its time"
awk 'BEGIN { for (i = 0; i < 200000; i++) printf "/some/path/number/%d/of/many\n", i }' >many
expect 0 import many many --kind strings
expect 0 grep -c many . --timeout 60000
says 200000
code=0
nacre grep -v many '([a-z]*/){4}9{5}x' --timeout 1 >out 2>err || code=$?
[ "$code" -eq 2 ] || [ "$code" -eq 0 ] || wrong "ends with $code"
[ "$code" -eq 0 ] || blames "timeout"

it "it works on pipes that are closed early, and ends by the signal that interrupts it"
[ "$(nacre grep many . | head -n 1)" = /some/path/number/0/of/many ] || wrong "the first line"
mkfifo pipe
nacre grep many . >pipe 2>err &
searcher=$!
exec 9<pipe
head -c 1 <&9 >got
kill -TERM $searcher
code=0
{ wait $searcher || code=$?; } 2>said # the shell tells of it
exec 9<&-
[ "$code" -eq 143 ] || wrong "ends with $code"
[ ! -s err ] || wrong "says something"

it "output that cannot be written is an error"
if [ -w /dev/full ]; then
    code=0
    nacre grep many . >/dev/full 2>err || code=$?
    [ "$code" -eq 2 ] || wrong "ends with $code"
fi

it "it finds what grep finds"
LC_ALL=C sort many keys >lines
nacre import lines lines --kind strings >out
nacre flush lines
for pattern in '99' '^/some' 'many$' '/[0-9]{3}/' '1.*2.*3' 'hosts|7777' '[^0-9/a-z]' 'zzz' '^$' 'o[fr]|s{2}'; do
    LC_ALL=C grep -E "$pattern" lines >wanted || true
    nacre grep lines "$pattern" >got || [ $? -eq 1 ] || wrong "$pattern"
    same wanted got
    LC_ALL=C grep -vE "$pattern" lines >wanted || true
    nacre grep lines "$pattern" -v >got || [ $? -eq 1 ] || wrong "-v $pattern"
    same wanted got
done

it "a segment of the kind can be dumped, and verified"
expect 0 verify
for file in store/segments/*.seg; do
    expect 0 dump segment "$file" --limit 5
    jq -e . out >result || wrong "no JSON"
done

#!/bin/sh
# create, drop, list, put, get, delete, delete-range, delete-prefix, clear, scan, count: what they say and what they end with.
. "$(dirname "$0")/lib.sh"

it "create makes the store and the collection; list shows it"
expect 0 create fruit --kind ordered
expect 0 list
prints "fruit"
expect 0 list --json
[ "$(jq -r '.[0].name + " " + .[0].kind' out)" = "fruit ordered" ] || wrong "list --json"

it "a collection is made once"
expect 2 create fruit
blames "fruit"

it "what was put is got by another process"
expect 0 put fruit apple red
expect 0 get fruit apple
says red

it "overwriting gives the new value"
expect 0 put fruit apple green
expect 0 get fruit apple
says green

it "a key that is not there ends with 1 and prints nothing"
expect 1 get fruit pear
[ ! -s out ] || wrong "printed something"

it "a value may be empty, and come from standard input with any bytes"
expect 0 put fruit empty
expect 0 get fruit empty
says ""
printf 'a\0b\nc' >bytes
nacre put fruit bytes - <bytes
nacre get fruit bytes --raw >got
same bytes got

it "--hex gives keys with any bytes"
expect 0 put fruit --hex 00ff0a binary
expect 0 get --hex fruit 00FF0A
says binary
expect 2 get --hex fruit 0g
blames "hexadecimal"
expect 0 scan fruit --limit 1
says "$(printf '%s\t%s' '\x00\xff\n' binary)"
expect 0 scan fruit --limit 1 --hex
says "$(printf '%s\t%s' '00ff0a' binary)"
expect 0 scan fruit --limit 1 --json
[ "$(jq -c . out)" = '{"key_hex":"00ff0a","value":"binary"}' ] || wrong "scan --json"
expect 0 delete --hex fruit 00ff0a
expect 1 get --hex fruit 00ff0a

it "scan goes in order, both ways, within bounds, prefix and limit"
expect 0 clear fruit
for key in a1 a2 b1 b2 c1; do nacre put fruit $key "v$key" --durability os; done
expect 0 scan fruit --keys-only
says a1 a2 b1 b2 c1
expect 0 scan fruit --keys-only --reverse
says c1 b2 b1 a2 a1
expect 0 scan fruit --keys-only --prefix b
says b1 b2
expect 0 scan fruit --keys-only --begin a2 --end c
says a2 b1 b2
expect 0 scan fruit --keys-only --begin a2 --end c --reverse --limit 2
says b2 b1
expect 0 scan fruit --prefix a1
says "$(printf 'a1\tva1')"
expect 0 scan fruit --limit=1 --keys_only
says a1

it "a scan without a match ends with 1, a count of nothing with 0"
expect 1 scan fruit --prefix x
expect 0 count fruit --prefix x
says 0
expect 0 count fruit
says 5
expect 0 count fruit --begin a2 --end b2 --json
says '{"count":2}'

it "delete takes several keys, and is content with those that are not there"
expect 0 delete fruit a1 nothing c1
expect 0 count fruit
says 3

it "delete-range leaves its end, delete-prefix takes all beneath"
expect 0 delete-range fruit a b2
expect 0 scan fruit --keys-only
says b2
expect 0 put fruit b3 x
expect 0 delete-prefix fruit b
expect 1 scan fruit
expect 2 delete-range fruit b a

it "entries expire"
expect 0 put fruit soon gone --ttl 300
expect 0 put fruit later here --ttl 3600000
sleep 0.4
expect 1 get fruit soon
expect 0 get fruit later
expect 0 create brief --ttl 300
expect 0 put brief key value
sleep 0.4
expect 0 count brief
says 0

it "drop removes a collection; a second drop ends with 1"
expect 0 drop brief
expect 1 drop brief
blames "brief"
expect 2 get brief key
blames "brief"

it "a key that is too long or empty is an error that says so"
expect 2 put fruit "" value
expect 2 put fruit "$(printf '%070000d' 1)" value

it "keys that begin with a dash come after --"
expect 0 put fruit -- -dash value
expect 0 get fruit -- -dash
says value

it "merge changes a value by the collection's operator"
expect 0 create sums --merge-operator add64
expect 0 create notes --merge-operator 'append:; '
expect 0 list --json
[ "$(jq -r '.[] | select(.name == "notes") | .merge_operator' out)" = "append:; " ] || wrong "list --json"
expect 0 merge sums n 40
expect 0 merge sums n 2
nacre get sums n --raw >got
printf '\52\0\0\0\0\0\0\0' >wanted
same wanted got
expect 2 merge sums n forty
blames "decimal number"
expect 0 put notes n one
expect 0 merge notes n two
expect 0 flush notes
printf three | nacre merge notes n -
expect 0 get notes n
says "one; two; three"
expect 2 merge fruit a1 x
blames "without a merge operator"
expect 2 create other --merge-operator nobody
blames "nobody"

it "a store that is not there, a directory that is none, and a missing --store are errors"
expect 2 --store "$work/nothing" list
blames "$work/nothing"
[ ! -e "$work/nothing" ] || wrong "looking made a store"
mkdir other && touch other/file
expect 2 --store other create fruit
unset NACRE_STORE
expect 2 list
blames "--store"

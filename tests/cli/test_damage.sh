#!/bin/sh
# verify finds and names damage; salvage makes the store open again and keeps what is good.
. "$(dirname "$0")/lib.sh"
nacre create files
awk 'BEGIN { for (i = 0; i < 20000; i++) printf "key%06d\tvalue %d\n", i, i }' >in.tsv
nacre import files in.tsv >out
nacre flush files
cp -r store good

flip() { # flip FILE OFFSET
    byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    printf "$(printf '\\%03o' $((255 - byte)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

it "a flipped byte in a segment is found and named"
segment=$(ls -S store/segments/*.seg | head -n 1)
flip "$segment" $(($(wc -c <"$segment") / 2))
expect 2 verify
prints "$(basename "$segment")"
expect 2 verify --json
[ "$(jq .damaged out)" -ge 1 ] || wrong "no damage in the report"
jq -e '.damage[0] | type == "string"' out >result || wrong "no words in the report"

it "verify goes on behind a missing file, names each once, and checks all others"
rm -rf store && cp -r good store
nacre create more --value-log-threshold 1000
for i in 1 2 3; do
    nacre put more "large$i" "$(printf '%02000d' $i)"
    nacre put more "larger$i" "$(printf '%03000d' $i)"
    nacre put more "small$i" value
    nacre flush more
done
expect 0 verify
cp -r store whole
set -- $(ls store/segments/*.seg)
[ $# -ge 4 ] || wrong "not enough segments to lose some"
rm "$1" "$3"
flip "$2" 70
expect 2 verify
for file in "$1" "$2" "$3"; do
    [ "$(grep -c "$(basename "$file")" out)" -eq 1 ] || wrong "$(basename "$file") is not named once"
done
prints ": 3 damaged"
expect 2 verify --json
[ "$(jq .damaged out)" -eq 3 ] || wrong "the JSON counts otherwise"
[ "$(jq .entries out)" -gt 0 ] || wrong "nothing else was checked"
rm -rf store && cp -r whole store
set -- $(ls store/values/*)
rm "$1" "$2"
expect 2 verify
for file in "$1" "$2"; do
    [ "$(grep -c "$(basename "$file")" out)" -eq 1 ] || wrong "$(basename "$file") is not named once"
done
prints ": 2 damaged"
rm -rf store && cp -r whole store
nacre put files late value
segment=$(ls store/segments/*.seg | head -n 1)
rm "$segment" store/log/*
expect 2 verify
prints "$(basename "$segment")"
prints "log file"
prints ": 2 damaged"
rm -rf whole
rm -rf store && cp -r good store
segment=$(ls -S store/segments/*.seg | head -n 1)
flip "$segment" $(($(wc -c <"$segment") / 2))

it "salvage names what is left damaged in segments; what lies outside of it is read"
expect 2 salvage store
prints "$(basename "$segment")"
nacre scan files >kept 2>err && wrong "a scan over the damage says nothing of it"
nacre scan files --reverse >>kept 2>err && wrong "a scan over the damage says nothing of it"
[ -s kept ] || wrong "nothing can be read"
awk -F '\t' 'NR == FNR { value[$1] = $2; next } value[$1] != $2 { exit 1 }' in.tsv kept || wrong "something wrong was read"

it "damage in the middle of the log is refused, named, and salvaged"
rm -rf store && cp -r good store
for i in 1 2 3 4 5 6 7 8; do nacre put files "late$i" "$(printf '%0500d' $i)"; done
expect 0 count files --prefix late
log=
for file in store/log/*; do
    if grep -qa late5 "$file"; then log=$file; fi
done
if [ -n "$log" ]; then
    at=$(grep -aob late5 "$log" | head -n 1 | cut -d : -f 1)
    flip "$log" "$at"
    if nacre count files >out 2>err; then
        prints "" # late5 was alone in its file: a torn tail
    else
        blames "$(basename "$log")"
        expect 2 put files x y
        expect 2 dump log "$log"
        prints '"damaged_regions":1'
        blames "$(basename "$log")"
        expect 2 salvage store # done, but something was lost
        blames "1 damaged places in the log"
        expect 0 salvage store # and is told once
        expect 0 get files late1
        expect 0 count files
    fi
fi

it "salvage of a good store loses nothing"
rm -rf store && cp -r good store
expect 0 salvage store --json
jq -e . out >result || wrong "no JSON"
nacre scan files >kept
same in.tsv kept

it "salvage --to copies what can be read of a damaged store without a manifest, and leaves that as it is"
rm -rf store new && cp -r good store
rm store/CURRENT
segment=$(ls -S store/segments/*.seg | head -n 1)
flip "$segment" $(($(wc -c <"$segment") / 2))
find store -type f -exec cksum {} + | sort >before
expect 2 salvage store --to new
prints "$(basename "$segment")"
find store -type f -exec cksum {} + | sort >after
same before after
expect 0 verify --store new
nacre --store new scan files >kept
awk -F '\t' 'NR == FNR { value[$1] = $2; next } value[$1] != $2 { exit 1 }' in.tsv kept || wrong "something wrong was read"
[ "$(wc -l <kept)" -gt 15000 ] || wrong "more than a block is lost"
expect 2 salvage store --to new

it "backups are made, listed, verified, restored and removed"
rm -rf store && cp -r good store
expect 0 backup copies
expect 0 put files more value
expect 0 backup copies --newest 1 --json
[ "$(jq .id out)" -eq 2 ] || wrong "not the second backup"
expect 0 backup copies --list --json
[ "$(jq '.backups | length' out)" -eq 1 ] || wrong "the first backup is not gone"
expect 0 backup copies --verify
expect 0 restore copies back
expect 0 get files more --store back
prints value
expect 2 restore copies back
expect 2 restore copies other --id 1

it "salvage that cannot mend a store in its place tells of the copy"
hint='`nacre salvage store --to NEW` copies what can be read'
for damage in "rm $(cd good && ls -S segments/*.seg | head -n 1)" "rm CURRENT" "rm manifest/*" "truncate -s 10 manifest/*" \
    "truncate -s 3 CURRENT"; do
    rm -rf store && cp -r good store
    (cd store && $damage)
    expect 2 salvage store
    blames "$hint"
done
rm -rf store && cp -r good store
flip "$segment" $(($(wc -c <"$segment") / 2))
expect 2 salvage store
blames "$hint"

it "a store without CURRENT that holds other things too is told of the copy by every command"
rm -rf store && cp -r good store
rm store/CURRENT
hint='store --to NEW` copies what can be read'
expect 2 count files
blames "$hint"
touch store/foreign
for command_line in "count files" "put files key value" "salvage store"; do
    expect 2 $command_line
    blames "no file CURRENT"
    blames "$hint"
done

it "salvage of what is no store says so"
expect 2 salvage nothing
mkdir foreign && touch foreign/file
expect 2 salvage foreign
blames "no file CURRENT"
! grep -q -e --to err || wrong "a copy of what is no store is offered"

it "scan and export name the key that they stop at"
rm -rf store && nacre create sums --merge-operator add64
nacre put sums aaa xyz
nacre put sums "$(printf 'bad\tkey')" abc
nacre merge sums "$(printf 'bad\tkey')" 1
expect 2 scan sums
prints xyz
blames "scan: key 'bad\\tkey': merge operator 'add64'"
expect 2 export sums sums.tsv
blames "export: key 'bad\\tkey': merge operator 'add64'"
long=$(printf '%0100d' 7)
expect 0 delete sums "$(printf 'bad\tkey')"
expect 0 put sums "$long" abc
expect 0 merge sums "$long" 1
expect 2 scan sums --prefix 0
blames "scan: key '$(printf '%064d' 0)'...: "
nacre create values --value-log-threshold 100
nacre put values large "$(printf '%05000d' 0)"
nacre flush values
value_file=$(ls -S store/values/* | head -n 1)
flip "$value_file" $(($(grep -aob 0000000000 "$value_file" | head -n 1 | cut -d : -f 1) + 2500))
for command_line in "scan values" "export values values.tsv"; do
    expect 2 $command_line
    blames "${command_line%% *}: key 'large': "
done

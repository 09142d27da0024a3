#!/bin/sh
# flush, seal, compact, checkpoint, tune, resume, stats, metrics, verify, dump; and that those which only look change nothing.
. "$(dirname "$0")/lib.sh"
nacre create files
awk 'BEGIN { for (i = 0; i < 5000; i++) printf "key%06d\tvalue %d\n", i, i }' >in.tsv
nacre import files in.tsv >out

it "flush brings entries to segments"
expect 0 flush files
expect 0 stats --json
[ "$(jq .entries out)" -eq 5000 ] || wrong "entries in segments"
[ "$(jq .segments out)" -ge 1 ] || wrong "segments"
[ "$(jq -r '.collection[0].name' out)" = files ] || wrong "the collection"

it "stats is a table for people"
expect 0 stats
prints "files"
prints "5 000"
expect 0 stats --watch --limit 2
[ "$(grep -c '^on disk' out)" -eq 2 ] || wrong "two looks"
expect 0 stats --watch --limit 2 --json
[ "$(jq -s length out)" -eq 2 ] || wrong "two objects"

it "seal, compact and resume end well"
expect 0 put files another x
expect 0 seal files
expect 0 delete-prefix files key0001
expect 0 compact files --begin key --end l
expect 0 compact files
expect 0 resume
expect 0 count files
says 4901
expect 0 stats --json
[ "$(jq .tombstones out)" -eq 0 ] || wrong "tombstones are left after a compaction"

it "a checkpoint is a store"
expect 0 checkpoint copy
expect 0 --store copy count files
says 4901
expect 0 --store copy verify
expect 2 checkpoint copy

it "tune shows, sets and forgets"
expect 0 tune
prints "seal_bytes"
expect 0 tune seal_bytes 1048576
expect 0 tune seal_bytes --json
[ "$(jq .value out)" -eq 1048576 ] || wrong "the value was not kept"
[ "$(jq .set out)" = true ] || wrong "it is not said to be set"
expect 0 tune seal_bytes default
expect 0 tune seal_bytes --json
[ "$(jq .set out)" = false ] || wrong "it is still said to be set"
expect 0 tune
grep -q '^seal_bytes  *67108864 auto ' out || wrong "what is worked out is not shown as it is in force"
grep -q '^segment_bytes  *67108864 default ' out || wrong "what is not worked out is said to be"
expect 0 tune log_file_bytes --json
[ "$(jq -c '[.value, .in_force, .auto]' out)" = '[0,8388608,true]' ] || wrong "what is worked out is not in the JSON"
expect 0 tune log_file_bytes 65536
expect 0 tune log_file_bytes --json
[ "$(jq -c '[.value, .in_force, .auto]' out)" = '[65536,65536,false]' ] || wrong "a value that was set is not in force"
expect 0 tune log_file_bytes default
expect 2 tune seal_byte 1
blames "the nearest name is 'seal_bytes'"
blames '`nacre tune` lists'
printf '{"log_file_bites": 65536}' >store/tuning.json
expect 2 count files
blames "store/tuning.json: there is no tuning parameter 'log_file_bites'; the nearest name is 'log_file_bytes'"
blames "or remove the file"
rm store/tuning.json
expect 2 tune nonsense
blames "nonsense"
expect 2 tune seal_bytes 1

it "errors and help speak of commands, not of C"
for command_line in "tune nonsense 1" "create more --kind vectors --dim 2" "create more --merge-operator none"; do
    expect 2 $command_line
    ! grep -qE 'nacre_[a-z]|NACRE_[A-Z]|[0-9] L2' err || wrong "$command_line: the error speaks of C"
done
nacre help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' >commands
[ "$(wc -l <commands)" -gt 20 ] || wrong "the commands are not listed"
while read -r name; do
    nacre help "$name" >out
    ! sed 's/nacre_live//g; s/NACRE_STORE//g' out | grep -qE 'nacre_[a-z]|NACRE_[A-Z]' || wrong "help $name speaks of C"
done <commands

it "metrics are in the text format of Prometheus"
expect 0 metrics
grep -q '^# TYPE nacre_puts_total counter$' out || wrong "no type line"
grep -qx 'nacre_live 0' out || wrong "nobody writes"
awk '!/^#/ && !/^nacre_[a-z0-9_]+(\{[^}]*\})? [0-9.e+-]+$/ { exit 1 }' out || wrong "a line that is no metric"

it "a good store is verified"
expect 0 verify
prints "all good"
expect 0 verify --json
[ "$(jq .damaged out)" -eq 0 ] || wrong "damage in a good store"
[ "$(jq '.damage | length' out)" -eq 0 ] || wrong "damage in a good store"

it "verify says that entries of the log are not in its count"
expect 0 --store logged create files
expect 0 --store logged put files key value
expect 0 --store logged verify
prints " 0 entries in segments (records in the log are checked, not counted): all good"
expect 0 --store logged flush files
expect 0 --store logged verify
prints " 1 entries in segments "
expect 0 --store logged backup logged.backup
expect 0 --store logged backup logged.backup --verify
grep -qx '[0-9]* files, [0-9.]* [KMi]*B: all good' out || wrong "entries of a backup"

it "dump prints JSON lines of each kind of file"
expect 0 put files logged now
for kind in log manifest segment; do
    case $kind in
    log) file=$(ls -S store/log/* | head -n 1) ;;
    manifest) file=$(ls store/manifest/* | tail -n 1) ;;
    segment) file=$(ls store/segments/*.seg | head -n 1) ;;
    esac
    expect 0 dump $kind "$file"
    [ -s out ] || wrong "nothing is said about $file"
    jq -es 'all(type == "object")' out >result || wrong "no JSON objects about $file"
    expect 0 dump $kind "$file" --limit 1
    [ "$(wc -l <out)" -eq 1 ] || wrong "more than one line"
done
expect 2 dump segment store/nothing
expect 2 dump segment in.tsv

it "commands that look change no file"
fingerprint store >before
expect 0 list
expect 0 get files key000000
expect 0 scan files --reverse --limit 3
expect 0 count files
expect 0 export files out.tsv
expect 0 tune
expect 0 stats
expect 0 metrics
expect 0 verify
expect 1 get files nothing
fingerprint store >after
same before after

it "they work in a directory that cannot be written"
other() { # as somebody who may not write there, whoever runs this
    if [ "$(id -u)" -ne 0 ]; then "$command" "$@"; else setpriv --reuid=65534 --regid=65534 --clear-groups "$command" "$@"; fi
}
chmod 755 .
chmod -R a+rX,a-w store
if other --version >/dev/null 2>&1; then
    for looks in 'get files key000000' list 'count files' 'export files -' tune stats metrics verify; do
        # shellcheck disable=SC2086 # words
        other $looks >out 2>err || wrong "nacre $looks fails where nothing can be written"
    done
    if other put files key value >out 2>err; then wrong "it was written to"; fi
    blames "LOCK"
fi
chmod -R u+w store

it "a writer keeps others from writing, and its name is told; those that look are not kept"
mkfifo pipe
"$command" import files - <pipe >import.out &
importer=$!
exec 9>pipe
i=0
while ! grep -qs . store/LOCK && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
awk 'BEGIN { for (i = 0; i < 3000; i++) printf "live%06d\n", i }' >&9
i=0
while [ "$(nacre count files --prefix live)" -lt 1000 ]; do
    sleep 0.1
    i=$((i + 1))
    [ $i -lt 100 ] || wrong "what a writer acknowledged is not seen by others"
done
expect 2 put files key value
blames "$importer"
expect 0 get files key000000
expect 0 stats
expect 0 verify
expect 0 stats --json
jq -e .sequence out >result || wrong "stats beside a writer"
cp out told
expect 0 metrics
grep -qx 'nacre_live 1' out || wrong "the writer was not asked"
for name in puts commits; do
    [ "$(jq .$name told)" -gt 0 ] || wrong "the writer has no $name"
    grep -qx "nacre_${name}_total $(jq .$name told)" out || wrong "$name is not the writer's"
done
grep -qx "nacre_log_bytes $(jq .log_bytes told)" out || wrong "log_bytes is not the writer's"
grep -qx "nacre_collection_memtable_bytes{collection=\"files\",kind=\"ordered\"} $(jq '.collection[0].memtable_bytes' told)" out ||
    wrong "a figure of a collection is not the writer's"
grep -qx "nacre_memory_owner_bytes{owner=\"memtables_active\"} $(jq .memory.memtables_active told)" out || wrong "memory is not the writer's"
grep -qx "nacre_tasks_done_total{task=\"flush\"} $(jq .tasks.flush.done told)" out || wrong "tasks are not the writer's"
grep -qx "nacre_call_seconds_count{call=\"write\"} $(jq .latency.write.count told)" out || wrong "calls are not the writer's"
[ "$(jq .latency.write.count told)" -gt 0 ] || wrong "the writer wrote nothing"
for line in '{call="write",quantile="0.9999"} p99_99_ns' '{call="write",quantile="0.5"} p50_ns' '_sum{call="write"} sum_ns'; do
    seconds=$(grep -F "nacre_call_seconds${line% *} " out | cut -d ' ' -f 2)
    jq -e "(.latency.write.${line#* } / 1e9 - $seconds) | fabs < 1e-9" told >result || wrong "$line is not the writer's"
done
awk '!/^#/ && !/^nacre_[a-z0-9_]+(\{[^}]*\})? [0-9.e+-]+$/ { exit 1 }' out || wrong "a line that is no metric"
names() { sed '/^#/d; s/ [^ ]*$//' "$1"; }
names out >theirs
exec 9>&-
wait $importer || wrong "the writer was disturbed"
expect 0 count files --prefix live
says 3000
expect 0 metrics
names out >own
same own theirs

it "--log tells what the engine does, as JSON lines"
expect 0 put files key value --log
[ ! -s err ] || jq -es 'all(has("event") and has("level") and has("fields"))' err >result || wrong "no JSON lines"
[ -s err ] || wrong "nothing was told"

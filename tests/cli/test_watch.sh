#!/bin/sh
# stats --watch beside a program that writes, on a terminal and not; live statistics; levels of --log.
. "$(dirname "$0")/lib.sh"
command -v script >/dev/null || { echo "script is not installed"; exit 77; }
nacre create files
awk 'BEGIN { for (i = 0; i < 1000; i++) printf "key%06d\tvalue\n", i }' >in.tsv
nacre import files in.tsv >out

it "without a writer nobody is live"
expect 0 stats --json
[ "$(jq .live out)" = false ] || wrong "live without a writer"

# A writer that holds the store open: it imports from a pipe that stays open.
mkfifo pipe
nacre import files pipe --format lines --batch 1 >importing 2>&1 &
importer=$!
exec 9>pipe
awk 'BEGIN { for (i = 0; i < 2000; i++) printf "live%06d\n", i }' >&9

it "stats asks the program that writes"
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    expect 0 stats --json
    [ "$(jq .live out)" = true ] && [ "$(jq .puts out)" -gt 0 ] && break
    sleep 0.5
done
[ "$(jq .live out)" = true ] || wrong "the writer did not tell"
[ "$(jq .process out)" != null ] || wrong "no process"
[ "$(jq .latency.write.count out)" -gt 0 ] || wrong "its writes are not timed"

it "a watch that is no terminal prints a block per look"
expect 0 stats --watch --limit 3 --interval 250
[ "$(grep -c '^on disk' out)" -eq 3 ] || wrong "three blocks"
[ "$(grep -c '^files ' out)" -eq 3 ] || wrong "the collection in each"
if grep -q "$(printf '\033')" out; then wrong "control sequences outside of a terminal"; fi
prints "written by process"

it "rates are those of the other process"
(sleep 0.4; awk 'BEGIN { for (i = 0; i < 3000; i++) printf "more%06d\n", i }' >&9) &
expect 0 stats --watch --limit 4 --interval 700 --json
wait $!
[ "$(jq -s 'all(.live)' out)" = true ] || wrong "not live throughout"
[ "$(jq -s '.[3].commits > .[0].commits' out)" = true ] || wrong "no commits were seen"

it "on a terminal it draws, fits, and leaves all as it was"
script -qec "stty rows 24 cols 80; '$command' stats --watch --limit 3 --interval 200" screen </dev/null >/dev/null || wrong "script failed"
grep -q "$(printf '\033\\[?1049h')" screen || wrong "not the other screen"
grep -q "$(printf '\033\\[?1049l')" screen || wrong "the screen was not given back"
grep -q "$(printf '\033\\[?25h')" screen || wrong "the cursor was not given back"
grep -q "files" screen || wrong "no collection"
# What stands between two control sequences is at most a line of the screen.
awk 'BEGIN { RS = "\n" } { gsub(/\033\[[?0-9;]*[A-Za-z]/, ""); sub(/\r$/, ""); if (length($0) > 80 && !/^Script/) { print; bad = 1 } } END { exit bad }' screen >long ||
    wrong "wider than the screen: $(head -c 200 long)"

it "q ends it"
(sleep 1.5; printf q; sleep 5) | timeout 20 script -qec "'$command' stats --watch --interval 300" screen >/dev/null || wrong "q did not end it"
grep -q "$(printf '\033\\[?1049l')" screen || wrong "the screen was not given back"

it "a signal ends it well"
expect 2 stats --watch --interval 10
blames "--interval"
"$command" stats --watch --interval 200 >blocks &
watcher=$!
sleep 1
kill -TERM $watcher
wait $watcher || wrong "it ended with $?"
grep -q '^on disk' blocks || wrong "nothing was shown"

exec 9>&-
wait $importer || wrong "the writer was disturbed: $(cat importing)"
expect 0 stats --json
[ "$(jq .live out)" = false ] || wrong "live after the close"
[ ! -e store/WATCH ] && [ ! -e store/STATS ] || wrong "files were left"

it "--log has levels, and never writes to standard output"
expect 0 put files key value --log=debug
[ ! -s out ] || wrong "printed something"
jq -es 'map(.level) | unique | index("debug") != null' err >result || wrong "no debug lines"
jq -es 'map(select(.event == "open").fields.phase) | length == 4' err >result || wrong "no phases of the opening"
expect 0 put files key value --log=info
jq -es 'map(.level) | index("debug") == null' err >result || wrong "debug lines at info"
expect 0 put files key value --log=error
[ ! -s err ] || wrong "lines at level error"
expect 2 put files key value --log=loud
blames "expected error, warning, info or debug"
expect 0 put files key value --log
[ -s err ] || wrong "--log alone tells nothing"

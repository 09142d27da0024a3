#!/bin/sh
# Commands that look at a store, beside a writer that has it open and is idle, and without one: each changes neither a name nor a byte of it.
. "$(dirname "$0")/lib.sh"
nacre create files
awk 'BEGIN { for (i = 0; i < 2000; i++) printf "key%06d\tvalue %d\n", i, i }' >in.tsv
nacre import files in.tsv >out
nacre flush files
printf '/etc/hosts\n/usr/bin/ls\n' >paths
nacre import paths paths --kind strings >out
nacre create points --kind vectors --dim 2 --metric l2
nacre put points a first --vector 1,0
nacre put files large "$(head -c 20000 /dev/zero | tr '\0' v)"
nacre put files late value

# Contents of all files, and of these and the directories the kind, the mode, the number of names and when they were last written; but for what a writer
# that is asked for its statistics answers: the files WATCH and STATS, and the time of the directory that they are in.
state() {
    fingerprint store | grep -v -e ' \./WATCH$' -e ' \./STATS$'
    (cd store && find . ! -name WATCH ! -name STATS -printf '%p %y %m %n %T@\n' | sort)
}

# looks CODE ARGUMENTS...: that, with the store the same before and after.
looks() {
    case $asked$2 in
    yesstats | yesmetrics) time='^\. ' ;;
    *) time='^$' ;;
    esac
    state | grep -v "$time" >before
    expect "$@"
    state | grep -v "$time" >after
    same before after
}

look_at_all() {
    looks 0 list
    looks 0 get files key000007
    looks 1 get files nothing
    looks 0 scan files --limit 3
    looks 0 scan files --reverse --limit 3
    looks 0 count files
    looks 0 grep paths 'bin'
    looks 0 grep paths 'bin' --explain
    looks 0 near points --vector 1,0
    looks 0 export files out.tsv
    looks 0 tune
    looks 0 stats
    looks 0 metrics
    looks 0 verify
    looks 0 dump log "$(ls -S store/log/* | head -n 1)"
    looks 0 dump manifest "$(ls store/manifest/* | tail -n 1)"
    looks 0 dump segment "$(ls store/segments/*.seg | head -n 1)"
    looks 0 dump values "$(ls store/values/*.val | head -n 1)"
    looks 0 backup "backups-$asked"
}

it "nothing changes in a store that nobody has open"
asked=no
look_at_all

it "nothing changes in a store that a writer has open"
asked=yes
mkfifo pipe
"$command" import files - <pipe >import.out &
importer=$!
exec 9>pipe
i=0
until grep -qs "^pid $importer " store/LOCK; do
    sleep 0.1
    i=$((i + 1))
    [ $i -lt 100 ] || wrong "the writer did not open the store"
done
i=0
until [ "$(fingerprint store)" = "$(sleep 1 && fingerprint store)" ]; do # it has opened it, and is idle
    i=$((i + 1))
    [ $i -lt 60 ] || wrong "the writer does not come to rest"
done
look_at_all

it "the writer goes on, and is named to another"
expect 2 put files key value
blames "pid $importer"
printf 'live\n' >&9
exec 9>&-
wait $importer || wrong "the writer was disturbed"
expect 0 get files live

#!/bin/sh
# Nowhere: functions that write without a bound. In the library: no printing, no ending of the process, memory only through
# base/memory, files only through os, no work left undone.
. "$(dirname "$0")/lib.sh"

c_files include src cli tests bench examples | xargs awk "$strip_c"'
function called(line, names,   i, n, list) { # the first of names that the line calls as a plain function
    n = split(names, list, " ")
    for (i = 1; i <= n; i++)
        if (line ~ ("(^|[^A-Za-z0-9_.>])" list[i] "[ ]*\\(")) return list[i]
    return ""
}
function say(what) { print FILENAME ":" FNR ": " what }
{
    line = strip($0)
    if (FILENAME ~ /^(src|cli|include)\// && $0 ~ /(^|[^A-Za-z])(TODO|FIXME|XXX|HACK)([^A-Za-z]|$)/) say("work left undone")
    if (line ~ /^[ \t]*#[ \t]*if[ \t]+0/) say("dead code")
    if (line !~ /\(/) next
    name = called(line, "strcpy sprintf vsprintf strcat gets strtok tmpnam mktemp")
    if (name != "") say(name " is banned")
    if (FILENAME !~ /^src\//) next
    name = called(line, "printf fprintf vprintf vfprintf puts fputs putchar fputc putc perror psignal syslog dprintf")
    if (name != "") say("the library prints nothing: " name)
    name = called(line, "abort exit _exit _Exit quick_exit raise kill system popen fork")
    if (name != "") say("the library neither ends nor starts processes: " name)
    name = called(line, "malloc calloc realloc reallocarray aligned_alloc posix_memalign memalign strdup strndup asprintf free")
    if (name != "" && FILENAME != "src/base/memory.c") say("memory comes from base/memory: " name)
    name = called(line, "open openat creat fopen freopen read pread write pwrite readv writev preadv pwritev fsync fdatasync " \
                        "ftruncate truncate fallocate posix_fallocate rename renameat unlink link mkdir rmdir opendir stat " \
                        "fstat statvfs flock fcntl sync_file_range")
    if (name != "" && FILENAME !~ /^src\/os\//) say("files are the business of os: " name)
    name = called(line, "mmap munmap madvise")
    if (name != "" && FILENAME !~ /^src\/os\// && FILENAME !~ /^src\/base\/(memory|big_block)\.c$/) say("maps are for os and the memory of base: " name)
}' >"$breaches"
finish "no banned function, no printing, no ending of the process"

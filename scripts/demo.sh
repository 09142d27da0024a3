#!/bin/sh
# The main job on real data of this machine: imports which package owns which file, kills the importing process while it writes,
# recovers, checks, asks, searches; then which words are near others, by their vectors.  scripts/demo.sh [BUILD_DIRECTORY]
# The store is left in build/demo/store until the next time.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build/release}
rm -rf build/demo
mkdir -p build/demo
words=$(scripts/demo_words.sh)
"$build/demo" build/demo/store 2000000 ${words:+"$words"}
printf '\nHow a search goes: nacre grep paths --explain %s\n' "'lib.*\\.so\\.[0-9]+\$'"
"$build/nacre" --store build/demo/store grep paths --explain 'lib.*\.so\.[0-9]+$' | sed 's/^/  /'
cat <<END

Look into it yourself:
  export NACRE_STORE=$PWD/build/demo/store
  $build/nacre get files /bin/ls
  $build/nacre scan files --prefix /etc/apt --limit 5
  $build/nacre grep paths 'zlib.*\.h$'
  ${words:+$build/nacre near words --key ocean -k 5
  $build/nacre near words --key fast --match 'er\$' -k 5
  }$build/nacre stats
END

#!/bin/sh
# The main job on real data of this machine: imports which package owns which file, kills the importing process while it writes,
# recovers, checks, asks, searches.  scripts/demo.sh [BUILD_DIRECTORY]
# The store is left in build/demo/store until the next time.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build/release}
rm -rf build/demo
mkdir -p build/demo
"$build/demo" build/demo/store
printf '\nHow a search goes: nacre grep paths --explain %s\n' "'lib.*\\.so\\.[0-9]+\$'"
"$build/nacre" --store build/demo/store grep paths --explain 'lib.*\.so\.[0-9]+$' | sed 's/^/  /'
cat <<END

Look into it yourself:
  export NACRE_STORE=$PWD/build/demo/store
  $build/nacre get files /bin/ls
  $build/nacre scan files --prefix /etc/apt --limit 5
  $build/nacre grep paths 'zlib.*\.h$'
  $build/nacre stats
END

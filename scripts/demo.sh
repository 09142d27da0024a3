#!/bin/sh
# The main job on real data of this machine: imports which package owns which file, kills the importing process while it writes,
# recovers, checks, asks.  scripts/demo.sh [BUILD_DIRECTORY]
# The store is left in build/demo/store until the next time.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build/release}
rm -rf build/demo
mkdir -p build/demo
"$build/demo" build/demo/store
cat <<END

Look into it yourself:
  export NACRE_STORE=$PWD/build/demo/store
  $build/nacre get files /bin/ls
  $build/nacre scan files --prefix /etc/apt --limit 5
  $build/nacre stats
END

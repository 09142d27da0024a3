#!/bin/sh
# Everything at once against one store, for minutes (tests/soak/soak.c). The directory stays when a difference was found.
#   MINUTES  default 10
#   SEED     default: the time
#   SOAK_DIR where the store lies, default build/soak
set -eu
cd "$(dirname "$0")/.."
minutes=${MINUTES:-10}
directory=${SOAK_DIR:-build/soak}
rm -rf "$directory"
mkdir -p "$directory"
if build/check/tests/soak "$directory" "$((minutes * 60))" ${SEED:+"$SEED"}; then
    rm -rf "$directory"
else
    echo "what is left lies in $directory"
    exit 1
fi

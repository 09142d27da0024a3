#!/bin/sh
# Installs the release build:  scripts/install.sh PREFIX [DESTDIR]
set -eu
cd "$(dirname "$0")/.."
DESTDIR=${2:-} cmake --install build/release --prefix "$1"

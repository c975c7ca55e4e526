#!/bin/sh
# Install the Debian packages that tests need and that are not there.
#
#   scripts/test-packages.sh redis-server=redis-server nodejs=node npm=npm
#
# Each argument is PACKAGE=COMMAND; a command that is found needs no package. Where packages
# cannot be installed (not root, not Debian, no network) one line names each that is missing, and
# the status is 0 all the same: the tests themselves skip, or fail where CI is set.

set -u

missing=
for pair in "$@"; do
    command -v "${pair#*=}" >/dev/null 2>&1 || missing="$missing ${pair%%=*}"
done
[ -n "$missing" ] || exit 0

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    export RUNLEVEL=1 # where this is heeded, the programs come without their services running
    apt-get update -qq >"$log" 2>&1
    for package in $missing; do
        apt-get install -y -qq -o DPkg::Lock::Timeout=120 --no-install-recommends "$package" \
            </dev/null >>"$log" 2>&1
    done
fi

for pair in "$@"; do
    command -v "${pair#*=}" >/dev/null 2>&1 && continue
    why=$(grep '^E:' "$log" | tail -n 1)
    echo "missing: ${pair#*=} (install the package ${pair%%=*})${why:+: $why}"
done

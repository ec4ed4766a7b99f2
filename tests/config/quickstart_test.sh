#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# The quick start: up relays and leaves the appliance running, up again replaces it, down leaves nothing; stopped in its
# traffic it takes everything with it.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=config/lib.sh
. config/lib.sh
build=${SLUICE_BUILD:-build}
state=$SL_STATE_DIR
[ "$(id -u)" -eq 0 ] || { echo "needs root"; exit 77; }
if sl_owner_gone "$state/test-owner"; then # of a test that was killed
	config/down
	rm -f "$state/test-owner"
fi
# What lives counts, not which files there are.
if sl_alive "$state/dataplane.pid" sluice-dataplane || sl_alive "$state/controlplane.pid" sluice-controlplane ||
	"$build/controlplane/sluicectl" status >/dev/null 2>&1; then
	echo "an appliance is running on this machine: stop it first (config/down)"
	exit 77
fi
out=$(mktemp)
trap 'config/down; rm -f "$out" "$state/test-owner"' EXIT
trap 'exit 1' INT TERM HUP
install -d -m 700 "$state"
sl_owner_set "$state/test-owner"

up() { # by itself it fails when more than 1 % is lost, or any part of it
	config/up --build "$build" | tee "$out"
	[ "$(grep -c ' came back, [0-9]* lost$' "$out")" -eq 2 ] # by IPv4 and by IPv6
	grep -q 'answered with pong' "$out"
}

pid() { # of the dataplane
	"$build/controlplane/sluicectl" status --json | jq -e .dataplane.pid
}

nothing_left() {
	[ -z "$(ip netns list | grep '^sl-qs-')" ]
	[ -z "$(pgrep -f -- '--config [^ ]*config/quickstart.conf')" ]
	[ ! -e "$state/hugepages" ]
}

up
first=$(pid)
up
[ "$(pid)" != "$first" ]
[ ! -d "/proc/$first" ]
"$build/controlplane/sluicectl" status
config/down
nothing_left
config/down

config/up --build "$build" >"$out" 2>&1 &
up=$!
sl_wait_for 30 grep -q 'relaying over IPv4' "$out"
sleep 0.5
inside=$(sl_netns_pids "$state/namespaces")
[ -n "$inside" ]
kill -HUP "$up"
if wait "$up"; then
	echo "up was stopped, and says that it is well"
	exit 1
fi
nothing_left
for one in $inside; do
	sl_gone "$one"
done

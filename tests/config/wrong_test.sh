#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# A wrong configuration: all three programs name file, line, option and what is allowed, and nothing starts.
set -eu
cd "$(dirname "$0")/../.."
build=${SLUICE_BUILD:-build}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

sed 's/memory_mb = 128/memory_mb = 3/; s#/run/sluice/#'"$dir"'/#' config/quickstart.conf >"$dir/wrong.conf"
line=$(grep -n 'memory_mb = 3' "$dir/wrong.conf" | cut -d: -f1)
want="$dir/wrong.conf:$line: option 'dataplane.memory_mb': 3 is out of range; allowed 64..1048576"

refuses() { # COMMAND...
	if "$@" >"$dir/out" 2>&1 </dev/null; then
		echo "accepted: $*"
		exit 1
	fi
	grep -qF "$want" "$dir/out" || { echo "$* said:"; cat "$dir/out"; exit 1; }
}

refuses "$build/dataplane/sluice-dataplane" --config "$dir/wrong.conf" --check
refuses "$build/controlplane/sluice-controlplane" --config "$dir/wrong.conf" --check
refuses "$build/controlplane/sluicectl" config check "$dir/wrong.conf"
refuses timeout 10 "$build/dataplane/sluice-dataplane" --config "$dir/wrong.conf"
refuses timeout 10 "$build/controlplane/sluice-controlplane" --config "$dir/wrong.conf"
[ ! -e "$dir/api.sock" ] || { echo "a socket was made"; exit 1; }

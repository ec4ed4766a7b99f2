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

# What the programs are told: a line of the quick start, and what it becomes.
edit() { # FROM TO MESSAGE
	sed "s|$1|$2|; s#/run/sluice/#$dir/#" config/quickstart.conf >"$dir/wrong.conf"
	want="$dir/wrong.conf:$(grep -nF "$2" "$dir/wrong.conf" | cut -d: -f1): $3"
}

refuses() { # COMMAND...
	if "$@" >"$dir/out" 2>&1 </dev/null; then
		echo "accepted: $*"
		exit 1
	fi
	grep -qF "$want" "$dir/out" || { echo "wanted $want; $* said:"; cat "$dir/out"; exit 1; }
}

all_refuse() {
	refuses "$build/dataplane/sluice-dataplane" --config "$dir/wrong.conf" --check
	refuses "$build/controlplane/sluice-controlplane" --config "$dir/wrong.conf" --check
	refuses "$build/controlplane/sluicectl" config check "$dir/wrong.conf"
	refuses timeout 10 "$build/dataplane/sluice-dataplane" --config "$dir/wrong.conf"
	refuses timeout 10 "$build/controlplane/sluice-controlplane" --config "$dir/wrong.conf"
	[ ! -e "$dir/api.sock" ] || { echo "a socket was made"; exit 1; }
}

edit 'memory_mb = 128' 'memory_mb = 3' "option 'dataplane.memory_mb': 3 is out of range; allowed 64..1048576"
all_refuse
edit 'max_legs = 1024' 'ports = [ 3000, 9000 ]' \
	"option 'media.ports': 3000..9000 holds the port of turn.listen[0], 192.0.2.1:3478; must be apart on that address"
all_refuse
edit 'max_legs = 1024' 'replay_window = 100' \
	"option 'media.replay_window': 100 is no power of two; allowed 64, 128, 256, 512, 1024"
all_refuse
edit 'rfc5766_channels = true;' 'listeners = ( { address = "192.0.2.1:443"; transport = "tls"; } );' \
	"option 'turn.listeners[0].certificate': is missing; transport = \"tls\" needs certificate (PEM, the full chain) and key"
all_refuse
edit 'rfc5766_channels = true;' 'alternates = ( { server = "192.0.2.1:3478"; } );' \
	"option 'turn.alternates[0].server': 192.0.2.1:3478 is a listener of this node; clients would be sent in a circle"
all_refuse
edit 'log_level = "info";' 'guard = { deny = [ "203.0.113.9/24" ]; };' \
	"option 'guard.deny[0]': \"203.0.113.9/24\" has bits beyond its length; write \"203.0.113.0/24\", or the address alone"
all_refuse
edit 'log_level = "info";' 'guard = { limits = ( { class = "sip"; listener = "none"; } ); };' \
	"option 'guard.limits[0].listener': \"none\" is no listener of class \"sip\"; there are "
all_refuse
printf '203.0.113.0/24\n203.0.113.1 203.0.113.2\n' >"$dir/deny.txt"
edit 'log_level = "info";' 'guard = { deny_files = ( "deny.txt" ); };' \
	"option 'guard.deny_files[0]': $dir/deny.txt:2: \"203.0.113.1 203.0.113.2\" is not a prefix; such as"
all_refuse

# What is provisioned is the control plane's alone.
edit 'password = "bob-password"' 'pasword = "bob-password"' "option 'provision.users[1].pasword' (\"bob\"): is not known here; known are name, domain,"
refuses "$build/controlplane/sluice-controlplane" --config "$dir/wrong.conf" --check
refuses timeout 10 "$build/controlplane/sluice-controlplane" --config "$dir/wrong.conf"
edit 'tenants = ( { name = "quickstart"; } )' 'tenants = ( { name = "quick"; } )' 'option'
want="$dir/wrong.conf:$(grep -nF 'domains = ' "$dir/wrong.conf" | cut -d: -f1): option 'provision': domains \"quickstart.example\": tenant: there is no tenant \"quickstart\""
refuses "$build/controlplane/sluice-controlplane" --config "$dir/wrong.conf" --check
[ ! -e "$dir/api.sock" ] || { echo "a socket was made"; exit 1; }

# The sample that fits any machine.
"$build/controlplane/sluice-controlplane" --config config/all-in-one.conf.sample --check

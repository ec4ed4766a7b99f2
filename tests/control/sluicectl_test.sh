#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Every command of sluicectl against a control plane that has no dataplane, and against none at all: exit codes, --json,
# and what it says. What a dataplane answers is test_control's and the lab's.
# usage: sluicectl_test.sh SLUICECTL SLUICE_CONTROLPLANE
set -u
ctl=$1
controlplane=$2
dir=$(mktemp -d /tmp/sluice-test-ctl-XXXXXX)
pid=
trap '[ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
export SLUICE_API="$dir/api.sock"
failures=0

# expect STATUS PATTERN ARGUMENT...: exit status, and an extended regular expression that its output has.
expect() {
	status=$1
	pattern=$2
	shift 2
	"$ctl" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	if [ "$got" -ne "$status" ] || ! cat "$dir/out" "$dir/err" | grep -Eq -- "$pattern"; then
		echo "sluicectl $*: status $got (expected $status), expected: $pattern"
		cat "$dir/out" "$dir/err"
		failures=$((failures + 1))
	fi
}

# The same with --json: standard output is JSON whose filter is true.
expect_json() {
	status=$1
	filter=$2
	shift 2
	"$ctl" "$@" --json >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	if [ "$got" -ne "$status" ] || ! jq -e "$filter" "$dir/out" >/dev/null; then
		echo "sluicectl $* --json: status $got (expected $status), expected: $filter"
		cat "$dir/out" "$dir/err"
		failures=$((failures + 1))
	fi
}

cat >"$dir/sluice.conf" <<CONF
dataplane = { workers = [ 1 ]; socket = "$dir/dp.sock";
  ports = ( { name = "wan"; device = "net_null0"; addresses = [ "192.0.2.1/24" ]; } ); };
turn = { listen = [ "192.0.2.1:3478" ]; relay_addresses = [ "192.0.2.1" ]; realm = "example.org";
  users = ( { name = "filed"; password = "secret"; } ); };
media = { addresses = ( { interface = "public"; address = "192.0.2.1"; } ); ng = { udp = ( ); }; };
control = { api_socket = "$dir/api.sock"; database = "$dir/db"; };
CONF

# ---- without a control plane
expect 0 'Usage: sluicectl COMMAND' --help
expect 0 '^sluicectl ' --version
expect 2 'Usage' 
expect 2 "no command 'nonsense'" nonsense
expect 2 "goes with: add, list|goes with: list, add, remove" users nonsense
expect 2 'goes with: list, show, delete, record' sessions nonsense
expect 2 'missing' sessions show
expect 2 'missing' sessions record a
expect 2 'neither on nor off' sessions record a maybe
expect 2 'does not have' sessions show a --party b
expect 2 'too many' status more
expect 2 'missing' users add
expect 2 'does not have' status --watch
expect 2 'unrecognized' status --nonsense
expect 2 'timeout' status --timeout 0
expect 2 'timeout' status --timeout soon
expect 0 'users add NAME' users --help
expect 0 'users remove NAME' users --help
expect 0 'users add NAME' users add --help
for command in status ports workers counters allocations 'allocation delete' 'sessions list' 'sessions show' \
	'sessions delete' 'sessions record' 'sessions play' 'sessions stop' 'sessions dtmf' 'sessions block' 'users list' 'users add' 'users remove' \
	'config check' reload healthz; do
	# shellcheck disable=SC2086
	expect 0 "Usage: sluicectl ${command%% *}" $command --help
done
for command in status ports workers counters allocations 'allocation delete 0000000000000001' users 'users list' \
	'users add a --password b' 'users remove a' reload healthz sessions 'sessions list' 'sessions show a' \
	'sessions delete a' 'sessions record a on' 'sessions play a b' 'sessions stop a' 'sessions dtmf a 1' \
	'sessions block a on'; do
	# shellcheck disable=SC2086
	expect 3 'not running' $command
	# shellcheck disable=SC2086
	expect_json 3 '.error and .socket' $command
done
expect 0 'good' config check "$dir/sluice.conf"
expect_json 0 '.good' config check "$dir/sluice.conf"
echo 'nonsense = 1;' >"$dir/wrong.conf"
expect 1 'nonsense' config check "$dir/wrong.conf"
expect_json 1 '.good == false and (.error | contains("nonsense"))' config check "$dir/wrong.conf"

# ---- with one, and no dataplane
chmod 644 "$dir/sluice.conf"
"$controlplane" --config "$dir/sluice.conf" 2>"$dir/log" &
pid=$!
tries=0
until "$ctl" users >/dev/null 2>&1; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || { echo "the control plane does not start"; cat "$dir/log"; exit 1; }
	sleep 0.1
done
grep -q 'everybody on this machine may read it' "$dir/log" || { echo 'no warning of the open file'; failures=$((failures + 1)); }
expect 0 'filed' users
expect 0 'filed' users list
expect_json 0 '.users[0].name == "filed"' users
expect 0 'dataplane' status
expect_json 0 '.dataplane.attached == false' status
for command in ports workers counters allocations; do
	expect 1 'not attached' $command
	expect_json 1 '.error' $command
done
expect 4 'unavailable: not attached' healthz
expect_json 4 '.status == "unavailable"' healthz
expect 1 'not attached|no allocation' allocation delete 0000000000000001
expect 1 '16 hexadecimal' allocation delete nonsense
expect_json 1 '.field == "id"' allocation delete nonsense
expect 0 'CALL-ID' sessions
expect_json 0 '.total == 0 and .sessions == []' sessions list
expect_json 0 '.media.sessions == 0 and .media.max_legs == 4096' status
expect 0 '0 of 2048 sessions, 0 of 4096 legs' status
for command in 'show a' 'delete a' 'stop a' 'dtmf a 1' 'block a on'; do
	# shellcheck disable=SC2086
	expect 1 'Unknown call-id' sessions $command
	# shellcheck disable=SC2086
	expect_json 1 '.error | contains("Unknown call-id")' sessions $command
done
expect 1 'media.recording_folder is not set' sessions record a on
expect 1 'limit' sessions --limit x
expect 1 'digits' sessions dtmf a xyz
expect 0 'told when it is back' users add bob --password secret
expect_json 0 '.status == "stored"' users add 'a b&c/..' --password secret
expect_json 0 '.total == 3' users
expect_json 0 '.users | length == 1' users --limit 1 --offset 1
expect 1 'limit' users --limit '1&offset=7'
expect 1 'configuration file' users add filed --password secret
expect_json 1 '.field == "name"' users remove filed
expect 0 'a b&c' users remove 'a b&c/..'
expect 1 'no user' users remove 'a b&c/..'
expect 2 'no password' users add eve
printf 'from-stdin\n' | "$ctl" users add eve --password-stdin --json | jq -e '.status == "stored"' >/dev/null ||
	{ echo 'a password from standard input'; failures=$((failures + 1)); }
expect 0 'reloaded' reload
sed -i "s,database = .*db\";,database = \"$dir/other\";," "$dir/sluice.conf"
expect 1 'control.database' reload
expect_json 1 '.error | contains("control.database")' reload

# ---- one that takes requests and answers nothing is not one that is not there
working_half=$("$ctl" status --json | jq -r .controlplane.pid)
kill -STOP "$working_half"
expect 5 'not answered' users --timeout 1
expect_json 5 '.error | contains("in time")' users --timeout 1
kill -CONT "$working_half"
[ "$failures" -eq 0 ] || echo "$failures failed"
exit $((failures > 0))

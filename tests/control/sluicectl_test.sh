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
sip = { listeners = ( { name = "access"; role = "access"; transport = "udp"; address = "127.0.0.1:$((30000 + $$ % 20000))"; media = "public"; } ); };
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
	'config check' 'config export' 'config import' reload healthz \
	'call list' 'call show' 'call hangup' 'registration list' 'registration show' 'registration remove' 'cdr list' events \
	'tenant list' 'tenant show' 'tenant put' 'tenant delete' 'domain list' 'domain show' 'domain put' 'domain delete' \
	'sip-user list' 'sip-user show' 'sip-user put' 'sip-user delete' 'trunk list' 'trunk show' 'trunk put' 'trunk delete' \
	'route list' 'route show' 'route put' 'route delete' 'route test' 'token create' 'token list' 'token delete'; do
	# shellcheck disable=SC2086
	expect 0 "Usage: sluicectl ${command%% *}" $command --help
done
for command in status ports workers counters allocations 'allocation delete 0000000000000001' users 'users list' \
	'users add a --password b' 'users remove a' reload healthz sessions 'sessions list' 'sessions show a' \
	'sessions delete a' 'sessions record a on' 'sessions play a b' 'sessions stop a' 'sessions dtmf a 1' \
	'sessions block a on' 'call list' 'call show a' 'call hangup a' 'registration list' 'registration show a' \
	'registration remove a' 'cdr list' events 'tenant list' 'tenant show a' 'tenant delete a' 'route test a b' \
	'token create a' 'config export'; do
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

{ cat "$dir/sluice.conf"; echo 'provision = { tenants = ( { name = "acme"; nonsense = 1; } ); };'; } >"$dir/wrong.conf"
expect 1 'wrong.conf:[0-9]+: .*nonsense' config check "$dir/wrong.conf"

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
expect_json 0 '.sip.calls == 0 and .sip.max_calls == 25000 and .sip.overload == "no"' status
expect 0 'SIP +0 calls of 25000' status
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

# ---- SIP: what is provisioned
# put WORD JSON: a resource from a file.
put() {
	printf '%s' "$2" >"$dir/resource.json"
	expect "${3:-0}" "${4:-added|stored}" "$1" put "$dir/resource.json"
}
put tenant '{"name": "acme", "limits": {"concurrent": 5}}'
put domain '{"name": "example.com", "tenant": "acme"}'
put sip-user '{"name": "alice", "domain": "example.com", "password": "wonderland-1", "numbers": ["+4930111"]}'
put sip-user '{"name": "bob", "domain": "example.com", "password": "builder-1234"}'
put trunk '{"name": "carrier", "tenant": "acme", "targets": [{"uri": "sip:127.0.0.1:35070"}]}'
put route '{"name": "out", "tenant": "acme", "prefix": "+49", "trunks": ["carrier"]}'
put tenant '{"name": "acme", "limits": {"concurrent": 6}}'
put tenant '{"name": "acme", "limits": {"concurrent": "many"}}' 1 'limits.concurrent'
put tenant '{"name": "acme", "nonsense": 1}' 1 'nonsense'
put tenant '{"name": ' 2 'line 1'
put tenant '[]' 2 'object'
put tenant '{}' 2 'no "name"'
expect 2 'cannot read' tenant put "$dir/none"
expect 0 'acme +6' tenant list
expect 0 'example.com +acme' domain list
expect 0 'alice +example.com +\+4930111' sip-user list
expect 0 'carrier +acme +sip:127.0.0.1:35070 up' trunk list
expect 0 'out +acme +\+49 ' route list
expect 0 '"concurrent": 6' tenant show acme
expect_json 0 '.total == 2 and (.users | length == 1)' sip-user list --limit 1
expect_json 0 '.name == "alice" and (has("password") or has("ha1_md5") | not)' sip-user show alice@example.com
expect_json 0 '.state.concurrent == 0' trunk show carrier
expect 1 'does not exist|no .nobody' sip-user show nobody@example.com
expect 1 'named by|still' tenant delete acme
expect 0 'user bob@example.com' route test alice@example.com bob@example.com
expect 0 'trunk carrier by route out' route test alice@example.com +4989555
expect 0 'refused: 404' route test alice@example.com +1555
expect 0 'carrier|refused' route test +1555 +4989555 --trunk carrier
expect_json 0 '.candidates[0].trunk == "carrier" and .record' route test alice@example.com +4989555
expect 1 "there is no 'nobody@example.com'" route test nobody@example.com +4989555
expect 1 'trunk' route test 5 6
expect 0 '^[0-9a-f]{64}$' token create billing --scopes read,calls --tenant acme
expect 1 'already' token create billing
expect 1 'scopes' token create wrong --scopes everything
expect 0 'billing +acme +read,calls' token list
expect 0 'deleted' token delete billing
expect 0 '"ha1_sha256"' config export
cp "$dir/out" "$dir/export.json"
expect 0 'deleted' route delete out
expect 1 "there is no 'out'|does not exist" route delete out
expect 0 'stored' config import "$dir/export.json"
expect 0 'out +acme' route list
echo '{"users": [{"name": "x", "domain": "nowhere.example"}]}' >"$dir/bad.json"
expect 1 'users' config import "$dir/bad.json"
expect_json 0 '.total == 2' sip-user list

# ---- SIP: calls, registrations, records, events; none is going on
expect 0 '^ID ' call list
expect_json 0 '.total == 0 and .calls == []' call list --tenant acme --trunk carrier
expect 1 'CA and 32' call show a
expect 1 'no call' call show CA00000000000000000000000000000000
expect_json 1 '.field == "id"' call show CA00000000000000000000000000000000 --ladder
expect 1 'no call' call hangup CA00000000000000000000000000000000
expect 0 '^USER ' registration list
expect_json 0 '.total == 0' registration show alice@example.com
expect 1 'no such registration' registration remove alice@example.com
expect 1 'no such registration' registration remove alice@example.com --contact sip:a@b
expect 1 'NAME@DOMAIN' registration show alice
expect 0 '^BEGUN' cdr list
expect_json 0 '.cdrs == [] and .next == null' cdr list --user alice@example.com --number +4930111 --limit 5
expect 0 '^id,call,tenant,' cdr list --csv
expect 1 'after' cdr list --after nonsense
expect 1 'limit' cdr list --csv --limit 0
expect 0 'provision.changed +acme +trunks carrier' events
expect_json 0 '.events | length == 1' events --limit 1
timeout 1 "$ctl" events --follow --json >"$dir/out"
jq -se 'map(.type) | index("provision.changed") != null' "$dir/out" >/dev/null || { echo 'events --follow'; failures=$((failures + 1)); }

# ---- one that takes requests and answers nothing is not one that is not there
working_half=$("$ctl" status --json | jq -r .controlplane.pid)
kill -STOP "$working_half"
expect 5 'not answered' users --timeout 1
expect_json 5 '.error | contains("in time")' users --timeout 1
kill -CONT "$working_half"
[ "$failures" -eq 0 ] || echo "$failures failed"
exit $((failures > 0))

# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What tests of the API share: a control plane without a dataplane in a folder of its own, on a TCP port of its own, and asking it. Sourced with the
# test's arguments: SLUICECTL SLUICE_CONTROLPLANE. The test sets ready (a command of sluicectl that succeeds once it serves) and
# maybe group (of commands, for expect), and writes $dir/sluice.conf.
set -u
ctl=$1
controlplane=$2
dir=$(mktemp -d /tmp/sluice-test-api-XXXXXX)
pid=
trap '[ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
export SLUICE_API="$dir/api.sock"
port=$((20000 + $$ % 10000))
admin='Authorization: Bearer an-administrators-token'
failures=0

start() {
	"$controlplane" --config "$dir/sluice.conf" 2>>"$dir/log" &
	pid=$!
	tries=0
	# shellcheck disable=SC2086
	until "$ctl" $ready >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || { echo "the control plane does not start"; cat "$dir/log"; exit 1; }
		sleep 0.1
	done
}

# ask STATUS FILTER METHOD PATH [BODY [HEADER...]]: by TCP as $who; the answer's body fulfils the filter of jq.
ask() {
	status=$1 filter=$2 method=$3 path=$4 body=${5-}
	[ $# -ge 5 ] && shift 5 || shift $#
	set -- -s -m 20 -o "$dir/out" -D "$dir/head" -w '%{http_code}' -X "$method" -H "$who" "$@"
	[ -z "$body" ] || set -- "$@" --data-binary "$body"
	got=$(curl "$@" "http://127.0.0.1:$port$path")
	if [ "$got" != "$status" ] || ! jq -e "$filter" "$dir/out" >/dev/null; then
		echo "$method $path: $got (expected $status), expected: $filter"
		cat "$dir/out"
		failures=$((failures + 1))
	fi
}

# expect STATUS PATTERN ARGUMENT...: exit status of "sluicectl $group", and an extended regular expression that its output has.
expect() {
	status=$1
	pattern=$2
	shift 2
	"$ctl" "$group" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	if [ "$got" -ne "$status" ] || ! cat "$dir/out" "$dir/err" | grep -Eq -- "$pattern"; then
		echo "sluicectl $group $*: status $got (expected $status), expected: $pattern"
		cat "$dir/out" "$dir/err"
		failures=$((failures + 1))
	fi
}

token() { # NAME SCOPES [TENANT]
	printf 'Authorization: Bearer %s' "$("$ctl" token create "$1" --scopes "$2" ${3:+--tenant "$3"})"
}

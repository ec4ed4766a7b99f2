#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# bench/compare works: the generator's streams, plain and encrypted, go through the appliance and come back right. How fast
# is not looked at.
. "$(dirname "$0")/common.sh"

[ "$(nproc)" -ge 2 ] || { echo "bench/compare needs two cores"; exit 77; }

compare() { # CASE: its rounds go to CASE.json; a machine whose cores are moved about in every one of them is no fault
	local case=$1 said
	said=$("$SL_ROOT/bench/compare" "$case" --build "$BUILD" --systems sluice --sessions 100 --rounds 1 --seconds 0.5 \
		--warmup 0.1 --json --each 2>&1 >"$WORK/$case.json")
	[ -s "$WORK/$case.json" ] || { printf '%s\n' "$said"; return 1; }
}

# bench/compare itself gives up on a packet that came back wrong.
came_back() { # CASE: nearly all of them, and some were looked at in full
	jq -se '.[0] | .mpps > 0 and .loss < 0.5 and .generator.sampled > 0 and .generator.bad_content == 0' \
		"$WORK/$1.json" >/dev/null || { cut -c 1-1000 "$WORK/$1.json"; return 1; }
}

for case in turn-send rtp srtp-bridge; do
	check "case $case runs" compare $case
	check "its packets come back as they should" came_back $case
done
# TURN's requests one kind after the other, by the appliance and by coturn; and the memory of what they leave.
case_of() { # CASE OPTION...: as compare, with options of its own; rounds are what counts here, too
	local case=$1 said
	shift
	said=$("$SL_ROOT/bench/compare" "$case" --build "$BUILD" --rounds 1 --seconds 0.5 --warmup 0.1 --quick --json --each "$@" 2>&1 >"$WORK/$case.json")
	[ -s "$WORK/$case.json" ] || { printf '%s\n' "$said"; return 1; }
}
check "case turn-allocate runs" case_of turn-allocate --sessions 300 --allocations 3000
check "each kind of request is answered, by both" jq -se 'map(select(.round)) | group_by(.system) | map(map(.phase) | unique) |
	. == [["allocate", "channel", "delete", "permission", "refresh"], ["again", "allocate", "channel", "delete", "permission", "refresh"]]' \
	"$WORK/turn-allocate.json"
check "the first Allocate is two requests, the others are one" jq -se 'map(select(.round)) | all(.cycles_each > 0 and
	(if .phase == "allocate" then .requests == 2 else .requests == 1 end))' "$WORK/turn-allocate.json"
check "allocations are made, weighed and loaded" jq -se 'map(select(.phase == "memory")) | length > 0 and (.[0] | .sessions == 3000 and .bytes_each > 0 and
	.sampled > 0)' "$WORK/turn-allocate.json"
check "case turn-tls runs" case_of turn-tls --clients 10 --frames 500
check "frames come back over TLS, new clients come and resume their sessions" jq -se 'map(select(.round)) | group_by(.system) | length == 3 and
	all((map(.mode) | unique) == ["data", "new", "resumed"] and all(.per_second > 0 and .cpu_us_each > 0))' "$WORK/turn-tls.json"
# Whole calls: SIPp on both sides, a client that times them, calls that are held, registrations.
check "case sip runs" eval '"$SL_ROOT/bench/compare" sip --build "$BUILD" --systems sluice --cps 50 --warmup 1 --seconds 2 --held 50 --users 50 \
	--registrations 100 --quick --json >"$WORK/sip.json"'
check "its calls end well, and are timed; users register" jq -e '.cps > 0 and .failed == 0 and .cpu_ms_per_call > 0 and .setup_p99_ms > 0 and
	.held_calls == 50 and .registrations_failed == 0 and .registrations_per_s > 0' "$WORK/sip.json"
# The guard: its stages in one process, a flood that is dropped, a flood beside flows that are known and clients that come.
check "case guard-drop runs" eval '"$SL_ROOT/bench/compare" guard-drop --build "$BUILD" --systems stages,sluice --rounds 1 --seconds 0.5 --warmup 0.1 \
	--stage-rounds 1 --sources 100000 --prefixes 1000 --json --each >"$WORK/guard-drop.json"'
check "each stage ends as it should" jq -se 'map(select(.stage)) | (map(.stage) | contains(["shape", "prefix", "unknown"])) and
	all(.added_cycles != null and .ended_as_meant > 0.95)' "$WORK/guard-drop.json"
check "strangers are dropped by their total" jq -se 'map(select(.system == "sluice"))[0] | .mpps > 0 and .drops.guard_total_limit > 0' "$WORK/guard-drop.json"
check "case guard-mixed runs" eval '"$SL_ROOT/bench/compare" guard-mixed --build "$BUILD" --flows turn --sessions 20 --rate 5000 --packets 5000 --seconds 1 \
	--newcomers 10 --prefixes 1000 --json >"$WORK/guard-mixed.json"'
check "known flows go on beside the flood" jq -se 'map(.phase) == ["idle", "80", "beyond"] and all(.received > 0) and
	(.[1] | .flood_mpps > 0 and .newcomers == 10 and .drops.guard_total_limit > 0 and .lost_elsewhere != null)' "$WORK/guard-mixed.json"
check_not "a case that there is not" "$SL_ROOT/bench/compare" no-such-case
finish

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

for case in rtp srtp-bridge; do
	check "case $case runs" compare $case
	check "its packets come back as they should" came_back $case
done
# Whole calls: SIPp on both sides, a client that times them, calls that are held, registrations.
check "case sip runs" eval '"$SL_ROOT/bench/compare" sip --build "$BUILD" --systems sluice --cps 50 --warmup 1 --seconds 2 --held 50 --users 50 \
	--registrations 100 --quick --json >"$WORK/sip.json"'
check "its calls end well, and are timed; users register" jq -e '.cps > 30 and .failed == 0 and .cpu_ms_per_call > 0 and .setup_p99_ms > 0 and
	.held_calls == 50 and .registrations_failed == 0 and .registrations_per_s > 50' "$WORK/sip.json"
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

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
check_not "a case that there is not" "$SL_ROOT/bench/compare" no-such-case
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Two Chromium browsers with relay-only policy on both ends, over UDP, TCP and TLS, with credentials from our API: sound and data flow, and what was lost
# is counted (tests/browser).
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/turn.sh"

command -v chromium >/dev/null || skip "chromium is not installed (config/packages, [test])"
BROWSER=$SL_ROOT/tests/browser

browse() { # ROLE: a browser with nothing but this page; root has no sandbox
	ip netns exec "$CLIENT_NS" timeout --kill-after=3 100 env HOME="$WORK" chromium --headless --no-sandbox --no-first-run --disable-gpu --disable-dev-shm-usage \
		--disable-background-networking --disable-component-update --disable-sync --no-default-browser-check --ignore-certificate-errors \
		--use-fake-ui-for-media-stream --use-fake-device-for-media-stream --autoplay-policy=no-user-gesture-required \
		--user-data-dir="$WORK/$1" --remote-debugging-port=0 "http://127.0.0.1:8000/?role=$1" >"$WORK/$1.log" 2>&1 </dev/null &
}

results() { # TRANSPORT: both ends have told what they saw
	[ -s "$WORK/results/$1-caller.json" ] && [ -s "$WORK/results/$1-called.json" ]
}

both() { # TRANSPORT FILTER: it holds at both ends
	jq -c . "$WORK/results/$1-caller.json" "$WORK/results/$1-called.json"
	jq -se "all(.[]; $2)" "$WORK/results/$1-caller.json" "$WORK/results/$1-called.json" >/dev/null
}

turn_up
mkdir "$WORK/results"
api /v1/turn/credentials -X POST -H 'Content-Type: application/json' -d '{"user":"browser"}' >"$WORK/credentials.json"
check "the API gives what a page passes to RTCPeerConnection" jq -e '.iceServers | length > 0' "$WORK/credentials.json"
# One list for each transport out of what was issued: IPv4 literals, as there is no DNS here.
jq 'def of(f): [{ urls: [.urls[] | select(f)], username, credential }];
	{ udp: of(startswith("turn:") and endswith("udp")), tcp: of(startswith("turn:") and endswith("tcp")), tls: of(startswith("turns:") and endswith("tcp")) }' \
	"$WORK/credentials.json" >"$WORK/ice.json"
ip netns exec "$CLIENT_NS" "$BROWSER/serve.py" --ice "$WORK/ice.json" --results "$WORK/results" 2>"$WORK/serve.err" &
sl_wait_for 5 in_client sh -c 'ss -Hltn "sport = :8000" | grep -q .'
browse caller
browse called
for over in udp tcp tls; do
	if ! sl_wait_for 40 results $over; then
		check "$over: the browsers told what they saw" tail -n 5 "$WORK/caller.log" "$WORK/called.log" "$WORK/serve.err" && failures=$((failures + 1))
		break
	fi
	check "$over: a connection" both $over '.error == null'
	check "$over: by the relay at both ends" both $over '.local == "relay" and .remote == "relay"'
	check "$over: it is what both ends said to us" both $over ".relayProtocol == \"$over\""
	check "$over: 200 messages each way, none lost" both $over '.sent == 200 and .received == 200 and .duplicates == 0'
	check "$over: sound, none lost" both $over '.rtp_received > 150 and .rtp_lost == 0'
done
check "no packet met an internal error" is "$(drop internal)" -eq 0
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What comes back to a request without credentials, on the wire, retransmissions included: never more than guard.reflection_percent of it. Each kind of
# request that STUN, TURN and SIP have, as short as it can be; over IPv4 and IPv6; at the default and at a tight budget.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/sip.sh"
. "$(dirname "$0")/guard.sh"

amplify() { # OPTIONS of amplify.py
	in_client timeout 30 "$TESTS_LAB/amplify.py" --turn "$SERVICE_IP4:3478" --turn "[$SERVICE_IP6]:3478" --sip "$SERVICE_IP4:5060" \
		--sip "[$SERVICE_IP6]:5060" --sip "$SERVICE_IP4:5065" "$@"
}

bounded() { # PERCENT NAME: no request drew more; NAME.json has a line for each
	amplify --percent "$1" >"$WORK/$2.json"
}

answered() { # NAME REQUEST: something came back
	jq -se --arg r "$2" 'any(.[]; .request == $r and .out_bytes > 0)' "$WORK/$1.json" >/dev/null
}

shortened() { # answers of SIP without what can be left out
	api /metrics | awk '$1 == "sluice_sip_shortened_total" { print $2 }'
}

lab_up --sip
in_client ping -c 1 -W 2 "$SERVICE_IP4" >/dev/null
in_client ping -c 1 -W 2 "$SERVICE_IP6" >/dev/null
check "three times what came" bounded 300 default
for r in "TURN Binding" "TURN Allocate" "SIP OPTIONS to us" "SIP REGISTER" "SIP INVITE"; do
	check "$r is answered" answered default "$r"
done
jq -rs 'sort_by(-.ratio)[:5][] | "        \(.request) to \(.to): \(.in_bytes) bytes in, \(.out_bytes) out, \(.ratio)"' "$WORK/default.json"
check "everything once only" jq -se 'all(.[]; .packets <= 1)' "$WORK/default.json"

sed -i 's/^  reflection_percent = .*/  reflection_percent = 120;/' "$CONFIG"
check_not "so little that nobody could allocate is refused" ctl reload
check "with what would do" grep -q 'write at least [0-9]' <(ctl reload 2>&1)
sed -i 's/^  reflection_percent = .*/  reflection_percent = 230;/' "$CONFIG"
check "a tighter budget, by reload" ctl reload
drops_note
before=$(shortened)
check "holds as well" bounded 230 tight
check "what would have been too long is not sent by TURN, by name" is "$(dropped reflection_limit)" -gt 0
check "and is shortened by SIP" is "$(($(shortened) - before))" -gt 0
check "what was sent was less" is "$(jq -s '[.[].out_bytes] | add' "$WORK/tight.json")" -lt "$(jq -s '[.[].out_bytes] | add' "$WORK/default.json")"
check "allocating works" turn_client allocate
finish

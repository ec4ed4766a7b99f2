#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What sources beyond their limit get (limit, drop, challenge, refuse, delay), and what misbehaving earns; how an operator sees it.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/sip.sh"
. "$(dirname "$0")/guard.sh"

OTHER_IP4=192.0.2.11

top_has() { # WORD: `guard top` names it
	guard top --once | tee "$WORK/top" | grep -q "$1" || { cat "$WORK/top"; return 1; }
}

lab_up --sip --users 10 --set 'reputation={ ban = 4; ban_max = 8; }'
in_client ping -c 1 -W 2 "$SERVICE_IP4" >/dev/null
half=$(working_half controlplane)
scenarios guard "$@"
[ $# -eq 0 ] || finish

# Guesses over nonces that are made up can be forged: they ban nobody.
check "guesses in somebody's name" flood 1 --plan <(echo "kind=guess to=$SERVICE_IP4:5060 from=$OTHER_IP4:5999") --rate 300
sleep 0.7 # signals are told twice a second
check "ban nobody" is "$(api /v1/guard/bans | jq .total)" -eq 0

flood_route
flood_start --plan <(printf 'kind=stun to=%s from=203.0.113.7:4000\nkind=malformed to=%s\n' "$SERVICE_IP4:3478" "$SERVICE_IP4")
check "top shows who sends most" sl_wait_for 4 top_has 203.0.113.7
check "and what was dropped of it" top_has guard_source_limit
check "sources shows who is over a limit" grep -q 203.0.113.7 <(guard sources)
check "explain says why" grep -qi 'limit' <(guard explain 203.0.113.7)
check "samples of what is dropped" guard samples "$WORK/samples.pcap" --count 40 --reason guard_source_limit --from 203.0.113.7 --for 5s
check "are a pcap of 40 such packets" is "$(seen "$WORK/samples.pcap" 'src host 203.0.113.7 and udp port 3478')" -eq 40
check "and nothing else" is "$(seen "$WORK/samples.pcap")" -eq 40
flood_stop
check "no call is left over" sl_wait_for 3 no_calls
check "the control plane was not restarted" same_half "$half"
finish

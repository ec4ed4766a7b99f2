#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Two appliances. The first is drained: its clients stay, Debian's client follows 300 (Try Alternate) to the second, and comes back when the drain ends.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/turn.sh"

SECOND=${SL_LAB_NAME}b SECOND_IP4=192.0.2.2 SECOND_IP6=2001:db8:1::2
N=20 LEN=172
PEER4=(-n "$N" -l "$LEN" -e 198.51.100.10 -r 3480 -X)
PEER6=(-n "$N" -l "$LEN" -e 2001:db8:2::10 -r 3480 -x)

# The second one's wire to clients ends at the first one's clients, beside the one they have.
join_clients() {
	ip -n "$SECOND-client" link set eth0 netns "$CLIENT_NS" name eth1 && ip -n "$CLIENT_NS" link set eth1 up &&
		ip -n "$CLIENT_NS" route add "$SECOND_IP4/32" dev eth1 src "$CLIENT_IP4" &&
		ip -n "$CLIENT_NS" addr add "$CLIENT_IP6/128" dev eth1 nodad && # IPv6 neighbours are asked for by interface
		ip -n "$CLIENT_NS" -6 route add "$SECOND_IP6/128" dev eth1 src "$CLIENT_IP6"
}

by_second() { # packets that it has relayed
	at "$SECOND" counter relayed_to_peer_packets
}

sed -e 's/192\.0\.2\.1\b/192.0.2.2/g' -e 's/2001:db8:1::1\b/2001:db8:1::2/g' "$TESTS_LAB/lab.conf" >"$WORK/second.conf"
turn_up --set "alternates=( { server = \"$SECOND_IP4:3478\"; }, { server = \"$SECOND_IP4:3478\"; transport = \"tcp\"; }, { server = \"[$SECOND_IP6]:3478\"; } )"
lab_beside "$SECOND" --config "$WORK/second.conf" --set "listeners=$(listeners "$SECOND_IP4:3478 tcp")" || exit 1
start_turnutils_peer || exit 1
at "$SECOND" start_turnutils_peer || exit 1
join_clients || exit 1
turn_client stream --peer "$PEER_IP4:3480" --rate 50 --seconds 110 --ready-file "$WORK/stays.ready" --report "$WORK/stays.json" >/dev/null &
stays=$!
wait_ready "$WORK/stays.ready" || exit 1
check "the first is drained" ctl turn drain on
together "who comes now is served, over UDP" uclient "${PEER4[@]}" "$SERVICE_IP4"
together "over TCP" uclient -t "${PEER4[@]}" "$SERVICE_IP4"
together "over IPv6" uclient "${PEER6[@]}" "$SERVICE_IP6"
check_together
check "by the second" is "$(by_second)" -ge $((3 * N))
check "the first has the client of before" is "$(allocation_count)" -eq 1
before=$(by_second)
check "the drain ends" ctl turn drain off
check "the first serves again" uclient "${PEER4[@]}" "$SERVICE_IP4"
check "and the second has no more to do" is "$(by_second)" -eq "$before"
stop_client "$WORK/stays.ready"
wait $stays
status=$?
check "who was there before has lost nothing ($(jq -c '{sent,lost}' "$WORK/stays.json"))" is $status -eq 0
check "no packet met an internal error" is "$(($(drop internal) + $(at "$SECOND" drop internal)))" -eq 0
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Whom the guard knows of clients over TCP: control and data connections of TCP allocations (RFC 6062), their peers, the proxies that clients come by; and
# nobody any more once they have gone.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/turn.sh"

CLIENT_IP4B=192.0.2.11
FURTHER=("192.0.2.1:3479 tcp proxy_protocol = [ \"$CLIENT_IP4B\" ];")

marks() { # N: the guard knows so many
	api /metrics | grep -q "^sluice_guard_marks{trust=\"final\"} $1\$"
}

known_while_there() { # N ARGUMENTS of tcp_held: with one data connection N marks, and none afterwards
	local n=$1 of_case rc=0
	shift
	rm -f "$WORK/held"
	turn_case tcp_held --argument "$PEER_IP4:3481" --seconds 20 --ready-file "$WORK/held" "$@" >"$WORK/held.json" &
	of_case=$!
	sl_wait_for 15 test -s "$WORK/held" || rc=1
	sl_wait_for 5 marks "$n" || rc=1
	rm -f "$WORK/held"
	wait $of_case || rc=1
	sl_wait_for 5 marks 0 || rc=1
	[ $rc -eq 0 ] || { cat "$WORK/held.json"; api /metrics | grep '^sluice_guard_marks'; }
	return $rc
}

turn_up --set tcp_relay=true
in_peer timeout 120 "$TESTS_LAB/turn_cases.py" tcp_echo "$PEER_IP4" 3481 &
echo_pid=$!
echo_listens() {
	[ -n "$(in_peer ss -Hltn 'sport = :3481')" ]
}
check "the peer listens" sl_wait_for 10 echo_listens
check "nobody is known yet" sl_wait_for 5 marks 0
check "client, data connection and peer are known while they are there" known_while_there 3
check "by a proxy: also where the client's packets come from" known_while_there 4 --argument "$SERVICE_IP4:3479" --argument "$CLIENT_IP4B"
kill $echo_pid
finish

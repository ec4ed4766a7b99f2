#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# A node behind a NAT that maps its addresses one to one: clients are told the outer addresses, and reach each other by them.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/turn.sh"

INNER_IP4=192.0.2.1 INNER_IP6=2001:db8:1::1 OTHER_IP4=198.51.100.1
OUTER_IP4=203.0.113.1 OUTER_IP6=2001:db8:ff::1 OUTER_OTHER_IP4=203.0.113.2
N=20 LEN=172

outside() { # CASE OPTIONS
	turn_python turn_outside.py "$@"
}

external() { # "INNER OUTER"...: the value of turn.external_addresses
	local pair inner outer out=''
	for pair in "$@"; do
		read -r inner outer <<<"$pair"
		out+="${out:+, }{ address = \"$inner\"; external = \"$outer\"; }"
	done
	printf '( %s )' "$out"
}

NAT_LISTENERS="[ \"$INNER_IP4:3478\", \"$INNER_IP4:3479\", \"$OTHER_IP4:3478\", \"$OTHER_IP4:3479\" ]"
turn_up --set tcp_relay=true --set "listen=${NAT_LISTENERS% ]}, \"[$INNER_IP6]:3478\" ]" --set "nat_discovery=$NAT_LISTENERS" \
	--set "external_addresses=$(external "$INNER_IP4 $OUTER_IP4" "$INNER_IP6 $OUTER_IP6" "$OTHER_IP4 $OUTER_OTHER_IP4")"
start_turnutils_peer || exit 1

check "clients see the outer addresses, and reach each other by them" outside relays --argument "$OUTER_IP4" --argument "$OUTER_IP6"
check "NAT discovery names them" outside discovery --argument "$OUTER_IP4" --argument "$OUTER_OTHER_IP4" --argument 3479
hairpins=$(counter hairpin)
together "Debian's client, a peer" uclient -n $N -l $LEN -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
together "client to client (-y)" uclient -y -n $N -l $LEN -X "$SERVICE_IP4"
together "over IPv6" uclient -y -n $N -l $LEN -x "$SERVICE_IP6"
together "over TLS" uclient -y -t "${SECURE[@]}" -n $N -l $LEN -X "$SERVICE_IP4"
together "TCP relaying from client to client (-T)" uclient -T -n $N -l $LEN "$SERVICE_IP4"
check_together
check "what goes from one to the other stays in the dataplane" is "$(counter hairpin)" -ge $((hairpins + 3 * N))
check "the API shows what the node itself has" jq -e '[.allocations[].relay] | length > 0 and all(startswith("192.0.2.1:") or startswith("[2001:db8:1::1]:"))' <(api /v1/allocations)
check "no packet met an internal error" is "$(drop internal)" -eq 0
finish

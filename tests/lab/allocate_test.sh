#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What the client asks of an allocation beside credentials: families, even ports and reservations, retransmissions.
. "$(dirname "$0")/common.sh"

port_of() { # REPORT
	jq -r .relay <<<"$1" | sed 's/.*://'
}

even_port() { # RESERVE
	local out
	out=$(turn_client allocate --even-port "$1") || { echo "$out"; return 1; }
	is $(($(port_of "$out") % 2)) -eq 0
}

drawn_at_random() { # no two of eight ports next to each other, and not rising or falling throughout
	local ports=''
	for _ in 1 2 3 4 5 6 7 8; do
		ports+="$(port_of "$(turn_client allocate)") "
	done
	echo "$ports"
	awk '{ for (i = 2; i <= NF; i++) { d = $i - $(i - 1); if (d < 0) down++; else up++; if (d == 1 || d == -1) near++ } }
		END { exit !(up > 0 && down > 0 && near < 3) }' <<<"$ports"
}

lab_up --set nonce_lifetime=2
check "an IPv4 relay address by default" \
	is "$(turn_client allocate | jq -r .relay | cut -d: -f1)" = "$SERVICE_IP4"
check "an IPv6 relay address on request" grep -q "$SERVICE_IP6" <<<"$(turn_client allocate --family 6)"
check "the client's own address comes back (XOR-MAPPED-ADDRESS)" \
	is "$(turn_client allocate --local "$CLIENT_IP4:40000" | jq -r .mapped)" = "$CLIENT_IP4:40000"
check "an even port" even_port 0
check "an even port and the next one reserved, taken up by its token" turn_client scenario reservation
check "ports are not drawn in order" drawn_at_random
check "DONT-FRAGMENT is understood" turn_client allocate --dont-fragment
check "a retransmitted Allocate gets the same answer, and one allocation" turn_client scenario retransmission
check "437: a second Allocate on the same five-tuple" turn_client scenario mismatch
check "a stale nonce is told (438), and the new one serves" turn_client scenario stale --hold 3.2
check "the unknown transport is 442" turn_client scenario transport
check "420: an attribute that nobody knows is named" turn_client scenario unknown
check "nothing is left behind" is "$(allocation_count)" -eq 0
finish

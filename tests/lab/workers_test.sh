#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Two workers on one port: whoever gets a packet it does not own hands it over, and nothing is lost on the way.
. "$(dirname "$0")/common.sh"

both_workers_created() {
	is "$(counter_of 0 allocations_created)" -gt 0 && is "$(counter_of 1 allocations_created)" -gt 0
}

one_port() { # af_packet|af_xdp
	local p=$1
	lab_up --port "$p" --workers 2
	start_echo || exit 1
	# Whoever spreads the packets does it by a hash of its own: half of what arrives is at the wrong worker.
	check "$p: 24 clients, ChannelData, nothing lost" \
		turn_client stream --peer "$PEER_IP4:3480" --sessions 24 --rate 40 --seconds 2
	check "$p: packets of known flows were handed over" is "$(counter handoff_known_out)" -gt 0
	check "$p: and arrived where they were sent" is "$(counter handoff_known_in)" -eq "$(counter handoff_known_out)"
	check "$p: new clients came in by hand-off too" is "$(counter handoff_unknown_out)" -gt 0
	check "$p: 24 clients, Send indications, IPv6" \
		turn_client stream --method send --server "[$SERVICE_IP6]:3478" --family 6 --peer "[$PEER_IP6]:3480" \
		--sessions 24 --rate 20 --seconds 1
	check "$p: 12 pairs of allocations exchange packets, whoever owns them" \
		turn_client pair --sessions 12 --rate 40 --seconds 1
	check "$p: 4,000 bytes, fragments of one datagram at two workers" \
		turn_client stream --peer "$PEER_IP4:3480" --sessions 8 --rate 10 --seconds 1 --size 4000
	check "$p: Linux is reached and answers" in_client ping -c 3 -i 0.1 -W 2 "$SERVICE_IP4"
	check "$p: both workers own allocations" both_workers_created
	check "$p: no hand-off ring ran full" is $(($(drop handoff_known_full) + $(drop handoff_unknown_full))) -eq 0
}

one_port af_packet
lab_down
one_port af_xdp # a veth has one queue for it: a worker receives and sends through the other
check "af_xdp: the worker without a queue sent through the other's" is "$(counter tx_proxied)" -gt 0
finish

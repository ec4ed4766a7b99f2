#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Datagrams larger than the MTU: reassembled on the way in, fragmented on the way out, both directions and families; where
# Don't Fragment forbids it, the sender is told.
. "$(dirname "$0")/common.sh"

whole() { # SIZE OPTIONS...
	local size=$1
	shift
	turn_client stream --size "$size" --rate 20 --seconds 0.5 "$@"
}

start_df_peer() { # a peer whose datagrams must not be fragmented
	in_peer "$TESTS_LAB/turn_client.py" echo --df --bind "$PEER_IP4:3490" --ready-file "$WORK/df.ready" >/dev/null &
	wait_ready "$WORK/df.ready"
}

lab_up
start_echo || exit 1
check "2,000 bytes by ChannelData, IPv4, whole both ways" whole 2000 --peer "$PEER_IP4:3480"
check "the same by Send indications" whole 2000 --method send --peer "$PEER_IP4:3480"
check "8,000 bytes: six fragments" whole 8000 --peer "$PEER_IP4:3480"
check "2,000 bytes, IPv6 on both sides" \
	whole 2000 --server "[$SERVICE_IP6]:3478" --family 6 --peer "[$PEER_IP6]:3480"
check "IPv4 client, IPv6 peer" whole 2000 --family 6 --peer "[$PEER_IP6]:3480"
check "between two allocations (hairpin)" turn_client pair --size 2000 --rate 20 --seconds 0.5
check "datagrams were reassembled" is "$(counter reassembled)" -ge 40
check "datagrams were sent as fragments" is "$(counter fragmented)" -ge 40
# 1,472 bytes fill the peer's MTU; the Data indication around them no longer fits the client's.
check "a datagram that grows past the MTU by its envelope" whole 1472 --method send --peer "$PEER_IP4:3480"
check "no fragment was lost to a table or a cap" is \
	$(($(drop fragment_table_full) + $(drop fragment_source_cap) + $(drop fragment_bad))) -eq 0

start_df_peer
watch "$PEER_NS" "$WORK/toobig.pcap" 'icmp[0] == 3 and icmp[1] == 4'
turn_client stream --method send --size 1472 --rate 5 --seconds 0.4 --drain 0.3 --max-loss 99 --peer "$PEER_IP4:3490"
stop_watching
check "Don't Fragment from the peer: it is told that the packet is too big" is "$(seen "$WORK/toobig.pcap")" -ge 1
check "and the appliance counted it" is "$(counter too_big_sent)" -ge 1
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Debian's TURN client and peer through the appliance: every way of relaying, both address families, nothing lost, and
# the appliance counts what the client counts.
. "$(dirname "$0")/common.sh"

lab_up
start_turnutils_peer || exit 1
N=25 # messages a session
LEN=172

relayed() { # packets and bytes to the peer and back, as the appliance counts them
	printf '%s %s %s %s' "$(counter relayed_to_peer_packets)" "$(counter relayed_to_peer_bytes)" \
		"$(counter relayed_to_client_packets)" "$(counter relayed_to_client_bytes)"
}

before=$(relayed)
check "ChannelData, IPv4: nothing lost" \
	uclient -n $N -l $LEN -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
after=$(relayed)
# Each message goes there and back once; the utility may send a few more to open the path.
read -r p1 b1 q1 c1 <<<"$before"
read -r p2 b2 q2 c2 <<<"$after"
check "the appliance counted at least $N packets to the peer" is $((p2 - p1)) -ge $N
check "and as many back" is $((q2 - q1)) -eq $((p2 - p1))
check "bytes to the peer: $LEN each" is $((b2 - b1)) -eq $(((p2 - p1) * LEN))
check "bytes to the client: the same" is $((c2 - c1)) -eq $((b2 - b1))

hairpins=$(counter hairpin)
together "Send and Data indications, IPv4" uclient \
	-s -n $N -l $LEN -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
together "client to client over two allocations (hairpin)" uclient \
	-y -n $N -l $LEN -X "$SERVICE_IP4"
together "the same with Send indications" uclient \
	-y -s -n $N -l $LEN -X "$SERVICE_IP4"
together "IPv6 client, IPv6 relay and peer, ChannelData" uclient \
	-x -n $N -l $LEN -e "$PEER_IP6" -r 3480 "$SERVICE_IP6"
together "IPv6 client, IPv6 relay and peer, Send" uclient \
	-x -s -n $N -l $LEN -e "$PEER_IP6" -r 3480 "$SERVICE_IP6"
together "IPv4 client, IPv6 relay and peer" uclient \
	-x -n $N -l $LEN -e "$PEER_IP6" -r 3480 "$SERVICE_IP4"
together "IPv6 client, IPv4 relay and peer" uclient \
	-X -n $N -l $LEN -e "$PEER_IP4" -r 3480 "$SERVICE_IP6"
together "IPv6 client to client (hairpin)" uclient \
	-x -y -n $N -l $LEN "$SERVICE_IP6"
together "eight clients at once" uclient \
	-m 8 -n $N -l $LEN -z 5 -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
together "credentials of the shared-secret scheme" uclient \
	-W "$REST_SECRET" -n $N -l $LEN -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
check_together
check "the hairpins stayed inside the dataplane" is "$(counter hairpin)" -gt "$hairpins"
check_not "a wrong password relays nothing" \
	uclient -w not-the-password -n 5 -l $LEN -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
check "no packet met an internal error" is "$(drop internal)" -eq 0
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Peers that must not be reached: 403 for permissions and channels, however the address is written, and no way around
# by a Send indication.
. "$(dirname "$0")/common.sh"

own_port_refused() {
	local before
	before=$(drop peer_forbidden)
	# The permission has no port, so it may be granted; the packet must not pass.
	turn_client stream --method send --peer "$SERVICE_IP4:3478" --seconds 0.3 --rate 20 --drain 0.3 && return 1
	is "$(drop peer_forbidden)" -gt "$before"
}

lab_up
start_echo || exit 1
check "IPv4: loopback, private, link-local, multicast, unspecified" turn_client permission --expect 403 \
	--peer 127.0.0.1:3480 --peer 10.1.2.3:3480 --peer 172.16.0.1:3480 --peer 192.168.1.1:3480 \
	--peer 169.254.1.1:3480 --peer 224.0.0.1:3480 --peer 0.0.0.0:3480
check "IPv4: shared, benchmark and reserved networks" turn_client permission --expect 403 \
	--peer 100.64.0.1:3480 --peer 198.18.0.1:3480 --peer 240.0.0.1:3480 --peer 255.255.255.255:3480
check "IPv6: loopback, unique local, link-local, multicast" turn_client permission --family 6 --expect 403 \
	--peer '[::1]:3480' --peer '[fd00::1]:3480' --peer '[fe80::1]:3480' --peer '[ff02::1]:3480'
check "IPv4 inside IPv6: compatible, 6to4, NAT64" turn_client permission --family 6 --expect 403 \
	--peer '[::127.0.0.1]:3480' --peer '[2002:7f00:1::1]:3480' \
	--peer '[64:ff9b::10.0.0.1]:3480'
check "mapped IPv4 is IPv4, and so of the other family" \
	turn_client permission --family 6 --expect 443 --peer '[::ffff:127.0.0.1]:3480' --peer '[::ffff:8.8.8.8]:3480'
check "a peer that a rule allows" turn_client permission --expect 0 --peer "$PEER_IP4:3480"
check "a peer of the other family is 443" turn_client permission --expect 443 --peer "[$PEER_IP6]:3480"

forbidden_before=$(drop no_permission)
check_not "a Send indication without a permission arrives nowhere" \
	turn_client stream --method send --peer "$PEER_IP4:3480" --no-permission --seconds 0.3 --rate 20 --drain 0.3
check "and is counted" is "$(drop no_permission)" -gt "$forbidden_before"
check "our own TURN port is no peer, per packet" own_port_refused
finish

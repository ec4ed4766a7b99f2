#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Linux behind the port, on every kind of port of the lab: ping, TCP and UDP sockets of the service address work as if the
# port were an interface of the kernel; every answer comes once; claimed UDP never draws an ICMP unreachable.
. "$(dirname "$0")/common.sh"

listen_on_service() { # echo servers of the kernel, both families
	in_app socat -T 10 TCP6-LISTEN:8080,fork,reuseaddr EXEC:cat 2>/dev/null &
	in_app socat -T 10 UDP6-RECVFROM:5060,fork EXEC:cat 2>/dev/null &
	sl_wait_for 5 listening
}

listening() {
	[ -n "$(in_app ss -Hltn 'sport = :8080')" ] && [ -n "$(in_app ss -Hlun 'sport = :5060')" ]
}

ping_once_each() { # NS ADDRESS: five answers, no duplicate
	local out
	out=$(ip netns exec "$1" ping -c 5 -i 0.1 -W 2 "$2") || { echo "$out"; return 1; }
	! grep -q 'DUP!' <<<"$out" || { echo "$out"; return 1; }
	grep -q '5 packets transmitted, 5 received' <<<"$out" || { echo "$out"; return 1; }
}

tcp_echo() { # ADDRESS: 300 kB there and back
	head -c 300000 /dev/urandom >"$WORK/sent"
	in_client timeout 10 socat -t 5 - "TCP:$1:8080" <"$WORK/sent" >"$WORK/got" && cmp "$WORK/sent" "$WORK/got"
}

udp_echo() { # ADDRESS: as a SIP request would
	local got
	got=$(printf 'OPTIONS sip:lab SIP/2.0' | in_client timeout 5 socat -t 2 - "UDP:$1:5060")
	is "$got" = "OPTIONS sip:lab SIP/2.0"
}

UNREACHABLE='icmp[0] == 3 or (ip6 and ip6[6] == 58 and ip6[40] == 1)'

udp_nobody_answers() { # stray datagrams to what the dataplane claims: a TURN port and relay ports
	local dst
	for dst in "$SERVICE_IP4" "[$SERVICE_IP6]"; do
		printf 'neither STUN nor ChannelData' | in_client socat -t 0.1 - "UDP:$dst:3478"
		printf 'nobody allocated this' | in_client socat -t 0.1 - "UDP:$dst:50000"
		printf 'nobody allocated this' | in_peer socat -t 0.1 - "UDP:$dst:50001"
	done
}

one_port() { # af_packet|af_xdp|tap
	local p=$1 address
	lab_up --port "$p"
	listen_on_service
	start_echo || exit 1
	for address in "$SERVICE_IP4" "$SERVICE_IP6"; do
		check "$p: ping $address from the client, each answered once" ping_once_each "$CLIENT_NS" "$address"
		check "$p: ping $address from the peer's network" ping_once_each "$PEER_NS" "$address"
	done
	check "$p: large pings, which IP fragments" in_client ping -c 2 -i 0.1 -W 2 -s 3000 "$SERVICE_IP4"
	check "$p: TCP over IPv4" tcp_echo "$SERVICE_IP4"
	check "$p: TCP over IPv6" tcp_echo "[$SERVICE_IP6]"
	check "$p: a UDP socket of the kernel over IPv4" udp_echo "$SERVICE_IP4"
	check "$p: a UDP socket of the kernel over IPv6" udp_echo "[$SERVICE_IP6]"
	watch "$CLIENT_NS" "$WORK/client.pcap" "$UNREACHABLE or (udp and src port 3478)"
	watch "$PEER_NS" "$WORK/peer.pcap" "$UNREACHABLE"
	check "$p: relaying works, no datagram twice, IPv4" \
		turn_client stream --peer "$PEER_IP4:3480" --seconds 0.5 --rate 200
	check "$p: relaying works, no datagram twice, IPv6" \
		turn_client stream --server "[$SERVICE_IP6]:3478" --family 6 --peer "[$PEER_IP6]:3480" --seconds 0.5 --rate 200
	udp_nobody_answers
	stop_watching
	check "$p: the watch saw the TURN answers" is "$(seen "$WORK/client.pcap" udp)" -gt 0
	check "$p: no ICMP unreachable reached the client" is "$(seen "$WORK/client.pcap" 'icmp or icmp6')" -eq 0
	check "$p: nor the peer" is "$(seen "$WORK/peer.pcap")" -eq 0
	lab_down
}

for port in ${1:-af_packet af_xdp tap}; do
	one_port "$port"
done
finish

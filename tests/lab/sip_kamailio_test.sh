#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Debian's Kamailio is the carrier's proxy, in both directions: SIPp behind it and SIPp on our other side call each other with early media, hold and
# resume, many at a time, refused and cancelled ones; sound is compared packet by packet.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"
. "$(dirname "$0")/sip.sh"

PBX=192.0.2.11
TALK_MS=600

proxy_start() {
	ip netns exec "$PEER_NS" kamailio -f "$TESTS_LAB/sipp/peer_proxy.cfg" -DD -E -Y "$WORK" -P "$WORK/kamailio.pid" \
		-A "OWN=udp:$PEER_IP4:5070" -A "GATEWAY=\"sip:$PEER_IP4:5080\"" -A 'APPLIANCE="sip:198.51.100.1:5060"' -A 'APPLIANCE_IP="198.51.100.1"' \
		>"$WORK/kamailio.log" 2>&1 </dev/null &
	sl_wait_for 5 listens "$PEER_NS" 5070 || { tail -n 5 "$WORK/kamailio.log"; return 1; }
}

listens() { # NS PORT
	[ -n "$(ip netns exec "$1" ss -Hlun "sport = :$2")" ]
}

provision() { # KIND NAME JSON
	api "/v1/$1/$2" -X PUT -d "$3" | jq -e 'has("error") | not' >/dev/null
}

callee_at() { # NS IP PORT NAME SCENARIO OPTIONS
	local ns=$1 ip=$2 port=$3 name=$4 scenario=$5
	shift 5
	(sipp_in "$ns" "$ip" "$name" "$scenario" -p "$port" "$@") &
	callee_pid=$!
	sl_wait_for 5 listens "$ns" "$port"
}

# Both ways: from the PBX out through Kamailio, and from behind Kamailio in to the PBX.
calls_out() { # CALLEE CALLER OPTIONS
	local callee=$1 caller=$2
	shift 2
	callee_at "$PEER_NS" "$PEER_IP4" 5080 callee "$callee" -d 300 -key held recvonly "$@"
	(sipp_in "$CLIENT_NS" "$PBX" caller "$caller" "$SERVICE_IP4:5065" -p 5060 -d "$TALK_MS" -key hold sendonly "$@") || { sipp_said caller; return 1; }
	wait "$callee_pid" || { sipp_said callee; return 1; }
}

calls_in() { # CALLEE CALLER OPTIONS
	local callee=$1 caller=$2
	shift 2
	callee_at "$CLIENT_NS" "$PBX" 5060 callee "$callee" -d 300 -key held recvonly "$@"
	(sipp_in "$PEER_NS" 198.51.100.11 caller "$caller" "$PEER_IP4:5070" -p 5090 -d "$TALK_MS" -key hold sendonly "$@") || { sipp_said caller; return 1; }
	wait "$callee_pid" || { sipp_said callee; return 1; }
}

heard() { # CAPTURE ADDRESS SOUND
	sound extract "$WORK/$1" "$WORK/heard.al" --dst "$2" --packed && sound pieces "$WORK/$3" "$WORK/heard.al" --jumps 2
}

received() { # NAME: what its SIPp got
	awk '/message (sent|received)/ { on = /message received/ } on' "$WORK/$1.msg"
}

hidden() { # NAME WORDS: nothing of the other side in what it got
	! received "$1" | grep -E -- "$2"
}

lab_up --sip
proxy_start || exit 1
sounds_made 2 || exit 1
check "a PBX is a trunk, too" provision trunks pbx "{\"name\": \"pbx\", \"tenant\": \"lab\", \"listener\": \"pbx\", \"sources\": [\"$PBX\"], \"targets\": [{\"uri\": \"sip:$PBX:5060\"}]}"
check "its calls go out to the carrier" provision routes pbx-out '{"name": "pbx-out", "tenant": "lab", "source": "trunk:pbx", "trunks": ["carrier"]}'
check "the carrier's come in to it" provision routes pbx-in '{"name": "pbx-in", "tenant": "lab", "source": "trunk:carrier", "prefix": "callee", "trunks": ["pbx"]}'

watch "$CLIENT_NS" "$WORK/client.pcap" udp
watch "$PEER_NS" "$WORK/peer.pcap" udp
check "out: early media, hold, resume, hang-up" calls_out callee caller -m 1
stop_watching
check "the caller heard the callee" heard client.pcap "$PBX" callee.al
check "the callee heard the caller" heard peer.pcap "$PEER_IP4" caller.al
check "nothing of the inside is seen outside" hidden callee '192\.0\.2\.|2001:db8:1:'
check "nothing of the outside is seen inside" hidden caller '198\.51\.100\.|2001:db8:2:'
watch "$CLIENT_NS" "$WORK/client.pcap" udp
watch "$PEER_NS" "$WORK/peer.pcap" udp
check "in: early media, hold, resume, hang-up" calls_in callee caller -m 1
stop_watching
check "the callee heard the caller" heard client.pcap "$PBX" caller.al
check "the caller heard the callee" heard peer.pcap 198.51.100.11 callee.al
check "ten calls at a time out" calls_out callee caller -m 10 -l 10 -r 20
check "ten calls at a time in" calls_in callee caller -m 10 -l 10 -r 20
check "one that is cancelled while it rings, out" calls_out cancel_callee cancel_caller -m 1
check "no call is left over" sl_wait_for 3 no_calls
check "each has its CDRs" sl_wait_for 3 eval 'is "$(api "/v1/cdrs?limit=200" | jq ".cdrs | length")" -eq 46'
kill -TERM "$(cat "$WORK/kamailio.pid")"
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Debian's Kamailio with its own rtpengine module and our sample configuration, SIPp on both sides: calls with early media,
# hold and resume, many at a time, refused ones, cancelled ones, a gateway that fails.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"

TALK_MS=600

callee() { # NAME OPTIONS
	local name=$1
	shift
	(sipp_in "$PEER_NS" "$PEER_IP4" "$name" callee -p 5060 -d 300 -key held recvonly "$@") &
	callee_pid=$!
	sl_wait_for 5 peer_listens 5060
}

peer_listens() { # PORT
	[ -n "$(in_peer ss -Hlun "sport = :$1")" ]
}

caller() { # NAME OPTIONS
	local name=$1
	shift
	(sipp_in "$CLIENT_NS" "$CLIENT_IP4" "$name" caller "$SERVICE_IP4:5060" -p 5060 -d "$TALK_MS" -key hold sendonly "$@") ||
		{ sipp_said "$name"; return 1; }
}

both_end_well() { # SIPP-OPTIONS of both
	callee callee "$@" && caller caller "$@" && wait "$callee_pid" || { sipp_said callee; return 1; }
}

heard() { # CAPTURE ADDRESS SOUND: RTP that went there is that sound, packet by packet (a pause and the answer may jump)
	sound extract "$WORK/$1" "$WORK/heard.al" --dst "$2" --packed &&
		sound pieces "$WORK/$3" "$WORK/heard.al" --jumps 2
}

messages() { # NAME sent|received: what its SIPp logged in that direction
	awk -v way="message $2" '/message (sent|received)/ { on = index($0, way) } on' "$WORK/$1.msg"
}

came() { # NAME WORDS: in a message that was received
	messages "$1" received | grep -q -- "$2"
}

only_relay_addresses() { # NAME ADDRESS: every o= and c= line that came has it
	local lines
	lines=$(messages "$1" received | grep -E '^(o|c)=')
	[ -n "$lines" ] && ! grep -v "IN IP4 $2" <<<"$lines"
}

first_sdp() { # NAME sent|received: the lines that a relay has no business with
	messages "$1" "$2" | tr -d '\r' | awk '/^v=0/ { on = 1 } on && !NF { exit } on' | grep -vE '^(o=|c=|m=|a=rtcp:)'
}

sdp_untouched() {
	diff <(first_sdp caller sent) <(first_sdp callee received)
}

early() { # the callee's sound arrived before its 200
	tcpdump -nr "$WORK/client.pcap" "dst $CLIENT_IP4" 2>/dev/null |
		awk '/SIP\/2.0 200/ { exit } !/5060/ { rtp++ } END { print rtp + 0, "packets"; exit !(rtp > 5) }'
}

with_sipp() { # NAME SCENARIO OPTIONS: a caller of another kind
	(sipp_in "$CLIENT_NS" "$CLIENT_IP4" "$1" "$2" "$SERVICE_IP4:5060" -p 5060 -m 1 "${@:3}") || { sipp_said "$1"; return 1; }
}

in_call() { # while a call is on
	sl_wait_for 5 sessions_are 1
}

shown() { # sluicectl tells of the call: both parties, sound both ways
	ctl sessions --json | jq -e '.total == 1' >/dev/null && ctl sessions show "$(ctl sessions --json | jq -r '.sessions[0].id')" \
		--json >"$WORK/session.json" && jq -e '[.parties[].media[].leg.received.packets] | length == 2 and all(.[]; . > 0)' \
		"$WORK/session.json" || { cat "$WORK/session.json"; return 1; }
}

sample_is_right() { # DEFINES: with those switches
	local d defines=()
	for d in "$@"; do
		defines+=(-A "$d")
	done
	kamailio -c -f "$SL_ROOT/config/kamailio/kamailio.cfg" "${defines[@]}"
}

lab_up --set max_sessions=12
kamailio_start "PRIVATE_NEXT_HOP_2=\"sip:$PEER_IP4:5070\"" || exit 1
sounds_made 2 || exit 1

watch "$CLIENT_NS" "$WORK/client.pcap" udp
watch "$PEER_NS" "$WORK/peer.pcap" udp
both_end_well -m 1 &
call=$!
check "the call is listed while it is on" in_call
! ours || check "sluicectl shows it" sl_wait_for 3 shown
wait $call
check "early media, hold, resume, hang-up" is $? -eq 0
stop_watching
check "the caller heard the callee" heard client.pcap "$CLIENT_IP4" callee.al
check "the callee heard the caller" heard peer.pcap "$PEER_IP4" caller.al
check "early media came before the answer" early
check "an attribute that nobody knows came through" came callee '^a=x-kept-as-it-is:yes'
check "nothing of the public side is in the callee's SDP" only_relay_addresses callee 198.51.100.1
check "nothing of the private side is in the caller's SDP" only_relay_addresses caller 192.0.2.1
check "the call is gone after BYE" sl_wait_for 5 sessions_are 0
check "Kamailio wrote a line about it" grep -q 'CDR call-id=.*RTP: [1-9][0-9]* bytes, [1-9][0-9]* packets' "$WORK/kamailio.log"
! ours || check "every other line of the offer came as it was, in its order" sdp_untouched

check "ten calls at a time" both_end_well -m 10 -l 10 -r 20
check "are gone" sl_wait_for 5 sessions_are 0

(sipp_in "$PEER_NS" "$PEER_IP4" failing failing_callee -p 5060 -m 1) &
failing=$!
(sipp_in "$PEER_NS" "$PEER_IP4" second callee -p 5070 -d 300 -key held recvonly -m 1) &
second=$!
sl_wait_for 5 peer_listens 5060 && sl_wait_for 5 peer_listens 5070
check "the first gateway fails: the call goes through the second" caller failover -m 1
wait $failing $second
check "which had an offer of its own" is $? -eq 0
check "and is gone" sl_wait_for 5 sessions_are 0

(sipp_in "$PEER_NS" "$PEER_IP4" cancelled cancel_callee -p 5060 -m 1) &
cancelled=$!
sl_wait_for 5 peer_listens 5060
check "a call that is cancelled while it rings" with_sipp cancel cancel_caller -d 300
wait $cancelled
check "ends at the callee" is $? -eq 0
check "and at the relay" sl_wait_for 5 sessions_are 0

if ours; then
	check "as many calls as the relay may have" calls --prefix fill --count 12
	check "one more is refused" with_sipp limit refused_caller
	check "because of the limit" grep -q 'no media relay takes this call' "$WORK/kamailio.log"
	check "a call ends" ng delete --prefix fill
	callee callee -m 1
	check "there is room for one again" caller again -m 1
	wait $callee_pid
	# But for some that came before the other end was known.
	check "what came in went out" is $(($(counter rtp_out_packets) * 100)) -ge $(($(counter rtp_in_packets) * 99))
fi

check "the sample is right with its switches" sample_is_right WITH_PUBLIC_SRTP WITH_RECORDING
kamailio_stop
kamailio_start 'MEDIA_RELAYS="udp:127.0.0.1:2299"' 2>/dev/null
check "without a relay a call is refused" with_sipp refused refused_caller
finish

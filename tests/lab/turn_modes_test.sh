#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Everything that TURN has beside plain relaying, by Debian's utilities and by a client that looks closer: TCP relaying (RFC 6062), two families, mobility
# (RFC 8016), third-party authorisation (RFC 7635), NAT discovery (RFC 5780), ICMP, and clients that misbehave.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/turn.sh"

N=20 LEN=172
OTHER_IP4=198.51.100.1 # the appliance's other address
OAUTH_NORTH=$(printf 01234567890123456789012345678901 | base64)
OAUTH_UNION=$(printf 1234567890123456 | base64)

discovery() { # OPTIONS of turnutils_natdiscovery: what it says
	in_client timeout 20 turnutils_natdiscovery "$@" -L "$CLIENT_IP4" -p "$TURN_PORT" "$SERVICE_IP4" 2>&1
}

dual() { # uclient that succeeds only when it was given two addresses
	uclient -Z "$@"
}

misbehaves() { # OPTIONS: uclient may lose what it likes; the appliance must not mind
	in_client timeout 12 turnutils_uclient -c -u "$USER" -w "$PASSWORD" "$@" >"$WORK/misbehaves" 2>&1 # with -R it knows no end
	[ "$(drop internal)" -eq 0 ] && [ "$(restarts)" -eq 0 ]
}

oauth_case() { # KID KEY ALGORITHM: two tokens, made by Debian's utility. Its -J goes from key to key in one allocation, which is another's attack to us
	local first second
	first=$(printf 01234567890123456789 | base64) second=$(printf 98765432109876543210 | base64)
	turn_case oauth --argument "$1" --argument "$(oauth_token auth.lab.test "$1" "$2" "$3" "$first" "$(date +%s)" 500)" --argument "$first" \
		--argument "$(oauth_token auth.lab.test "$1" "$2" "$3" "$second" "$(date +%s)" 2000)" --argument "$second"
}

tcp_relay_case() {
	rm -f "$WORK/relay"
	turn_case tcp_relay --argument "$PEER_IP4:3481" --argument "$PEER_IP4:3499" --ready-file "$WORK/relay" >"$WORK/tcp_relay.json" &
	local of_case=$! rc=0
	sl_wait_for 20 test -s "$WORK/relay" || rc=1
	# shellcheck disable=SC2046 # an address and a port
	in_peer timeout 10 "$TESTS_LAB/turn_cases.py" tcp_call "$PEER_IP4" $(cat "$WORK/relay") || rc=1
	wait $of_case || rc=1
	cat "$WORK/tcp_relay.json"
	return $rc
}

turn_up --set tcp_relay=true --set mobility=true \
	--set "listen=[ \"192.0.2.1:3478\", \"192.0.2.1:3479\", \"$OTHER_IP4:3478\", \"$OTHER_IP4:3479\", \"[2001:db8:1::1]:3478\" ]" \
	--set "nat_discovery=[ \"192.0.2.1:3478\", \"192.0.2.1:3479\", \"$OTHER_IP4:3478\", \"$OTHER_IP4:3479\" ]" \
	--set "realm=\"lab.test\"; oauth = { server_name = \"auth.lab.test\"; keys = ( { kid = \"north\"; key = \"$OAUTH_NORTH\"; },
		{ kid = \"union\"; algorithm = \"A128GCM\"; key = \"$OAUTH_UNION\"; } ); }"
start_turnutils_peer || exit 1
in_peer "$TESTS_LAB/turn_cases.py" tcp_echo "$PEER_IP4" 3481 &

P4=(-n $N -l $LEN -e "$PEER_IP4" -r 3480 -X) P6=(-n $N -l $LEN -e "$PEER_IP6" -r 3480 -x)
together "TCP relaying between two clients over TCP (-T)" uclient -T -n $N -l $LEN "$SERVICE_IP4"
together "the same over TLS (-T -S)" uclient -T "${SECURE[@]}" -n $N -l $LEN "$SERVICE_IP4"
together "two families (-Z), IPv4 peer" dual "${P4[@]}" "$SERVICE_IP4"
together "two families (-Z), IPv6 peer" dual "${P6[@]}" "$SERVICE_IP4"
together "two families (-Z) for an IPv6 client" dual "${P6[@]}" "$SERVICE_IP6"
together "two families over TCP (-Z -t)" dual -t "${P4[@]}" "$SERVICE_IP4"
together "extra requests (-G)" uclient -G "${P4[@]}" "$SERVICE_IP4"
together "extra requests over TLS (-G -S)" uclient -G -t "${SECURE[@]}" "${P4[@]}" "$SERVICE_IP4"
together "mobility (-M)" uclient -M "${P4[@]}" "$SERVICE_IP4"
together "mobility over TCP (-M -t)" uclient -M -t "${P4[@]}" "$SERVICE_IP4"
together "DONT-FRAGMENT (-g)" uclient -g "${P4[@]}" "$SERVICE_IP4"
together "padded ChannelData over UDP (-D)" uclient -D "${P4[@]}" "$SERVICE_IP4"
check_together
check "negative tests (-N)" misbehaves -N -n 10 -l $LEN -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
check "negative protocol tests (-R)" misbehaves -R -n 10 -l $LEN -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
check "clients that go without a word (-B), over TCP" misbehaves -B -t -m 4 -n 10 -l $LEN -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"

check "two families, closely" turn_case dual
check "mobility, closely" rounds turn_case mobility
check "TCP relaying, closely" rounds tcp_relay_case
check "third-party authorisation, AES-256" oauth_case north "$OAUTH_NORTH" A256GCM
check "third-party authorisation, AES-128" oauth_case union "$OAUTH_UNION" A128GCM
check "errors of the network are told" turn_case icmp --argument "$PEER_IP4:3499" --argument "[$PEER_IP6]:3499"
check "and counted" is "$(counter icmp_to_client)" -ge 4
check "NAT discovery, closely" rounds turn_case nat --argument "$OTHER_IP4" --argument 3479
check "NAT mapping, by Debian's utility" grep -qi 'no nat' <(discovery -m)
check "NAT filtering, by Debian's utility" grep -qiE 'no nat|endpoint independent filtering' <(discovery -f)
check "no packet met an internal error" is "$(drop internal)" -eq 0
check_workers
check "and nothing died" is "$(restarts)" -eq 0
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# One look at each class of weakness that TURN servers have had: turn_attacks.py tries, the appliance's counters and memory tell what became of it.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/turn.sh"
. "$(dirname "$0")/guard.sh"

OAUTH_NORTH=$(printf 01234567890123456789012345678901 | base64)
MAC_KEY=$(printf 01234567890123456789 | base64)

token() { # SERVER_NAME TIMESTAMP LIFETIME
	oauth_token "$1" north "$OAUTH_NORTH" A256GCM "$MAC_KEY" "$2" "$3"
}

flat() { # WHAT BEFORE KB: the working half has grown by no more than that
	local now
	now=$(resident_kb dataplane)
	echo "before $2 kB, now $now kB"
	[ $((now - $2)) -le "$3" ]
}

idle_were() { # N: so many connections or more were ended because they came to nothing
	[ $(($(streams connections_idle) + $(streams handshakes_failed))) -ge "$1" ]
}

# A comparison that ends at the first byte that differs tells a guesser how far he is. Names of what must not be guessed, on a line with one of these:
LEAK='\b(memcmp|bcmp|strn?cmp|strn?casecmp)\(([^;]|$)*([^_a-z]mac[0-9]*[^_a-z.-]|hmac|integrity|token\b|secret\b|passw|ticket|cookie|digest|response\b|hash\b|key_md5|key_sha)'
leaks() {
	grep -rnE "$LEAK" --include=*.c "$SL_ROOT/dataplane" "$SL_ROOT/controlplane" | grep -vE "$NOT_SECRETS"
}
# What looks like one and is none: MAC addresses of Ethernet, names of fields, the list of algorithms that everybody is told, an ng message's cookie (a
# number for retransmissions).
NOT_SECRETS='eth->dst_addr|linux/tap.c|linux/neighbours.c|strcmp\(key, "|strcmp\(name, "|ng/cookies.c|no_token|password_algorithms|r->path|r->keeps_secret|is not the row'

turn_up --set tcp_relay=true --set mobility=true --set stream_wait=4 \
	--set 'users=( { name = "alice"; password = "lab-password"; }, { name = "bob"; password = "lab-password"; }, { name = "Zoë"; password = "lab-password"; } )' \
	--set 'peers=( { allow = "198.51.100.0/24"; }, { allow = "2001:db8:2::/64"; } )' \
	--set "realm=\"lab.test\"; oauth = { server_name = \"auth.lab.test\"; keys = ( { kid = \"north\"; key = \"$OAUTH_NORTH\"; } ); }"
start_turnutils_peer || exit 1
in_peer "$TESTS_LAB/turn_cases.py" tcp_echo "$PEER_IP4" $(seq 3491 3502) &

to_peers=$(counter relayed_to_peer_packets)
drops_note
check "no way to loopback, internal and metadata addresses, by any of the four requests" turn_attack peers
check "what was sent there was dropped by name" is "$(($(dropped no_permission) + $(dropped peer_forbidden)))" -ge 30
check "none of it left" is "$(counter relayed_to_peer_packets)" -eq "$to_peers"
check "nonces cannot be guessed, and serve one client" turn_attack nonces
check "nor can ports, tickets and connection ids" turn_attack ports
check "lengths that lie, over UDP" turn_attack lengths
check "what is no frame, over TCP and TLS" turn_attack framing
check "tickets cannot be stolen, altered, used again" turn_attack ticket
good=$(token auth.lab.test "$(date +%s)" 3600)
check "access tokens, byte by byte" turn_attack token --argument "$good" --argument north --argument "$MAC_KEY" \
	--argument "$(token elsewhere.test "$(date +%s)" 3600)" --argument "$(token auth.lab.test "$(($(date +%s) - 7200))" 3600)"
check "names that differ in case or form are others" turn_attack names --argument Zoë --argument alice
check "a search for comparisons that leak finds one" grep -qE "$LEAK" <<<'	if (memcmp(want_mac, mac, sizeof mac) != 0)'
check_not "no comparison of a secret that ends early" leaks

# Memory before anybody has said who he is. A first round touches what a round can touch; the second must add nothing.
turn_attack idle --argument 200 --seconds 8 >/dev/null
before=$(resident_kb dataplane)
turn_attack idle --argument 400 --seconds 9 --ready-file "$WORK/idle.ready" >"$WORK/idle.json" &
idle=$!
wait_ready "$WORK/idle.ready"
check "400 connections that say nothing or half of it: little is kept for each" flat idle "$before" 20000
wait $idle
status=$?
check "and they are ended" said "$WORK/idle.json" $status
check "by name" sl_wait_for 5 idle_were 250
check "nothing of them stays" flat idle "$before" 4096
turn_attack hellos --argument 1000 >/dev/null
before=$(resident_kb dataplane)
check "DTLS ClientHellos get a cookie, and nothing is kept" turn_attack hellos --argument 2000
check "memory is flat" flat hellos "$before" 1024
check "no connection was made for them" is "$(streams connections_active)" -eq 0
check "cookies are counted" is "$(streams cookies)" -ge 1000
turn_client flood --rate 10000 --seconds 1 >/dev/null
before=$(resident_kb dataplane)
check "a flood of requests without credentials" turn_client flood --rate 10000 --seconds 2
check "leaves memory flat" flat flood "$before" 1024

in_client ping -c 1 -W 2 "$SERVICE_IP4" >/dev/null
in_client timeout 30 "$TESTS_LAB/amplify.py" --turn "$SERVICE_IP4:3478" --dtls "$SERVICE_IP4:$TLS_PORT" --turn "[$SERVICE_IP6]:3478" \
	--dtls "[$SERVICE_IP6]:$TLS_PORT" --percent 300 >"$WORK/amplify.json"
status=$?
check "no answer is more than three times what drew it" said "$WORK/amplify.json" $status
check "ClientHellos were among them" jq -se 'any(.[]; .request == "DTLS ClientHello" and .out_bytes > 0)' "$WORK/amplify.json"
check "clients are served as before" turn_client stream --peer "$PEER_IP4:3480" --seconds 0.5
check "nothing died" is "$(restarts)" -eq 0
finish

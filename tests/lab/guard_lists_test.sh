#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Lists and bans while a flood comes and clients go on: made, ended and taken back live; 50,000 prefixes swapped by a reload without a lost packet; an
# allow wins; dry run drops nothing; kill -9 of either program forgets nothing.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/guard.sh"

OTHER_IP4=192.0.2.11 OTHER_IP6=2001:db8:1::11
PREFIXES=50000

reaches() { # ADDRESS: a client there gets an allocation
	local server=$SERVICE_IP4 local=$1:0
	case $1 in *:*) server=[$SERVICE_IP6] local=[$1]:0 ;; esac
	in_client "$TESTS_LAB/turn_client.py" allocate --server "$server:$TURN_PORT" --local "$local" --user "$USER" --password "$PASSWORD" --patience 0.8
}

streams() { # SECONDS: another client's TURN stream, which nothing here concerns
	rm -f "$WORK/stream.ready"
	turn_client stream --peer "$PEER_IP4:3480" --sessions 4 --rate 50 --seconds "$1" --max-loss 100000 --ready-file "$WORK/stream.ready" \
		--report "$WORK/stream.json" >/dev/null &
	stream=$!
	wait_ready "$WORK/stream.ready" || exit 1
}

lost_nothing() {
	no_loss_but_missed "$(report "$WORK/stream.json" lost)" "$(report "$WORK/stream.json" sent)"
}

entries() { # KIND: how many the API shows
	api "/v1/guard/$1?limit=1" | jq .total
}

reloads() { # ENTRIES that there are to be; how long it took
	local begin
	begin=$(date +%s%N)
	ctl reload >/dev/null && sl_wait_for 5 entries_are "$1" && echo "        reloaded in $((($(date +%s%N) - begin) / 1000000)) ms" >"$WORK/took"
}

entries_are() {
	is "$(entries deny)" -eq "$1"
}

# Prefixes that nobody has, in both families, and one that the flood comes from.
long_list() {
	awk -v n="$PREFIXES" 'BEGIN { for (i = 0; i < n - 2; i++) { if (i % 5 == 4) printf "2400:%x:%x::/48\n", i / 256, i % 256; else printf "%d.%d.%d.0/24\n", 20 + i / 25600, i / 100 % 256, i % 100 * 2 }
		print "203.0.113.0/24 # the flood"; print "2001:2::/48" }'
}

# ---- what the test is about ----

: >"$WORK/deny.txt"
lab_up --set "deny_files=( \"$WORK/deny.txt\" )"
flood_route
ip -n "$CLIENT_NS" route replace local 203.0.113.0/24 dev lo # someone real lives there as well
start_echo || exit 1
in_client ping -c 1 -W 2 "$SERVICE_IP4" >/dev/null
for a in "$OTHER_IP4" "$OTHER_IP6"; do
	check "$a is served" reaches "$a"
done
wire_note
streams 14
FLOOD_RATE=20000
flood_start --to "$SERVICE_IP4,$SERVICE_IP6" --kind stun=3,allocate,rtp=2,malformed

# Bans, by hand.
check "a ban is made" guard ban "$OTHER_IP4" --for 2s --reason 'the test'
check_not "who is banned gets no answer" reaches "$OTHER_IP4"
check "the ban is listed, with what is left and why" grep -q 'the test' <(guard list)
check "drops are called guard_banned" is "$(drop guard_banned)" -gt 0
check "it ends by itself" sl_wait_for 6 reaches "$OTHER_IP4"
check "and is not listed any more" is "$(entries bans)" -eq 0
check "a ban without an end, IPv6" guard ban "$OTHER_IP6"
check_not "who is banned gets no answer" reaches "$OTHER_IP6"
check "the other one does" reaches "$OTHER_IP4"
check "it is taken back" guard unban "$OTHER_IP6"
check "and all is well at once" reaches "$OTHER_IP6"

# An allow wins, whatever came first.
check "a denied prefix" guard deny 192.0.2.11/32
check_not "is served no more" reaches "$OTHER_IP4"
check "explain says so" grep -qi deny <(guard explain "$OTHER_IP4")
check "an allow around it" guard allow 192.0.2.10/31
check "wins" reaches "$OTHER_IP4"
check "explain says so" grep -qi allow <(guard explain "$OTHER_IP4")
check_not "who is allowed cannot be banned" guard ban "$OTHER_IP4"
check "the allow is taken away" guard remove 192.0.2.10/31
check_not "and the deny is in force again" reaches "$OTHER_IP4"

# Dry run.
check "dry run" guard dry-run on
check "who is denied is served" sl_wait_for 2 reaches "$OTHER_IP4"
check "what would have been dropped is counted" is "$(api /v1/guard | jq .would_drop.guard_denied)" -gt 0
before=$(drop guard_denied)
check "served still" reaches "$OTHER_IP4"
check "and nothing was dropped" is "$(drop guard_denied)" -eq "$before"
check "dry run ends" guard dry-run off
check_not "and the deny is in force again" reaches "$OTHER_IP4"
check "the deny is taken away" guard remove "$OTHER_IP4/32"
check "and he is served" sl_wait_for 2 reaches "$OTHER_IP4"

# A long list by reload, and back.
long_list >"$WORK/long.txt"
check "203.0.113.9 is served" reaches 203.0.113.9
for round in 1 2; do
	cp "$WORK/long.txt" "$WORK/deny.txt"
	check "$PREFIXES prefixes are loaded" reloads "$PREFIXES"
	cat "$WORK/took"
	check_not "who is in them is not served" sl_wait_for 1 reaches 203.0.113.9
	check "what the configuration lists is not removed by the API" grep -q configuration <(guard remove 203.0.113.0/24 2>&1)
	check_not "and he is not served" reaches 203.0.113.9
	: >"$WORK/deny.txt"
	check "none" reloads 0
	cat "$WORK/took"
	check "he is served again" sl_wait_for 3 reaches 203.0.113.9
done
printf 'this is no prefix\n' >"$WORK/deny.txt"
check_not "a list with a mistake in it is refused" ctl reload
check "and he is served still" reaches 203.0.113.9
flood_stop
wait $stream
check "the stream lost nothing through all of it" lost_nothing

# Programs die; bans do not.
: >"$WORK/deny.txt"
check "a ban of a minute" guard ban "$OTHER_IP4" --for 60s
streams 8
kill -KILL "$(working_half controlplane)"
check_not "without its control plane the dataplane bans on" reaches "$OTHER_IP4"
check "the control plane comes back" sl_wait_for 8 eval '[ "$(entries bans)" = 1 ]'
check_not "and so has the ban" reaches "$OTHER_IP4"
ports_note
kill -KILL "$(working_half dataplane)"
check "the dataplane comes back" sl_wait_for 8 reaches "$CLIENT_IP4"
check_not "and so has the ban" reaches "$OTHER_IP4"
wait $stream
jq -c '{sent, lost, longest_gap_ms}' "$WORK/stream.json"
check "the ban has less than a minute left" is "$(api /v1/guard/bans | jq '.bans[0].seconds_left')" -lt 60
check "it is taken back" guard unban "$OTHER_IP4"
check "and he is served" sl_wait_for 2 reaches "$OTHER_IP4"
finish

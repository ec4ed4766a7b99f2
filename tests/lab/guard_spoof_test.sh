#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Packets in the name of those who are known: an allocation's five-tuple, a peer with a permission, the remote end of a leg, a registered phone. What
# is gained by it is bounded, and whose name it is goes on.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"
. "$(dirname "$0")/sip.sh"
. "$(dirname "$0")/guard.sh"

OWNER=$((40000 + RANDOM % 5000)) # the owner's port
FORGED=3000                      # frames a second

flood_from_peer() { # SECONDS LINE
	in_peer timeout 60 "$FLOOD" --rate "$FORGED" --gateway 198.51.100.1 --seconds "$1" --plan <(echo "$2") --report "$WORK/flood.json" >/dev/null
}

forged() { # SECONDS LINE: an attack, from the client's side
	flood "$1" --rate "$FORGED" --plan <(echo "$2")
}

owner_starts() { # SECONDS
	rm -f "$WORK/owner.ready"
	turn_client stream --local "$CLIENT_IP4:$OWNER" --peer "$PEER_IP4:3480" --rate 50 --seconds "$1" --max-loss 1000000 \
		--ready-file "$WORK/owner.ready" --report "$WORK/owner.json" >/dev/null &
	owner=$!
	wait_ready "$WORK/owner.ready" || exit 1
}

owner_lost_nothing() {
	no_loss_but_missed "$(report "$WORK/owner.json" lost)" "$(report "$WORK/owner.json" sent)"
}

word() { # FILE KEY: of the first line of a plan
	head -n 1 "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"
}

phone() { # USER: where it is registered from
	api '/v1/registrations?limit=1000' | jq -r --arg u "$1@lab.test" '.registrations[] | select(.user == $u).received' | head -n 1 | sed 's/^udp://'
}

lab_up --sip --users "$PHONES" --set 'limits=( { class = "sip-known"; listener = "access"; source = 1000; } )'
ours_only
flood_route
start_echo || exit 1
in_client ping -c 1 -W 2 "$SERVICE_IP4" >/dev/null
in_peer ping -c 1 -W 2 198.51.100.1 >/dev/null
TURN=$SERVICE_IP4:$TURN_PORT

# ---- TURN ----
wire_note
owner_starts 11
relay=$(api /v1/allocations | jq -r '.allocations[0].relay')
drops_note
check "Refresh with lifetime 0 in the owner's name, credentials made up" forged 1.5 "kind=refresh to=$TURN from=$CLIENT_IP4:$OWNER"
check "Allocate in his name" forged 1 "kind=forged to=$TURN from=$CLIENT_IP4:$OWNER"
check "change nothing: his allocation is there" is "$(allocation_count)" -eq 1
relayed=$(counter relayed_to_peer_packets)
check "ChannelData in his name, on a channel that is not his" forged 1 "kind=channel channel=0x5000 to=$TURN from=$CLIENT_IP4:$OWNER"
check "goes nowhere" is "$(dropped no_channel)" -gt 2000
check "ChannelData from another port" forged 1 "kind=channel to=$TURN from=$CLIENT_IP4:$((OWNER + 1))"
check "goes nowhere" is "$(($(dropped no_allocation) + $(dropped guard_source_limit)))" -gt 2000
check "nothing of all this was relayed but what he sends" is $(($(counter relayed_to_peer_packets) - relayed)) -lt 400
check "to the relay port, from an address without a permission" flood_from_peer 1 "kind=peer to=$relay from=198.51.100.11:3480"
check "goes nowhere" is "$(($(dropped no_permission) + $(dropped guard_source_limit)))" -gt 2000
check "in the name of the peer who has one: is the peer's" flood_from_peer 1 "kind=peer to=$relay from=$PEER_IP4:3480"
check "ChannelData on his channel: is his, and no more than that" forged 1 "kind=channel to=$TURN from=$CLIENT_IP4:$OWNER"
wait "$owner"
check "he lost nothing" owner_lost_nothing
check "and his allocation ended when he wanted" is "$(allocation_count)" -eq 0

# ---- RTP and SRTP ----
check "a plain call" calls --count 1 --prefix plain
from=$(word "$WORK/a.plan" local) to=$(word "$WORK/a.plan" remote)
drops_note
rm -f "$WORK/go"
rtp_start client a "$WORK/a.plan" --go-file "$WORK/go" --seconds 4
rtp_start peer b "$WORK/b.plan" --go-file "$WORK/go" --seconds 4
: >"$WORK/go"
sleep 0.5
check "RTP of many SSRCs in the caller's name" forged 1 "kind=rtp to=$to from=$from"
check "RTP from elsewhere" forged 1 "kind=rtp to=$to from=198.18.0.0/15"
check "goes nowhere" is "$(dropped media_stranger)" -gt 2000
rtp_wait a b
# Plain RTP proves nothing: what is sent in the caller's name is heard, and counted, as his (sessions.media_pps bounds it); his own stream has no gap.
check "the callee heard all that the caller said" rtp_says b 'all(.from[]; .received >= 180 and .missing == 0 and .duplicates == 0)'
check "what was heard in his name was counted as his" rtp_says b '.unnumbered >= 2000'
check "the caller heard the callee, and nobody else" rtp_says a "$clean and .received >= 180"

check "a call with SRTP" calls --count 1 --prefix secret --a-proto RTP/SAVP --b-proto RTP/SAVP --a-port 21000 --b-port 21000
from=$(word "$WORK/a.plan" local) to=$(word "$WORK/a.plan" remote)
drops_note
rm -f "$WORK/go"
rtp_start client a "$WORK/a.plan" --go-file "$WORK/go" --seconds 3.5
rtp_start peer b "$WORK/b.plan" --go-file "$WORK/go" --seconds 3.5
: >"$WORK/go"
sleep 0.5
check "RTP and RTCP in the caller's name" forged 2 "kind=rtp to=$to from=$from"
check "do not authenticate" is "$(dropped srtp_auth)" -gt 4000
rtp_wait a b
for side in a b; do
	check "$side hears the other, and nothing else" rtp_says $side "$clean and .received >= 150"
done

# ---- a registered phone ----
known_start victim --seconds 7 --no-trunk
known_start others --seconds 7 --no-trunk --caller carol --callee dave
at=$(phone alice)
check "alice is registered from $at" test -n "$at"
drops_note
wire_note
check "requests in her name, as many as she may send" flood 2 --rate 1000 --plan <(printf 'kind=register to=%s from=%s\nkind=invite to=%s from=%s\n' \
	"$SERVICE_IP4:5060" "$at" "$SERVICE_IP4:5060" "$at")
check "and many more" flood 2 --rate 20000 --plan <(printf 'kind=options to=%s from=%s\nkind=invite to=%s from=%s\n' \
	"$SERVICE_IP4:5060" "$at" "$SERVICE_IP4:5060" "$at")
check "are limited: $(drops_shown)" is "$(dropped guard_source_limit)" -gt 10000
check "she is registered still" is "$(phone alice)" = "$at"
sl_wait_for 20 test -s "$WORK/victim.json"
sl_wait_for 20 test -s "$WORK/others.json"
printf '        %s\n        %s\n' "$(jq -c . "$WORK/victim.json")" "$(jq -c . "$WORK/others.json")"
check "her calls: 9 in 10 succeed" jq -e '.calls.tried > 0 and .calls.failed * 10 <= .calls.tried' "$WORK/victim.json"
check "others notice nothing" known_says others
finish

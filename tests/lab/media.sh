# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What the media tests share. Source it after common.sh. With SL_LAB_RELAY=rtpengine every test looks at Debian's rtpengine
# instead, and what it says about calls must hold there too; `ours` guards what only we have.

RTP_PEER=$BUILD/tests/lab/rtp_peer

ours() {
	[ "$RELAY" = sluice ]
}

ours_only() {
	ours || skip "this looks at the appliance itself, not at $RELAY"
}

# ---- the ng protocol ----

ng() { # COMMAND OPTIONS of ng.py, from the appliance's own loopback
	in_app "$TESTS_LAB/ng.py" --to "$NG" "$@"
}

ng_send() { # JSON: one request; its answer
	ng send "$1"
}

sessions() { # calls that the relay has, by the ng protocol
	ng_send '{"command": "list", "limit": 10000}' | jq '.calls | length'
}

sessions_are() { # NUMBER
	is "$(sessions)" -eq "$1"
}

# Calls between the client's side (a) and the peer's side (b); plans for rtp_peer go to $WORK/a.plan and b.plan.
calls() { # OPTIONS of ng.py calls
	ng calls --a-ip "$CLIENT_IP4" --b-ip "$PEER_IP4" --a-direction public --b-direction private \
		--a-plan "$WORK/a.plan" --b-plan "$WORK/b.plan" "$@"
}

# ---- RTP ----

rtp_start() { # SIDE NAME PLAN OPTIONS: rtp_peer in the background; its report is NAME.json
	local side=$1 name=$2 plan=$3 ns
	shift 3
	rm -f "$WORK/$name.json" "$WORK/$name.ready"
	ns=$CLIENT_NS
	[ "$side" = client ] || ns=$PEER_NS
	ip netns exec "$ns" timeout 100 "$RTP_PEER" --report "$WORK/$name.json" --ready-file "$WORK/$name.ready" "$@" "$plan" &
	ready_soon "$WORK/$name.ready" || { echo "rtp_peer $name does not start"; return 1; }
}

ready_soon() { # FILE: as wait_ready, but at once: the other end may be speaking already
	local n
	for n in {1..500}; do
		[ -s "$1" ] && return 0
		sleep 0.01
	done
	return 1
}

# Also from where the process is not our child (check runs what it is given in a subshell).
rtp_wait() { # NAME...: until they have ended and written their reports
	local name pid
	for name in "$@"; do
		pid=$(cat "$WORK/$name.ready") || return 1
		while kill -0 "$pid" 2>/dev/null; do
			sleep 0.02
		done
		[ -s "$WORK/$name.json" ] || { echo "rtp_peer $name left no report"; return 1; }
	done
}

rtp_stop() { # NAME...: end them now, with their reports
	local name
	for name in "$@"; do
		kill -TERM "$(cat "$WORK/$name.ready")" 2>/dev/null
	done
	rtp_wait "$@"
}

# Both sides of the calls made last, for some seconds; reports a.json and b.json.
rtp_both() { # OPTIONS of rtp_peer
	rm -f "$WORK/go"
	rtp_start client a "$WORK/a.plan" --go-file "$WORK/go" "$@" && rtp_start peer b "$WORK/b.plan" --go-file "$WORK/go" "$@" &&
		: >"$WORK/go" && rtp_wait a b
}

rtp_says() { # NAME JQ-CONDITION: true of every endpoint in the report
	jq -e "all(.[]; $2)" "$WORK/$1.json" >/dev/null ||
		{ jq -c ".[] | select(($2) | not)" "$WORK/$1.json" | head -n 3 | cut -c 1-1500; return 1; }
}

rtp_sum() { # NAME JQ-EXPRESSION: summed over the endpoints
	jq "[.[] | $2] | add" "$WORK/$1.json"
}

# Nothing lost but what was under way at the beginning and the end, nothing changed, nothing unwanted.
clean='.send_errors == 0 and .auth_failures == 0 and .replays == 0 and .malformed == 0 and .strangers == 0 and .corrupt == 0
	and .unnumbered == 0 and all(.streams[]; .repeated == 0 and .reused_indices == 0)
	and all(.from[]; .missing == 0 and .duplicates == 0)'

# ---- sounds ----

sound() { # COMMAND OPTIONS of sound.py
	"$TESTS_LAB/sound.py" "$@"
}

# caller.al and callee.al in $WORK, of so many seconds, and .wav of each; no stretch of one is like the other.
sounds_made() { # SECONDS
	local name seed=1
	for name in caller callee; do
		sound make "$WORK/$name.wav" --seconds "$1" --seed $seed && sound convert "$WORK/$name.wav" "$WORK/$name.al" || return 1
		seed=$((seed + 1))
	done >/dev/null
}

# ---- SIP ----

kamailio_start() { # DEFINES NAME=VALUE...: our sample between both sides
	local d defines=()
	for d in CHILDREN=2 "$@"; do
		defines+=(-A "$d")
	done
	mkdir -p "$WORK/kamailio"
	ip netns exec "$APP_NS" kamailio -f "$SL_ROOT/config/kamailio/kamailio.cfg" -DD -E -Y "$WORK/kamailio" \
		-P "$WORK/kamailio.pid" "${defines[@]}" >"$WORK/kamailio.log" 2>&1 </dev/null &
	sl_wait_for 10 grep -qE 'support for it enabled|did not respond to ping' "$WORK/kamailio.log" ||
		{ tail -n 5 "$WORK/kamailio.log"; return 1; }
}

kamailio_stop() {
	sl_stop "$WORK/kamailio.pid" 5 kamailio
}

sipp_in() { # NS IP NAME SCENARIO OPTIONS: sipp with one of our scenarios; sounds and logs are in $WORK
	local ns=$1 ip=$2 name=$3 scenario=$4
	shift 4
	cd "$WORK" && exec ip netns exec "$ns" timeout 60 sipp -sf "$TESTS_LAB/sipp/$scenario.xml" -i "$ip" -mi "$ip" -nostdin \
		-trace_err -error_file "$WORK/$name.err" -trace_msg -message_file "$WORK/$name.msg" "$@" >"$WORK/$name.out" 2>&1 </dev/null
}

sipp_said() { # NAME: what it complained of
	tail -n 5 "$WORK/$1.err" "$WORK/$1.out" 2>/dev/null
}

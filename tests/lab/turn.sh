# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What the tests of TURN's transports, modes, realms and weaknesses share. Source it after common.sh.

TLS_PORT=443
TLS='@RUN_DIR@/tls' # `lab up` puts the folder's name there

listener() { # ADDRESS tcp|tls|dtls [MORE]: an element of turn.listeners
	local files=''
	[ "$2" = tcp ] || files="certificate = \"$TLS/server.pem\"; key = \"$TLS/server.key\";
		certificates = ( { certificate = \"$TLS/other.pem\"; key = \"$TLS/other.key\"; } );"
	printf '{ address = "%s"; transport = "%s"; %s %s }' "$1" "$2" "${files//$'\n'/}" "${3:-}"
}

listeners() { # "ADDRESS TRANSPORT [MORE]"...: the list
	local l address transport more out=''
	for l in "$@"; do
		read -r address transport more <<<"$l"
		out+="${out:+, }$(listener "$address" "$transport" "$more")"
	done
	printf '( %s )' "$out"
}

EVERYWHERE=("192.0.2.1:3478 tcp" "[2001:db8:1::1]:3478 tcp" "192.0.2.1:443 tls" "[2001:db8:1::1]:443 tls" "192.0.2.1:443 dtls" "[2001:db8:1::1]:443 dtls")

turn_up() { # OPTIONS of lab up: TCP at 3478, TLS and DTLS at 443, both families, beside UDP at 3478
	lab_up --tls --set "listeners=$(listeners "${EVERYWHERE[@]}" "${FURTHER[@]}")" "$@"
	SECURE=(-S -p "$TLS_PORT" -i "$RUN_DIR/tls/server.pem" -k "$RUN_DIR/tls/server.key" -E "$RUN_DIR/tls/ca.pem")
}
FURTHER=() # more listeners, set before turn_up

turn_python() { # PROGRAM CASE OPTIONS of turn_rig.py, which the programs of cases share
	local program=$1 name=$2
	shift 2
	in_client timeout 50 "$TESTS_LAB/$program" "$name" --server "$SERVICE_IP4:$TURN_PORT" --server6 "[$SERVICE_IP6]:$TURN_PORT" --tls-port "$TLS_PORT" \
		--peer "$PEER_IP4:3480" --peer6 "[$PEER_IP6]:3480" --user "$USER" --password "$PASSWORD" "$@"
}

turn_case() { # NAME OPTIONS
	turn_python turn_cases.py "$@"
}

turn_attack() { # NAME OPTIONS
	turn_python turn_attacks.py "$@"
}

oauth_token() { # SERVER_NAME KID KEY A256GCM|A128GCM MAC_KEY TIMESTAMP LIFETIME: an access token as Debian's utility makes it; keys and token base64
	turnutils_oauth -e -i "$1" -j "$2" -k "$3" -l "$(($(date +%s) - 10000))" -m 36000 -n "$4" -o "$(head -c 12 /dev/urandom | base64)" -p "$5" \
		-q $(($6 << 16)) -r "$7" -v 2>/dev/null | tr -d '\0' | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p'
}

streams() { # NAME: a counter of the stream threads
	api /metrics | awk -v n="sluice_stream_$1" '{ sub(/_total$/, "", $1) } $1 == n { print $2 }'
}

set_option() { # NAME VALUE: in the configuration; for `ctl reload`
	grep -q "^ *$1 = .*;\$" "$CONFIG" || { echo "no line '$1 = ...;' in $CONFIG"; return 1; }
	OPTION=$1 VALUE=${2//@RUN_DIR@/$RUN_DIR} awk '
		{ line = $0; sub(/^ */, "", line) }
		index(line, ENVIRON["OPTION"] " = ") == 1 && /;$/ { sub(/[^ ].*/, ""); print $0 ENVIRON["OPTION"] " = " ENVIRON["VALUE"] ";"; next }
		{ print }' "$CONFIG" >"$CONFIG.new" && cat "$CONFIG.new" >"$CONFIG" && rm "$CONFIG.new"
}

stream_over() { # TRANSPORT OPTIONS of turn_client.py stream: numbered datagrams to the echoing peer, none may be lost
	local over=$1 port=$TURN_PORT
	shift
	[ "$over" != tls ] || port=$TLS_PORT
	turn_client stream --over "$over" --server "$SERVICE_IP4:$port" --peer "$PEER_IP4:3480" "$@"
}

# With several workers (SL_LAB_WORKERS): clients come to any of them, whoever has their allocation. A case that is about a client's second five-tuple is
# run ROUNDS times, so that this one is at another worker at least once.
ROUNDS=$((${SL_LAB_WORKERS:-1} > 1 ? 3 : 1))

rounds() { # COMMAND...: so many times
	local i
	for ((i = 0; i < ROUNDS; i++)); do
		"$@" || return 1
	done
}

check_workers() { # those that there are have shared the work, and handed over what was another's
	local w
	[ "$WORKERS" -gt 1 ] || return 0
	for ((w = 0; w < WORKERS; w++)); do
		check "worker $w owned allocations" is "$(counter_of $w allocations_created)" -gt 0
		check "packets of known flows came to worker $w from another" is "$(counter_of $w handoff_known_in)" -gt 0
	done
	check "none was lost on the way" is "$(($(drop handoff_known_full) + $(drop handoff_unknown_full)))" -eq 0
}

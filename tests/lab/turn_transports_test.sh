#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Clients over UDP, TCP, TLS and DTLS, at 3478 and 443: nothing lost; certificates by name, and new ones without a connection dropped; PROXY v2;
# clients that do not read.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/turn.sh"
. "$(dirname "$0")/guard.sh"

N=25 LEN=172

shown() { # OPTIONS of s_client: the certificate that a TLS client sees, and what was agreed
	in_client timeout 5 openssl s_client -connect "$SERVICE_IP4:$TLS_PORT" -CAfile "$RUN_DIR/tls/ca.pem" -verify_return_error "$@" </dev/null 2>&1
}

subject() {
	shown "$@" | sed -n 's/^subject=.*CN = //p'
}

serial() {
	shown "$@" | openssl x509 -noout -serial
}

counted() { # NAME N: counters of the threads are told each second
	[ "$(streams "$1")" -ge "$2" ]
}

gone() { # none of those over TCP and TLS; Debian's client gives nothing back over UDP
	[ "$(api /v1/allocations | jq '[.allocations[] | select(.transport == "tcp" or .transport == "tls")] | length')" -eq 0 ]
}

renewed() { # since $before
	[ "$(serial -servername lab.test)" != "$before" ]
}

mapped() { # OPTIONS of turn_client.py: the address that the server sees
	turn_client allocate --over tcp --server "$SERVICE_IP4:3479" --local "$CLIENT_IP4B" "$@" | jq -r .mapped
}

resumed() { # a second TLS connection with the first one's ticket
	shown -tls1_2 -sess_out "$WORK/session" >/dev/null
	shown -tls1_2 -sess_in "$WORK/session" | grep -q '^Reused'
}

CLIENT_IP4B=192.0.2.11
FURTHER=("192.0.2.1:3479 tcp proxy_protocol = [ \"$CLIENT_IP4B\" ];")
turn_up --set stream_stall=7 --set stream_buffer_kb=128
start_turnutils_peer || exit 1

U4=(-n $N -l $LEN -e "$PEER_IP4" -r 3480 -X) U6=(-n $N -l $LEN -e "$PEER_IP6" -r 3480 -x)
together "UDP" uclient "${U4[@]}" "$SERVICE_IP4"
together "TCP" uclient -t "${U4[@]}" "$SERVICE_IP4"
together "TCP, Send and Data" uclient -t -s "${U4[@]}" "$SERVICE_IP4"
together "TLS at 443" uclient -t "${SECURE[@]}" "${U4[@]}" "$SERVICE_IP4"
together "TLS at 443, Send and Data" uclient -t "${SECURE[@]}" -s "${U4[@]}" "$SERVICE_IP4"
together "DTLS at 443" uclient "${SECURE[@]}" "${U4[@]}" "$SERVICE_IP4"
together "DTLS at 443, Send and Data" uclient "${SECURE[@]}" -s "${U4[@]}" "$SERVICE_IP4"
together "TCP over IPv6" uclient -t "${U6[@]}" "$SERVICE_IP6"
together "TLS over IPv6" uclient -t "${SECURE[@]}" "${U6[@]}" "$SERVICE_IP6"
together "DTLS over IPv6" uclient "${SECURE[@]}" "${U6[@]}" "$SERVICE_IP6"
together "TCP client to TCP client" uclient -t -y -n $N -l $LEN -X "$SERVICE_IP4"
together "TLS, eight clients" uclient -t "${SECURE[@]}" -m 8 -z 5 "${U4[@]}" "$SERVICE_IP4"
together "frames of odd lengths over TCP" uclient -t -n $N -l 101 -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
together "long ones over TLS" uclient -t "${SECURE[@]}" -n $N -l 1300 -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
check_together
check "no packet met an internal error" is "$(drop internal)" -eq 0

check "ALPN: stun.turn" grep -q '^ALPN protocol: stun.turn' <(shown -alpn stun.turn)
check "none is well, too" grep -q '^No ALPN negotiated' <(shown)
check "TLS 1.2" grep -q 'Protocol *: TLSv1.2' <(shown -tls1_2)
check "TLS 1.3" grep -q 'TLSv1.3' <(shown -tls1_3)
check_not "TLS 1.1 is too old" shown -tls1_1 -cipher ALL:@SECLEVEL=0
check "a session is resumed" resumed
check "the certificate when no name is given" is "$(subject)" = sbc.lab.test
check "that of the name that is given" is "$(subject -servername other.test)" = other.test
check "also below a wildcard" is "$(subject -servername turn.other.test)" = other.test
check "DTLS shows it as well" grep -q 'CN = other.test' <(in_client timeout 5 openssl s_client -dtls1_2 -connect "$SERVICE_IP4:$TLS_PORT" -servername other.test </dev/null 2>&1)

# New certificates while TLS clients talk.
before=$(serial -servername lab.test)
stream_over tls --seconds 110 --sessions 3 --rate 50 --ready-file "$WORK/tls.ready" --report "$WORK/tls.json" >/dev/null &
talking=$!
wait_ready "$WORK/tls.ready" || exit 1
cp "$RUN_DIR/tls/server2.pem" "$RUN_DIR/tls/server.pem"
kill -HUP "$DATAPLANE_PID"
check "a certificate whose key is another's is refused" sl_wait_for 5 grep -q 'reload refused' "$DATAPLANE_LOG"
check "and the old one serves on" is "$(serial -servername lab.test)" = "$before"
cp "$RUN_DIR/tls/server2.key" "$RUN_DIR/tls/server.key"
kill -HUP "$DATAPLANE_PID"
check "with its key it is taken, and new clients see it" sl_wait_for 5 renewed
stop_client "$WORK/tls.ready"
wait $talking
status=$?
check "connections of before have lost nothing ($(jq -c '{sent,lost,longest_gap_ms}' "$WORK/tls.json"))" is $status -eq 0

# PROXY protocol version 2, from one address.
check "a proxy's word is taken" is "$(mapped --proxy-source 203.0.113.7:1234)" = 203.0.113.7:1234
check_not "not that of others" turn_client allocate --over tcp --server "$SERVICE_IP4:3479" --local "$CLIENT_IP4" --proxy-source 203.0.113.7:1234
check_not "a proxy must say whom it brings" turn_client allocate --over tcp --server "$SERVICE_IP4:3479" --local "$CLIENT_IP4B"
check_not "other listeners take no such header" turn_client allocate --over tcp --local "$CLIENT_IP4B" --proxy-source 203.0.113.7:1234
check "and all that is counted" sl_wait_for 5 counted malformed 2

# A client that does not read: what it is sent is bounded; in the end it is cut off.
rss=$(resident_kb dataplane)
drops=$(streams slow_dropped)
turn_case slow --argument 8 --seconds 1 --ready-file "$WORK/slow.ready" >"$WORK/slow.json" 2>&1 &
slow=$!
sl_wait_for 20 test -s "$WORK/slow.ready"
grown=$(($(resident_kb dataplane) - rss))
wait $slow
status=$?
check "a client that reads late gets what was kept, and goes on" said "$WORK/slow.json" $status
check "of 8 MB little was kept ($grown kB)" is "$grown" -le 4096
check "the rest was dropped, by name" sl_wait_for 5 counted slow_dropped $((${drops:-0} + 1))
check "one that never reads is cut off" turn_case stalled --seconds 12
check "which is counted" sl_wait_for 5 counted slow_ended 1
check "connections that ended took their allocations with them" sl_wait_for 5 gone
check_workers
finish

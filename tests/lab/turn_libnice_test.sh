#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# libnice, the ICE of GStreamer, Janus and telepathy: two agents with relay-only policy, data both ways, nothing lost. libnice 0.1.21 has no TLS of its own
# to a TURN server but one for MSN: over TLS it goes through socat, which is a TLS client to us.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/turn.sh"

NICE=$BUILD/tests/lab/nice_relay
[ -x "$NICE" ] || skip "there is no $NICE: libnice-dev was missing when it was built"

nice_relay() { # udp|tcp SERVER PORT
	in_client timeout 30 "$NICE" "$@" "$USER" "$PASSWORD" 300
}

turn_up
ip netns exec "$CLIENT_NS" socat TCP-LISTEN:5349,bind=127.0.0.1,fork,reuseaddr \
	"OPENSSL:$SERVICE_IP4:$TLS_PORT,cafile=$RUN_DIR/tls/ca.pem,snihost=sbc.lab.test,commonname=sbc.lab.test" 2>"$WORK/socat.err" &
sl_wait_for 5 in_client sh -c 'ss -Hltn "sport = :5349" | grep -q .'
check "UDP" nice_relay udp "$SERVICE_IP4" "$TURN_PORT"
check "TCP" nice_relay tcp "$SERVICE_IP4" "$TURN_PORT"
handshakes=$(streams handshakes)
check "TLS" nice_relay tcp 127.0.0.1 5349
check "which it was" is "$(($(streams handshakes) - handshakes))" -ge 2
check "IPv6" nice_relay udp "$SERVICE_IP6" "$TURN_PORT"
check "no packet met an internal error" is "$(drop internal)" -eq 0
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# The torture messages of RFC 4475 and RFC 5118 (tests/sip/torture) on the wire: to a listener for users, to one for trunks, through the TLS edge.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/sip.sh"

TORTURE=$TESTS_SIP/torture

torture() { # WHAT COMMAND...: each message is a check
	local what=$1 good bad
	shift
	"$@" >"$WORK/torture" 2>&1
	good=$(grep -c '^ok ' "$WORK/torture")
	bad=$(grep -c '^FAILED ' "$WORK/torture")
	grep -v '^ok ' "$WORK/torture"
	checks=$((checks + good + bad)) failures=$((failures + bad))
	check "$what: every message was sent" test $((good + bad)) -eq "$messages"
}

check "the corpus counts its bodies" python3 -B "$TORTURE/messages.py"
messages=$(cat "$TORTURE"/rfc*.txt | grep -c '^@ ')

lab_up --sip
half=$(working_half controlplane)
torture "from a user's side" in_client "$TORTURE/torture.py" --from "$CLIENT_IP4" --to "$SERVICE_IP4" --half "$half"
torture "through TLS" in_client "$TORTURE/torture.py" --from "$CLIENT_IP4" --to "$SERVICE_IP4" --half "$half" --tls 5061
check "no call is left over" sl_wait_for 10 no_calls
lab_down

# Transactions of before would answer: another appliance.
lab_up --sip
half=$(working_half controlplane)
torture "from a trunk's side" in_peer "$TORTURE/torture.py" --from "$PEER_IP4" --to 198.51.100.1 --half "$half"
check "no call is left over" sl_wait_for 10 no_calls
check "the control plane was not restarted" same_half "$half"
finish

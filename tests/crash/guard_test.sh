#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What the guard knows outlives both programs: with the control plane away a killed working half comes back with the configuration's lists in
# force from the first packet; with it, bans are back as soon as it has attached again.
. "$(dirname "$0")/../lab/common.sh"

DENIED=192.0.2.11 BANNED=2001:db8:1::11

reaches() { # ADDRESS: is a ping from there answered?
	in_client ping -n -c 1 -W 1 -I "$1" "$([[ $1 == *:* ]] && echo "$SERVICE_IP6" || echo "$SERVICE_IP4")"
}

healthy() {
	api /healthz -f
}

bans_are() { # COUNT, in the dataplane
	[ "$(api /v1/guard | jq .dataplane.bans)" -eq "$1" ]
}

kill_half() {
	kill -KILL "$(working_half dataplane)"
	check "the port goes down with the working half" await 2 ports_are_down
	check "the keeper brings it up again" await 10 ports_are_up
}

end_control_plane() { # both of its halves, without a word
	local keeper half
	keeper=$(cat "$RUN_DIR/controlplane.pid")
	half=$(working_half controlplane)
	kill -KILL "$keeper" "$half"
	sl_wait_for 3 refuses kill -0 "$half"
}

lab_up --set "deny=( \"$DENIED\" )"
ports_note
check "a stranger's ping is answered" reaches "$CLIENT_IP4"
check "over IPv6, too" reaches "$BANNED"
check_not "not that of a denied address" reaches "$DENIED"
check "an address is banned" ctl guard ban "$BANNED" --for 10m
check "the dataplane has the ban" sl_wait_for 3 bans_are 1
check_not "its ping is not answered any more" reaches "$BANNED"

kill_half
check "the control plane attaches again" sl_wait_for 5 healthy
check "the ban is back" sl_wait_for 3 bans_are 1
check_not "the banned address is as it was" reaches "$BANNED"
check_not "and the denied one" reaches "$DENIED"
check "while the others are served" reaches "$CLIENT_IP4"

end_control_plane
check_not "with the control plane gone the denied address stays denied" reaches "$DENIED"
check_not "and the banned one banned" reaches "$BANNED"
kill_half
check "without the control plane strangers are served" sl_wait_for 3 reaches "$CLIENT_IP4"
check_not "the configuration's list is in force" reaches "$DENIED"
check "bans are the control plane's to tell" reaches "$BANNED"

check "the control plane comes back" lab start controlplane
check "and with it the ban" sl_wait_for 5 bans_are 1
check_not "which is in force" reaches "$BANNED"
check_not "as is the list" reaches "$DENIED"
finish

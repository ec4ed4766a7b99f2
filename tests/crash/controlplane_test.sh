#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# The control plane is killed, first its working half and then its keeper too: relaying loses nothing by it, new clients are
# still served, and a control plane that comes back finds its allocations and its users again.
. "$(dirname "$0")/../lab/common.sh"

listed() { # COUNT
	[ "$(allocation_count)" -eq "$1" ]
}

no_such_process() { # PID
	sl_gone "$1"
}

other_half_than() { # PROGRAM PID: another working half than PID runs
	local now
	now=$(working_half "$1") && [ -n "$now" ] && [ "$now" != "$2" ]
}

lab_up
start_echo || exit 1
check "a user is added through the API" ctl users add crash-user --password crash-password
turn_client stream --peer "$PEER_IP4:3480" --sessions 4 --rate 100 --seconds 110 --ready-file "$WORK/stream.ready" \
	--report "$WORK/stream.json" >/dev/null &
stream=$!
wait_ready "$WORK/stream.ready" || exit 1
check "four allocations are listed" sl_wait_for 3 listed 4

half=$(working_half controlplane)
kill -KILL "$half"
check "the keeper starts another working half" sl_wait_for 5 other_half_than controlplane "$half"
check "it lists the four allocations again" sl_wait_for 5 listed 4
check "a new client is served" turn_client allocate
check "the added user is still known" turn_client allocate --user crash-user --password crash-password

half=$(working_half controlplane)
kill -KILL "$CONTROLPLANE_PID"
check "without its keeper the working half ends" sl_wait_for 3 no_such_process "$half"
check "without a control plane new clients are served" turn_client allocate
check "and the user that was added" turn_client allocate --user crash-user --password crash-password
check "a control plane is started by hand" lab start controlplane
check "it lists the four allocations" sl_wait_for 5 listed 4
check "the added user came from the database" grep -q crash-user <<<"$(ctl users list)"
check "and can be removed" ctl users remove crash-user
check "which holds at once" turn_client allocate --user crash-user --password crash-password --expect 401

stop_client "$WORK/stream.ready"
wait $stream
status=$?
cat "$WORK/stream.json"
check "no packet was lost to any of it" is "$status" -eq 0
check "the dataplane's working half is the same" is "$(restarts)" -eq 0
finish

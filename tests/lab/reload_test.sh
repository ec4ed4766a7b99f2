#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# SIGHUP: a good file takes effect as a whole without touching what runs, a bad one changes nothing, and one that needs a
# restart is refused by name.
. "$(dirname "$0")/common.sh"

change() { # SED-EXPRESSION: of the running configuration
	sed -i "$1" "$CONFIG"
}

hang_up() {
	kill -HUP "$DATAPLANE_PID" "$CONTROLPLANE_PID"
}

log_says() { # FILE WORDS: since the last mark
	tail -n +"$mark" "$1" | grep -q -- "$2"
}

mark_log() {
	mark=$(($(wc -l <"$CONTROLPLANE_LOG") + 1))
}

accepts() { # USER PASSWORD
	turn_client allocate --user "$1" --password "$2"
}

lab_up
start_echo || exit 1
turn_client stream --peer "$PEER_IP4:3480" --sessions 2 --rate 100 --seconds 6 --keep --ready-file "$WORK/stream.ready" \
	--report "$WORK/stream.json" >/dev/null &
stream=$!
wait_ready "$WORK/stream.ready" || exit 1
halves="$(working_half dataplane) $(working_half controlplane)"

change 's/users = .*/users = ( { name = "alice"; password = "new-password"; }, { name = "carol"; password = "c4rol-password"; } );/'
hang_up
check "a good file: the new user is accepted" sl_wait_for 5 accepts carol c4rol-password
check "the changed password holds" accepts alice new-password
check "the old one no longer" turn_client allocate --expect 401
change 's/{ allow = "198.51.100.0\/24"; }/{ deny = "198.51.100.99"; }, &/'
hang_up
check "a peer rule takes effect" sl_wait_for 5 turn_client permission --password new-password --expect 403 \
	--peer 198.51.100.99:3480
change 's/{ deny = "198.51.100.99"; }, //'
hang_up
check "and back" sl_wait_for 5 turn_client permission --password new-password --expect 0 --peer 198.51.100.99:3480

cp "$CONFIG" "$WORK/good.conf"
mark_log
change 's/max_lifetime = 3600/max_lifetime = "for ever"/; s/carol/dave/'
hang_up
check "a bad file is told with its line and option" sl_wait_for 5 log_says "$CONTROLPLANE_LOG" 'sluice.conf:[0-9]*: .*max_lifetime'
check "nothing of it took effect: carol stays" accepts carol c4rol-password
check "dave is not there" turn_client allocate --user dave --password c4rol-password --expect 401
cp "$WORK/good.conf" "$CONFIG"

mark_log
change 's/memory_mb = 160/memory_mb = 256/; s/carol/dave/'
hang_up
check "a change that needs a restart is refused by name" sl_wait_for 5 log_says "$CONTROLPLANE_LOG" memory_mb
check "as a whole" accepts carol c4rol-password
cp "$WORK/good.conf" "$CONFIG"
check "sluicectl reload does the same" ctl reload

wait $stream
status=$?
cat "$WORK/stream.json"
check "what relayed was not touched: nothing lost" is "$status" -eq 0

turn_client stream --peer "$PEER_IP4:3480" --sessions 1 --rate 50 --seconds 4 --password new-password --max-loss 200 \
	--ready-file "$WORK/cut.ready" --report "$WORK/cut.json" >/dev/null &
stream=$!
wait_ready "$WORK/cut.ready" || exit 1
change 's/{ allow = "198.51.100.0\/24"; }/{ deny = "198.51.100.0\/24"; }/'
hang_up
wait $stream
check "a rule that denies a peer ends what it had: $(report "$WORK/cut.json" lost) of $(report "$WORK/cut.json" sent) lost" \
	is "$(report "$WORK/cut.json" lost)" -gt 100
check "the same processes run" is "$(working_half dataplane) $(working_half controlplane)" = "$halves"
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# A memif port whose other side dies in the middle of its traffic, again and again, on a crowded core: the working half lives on, and the next one that comes
# is served.
. "$(dirname "$0")/common.sh"

[ "$(nproc)" -ge 2 ] || skip "needs two cores: one for the worker, one for the generator"
ROUNDS=20
MEMIF=$WORK/memif.sock
SPACE=sl-memif-$$
LOG=$WORK/dataplane.log
node=''

cat >"$WORK/memif.conf" <<CONF
log_level = "warning";
dataplane = {
  workers = [ 1 ];
  housekeeper_core = 0;
  hugepages = "no";
  memory_mb = 128;
  idle = "poll";
  socket = "$WORK/dataplane.sock";
  max_allocations = 64;
  max_peers = 64;
  ports = ( { name = "bench"; tap = "sl-memif"; device = "net_memif0,role=server,socket=$MEMIF,socket-abstract=no"; addresses = [ "198.18.0.1/15" ]; } );
};
turn = {
  listen = [ "198.18.0.1:3478" ];
  relay_addresses = [ "198.18.0.1" ];
  relay_ports = [ 50000, 50100 ];
  realm = "lab";
  users = ( { name = "alice"; password = "lab-password"; } );
};
control = { database = "$WORK/memif.db"; };
CONF

at_end() {
	[ -z "$node" ] || { kill -TERM "$node" && wait "$node"; }
	[ ! -e "/run/netns/$SPACE" ] || ip netns del "$SPACE"
}

flood() { # SEED: becomes the other side; its load begins with a line from its input
	exec ip netns exec "$SPACE" timeout 60 taskset -c 0 "$BUILD/bench/sluice-pktgen" --step --lcore 0 --no-huge --sessions 0 --flood 0 --seconds 30 \
		--warmup 0.1 --port "net_memif0,role=client,socket=$MEMIF,socket-abstract=no" --gateway-mac 02:00:00:00:00:01 --server 198.18.0.1:3478 \
		--seed "$1" <"$WORK/step" >"$WORK/flood.out" 2>"$WORK/flood.err"
}

ends_in_the_middle() { # ROUND: the other side comes, floods, and is killed
	local other
	flood "$1" &
	other=$!
	sl_wait_for 40 grep -q '"ready"' "$WORK/flood.out" || { cat "$WORK/flood.err"; return 1; }
	echo >&8
	sleep 0.1
	kill -KILL "$(pgrep -P "$other")"
	wait "$other" 2>/dev/null
	lives
}

lives() {
	! grep 'working half was killed' "$LOG"
}

ip netns add "$SPACE" && ip -n "$SPACE" link set lo up
mkfifo "$WORK/step"
exec 8<>"$WORK/step"
ip netns exec "$SPACE" "$BUILD/dataplane/sluice-dataplane" --config "$WORK/memif.conf" 2>"$LOG" &
node=$!
check "the port is there" sl_wait_for 20 test -S "$MEMIF"
for _ in 1 2 3 4 5 6; do # so that the worker is stopped in the middle of its bursts
	timeout 90 taskset -c 1 sh -c 'while :; do :; done' &
done
for round in $(seq $ROUNDS); do
	check "the other side dies, $round of $ROUNDS" ends_in_the_middle "$round" || break
done
sleep 0.3
check "nobody else has died" lives
finish

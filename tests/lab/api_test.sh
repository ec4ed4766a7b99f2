#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# sluicectl and the HTTP API of a running appliance: what they show is what clients did, users come and go at once, and
# scripts get JSON and exit codes.
. "$(dirname "$0")/common.sh"

shows() { # WORDS COMMAND...: succeeds, and its output has the words
	local words=$1 out
	shift
	out=$("$@") || { echo "$out"; return 1; }
	grep -q -- "$words" <<<"$out" || { echo "no '$words' in:"; echo "$out"; return 1; }
}

json() { # FILTER COMMAND...: the output is JSON for which the filter holds
	local filter=$1 out
	shift
	out=$("$@") || { echo "$out"; return 1; }
	jq -e "$filter" >/dev/null <<<"$out" || { echo "not so: $filter"; head -c 400 <<<"$out"; return 1; }
}

status_is() { # STATUS COMMAND...
	local want=$1 got=0
	shift
	"$@" || got=$?
	is "$got" -eq "$want"
}

http_status() { # CODE PATH CURL-OPTIONS...
	local want=$1 got
	shift
	got=$(api "$@" -o /dev/null -w '%{http_code}')
	is "$got" = "$want"
}

lab_up
start_echo || exit 1
rm -f "$WORK/stream.ready"
turn_client stream --peer "$PEER_IP4:3480" --sessions 3 --rate 50 --seconds 110 --size 100 --ready-file "$WORK/stream.ready" \
	--report "$WORK/stream.json" >/dev/null &
stream=$!
wait_ready "$WORK/stream.ready" || exit 1

check "sluicectl --help" shows "status" ctl --help
check "healthz" status_is 0 ctl healthz
check "status, for people" shows alloc ctl status
check "status: steady, three allocations" json '.dataplane.state == "steady" and .allocations.active == 3' ctl status --json
check "ports: both, with traffic" \
	json '[.ports[].name] == ["client", "peer"] and all(.ports[]; .rx_packets > 0 and .tx_packets > 0)' ctl ports --json
check "ports, for people" shows net_af_packet ctl ports
check "workers: one, with busy cycles" json '.workers | length == 1 and .[0].counters.busy_cycles > 0' ctl workers --json
check "workers, for people" status_is 0 ctl workers
check "counters: named, with every drop reason" \
	json '.counters.allocations_created >= 3 and (.drops | has("no_permission"))' ctl counters --json
check "counters, for people" shows relayed_to_peer_packets ctl counters
check "allocations: three of the user, at the relay address" json \
	'.total == 3 and all(.allocations[]; .user == "alice" and (.relay | startswith("192.0.2.1:")) and .to_peer.packets > 0)' \
	ctl allocations --json
check "allocations, for people" shows alice ctl allocations
check "Prometheus text: counters" shows '^sluice_worker_relayed_to_peer_packets_total{worker="0"' api /metrics
check "Prometheus text: drop reasons" shows '^sluice_drops_total{worker="0",reason="no_permission"} ' api /metrics
check "Prometheus text: ports" shows '^sluice_port_rx_packets_total{port="client"' api /metrics

check "a new user is refused before" turn_client allocate --user bob --password b0b-password --expect 401
check "a user is added" ctl users add bob --password b0b-password
check "and listed" json '[.users[].name] | index("bob") != null' ctl users list --json
check "a client uses it at once" turn_client allocate --user bob --password b0b-password
check "also with SHA-256 and a hidden name" turn_client allocate --user bob --password b0b-password --sha256 --userhash
check "its password is changed" bash -c "echo another-password | '$BUILD/controlplane/sluicectl' --socket '$API' users add bob --password-stdin"
check "the old one is refused" turn_client allocate --user bob --password b0b-password --expect 401
check "the new one is good" turn_client allocate --user bob --password another-password
check "the user is removed" ctl users remove bob
check "and refused" turn_client allocate --user bob --password another-password --expect 401
check "no password lies in the database" refuses grep -q another-password "$RUN_DIR/sluice.db"

id=$(turn_client allocate --keep >/dev/null && api /v1/allocations | jq -r '.allocations[] | select(.to_peer.packets == 0) | .id')
check "an allocation is ended by an operator" ctl allocation delete "$id"
check "and is gone" json '.total == 3' ctl allocations --json
check "one that is not there is 404" http_status 404 "/v1/allocations/00000000ffffffff"
check "an unknown path is 404" http_status 404 /v1/nothing
check "a wrong method is 405" http_status 405 /v1/status -X DELETE
check "a body that is not JSON is 400" http_status 400 /v1/turn/users -X POST -d '{"name": '
check "an unknown member is 400" http_status 400 /v1/turn/users -X POST -d '{"name": "x", "password": "y", "admin": true}'
check "config check: the good file" ctl config check "$CONFIG"
sed 's/memory_mb = 160/memory_mb = 1/' "$CONFIG" >"$WORK/bad.conf"
check "config check: a wrong one names line and option" \
	shows "bad.conf:[0-9]*: option 'dataplane.memory_mb'" bash -c "'$BUILD/controlplane/sluicectl' config check '$WORK/bad.conf' 2>&1 || true"
check "without a control plane: exit code 3" status_is 3 "$BUILD/controlplane/sluicectl" --socket "$WORK/none.sock" status
check "an unknown command: exit code 2" status_is 2 ctl frobnicate

stop_client "$WORK/stream.ready"
wait $stream
status=$?
check "meanwhile nothing was lost" is "$status" -eq 0
finish

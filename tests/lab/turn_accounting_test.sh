#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Accounting of TURN, to the database, a webhook and Redis at once: what a record says is what was relayed; nothing is lost when one of them, the control
# plane or the dataplane goes away. Its user comes from a table as coturn has it.
. "$(dirname "$0")/common.sh"

for program in redis-server redis-cli sqlite3; do
	command -v "$program" >/dev/null || skip "no $program"
done
SECRET=a-secret-of-the-webhook HOOK_PORT=8099
chmod 755 "$WORK"

key() { # USER PASSWORD
	printf '%s:lab.test:%s' "$1" "$2" | md5sum | cut -c 1-32
}

start_redis() {
	redis-server --port 0 --unixsocket "$WORK/redis.sock" --save '' --dir "$WORK" >"$WORK/redis.log" 2>&1 &
	redis_pid=$!
	sl_wait_for 10 redis ping
	redis psubscribe 'turn/realm/*' >>"$WORK/told" &
	subscriber=$!
}

redis() {
	redis-cli -s "$WORK/redis.sock" "$@" 2>/dev/null
}

receive() { # [STATUS]: the webhook; in the background the process itself, so that a signal ends it
	ip netns exec "$APP_NS" "$TESTS_LAB/turn_records.py" $HOOK_PORT $SECRET "$WORK/received" "$@" 2>>"$WORK/hook.err" &
	hook_pid=$!
}

stop_receiving() {
	kill "$hook_pid"
	wait "$hook_pid" 2>/dev/null
}

records() { # FILTER [OPTIONS of turn records]: the filter of jq holds of the list
	local filter=$1
	shift
	ctl turn records --json "$@" | jq -ce "$filter" || { ctl turn records --json "$@"; return 1; }
}

soon() { # FILTER [OPTIONS]: within three seconds
	local filter=$1
	shift
	sl_wait_for 3 records_quietly "$filter" "$@" || records "$filter" "$@"
}

records_quietly() {
	local filter=$1
	shift
	ctl turn records --json "$@" | jq -e "$filter" >/dev/null
}

received() { # FILTER: of all that the webhook got
	sl_wait_for 5 received_now "$1" || { tail -n 4 "$WORK/received"; return 1; }
}

received_now() {
	jq -se "$1" "$WORK/received" >/dev/null 2>&1
}

told() { # PATTERN: Redis published it
	sl_wait_for 5 grep -Eq "$1" "$WORK/told" || { tail -n 12 "$WORK/told"; return 1; }
}

other_half_than() { # PROGRAM PID
	local now
	now=$(working_half "$1") && [ -n "$now" ] && [ "$now" != "$2" ]
}

hold() { # NAME: an allocation that stays; stopped by stop_client
	rm -f "$WORK/$1.ready"
	turn_client allocate --hold 60 --ready-file "$WORK/$1.ready" >/dev/null &
	wait_ready "$WORK/$1.ready"
}

test_lines() { # COUNT: the webhook has got so many
	[ "$(wc -l <"$WORK/received")" -ge "$1" ]
}

redis_sent() { # COUNT
	[ "$(metric sluice_turn_records_redis_sent_total)" -ge "$1" ]
}

metric() { # NAME
	api /metrics | awk -v n="$1" '$1 == n { print $2 }'
}

sqlite3 "$WORK/turndb" "CREATE TABLE turnusers_lt (realm varchar(127) default '', name varchar(512), hmackey char(128), PRIMARY KEY (realm,name));
	INSERT INTO turnusers_lt VALUES ('lab.test', 'gorst', '$(key gorst hero)');
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
	INSERT INTO turnusers_lt SELECT 'lab.test', 'many' || i, '00000000000000000000000000000000' FROM n;"
chmod 644 "$WORK/turndb"
start_redis || exit 1
lab_up --set "realm=\"lab.test\"; user_sources = ( { kind = \"sqlite\"; connect = \"$WORK/turndb\"; refresh = 3600; } );
	accounting = { interval = 10; webhook = \"http://127.0.0.1:$HOOK_PORT/records\"; webhook_secret = \"$SECRET\"; redis = \"$WORK/redis.sock\"; }"
start_echo || exit 1
receive

# ---- one allocation, everywhere
check "a user of coturn's table is served" turn_client stream --user gorst --password hero --peer "$PEER_IP4:3480" --rate 50 --seconds 2 --size 100 \
	--report "$WORK/stream.json"
check "its record tells who, and why it ended" soon '.records | length == 1 and (.[0] | .user == "gorst" and .realm == "lab.test" and .end == "client" and .transport == "udp")'
sent=$(report "$WORK/stream.json" sent)
check "and what was relayed, to the byte" records ".records[0] | .to_peer_packets == $sent and .to_peer_bytes == $sent * 100 and .to_client_bytes == $sent * 100"
check "the webhook got both, signed" received '[.[] | .event] == ["start", "stop"] and .[1].to_peer_bytes == '"$sent"' * 100 and .[0].id == .[1].id'
check "Redis was told as coturn does" told '^turn/realm/lab.test/user/gorst/allocation/[0-9]{18,}/status$'
check "its start" told '^new lifetime=600, type=UDP, local=192.0.2.1:3478, remote=192.0.2.10:[0-9]+, ssl=NONE, cipher=NONE$'
check "its end" told '^deleted$'
check "its traffic" told "^rcvp=$sent, rcvb=$((sent * 100)), sentp=$sent, sentb=$((sent * 100))\$"
check "no key is left" is "$(redis keys 'turn/*' | grep -c .)" -eq 0
check "usage adds up" is "$(ctl turn usage --json | jq '.usage[0].to_peer_bytes')" -eq $((sent * 100))
check "CSV has it too" grep -q ',gorst,lab.test,' <<<"$(ctl turn records --csv)"

# ---- a user who goes from the table
sqlite3 "$WORK/turndb" "DELETE FROM turnusers_lt; INSERT INTO turnusers_lt VALUES ('lab.test', 'dogman', '$(key dogman x)');"
check "tables are read anew" ctl turn refresh
check "who went is not let in" turn_client allocate --user gorst --password hero --expect 401
check "who came is" turn_client allocate --user dogman --password x

# ---- what runs outlives a crash of either program
hold one || exit 1
check "an open record" soon '.records | length == 1' --open
id=$(ctl turn records --open --json | jq -r '.records[0].id')
check "its status is a key of Redis" sl_wait_for 3 test "$(redis keys 'turn/realm/lab.test/user/alice/allocation/*/status' | grep -c status)" -eq 1
half=$(working_half controlplane)
kill -KILL "$half"
check "the control plane comes back" sl_wait_for 5 other_half_than controlplane "$half"
check "the record is the same" soon ".records | length == 1 and .[0].id == \"$id\"" --open
half=$(working_half dataplane)
kill -KILL "$half"
check "the dataplane comes back" sl_wait_for 10 other_half_than dataplane "$half"
sleep 2
check "and the record is still the same" soon ".records | length == 1 and .[0].id == \"$id\"" --open
check "interim records come" sl_wait_for 15 received_now "[.[] | select(.event == \"interim\" and .id == \"$id\")] | length >= 1"

# ---- one that ends while nobody looks
kill -KILL "$(cat "$RUN_DIR/controlplane.pid")"
sl_wait_for 3 sl_gone "$(cat "$RUN_DIR/controlplane.pid")"
stop_client "$WORK/one.ready"
sleep 1
check "the control plane is started again" lab start controlplane
check "the record of what ended meanwhile is closed" soon ".records[] | select(.id == \"$id\") | .end == \"unknown\""
check "nothing is open" soon '.records | length == 0' --open
check "the webhook was told of it" received "[.[] | select(.event == \"stop\" and .id == \"$id\" and .end == \"unknown\")] | length == 1"
check "its key is gone from Redis" sl_wait_for 5 test -z "$(sleep 1; redis keys 'turn/*')"

# ---- the webhook and Redis go away
stop_receiving
kill "$subscriber" "$redis_pid"
wait "$subscriber" "$redis_pid" 2>/dev/null
before=$(wc -l <"$WORK/received")
check "clients do not notice" turn_client churn --count 20
check "what the webhook has not taken waits" sl_wait_for 5 test "$(sleep 1; metric sluice_turn_records_spooled)" -eq 40
check "the API says why" is "$(api /v1/turn/accounting | jq -r '.webhook.trouble != null and .redis.trouble != null')" = true
receive 500
sleep 2
stop_receiving
check "an answer of 500 takes nothing" is "$(wc -l <"$WORK/received")" -eq "$before"
receive
start_redis || exit 1
check "all of it comes" sl_wait_for 40 test_lines $((before + 40))
check "each change once" is "$(jq -r .event_id "$WORK/received" | sort | uniq -d | wc -l)" -eq 0
check "no signature was wrong" refuses grep -q 'wrong signature' "$WORK/received"
check "Redis got what waited for it" sl_wait_for 40 redis_sent 40
check "nothing was lost" is "$(metric sluice_turn_records_store_lost_total) $(metric sluice_turn_records_webhook_lost_total) $(metric sluice_turn_records_redis_lost_total)" = "0 0 0"
kill "$subscriber" "$redis_pid" "$hook_pid"
finish

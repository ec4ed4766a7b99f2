# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What the lab and crash tests share. A test sources this, calls lab_up, then says what it looks at with `check`, and ends
# with `finish`. The lab is named after the process, so tests may run side by side; it is gone when the test ends,
# however it ends. A test exits 0 (all well), 1 (something was not) or 77 (cannot run here, and says why).

set -u
TESTS_LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../config/lib.sh
. "$TESTS_LAB/../../config/lib.sh"
sl_need_root "$0"

SL_LAB_NAME=slt$$ SL_LAB_OWNER=$$
export SL_LAB_NAME SL_LAB_OWNER
BUILD=${SLUICE_BUILD:-$SL_ROOT/build}
WORK=$(mktemp -d)
checks=0
failures=0
lab_is_up=''
watchers=()
labs_beside=()

# ---- saying what is seen ----

check() { # WHAT COMMAND...: run it; it must succeed
	local what=$1 output
	shift
	checks=$((checks + 1))
	if output=$("$@" 2>&1); then
		printf 'ok      %s\n' "$what"
		return 0
	fi
	failures=$((failures + 1))
	printf 'FAILED  %s\n' "$what"
	printf '        command: %s\n' "$*"
	[ -z "$output" ] || printf '%s\n' "$output" | tail -n 20 | sed 's/^/        /'
	return 1
}

check_not() { # WHAT COMMAND...: run it; it must fail
	local what=$1
	shift
	check "$what" refuses "$@"
}

refuses() {
	! "$@"
}

is() { # A = B, with words when it is not so
	[ "$1" "$2" "$3" ] || { echo "expected: $1 $2 $3"; return 1; }
}

finish() {
	printf -- '---- %s: %s checks, %s failed\n' "$(basename "$0")" "$checks" "$failures"
	[ "$failures" -eq 0 ] && [ "$checks" -gt 0 ]
	exit $?
}

skip() {
	printf 'skipped %s\n' "$*"
	exit 77
}

# ---- the lab ----

at_end() { # what a test made beside the lab goes: it defines this anew. A trap of its own would hide how the test ended
	:
}

at_exit() {
	local status=$?
	trap - EXIT INT TERM
	at_end
	if [ -n "$lab_is_up" ]; then
		if [ "$status" -ne 0 ] && [ "$status" -ne 77 ] && [ -n "$API" ]; then
			printf '        drops: %s\n' "$(api /v1/counters | jq -c '.drops | with_entries(select(.value > 0))')"
			show_log "$DATAPLANE_LOG"
			show_log "$CONTROLPLANE_LOG"
		fi
		lab_down
	fi
	# shellcheck disable=SC2046 # a list of numbers: our own background jobs
	kill $(jobs -p) 2>/dev/null
	rm -rf "$WORK"
	exit "$status"
}
trap at_exit EXIT
trap 'exit 130' INT TERM

show_log() {
	printf '        ---- end of %s\n' "$1"
	tail -n 15 "$1" 2>/dev/null | sed 's/^/        /'
}

lab() {
	"$TESTS_LAB/lab" "$@"
}

lab_up() { # OPTIONS of lab up; sets the variables it prints
	if ! lab up --build "$BUILD" "$@" >"$WORK/lab.env" 2>"$WORK/lab.err"; then
		cat "$WORK/lab.err" >&2
		printf 'FAILED  lab up %s\n' "$*"
		exit 1
	fi
	lab_is_up=1
	# shellcheck source=/dev/null
	. "$WORK/lab.env"
}

# A second appliance, in namespaces of its own (NAME-app, NAME-client, NAME-peer); it goes with the lab.
lab_beside() { # NAME OPTIONS of lab up; `at NAME COMMAND...` runs one of these functions there
	local name=$1
	shift
	labs_beside+=("$name")
	lab up --build "$BUILD" --name "$name" "$@" >"$WORK/$name.env"
}

at() { # NAME COMMAND...: with the variables of that lab
	# shellcheck source=/dev/null
	(. "$WORK/$1.env" && shift && "$@")
}

lab_down() {
	local name
	lab_is_up=''
	lab down
	for name in "${labs_beside[@]}"; do
		[ ! -s "$WORK/$name.env" ] || lab down --name "$name"
	done
	labs_beside=()
}

in_client() {
	ip netns exec "$CLIENT_NS" "$@"
}

in_peer() {
	ip netns exec "$PEER_NS" "$@"
}

in_app() {
	ip netns exec "$APP_NS" "$@"
}

# ---- traffic ----

turn_client() { # COMMAND OPTIONS: in the client's namespace, as the static user unless OPTIONS say otherwise
	local command=$1
	shift
	in_client "$TESTS_LAB/turn_client.py" "$command" --server "$SERVICE_IP4:$TURN_PORT" --user "$USER" \
		--password "$PASSWORD" "$@"
}

background() { # VARIABLE COMMAND...: start it; VARIABLE gets its process id. For turn_client with --ready-file see ready
	local variable=$1
	shift
	"$@" &
	printf -v "$variable" '%s' $!
}

wait_ready() { # FILE: until a turn_client.py has written its --ready-file
	sl_wait_for 10 test -s "$1" || { echo "nothing became ready ($1)"; return 1; }
}

stop_client() { # READY_FILE: ask the turn_client.py that wrote it to end and report
	kill -TERM "$(cat "$1")" 2>/dev/null
}

start_echo() { # the echoing peer on both addresses, port 3480; further --bind or --df as arguments
	rm -f "$WORK/echo.ready"
	in_peer "$TESTS_LAB/turn_client.py" echo --bind "$PEER_IP4:3480" --bind "[$PEER_IP6]:3480" "$@" \
		--ready-file "$WORK/echo.ready" >"$WORK/echo.out" &
	wait_ready "$WORK/echo.ready"
}

start_turnutils_peer() { # Debian's echoing peer, same addresses and port
	in_peer turnutils_peer -p 3480 -L "$PEER_IP4" >"$WORK/peer4.out" 2>&1 &
	in_peer turnutils_peer -p 3480 -L "$PEER_IP6" >"$WORK/peer6.out" 2>&1 &
	sl_wait_for 5 peers_listen || { echo "turnutils_peer does not listen"; return 1; }
}

peers_listen() {
	[ "$(in_peer ss -Hlun 'sport = :3480' | wc -l)" -ge 2 ]
}

uclient() { # OPTIONS SERVER: turnutils_uclient in the client's namespace; succeeds if nothing was lost
	local out sent received
	out=$(in_client timeout 30 turnutils_uclient -c -u "$USER" -w "$PASSWORD" "$@" 2>&1) || true
	sent=$(sed -n 's/.*tot_send_msgs=\([0-9]*\).*/\1/p' <<<"$out" | tail -n 1)
	received=$(sed -n 's/.*tot_recv_msgs=\([0-9]*\).*/\1/p' <<<"$out" | tail -n 1)
	if [ "${sent:-0}" -gt 0 ] && [ "$sent" = "${received:-}" ]; then
		echo "sent $sent, received $received"
		return 0
	fi
	tail -n 12 <<<"$out"
	return 1
}

# The utility takes five seconds to end, so ways of using it run at once.
names=()
pids=()
together() { # WHAT COMMAND...: start it; check_together tells how it ended
	names+=("$1")
	shift
	"$@" >"$WORK/together.${#names[@]}" 2>&1 &
	pids+=($!)
}

check_together() {
	local i status
	for i in "${!names[@]}"; do
		status=0
		wait "${pids[$i]}" || status=$?
		check "${names[$i]}" said "$WORK/together.$((i + 1))" $status
	done
	names=() pids=()
}

said() { # FILE STATUS
	cat "$1"
	return "$2"
}

# Not through in_client and its like: in the background those are a shell around the command, which a signal would end alone.
watch() { # NS FILE FILTER: start to capture eth0; several may run, stop_watching ends them all
	ip netns exec "$1" tcpdump -ni eth0 --immediate-mode -U -w "$2" "$3" 2>"$2.err" </dev/null &
	watchers+=($!)
	sl_wait_for 5 grep -q listening "$2.err"
}

stop_watching() {
	sleep 0.3
	kill -TERM "${watchers[@]}"
	wait "${watchers[@]}" 2>/dev/null
	watchers=()
}

seen() { # FILE [FILTER]: packets captured
	tcpdump -nr "$1" ${2:+"$2"} 2>/dev/null | wc -l
}

report() { # FILE KEY: a value of a turn_client.py report
	jq -r ".$2" "$1"
}

# ---- what the appliance says ----

ctl() {
	"$BUILD/controlplane/sluicectl" --socket "$API" "$@"
}

api() { # PATH [CURL-OPTIONS]
	local path=$1
	shift
	curl -sS --max-time 5 --unix-socket "$API" "$@" "http://localhost$path"
}

counter() { # NAME: a dataplane counter, summed over the workers
	api /v1/counters | jq ".counters.$1"
}

drop() { # REASON: packets dropped for it
	api /v1/counters | jq ".drops.$1"
}

counter_of() { # WORKER NAME
	api /v1/workers | jq ".workers[$1].counters.$2"
}

allocation_count() {
	api /v1/allocations | jq .total
}

restarts() { # of the dataplane's working half
	api /v1/status | jq .dataplane.restarts
}

working_half() { # dataplane|controlplane: process id of the half that works
	pgrep -P "$(cat "$RUN_DIR/$1.pid")"
}

# ---- the ports' comings and goings, for crash tests ----

now() {
	date +%s.%N
}

ports_note() { # while they are up: how many packet sockets that makes
	sockets_before=$(in_app awk 'NR > 1' /proc/net/packet | wc -l)
}

ports_are_up() {
	[ "$(in_app awk 'NR > 1' /proc/net/packet | wc -l)" -ge "$sockets_before" ]
}

ports_are_down() {
	! ports_are_up
}

await() { # SECONDS COMMAND...: as sl_wait_for, a hundred times a second
	local end=$(($(date +%s%N) + $1 * 1000000000))
	shift
	until "$@"; do
		[ "$(date +%s%N)" -lt "$end" ] || return 1
		sleep 0.01
	done
}

within() { # SECONDS A B: B at most SECONDS after A
	awk -v s="$1" -v a="$2" -v b="$3" 'BEGIN { printf "%.3f s after the port was up\n", b - a; exit !(b - a <= s) }'
}

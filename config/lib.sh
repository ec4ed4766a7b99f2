# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Shell functions shared by config/up, config/down, tests/run and tests/lab/lab. Source it; it only defines
# functions and SL_* variables, and expects bash. Functions return non-zero on failure and say why on stderr.
#
#   sl_say TEXT...                    a line of progress on stdout
#   sl_fail TEXT...                   an error line on stderr, returns 1
#   sl_need_root COMMAND              exit 1 unless root; COMMAND is shown in the message
#   sl_install_packages SECTION...    install what is missing of these sections of config/packages
#   sl_configure BUILDDIR [MESON-ARG...]  make BUILDDIR a build of this tree with these arguments, when it is not (no
#                                    arguments: any build of it will do)
#   sl_build BUILDDIR [MESON-ARG...]  sl_configure, then build; SL_TARGETS may name ninja targets
#   sl_netns_add FILE NS              make a network namespace and remember in FILE that it is ours
#   sl_netns_pids FILE                who is inside those namespaces of FILE that are still ours
#   sl_netns_remove FILE              end whoever is inside, delete the namespaces and FILE
#   sl_owner_set FILE [PID]           PID (this shell) is who answers for what lies beside FILE
#   sl_owner_gone FILE                has that process ended? (No when there is no FILE.)
#   sl_hugepages_reserve N            have N free 2 MB hugepages; returns 1 when the machine cannot
#   sl_hugepages_restore              give back what sl_hugepages_reserve added (SL_STATE_DIR remembers)
#   sl_wait_for SECONDS COMMAND...    run COMMAND five times a second until it succeeds; its output is dropped; SL_WAIT_FACTOR
#                                     multiplies the limit
#   sl_alive PIDFILE [WORD]           does the process live that PIDFILE names (WORD: part of its command line)?
#   sl_stop PIDFILE [SECONDS [WORD]]  TERM, after SECONDS (5) KILL, that process; removes the file

SL_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
SL_STATE_DIR=${SL_STATE_DIR:-/run/sluice-quickstart}
SL_HUGEPAGES_FILE=${SL_HUGEPAGES_FILE:-/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages}
SL_POLICY_FILE=${SL_POLICY_FILE:-/usr/sbin/policy-rc.d}
# ip, nft and sysctl are there, and not every root has it.
case ":${PATH:=/usr/bin:/bin}:" in *:/usr/sbin:*) ;; *) export PATH="$PATH:/usr/sbin:/sbin" ;; esac

sl_say() {
	printf '== %s\n' "$*"
}

sl_fail() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	return 1
}

sl_need_root() {
	if [ "$(id -u)" -ne 0 ]; then
		printf '%s needs root (network namespaces, hugepages, packages): run  sudo %s\n' "${0##*/}" "$1" >&2
		exit 1
	fi
}

# ---- packages ----

sl_packages_of() { # SECTION...: their packages, one a line
	awk -v want=" $* " '
		/^[[:space:]]*(#|$)/ { next }
		/^\[.*\]$/ { section = substr($0, 2, length($0) - 2); next }
		index(want, " " section " ") { print $1 }' "$SL_ROOT/config/packages"
}

sl_missing_packages() { # SECTION...
	local p
	for p in $(sl_packages_of "$@"); do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || printf '%s\n' "$p"
	done
}

# A service that a package brings must not start by itself, now or after a reboot: coturn would hold the TURN port, Kamailio
# the SIP port. The marker tells a file of ours, which a killed run left, from the machine's own.
SL_SERVICES='coturn kamailio rtpengine-daemon' # packages of the list, named as their services
SL_POLICY_MARK='# by Sluice, config/lib.sh: while it installs packages'

sl_policy_deny() {
	if [ -e "$SL_POLICY_FILE" ] && ! grep -qxF "$SL_POLICY_MARK" "$SL_POLICY_FILE"; then
		return 0
	fi
	printf '#!/bin/sh\n%s\nexit 101\n' "$SL_POLICY_MARK" >"$SL_POLICY_FILE" && chmod 755 "$SL_POLICY_FILE"
}

sl_policy_allow() {
	! grep -qxsF "$SL_POLICY_MARK" "$SL_POLICY_FILE" || rm -f "$SL_POLICY_FILE"
}

SL_POLICY_LOCK=${SL_POLICY_LOCK:-/run/lock/sluice-packages} # held while packages are installed

sl_policy_forget() ( # what a killed run left
	grep -qxsF "$SL_POLICY_MARK" "$SL_POLICY_FILE" && exec 8>"$SL_POLICY_LOCK" && flock -n 8 && sl_policy_allow
	exit 0
)

# A subshell, so that its traps are its own: whatever stops it, the policy goes.
sl_apt_install() ( # PACKAGE...
	mkdir -p "${SL_POLICY_LOCK%/*}" && exec 8>"$SL_POLICY_LOCK" && flock -w 600 8 ||
		{ sl_fail "another script of ours has been installing packages for ten minutes"; exit 1; }
	trap sl_policy_allow EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	sl_policy_deny || exit 1
	{
		DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update &&
		DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
			-o Acquire::Retries=3 install "$@"
	} 8>&- </dev/null 2>&1 | sed -u 's/^/   /'
	exit "${PIPESTATUS[0]}"
)

sl_install_packages() {
	local missing service fresh='' status=0
	sl_policy_forget
	missing=$(sl_missing_packages "$@" | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null || { sl_fail "needs these packages, and there is no apt-get: $missing"; return 1; }
	sl_need_root "$0"
	sl_say "installing packages: $missing"
	for service in $SL_SERVICES; do
		case " $missing " in *" $service "*) fresh="$fresh $service" ;; esac
	done
	# shellcheck disable=SC2086 # a list of words
	sl_apt_install $missing || status=$?
	[ "$status" -le 128 ] || return "$status" # a signal
	if [ -n "$fresh" ] && [ -d /run/systemd/system ]; then
		# shellcheck disable=SC2086 # a list of words
		systemctl --quiet disable $fresh 2>/dev/null || true
	fi
	missing=$(sl_missing_packages "$@" | tr '\n' ' ')
	if [ "$status" -ne 0 ] || [ -n "$missing" ]; then
		sl_fail "apt-get could not install: ${missing:-see above}(network up? sources of Debian 12 in /etc/apt?)"
		return 1
	fi
}

# ---- build ----

# Runs a long command with its output in LOG; shows every ten seconds that it is alive, and the log's end if it fails.
# A subshell, whose traps end the command with it.
sl_run_logged() ( # LOG COMMAND...
	log=$1 status=0 ticks=0
	shift
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	trap 'kill "$pid" 2>/dev/null; wait "$pid"; exit 130' INT TERM HUP
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		ticks=$((ticks + 1))
		if [ $((ticks % 50)) -eq 0 ]; then
			printf '   %s s  %s\n' $((ticks / 5)) "$(tail -n 1 "$log" | tr '\r' '\n' | tail -n 1 | cut -c 1-100)"
		fi
	done
	wait "$pid" || status=$?
	if [ "$status" -ne 0 ]; then
		tail -n 40 "$log" >&2
		sl_fail "failed (status $status): $*; full log in $log"
	fi
	exit "$status"
)

sl_is_build_of_this_tree() { # BUILDDIR, absolute
	local info=$1/meson-info/meson-info.json
	grep -qsF "\"source\": \"$SL_ROOT\"" "$info" && grep -qsF "\"build\": \"$1\"" "$info"
}

sl_configure() {
	local dir wanted
	mkdir -p "$1" && dir=$(cd "$1" && pwd -P) || return 1
	shift
	wanted="CC=${CC:-} $*"
	if [ -e "$dir/build.ninja" ] || [ -e "$dir/meson-private" ]; then
		if sl_is_build_of_this_tree "$dir" && [ -e "$dir/build.ninja" ] &&
			{ [ ! -f "$dir/sl-args" ] || [ $# -eq 0 ] || [ "$(cat "$dir/sl-args")" = "$wanted" ]; }; then
			return 0
		fi
		# The same compiler, other options: what is built and perhaps running from here stays.
		if sl_is_build_of_this_tree "$dir" && [ -e "$dir/build.ninja" ] &&
			[ "$(cut -d' ' -f1 "$dir/sl-args")" = "CC=${CC:-}" ]; then
			sl_say "configuring $dir with $*"
			sl_run_logged "$dir/sl-build.log" meson setup --reconfigure "$dir" "$SL_ROOT" "$@" || return 1
			printf '%s' "$wanted" >"$dir/sl-args"
			return 0
		fi
		# What this function did not make, and what lies elsewhere, may be dear to somebody.
		case $dir in
		"$SL_ROOT"/*) ;;
		*) [ -f "$dir/sl-args" ] || { sl_fail "$dir is a build of another tree: remove it, or name another folder"; return 1; } ;;
		esac
		sl_say "$dir was configured otherwise: configuring it anew"
		find "$dir" -mindepth 1 -maxdepth 1 ! -name test-logs -exec rm -rf {} +
	fi
	sl_say "configuring $dir"
	printf '%s' "$wanted" >"$dir/sl-args"
	sl_run_logged "$dir/sl-build.log" meson setup "$dir" "$SL_ROOT" "$@"
}

sl_build() {
	local dir=$1
	sl_configure "$@" || return 1
	sl_say "building $dir"
	# shellcheck disable=SC2086 # a list of targets
	if [ -t 1 ]; then
		ninja -C "$dir" ${SL_TARGETS:-}
	else
		sl_run_logged "$dir/sl-build.log" ninja -C "$dir" ${SL_TARGETS:-}
	fi
}

# ---- hugepages ----

# What is added is remembered as a number, not as the earlier total: others may reserve and free meanwhile.
sl_hugepages_reserve() {
	local want=$1 now free add got
	[ -w "$SL_HUGEPAGES_FILE" ] || return 1
	mkdir -p "$SL_STATE_DIR"
	now=$(cat "$SL_HUGEPAGES_FILE")
	free=$(cat "${SL_HUGEPAGES_FILE%/*}/free_hugepages")
	add=$((want - free))
	[ "$add" -gt 0 ] || return 0
	echo $((now + add)) 2>/dev/null >"$SL_HUGEPAGES_FILE" || return 1
	got=$(cat "$SL_HUGEPAGES_FILE")
	if [ "$got" -lt $((now + add)) ]; then
		echo "$now" >"$SL_HUGEPAGES_FILE"
		return 1
	fi
	echo $((add + $(cat "$SL_STATE_DIR/hugepages" 2>/dev/null || echo 0))) >"$SL_STATE_DIR/hugepages"
}

sl_hugepages_restore() {
	local added now
	[ -f "$SL_STATE_DIR/hugepages" ] || return 0
	added=$(cat "$SL_STATE_DIR/hugepages")
	now=$(cat "$SL_HUGEPAGES_FILE")
	echo $((now > added ? now - added : 0)) >"$SL_HUGEPAGES_FILE"
	rm -f "$SL_STATE_DIR/hugepages"
}

# ---- namespaces ----

# FILE has a line "NS INODE" for each: a name alone could be somebody else's by now. Made and noted in one step that no
# signal parts.
sl_netns_add() (
	trap '' INT TERM HUP
	ip netns add "$2" && printf '%s %s\n' "$2" "$(stat -Lc %i "/run/netns/$2")" >>"$1"
)

sl_netns_ours() { # FILE: names, one a line
	local ns inode
	[ -f "$1" ] || return 0
	while read -r ns inode; do
		[ "$(stat -Lc %i "/run/netns/$ns" 2>/dev/null)" != "$inode" ] || printf '%s\n' "$ns"
	done <"$1"
}

sl_netns_pids() {
	local ns
	for ns in $(sl_netns_ours "$1"); do
		ip netns pids "$ns" 2>/dev/null
	done
}

sl_netns_empty() { # FILE
	[ -z "$(sl_netns_pids "$1")" ]
}

# A namespace lives on, without a name, as long as a process is in it.
sl_netns_remove() {
	local ns signal
	for signal in TERM KILL; do
		sl_netns_empty "$1" && break
		# shellcheck disable=SC2046 # a list of numbers
		kill -$signal $(sl_netns_pids "$1") 2>/dev/null || true
		sl_wait_for 1 sl_netns_empty "$1" || true
	done
	for ns in $(sl_netns_ours "$1"); do
		ip netns delete "$ns" || true
	done
	rm -f "$1"
}

# ---- processes ----

sl_started_at() { # PID: in ticks since boot, which with its number names one process for ever; fails when it has ended
	sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20; found = 1 } END { exit !found }'
}

sl_owner_set() {
	local pid=${2:-$$}
	printf '%s %s\n' "$pid" "$(sl_started_at "$pid")" >"$1"
}

sl_owner_gone() {
	local pid start now
	{ read -r pid start <"$1"; } 2>/dev/null || return 1
	! now=$(sl_started_at "$pid") || [ "$now" != "$start" ]
}

sl_wait_for() {
	local deadline=$((SECONDS + $1 * ${SL_WAIT_FACTOR:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -le "$deadline" ] || return 1
		sleep 0.2
	done
}

# WORD guards against a stale file whose number belongs to another process by now.
sl_alive() {
	local pid
	pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && ! sl_gone "$pid" &&
		tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "${2:-}"
}

sl_stop() {
	local file=$1 seconds=${2:-5} pid
	if sl_alive "$file" "${3:-}"; then
		pid=$(cat "$file")
		kill -TERM "$pid" 2>/dev/null
		if ! sl_wait_for "$seconds" sl_gone "$pid"; then
			kill -KILL "$pid" 2>/dev/null
			sl_wait_for 2 sl_gone "$pid"
		fi
	fi
	rm -f "$file"
}

sl_gone() { # PID: has it ended? (A zombie has, even if nobody reaped it.)
	! kill -0 "$1" 2>/dev/null || [ "$(awk '/^State:/ { print $2 }' "/proc/$1/status" 2>/dev/null)" = Z ]
}

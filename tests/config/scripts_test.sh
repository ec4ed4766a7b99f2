#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Every shell script parses and can be run where it should be; the package list knows every section that is asked for and
# every command that a script runs; what is stopped halfway leaves nothing behind.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=config/lib.sh
. config/lib.sh

status=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
while read -r script; do
	bash -n "$script" || status=1
	! head -n 1 "$script" | grep -q "^#!" || [ -x "$script" ] || { echo "$script is not executable"; status=1; }
done < <(find .ci config tests bench -type f -exec grep -lE '^#!/usr/bin/env bash|^# shellcheck shell=bash' {} + | sort)

for section in build run test bench; do
	[ -n "$(sl_packages_of "$section")" ] || { echo "config/packages has nothing under [$section]"; status=1; }
done
for script in config/up config/down tests/run; do
	"$script" --help | grep -q '^usage:' || { echo "$script has no --help"; status=1; }
done

# Commands that scripts run, by the package that has them; the rest is in packages that every Debian has.
package_of() {
	case $1 in
	curl | ethtool | jq | openssl | python3 | socat | sqlite3 | tcpdump | coturn) echo "$1" ;;
	ip | ss | bridge) echo iproute2 ;;
	nft) echo nftables ;;
	ping) echo iputils-ping ;;
	pgrep | ps | sysctl) echo procps ;;
	turnserver | turnutils_*) echo coturn ;;
	ffmpeg | ffprobe) echo ffmpeg ;;
	sipp) echo sip-tester ;;
	kamailio | kamcmd) echo kamailio ;;
	rtpengine) echo rtpengine-daemon ;;
	dpdk-dev | dpdk-testpmd) echo dpdk-dev ;;
	systemd-analyze | systemd-sysusers) echo systemd ;;
	clang) echo clang ;;
	chromium) echo chromium ;;
	*) echo "none: put $1 in config/packages and here, or do without it" ;;
	esac
}
listed=" $(sl_packages_of build run test bench | tr '\n' ' ') "
words='curl|ethtool|jq|openssl|python3|socat|sqlite3|tcpdump|ip|ss|bridge|nft|ping|pgrep|ps|sysctl|turnserver|turnutils_[a-z]+|'
words+='dpdk-[a-z]+|ffmpeg|ffprobe|sipp|kamailio|kamcmd|rtpengine|systemd-(analyze|sysusers)|clang|chromium|xxd|bc|tshark|nc|ncat|lsof|strace|'
words+='gdb|perl|gawk|killall|fuser|netstat|sox|gst-launch-1.0|ifconfig|brctl|hexdump|unshare|iperf3|git|bpftool|iptables|arping|hping3|valgrind'
# At the beginning of a command, or as a word of Python.
before='(^|\$\(|[|&;({!"]|exec|then|else|do|check|command -v|netns exec "?\$?[A-Za-z_{}]*"?|in_[a-z]+|lab exec [a-z]+|for [a-z]+ in.*)'
while read -r command; do
	package=$(package_of "$command")
	case $listed in *" $package "*) ;; *) echo "$command needs the package $package"; status=1 ;; esac
done < <(find .ci config tests bench -type f -exec grep -lE '^#!/usr/bin/(env bash|env python3|python3)|^# shellcheck shell=bash' {} + |
	grep -v scripts_test | xargs sed -E 's/(^|[[:space:]])#.*//' | grep -oE "${before}[[:space:]]*($words)([\" ,;)]|\$)" |
	grep -oE "($words)[\" ,;)]*\$" | tr -d '" ,;)' | sort -u | tee "$dir/commands")
grep -qx jq "$dir/commands" || { echo "no commands found in the scripts"; status=1; }

mkdir "$dir/bin"
say() {
	echo "$*"
	status=1
}

# ---- a package installation that is stopped: no service may stay forbidden ----

# With an apt-get that never ends and a package that is never there.
printf '#!/bin/sh\n: >"%s/apt"; exec sleep 30\n' "$dir" >"$dir/bin/apt-get"
printf '#!/bin/sh\necho unknown\n' >"$dir/bin/dpkg-query"
chmod +x "$dir"/bin/*
cat >"$dir/install" <<-TEXT
	export SL_POLICY_FILE=$dir/policy SL_POLICY_LOCK=$dir/lock PATH=$dir/bin:\$PATH
	. config/lib.sh
	sl_need_root() { :; }
	sl_install_packages run
TEXT
for signal in INT TERM HUP; do
	rm -f "$dir/apt"
	setsid python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL) # which the & of a script ignores
os.execvp("bash", ["bash", sys.argv[1]])' "$dir/install" >"$dir/out" 2>&1 &
	pid=$!
	sl_wait_for 5 test -e "$dir/apt" && [ -x "$dir/policy" ] || say "nothing forbids services meanwhile: $(cat "$dir/out")"
	kill "-$signal" -- "-$pid" # all of it, as a terminal does
	wait "$pid" 2>/dev/null || true
	sl_wait_for 2 test ! -e "$dir/policy" || say "SIG$signal while packages are installed leaves policy-rc.d"
done
printf '#!/bin/sh\n%s\nexit 101\n' "$SL_POLICY_MARK" >"$dir/policy" # of a run that was killed
printf '#!/bin/sh\necho installed\n' >"$dir/bin/dpkg-query"
bash "$dir/install"
[ ! -e "$dir/policy" ] || say "an old policy-rc.d of ours stays"
printf '#!/bin/sh\nexit 101\n' >"$dir/policy" # the machine's own
bash "$dir/install"
[ -e "$dir/policy" ] || say "somebody else's policy-rc.d was removed"

# ---- builds of another tree ----

mkdir -p "$dir/other/meson-info" "$dir/other/meson-private"
echo '{"directories": {"source": "/elsewhere", "build": "/elsewhere/build"}}' >"$dir/other/meson-info/meson-info.json"
touch "$dir/other/build.ninja"
! (sl_configure "$dir/other") >"$dir/out" 2>&1 && grep -q 'another tree' "$dir/out" && [ -e "$dir/other/build.ninja" ] ||
	say "another tree's build was not refused: $(cat "$dir/out")"

# ---- who answers for something ----

sl_owner_set "$dir/owner"
! sl_owner_gone "$dir/owner" || say "this test is said to have ended"
echo "$$ 1" >"$dir/owner" # an earlier process of this number
sl_owner_gone "$dir/owner" || say "an earlier process of the same number is said to live"
sl_owner_set "$dir/owner" 4194305 # beyond any process number
sl_owner_gone "$dir/owner" || say "a process that never was is said to live"
! sl_owner_gone "$dir/no-such-file" || say "nobody is said to have ended"

# ---- what the runner says of a mistake ----

! tests/run --suite no-such-suite >"$dir/out" 2>&1 && grep -q 'no suite no-such-suite' "$dir/out" ||
	say "a suite that does not exist is taken"
if [ -f build/build.ninja ]; then
	! tests/run --list no-such-test >"$dir/out" 2>&1 && grep -q "no test's name has 'no-such-test'" "$dir/out" ||
		say "a pattern that chooses nothing is taken"
fi

# ---- namespaces of others ----

if [ "$(id -u)" -eq 0 ]; then
	ns=slscripts$$
	ip netns add "$ns-peer"
	ip netns exec "$ns-peer" sleep 60 &
	pid=$!
	trap 'rm -rf "$dir"; kill $pid 2>/dev/null; ip netns del "$ns-peer"' EXIT
	sl_wait_for 5 grep -q sleep "/proc/$pid/comm"
	if [ -x "${SLUICE_BUILD:-build}/dataplane/sluice-dataplane" ]; then
		! SL_LAB_STATE=$dir/lab tests/lab/lab up --name "$ns" >"$dir/out" 2>&1 && grep -q 'is in use' "$dir/out" ||
			say "the lab took a namespace that is in use: $(cat "$dir/out")"
		[ ! -e "/run/netns/$ns-app" ] || say "the lab left its own namespace"
	fi
	echo "$ns-peer 1" >"$dir/namespaces" # another one of this name, before
	sl_netns_remove "$dir/namespaces"
	kill -0 "$pid" && [ -e "/run/netns/$ns-peer" ] || say "somebody else's namespace was emptied"
	sl_netns_add "$dir/namespaces" "$ns"
	ip netns exec "$ns" sleep 60 &
	own=$!
	sl_wait_for 5 grep -q sleep "/proc/$own/comm"
	sl_netns_remove "$dir/namespaces"
	! kill -0 "$own" 2>/dev/null && [ ! -e "/run/netns/$ns" ] || say "our own namespace was not emptied"
fi
exit "$status"

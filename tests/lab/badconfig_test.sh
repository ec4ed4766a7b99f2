#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# A configuration that is wrong names file, line and option, and nothing starts.
. "$(dirname "$0")/common.sh"

good() { # the lab's file with its @NAMES@ filled in
	sed -e "s|@RUN_DIR@|$WORK|" -e 's|@WORKERS@|[ 1 ]|' -e 's|@QUEUES@|1|' \
		-e 's|@CLIENT_DEVICE@|net_null0|' -e 's|@PEER_DEVICE@|net_null1|' "$TESTS_LAB/lab.conf"
}

refused() { # SED-EXPRESSION OPTION: changed so, both programs refuse, name the line and the option, and start nothing
	local file=$WORK/bad.conf line program out
	good | sed -e "$1" >"$file"
	line=$(diff <(good) "$file" | sed -n 's/^\([0-9]*\).*/\1/p' | head -n 1)
	for program in dataplane controlplane; do
		if out=$("$BUILD/$program/sluice-$program" --config "$file" --daemon --pid-file "$WORK/$program.pid" \
			--log-file "$WORK/$program.log" 2>&1); then
			echo "sluice-$program started"
			return 1
		fi
		if ! grep -q "bad.conf:$line: .*$2" <<<"$out"; then
			echo "expected bad.conf:$line and $2, not: $out"
			return 1
		fi
		if [ -e "$WORK/$program.pid" ] && sl_alive "$WORK/$program.pid"; then
			echo "sluice-$program left a process"
			return 1
		fi
	done
	[ ! -e "$WORK/dataplane.sock" ] || { echo "a socket was made"; return 1; }
}

check "the unchanged file is good" "$BUILD/dataplane/sluice-dataplane" --config <(good) --check
check "a value out of range" refused 's/memory_mb = 160/memory_mb = 1/' memory_mb
check "a value of the wrong type" refused 's/max_lifetime = 3600/max_lifetime = "long"/' max_lifetime
check "an unknown option" refused 's/idle = "adaptive"/idel = "adaptive"/' idel
check "an unknown word" refused 's/idle = "adaptive"/idle = "lazy"/' idle
check "an address that is none" refused 's/192.0.2.1:3478/192.0.2.300:3478/' listen
check "a missing bracket" refused 's/^  client_name = "main";/  client_name = ( "main";/' syntax
check "a core twice" refused 's/workers = \[ 1 \]/workers = [ 1, 1 ]/' workers

missing() { # SED-EXPRESSION WORD: a good file on a machine that has not got it
	local out
	good | sed -e "$1" >"$WORK/missing.conf"
	if out=$(timeout 20 "$BUILD/dataplane/sluice-dataplane" --config "$WORK/missing.conf" --daemon \
		--pid-file "$WORK/m.pid" --log-file "$WORK/m.log" 2>&1); then
		echo "it started"
		return 1
	fi
	grep -qi "$2" <<<"$out" || { echo "no word of $2: $out"; return 1; }
}

check "a port that is not there is named" missing 's/net_null0/net_af_packet0,iface=nosuch0/' client
check "a core that is not there is named" missing 's/workers = \[ 1 \]/workers = [ 63 ]/' 63
# More than any machine of ours has: 1 TB.
check "hugepages that are not there are named" \
	missing 's/hugepages = "auto"/hugepages = "yes"/; s/memory_mb = 160/memory_mb = 1048576/' hugepages
finish

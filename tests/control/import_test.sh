#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# sluicectl import: every option of coturn that the translator lists, alone and together. What is made is a good configuration and says what was meant;
# what cannot be had is told with line and reason; what coturn does not know is named.
#
# Usage: import_test.sh SLUICECTL
set -eu
sluicectl=$(realpath "$1")
cd "$(dirname "$0")/../.."
options=controlplane/ctl/import_options.h
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
touch "$dir/turn.pem" "$dir/turn.key"

die() { echo "$*" >&2; exit 1; }

# Import $dir/in into $dir/out and $dir/err; the exit code must be $1.
import() { # CODE
	local code=0
	"$sluicectl" import "$dir/in" >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = "$1" ] || die "exit code $code instead of $1: $(cat "$dir/in" "$dir/err")"
}
good() { "$sluicectl" config check "$dir/out" >/dev/null || die "not good: $(cat "$dir/in" "$dir/out")"; }
has() { grep -qF -- "$1" "$dir/out" || die "'$1' is not in: $(cat "$dir/out")"; }
told() { grep -qF -- "$1" "$dir/err" || die "'$1' is not told: $(cat "$dir/err")"; }

# ---- each option by itself: a row of the table, with a value of its kind ----
value_of() { # NAME KIND
	case $1 in
	min-port) echo =50000; return ;;
	max-port) echo =60000; return ;;
	esac
	case $2 in
	FLAG) echo "" ;;
	NUMBER) echo =20000 ;;
	PORT | PORT0) echo =5000 ;;
	SECONDS | SECONDS0) echo =1000 ;;
	ADDRESS) echo =192.0.2.7 ;;
	ENDPOINT) echo =192.0.2.7:3000 ;;
	ALTERNATE) echo =198.51.100.7 ;;
	EXTERNAL) echo =203.0.113.5 ;;
	RANGE) echo =10.0.0.0-10.0.0.9 ;;
	USER) echo =alice:secret ;;
	PATH) echo "=$dir/turn.pem" ;;
	REDIS) echo '="ip=127.0.0.1 dbname=3"' ;;
	FAMILY) echo =ipv6 ;;
	SEPARATOR) echo '=/' ;;
	TEXT) echo =text ;;
	*) die "no value for kind $2" ;;
	esac
}
# What an option needs beside it to have a meaning.
beside() { # NAME
	case $1 in
	cert) printf 'pkey=%s\n' "$dir/turn.key" ;;
	pkey) printf 'cert=%s\n' "$dir/turn.pem" ;;
	no-tls | no-dtls | tls-listening-port) printf 'cert=%s\npkey=%s\n' "$dir/turn.pem" "$dir/turn.key" ;;
	rfc5780 | alt-listening-port) printf 'listening-ip=192.0.2.8\nlistening-ip=192.0.2.9\n' ;;
	no-rfc5780) printf 'listening-ip=192.0.2.8\nlistening-ip=192.0.2.9\nalt-listening-port=3500\n' ;;
	oauth) printf 'realm=x\nuserdb=/var/lib/turn/turndb\n' ;;
	server-name) printf 'realm=x\noauth\nuserdb=/var/lib/turn/turndb\n' ;;
	tls-alternate-server) printf 'cert=%s\npkey=%s\n' "$dir/turn.pem" "$dir/turn.key" ;;
	esac
}
rows=0
while IFS='|' read -r name kind how; do
	rows=$((rows + 1))
	{ echo; beside "$name"; } >"$dir/in"
	import 0
	cp "$dir/out" "$dir/without"
	{ echo "$name$(value_of "$name" "$kind")"; beside "$name"; } >"$dir/in"
	import 0
	good
	case $how in
	TO)
		case $name in # what is so without it, too
		verbose | software-attribute | no-dtls | dtls | rfc5766-channel-numbers | log-min-level) ;;
		*) ! cmp -s <(grep -v '^#' "$dir/without") <(grep -v '^#' "$dir/out") || die "$name changes nothing" ;;
		esac ;;
	SAME) has "line 1, $name: needs nothing: " ;;
	NOT) told "$dir/in:1: $name: "; has "$dir/in:1: $name: " ;;
	esac
done < <(sed -nE 's/^\tX\([A-Z0-9_]+, "([^"]+)", [^,]+, ([A-Z0-9]+), (TO|SAME|NOT), ".*/\1|\2|\3/p' $options)
[ "$rows" = "$(grep -c '^	X(' $options)" ] && [ "$rows" -gt 130 ] || die "$rows rows of $(grep -c '^	X(' $options) were tried"

# Nothing of what coturn's own file shows is unknown.
if [ -r /etc/turnserver.conf ]; then
	sed -nE 's/^#?([A-Za-z][A-Za-z0-9_-]+)(=.*)?$/\1/p' /etc/turnserver.conf | sort -u >"$dir/names"
	while read -r name; do
		grep -qF "\"$name\"" $options || die "$name of /etc/turnserver.conf is not in the table"
	done <"$dir/names"
fi

# ---- together ----
cat >"$dir/in" <<-END
	# coturn
	listening-ip=192.0.2.1
	listening-ip=192.0.2.2
	listening-ip=2001:db8::1
	relay-ip=192.0.2.1
	alt-listening-port=3490
	rfc5780
	tls-listening-port=443
	cert=$dir/turn.pem
	pkey=$dir/turn.key
	tcp-proxy-port=8443
	lt-cred-mech
	realm = example.net
	user=alice:pa:ss"\\word
	user=carol:0xbc807ee29df3c9ffa736523fb2c4e8ee
	static-auth-secret=one
	static-auth-secret=two
	psql-userdb="host=h password=p"
	redis-userdb="ip=10.0.0.9 dbname=2 password=pw port=6380 connect_timeout=30"
	max-bps=250000
	bps-capacity=125000000
	allowed-peer-ip=10.1.2.3
	denied-peer-ip=10.0.0.1-10.0.0.6
	denied-peer-ip=fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
	alternate-server=198.51.100.7
	alternate-server=198.51.100.8:5000
	no-tcp-relay
	mobility=yes
	fingerprint=0
	-q 7
	--total-quota=99
	no-software-attribute
	external-ip=203.0.113.5/192.0.2.1
	external-ip=203.0.113.6/192.0.2.99
	mysql-userdb="host=h"
END
import 0
good
has 'nat_discovery = [ "192.0.2.1:3478", "192.0.2.1:3490", "192.0.2.2:3478", "192.0.2.2:3490" ];'
has 'listen = [ "192.0.2.1:3478", "192.0.2.2:3478", "[2001:db8::1]:3478", "192.0.2.1:3490", "192.0.2.2:3490" ];'
has "{ address = \"[2001:db8::1]:443\"; transport = \"tls\"; certificate = \"$dir/turn.pem\"; key = \"$dir/turn.key\"; }"
has "{ address = \"192.0.2.2:443\"; transport = \"dtls\";"
has '{ address = "192.0.2.1:8443"; transport = "tcp"; proxy_protocol = [ "0.0.0.0/0" ];'
has 'relay_addresses = [ "192.0.2.1" ];'
has '{ address = "192.0.2.1"; external = "203.0.113.5"; }'
told 'external-ip: 192.0.2.99 is neither a listening-ip nor a relay-ip'
has 'realm = "example.net";'
has '{ name = "alice"; password = "pa:ss\"\\word"; }'
! grep -q carol "$dir/out" || told ':15: user carol: a key'
has 'secrets = [ "one", "two" ];'
has '{ kind = "redis"; connect = "redis://:pw@10.0.0.9:6380/2"; }'
has '{ kind = "postgresql"; connect = "host=h password=p"; }'
has 'session = { up = 2000; down = 2000; }; node = { up = 1000000; down = 1000000; };'
# A rule that allows goes before every one that denies; a range is the prefixes that it is.
[ "$(grep -nF '{ allow = "10.1.2.3"; }' "$dir/out" | cut -d: -f1)" -lt "$(grep -nF '{ deny = "10.0.0.1/32"; }' "$dir/out" | cut -d: -f1)" ]
[ "$(grep -oE 'deny = "10[^"]+"' "$dir/out" | tr '\n' ' ')" = 'deny = "10.0.0.1/32" deny = "10.0.0.2/31" deny = "10.0.0.4/31" deny = "10.0.0.6/32" ' ] || die "$(cat "$dir/out")"
has '{ deny = "fc00::/7"; }'
has '{ server = "198.51.100.7:3478"; transport = "udp"; }'
has '{ server = "198.51.100.8:5000"; transport = "tcp"; }'
has 'tcp_relay = false;'
has 'mobility = true;'
has 'user_quota = 7;'
has 'realm_quota = 99;'
has 'software = "";'
told ":$(grep -n mysql "$dir/in" | cut -d: -f1): mysql-userdb: MySQL is not read"

# ---- what is wrong is named by its line, and the rest is made all the same ----
printf 'realm=x\nno-such-option=1\nmin-port=none\nlistening-ip=example.org\nuser=alice\ndenied-peer-ip=10.0.0.9-10.0.0.1\nmobility=perhaps\nuser=bob:hunter2:\n' >"$dir/in"
import 1
good
told ':2: wrong: no-such-option: coturn has no such option'
told ':3: wrong: min-port: its value is no port'
told ':4: wrong: listening-ip: its value is no address'
told ':5: wrong: user: its value is not NAME:PASSWORD'
told ':6: wrong: denied-peer-ip: its value is no address, prefix or range'
told ':7: wrong: mobility: its value is neither true nor false'
! grep -q hunter2 "$dir/err" || die 'a password is told'
printf 'no-udp\nno-tcp\nno-tls\n' >"$dir/in"
import 1
told ':1: wrong: no-udp: no listener of any transport is left'
rm "$dir/in"
import 1
told 'cannot be read: No such file'

# ---- by pipe, and for scripts ----
printf 'realm=x\nmysql-userdb=y\n' | "$sluicectl" import - --json >"$dir/json"
grep -qF '"line": 2' "$dir/json" && grep -qF '"wrong": false' "$dir/json" && grep -qF 'realm = \"x\"' "$dir/json" || die "$(cat "$dir/json")"
echo "import: $rows options"

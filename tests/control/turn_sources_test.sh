#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# User tables as coturn has them, in the real databases: SQLite, PostgreSQL and Redis, each started for this test on a socket of its own. Read, changed,
# taken away and brought back, against a control plane that has no dataplane.
# usage: turn_sources_test.sh SLUICECTL SLUICE_CONTROLPLANE
set -u
ctl=$1
controlplane=$2
dir=$(mktemp -d /tmp/sluice-test-sources-XXXXXX)
chmod 755 "$dir"
pid='' redis_pid='' pg=''
cleanup() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
	[ -z "$redis_pid" ] || { kill "$redis_pid" 2>/dev/null; wait "$redis_pid" 2>/dev/null; }
	[ -z "$pg" ] || as_postgres "$pg_bin/pg_ctl" -D "$dir/pg" -m immediate stop >/dev/null 2>&1
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
export SLUICE_API="$dir/api.sock"
failures=0

# A server of a database does not run as root.
as_postgres() {
	if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; else "$@"; fi
}

pg_bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
for program in sqlite3 redis-server redis-cli curl jq "$pg_bin/initdb"; do
	command -v "$program" >/dev/null || { echo "skipped: no $program"; exit 77; }
done

# ---- the databases

schema() { # of coturn 4.6
	cat <<SQL
CREATE TABLE turnusers_lt (realm varchar(127) default '', name varchar(512), hmackey char(128), PRIMARY KEY (realm,name));
CREATE TABLE turn_secret (realm varchar(127) default '', value varchar(256), primary key (realm,value));
CREATE TABLE allowed_peer_ip (realm varchar(127) default '', ip_range varchar(256), primary key (realm,ip_range));
CREATE TABLE denied_peer_ip (realm varchar(127) default '', ip_range varchar(256), primary key (realm,ip_range));
CREATE TABLE turn_origin_to_realm (origin varchar(127), realm varchar(127), primary key (origin));
CREATE TABLE turn_realm_option (realm varchar(127) default '', opt varchar(32), value varchar(128), primary key (realm,opt));
CREATE TABLE oauth_key (kid varchar(128), ikm_key varchar(256), timestamp bigint default 0, lifetime integer default 0,
  as_rs_alg varchar(64) default '', realm varchar(127), primary key (kid));
SQL
}

key() { # USER REALM PASSWORD
	printf '%s:%s:%s' "$1" "$2" "$3" | md5sum | cut -c 1-32
}

schema | sqlite3 "$dir/turndb"
sqlite3 "$dir/turndb" "INSERT INTO turnusers_lt VALUES ('north.gov', 'ninefingers', '$(key ninefingers north.gov youhavetoberealistic)'),
 ('north.gov', 'gorst', '$(key gorst north.gov hero)'), ('north.gov', 'broken', 'not a key');
 INSERT INTO turn_secret VALUES ('north.gov', 'logen');
 INSERT INTO turn_realm_option VALUES ('north.gov', 'user-quota', '10000');"

mkdir "$dir/pg" "$dir/pgsock"
[ "$(id -u)" -ne 0 ] || chown postgres "$dir/pg" "$dir/pgsock"
as_postgres "$pg_bin/initdb" -D "$dir/pg" -U postgres -A trust -N >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log"; exit 1; }
start_postgresql() {
	as_postgres "$pg_bin/pg_ctl" -D "$dir/pg" -w -t 30 -o "-c listen_addresses='' -k $dir/pgsock -c fsync=off" start >"$dir/pg.log" 2>&1 || { cat "$dir/pg.log"; exit 1; }
	pg=yes
}
start_postgresql
sql() { psql -q -X -v ON_ERROR_STOP=1 -h "$dir/pgsock" -U postgres -d postgres; }
schema | sql || exit 1
echo "INSERT INTO turnusers_lt VALUES ('bligh.edu', 'bayaz', '$(key bayaz bligh.edu magi)');
INSERT INTO turn_origin_to_realm VALUES ('https://bligh.edu:443', 'bligh.edu');
INSERT INTO denied_peer_ip VALUES ('bligh.edu', '172.17.13.133-172.17.14.56');" | sql || exit 1

redis() { redis-cli -s "$dir/redis.sock" -n 2 "$@" >/dev/null; }
start_redis() {
	redis-server --port 0 --unixsocket "$dir/redis.sock" --save '' --dir "$dir" >"$dir/redis.log" 2>&1 &
	redis_pid=$!
	tries=0
	until redis ping 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { cat "$dir/redis.log"; exit 1; }
		sleep 0.1
	done
}
start_redis
redis set turn/realm/crinna.org/user/whirrun/key "$(key whirrun crinna.org sword)"
redis set turn/realm/crinna.org/user/whirrun/allocation/000000000000000001/status 'new lifetime=600'
redis sadd turn/realm/crinna.org/secret north library
redis sadd turn/realm/crinna.org/denied-peer-ip 123::77
redis set turn/origin/http://crinna.org:80 crinna.org
redis set turn/realm/crinna.org/total-quota 10000
redis hmset turn/oauth/kid/north ikm_key MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEK as_rs_alg A256GCM realm crinna.org

cat >"$dir/sluice.conf" <<CONF
dataplane = { workers = [ 1 ]; socket = "$dir/dp.sock";
  ports = ( { name = "wan"; device = "net_null0"; addresses = [ "192.0.2.1/24" ]; } ); };
turn = { listen = [ "192.0.2.1:3478" ]; relay_addresses = [ "192.0.2.1" ]; realm = "north.gov";
  users = ( { name = "gorst"; password = "another" } );
  user_sources = (
    { kind = "sqlite"; connect = "$dir/turndb"; refresh = 3600; },
    { kind = "postgresql"; connect = "host=$dir/pgsock user=postgres dbname=postgres password=is-not-shown"; refresh = 3600; },
    { kind = "redis"; connect = "redis://:wrong-password@127.0.0.1:1/2"; refresh = 3600; }
  ); };
control = { api_socket = "$dir/api.sock"; database = "$dir/db"; };
CONF
chmod 600 "$dir/sluice.conf"

start() {
	"$controlplane" --config "$dir/sluice.conf" 2>>"$dir/log" &
	pid=$!
	tries=0
	until "$ctl" turn sources --json 2>/dev/null | jq -e '.sources | length > 0' >/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { echo "the control plane does not start"; cat "$dir/log"; exit 1; }
		sleep 0.1
	done
}

# is WHAT FILTER COMMAND...: sluicectl's JSON fulfils the filter of jq.
is() {
	what=$1 filter=$2
	shift 2
	"$ctl" "$@" --json >"$dir/out" 2>&1
	jq -e "$filter" "$dir/out" >/dev/null 2>&1 && return
	echo "$what: expected $filter of '$*'"
	head -n 40 "$dir/out"
	failures=$((failures + 1))
}

# The same within five seconds: what a change has made possible is done in the desk's next turn.
is_soon() {
	wish=$1 soon=$2 tries=0
	shift 2
	until "$ctl" "$@" --json 2>/dev/null | jq -e "$soon" >/dev/null 2>&1 || [ $tries -ge 50 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
	is "$wish" "$soon" "$@"
}

refresh() { # STATUS
	"$ctl" turn refresh >"$dir/out" 2>&1
	got=$?
	[ $got -eq "$1" ] && return
	echo "turn refresh: $got instead of $1"
	head -n 40 "$dir/out"
	failures=$((failures + 1))
}

# ---- at the start: two of three can be read
start
is 'tables at the start' '[.sources[] | .state] == ["ok", "ok", "failing"]' turn sources
is 'one row is no user' '.sources[0] | .users == 2 and .bad_rows == 1 and (.bad_row | test("broken"))' turn sources
is 'no secret of the row is shown' '[.. | strings | select(test("not a key|is-not-shown|wrong-password"))] == []' turn sources
# The file's gorst goes before the table's.
is 'users of both' '[.users[] | select(.origin == "table") | .name] | sort == ["bayaz", "ninefingers"]' users list
is 'healthz or its reason' '.status == "unavailable" or (.warning | test("redis"))' healthz
grep -q 'wrong-password\|is-not-shown' "$dir/log" && { echo 'a password is in the log'; failures=$((failures + 1)); }

# ---- the third one comes by a reload; what was read of the others stays
sed -i "s|redis://:wrong-password@127.0.0.1:1/2|$dir/redis.sock|" "$dir/sluice.conf"
redis-cli -s "$dir/redis.sock" -n 0 set turn/realm/crinna.org/user/zero/key "$(key zero crinna.org x)" >/dev/null
"$ctl" reload >"$dir/out" 2>&1 || { echo 'reload'; cat "$dir/out"; failures=$((failures + 1)); }
refresh 0
is 'a socket without a database is database 0' '[.users[] | select(.origin == "table" and .realm == "crinna.org") | .name] == ["zero"]' users list
port=$((20000 + $$ % 10000))
redis-cli -s "$dir/redis.sock" config set port $port >/dev/null 2>&1
redis-cli -s "$dir/redis.sock" config set requirepass 'se@cret' >/dev/null
export REDISCLI_AUTH='se@cret'
if redis-cli -p $port ping >/dev/null 2>&1; then
	sed -i "s|connect = \"$dir/redis.sock\"|connect = \"redis://:se%40cret@127.0.0.1:$port/2\"|" "$dir/sluice.conf"
	"$ctl" reload >"$dir/out" 2>&1 || { echo 'reload'; cat "$dir/out"; failures=$((failures + 1)); }
	refresh 0
	is 'a database of its own, with a password' '[.users[] | select(.origin == "table" and .realm == "crinna.org") | .name] == ["whirrun"]' users list
else
	echo 'this Redis does not open a port while it runs'
	failures=$((failures + 1))
fi
is 'all tables' '[.sources[] | .state] == ["ok", "ok", "ok"]' turn sources
is 'realms of the tables' '[.realms[] | .name] | sort == ["bligh.edu", "crinna.org", "north.gov"]' turn realms

# ---- changes
sqlite3 "$dir/turndb" "DELETE FROM turnusers_lt WHERE name = 'ninefingers'; INSERT INTO turnusers_lt VALUES ('north.gov', 'dogman', '$(key dogman north.gov x)');"
echo "INSERT INTO turnusers_lt SELECT 'bligh.edu', 'student' || n, md5('student' || n || ':bligh.edu:x') FROM generate_series(1, 5000) n;" | sql
redis del turn/realm/crinna.org/user/whirrun/key
redis set turn/realm/crinna.org/user/shivers/key "$(key shivers crinna.org eye)"
refresh 0
is 'who came and went in SQLite and Redis' '[.users[] | select(.origin == "table" and .realm != "bligh.edu") | .name] | sort == ["dogman", "shivers"]' users list --limit 10000
is 'five thousand of PostgreSQL' '.sources[1].users == 5001' turn sources
is 'all are known' '.total == 5004' users list --limit 1

# ---- one goes away: what was read of it stays
as_postgres "$pg_bin/pg_ctl" -D "$dir/pg" -m immediate stop >/dev/null 2>&1
pg=''
sqlite3 "$dir/turndb" "INSERT INTO turnusers_lt VALUES ('north.gov', 'harding', '$(key harding north.gov x)');"
refresh 1
is 'the others go on' '[.sources[] | .state] == ["ok", "failing", "ok"] and .sources[1].users == 5001' turn sources
is 'its users stay' '.total == 5005' users list --limit 1
grep -q 'stays in force' "$dir/log" || { echo 'nothing was logged of it'; failures=$((failures + 1)); }
curl -s --unix-socket "$dir/api.sock" http://localhost/metrics >"$dir/out"
grep -q '^sluice_turn_source_up{source="postgresql://.*"} 0$' "$dir/out" || { echo 'no metric says it'; grep sluice_turn_source "$dir/out"; failures=$((failures + 1)); }
start_postgresql
echo "DELETE FROM turnusers_lt WHERE name LIKE 'student%';" | sql
refresh 0
is 'it is back' '.sources[1] | .state == "ok" and .users == 1' turn sources
is 'and its users with it' '.total == 5' users list --limit 1

# ---- a table that is damaged takes nobody away
echo "ALTER TABLE turnusers_lt RENAME TO gone;" | sql
refresh 1
is 'no table of users is an error' '.sources[1] | .state == "failing" and .users == 1 and (.trouble | test("turnusers_lt"))' turn sources
echo "ALTER TABLE gone RENAME TO turnusers_lt; DROP TABLE oauth_key;" | sql
refresh 0
is 'a table that older ones had not may be missing' '.sources[1] | .state == "ok" and .users == 1' turn sources

# ---- a realm comes for which there is no room: said once, what is in force goes on, and who makes room is heard
put_peers() {
	curl -s -o "$dir/out" -w '%{http_code}\n' --unix-socket "$dir/api.sock" -X PUT --data-binary @- http://localhost/v1/turn/peers >"$dir/status"
	grep -q '^20[02]$' "$dir/status" && return
	echo "PUT peers: $(cat "$dir/status")"
	head -c 1000 "$dir/out"
	failures=$((failures + 1))
}
jq -cn '{peers: [range(1000) | {deny: "10.\(. / 256 | floor).\(. % 256).0/24", realm: "crinna.org"}]}' | put_peers
redis flushdb
refresh 0
is 'the realm has gone' '[.realms[] | .name] | index("crinna.org") == null' turn realms
cp "$dir/sluice.conf" "$dir/before.conf"
awk 'function rules(net, n) { printf "peers = ("; for (i = 0; i < n; i++) printf "%s { deny = \"%d.%d.%d.0/24\"; }", i ? "," : "", net, i / 256, i % 256; print " );" }
	{ print }
	/^turn = / { rules(11, 1024); print "realms = ( { name = \"a\";"; rules(12, 1024); print "}, { name = \"b\";"; rules(13, 1024); print "}, { name = \"c\";"; rules(14, 200); print "} );" }' \
	"$dir/before.conf" >"$dir/sluice.conf"
"$ctl" reload >"$dir/out" 2>&1 || { echo 'reload'; head -c 1000 "$dir/out"; failures=$((failures + 1)); }
redis set turn/realm/crinna.org/user/shivers/key "$(key shivers crinna.org eye)"
redis set turn/realm/north.gov/user/pike/key "$(key pike north.gov eye)"
refresh 0
is 'users go on' '[.users[] | select(.name == "pike")] | length == 1' users list
jq -n '{peers: [{deny: "10.0.0.0/8", realm: "north.gov"}]}' | put_peers
refresh 0
is_soon 'there is room' '[.realms[] | .name] | index("crinna.org") != null' turn realms
for line in 'cannot be told as it shall be.*too many rules' 'can be told as it shall be again'; do
	[ "$(grep -c "$line" "$dir/log")" -eq 1 ] || { echo "not once in the log: $line"; grep 'shall be' "$dir/log"; failures=$((failures + 1)); }
done
jq -n '{peers: []}' | put_peers
cp "$dir/before.conf" "$dir/sluice.conf"
"$ctl" reload >"$dir/out" 2>&1 || { echo 'reload'; cat "$dir/out"; failures=$((failures + 1)); }
redis del turn/realm/north.gov/user/pike/key
refresh 0

# ---- the next one reads all again before it provisions
kill "$pid"
wait "$pid" || { echo 'it did not end well'; tail "$dir/log"; failures=$((failures + 1)); }
start
is 'after a restart' '.total == 5' users list --limit 1

[ $failures -eq 0 ] || { tail -n 20 "$dir/log"; exit 1; }

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# SIP's part of the HTTP API as programs use it: accounts with scopes and tenants, ETags, idempotency keys over a restart, large imports,
# durability. What sluicectl shows of it is sluicectl_test's.
# usage: sip_api_test.sh SLUICECTL SLUICE_CONTROLPLANE
ready='tenant list'
. "$(dirname "$0")/api_rig.sh"

cat >"$dir/sluice.conf" <<CONF
dataplane = { workers = [ 1 ]; socket = "$dir/dp.sock";
  ports = ( { name = "wan"; device = "net_null0"; addresses = [ "192.0.2.1/24" ]; } ); };
media = { addresses = ( { interface = "public"; address = "192.0.2.1"; } ); ng = { udp = ( ); }; };
sip = { listeners = ( { name = "access"; role = "access"; transport = "udp"; address = "127.0.0.1:$((port + 10000))"; media = "public"; } ); };
control = { api_socket = "$dir/api.sock"; database = "$dir/db"; api_tcp = "127.0.0.1:$port"; api_token = "an-administrators-token"; };
CONF
chmod 600 "$dir/sluice.conf"

header() { # NAME: of the last answer
	sed -n "s/^$1: *//Ip" "$dir/head" | tr -d '\r'
}

start
who=$admin

# ---- resources, and their ETags
ask 201 '.name == "acme"' PUT /v1/tenants/acme '{"name": "acme"}'
ask 201 '.name == "rival"' PUT /v1/tenants/rival '{"name": "rival"}'
ask 201 '.' PUT /v1/domains/acme.example '{"name": "acme.example", "tenant": "acme"}'
ask 201 '.' PUT /v1/domains/rival.example '{"name": "rival.example", "tenant": "rival"}'
ask 201 '(has("password") or has("ha1_md5")) | not' PUT /v1/users/alice@acme.example \
	'{"name": "alice", "domain": "acme.example", "password": "wonderland-1"}'
ask 201 '.' PUT /v1/users/eve@rival.example '{"name": "eve", "domain": "rival.example", "password": "eavesdropper"}'
ask 200 '.name == "acme"' GET /v1/tenants/acme
etag=$(header etag)
ask 200 '.limits.concurrent == 3' PUT /v1/tenants/acme '{"name": "acme", "limits": {"concurrent": 3}}' -H "If-Match: $etag"
ask 412 '.error' PUT /v1/tenants/acme '{"name": "acme", "limits": {"concurrent": 4}}' -H "If-Match: $etag"
ask 412 '.error' DELETE /v1/users/alice@acme.example '' -H "If-Match: $etag"
ask 400 '.error' PUT /v1/tenants/acme '{"name": "acme"}' -H 'If-Match: "a", "b"'
ask 200 '.limits.concurrent == 3' GET /v1/tenants/acme
ask 400 '.field == "limits.concurrent"' PUT /v1/tenants/acme '{"name": "acme", "limits": {"concurrent": -1}}'
ask 400 '.error | contains("line 1")' PUT /v1/tenants/acme '{"name"'
ask 400 '.' PUT /v1/tenants/acme '{"name": "acme", "name": "acme"}'
ask 405 '.' POST /v1/tenants '{"name": "x"}'
ask 405 '.' PUT /v1/tenants '{"name": "x"}'
ask 409 '.' DELETE /v1/tenants/acme
ask 404 '.' DELETE /v1/tenants/nobody

# ---- all arguments count, or none
args='a=&b=2&&d=4&e=5&f=6&g=7&h=8&i=9&j=10'
ask 200 '.total == 0' GET "/v1/domains?$args&tenant=nobody"
ask 400 '.error | contains("arguments")' GET "/v1/domains?$args&k=11&l=12&m=13&n=14&o=15&p=16&tenant=acme"
ask 400 '.error | contains("arguments")' DELETE "/v1/registrations/alice@acme.example?x=$(printf '%02100d' 0)&contact=sip:a"

# ---- the same key: once; another request with it: refused
key='Idempotency-Key: order-66'
ask 201 '.name == "once"' PUT /v1/tenants/once '{"name": "once"}' -H "$key"
first=$(header etag)
ask 201 '.name == "once"' PUT /v1/tenants/once '{"name": "once"}' -H "$key"
[ "$(header idempotent-replayed)" = true ] && [ "$(header etag)" = "$first" ] || { echo 'not replayed'; failures=$((failures + 1)); }
ask 422 '.field == "Idempotency-Key"' PUT /v1/tenants/once '{"name": "once", "limits": {"cps": 1}}' -H "$key"
ask 422 '.' DELETE /v1/tenants/once '' -H "$key"
ask 200 '.' DELETE /v1/tenants/once '' -H 'Idempotency-Key: order-67'
ask 200 '.status == "deleted"' DELETE /v1/tenants/once '' -H 'Idempotency-Key: order-67'
ask 404 '.' DELETE /v1/tenants/once '' -H 'Idempotency-Key: order-68'
ask 201 '.' PUT /v1/tenants/once '{"name": "once"}'
ask 200 '.' DELETE /v1/tenants/once '' -H 'Idempotency-Key: order-68' # a failure was not kept
ask 400 '.' DELETE /v1/tenants/once '' -H "Idempotency-Key: $(printf '%0129d' 0)"
ask 400 '.' DELETE /v1/tenants/once '' -H 'Idempotency-Key: a b'

# ---- who may what
who='Authorization: Bearer nobody'
ask 401 '.error' GET /v1/tenants
who=$(token reader read)
ask 200 '.total == 2' GET /v1/tenants
ask 200 '.dataplane' GET /v1/status
ask 403 '.error | contains("provision")' PUT /v1/tenants/x '{"name": "x"}'
ask 403 '.error | contains("calls")' DELETE /v1/calls/CA00000000000000000000000000000000
ask 403 '.' GET /v1/config
ask 403 '.' GET /v1/tokens
ask 403 '.' POST /v1/reload ''
ask 403 '.' POST /v1/turn/users '{"name": "a", "password": "b"}'
who=$(token caller calls)
ask 404 '.error | contains("no call")' DELETE /v1/calls/CA00000000000000000000000000000000
ask 403 '.' GET /v1/calls
who=$(token builder read,provision)
ask 201 '.' PUT /v1/domains/built.example '{"name": "built.example", "tenant": "acme"}'
ask 403 '.' PUT /v1/tokens/more '{"name": "more", "scopes": ["admin"], "secret": "0123456789abcdef0123456789abcdef"}'
ask 403 '.' PUT /v1/config '{}'

# ---- whose things
who=$(token rivals read,calls,provision rival)
ask 200 '.total == 1 and .tenants[0].name == "rival"' GET /v1/tenants
ask 200 '.total == 1 and .domains[0].name == "rival.example"' GET '/v1/domains?tenant=acme'
ask 200 '.total == 1 and .users[0].name == "eve"' GET /v1/users
ask 404 '.' GET /v1/tenants/acme
ask 404 '.' GET /v1/users/alice@acme.example
ask 404 '.' DELETE /v1/users/alice@acme.example
ask 404 '.' PUT /v1/users/alice@acme.example '{"name": "alice", "domain": "acme.example", "password": "stolen-password"}'
ask 403 '.field == "domain"' PUT /v1/users/spy@acme.example '{"name": "spy", "domain": "acme.example", "password": "stolen-password"}'
ask 403 '.field == "tenant"' PUT /v1/domains/mine.example '{"name": "mine.example", "tenant": "acme"}'
ask 404 '.' PUT /v1/domains/acme.example '{"name": "acme.example", "tenant": "rival"}'
ask 403 '.' PUT /v1/tenants/rival '{"name": "rival", "limits": {"concurrent": 0}}'
ask 201 '.' PUT /v1/domains/mine.example '{"name": "mine.example", "tenant": "rival"}'
ask 403 '.error | contains("whole node")' GET /v1/status
ask 403 '.' GET /metrics
ask 404 '.' GET /v1/registrations/alice@acme.example
ask 404 '.' GET '/v1/routes/test?from=alice@acme.example&to=1'
ask 200 '.events | length > 0 and all(.tenant == "rival")' GET /v1/events
ask 200 '.cdrs == []' GET '/v1/cdrs?tenant=acme'

# ---- everything at once, and what is too much
who=$admin
ask 200 '.users | length == 2 and all(has("ha1_sha256"))' GET /v1/config
jq '.users += [range(5000) | {name: "u\(.)", domain: "acme.example", ha1_md5: ("0" * 32), ha1_sha256: ("0" * 64)}]' "$dir/out" >"$dir/big.json"
cp "$dir/out" "$dir/small.json"
ask 200 '.' PUT /v1/config "@$dir/big.json" -H 'Expect:'
ask 200 '.total == 5002 and (.users | length == 3)' GET '/v1/users?limit=3&offset=4000'
jq '.users += [{name: "bad", domain: "nowhere.example"}]' "$dir/small.json" >"$dir/bad.json"
ask 400 '.error | contains("bad")' PUT /v1/config "@$dir/bad.json" -H 'Expect:'
ask 200 '.total == 5002' GET '/v1/users?limit=1'
ask 413 '.' PUT /v1/users/u1@acme.example "@$dir/big.json" -H 'Expect:'
ask 200 '.' PUT /v1/config "@$dir/small.json" -H 'Expect:'

# ---- durable before 200: what was answered is there after kill -9
kill -9 "$("$ctl" status --json | jq -r .controlplane.pid)"
tries=0
until "$ctl" tenant show acme >/dev/null 2>&1 || [ $tries -ge 100 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
ask 200 '.limits.concurrent == 3' GET /v1/tenants/acme
ask 200 '.total == 2' GET /v1/users
ask 200 '.' DELETE /v1/tenants/once '' -H 'Idempotency-Key: order-68'
[ "$(header idempotent-replayed)" = true ] || { echo 'an answer is not kept over a restart'; failures=$((failures + 1)); }
python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE answers SET created = created - 86401")
db.commit()' "$dir/db"
ask 404 '.' DELETE /v1/tenants/once '' -H 'Idempotency-Key: order-68' # a day later
if grep -aq 'wonderland-1\|an-administrators-token' "$dir/db" "$dir/db-wal" "$dir/log"; then
	echo 'a secret is in the database or the log'
	failures=$((failures + 1))
fi
[ "$failures" -eq 0 ] || echo "$failures failed"
exit $((failures > 0))

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# TURN's live settings as operators and programs steer them: every request of /v1/turn that the desk answers and every "sluicectl turn" of it, who may ask what, and
# what each wrong one is told, against a control plane that has no dataplane. What a dataplane does with it is the lab's.
# usage: turn_api_test.sh SLUICECTL SLUICE_CONTROLPLANE
ready='turn realms'
group=turn
. "$(dirname "$0")/api_rig.sh"

# write_config WHAT: with this in the group turn.
write_config() {
	cat >"$dir/sluice.conf" <<CONF
dataplane = { workers = [ 1 ]; socket = "$dir/dp.sock";
  ports = ( { name = "wan"; device = "net_null0"; addresses = [ "192.0.2.1/24", "2001:db8:1::1/64" ]; } ); };
turn = { listen = [ "192.0.2.1:3478", "[2001:db8:1::1]:3478" ]; relay_addresses = [ "192.0.2.1" ]; realm = "example.org"; secrets = [ "rest" ];
  users = ( { name = "alice"; password = "x"; } ); peers = ( { deny = "198.51.100.0/24"; } ); restricted = { addresses = [ "198.51.100.7" ]; };
  realms = ( { name = "other.example"; origins = [ "https://app.other.example" ]; }, { name = "third.example"; listeners = [ "[2001:db8:1::1]:3478" ]; secrets = [ "third" ]; } );
  $1 };
media = { addresses = ( { interface = "public"; address = "192.0.2.1"; } ); ng = { udp = ( ); }; };
sip = { listeners = ( { name = "access"; role = "access"; transport = "udp"; address = "127.0.0.1:$((port + 10000))"; media = "public"; } ); };
control = { api_socket = "$dir/api.sock"; database = "$dir/db"; api_tcp = "127.0.0.1:$port"; api_token = "an-administrators-token"; };
CONF
	chmod 600 "$dir/sluice.conf"
}

# ---- the command line by itself
expect 2 'missing' deny
expect 2 'too many' deny 10.0.0.0/8 10.1.0.0/16
expect 2 'does not have' deny 10.0.0.0/8 --ttl 5
expect 2 'takes on, off or status' drain maybe
expect 2 'seconds' drain on --ttl soon
expect 3 'no socket' realms
for command in realms peers allow deny remove restricted restrict unrestrict drain load credentials; do
	expect 0 "Usage: sluicectl turn $command" $command --help
done

write_config ''
start
who=$admin

# ---- realms
ask 200 '.total == 3 and ([.realms[].name] == ["example.org", "other.example", "third.example"]) and .realms[0].default and .realms[0].users.config == 1' GET /v1/turn/realms
ask 200 '.realms[1].origins == ["https://app.other.example"] and .realms[2].listeners == ["[2001:db8:1::1]:3478"] and .realms[1].secrets == 0' GET /v1/turn/realms
ask 405 '.error' POST /v1/turn/realms '{}'
expect 0 'third.example' realms
ask 503 '.error' GET /v1/turn/load
expect 1 'not attached' load
ask 200 '.total == 0' GET /v1/turn/alternates

# ---- users of a realm
ask 202 '.status == "stored"' POST /v1/turn/users '{"name": "bob", "password": "x", "realm": "other.example"}'
ask 200 '.total == 1 and .users[0].realm == "other.example" and .users[0].usable' GET '/v1/turn/users?realm=other.example'
ask 400 '.field == "realm"' POST /v1/turn/users '{"name": "bob", "password": "x", "realm": "nobody"}'
ask 404 '.field == "name"' DELETE /v1/turn/users/bob
ask 202 '.' DELETE '/v1/turn/users/bob?realm=other.example'

# ---- peers
ask 200 '.live == 0 and .total == 1 and .peers[0] == {"action": "deny", "prefix": "198.51.100.0/24", "realm": null, "origin": "config"}' GET /v1/turn/peers
ask 202 '.status == "stored"' PUT /v1/turn/peers '{"peers": [{"allow": "10.0.0.0/8"}, {"deny": "2001:db8::/32", "realm": "third.example"}]}'
ask 202 '.' POST /v1/turn/peers '{"deny": "10.1.0.0/16", "position": 1}'
ask 200 '[.peers[].prefix] == ["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32", "198.51.100.0/24"] and .live == 3' GET /v1/turn/peers
ask 202 '.' POST /v1/turn/peers '{"allow": "10.1.0.0/16"}'
ask 200 '.live == 3 and .peers[0].prefix == "10.1.0.0/16" and .peers[0].action == "allow"' GET /v1/turn/peers
ask 400 '.field == "deny" and (.error | contains("host bits"))' POST /v1/turn/peers '{"deny": "10.0.0.1/8"}'
ask 400 '.field == "deny"' POST /v1/turn/peers '{"deny": 7}'
ask 400 '.error | contains("either allow or deny")' POST /v1/turn/peers '{"deny": "10.0.0.0/8", "allow": "10.0.0.0/8"}'
ask 400 '.error | contains("either allow or deny")' POST /v1/turn/peers '{}'
ask 400 '.field == "realm"' POST /v1/turn/peers '{"deny": "10.0.0.0/8", "realm": "nobody"}'
ask 400 '.field == "position"' POST /v1/turn/peers '{"deny": "10.0.0.0/8", "position": -1}'
ask 400 '.field == "colour"' POST /v1/turn/peers '{"deny": "10.0.0.0/8", "colour": "red"}'
ask 400 '.field == "peers"' PUT /v1/turn/peers '{"peers": {}}'
ask 400 '.error | contains("must be an object")' PUT /v1/turn/peers '[]'
ask 400 '.error | contains("must be an object")' PUT /v1/turn/peers '{"peers": ['
ask 405 '.error' PUT /v1/turn/peers/10.0.0.0/8 '{}'
ask 404 '.error' DELETE /v1/turn/peers/198.51.100.0/24
ask 404 '.error' DELETE /v1/turn/peers/2001:db8::/32
ask 202 '.' DELETE '/v1/turn/peers/2001:db8::/32?realm=third.example'
jq -n '{peers: [range(1025) | {deny: "10.\(. / 256 | floor).\(. % 256).0/24"}]}' >"$dir/many.json"
ask 400 '.field == "peers" and (.error | contains("at most 1024"))' PUT /v1/turn/peers "@$dir/many.json"
ask 200 '.live == 2' GET /v1/turn/peers
expect 0 'stored' deny 10.2.0.0/16 --realm other.example
expect 0 'deny +10.2.0.0/16 +other.example +api' peers
expect 1 'no such entry' remove 10.2.0.0/16
expect 0 'stored' remove 10.2.0.0/16 --realm other.example
expect 1 'host bits' allow 10.2.0.1/16

# ---- the restricted register
ask 202 '.' POST /v1/turn/restricted '{"addresses": ["203.0.113.0/24", "2001:db8:7::/48"], "accounts": [{"name": "mallory"}, {"name": "mallory", "realm": "third.example"}]}'
ask 200 '.total == 5 and .live == 4 and (.restricted | map(select(.account == "mallory")) | length == 2)' GET /v1/turn/restricted
ask 200 '.total == 5 and (.restricted | length == 1) and .restricted[0].origin == "config"' GET '/v1/turn/restricted?limit=2&offset=4'
ask 202 '.' DELETE '/v1/turn/restricted?account=mallory'
ask 404 '.' DELETE '/v1/turn/restricted?account=mallory'
ask 404 '.' DELETE '/v1/turn/restricted?address=198.51.100.7'
ask 202 '.' DELETE /v1/turn/restricted '{"accounts": [{"name": "mallory", "realm": "third.example"}], "addresses": ["203.0.113.0/24"]}'
ask 200 '.live == 1' GET /v1/turn/restricted
ask 400 '.field == "address"' DELETE /v1/turn/restricted
ask 400 '.error | contains("lists addresses or accounts")' POST /v1/turn/restricted '{}'
ask 400 '.field == "addresses"' POST /v1/turn/restricted '{"addresses": ["nowhere"]}'
ask 400 '.field == "accounts"' POST /v1/turn/restricted '{"accounts": [{"name": ""}]}'
ask 400 '.field == "accounts"' POST /v1/turn/restricted '{"accounts": ["mallory"]}'
ask 400 '.field == "realm"' POST /v1/turn/restricted '{"accounts": [{"name": "mallory", "realm": "nobody"}]}'
jq -n '{addresses: [range(65536) | "10.\(. / 256 | floor).\(. % 256).1"]}' >"$dir/many.json"
ask 409 '.error | contains("more than 65536")' PUT /v1/turn/restricted "@$dir/many.json"
jq -n '{addresses: [range(65535) | "10.\(. / 256 | floor).\(. % 256).1"]}' >"$dir/many.json"
ask 202 '.' PUT /v1/turn/restricted "@$dir/many.json"
ask 200 '.total == 65536' GET '/v1/turn/restricted?limit=1'
ask 409 '.error | contains("more than 65536")' POST /v1/turn/restricted '{"accounts": [{"name": "one too many"}]}'
ask 202 '.' PUT /v1/turn/restricted '{"accounts": []}'
expect 0 'stored' restrict 203.0.113.0/24
expect 0 'stored' restrict mallory --realm third.example
expect 0 'account +mallory +third.example +api' restricted
expect 0 'stored' unrestrict mallory --realm third.example
expect 1 'no such entry' unrestrict mallory --realm third.example

# ---- drain
ask 200 '.draining == false' GET /v1/turn/drain
ask 400 '.field == "max_lifetime_s"' POST /v1/turn/drain '{"max_lifetime_s": 1}'
ask 400 '.field == "max_lifetime_s"' POST /v1/turn/drain '{"max_lifetime_s": "long"}'
ask 202 '.' POST /v1/turn/drain '{"max_lifetime_s": 300}'
ask 200 '.draining and .max_lifetime_s == 300 and .done == false' GET /v1/turn/drain
expect 0 'drain' drain status

# ---- everything kept
kill "$pid" && wait "$pid"
start
ask 200 '.live == 2 and .peers[0].prefix == "10.1.0.0/16"' GET /v1/turn/peers
ask 200 '.live == 1 and .restricted[0].address == "203.0.113.0/24"' GET /v1/turn/restricted
ask 200 '.draining and .max_lifetime_s == 300' GET /v1/turn/drain
ask 200 '.turn.draining and .turn.live_peer_rules == 2 and .turn.realms == 3' GET /v1/status
expect 0 'stored' drain off
ask 200 '.draining == false' GET /v1/turn/drain
ask 200 '[.events[] | select(.type == "turn.drain")] | length == 1' GET /v1/events

# ---- credentials
ask 200 '.username | test("^[0-9]+:carol$")' POST /v1/turn/credentials '{"user": "carol", "ttl": 600}'
grep -qi '^cache-control: no-store' "$dir/head" || { echo "a credential may be kept by caches"; failures=$((failures + 1)); }
password=$(jq -r .username "$dir/out" | tr -d '\n' | openssl dgst -sha1 -hmac rest -binary | base64)
[ "$password" = "$(jq -r .credential "$dir/out")" ] || { echo "the credential is not the HMAC of its user name"; failures=$((failures + 1)); }
ask 200 '.urls == ["turn:192.0.2.1:3478?transport=udp"] and .uris == .urls and .password == .credential and .iceServers[0] == {urls, username, credential}' POST \
	/v1/turn/credentials
ask 200 '.ttl == 86400 and (.username | test("^[0-9]+$"))' GET '/v1/turn/credentials?service=turn'
ask 200 '.urls == ["turn:[2001:db8:1::1]:3478?transport=udp"] and .realm == "third.example"' GET '/v1/turn/credentials?service=turn&username=x&realm=third.example'
ask 409 '.field == "realm" and (.error | contains("has no secret"))' POST /v1/turn/credentials '{"realm": "other.example"}'
ask 400 '.field == "service"' GET '/v1/turn/credentials?service=stun'
ask 400 '.field == "ttl"' GET '/v1/turn/credentials?service=turn&ttl=1'
ask 400 '.field == "ttl"' POST /v1/turn/credentials '{"ttl": 2592001}'
ask 400 '.field == "ttl"' POST /v1/turn/credentials '{"ttl": "long"}'
ask 400 '.field == "user"' POST /v1/turn/credentials '{"user": 7}'
ask 400 '.field == "user"' POST /v1/turn/credentials "{\"user\": \"$(printf '%0600d' 0)\"}"
ask 405 '.error' DELETE /v1/turn/credentials
expect 0 'turn:192.0.2.1:3478' credentials --user carol --ttl 600
# With an Idempotency-Key too nothing of it is kept.
ask 200 '.' POST /v1/turn/credentials '{"user": "idempotent"}' -H 'Idempotency-Key: one'
! grep -qa idempotent "$dir/db" "$dir/db-wal" || { echo "a credential was kept"; failures=$((failures + 1)); }

# ---- who may what
read_only=$(token reader read)
turn_only=$(token steward turn)
who=$read_only
ask 200 '.' GET /v1/turn/realms
ask 403 '.error | contains("turn")' GET '/v1/turn/credentials?service=turn'
ask 403 '.error' POST /v1/turn/peers '{"deny": "10.9.0.0/16"}'
ask 403 '.error' POST /v1/turn/drain
who=$turn_only
ask 200 '.' POST /v1/turn/credentials
ask 202 '.' POST /v1/turn/peers '{"deny": "10.9.0.0/16"}'
ask 202 '.' POST /v1/turn/users '{"name": "dave", "password": "x"}'
ask 403 '.error' PUT /v1/guard/bans/203.0.113.9 '{}'
who='Authorization: Bearer nobody'
ask 401 '.error' GET /v1/turn/realms
who=$admin

# ---- a reload: names of listeners and hosts; live settings stay
write_config 'host_name = "turn.example.org"; alternates = ( { server = "192.0.2.9:3478"; weight = 3; } ); redirect_above = 90;'
ask 200 '.' POST /v1/reload ''
ask 200 '.urls == ["turn:turn.example.org:3478?transport=udp"]' POST /v1/turn/credentials
ask 200 '.redirect_above == 90 and .alternates[0].server == "192.0.2.9:3478" and .alternates[0].weight == 3 and .alternates[0].polled == false' GET /v1/turn/alternates
ask 200 '.live == 3' GET /v1/turn/peers
[ "$failures" -eq 0 ] || echo "$failures failed"
exit $((failures > 0))

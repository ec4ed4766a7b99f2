#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Realms by listener, server name and ORIGIN; secrets in rotation; credentials from the API; quotas in allocations and bits; restricted clients; live peer
# rules; 300 and drain.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/turn.sh"

realm_of() { # OPTIONS of turn_client.py allocate: the realm that the client was told
	turn_client allocate "$@" | jq -r .realm
}

over_tls() {
	turn_client allocate --over tls --server "$SERVICE_IP4:$TLS_PORT" "$@"
}

realms_with() { # SECRETS QUOTAS: the value of turn.realms
	printf '( { name = "other.test"; users = ( { name = "bob"; password = "lab-password"; } ); secrets = [ %s ]; server_names = [ "other.test" ];
		origins = [ "https://other.example" ]; %s }, { name = "third.test"; users = ( { name = "alice"; password = "third-password"; } );
		listeners = [ "192.0.2.1:3479" ]; peers = ( { deny = "198.51.100.11"; } ); } )' "$1" "${2:-}" | tr -d '\n'
}

bob() { # COMMAND OPTIONS: as the user of other.test
	local command=$1
	shift
	turn_client "$command" --user bob --origin https://other.example "$@"
}

hold() { # N OPTIONS of turn_client.py: so many allocations, until `release`
	local i n=$1
	shift
	holders=()
	for ((i = 0; i < n; i++)); do
		rm -f "$WORK/hold.$i"
		turn_client allocate --hold 60 --ready-file "$WORK/hold.$i" "$@" >/dev/null 2>&1 &
		holders+=($!)
	done
	for ((i = 0; i < n; i++)); do
		wait_ready "$WORK/hold.$i" || return 1
	done
}

release() {
	local i
	for ((i = 0; i < ${#holders[@]}; i++)); do
		stop_client "$WORK/hold.$i"
	done
	wait "${holders[@]}"
	holders=()
}

code() { # OPTIONS of turn_client.py allocate: the error code, 0 for none
	turn_client allocate "$@" | jq -r .error
}

allocations() { # FILTER: how many of those that the API lists
	api /v1/allocations | jq "[.allocations[] | select($1)] | length"
}

drained() {
	api /v1/turn/drain | jq -e '.allocations == 0'
}

turn_up --set "listen=[ \"192.0.2.1:3478\", \"192.0.2.1:3479\", \"[2001:db8:1::1]:3478\" ]" --set "realms=$(realms_with '"old-secret"')" \
	--set user_quota=3 --set total_quota=6
start_turnutils_peer || exit 1

check "the default realm" is "$(realm_of)" = lab.test
check "a listener's realm" is "$(realm_of --server "$SERVICE_IP4:3479" --password third-password)" = third.test
check "a server name's realm" is "$(over_tls --server-name other.test --user bob | jq -r .realm)" = other.test
check "no such name, the default realm" is "$(over_tls | jq -r .realm)" = lab.test
check "an ORIGIN's realm" is "$(realm_of --user bob --origin https://other.example)" = other.test
check "a strange ORIGIN changes nothing" is "$(realm_of --origin https://strange.example)" = lab.test
check "ORIGIN goes before the server name" is "$(over_tls --server-name lab.test --user bob --origin https://other.example | jq -r .realm)" = other.test
check "a user is one of his realm" is "$(code --user bob)" = 401
check "the same name has another password elsewhere" is "$(code --server "$SERVICE_IP4:3479")" = 401
check "peers are denied by realm" turn_client permission --expect 403 --server "$SERVICE_IP4:3479" --password third-password --peer 198.51.100.11:3480
check "and allowed in others" turn_client permission --expect 0 --peer 198.51.100.11:3480
together "Debian's client names an origin (-o), among others" uclient -t -o https://other.example -u bob -n 5 -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"

# Secrets in rotation.
check "a secret's user" bob allocate --rest-secret old-secret
set_option realms "$(realms_with '"new-secret", "old-secret"')"
check "a new one is added by reload" ctl reload
check "both serve" bob allocate --rest-secret new-secret
check "for a while" bob allocate --rest-secret old-secret
set_option realms "$(realms_with '"new-secret"')"
check "the old one is taken away" ctl reload
check "and serves no more" is "$(code --user bob --origin https://other.example --rest-secret old-secret)" = 401
check "an expired name serves neither" is "$(code --user bob --origin https://other.example --rest-secret new-secret --rest-expiry -10)" = 401

# Credentials as a WebRTC front end asks for them.
api /v1/turn/credentials -X POST -H 'Content-Type: application/json' -d '{"user":"carol","ttl":600}' >"$WORK/credentials.json"
check "credentials: every member of the form" jq -e '.username and .credential and .ttl == 600 and (.urls | length > 0)' "$WORK/credentials.json"
check "urls of each transport" jq -e '.urls | any(startswith("turn:") and endswith("transport=udp")) and any(startswith("turn:") and endswith("transport=tcp"))
	and any(startswith("turns:") and endswith("transport=tcp"))' "$WORK/credentials.json"
issued=$(jq -r .username "$WORK/credentials.json") credential=$(jq -r .credential "$WORK/credentials.json")
together "Debian's client is served with them" uclient -t -u "$issued" -w "$credential" -n 5 -e "$PEER_IP4" -r 3480 -X "$SERVICE_IP4"
check_not "not with a longer life than was signed" turn_client allocate --user "9${issued#?}" --password "$credential"
api /v1/turn/credentials -X POST -H 'Content-Type: application/json' -d '{"user":"carol","realm":"other.test"}' >"$WORK/credentials.json"
check "of another realm" turn_client allocate --origin https://other.example --user "$(jq -r .username "$WORK/credentials.json")" \
	--password "$(jq -r .credential "$WORK/credentials.json")"
check_together
check "they are not kept by caches" grep -qi 'cache-control: no-store' <(api /v1/turn/credentials -i -X POST -H 'Content-Type: application/json' -d '{"user":"x"}')
check "a realm without a secret says so" is "$(api /v1/turn/credentials -o /dev/null -w '%{http_code}' -X POST -d '{"user":"x","realm":"third.test"}')" -ge 400

# Numbers of allocations.
hold 3
check "a user's quota: 486" is "$(code)" = 486
check "nobody else's" bob allocate
release
check "and only while they last" turn_client allocate
set_option realms "$(realms_with '"new-secret"' 'realm_quota = 2;')"
check "a realm's quota by reload" ctl reload
hold 2 --user bob --origin https://other.example
check "486 for any user of it" is "$(code --user carol --origin https://other.example --rest-secret new-secret)" = 486
check "nobody else's" turn_client allocate
release
set_option realms "$(realms_with '"new-secret"')"
set_option user_quota 0
check "no more user's quota" ctl reload
hold 6
check "the node's quota: 508" is "$(code)" = 508
check "for other realms as well" is "$(code --user bob --origin https://other.example)" = 508
release

# Bits.
set_option bandwidth '{ session = { up = 400; }; }'
check "a session's bandwidth by reload" ctl reload
check "400 kbit/s of a session pass" turn_case bandwidth --argument 400 --seconds 2
set_option bandwidth '{ user = { up = 300; }; }'
check "a user's" ctl reload
check "300 kbit/s of a user pass" turn_case bandwidth --argument 300 --seconds 2
set_option bandwidth '{ node = { up = 500; soft_up = 200; }; }'
check "the node's" ctl reload
quota_drops=$(drop quota_limit)
check "500 kbit/s of the node pass" turn_case bandwidth --argument 500 --seconds 2
check "the rest was dropped by name" is "$(drop quota_limit)" -gt "$quota_drops"
set_option bandwidth '{ }'
check "none again" ctl reload
check "then nothing is lost" turn_client stream --peer "$PEER_IP4:3480" --rate 400 --size 1000 --seconds 1

# Restricted clients.
restricted_before=$(counter allocations_restricted)
check "an address is restricted by the API" ctl turn restrict 192.0.2.11
check "and an account" ctl turn restrict alice
check "they are listed" is "$(api /v1/turn/restricted | jq '[.restricted[]] | length')" -ge 2
check "its allocation" turn_client allocate --local "$CLIENT_IP4:0" --user bob --origin https://other.example
check "of another client is not marked" is "$(counter allocations_restricted)" -eq "$restricted_before"
check "that of the address" turn_client allocate --local 192.0.2.11:0 --user bob --origin https://other.example
check "is, and is counted" is "$(counter allocations_restricted)" -eq $((restricted_before + 1))
hold 1
check "so is that of the account" is "$(counter allocations_restricted)" -eq $((restricted_before + 2))
check "and shown" is "$(allocations .restricted)" -eq 1
release

# Peers, live.
check "before: a permission" turn_client permission --expect 0 --peer 198.51.100.11:3480
check "a peer is denied" ctl turn deny 198.51.100.11/32
check "at once" sl_wait_for 3 turn_client permission --expect 403 --peer 198.51.100.11:3480
check "others are not" turn_client permission --expect 0 --peer "$PEER_IP4:3480"
check "and allowed again" ctl turn remove 198.51.100.11/32
check "at once, too" sl_wait_for 3 turn_client permission --expect 0 --peer 198.51.100.11:3480

# Drain.
hold 2
check "drain" ctl turn drain on
check "no new clients: 508 without an alternate" is "$(code)" = 508
check "existing ones are refreshed and shown as progress" is "$(api /v1/turn/drain | jq .allocations)" -eq 2
set_option alternates '( { server = "192.0.2.99:3478"; }, { server = "192.0.2.99:3478"; transport = "tcp"; }, { server = "[2001:db8:1::99]:3478"; } )'
check "alternates by reload" ctl reload
check "then 300, and where to" turn_case alternate --argument 192.0.2.99:3478
release
check "drained" sl_wait_for 10 drained
check "and the end of it" ctl turn drain off
check "serves again" turn_client allocate
check "no packet met an internal error" is "$(drop internal)" -eq 0
finish

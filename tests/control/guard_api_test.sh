#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# The guard as operators and programs steer it: every request of /v1/guard and every "sluicectl guard", and what each wrong one is told, against a
# control plane that has no dataplane. What a dataplane does with it is the lab's.
# usage: guard_api_test.sh SLUICECTL SLUICE_CONTROLPLANE
ready='guard list'
group=guard
. "$(dirname "$0")/api_rig.sh"

cat >"$dir/sluice.conf" <<CONF
dataplane = { workers = [ 1 ]; socket = "$dir/dp.sock";
  ports = ( { name = "wan"; device = "net_null0"; addresses = [ "192.0.2.1/24" ]; } ); };
turn = { listen = [ "192.0.2.1:3478" ]; relay_addresses = [ "192.0.2.1" ]; realm = "example.org"; };
media = { addresses = ( { interface = "public"; address = "192.0.2.1"; } ); ng = { udp = ( ); }; };
sip = { listeners = ( { name = "access"; role = "access"; transport = "udp"; address = "127.0.0.1:$((port + 10000))"; media = "public"; } ); };
guard = { allow = ( "198.51.100.0/24" ); deny_files = ( "deny.txt" ); limits = ( { class = "sip"; listener = "access"; source = 50; action = "challenge"; } ); };
control = { api_socket = "$dir/api.sock"; database = "$dir/db"; api_tcp = "127.0.0.1:$port"; api_token = "an-administrators-token"; };
CONF
echo '203.0.113.0/24 # nobody' >"$dir/deny.txt"
chmod 600 "$dir/sluice.conf"

# ---- the command line by itself
expect 2 'goes with: status, top, sources, explain' nonsense
expect 2 'missing' ban
expect 2 'too many' ban 192.0.2.7 192.0.2.8
expect 2 'does not have' top --follow
expect 2 'does not have' list --for 1m
expect 2 'is not a duration' ban 192.0.2.7 --for soon
expect 2 'is not a duration' ban 192.0.2.7 --for 10x
expect 2 'is not a duration' ban 192.0.2.7 --for 0
expect 2 'is not a duration' ban 192.0.2.7 --for 11000d
expect 2 'neither on nor off' dry-run maybe
expect 2 'cannot read' set "$dir/none.json"
expect 2 'times' report 192.0.2.7 fraud --times many
expect 3 'no socket' list
for command in status top sources explain list ban unban allow deny remove dry-run set reset report samples; do
	expect 0 "Usage: sluicectl guard \\[?$command" $command --help
done

start
who=$admin

# ---- how it stands
ask 200 '.enabled and (.dry_run | not) and .policy_from == "configuration" and .entries == {allow: 1, deny: 1, bans: 0} and .dataplane == null and
	(.standby | type == "string")' GET /v1/guard
ask 200 '.policy.limits | any(.class == "sip" and .listener == null and .source == 400) and any(.listener == "access" and .source == 50 and .action == "challenge")' \
	GET /v1/guard
ask 405 '.error' PUT /v1/guard '{}'
ask 404 '.error' GET /v1/guard/nonsense
ask 404 '.error' GET /v1/guard/bansx
ask 503 '.error' GET /v1/guard/top
ask 400 '.field == "level"' GET '/v1/guard/top?level=all'
ask 400 '.field == "by"' GET '/v1/guard/top?by=name'
ask 400 '.field == "limit"' GET '/v1/guard/top?limit=0'
ask 405 '.error' POST /v1/guard/top ''
ask 200 '.over == [] and .worst == [] and .ban_score == 100' GET /v1/guard/sources
ask 400 '.field == "limit"' GET '/v1/guard/sources?limit=1001'

# ---- lists and bans
ask 201 '.prefix == "192.0.2.77" and .kind == "ban" and .origin == "api" and .seconds_left > 590 and .reason == "scans"' \
	PUT /v1/guard/bans/192.0.2.77 '{"seconds": 600, "reason": "scans"}'
ask 200 '.seconds_left == null and .until_unix_ms == null and .reason == ""' PUT /v1/guard/bans/192.0.2.77
ask 200 '.prefix == "192.0.2.77"' GET /v1/guard/bans/192.0.2.77
ask 200 '.prefix == "192.0.2.77"' GET /v1/guard/bans/192.0.2.77%2F32
ask 201 '.prefix == "2001:db8:7::/48"' PUT /v1/guard/deny/2001:db8:7::/48 '{"seconds": 3600}'
ask 201 '.prefix == "10.0.0.0/8"' PUT /v1/guard/allow/10.0.0.0/8 '{}'
ask 200 '.total == 2 and (.allow | length == 1)' GET '/v1/guard/allow?limit=1'
ask 200 '.total == 2 and (.deny | map(.prefix) | index("203.0.113.0/24") != null)' GET /v1/guard/deny
ask 200 '.total == 1 and .bans[0].prefix == "192.0.2.77"' GET /v1/guard/bans
ask 400 '.field == "offset"' GET '/v1/guard/bans?offset=-1'
ask 400 '.field == "prefix" and (.error | contains("write \"192.0.2.0/24\""))' PUT /v1/guard/bans/192.0.2.7/24
ask 400 '.field == "prefix"' PUT /v1/guard/bans/example.com
ask 400 '.field == "prefix"' GET /v1/guard/bans/192.0.2.0%2F33
ask 400 '.field == "prefix"' PUT /v1/guard/bans/0.0.0.0/0
ask 400 '.field == "prefix" and (.error | contains("everybody"))' PUT /v1/guard/allow/0.0.0.0/0
ask 400 '.field == "prefix" and (.error | contains("everybody"))' PUT /v1/guard/allow/::/0
ask 400 '.field == "prefix" and (.error | contains("allow"))' PUT /v1/guard/bans/198.51.100.7
ask 400 '.field == "prefix"' PUT /v1/guard/bans/192.0.2.1
ask 400 '.field == "seconds"' PUT /v1/guard/bans/192.0.2.9 '{"seconds": -1}'
ask 400 '.field == "seconds"' PUT /v1/guard/bans/192.0.2.9 '{"seconds": "600"}'
ask 400 '.field == "seconds"' PUT /v1/guard/bans/192.0.2.9 '{"seconds": 9999999999}'
ask 400 '.field == "reason"' PUT /v1/guard/bans/192.0.2.9 "{\"reason\": \"$(printf '%096d' 0)\"}"
ask 400 '.field == "reason"' PUT /v1/guard/bans/192.0.2.9 '{"reason": "a\u001b[2Jb"}'
ask 400 '.field == "until"' PUT /v1/guard/bans/192.0.2.9 '{"until": 5}'
ask 400 '.error | contains("object")' PUT /v1/guard/bans/192.0.2.9 '[]'
ask 400 '.error' PUT /v1/guard/bans/192.0.2.9 '{"seconds"'
ask 400 '.error' PUT /v1/guard/bans/192.0.2.9 '{"seconds": 1, "seconds": 2}'
ask 404 '.field == "prefix"' GET /v1/guard/bans/192.0.2.9
ask 404 '.field == "prefix"' DELETE /v1/guard/bans/192.0.2.9
ask 403 '.field == "prefix" and (.error | contains("configuration"))' DELETE /v1/guard/deny/203.0.113.0/24
ask 405 '.error' POST /v1/guard/bans '{}'
ask 405 '.error' DELETE /v1/guard/bans

# ---- once
key='Idempotency-Key: ban-1'
ask 201 '.prefix == "192.0.2.90"' PUT /v1/guard/bans/192.0.2.90 '{"seconds": 60}' -H "$key"
ask 200 '.status == "removed"' DELETE /v1/guard/bans/192.0.2.90
ask 201 '.prefix == "192.0.2.90"' PUT /v1/guard/bans/192.0.2.90 '{"seconds": 60}' -H "$key"
grep -qi '^idempotent-replayed: true' "$dir/head" || { echo 'not replayed'; failures=$((failures + 1)); }
ask 404 '.' GET /v1/guard/bans/192.0.2.90
ask 422 '.field == "Idempotency-Key"' PUT /v1/guard/bans/192.0.2.90 '{"seconds": 61}' -H "$key"

# ---- why
ask 200 '.verdict == "banned" and .entry.kind == "ban" and .workers == []' GET '/v1/guard/explain?address=192.0.2.77'
ask 200 '.verdict == "denied" and .entry.origin == "configuration"' GET '/v1/guard/explain?address=203.0.113.9'
ask 200 '.verdict == "allowed"' GET '/v1/guard/explain?address=198.51.100.1'
ask 200 '.verdict == "denied" and .entry.prefix == "2001:db8:7::/48"' GET '/v1/guard/explain?address=2001:db8:7::1'
ask 200 '.verdict == "passes" and .entry == null and .reputation == null and .sessions == {allocations: 0, registrations: 0, media_legs: 0}' \
	GET '/v1/guard/explain?address=192.0.2.200'
ask 400 '.field == "address"' GET /v1/guard/explain
ask 400 '.field == "address"' GET '/v1/guard/explain?address=192.0.2.0/24'

# ---- reports
ask 200 '.score == 50 and .seen.fraud == 1 and .entry == null' POST /v1/guard/report '{"address": "192.0.2.201", "signal": "fraud"}'
ask 200 '.seen.fraud == 3 and .entry.kind == "ban" and .entry.origin == "reputation"' POST /v1/guard/report \
	'{"address": "192.0.2.201", "signal": "fraud", "n": 2}'
ask 200 '.worst[0].source == "192.0.2.201" and .worst[0].entry == "ban"' GET /v1/guard/sources
ask 200 '.verdict == "banned" and .reputation.seen.fraud == 3' GET '/v1/guard/explain?address=192.0.2.201'
ask 200 '.seen."auth-failed" == 1000 and .entry.kind == "allow"' POST /v1/guard/report '{"address": "198.51.100.5", "signal": "auth-failed", "n": 1000}'
ask 400 '.field == "address"' POST /v1/guard/report '{"signal": "fraud"}'
ask 400 '.field == "address"' POST /v1/guard/report '{"address": "x", "signal": "fraud"}'
ask 400 '.field == "signal"' POST /v1/guard/report '{"address": "192.0.2.7", "signal": "rude"}'
ask 400 '.field == "n"' POST /v1/guard/report '{"address": "192.0.2.7", "signal": "fraud", "n": 0}'
ask 400 '.field == "why"' POST /v1/guard/report '{"address": "192.0.2.7", "signal": "fraud", "why": "so"}'
ask 405 '.error' GET /v1/guard/report

# ---- limits at once
ask 200 '.dry_run and .policy_from == "api" and (.limits | any(.class == "sip" and .listener == null and .source == 30 and .prefix == 4000))' \
	PUT /v1/guard/policy '{"dry_run": true, "limits": [{"class": "sip", "source": 30}]}'
ask 200 '(.dry_run | not) and (.limits | any(.listener == "access" and .source == 60 and .action == "drop"))' \
	PUT /v1/guard/policy '{"limits": [{"class": "sip", "listener": "access", "source": 60, "action": "drop"}]}'
ask 200 '.limits | any(.class == "sip" and .listener == null and .source == 400)' GET /v1/guard/policy
jq '{enabled, dry_run, limits}' "$dir/out" >"$dir/same.json"
ask 200 '.limits | length == 8' PUT /v1/guard/policy "@$dir/same.json"
ask 400 '.field == "limits"' PUT /v1/guard/policy '{"limits": {}}'
ask 400 '.field == "limits"' PUT /v1/guard/policy '{"limits": [{"source": 5}]}'
ask 400 '.field == "class"' PUT /v1/guard/policy '{"limits": [{"class": "rtp"}]}'
ask 400 '.field == "listener" and (.error | contains("\"access\""))' PUT /v1/guard/policy '{"limits": [{"class": "sip", "listener": "none"}]}'
ask 400 '.field == "source"' PUT /v1/guard/policy '{"limits": [{"class": "sip", "source": -5}]}'
ask 400 '.field == "pps"' PUT /v1/guard/policy '{"limits": [{"class": "sip", "pps": 5}]}'
ask 400 '.field == "action"' PUT /v1/guard/policy '{"limits": [{"class": "sip", "action": "reject"}]}'
ask 400 '.error | contains("is for SIP")' PUT /v1/guard/policy '{"limits": [{"class": "stun", "action": "delay"}]}'
ask 400 '.error | contains("less than")' PUT /v1/guard/policy '{"limits": [{"class": "sip", "prefix": 5}]}'
ask 400 '.field == "dry_run"' PUT /v1/guard/policy '{"dry_run": 1}'
ask 400 '.field == "sources"' PUT /v1/guard/policy '{"sources": 1024}'
ask 405 '.error' POST /v1/guard/policy '{}'
ask 200 '.policy_from == "api" and (.limits | length == 8)' GET /v1/guard/policy
ask 200 '.policy_from == "configuration" and (.limits | any(.listener == "access" and .source == 50))' DELETE /v1/guard/policy

# ---- samples need a dataplane
ask 503 '.error' GET /v1/guard/samples
ask 400 '.field == "n"' GET '/v1/guard/samples?n=4097'
ask 400 '.field == "seconds"' GET '/v1/guard/samples?seconds=26'
ask 400 '.field == "reason"' GET '/v1/guard/samples?reason=boredom'
ask 400 '.field == "prefix"' GET '/v1/guard/samples?from=192.0.2.1/24'

# ---- who may what
who=$(token reader read)
ask 200 '.enabled' GET /v1/guard
ask 200 '.total == 2' GET /v1/guard/bans
ask 403 '.error | contains("guard")' PUT /v1/guard/bans/192.0.2.5 '{}'
ask 403 '.error | contains("guard")' PUT /v1/guard/policy '{"enabled": false}'
ask 403 '.error | contains("guard")' POST /v1/guard/report '{"address": "192.0.2.7", "signal": "fraud"}'
ask 403 '.error | contains("guard")' GET /v1/guard/samples
who=$(token watchman read,guard)
ask 201 '.' PUT /v1/guard/bans/192.0.2.5 '{"seconds": 100}'
ask 200 '.' DELETE /v1/guard/bans/192.0.2.5
ask 403 '.' PUT /v1/tenants/x '{"name": "x"}'
ask 503 '.' GET /v1/guard/samples
who='Authorization: Bearer nobody'
ask 401 '.error' GET /v1/guard
who=$admin
ask 400 '.field == "tenant"' PUT /v1/tokens/t '{"name": "t", "scopes": ["guard"], "tenant": "x", "secret": "0123456789abcdef0123456789abcdef"}'

# ---- sluicectl
expect 0 '^192.0.2.88: banned for 1 h 30 min' ban 192.0.2.88 --for 1h30m --reason 'by hand'
expect 0 'ban .*192.0.2.88 .*api .*by hand' list
expect 0 '^192.0.2.88: banned: ban of 192.0.2.88 \(api: by hand\)' explain 192.0.2.88
expect 0 '^2001:db8:9::/64: banned$' ban 2001:db8:9::/64
expect 0 'allowed for 90 s|allowed for 1 min 30 s' allow 192.0.2.99 --for 90
expect 0 'denied' deny 172.16.0.0/12
expect 0 'removed from deny' remove 172.16.0.0/12
expect 0 'removed from allow' remove 192.0.2.99
expect 1 'no such entry' remove 172.16.0.0/12
expect 1 'configuration' remove 203.0.113.0/24
expect 0 '^192.0.2.88: removed' unban 192.0.2.88
expect 1 'no such entry' unban 192.0.2.88
expect 1 'has bits beyond' ban 192.0.2.88/24
expect 0 'lists +2 allowed' status
expect 0 'sip +access +50' status
expect 0 'dry run: on until' dry-run on
expect 0 'guard +on, dry run.*limits by the API' status
echo '{"limits": [{"class": "sip", "source": 20}]}' >"$dir/limits.json"
expect 0 'limits: in force' set "$dir/limits.json"
expect 0 'as configured' reset
expect 0 'counted, 50 points' report 192.0.2.210 fraud
expect 0 '192.0.2.201 .*3 fraud' sources
expect 1 'rude|signal' report 192.0.2.210 rude
expect 1 'not attached' top
expect 1 'away' samples "$dir/out.pcap"
expect 2 'is not a duration' samples "$dir/out.pcap" --for x
"$ctl" guard list --json | jq -e '.bans.total == 3 and .allow.total == 2' >/dev/null || { echo 'list --json'; failures=$((failures + 1)); }
"$ctl" guard explain 192.0.2.77 --json | jq -e '.verdict == "banned"' >/dev/null || { echo 'explain --json'; failures=$((failures + 1)); }
"$ctl" guard ban 192.0.2.1 --json 2>/dev/null | jq -e '.field == "prefix"' >/dev/null || { echo 'ban --json'; failures=$((failures + 1)); }

# ---- metrics
curl -s -H "$who" "http://127.0.0.1:$port/metrics" >"$dir/out"
for name in sluice_guard_owner sluice_guard_policy_live 'sluice_guard_entries{kind="ban"}' sluice_guard_bans_manual_total sluice_guard_bans_automatic_total; do
	grep -qF "$name " "$dir/out" || { echo "no metric $name"; failures=$((failures + 1)); }
done

# ---- what was answered is there after kill -9, and lists are read again at a reload
kill -9 "$("$ctl" status --json | jq -r .controlplane.pid)"
tries=0
until "$ctl" guard list >/dev/null 2>&1 || [ $tries -ge 100 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
tries=0
until [ "$("$ctl" guard list --json | jq .bans.total)" = 3 ] || [ $tries -ge 50 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
ask 200 '.origin == "api"' GET /v1/guard/bans/192.0.2.77
ask 200 '.total == 2' GET /v1/guard/allow
ask 200 '.policy_from == "configuration"' GET /v1/guard/policy
echo '203.0.112.0/24' >"$dir/deny.txt"
ask 200 '.verdict == "denied"' GET '/v1/guard/explain?address=203.0.113.9'
ask 200 '.' POST /v1/reload ''
ask 200 '.verdict == "passes"' GET '/v1/guard/explain?address=203.0.113.9'
ask 200 '.verdict == "denied"' GET '/v1/guard/explain?address=203.0.112.9'
echo '203.0.112.1/24' >"$dir/deny.txt"
ask 409 '.error | contains("deny.txt:1:")' POST /v1/reload ''
ask 200 '.verdict == "denied"' GET '/v1/guard/explain?address=203.0.112.9'
[ "$failures" -eq 0 ] || echo "$failures failed"
exit $((failures > 0))

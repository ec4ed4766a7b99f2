/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

/* Every command of sluicectl: a new one is a row here. */

/* One kind of what is provisioned for SIP. */
#define RESOURCE(word, path, brief_list, example)                                                                                \
	{{word, "list"}, 0, NULL, MAY_PAGE | MAY_TENANT, ctl_resource_list, brief_list,                                          \
	        "Usage: sluicectl " word " list [--tenant NAME] [--limit N] [--offset N] [--json]\n"},                          \
	        {{word, "show"}, 1, "NAME", 0, ctl_resource_show, "one of them, as JSON",                                        \
	                "Usage: sluicectl " word " show NAME\n\nAs JSON; secrets are left out.\n"},                            \
	        {{word, "put"}, 1, "FILE", 0, ctl_resource_put, "add or replace one, from a JSON file",                          \
	                "Usage: sluicectl " word " put FILE [--json]\n\n"                                                       \
	                "FILE holds one JSON object; - is standard input. Its fields are those of GET /v1/" path ". Stored, and "  \
	                "in force for new calls, when\nthe command returns.\n\n  " example "\n"},                               \
	        {{word, "delete"}, 1, "NAME", 0, ctl_resource_delete, "delete one that nothing names any more",                  \
	                "Usage: sluicectl " word " delete NAME [--json]\n"}

const struct ctl_command ctl_commands[] = {
        {{"status"}, 0, NULL, 0, ctl_status, "what the appliance is doing",
                "Usage: sluicectl status [--json]\n\n"
                "Both processes, allocations, what is relayed and dropped now (measured for one second), "
                "ports and workers.\n"
                "BUSY % is the share of cycles in polling rounds that found work; CYCLES/PACKET is busy "
                "cycles per packet\n"
                "received. With --json one look without rates, at once.\n\n"
                "  sluicectl status\n"
                "  sluicectl status --json | jq .dataplane.state      \"steady\" when all is provisioned\n"},
        {{"ports"}, 0, NULL, 0, ctl_ports, "ports: link, rates, errors",
                "Usage: sluicectl ports [--json]\n\n"
                "A table measured for one second; --json gives the counters since the start.\n\n"
                "  sluicectl ports --json | jq '.ports[] | {name, rx_packets, rx_missed}'\n"},
        {{"workers"}, 0, NULL, 0, ctl_workers, "workers: load, cycles per packet, rates",
                "Usage: sluicectl workers [--json]\n\n"
                "A table measured for one second; --json gives every counter of every worker since the "
                "start.\n\n"
                "  sluicectl workers\n"
                "  sluicectl workers --json | jq '.workers[0].counters.busy_cycles'\n"},
        {{"counters"}, 0, NULL, MAY_WATCH | MAY_ALL, ctl_counters, "every counter, and why packets were dropped",
                "Usage: sluicectl counters [--watch] [--all] [--json]\n\n"
                "Sums over all workers. Every dropped packet is counted under exactly one reason.\n\n"
                "  --watch   again each second, with rates; end it with Ctrl-C (with --json: an object a "
                "second)\n"
                "  --all     those that are zero as well\n\n"
                "  sluicectl counters --watch\n"
                "  sluicectl counters --json | jq .drops.no_permission\n"},
        {{"allocations"}, 0, NULL, MAY_PAGE | MAY_USER | MAY_REALM | MAY_RESTRICTED, ctl_allocations, "TURN allocations with their traffic",
                "Usage: sluicectl allocations [--user NAME] [--realm NAME] [--restricted] [--limit N] [--offset N] [--json]\n\n"
                "  --user NAME   only this user's\n"
                "  --realm NAME  only this realm's\n"
                "  --restricted  only of who may only be relayed ('turn restricted')\n"
                "  --limit N     at most N of them (100; up to 10000)\n"
                "  --offset N    leave out the first N\n\n"
                "  sluicectl allocations --user alice\n"
                "  sluicectl allocations --json | jq .total\n"},
        {{"allocation", "delete"}, 1, "ID", 0, ctl_allocation_delete, "end an allocation",
                "Usage: sluicectl allocation delete ID [--json]\n\n"
                "The client finds it gone (437 at its next request) and may allocate anew: remove the user "
                "as well to prevent it.\n"
                "ID is the first column of 'sluicectl allocations'.\n\n"
                "  sluicectl allocation delete 0000000000001001\n"},
        {{"sessions", "list"}, 0, NULL, MAY_PAGE, ctl_sessions_list, "media sessions (calls) with their quality",
                "Usage: sluicectl sessions [list] [--limit N] [--offset N] [--json]\n\n"
                "LOSS % and PACKETS are of what all parties sent; MOS is of the leg that is worst off. As last told by "
                "the dataplane.\n\n"
                "  sluicectl sessions --json | jq '.sessions[] | select(.mos < 3.5) | .id'\n"},
        {{"sessions", "show"}, 1, "ID", 0, ctl_sessions_show, "a session: addresses, crypto, traffic, quality",
                "Usage: sluicectl sessions show ID [--json]\n\n"
                "ID is the Call-ID, the first column of 'sluicectl sessions'. Counts are asked for now.\n\n"
                "  sluicectl sessions show 1b2c@10.0.0.5 --json | jq '.parties[].media[].leg.received'\n"},
        {{"sessions", "delete"}, 1, "ID", 0, ctl_sessions_delete, "end a session's media at once",
                "Usage: sluicectl sessions delete ID [--json]\n\n"
                "Its ports are closed; the call's signalling is not told. With --json the final counts are shown.\n"},
        {{"sessions", "record"}, 2, "ID on|off", MAY_FORMAT, ctl_sessions_record, "record a session, or stop recording it",
                "Usage: sluicectl sessions record ID on|off [--format pcap|wav] [--json]\n\n"
                "Files are written below media.recording_folder, one for each party and kind of media.\n\n"
                "  --format pcap|wav   instead of media.recording_format\n\n"
                "  sluicectl sessions record 1b2c@10.0.0.5 on --format wav\n"},
        {{"sessions", "play"}, 2, "ID CLIP", MAY_PARTY | MAY_TIMES, ctl_sessions_play, "play a clip to a session's parties",
                "Usage: sluicectl sessions play ID CLIP [--party TAG] [--times N] [--json]\n\n"
                "CLIP is a name in media.clip_folder.\n\n"
                "  --party TAG   only to this party (to all of them)\n"
                "  --times N     so often; 0 = until it is stopped (1)\n\n"
                "  sluicectl sessions play 1b2c@10.0.0.5 announcement --party as7f\n"},
        {{"sessions", "stop"}, 1, "ID", MAY_PARTY, ctl_sessions_stop, "stop what is played to a session's parties",
                "Usage: sluicectl sessions stop ID [--party TAG] [--json]\n"},
        {{"sessions", "dtmf"}, 2, "ID DIGITS", MAY_PARTY, ctl_sessions_dtmf, "dial DTMF digits as a session's party",
                "Usage: sluicectl sessions dtmf ID DIGITS [--party TAG] [--json]\n\n"
                "As RFC 4733 events, 100 ms each, that the other parties hear.\n\n"
                "  --party TAG   who dials (each of them)\n\n"
                "  sluicectl sessions dtmf 1b2c@10.0.0.5 '12#' --party as7f\n"},
        {{"sessions", "block"}, 2, "ID on|off", MAY_PARTY, ctl_sessions_block, "stop passing on what parties send",
                "Usage: sluicectl sessions block ID on|off [--party TAG] [--json]\n"},
        {{"call", "list"}, 0, NULL, MAY_PAGE | MAY_TENANT | MAY_USER | MAY_TRUNK | MAY_NUMBER, ctl_call_list, "calls of SIP",
                "Usage: sluicectl call list [--tenant NAME] [--user NAME@DOMAIN] [--trunk NAME] [--number TEXT] [--limit N] [--offset N] "
                "[--json]\n\n"
                "  --number TEXT   of those whose From or To has this text\n\n"
                "  sluicectl call list --trunk carrier --json | jq .total\n"},
        {{"call", "show"}, 1, "ID", MAY_LADDER, ctl_call_show, "a call, going on or ended; --ladder draws it",
                "Usage: sluicectl call show ID [--ladder] [--json]\n\n"
                "ID is the first column of 'sluicectl call list', or CALL of 'sluicectl cdr list'.\n\n"
                "  --ladder   its messages as arrows between the parties, with their SDP, the routing decision and media statistics, as\n"
                "             far as the trace (sip.trace_mb) still has them; with --json the messages themselves. Passwords and keys are blanked\n"},
        {{"call", "hangup"}, 1, "ID", 0, ctl_call_hangup, "end a call, on all sides", "Usage: sluicectl call hangup ID [--json]\n"},
        {{"registration", "list"}, 0, NULL, MAY_PAGE | MAY_TENANT, ctl_registration_list, "where users are registered",
                "Usage: sluicectl registration list [--tenant NAME] [--limit N] [--offset N] [--json]\n"},
        {{"registration", "show"}, 1, "USER", 0, ctl_registration_show, "of one user (NAME@DOMAIN), in the order calls try them",
                "Usage: sluicectl registration show NAME@DOMAIN [--json]\n"},
        {{"registration", "remove"}, 1, "USER", MAY_CONTACT, ctl_registration_remove, "forget a user's registrations",
                "Usage: sluicectl registration remove NAME@DOMAIN [--contact URI] [--json]\n\n"
                "  --contact URI   only this one, as 'registration show' has it\n"},
        {{"cdr", "list"}, 0, NULL, MAY_PAGE | MAY_TENANT | MAY_USER | MAY_TRUNK | MAY_NUMBER | MAY_CALL | MAY_AFTER | MAY_CSV, ctl_cdr_list,
                "call detail records, newest first",
                "Usage: sluicectl cdr list [--call ID] [--user NAME@DOMAIN] [--trunk NAME] [--number NUMBER] [--tenant NAME]\n"
                "                          [--limit N] [--after ID] [--csv | --json]\n\n"
                "One record for each leg of a call.\n\n"
                "  --number NUMBER   From or To is this number, with or without +\n"
                "  --after ID        those older than this record: the next page\n"
                "  --csv             as RFC 4180 has it\n\n"
                "  sluicectl cdr list --limit 10000 --csv > cdrs.csv\n"},
        {{"events"}, 0, NULL, MAY_PAGE | MAY_TENANT | MAY_AFTER | MAY_FOLLOW, ctl_events, "what happens to calls, registrations, trunks",
                "Usage: sluicectl events [--follow] [--after SEQUENCE] [--tenant NAME] [--limit N] [--json]\n\n"
                "The last hundred, or those after one.\n\n"
                "  --follow   and those that come, until Ctrl-C; with --json one object a line\n"},
        RESOURCE("tenant", "tenants", "tenants of SIP", "echo '{\"name\": \"acme\"}' | sluicectl tenant put -"),
        RESOURCE("domain", "domains", "domains whose users register here",
                "echo '{\"name\": \"example.com\", \"tenant\": \"acme\"}' | sluicectl domain put -"),
        RESOURCE("sip-user", "users", "users of SIP (those of TURN: 'users')",
                "echo '{\"name\": \"alice\", \"domain\": \"example.com\", \"password\": \"...\"}' | sluicectl sip-user put -"),
        RESOURCE("trunk", "trunks", "trunks, with their state",
                "echo '{\"name\": \"carrier\", \"tenant\": \"acme\", \"targets\": [{\"uri\": \"sip:192.0.2.20\"}]}' | sluicectl trunk put -"),
        RESOURCE("route", "routes", "routes",
                "echo '{\"name\": \"all\", \"tenant\": \"acme\", \"trunks\": [\"carrier\"]}' | sluicectl route put -"),
        {{"route", "test"}, 2, "FROM TO", MAY_TENANT | MAY_TRUNK, ctl_route_test, "where would this call go, and why?",
                "Usage: sluicectl route test FROM TO [--trunk NAME | --tenant NAME] [--json]\n\n"
                "Nobody is called. FROM is a user (NAME@DOMAIN), or a number that a trunk brings (--trunk); TO is a number, a user or a URI.\n\n"
                "  sluicectl route test alice@example.com +4930123456\n"
                "  sluicectl route test +4989555 +4930123456 --trunk carrier\n"},
        {{"token", "create"}, 1, "NAME", MAY_TENANT | MAY_SCOPES, ctl_token_create, "an account of the API; prints its token",
                "Usage: sluicectl token create NAME [--scopes LIST] [--tenant NAME] [--json]\n\n"
                "The token is shown once and kept as a hash.\n\n"
                "  --scopes LIST   of read, calls, provision, admin, with commas between (read)\n"
                "  --tenant NAME   it sees and changes this tenant's things only\n\n"
                "  sluicectl token create billing --scopes read --tenant acme\n"},
        {{"token", "list"}, 0, NULL, MAY_PAGE | MAY_TENANT, ctl_resource_list, "accounts of the API",
                "Usage: sluicectl token list [--tenant NAME] [--limit N] [--offset N] [--json]\n"},
        {{"token", "delete"}, 1, "NAME", 0, ctl_resource_delete, "end an account of the API", "Usage: sluicectl token delete NAME [--json]\n"},
        {{"users", "list"}, 0, NULL, MAY_PAGE | MAY_REALM, ctl_users_list, "static TURN users",
                "Usage: sluicectl users [list] [--limit N] [--offset N] [--json]\n\n"
                "Those of the configuration file and those added since. Passwords are not kept, so they "
                "cannot be shown.\n"},
        {{"users", "add"}, 1, "NAME", MAY_PASSWORD | MAY_REALM, ctl_users_add, "add a user, or change its password",
                "Usage: sluicectl users add NAME [--password-stdin | --password PASSWORD] [--json]\n\n"
                "Asks for the password unless it is given. It takes effect at once and survives restarts.\n\n"
                "  --password-stdin      read it from standard input, one line\n"
                "  --password PASSWORD   in the command line, where other users of this machine can see "
                "it\n\n"
                "  sluicectl users add alice\n"
                "  pwgen -s 24 1 | tee alice.password | sluicectl users add alice --password-stdin\n"},
        {{"users", "remove"}, 1, "NAME", MAY_REALM, ctl_users_remove, "remove a user",
                "Usage: sluicectl users remove NAME [--json]\n\n"
                "Its allocations go on until they expire; see 'sluicectl allocation delete'.\n\n"
                "  sluicectl users remove alice\n"},
        {{"turn", "realms"}, 0, NULL, 0, ctl_turn_realms, "TURN's realms: allocations, quotas, users",
                "Usage: sluicectl turn realms [--json]\n\n"
                "With --json also their listeners, server names, origins and bandwidth.\n"},
        {{"turn", "peers"}, 0, NULL, 0, ctl_turn_peers, "who may be relayed to: rules in their order",
                "Usage: sluicectl turn peers [--json]\n\n"
                "The first rule that fits decides; those set here come before those of the configuration, those of a realm before those of all.\n"
                "Loopback, private, link-local, multicast and reserved addresses are denied unless a rule allows them.\n"},
        {{"turn", "allow"}, 1, "ADDR[/LEN]", MAY_REALM, ctl_turn_allow, "let clients of TURN reach these peers",
                "Usage: sluicectl turn allow ADDR[/LEN] [--realm NAME] [--json]\n\n"
                "In force at once, before every other rule; survives restarts. Takes the place of a rule for the same prefix.\n\n"
                "  sluicectl turn allow 10.20.0.0/16 --realm office.example.org\n"},
        {{"turn", "deny"}, 1, "ADDR[/LEN]", MAY_REALM, ctl_turn_deny, "keep clients of TURN from these peers",
                "Usage: sluicectl turn deny ADDR[/LEN] [--realm NAME] [--json]\n\n"
                "As 'turn allow'. Permissions and channels that are there already relay nothing to them any more.\n"},
        {{"turn", "remove"}, 1, "ADDR[/LEN]", MAY_REALM, ctl_turn_remove, "take a rule back that 'turn allow' or 'turn deny' made",
                "Usage: sluicectl turn remove ADDR[/LEN] [--realm NAME] [--json]\n"},
        {{"turn", "restricted"}, 0, NULL, MAY_PAGE, ctl_turn_restricted, "who may only be relayed",
                "Usage: sluicectl turn restricted [--limit N] [--offset N] [--json]\n\n"
                "Addresses and accounts whose allocations are marked and counted ('allocations --restricted').\n"},
        {{"turn", "restrict"}, 1, "ADDR[/LEN]|ACCOUNT", MAY_REALM, ctl_turn_restrict, "put an address or an account into that register",
                "Usage: sluicectl turn restrict ADDR[/LEN]|ACCOUNT [--realm NAME] [--json]\n\n"
                "For allocations made from now on. --realm is of an account (any).\n\n"
                "  sluicectl turn restrict 203.0.113.0/24\n"
                "  sluicectl turn restrict alice --realm example.org\n"},
        {{"turn", "unrestrict"}, 1, "ADDR[/LEN]|ACCOUNT", MAY_REALM, ctl_turn_unrestrict, "take it out again",
                "Usage: sluicectl turn unrestrict ADDR[/LEN]|ACCOUNT [--realm NAME] [--json]\n"},
        {{"turn", "drain"}, 1, "on|off|status", MAY_TTL, ctl_turn_drain, "no new allocations; show how far it is",
                "Usage: sluicectl turn drain on|off|status [--ttl SECONDS] [--json]\n\n"
                "New clients are sent to an alternate server, or get 508; allocations that are there go on and are refreshed. Stays through restarts of\n"
                "both programs until 'off'.\n\n"
                "  --ttl SECONDS   refreshed allocations live at most so long (30..86400), so that clients that went away are noticed soon\n\n"
                "  sluicectl turn drain on --ttl 300; until sluicectl turn drain status --json | jq -e .done; do sleep 5; done\n"},
        {{"turn", "load"}, 0, NULL, 0, ctl_turn_load, "how full this node is, and its alternates",
                "Usage: sluicectl turn load [--json]\n\n"
                "With --json this node's load, as alternates of other nodes are asked for it (turn.alternates, load_url).\n"},
        {{"turn", "credentials"}, 0, NULL, MAY_USER | MAY_REALM | MAY_TTL, ctl_turn_credentials, "make a time-limited credential",
                "Usage: sluicectl turn credentials [--user NAME] [--realm NAME] [--ttl SECONDS] [--json]\n\n"
                "With the realm's first secret. With --json what an RTCPeerConnection takes is the member iceServers.\n\n"
                "  --ttl SECONDS   good for so long (86400; 60..2592000)\n"},
        {{"guard", "status"}, 0, NULL, 0, ctl_guard_status, "the guard: lists, limits, what it dropped",
                "Usage: sluicectl guard [status] [--json]\n\n"
                "What is in force, and who said so: the configuration, or the API since the last reload.\n"},
        {{"guard", "top"}, 0, NULL, MAY_TOP | MAY_LIMIT, ctl_guard_top, "who sends most, and what of it is dropped; live",
                "Usage: sluicectl guard top [--level source|prefix|wide] [--by rate|dropped] [--limit N] [--once] [--json]\n\n"
                "On a terminal again each second, until Ctrl-C; elsewhere one table, measured for a second. Rates of sources are estimated from one\n"
                "packet in 64. LIST is the list or ban that an address is in.\n\n"
                "  --level LEVEL   addresses (the default), prefixes (/24, of IPv6 /48), or wide ones (/16, /32)\n"
                "  --by dropped    those first of whom most is dropped\n"
                "  --limit N       so many rows (as the terminal has, else 20)\n"
                "  --once          one table, on a terminal as well\n\n"
                "  sluicectl guard top --level prefix --by dropped\n"
                "  sluicectl guard top --json | jq '.sources[0]'\n"},
        {{"guard", "sources"}, 0, NULL, MAY_LIMIT, ctl_guard_sources, "who is over a limit now, and whose reputation is bad",
                "Usage: sluicectl guard sources [--limit N] [--json]\n"},
        {{"guard", "explain"}, 1, "ADDRESS", 0, ctl_guard_explain, "why is this address limited, or not?",
                "Usage: sluicectl guard explain ADDRESS [--json]\n\n"
                "The list or ban that decides, its sessions, its reputation, and where it stands with each limit at each worker.\n\n"
                "  sluicectl guard explain 203.0.113.7\n"},
        {{"guard", "list"}, 0, NULL, MAY_PAGE, ctl_guard_list, "what is allowed, denied and banned",
                "Usage: sluicectl guard list [--limit N] [--offset N] [--json]\n\n"
                "--limit is of each of the three (100; up to 10000).\n"},
        {{"guard", "ban"}, 1, "ADDR[/LEN]", MAY_FOR | MAY_REASON, ctl_guard_ban, "ban an address or a prefix",
                "Usage: sluicectl guard ban ADDR[/LEN] [--for 10m] [--reason TEXT] [--json]\n\n"
                "All that it sends is dropped; it survives restarts. What is allowed cannot be banned.\n\n"
                "  --for DURATION   90s, 10m, 2h, 1d12h; without it until 'guard unban'\n"
                "  --reason TEXT    shown in lists and by 'guard explain'\n\n"
                "  sluicectl guard ban 203.0.113.0/24 --for 2h --reason 'scans, ticket 4711'\n"},
        {{"guard", "unban"}, 1, "ADDR[/LEN]", 0, ctl_guard_unban, "end a ban, manual or automatic", "Usage: sluicectl guard unban ADDR[/LEN] [--json]\n"},
        {{"guard", "allow"}, 1, "ADDR[/LEN]", MAY_FOR | MAY_REASON, ctl_guard_allow, "let an address or a prefix pass every list, ban and limit",
                "Usage: sluicectl guard allow ADDR[/LEN] [--for 10m] [--reason TEXT] [--json]\n\n"
                "An allow wins over everything. --for as with 'guard ban'.\n\n"
                "  sluicectl guard allow 198.51.100.7 --for 1d --reason 'load test'\n"},
        {{"guard", "deny"}, 1, "ADDR[/LEN]", MAY_FOR | MAY_REASON, ctl_guard_deny, "put an address or a prefix into the list of the denied",
                "Usage: sluicectl guard deny ADDR[/LEN] [--for 10m] [--reason TEXT] [--json]\n\n"
                "--for as with 'guard ban'.\n"},
        {{"guard", "remove"}, 1, "ADDR[/LEN]", 0, ctl_guard_remove, "take it out of every list and ban",
                "Usage: sluicectl guard remove ADDR[/LEN] [--json]\n\n"
                "What the configuration lists stays: change it there and reload.\n"},
        {{"guard", "dry-run"}, 1, "on|off", 0, ctl_guard_dry_run, "count what would be dropped, and let it pass",
                "Usage: sluicectl guard dry-run on|off [--json]\n\n"
                "At once, until the next reload. Watch it with 'guard top'.\n"},
        {{"guard", "set"}, 1, "FILE", 0, ctl_guard_set, "change limits at once, until the next reload",
                "Usage: sluicectl guard set FILE [--json]\n\n"
                "FILE holds a JSON object with enabled, dry_run or limits as in the group guard of the configuration, over which they are laid;\n"
                "- is standard input.\n\n"
                "  echo '{\"limits\": [{\"class\": \"sip\", \"source\": 50, \"action\": \"drop\"}]}' | sluicectl guard set -\n"},
        {{"guard", "reset"}, 0, NULL, 0, ctl_guard_reset, "limits as configured, after 'guard set' or 'guard dry-run'",
                "Usage: sluicectl guard reset [--json]\n"},
        {{"guard", "report"}, 2, "ADDRESS SIGNAL", MAY_TIMES, ctl_guard_report, "hold something against an address",
                "Usage: sluicectl guard report ADDRESS SIGNAL [--times N] [--json]\n\n"
                "SIGNAL is auth-failed, unknown-user, malformed, forbidden, fraud or flood; its points are guard.weights of the configuration. With\n"
                "enough of them the address is banned (guard.reputation).\n\n"
                "  sluicectl guard report 203.0.113.7 fraud --times 2\n"},
        {{"guard", "samples"}, 1, "FILE", MAY_FOR | MAY_REASON | MAY_SAMPLES, ctl_guard_samples, "packets that are dropped, as a pcap file",
                "Usage: sluicectl guard samples FILE [--count N] [--for 10s] [--reason NAME] [--from ADDR[/LEN]] [--json]\n\n"
                "Waits until so many have been dropped, or would have been in dry run, or the time is up. FILE - is standard output.\n\n"
                "  --count N          at most so many (100; up to 4096)\n"
                "  --for DURATION     at most so long (10s; up to 25s)\n"
                "  --reason NAME      dropped for this reason only; the names are those of 'sluicectl counters --all'\n"
                "  --from ADDR[/LEN]  from there only\n\n"
                "  sluicectl guard samples - --reason guard_source_limit | tcpdump -nr -\n"},
        {{"import"}, 1, "FILE", 0, ctl_import, "a configuration of coturn as one of ours",
                "Usage: sluicectl import FILE [--json]\n\n"
                "FILE is coturn's turnserver.conf (4.6 to 4.17), or options of its command line, one a line; - is standard input. The configuration "
                "goes to\nstandard output. What could not be taken over is told on standard error with its line and the reason, and stands in "
                "the configuration's\nhead as well; what is to be looked at is marked <<. An option that coturn does not have, or a value that it "
                "would not take, makes the\nexit code 1. No control plane is needed.\n\n"
                "  sluicectl import /etc/turnserver.conf >sluice.conf\n"
                "  sluicectl config check sluice.conf\n"},
        {{"turn", "records"}, 0, NULL, MAY_LIMIT | MAY_USER | MAY_REALM | MAY_TIME | MAY_AFTER | MAY_OPEN | MAY_CSV, ctl_turn_records, "records of allocations, the newest first",
                "Usage: sluicectl turn records [--user NAME] [--realm NAME] [--from TIME] [--to TIME] [--open] [--limit N] [--after ID] [--csv] [--json]\n\n"
                "  --from TIME, --to TIME   begun in this time: YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ\n"
                "  --open        those alone whose allocation runs\n"
                "  --limit N     at most N of them (100; up to 10000)\n"
                "  --after ID    the next page: what the one before names at its end\n"
                "  --csv         all that a record holds, as RFC 4180\n\n"
                "  sluicectl turn records --user alice --from 2026-11-01\n"
                "  sluicectl turn records --limit 10000 --csv > records.csv\n"},
        {{"turn", "usage"}, 0, NULL, MAY_LIMIT | MAY_USER | MAY_REALM | MAY_TIME | MAY_CSV, ctl_turn_usage, "what each user relayed, the largest first",
                "Usage: sluicectl turn usage [--user NAME] [--realm NAME] [--from TIME] [--to TIME] [--limit N] [--csv] [--json]\n\n"
                "Sums over the records of allocations begun in this time; of those that run as last brought up to date.\n\n"
                "  sluicectl turn usage --from 2026-11-01 --to 2026-12-01 --csv\n"},
        {{"turn", "sources"}, 0, NULL, 0, ctl_turn_sources, "tables elsewhere that users are read from",
                "Usage: sluicectl turn sources [--json]\n\n"
                "What was read of each, when, how many rows are left out, and why it cannot be read.\n"},
        {{"turn", "refresh"}, 0, NULL, 0, ctl_turn_sources_refresh, "read those tables now",
                "Usage: sluicectl turn refresh [--json]\n\n"
                "Returns when all of them were read and what has changed is in force.\n"},
        {{"config", "check"}, 1, "FILE", 0, ctl_config_check, "is this configuration file good?",
                "Usage: sluicectl config check FILE [--json]\n\n"
                "Names file, line, option and what is allowed. Needs no running control plane.\n\n"
                "  sluicectl config check /etc/sluice/sluice.conf && sluicectl reload\n"},
        {{"config", "export"}, 0, NULL, 0, ctl_config_export, "all that is provisioned, as one JSON object",
                "Usage: sluicectl config export\n\n"
                "Tenants, domains, users, trunks, routes and tokens of the store. It holds hashes as good as passwords: keep it as secret as the\n"
                "database.\n\n"
                "  (umask 077; sluicectl config export > sluice.json)\n"},
        {{"config", "import"}, 1, "FILE", 0, ctl_config_import, "replace all that is provisioned, or nothing",
                "Usage: sluicectl config import FILE [--json]\n\n"
                "FILE is what 'config export' gave; - is standard input. What it does not have is deleted.\n"},
        {{"reload"}, 0, NULL, 0, ctl_reload, "load the configuration file again, all or nothing",
                "Usage: sluicectl reload [--json]\n\n"
                "If anything in it is refused, what was in force goes on and the reason is printed. Options "
                "of the dataplane that\n"
                "it can change while it runs (exception_pps, idle ...) take its own SIGHUP: systemctl reload "
                "sluice-dataplane.\n"},
        {{"healthz"}, 0, NULL, 0, ctl_healthz, "does it serve? (exit code 0 or 4)",
                "Usage: sluicectl healthz [--json]\n\n"
                "ok when the dataplane is attached, provisioned and alive; standby (exit code 0 as well) when "
                "another control\nplane provisions TURN and this one is ready to.\n\n"
                "  until sluicectl healthz; do sleep 1; done\n"},
};
const unsigned ctl_n_commands = sizeof ctl_commands / sizeof ctl_commands[0];

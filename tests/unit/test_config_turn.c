/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "turn": listeners, realms, limits, alternates, records. Every wrong file is the right one with a single edit. */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "config/guard_rules.h"
#include "dataplane/abi/msg_turn.h"
#include "tests/unit/config_rig.h"

#define KEY_256 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define KEY_128 "MDEyMzQ1Njc4OWFiY2RlZg=="

#define BASE                                                                                                                                            \
	"dataplane = { workers = [ 1 ]; housekeeper_core = 0;\n"                                                                                        \
	"  ports = ( { name = \"wan\"; device = \"net_null0\"; } ); };\n"                                                                               \
	"turn = {\n"                                                                                                                                    \
	"  listen = [ \"192.0.2.1:3478\", \"192.0.2.1:3479\", \"192.0.2.2:3478\", \"192.0.2.2:3479\" ];\n"                                              \
	"  listeners = (\n"                                                                                                                             \
	"    { address = \"192.0.2.1:3478\"; transport = \"tcp\"; proxy_protocol = [ \"10.0.0.0/8\" ]; },\n"                                            \
	"    { address = \"192.0.2.1:443\"; transport = \"tls\"; certificate = \"/etc/hostname\"; key = \"/etc/hostname\";\n"                           \
	"      certificates = ( { certificate = \"/etc/passwd\"; key = \"/etc/passwd\"; } ); },\n"                                                      \
	"    { address = \"192.0.2.1:443\"; transport = \"dtls\"; certificate = \"/etc/hostname\"; key = \"/etc/hostname\"; } );\n"

/* Lines 10 and on. */
static const char right[] = BASE
	"  relay_addresses = [ \"192.0.2.1\" ]; relay_ports = [ 50000, 60000 ]; host_name = \"turn.example.org\";\n"
	"  realm = \"example.org\"; user_quota = 5; realm_quota = 70; total_quota = 100; max_permissions = 8;\n"
	"  bandwidth = { session = { up = 100; down = 200; }; user = { up = 400; soft_up = 300; }; node = { soft_down = 999; }; };\n"
	"  users = ( { name = \"alice\"; password = \"pw\"; } ); secrets = [ \"one\" ];\n"
	"  oauth = { server_name = \"auth\"; keys = ( { kid = \"a\"; key = \"" KEY_256 "\"; not_before = \"2026-01-01T00:00:00Z\"; not_after = \"2027-01-01T00:00:00Z\"; } ); };\n"
	"  mobility = true; tcp_relay = true; nat_discovery = [ \"192.0.2.1:3478\", \"192.0.2.1:3479\", \"192.0.2.2:3478\", \"192.0.2.2:3479\" ];\n"
	"  realms = (\n"
	"    { name = \"b.example\"; users = ( { name = \"alice\"; password = \"pw2\"; } ); secrets = [ \"one\" ]; listeners = [ \"tcp:192.0.2.1:3478\" ];\n"
	"      server_names = [ \"Turn.B.example\" ]; origins = [ \"https://b.example\" ]; user_quota = 6; peers = ( { deny = \"198.51.100.0/24\"; } );\n"
	"      bandwidth = { session = { up = 50; }; };\n"
	"      oauth = { server_name = \"auth-b\"; keys = ( { kid = \"b\"; algorithm = \"A128GCM\"; key = \"" KEY_128 "\"; } ); }; },\n"
	"    { name = \"c.example\"; listeners = [ \"192.0.2.1:443\" ]; server_names = [ \"c.example\" ]; } );\n"
	"  alternates = ( { server = \"192.0.2.9:3478\"; weight = 3; load_url = \"http://192.0.2.9/load\"; },\n"
	"    { server = \"192.0.2.9:443\"; transport = \"tls\"; } ); redirect_above = 90;\n"
	"  restricted = { addresses = [ \"203.0.113.0/24\" ]; accounts = ( { name = \"bob\"; realm = \"b.example\"; }, { name = \"eve\"; } ); };\n"
	"  user_sources = ( { kind = \"sqlite\"; connect = \"/var/lib/turndb\"; refresh = 9; }, { kind = \"redis\"; connect = \"redis://:pw@127.0.0.1/2\"; } );\n"
	"  accounting = { database = false; interval = 60; webhook = \"https://x/y\"; webhook_secret = \"0123456789abcdef\"; };\n"
	"  stream_threads = 2; max_connections = 1000; connections_per_source = 10; stream_memory_mb = 64; stream_wait = 7; stream_stall = 8;\n"
	"};\n";

/* Part of the file, what stands there instead, message after "FILE:". */
static const struct config_edit wrong[] = {
	/* listeners */
	{ "\"tcp\"; proxy", "\"sctp\"; proxy", "6: option 'turn.listeners[0].transport': \"sctp\" is not known; allowed \"udp\", \"tcp\", \"tls\", \"dtls\"" },
	{ "address = \"192.0.2.1:3478\"; ", "", "6: option 'turn.listeners[0]': has no address" },
	{ "transport = \"tcp\"; ", "", "6: option 'turn.listeners[0].transport': is missing" },
	{ "\"192.0.2.1:3478\"; transport", "\"192.0.2.1\"; transport", "6: option 'turn.listeners[0].address': \"192.0.2.1\" is not an address with a port" },
	{ "10.0.0.0/8", "10.0.0.1/8", "6: option 'turn.listeners[0].proxy_protocol[0]': \"10.0.0.1/8\" has bits beyond its length" },
	{ "192.0.2.1:443\"; transport = \"tls\"", "192.0.2.1:3478\"; transport = \"tls\"",
		"7: option 'turn.listeners[1].address': 192.0.2.1:3478 is turn.listeners[0].address already, with transport \"tcp\"; \"tls\" needs a TCP port of its own" },
	{ "192.0.2.1:443\"; transport = \"dtls\"", "192.0.2.1:3479\"; transport = \"dtls\"",
		"9: option 'turn.listeners[2].address': 192.0.2.1:3479 is turn.listen[1] already, with transport \"udp\"; \"dtls\" needs a UDP port of its own" },
	{ "transport = \"dtls\"; certificate", "transport = \"tls\"; certificate", "9: option 'turn.listeners[2].address': 192.0.2.1:443 is listed twice" },
	{ "\"dtls\"; certificate = \"/etc/hostname\"; ", "\"dtls\"; ", "9: option 'turn.listeners[2].certificate': is missing; transport = \"dtls\" needs" },
	{ "key = \"/etc/hostname\"; } );", "} );", "9: option 'turn.listeners[2].key': is missing" },
	{ "\"/etc/hostname\"; key", "\"/etc/no-such.pem\"; key", "7: option 'turn.listeners[1].certificate': /etc/no-such.pem cannot be read: No such file" },
	{ "\"/etc/hostname\"; key", "\"turn.pem\"; key", "7: option 'turn.listeners[1].certificate': \"turn.pem\" counts from wherever" },
	{ "\"/etc/passwd\"; }", "\"/etc\"; }", "8: option 'turn.listeners[1].certificates[0].key': /etc is no file" },
	{ "\"tcp\"; proxy", "\"tcp\"; key = \"/etc/hostname\"; proxy", "6: option 'turn.listeners[0].transport': \"tcp\" has no use for certificates" },
	{ "\"dtls\"; certificate", "\"dtls\"; proxy_protocol = [ \"10.0.0.0/8\" ]; certificate", "9: option 'turn.listeners[2].proxy_protocol': is for transport \"tcp\"" },
	{ "192.0.2.1:443\"; transport = \"tls\"", "192.0.2.1:50001\"; transport = \"tls\"", "7: option 'turn.listeners[1].address': port 50001 is a relay port" },
	/* realms */
	{ "\"c.example\"; listeners", "\"b.example\"; listeners", "21: option 'turn.realms[1].name': \"b.example\" is another one's already" },
	{ "\"c.example\"; listeners", "\"example.org\"; listeners", "21: option 'turn.realms[1].name': \"example.org\" is another one's already" },
	{ "name = \"c.example\"; ", "", "21: option 'turn.realms[1].name': is missing" },
	{ "[ \"192.0.2.1:443\" ]", "[ \"192.0.2.1:3478\" ]", "21: option 'turn.realms[1].listeners': tcp:192.0.2.1:3478 is another realm's already" },
	{ "[ \"192.0.2.1:443\" ]", "[ \"tcp:192.0.2.1:443\" ]", "21: option 'turn.realms[1].listeners[0]': \"tcp:192.0.2.1:443\" is no listener" },
	{ "[ \"c.example\" ]", "[ \"TURN.b.EXAMPLE\" ]", "21: option 'turn.realms[1].server_names[0]': \"turn.b.example\" is another one's already" },
	{ "[ \"c.example\" ]", "[ \"c.example\", \"c.example\" ]", "21: option 'turn.realms[1].server_names[1]': \"c.example\" is another one's already" },
	{ "[ \"c.example\" ]", "[ \"192.0.2.1\" ]", "21: option 'turn.realms[1].server_names[0]': \"192.0.2.1\" is no host name" },
	{ "[ \"c.example\" ]", "[ \"c.example\" ]; origins = [ \"HTTPS://b.example\" ]", "21: option 'turn.realms[1].origins[0]': \"https://b.example\" is another one's" },
	{ "secrets = [ \"one\" ]; listeners", "secrets = [ \"one\", \"one\" ]; listeners", "17: option 'turn.realms[0].secrets[1]': this secret is listed twice" },
	{ "\"pw2\"; }", "\"pw2\"; }, { name = \"alice\"; password = \"x\"; }", "17: option 'turn.realms[0].users[1].name': \"alice\" is listed twice" },
	{ "user_quota = 6", "user_quota = 6; max_lifetime = 500", "18: option 'turn.realms[0].max_lifetime': 500 is below turn.default_lifetime, 600" },
	{ "user_quota = 6", "sha256 = false", "18: option 'turn.realms[0].sha256': is not known here; known are name, users" },
	/* limits */
	{ "soft_up = 300", "soft_up = 400", "12: option 'turn.bandwidth.user.soft_up': 400 is not below up, 400" },
	{ "up = 100; ", "up = 15; ", "12: option 'turn.bandwidth.session.up': 15 is out of range; allowed 16..33554432 (or 0 for no limit)" },
	{ "down = 200; ", "soft_down = 200; ", "12: option 'turn.bandwidth.session.soft_down': is not known here; known are up, down" },
	{ "node = {", "nodes = {", "12: option 'turn.bandwidth.nodes': is not known here; known are session, user, realm, node" },
	{ "bandwidth = { session = { up = 50; }; }", "bandwidth = { node = { up = 50; }; }", "19: option 'turn.realms[0].bandwidth.node': is not known here; known are session, user, realm" },
	/* oauth */
	{ KEY_256, KEY_128, "14: option 'turn.oauth.keys[0].key': is no key of this algorithm; must be 32 bytes in base64" },
	{ "\"" KEY_128, "\"!" KEY_128, "20: option 'turn.realms[0].oauth.keys[0].key': is no key of this algorithm; must be 16 bytes" },
	{ "key = \"" KEY_128 "\"; ", "", "20: option 'turn.realms[0].oauth.keys[0]': has no key" },
	{ "A128GCM", "AES128", "20: option 'turn.realms[0].oauth.keys[0].algorithm': \"AES128\" is not known; allowed \"A256GCM\", \"A128GCM\"" },
	{ "2026-01-01T00:00:00Z", "2026-01-01", "14: option 'turn.oauth.keys[0].not_before': \"2026-01-01\" is not a time in UTC" },
	{ "2027-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "14: option 'turn.oauth.keys[0].not_after': is not after not_before" },
	{ "{ kid = \"b\"", "{ kid = \"b\"; key = \"" KEY_256 "\"; }, { kid = \"b\"", "20: option 'turn.realms[0].oauth.keys[1].kid': \"b\" is listed twice" },
	{ "server_name = \"auth\"; ", "", "14: option 'turn.oauth.server_name': is missing" },
	{ "keys = ( { kid = \"a\"", "keys = ( ); x = ( { kid = \"a\"", "14: option 'turn.oauth.x': is not known here" },
	/* NAT discovery */
	{ "nat_discovery = [ \"192.0.2.1:3478\"", "nat_discovery = [ \"192.0.2.1:443\"", "15: option 'turn.nat_discovery[0]': \"192.0.2.1:443\" is no UDP listener" },
	{ "nat_discovery = [ \"192.0.2.1:3478\"", "nat_discovery = [ \"192.0.2.1:3479\"", "15: option 'turn.nat_discovery': must be two ports of two addresses" },
	{ "nat_discovery = [ \"192.0.2.1:3478\", ", "nat_discovery = [ ", "15: option 'turn.nat_discovery': has 3 endpoints; must have 4" },
	/* alternates */
	{ "192.0.2.9:3478\"; weight", "192.0.2.1:3478\"; weight", "22: option 'turn.alternates[0].server': 192.0.2.1:3478 is a listener of this node" },
	{ "192.0.2.9:443\"; transport = \"tls\"", "192.0.2.9:3478\"", "23: option 'turn.alternates[1].server': 192.0.2.9:3478 is listed twice for transport \"udp\"" },
	{ "http://192.0.2.9/load", "192.0.2.9/load", "22: option 'turn.alternates[0].load_url': is not a URL" },
	{ "weight = 3", "weight = 0", "22: option 'turn.alternates[0].weight': 0 is out of range; allowed 1..100" },
	{ "\"192.0.2.9:3478\"", "\"turn.example.net\"", "22: option 'turn.alternates[0].server': \"turn.example.net\" is not an address with a port" },
	/* restricted, sources, accounting */
	{ "203.0.113.0/24", "203.0.113.1/24", "24: option 'turn.restricted.addresses[0]': \"203.0.113.1/24\" has bits beyond its length; write \"203.0.113.0/24\"" },
	{ "realm = \"b.example\"; },", "realm = \"x\"; },", "24: option 'turn.restricted.accounts[0].realm': there is no realm \"x\"" },
	{ "/var/lib/turndb", "turndb", "25: option 'turn.user_sources[0].connect': must be the file's whole path" },
	{ "redis://:pw@127.0.0.1/2", "127.0.0.1", "25: option 'turn.user_sources[1].connect': is not Redis's address" },
	{ "\"sqlite\"", "\"mysql\"", "25: option 'turn.user_sources[0].kind': \"mysql\" is not known; allowed \"sqlite\", \"postgresql\", \"redis\"" },
	{ "https://x/y", "x/y", "26: option 'turn.accounting.webhook': is not a URL" },
	{ "database = false; interval = 60; webhook = \"https://x/y\"; webhook_secret = \"0123456789abcdef\"", "database = false",
		"26: option 'turn.accounting': has nowhere to put records" },
	{ "webhook = \"https://x/y\"; ", "", "26: option 'turn.accounting.webhook_secret': signs what goes to turn.accounting.webhook, which is missing" },
	/* streams */
	{ "connections_per_source = 10", "connections_per_source = 1001", "27: option 'turn.connections_per_source': 1001 is more than max_connections, 1000" },
	{ "host_name", "external_addresses = ( { address = \"192.0.2.7\"; external = \"203.0.113.5\"; } ); host_name",
		"10: option 'turn.external_addresses[0].address': 192.0.2.7 is neither in turn.relay_addresses nor a listener's" },
	{ "host_name", "external_addresses = ( { address = \"192.0.2.1\"; external = \"192.0.2.2\"; } ); host_name",
		"10: option 'turn.external_addresses[0].external': 192.0.2.2 cannot stand for the address" },
	{ "host_name", "external_addresses = ( { address = \"192.0.2.1\"; external = \"2001:db8::1\"; } ); host_name",
		"10: option 'turn.external_addresses[0].external': 2001:db8::1 cannot stand for the address" },
	{ "host_name", "external_addresses = ( { address = \"192.0.2.1\"; external = \"203.0.113.5\"; }, { address = \"192.0.2.1\"; external = \"203.0.113.6\"; } ); host_name",
		"10: option 'turn.external_addresses[1]': has an address of entry 0; each stands once" },
	{ "host_name", "external_addresses = ( { external = \"203.0.113.5\"; } ); host_name", "10: option 'turn.external_addresses[0]': has no address" },
	{ "turn.example.org", "turn/x", "10: option 'turn.host_name': \"turn/x\" is no host name" },
};

static void each_wrong_one_is_told(void **state)
{
	config_expect_wrong(right, wrong, SL_COUNT(wrong));
}

static void listeners_follow_those_of_listen(void **state)
{
	struct sl_config *c = config_load_edited(right, "", "");
	const struct sl_conf_turn *t = &c->turn;
	char buf[SL_ADDR_TEXT_MAX], why[200];

	assert_int_equal(t->n_plain, 4);
	assert_int_equal(t->n_listeners, 7);
	assert_int_equal(t->more[3].transport, SL_TURN_OVER_UDP);
	assert_int_equal(t->more[4].transport, SL_TURN_OVER_TCP);
	assert_int_equal(t->more[4].n_proxies, 1);
	assert_int_equal(t->more[5].transport, SL_TURN_OVER_TLS);
	assert_string_equal(t->more[5].certificate, "/etc/hostname");
	assert_int_equal(t->more[5].n_certificates, 1);
	assert_string_equal(t->more[5].certificates[0].key, "/etc/passwd");
	assert_int_equal(t->more[6].transport, SL_TURN_OVER_DTLS);
	assert_int_equal(t->nat[3], 3);
	assert_true(t->mobility && t->tcp_relay && t->nat_discovery);
	assert_string_equal(t->api_base, "turn.example.org");
	assert_int_equal(t->stream_threads, 2);
	assert_int_equal(t->stream_buffer_kb, 256);
	/* What limits of the guard call them. */
	assert_string_equal(sl_guard_listener_text(c, SL_GUARD_STUN, 0, buf), "192.0.2.1:3478");
	assert_string_equal(sl_guard_listener_text(c, SL_GUARD_STUN, 4, buf), "tcp:192.0.2.1:3478");
	assert_int_equal(sl_guard_listener(c, SL_GUARD_STUN, "192.0.2.1:3478", 0, why, sizeof why), 0);
	assert_int_equal(sl_guard_listener(c, SL_GUARD_STUN, "192.0.2.1:3478", 1, why, sizeof why), 4);
	assert_int_equal(sl_guard_listener(c, SL_GUARD_STUN, "tcp:192.0.2.1:3478", 0, why, sizeof why), 4);
	assert_int_equal(sl_guard_listener(c, SL_GUARD_STUN, "dtls:192.0.2.1:443", 0, why, sizeof why), 6);
	assert_int_equal(sl_guard_listener(c, SL_GUARD_STUN, "dtls:192.0.2.1:3478", 0, why, sizeof why), -1);
	sl_config_free(c);
}

static void realms_begin_with_the_groups_limits(void **state)
{
	struct sl_config *c = config_load_edited(right, "", "");
	const struct sl_conf_turn_realm *a = &c->turn.realms[0], *b = &c->turn.realms[1], *d = &c->turn.realms[2];

	assert_int_equal(c->turn.n_realms, 3);
	assert_string_equal(a->name, "example.org");
	assert_int_equal(a->n_users, 1);
	assert_int_equal(a->user_quota, 5);
	assert_int_equal(a->total_quota, 70);
	assert_int_equal(c->turn.total_quota, 100);
	assert_int_equal(a->session.hard_kbps[0], 100);
	assert_int_equal(a->session.hard_kbps[1], 200);
	assert_int_equal(a->user.soft_kbps[0], 300);
	assert_int_equal(c->turn.node.soft_kbps[1], 999);
	assert_string_equal(a->authorization_server, "auth");
	assert_memory_equal(a->oauth_keys[0].key, "0123456789abcdef0123456789abcdef", 32);
	assert_int_equal(a->oauth_keys[0].algorithm, SL_OAUTH_A256GCM);
	assert_int_equal(a->oauth_keys[0].not_before_unix_s, 1767225600);
	assert_int_equal(a->listeners, 0);
	assert_string_equal(b->users[0].password, "pw2");
	assert_int_equal(b->user_quota, 6);
	assert_int_equal(b->total_quota, 70);
	assert_int_equal(b->max_permissions, 8);
	assert_int_equal(b->session.hard_kbps[0], 50);
	assert_int_equal(b->session.hard_kbps[1], 200);
	assert_int_equal(b->user.hard_kbps[0], 400);
	assert_int_equal(b->listeners, 1u << 4);
	assert_string_equal(b->server_names[0], "turn.b.example");
	assert_string_equal(b->origins[0], "https://b.example");
	assert_int_equal(b->n_peer_rules, 1);
	assert_int_equal(b->oauth_keys[0].algorithm, SL_OAUTH_A128GCM);
	/* Without a transport it is every listener of that endpoint. */
	assert_int_equal(d->listeners, 1u << 5 | 1u << 6);
	assert_null(d->authorization_server);
	sl_config_free(c);
}

static void lists_are_read(void **state)
{
	struct sl_config *c = config_load_edited(right, "", "");
	const struct sl_conf_turn *t = &c->turn;

	assert_int_equal(t->n_alternates, 2);
	assert_int_equal(t->alternates[0].weight, 3);
	assert_int_equal(t->alternates[1].weight, 1);
	assert_int_equal(t->alternates[1].transport, SL_TURN_OVER_TLS);
	assert_int_equal(t->redirect_above, 90);
	assert_int_equal(t->n_restricted, 3);
	assert_false(t->restricted[0].account);
	assert_int_equal(t->restricted[0].prefix.len, 96 + 24);
	assert_string_equal(t->restricted[1].realm, "b.example");
	assert_string_equal(t->restricted[2].name, "eve");
	assert_null(t->restricted[2].realm);
	assert_int_equal(t->n_user_sources, 2);
	assert_int_equal(t->user_sources[0].refresh_s, 9);
	assert_int_equal(t->user_sources[1].kind, SL_USERS_REDIS);
	assert_int_equal(t->user_sources[1].refresh_s, 60);
	assert_false(t->accounting.database);
	assert_int_equal(t->accounting.interval_s, 60);
	assert_string_equal(t->accounting.webhook_secret, "0123456789abcdef");
	sl_config_free(c);
}

static void what_a_reload_may_change(void **state)
{
	static const struct config_edit live[] = {
		{ "\"/etc/hostname\"", "\"/etc/passwd\"", NULL },
		{ "10.0.0.0/8", "10.0.0.0/9", NULL },
		{ "https://b.example", "https://bb.example", NULL },
		{ "\"pw2\"", "\"pw3\"", NULL },
		{ "user_quota = 6", "user_quota = 7", NULL },
		{ "mobility = true", "mobility = false", NULL },
		{ "weight = 3", "weight = 4", NULL },
		{ "203.0.113.0/24", "203.0.113.0/25", NULL },
		{ "198.51.100.0/24", "198.51.100.0/25", NULL },
		{ "up = 100", "up = 101", NULL },
		{ "refresh = 9", "refresh = 10", NULL },
		{ "interval = 60", "interval = 61", NULL },
	};
	static const struct config_edit restart[] = {
		{ "192.0.2.1:443\"; transport = \"dtls\"", "192.0.2.1:444\"; transport = \"dtls\"", "turn.listeners" },
		{ "host_name", "external_addresses = ( { address = \"192.0.2.1\"; external = \"203.0.113.5\"; } ); host_name", "turn.external_addresses" },
		{ "stream_threads = 2", "stream_threads = 3", "turn.stream_threads" },
		{ "max_connections = 1000", "max_connections = 1001", "turn.max_connections" },
		{ "connections_per_source = 10", "connections_per_source = 11", "turn.connections_per_source" },
		{ "stream_memory_mb = 64", "stream_memory_mb = 65", "turn.stream_memory_mb" },
		{ "stream_wait = 7", "stream_wait = 8", "turn.stream_wait" },
		{ "stream_stall = 8", "stream_stall = 9", "turn.stream_stall" },
		{ "stream_threads = 2", "stream_threads = 2; stream_buffer_kb = 128", "turn.stream_buffer_kb" },
	};

	config_expect_restarts(right, restart, SL_COUNT(restart));
	config_expect_restarts(right, live, SL_COUNT(live));
}

/* A relay port by TCP is nobody's with tcp_relay = false; and what else needs something beside it. */
static void options_that_need_others(void **state)
{
	static const char plain[] = "dataplane = { workers = [ 1 ]; housekeeper_core = 0; ports = ( { name = \"wan\"; device = \"net_null0\"; } ); };\n"
		"turn = { realm = \"x\"; relay_addresses = [ \"192.0.2.1\" ]; tcp_relay = false;\n"
		"  listeners = ( { address = \"192.0.2.1:50000\"; transport = \"tcp\"; } ); };\n";
	static const struct config_edit with[] = {
		{ "tcp_relay = false", "tcp_relay = true", "3: option 'turn.listeners[0].address': port 50000 is a relay port of that address too" },
		{ "\"tcp\"", "\"udp\"", "3: option 'turn.listeners[0].address': port 50000 is a relay port of that address too" },
	};
	static const struct config_edit needs[] = {
		{ "tcp_relay = false;\n  listeners = ( { address = \"192.0.2.1:50000\"; transport = \"tcp\"; } );", "tcp_relay = true; listen = [ \"192.0.2.1:3478\" ];",
			"2: option 'turn.tcp_relay': needs a client's TCP connection" },
	};

	sl_config_free(config_load_edited(plain, "", ""));
	config_expect_wrong(plain, &(struct config_edit){ "tcp_relay = false", "redirect_above = 9", "2: option 'turn.redirect_above': needs turn.alternates" }, 1);
	config_expect_wrong(plain, &(struct config_edit){ "realm = \"x\"", "realm = \"x\"; oauth = { server_name = \"a\"; }",
		"2: option 'turn.oauth.keys': is missing; tokens are opened with a key" }, 1);
	config_expect_wrong(plain, with, SL_COUNT(with));
	config_expect_wrong(plain, needs, SL_COUNT(needs));
}

/* The sample is the reference: each option stands in it. */
static void the_sample_names_each_option(void **state)
{
	static const char *const nested[] = { "proxy_protocol", "certificates", "server_names", "origins", "load_url", "accounts", "addresses", "refresh",
		"retention_days", "webhook_secret", "soft_up", "soft_down", "kid", "not_before", "not_after" };
	static char text[1 << 18];
	char path[512], err[2048];
	struct sl_config *c;

	snprintf(path, sizeof path, "%s/sluice.conf.sample", SL_SAMPLES);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	char *begin = strstr(text, "\nturn = {"), *end = strstr(text, "# ---- Media:");
	assert_true(begin != NULL && end != NULL);
	*end = '\0';
	/* Which there are is what one that is unknown is told. */
	config_write_edited(right, "mobility = true", "no_such = true");
	assert_int_equal(sl_config_load_for(config_path, CONFIG_CORES, &c, err, sizeof err), -EINVAL);
	assert_non_null(strstr(err, "known are listen, "));
	unsigned n_options = 0;
	for (char *at = strstr(err, "known are ") + strlen("known are "), *save, *name = strtok_r(at, ", ", &save); name != NULL; name = strtok_r(NULL, ", ", &save)) {
		char option[80];

		snprintf(option, sizeof option, " %s = ", name);
		if (strstr(begin, option) == NULL)
			fail_msg("turn.%s is not in the sample", name);
		n_options++;
	}
	assert_true(n_options > 30);
	for (size_t i = 0; i < SL_COUNT(nested); i++) {
		if (strstr(begin, nested[i]) == NULL)
			fail_msg("%s is not in the sample", nested[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wrong_one_is_told),
		cmocka_unit_test(listeners_follow_those_of_listen),
		cmocka_unit_test(realms_begin_with_the_groups_limits),
		cmocka_unit_test(lists_are_read),
		cmocka_unit_test(what_a_reload_may_change),
		cmocka_unit_test(options_that_need_others),
		cmocka_unit_test(the_sample_names_each_option),
	};

	return cmocka_run_group_tests(tests, config_make_folder, config_remove_folder);
}

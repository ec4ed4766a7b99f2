/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The configuration file: what a right one gives, and what each wrong one is told. Every wrong file is the right one
 * with a single edit. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/config_rig.h"

static const char right[] = "log_level = \"debug\";\n"
			    "dataplane = {\n"
			    "  workers = [ 1, 2 ];\n"
			    "  housekeeper_core = 0;\n"
			    "  idle = \"poll\";\n"
			    "  max_allocations = 512;\n"
			    "  fragments = { datagrams = 64; };\n"
			    "  ports = (\n"
			    "    { name = \"wan\"; device = \"net_null0,size=64\"; mtu = 1400; addresses = [ \"192.0.2.1/24\" ];\n"
			    "      vlans = ( { id = 7; addresses = [ \"2001:db8::1/64\", \"198.51.100.1\" ]; } ); },\n"
			    "    { name = \"lan\"; device = \"net_null1\"; checksum = \"software\"; silence = false; tap = \"t1\"; }\n"
			    "  );\n"
			    "};\n"
			    "turn = {\n"
			    "  listen = [ \"192.0.2.1:3478\", \"[2001:db8::1]:3478\" ];\n"
			    "  relay_addresses = [ \"192.0.2.1\" ];\n"
			    "  relay_ports = [ 50000, 60000 ];\n"
			    "  realm = \"example.org\";\n"
			    "  users = ( { name = \"alice\"; password = \"pw1\"; }, { name = \"bob\"; password = \"pw2\"; } );\n"
			    "  secrets = [ \"one\", \"two\" ];\n"
			    "  peers = ( { allow = \"10.0.0.0/8\"; }, { deny = \"2001:db8:9::/48\"; } );\n"
			    "};\n"
			    "control = {\n"
			    "  client_name = \"unit\";\n"
			    "};\n";

/* Part of the file, what stands there instead, message after "FILE:". */
static const struct config_edit wrong[] = {
	/* numbers, types, choices, names */
	{ "mtu = 1400", "mtu = 70000",
		"9: option 'dataplane.ports[0].mtu': 70000 is out of range; allowed 576..9600 (or 0 for the device's own)" },
	{ "mtu = 1400", "mtu = \"1400\"", "9: option 'dataplane.ports[0].mtu': is a text; must be a whole number, 576..9600" },
	{ "mtu = 1400", "mtu = 1.4", "9: option 'dataplane.ports[0].mtu': is a number with a fraction" },
	{ "mtu = 1400", "mut = 1400", "9: option 'dataplane.ports[0].mut': is not known here; known are name, device," },
	{ "mtu = 1400", "mtu = 1400; mtu = 1400", "9: this option is set twice" },
	{ "silence = false", "silence = 0", "11: option 'dataplane.ports[1].silence': is a number; must be true or false" },
	{ "\"poll\"", "\"nap\"", "5: option 'dataplane.idle': \"nap\" is not known; allowed \"poll\", \"adaptive\"" },
	{ "\"software\"", "\"\"", "11: option 'dataplane.ports[1].checksum': \"\" is not known; allowed \"auto\", \"software\"" },
	{ "\"debug\"", "\"loud\"", "1: option 'log_level': \"loud\" is not known; allowed \"error\", \"warning\"" },
	{ "control = {", "controls = {", "23: option 'controls': is not known here" },
	{ "control = {", "control = 3; dummy = {", "23: option 'dummy': is not known here" },
	{ "fragments = {", "fragments = 3; x = {", "7: option 'dataplane.x': is not known here" },
	{ "fragments = { datagrams = 64; }", "fragments = 3", "7: option 'dataplane.fragments': is a number; must be a group" },
	{ "max_allocations = 512", "max_allocations = 99999999",
		"6: option 'dataplane.max_allocations': 99999999 is out of range; allowed 1..4194304" },
	{ "max_allocations = 512", "max_allocations = 1", "6: option 'dataplane.max_allocations': 1 is fewer than the 2 workers" },
	{ "max_allocations = 512", "max_allocations = 512; max_peers = 100",
		"6: option 'dataplane.max_peers': 100 is fewer than max_allocations" },
	{ "datagrams = 64", "datagrams = 64; per_source = 65", "7: option 'dataplane.fragments.per_source': 65 is more than" },
	/* cores */
	{ "[ 1, 2 ]", "[ ]", "3: option 'dataplane.workers': has 0 cores; 1..32 are allowed" },
	{ "  workers = [ 1, 2 ];\n", "", "2: option 'dataplane.workers': is missing" },
	{ "[ 1, 2 ]", "1", "3: option 'dataplane.workers': is a number; must be a list of cores" },
	{ "[ 1, 2 ]", "[ 1, 1 ]", "3: option 'dataplane.workers[1]': core 1 is listed twice" },
	{ "[ 1, 2 ]", "[ 1, 4 ]", "3: option 'dataplane.workers[1]': there is no core 4; this machine has 4, numbered 0..3" },
	{ "[ 1, 2 ]", "[ 1, -1 ]", "3: option 'dataplane.workers[1]': -1 is out of range" },
	{ "_core = 0", "_core = 2", "4: option 'dataplane.housekeeper_core': core 2 is a worker's" },
	{ "_core = 0", "_core = 9", "4: option 'dataplane.housekeeper_core': there is no core 9" },
	/* ports */
	{ "name = \"wan\"; ", "", "9: option 'dataplane.ports[0]': has no name" },
	{ "name = \"wan\"", "name = \"wan/1\"", "9: option 'dataplane.ports[0].name': \"wan/1\" is no good as a name" },
	{ "name = \"wan\"", "name = \"sixteen-bytes-xx\"", "9: option 'dataplane.ports[0].name': has 16 bytes; 1..15 are allowed" },
	{ "name = \"wan\"", "name = \"thirteenbytes\"", "9: option 'dataplane.ports[0]': the TAP's name would be" },
	{ "name = \"lan\"", "name = \"wan\"", "11: option 'dataplane.ports[1].name': \"wan\" is used twice" },
	{ "net_null1", "net_null0", "11: option 'dataplane.ports[1].device': net_null0 is port \"wan\" already" },
	{ " device = \"net_null1\";", "", "11: option 'dataplane.ports[1].device': is missing" },
	{ "tap = \"t1\"", "tap = \"sl-wan\"", "11: option 'dataplane.ports[1].tap': \"sl-wan\" is used twice" },
	{ "tap = \"t1\"", "tap = \"sl-wan.7\"", "11: option 'dataplane.ports[1].tap': \"sl-wan.7\" is used twice" },
	{ "id = 7", "id = 0", "10: option 'dataplane.ports[0].vlans[0].id': 0 is out of range; allowed 1..4094" },
	{ "id = 7", "id = 4095", "10: option 'dataplane.ports[0].vlans[0].id': 4095 is out of range; allowed 1..4094" },
	{ "vlans = ( {", "vlans = ( { id = 7; tap = \"x\"; }, {", "10: option 'dataplane.ports[0].vlans[1].id': VLAN 7 is listed twice" },
	{ "192.0.2.1/24", "192.0.2.1/33", "9: option 'dataplane.ports[0].addresses[0]': the prefix length 33 is out of range; allowed 1..32" },
	{ "192.0.2.1/24", "192.0.2.1/", "9: option 'dataplane.ports[0].addresses[0]': \"192.0.2.1/\" is not an address" },
	{ "192.0.2.1/24", "192.0.2.1/2x", "9: option 'dataplane.ports[0].addresses[0]': \"192.0.2.1/2x\" is not an address" },
	{ "192.0.2.1/24", "224.0.0.1/24", "9: option 'dataplane.ports[0].addresses[0]': 224.0.0.1 cannot be" },
	{ "ports = (", "ports = ( 3, ", "8: option 'dataplane.ports[0]': must be a group" },
	/* turn */
	{ "\"192.0.2.1:3478\"", "\"192.0.2.1\"", "15: option 'turn.listen[0]': \"192.0.2.1\" is not an address with a port" },
	{ "\"192.0.2.1:3478\"", "\"192.0.2.1:0\"", "15: option 'turn.listen[0]': \"192.0.2.1:0\" is not an address with a port" },
	{ "\"192.0.2.1:3478\"", "\"0.0.0.0:3478\"", "15: option 'turn.listen[0]': 0.0.0.0:3478 cannot be listened on" },
	{ "\"192.0.2.1:3478\"", "\"[2001:db8::1]:3478\"", "15: option 'turn.listen[1]': [2001:db8::1]:3478 is listed twice" },
	{ "\"192.0.2.1:3478\"", "\"192.0.2.1:60000\"", "15: option 'turn.listen[0]': port 60000 is a relay port of that address" },
	{ "= [ \"192.0.2.1\" ]", "= [ \"192.0.2.1\", \"192.0.2.1\" ]", "16: option 'turn.relay_addresses[1]': 192.0.2.1 is listed twice" },
	{ "= [ \"192.0.2.1\" ]", "= [ ]", "16: option 'turn.relay_addresses': has 0 relay addresses" },
	{ "= [ \"192.0.2.1\" ]", "= [ \"::\" ]", "16: option 'turn.relay_addresses[0]': :: cannot be a relay address" },
	{ "50000, 60000", "60000, 50000", "17: option 'turn.relay_ports': the lowest, 60000, is above the highest, 50000" },
	{ "50000, 60000", "1000, 50000", "17: option 'turn.relay_ports[0]': 1000 is out of range; allowed 1024..65535" },
	{ "50000, 60000", "50000", "17: option 'turn.relay_ports': has 1 ports, the lowest and the highest; 2..2 are allowed" },
	{ "50000, 60000", "51200, 51455", "17: option 'turn.relay_ports': 51200..51455 touches 1 aligned blocks of 256 ports" },
	{ "  realm = \"example.org\";\n", "", "14: option 'turn.realm': is missing" },
	{ "\"example.org\"", "\"\"", "18: option 'turn.realm': is empty; 1..127 bytes are allowed" },
	{ "\"example.org\"", "\"a\\tb\"", "18: option 'turn.realm': has a control character" },
	{ "\"bob\"", "\"alice\"", "19: option 'turn.users[1].name': \"alice\" is listed twice" },
	{ "\"pw2\"", "\"\"", "19: option 'turn.users[1].password': is empty" },
	{ " password = \"pw2\";", "", "19: option 'turn.users[1].password': is missing" },
	{ "\"two\"", "\"one\"", "20: option 'turn.secrets[1]': this secret is listed twice" },
	{ "10.0.0.0/8", "10.0.0.1/8", "21: option 'turn.peers[0].allow': \"10.0.0.1/8\" is not a prefix" },
	{ "{ allow =", "{ permit =", "21: option 'turn.peers[0].permit': is not known here; known are allow, deny" },
	{ "{ allow =", "{ deny = \"1.2.3.4\"; allow =", "21: option 'turn.peers[0]': must be { allow" },
	{ "realm =", "default_lifetime = 4000; realm =", "18: option 'turn.default_lifetime': 4000 is above turn.max_lifetime, 3600" },
	/* control */
	{ "client_name", "api_tcp = \"127.0.0.1:80\"; client_name", "24: option 'control.api_tcp': needs control.api_token" },
	{ "client_name", "api_token = \"short\"; client_name", "24: option 'control.api_token': has 5 bytes; 16..256 are allowed" },
	{ "client_name", "api_token_file = \"/nowhere\"; client_name", "24: option 'control.api_token_file': /nowhere cannot be read" },
	{ "client_name", "api_socket = \"/run/sluice/dataplane.sock\"; client_name",
		"24: option 'control.api_socket': /run/sluice/dataplane.sock is dataplane.socket already" },
	/* syntax */
	{ "[ 1, 2 ]", "[ 1, \"2\" ]", "3: the values between [ and ] must be all of one kind" },
	{ "\"poll\";", ";", "5: syntax error" },
	{ "idle = \"poll\"", "@include \"nowhere.conf\"", "5: cannot open the file to include" },
	/* libconfig would cut it to 32 bits and take it for 256 */
	{ "max_allocations = 512", "max_allocations = 4294967808", "6: the number 4294967808 is too large" },
	{ "max_allocations = 512", "/* 4294967808 */ x = 3", "6: option 'dataplane.x': is not known" },
};

static void test_right(void **state)
{
	struct sl_config *c = config_load_edited(right, "x", "x");
	const struct sl_conf_dataplane *dp = &c->dataplane;
	char text[SL_ADDR_TEXT_MAX];

	assert_string_equal(c->log_level, "debug");
	assert_string_equal(c->path, config_path);
	assert_int_equal(dp->n_workers, 2);
	assert_int_equal(dp->worker_cores[1], 2);
	assert_int_equal(dp->idle, SL_IDLE_POLL);
	assert_int_equal(dp->hugepages, SL_AUTO);
	assert_int_equal(dp->memory_mb, 256);
	assert_int_equal(dp->max_allocations, 512);
	assert_int_equal(dp->fragment_datagrams, 64);
	assert_int_equal(dp->fragment_timeout_ms, 1000);
	assert_string_equal(dp->socket, "/run/sluice/dataplane.sock");
	assert_null(dp->run_as);
	assert_int_equal(dp->n_ports, 2);
	assert_string_equal(dp->ports[0].device, "net_null0,size=64");
	assert_int_equal(dp->ports[0].mtu, 1400);
	assert_int_equal(dp->ports[0].rx_descriptors, 1024);
	assert_int_equal(dp->ports[0].checksum_offload, SL_AUTO);
	assert_true(dp->ports[0].silence);
	assert_int_equal(dp->ports[0].n_interfaces, 2);
	assert_string_equal(dp->ports[0].interfaces[0].tap, "sl-wan");
	assert_int_equal(dp->ports[0].interfaces[0].vlan, 0);
	assert_int_equal(dp->ports[0].interfaces[0].addresses[0].prefix_len, 96 + 24);
	assert_string_equal(dp->ports[0].interfaces[1].tap, "sl-wan.7");
	assert_int_equal(dp->ports[0].interfaces[1].vlan, 7);
	assert_int_equal(dp->ports[0].interfaces[1].n_addresses, 2);
	assert_int_equal(dp->ports[0].interfaces[1].addresses[0].prefix_len, 64);
	assert_int_equal(dp->ports[0].interfaces[1].addresses[1].prefix_len, 128);
	assert_int_equal(dp->ports[1].checksum_offload, SL_NO);
	assert_false(dp->ports[1].silence);
	assert_int_equal(dp->ports[1].n_interfaces, 1);

	assert_int_equal(c->turn.n_listeners, 2);
	assert_string_equal(sl_endpoint_text(&c->turn.listeners[1], text), "[2001:db8::1]:3478");
	assert_int_equal(c->turn.n_relay, 1);
	assert_int_equal(c->turn.relay_port_min, 50000);
	assert_int_equal(c->turn.relay_port_max, 60000);
	assert_int_equal(c->turn.realms[0].n_users, 2);
	assert_string_equal(c->turn.realms[0].users[1].password, "pw2");
	assert_int_equal(c->turn.realms[0].n_secrets, 2);
	assert_int_equal(c->turn.default_lifetime_s, 600);
	assert_int_equal(c->turn.realms[0].user_quota, 0);
	assert_true(c->turn.sha256);
	assert_int_equal(c->turn.n_peer_rules, 2);
	assert_true(c->turn.peer_rules[0].allow);
	assert_int_equal(c->turn.peer_rules[0].prefix.len, 96 + 8);
	assert_false(c->turn.peer_rules[1].allow);
	assert_string_equal(c->control.client_name, "unit");
	assert_string_equal(c->control.api_socket, "/run/sluice/api.sock");
	assert_false(c->control.has_api_tcp);
	sl_config_free(c);
}

static void test_wrong(void **state)
{
	config_expect_wrong(right, wrong, SL_COUNT(wrong));
}

/* A worker that backs off leaves room for the housekeeper; one that spins is in test_wrong. */
static void test_shared_core(void **state)
{
	struct sl_config *c = config_load_edited(right, "_core = 0;\n  idle = \"poll\"", "_core = 2;\n  idle = \"adaptive\"");

	assert_int_equal(c->dataplane.housekeeper_core, 2);
	sl_config_free(c);
}

static void test_message_fits_any_buffer(void **state)
{
	struct sl_config *c;
	char err[64];

	config_write_edited(right, "mtu = 1400", "mtu = 70000");
	for (size_t len = 0; len <= sizeof err; len++) {
		memset(err, 'x', sizeof err);
		assert_int_equal(sl_config_load_for(config_path, CONFIG_CORES, &c, err, len), -EINVAL);
		for (size_t i = len; i < sizeof err; i++)
			assert_int_equal(err[i], 'x');
		if (len > 0)
			assert_non_null(memchr(err, '\0', len));
	}
}

static void test_unreadable(void **state)
{
	struct sl_config *c;
	char err[256];

	assert_int_equal(sl_config_load("/nowhere/sluice.conf", &c, err, sizeof err), -ENOENT);
	assert_string_equal(err, "/nowhere/sluice.conf: cannot be read: No such file or directory");
	assert_int_equal(sl_config_load(config_folder, &c, err, sizeof err), -EISDIR);
	assert_null(c);
}

static void test_include(void **state)
{
	struct sl_config *c = NULL;
	char err[512];

	config_write(config_other, "\n  secrets = [ \"from-there\" ];\n");
	c = config_load_edited(right, "  secrets = [ \"one\", \"two\" ];", "@include \"b.conf\"");
	assert_int_equal(c->turn.realms[0].n_secrets, 1);
	assert_string_equal(c->turn.realms[0].secrets[0], "from-there");
	sl_config_free(c);

	config_write(config_other, "\n  secrets = 3;\n");
	assert_int_equal(sl_config_load_for(config_path, CONFIG_CORES, &c, err, sizeof err), -EINVAL);
	assert_string_equal(err, "b.conf:2: option 'turn.secrets': is a number; must be a list of secrets: secrets = ( ... );");
}

static void test_token_file(void **state)
{
	struct sl_config *c;
	char put[256], err[512];

	snprintf(put, sizeof put, "api_tcp = \"127.0.0.1:8080\"; api_token_file = \"%s\"; client_name", config_other);
	config_write(config_other, "0123456789abcdef\nsecond line\n");
	assert_int_equal(chmod(config_other, 0640), 0);
	c = config_load_edited(right, "client_name", put);
	assert_string_equal(c->control.api_token, "0123456789abcdef");
	assert_true(c->control.has_api_tcp);
	assert_int_equal(ntohs(c->control.api_tcp.port_be), 8080);
	sl_config_free(c);

	assert_int_equal(chmod(config_other, 0644), 0);
	assert_int_equal(sl_config_load_for(config_path, CONFIG_CORES, &c, err, sizeof err), -EINVAL);
	assert_non_null(strstr(err, "is open to everybody (mode 644); do: chmod 640"));
	config_write(config_other, "short\n");
	assert_int_equal(chmod(config_other, 0600), 0);
	assert_int_equal(sl_config_load_for(config_path, CONFIG_CORES, &c, err, sizeof err), -EINVAL);
	assert_non_null(strstr(err, "has 5 bytes; 16..256 are allowed"));
}

static void test_needs_restart(void **state)
{
	static const struct config_edit edits[] = {
		{ "[ 1, 2 ]", "[ 1, 3 ]", "dataplane.workers" },
		{ "[ 1, 2 ]", "[ 1 ]", "dataplane.workers" },
		{ "max_allocations = 512", "max_allocations = 513", "dataplane.max_allocations" },
		{ "datagrams = 64", "datagrams = 65", "dataplane.fragments" },
		{ "idle =", "run_as = \"nobody\"; idle =", "dataplane.run_as" },
		{ "idle =", "eal = [ \"-v\" ]; idle =", "dataplane.eal" },
		{ "size=64", "size=65", "dataplane.ports" },
		{ "id = 7", "id = 8", "dataplane.ports" },
		{ "192.0.2.1/24", "192.0.2.1/25", "dataplane.ports" },
		{ "2.1:3478", "2.1:3479", "turn.listen" },
		{ "= [ \"192.0.2.1\" ]", "= [ \"192.0.2.2\" ]", "turn.relay_addresses" },
		{ "50000, 60000", "50000, 60001", "turn.relay_ports" },
		{ "idle =", "exception_pps = 5; unauthenticated_pps = 6; idle =", NULL },
		{ "\"poll\"", "\"adaptive\"", NULL },
		{ "\"example.org\"", "\"example.net\"", NULL },
		{ "\"pw1\"", "\"pw3\"", NULL },
		{ "10.0.0.0/8", "11.0.0.0/8", NULL },
	};

	config_expect_restarts(right, edits, SL_COUNT(edits));
}

/* The samples are the reference, so they must load; the default values that they state must be the real ones. */
static void test_samples(void **state)
{
	static const char *const samples[] = {
		"sluice.conf.sample", "turn-edge.conf.sample", "access-sbc.conf.sample", "peering-sbc.conf.sample",
		"all-in-one.conf.sample", "quickstart.conf"
	};
	struct sl_config *c;
	char err[512], file[512];

	for (size_t i = 0; i < SL_COUNT(samples); i++) {
		snprintf(file, sizeof file, "%s/%s", SL_SAMPLES, samples[i]);
		if (sl_config_load_for(file, 64, &c, err, sizeof err) != 0)
			fail_msg("%s", err);
		sl_config_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_shared_core),
		cmocka_unit_test(test_message_fits_any_buffer),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_token_file),
		cmocka_unit_test(test_needs_restart),
		cmocka_unit_test(test_samples),
	};

	return cmocka_run_group_tests(tests, config_make_folder, config_remove_folder);
}

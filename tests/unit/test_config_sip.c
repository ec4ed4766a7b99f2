/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "sip" of the configuration file: what a right one gives, what each wrong one is told, what a reload may change. Every wrong file is
 * the right one with a single edit. */

#include "tests/unit/unit.h"

#include "tests/unit/config_rig.h"

static const char right[] =
	"dataplane = { workers = [ 1 ]; housekeeper_core = 0;\n"
	"  ports = ( { name = \"wan\"; device = \"net_null0\"; addresses = [ \"192.0.2.1/24\" ]; } ); };\n"
	"media = { addresses = ( { interface = \"public\"; address = \"192.0.2.1\"; }, { interface = \"inside\"; address = \"10.0.0.1\"; } ); };\n"
	"sip = {\n"
	"  listeners = (\n"
	"    { name = \"access\"; role = \"access\"; transport = \"udp\"; address = \"192.0.2.1\"; advertised = \"203.0.113.7:5070\"; media = \"public\"; },\n"
	"    { name = \"trunks\"; role = \"peering\"; transport = \"tcp\"; address = \"192.0.2.1:5080\"; media = \"inside\"; },\n"
	"    { name = \"tls\"; role = \"core\"; transport = \"tls\"; address = \"[2001:db8::1]\"; media = \"public\"; certificate = \"/c\"; key = \"/k\";\n"
	"      client_certificates = \"required\"; ca_file = \"/a\"; certificates = ( { certificate = \"/c2\"; key = \"/k2\"; } ); }\n"
	"  );\n"
	"  nameservers = ( \"192.0.2.53\", \"[2001:db8::53]\" );\n"
	"  user_agent = \"\"; max_calls = 10; max_connections = 11; trace_mb = 0; cdr_retention_days = 0; keepalive = 0;\n"
	"  overload_delay_ms = 0; overload_memory_mb = 100; retry_after = 7; auth_failures = 0; auth_window = 8; auth_block = 9;\n"
	"  t1_ms = 250; region = 3; node = 255;\n"
	"};\n";

static const struct config_edit wrong[] = {
	/* listeners */
	{ "name = \"access\"; ", "", "6: option 'sip.listeners[0]': has no name; such as" },
	{ " media = \"public\"; },\n    { name = \"trunks\"", " },\n    { name = \"trunks\"", "6: option 'sip.listeners[0]': has no media; such as" },
	{ "role = \"access\"; ", "", "6: option 'sip.listeners[0].role': is missing" },
	{ "role = \"access\"", "role = \"users\"", "6: option 'sip.listeners[0].role': \"users\" is not known; allowed \"access\", \"peering\", \"core\"" },
	{ "\"udp\"", "\"ws\"", "6: option 'sip.listeners[0].transport': \"ws\" is not known; allowed \"udp\", \"tcp\", \"tls\"" },
	{ "\"192.0.2.1\"; adv", "\"sip.example.com\"; adv", "6: option 'sip.listeners[0].address': \"sip.example.com\" is not an address; such as" },
	{ "\"192.0.2.1\"; adv", "\"0.0.0.0\"; adv", "6: option 'sip.listeners[0].address': 0.0.0.0:5060 is not an address that others can answer to" },
	{ "203.0.113.7:5070", "[2001:db8::7]:5070", "6: option 'sip.listeners[0].advertised': must be of the same family as the address" },
	{ "\"192.0.2.1\"; adv", "\"192.0.2.1:30000\"; adv", "6: option 'sip.listeners[0].address': 192.0.2.1:30000 is a media port" },
	{ "\"192.0.2.1\"; adv", "\"127.0.0.1:2223\"; adv", "6: option 'sip.listeners[0].address': 127.0.0.1:2223 is media.ng.udp[0]" },
	{ "media = \"inside\"", "media = \"outside\"", "7: option 'sip.listeners[1].media': no address of the group media has the interface \"outside\"" },
	{ "\"trunks\"", "\"access\"", "7: option 'sip.listeners[1].name': \"access\" is the name of another one" },
	{ "\"tcp\"; address = \"192.0.2.1:5080\"", "\"udp\"; address = \"192.0.2.1:5060\"",
		"7: option 'sip.listeners[1].address': 192.0.2.1:5060 is taken by \"access\"" },
	{ "media = \"inside\"", "media = \"inside\"; certificate = \"/c\"", "7: option 'sip.listeners[1].transport': certificates are for transport = \"tls\"" },
	{ " key = \"/k\";", "", "8: option 'sip.listeners[2].certificate': TLS needs certificate (PEM, the full chain) and key" },
	{ " ca_file = \"/a\";", "", "9: option 'sip.listeners[2].client_certificates': needs ca_file, which says whose are good" },
	{ "media = \"inside\"", "media = \"inside\"; certificates = ( { certificate = \"/c\"; key = \"/k\"; } )",
		"7: option 'sip.listeners[1].transport': certificates are for transport = \"tls\"" },
	{ " key = \"/k2\";", "", "9: option 'sip.listeners[2].certificates[0].key': is missing" },
	{ "certificate = \"/c2\";", "", "9: option 'sip.listeners[2].certificates[0].certificate': is missing" },
	{ "certificate = \"/c2\";", "certificate = \"\";", "9: option 'sip.listeners[2].certificates[0].certificate': is empty" },
	{ "key = \"/k2\";", "key = \"/k2\"; name = \"b\";", "9: option 'sip.listeners[2].certificates[0].name': is not known here; known are certificate, key" },
	{ "( { certificate = \"/c2\"; key = \"/k2\"; } )", "( \"/c2\" )", "9: option 'sip.listeners[2].certificates[0]': must be a group" },
	{ "( { certificate = \"/c2\"; key = \"/k2\"; } )", "\"/c2\"", "9: option 'sip.listeners[2].certificates': is a text; must be a list of certificates" },
	{ "( { certificate = \"/c2\"; key = \"/k2\"; } )", "( 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 )",
		"9: option 'sip.listeners[2].certificates': has 17 certificates; 0..16 are allowed" },
	{ "\"required\"", "\"yes\"", "9: option 'sip.listeners[2].client_certificates': \"yes\" is not known; allowed \"off\", \"optional\", \"required\"" },
	{ "role = \"peering\"", "weight = 1; role = \"peering\"", "7: option 'sip.listeners[1].weight': is not known here; known are name," },
	{ "listeners = (\n", "listeners = ( 3,\n", "5: option 'sip.listeners[0]': must be a group" },
	{ "listeners = (\n", "listeners = ( ); x = (\n", "5: option 'sip.x': is not known here" },
	/* the rest */
	{ "\"[2001:db8::53]\"", "\"[2001:db8::53]:5353\"", "11: option 'sip.nameservers[1]': has another port than the first one" },
	{ "\"192.0.2.53\"", "\"dns\"", "11: option 'sip.nameservers[0]': \"dns\" is not an address" },
	{ "max_calls = 10", "max_calls = 0", "12: option 'sip.max_calls': 0 is out of range; allowed 1..262144" },
	{ "keepalive = 0", "keepalive = 4", "12: option 'sip.keepalive': 4 is out of range; allowed 5..3600 (or 0 for none is sent)" },
	{ "trace_mb = 0", "trace_mb = 16385", "12: option 'sip.trace_mb': 16385 is out of range; allowed 1..16384 (or 0 for no trace)" },
	{ "overload_delay_ms = 0", "overload_delay_ms = 9", "13: option 'sip.overload_delay_ms': 9 is out of range; allowed 10..10000" },
	{ "overload_memory_mb = 100", "overload_memory_mb = 63", "13: option 'sip.overload_memory_mb': 63 is out of range; allowed 64..1048576" },
	{ "retry_after = 7", "retry_after = 0", "13: option 'sip.retry_after': 0 is out of range; allowed 1..3600" },
	{ "auth_window = 8", "auth_window = 0", "13: option 'sip.auth_window': 0 is out of range; allowed 1..86400" },
	{ "t1_ms = 250", "t1_ms = 49", "14: option 'sip.t1_ms': 49 is out of range; allowed 50..5000" },
	{ "region = 3", "region = 256", "14: option 'sip.region': 256 is out of range; allowed 0..255" },
	{ "t1_ms = 250", "t2_ms = 250", "14: option 'sip.t2_ms': is not known here; known are listeners, nameservers, user_agent," },
};

static void test_right(void **state)
{
	struct sl_config *c = config_load_edited(right, "", "");
	const struct sl_conf_sip *s = &c->sip;
	char text[SL_ADDR_TEXT_MAX];

	assert_int_equal(s->n_listeners, 3);
	assert_string_equal(s->listeners[0].name, "access");
	assert_int_equal(s->listeners[0].role, SL_SIP_ACCESS);
	assert_int_equal(s->listeners[0].transport, SL_CONF_SIP_UDP);
	assert_string_equal(sl_endpoint_text(&s->listeners[0].address, text), "192.0.2.1:5060");
	assert_string_equal(sl_endpoint_text(&s->listeners[0].advertised, text), "203.0.113.7:5070");
	assert_string_equal(s->listeners[1].media, "inside");
	assert_string_equal(sl_endpoint_text(&s->listeners[1].advertised, text), "192.0.2.1:5080");
	assert_string_equal(sl_endpoint_text(&s->listeners[2].address, text), "[2001:db8::1]:5061");
	assert_string_equal(s->listeners[2].certificate, "/c");
	assert_string_equal(s->listeners[2].ca_file, "/a");
	assert_int_equal(s->listeners[2].client_certificates, SL_CERT_REQUIRED);
	assert_int_equal(s->listeners[1].n_certificates, 0);
	assert_int_equal(s->listeners[2].n_certificates, 1);
	assert_string_equal(s->listeners[2].certificates[0].certificate, "/c2");
	assert_string_equal(s->listeners[2].certificates[0].key, "/k2");
	assert_int_equal(s->n_nameservers, 2);
	assert_string_equal(sl_endpoint_text(&s->nameservers[1], text), "[2001:db8::53]:53");
	assert_string_equal(s->user_agent, "");
	assert_int_equal(s->max_calls, 10);
	assert_int_equal(s->max_connections, 11);
	assert_int_equal(s->trace_mb, 0);
	assert_int_equal(s->cdr_retention_days, 0);
	assert_int_equal(s->keepalive_s, 0);
	assert_int_equal(s->overload_delay_ms, 0);
	assert_int_equal(s->overload_memory_mb, 100);
	assert_int_equal(s->overload_retry_after_s, 7);
	assert_int_equal(s->auth_failures, 0);
	assert_int_equal(s->auth_window_s, 8);
	assert_int_equal(s->auth_block_s, 9);
	assert_int_equal(s->t1_ms, 250);
	assert_int_equal(s->region, 3);
	assert_int_equal(s->node, 255);
	sl_config_free(c);
}

static void test_wrong(void **state)
{
	config_expect_wrong(right, wrong, SL_COUNT(wrong));
}

/* Nothing but a listener: what the sample calls defaults. */
static void test_defaults(void **state)
{
	const char *rest = strstr(right, "  nameservers");
	char cut[4096];
	struct sl_config *c;

	snprintf(cut, sizeof cut, "%.*s};\n", (int)(rest - right), right);
	c = config_load_edited(cut, "", "");
	assert_int_equal(c->sip.n_nameservers, 0);
	assert_string_equal(c->sip.user_agent, "Sluice");
	assert_int_equal(c->sip.max_calls, 25000);
	assert_int_equal(c->sip.max_connections, 16384);
	assert_int_equal(c->sip.trace_mb, 64);
	assert_int_equal(c->sip.cdr_retention_days, 90);
	assert_int_equal(c->sip.keepalive_s, 25);
	assert_int_equal(c->sip.overload_delay_ms, 200);
	assert_int_equal(c->sip.overload_memory_mb, 0);
	assert_int_equal(c->sip.overload_retry_after_s, 5);
	assert_int_equal(c->sip.auth_failures, 10);
	assert_int_equal(c->sip.auth_window_s, 60);
	assert_int_equal(c->sip.auth_block_s, 60);
	assert_int_equal(c->sip.t1_ms, 500);
	assert_int_equal(c->sip.region, 0);
	sl_config_free(c);

	/* Without the group nothing listens. */
	snprintf(cut, sizeof cut, "%.*s", (int)(strstr(right, "sip = {") - right), right);
	c = config_load_edited(cut, "", "");
	assert_int_equal(c->sip.n_listeners, 0);
	sl_config_free(c);
}

static void test_needs_media(void **state)
{
	struct sl_config *c;
	char err[512];

	config_write_edited(right, "media = { addresses = ( { interface = \"public\"; address = \"192.0.2.1\"; }, { interface = \"inside\"; "
		"address = \"10.0.0.1\"; } ); };\n", "turn = { listen = [ \"192.0.2.1:3478\" ]; relay_addresses = [ \"192.0.2.1\" ]; realm = \"r\"; };\n");
	assert_int_equal(sl_config_load_for(config_path, CONFIG_CORES, &c, err, sizeof err), -EINVAL);
	assert_non_null(strstr(err, "option 'sip': needs the group media"));
}

static void test_restarts(void **state)
{
	static const struct config_edit edits[] = {
		{ "\"/c\"", "\"/other\"", NULL },
		{ "\"/c2\"", "\"/other\"", NULL },
		{ "{ certificate = \"/c2\"; key = \"/k2\"; }", "", NULL },
		{ "keepalive = 0", "keepalive = 30", NULL },
		{ "overload_memory_mb = 100", "overload_memory_mb = 200", NULL },
		{ "auth_block = 9", "auth_block = 10", NULL },
		{ "192.0.2.1:5080", "192.0.2.1:5081", "sip.listeners" },
		{ "\"core\"", "\"access\"", "sip.listeners" },
		{ "203.0.113.7:5070", "203.0.113.8:5070", "sip.listeners" },
		{ "\"192.0.2.53\"", "\"192.0.2.54\"", "sip.nameservers" },
		{ "max_calls = 10", "max_calls = 20", "sip.max_calls" },
		{ "max_connections = 11", "max_connections = 12", "sip.max_connections" },
		{ "trace_mb = 0", "trace_mb = 1", "sip.trace_mb" },
		{ "t1_ms = 250", "t1_ms = 500", "sip.t1_ms" },
		{ "node = 255", "node = 1", "sip.node" },
	};

	config_expect_restarts(right, edits, SL_COUNT(edits));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_needs_media),
		cmocka_unit_test(test_restarts),
	};

	return cmocka_run_group_tests(tests, config_make_folder, config_remove_folder);
}

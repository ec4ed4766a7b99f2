/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "media" of the configuration file: what a right one gives, what each wrong one is told, what a reload may
 * change. Every wrong file is the right one with a single edit. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/config_rig.h"

static const char right[] =
	"dataplane = { workers = [ 1, 2 ]; housekeeper_core = 0;\n"
	"  ports = ( { name = \"wan\"; device = \"net_null0\"; addresses = [ \"192.0.2.1/24\" ]; } ); };\n"
	"turn = { listen = [ \"192.0.2.1:3478\" ]; relay_addresses = [ \"192.0.2.1\", \"192.0.2.9\" ]; realm = \"r\"; };\n"
	"media = {\n"
	"  addresses = (\n"
	"    { interface = \"public\"; address = \"192.0.2.1\"; advertised = \"203.0.113.7\"; },\n"
	"    { interface = \"public\"; address = \"2001:db8::1\"; },\n"
	"    { interface = \"private\"; address = \"10.0.0.1\"; }\n"
	"  );\n"
	"  ports = [ 20000, 29999 ];\n"
	"  max_legs = 2000;\n"
	"  replay_window = 256;\n"
	"  srtp_backend = \"cryptodev\"; srtp_device = \"crypto_null0\";\n"
	"  port_guard = 0; inactivity_timeout = 0; hold_timeout = 7; answer_timeout = 8; delete_delay = 0; dscp = 0;\n"
	"  recording_format = \"wav\"; recording_folder = \"/var/spool/r\"; clip_folder = \"/var/lib/c\";\n"
	"  ng = {\n"
	"    udp = ( \"127.0.0.1:2223\", \"[::1]:2223\" );\n"
	"    tcp = ( \"127.0.0.1:2224\" );\n"
	"    allow = ( \"10.0.0.0/8\", \"2001:db8:7::/48\" );\n"
	"  };\n"
	"};\n";

static const struct config_edit wrong[] = {
	/* addresses */
	{ "\"public\"; address = \"192.0.2.1\"", "\"public\"; address = \"192.0.2\"",
		"6: option 'media.addresses[0].address': \"192.0.2\" is not an address; such as" },
	{ "address = \"192.0.2.1\"; adv", "address = \"0.0.0.0\"; adv",
		"6: option 'media.addresses[0].address': 0.0.0.0 cannot carry media" },
	{ "address = \"192.0.2.1\"; adv", "address = \"10.0.0.1\"; adv",
		"8: option 'media.addresses[2].address': 10.0.0.1 is listed twice" },
	{ "address = \"192.0.2.1\"; adv", "adv", "6: option 'media.addresses[0]': has no address" },
	{ "interface = \"private\"; ", "", "8: option 'media.addresses[2]': has no interface" },
	{ "\"private\"", "\"pri vate\"", "8: option 'media.addresses[2].interface': \"pri vate\" is no good as a name" },
	{ "\"private\"", "\"sixteen-bytes-xx\"", "8: option 'media.addresses[2].interface': has 16 bytes; 1..15 are allowed" },
	{ "\"private\"", "\"public\"", "8: option 'media.addresses[2].interface': \"public\" has an address of this family already" },
	{ "203.0.113.7", "2001:db8::7", "6: option 'media.addresses[0].advertised': 2001:db8::7 cannot stand for the address" },
	{ "203.0.113.7", "224.0.0.1", "6: option 'media.addresses[0].advertised': 224.0.0.1 cannot stand for the address" },
	{ "adv", "announced = 1; adv", "6: option 'media.addresses[0].announced': is not known here; known are interface," },
	{ "addresses = (\n", "addresses = ( 3,\n", "5: option 'media.addresses[0]': must be a group" },
	{ "addresses = (\n", "addresses = ( ); x = (\n", "5: option 'media.x': is not known here" },
	/* ports, alone and beside TURN's */
	{ "20000, 29999", "29999, 20000", "10: option 'media.ports': the lowest, 29999, is above the highest, 20000" },
	{ "20000, 29999", "80, 29999", "10: option 'media.ports[0]': 80 is out of range; allowed 1024..65535" },
	{ "20000, 29999", "20000", "10: option 'media.ports': has 1 ports, the lowest and the highest; 2..2 are allowed" },
	{ "20000, 29999", "20000, 20479", "10: option 'media.ports': 20000..20479 holds 1 whole aligned blocks of 256 ports; each of the 2" },
	{ "20000, 29999", "20001, 20301", "10: option 'media.ports': 20001..20301 holds 0 whole aligned blocks" },
	{ "20000, 29999", "40000, 49152", "10: option 'media.ports': 40000..49152 overlaps turn.relay_ports, 49152..65535, and 192.0.2.1 has" },
	{ "20000, 29999", "3000, 4000", "10: option 'media.ports': 3000..4000 holds the port of turn.listen[0], 192.0.2.1:3478" },
	/* capacity */
	{ "max_legs = 2000", "max_legs = 0", "11: option 'media.max_legs': 0 is out of range; allowed 1..1048576" },
	{ "max_legs = 2000", "max_legs = 1", "11: option 'media.max_legs': 1 is fewer than the 2 workers that share them" },
	{ "max_legs = 2000", "max_legs = 30001", "11: option 'media.max_legs': 30001 is more than the 30000 ports" },
	{ "max_legs = 2000", "max_legs = 2000; max_sessions = 2001", "11: option 'media.max_sessions': 2001 is more than max_legs, 2000" },
	{ "max_legs = 2000", "max_legs = 2000; max_streams = 1", "11: option 'media.max_streams': 1 is fewer than the 2 workers" },
	{ "max_legs = 2000", "max_legs = 2000; max_streams = 1000000; max_large_keys = 200000",
		"11: option 'media.max_legs': 2000 legs, 1000000 streams and 200000 large keys take" },
	/* SRTP */
	{ "= 256", "= 32", "12: option 'media.replay_window': 32 is out of range; allowed 64..1024" },
	{ "= 256", "= 96", "12: option 'media.replay_window': 96 is no power of two; allowed 64, 128, 256, 512, 1024" },
	{ "\"cryptodev\"", "\"openssl\"", "13: option 'media.srtp_backend': \"openssl\" is not known; allowed \"ipsec-mb\", \"cryptodev\"" },
	{ " srtp_device = \"crypto_null0\";", "", "13: option 'media.srtp_backend': \"cryptodev\" needs media.srtp_device" },
	{ "\"cryptodev\"", "\"ipsec-mb\"", "13: option 'media.srtp_device': belongs to srtp_backend = \"cryptodev\"" },
	/* times, folders */
	{ "dscp = 0", "dscp = 64", "14: option 'media.dscp': 64 is out of range; allowed 0..63" },
	{ "answer_timeout = 8", "answer_timeout = 0", "14: option 'media.answer_timeout': 0 is out of range; allowed 1..86400" },
	{ "port_guard = 0", "port_guard = 3601", "14: option 'media.port_guard': 3601 is out of range; allowed 1..3600 (or 0 for no guard)" },
	{ "hold_timeout = 7", "hold_timeout = -1", "14: option 'media.hold_timeout': -1 is out of range; allowed 1..86400 (or 0 for never)" },
	{ "\"wav\"", "\"mp3\"", "15: option 'media.recording_format': \"mp3\" is not known; allowed \"pcap\", \"wav\"" },
	{ "\"/var/spool/r\"", "\"r\"", "15: option 'media.recording_folder': \"r\" counts from wherever the program was started" },
	{ "\"/var/lib/c\"", "\"\"", "15: option 'media.clip_folder': is empty; 1..4095 bytes are allowed" },
	/* ng */
	{ "\"127.0.0.1:2223\"", "\"127.0.0.1\"", "17: option 'media.ng.udp[0]': \"127.0.0.1\" is not an address with a port" },
	{ "\"127.0.0.1:2223\"", "\"[::1]:2223\"", "17: option 'media.ng.udp[1]': [::1]:2223 is listed twice" },
	{ "\"127.0.0.1:2223\"", "\"10.0.0.1:20000\"", "17: option 'media.ng.udp[0]': 10.0.0.1:20000 is a media port" },
	{ "\"127.0.0.1:2223\"", "\"192.0.2.1:3478\"", "17: option 'media.ng.udp[0]': 192.0.2.1:3478 is turn.listen[0]" },
	{ "\"127.0.0.1:2223\"", "\"192.0.2.9:50000\"", "17: option 'media.ng.udp[0]': 192.0.2.9:50000 is a relay port" },
	{ "\"127.0.0.1:2224\"", "5", "18: option 'media.ng.tcp[0]': is a number; must be a text" },
	{ "\"10.0.0.0/8\"", "\"10.0.0.1/8\"", "19: option 'media.ng.allow[0]': \"10.0.0.1/8\" is not a prefix" },
	{ "ng = {", "ng = { password = \"x\";", "16: option 'media.ng.password': is not known here; known are udp, tcp, allow" },
	{ "ng = {", "ng = 1; x = {", "16: option 'media.x': is not known here" },
};

static void test_right(void **state)
{
	struct sl_config *c = config_load_edited(right, "", "");
	const struct sl_conf_media *m = &c->media;
	char text[SL_ADDR_TEXT_MAX];

	assert_int_equal(m->n_addresses, 3);
	assert_string_equal(m->addresses[0].interface, "public");
	assert_string_equal(sl_ip_text(&m->addresses[0].ip, text), "192.0.2.1");
	assert_string_equal(sl_ip_text(&m->addresses[0].advertised, text), "203.0.113.7");
	assert_string_equal(sl_ip_text(&m->addresses[1].advertised, text), "2001:db8::1");
	assert_string_equal(m->addresses[2].interface, "private");
	assert_int_equal(m->port_min, 20000);
	assert_int_equal(m->port_max, 29999);
	assert_int_equal(m->max_legs, 2000);
	assert_int_equal(m->max_sessions, 1000);
	assert_int_equal(m->max_streams, 4096);
	assert_int_equal(m->max_large_keys, 1024);
	assert_int_equal(m->replay_window, 256);
	assert_int_equal(m->srtp_backend, SL_CONF_SRTP_CRYPTODEV);
	assert_string_equal(m->srtp_device, "crypto_null0");
	assert_int_equal(m->port_guard_s, 0);
	assert_int_equal(m->inactivity_s, 0);
	assert_int_equal(m->hold_inactivity_s, 7);
	assert_int_equal(m->answer_s, 8);
	assert_int_equal(m->delete_delay_s, 0);
	assert_int_equal(m->dscp, 0);
	assert_int_equal(m->recording_pcap, SL_NO);
	assert_string_equal(m->recording_folder, "/var/spool/r");
	assert_string_equal(m->clip_folder, "/var/lib/c");
	assert_int_equal(m->n_ng_udp, 2);
	assert_string_equal(sl_endpoint_text(&m->ng_udp[1], text), "[::1]:2223");
	assert_int_equal(m->n_ng_tcp, 1);
	assert_int_equal(m->n_ng_allow, 2);
	assert_int_equal(m->ng_allow[0].len, 96 + 8);
	sl_config_free(c);
}

static void test_wrong(void **state)
{
	config_expect_wrong(right, wrong, SL_COUNT(wrong));
}

/* Nothing but addresses: what the sample calls defaults. */
static void test_defaults(void **state)
{
	const char *rest = strstr(right, "  ports = [ 20000");
	char cut[2048];
	struct sl_config *c;

	snprintf(cut, sizeof cut, "%.*s};\n", (int)(rest - right), right);
	c = config_load_edited(cut, "", "");
	assert_int_equal(c->media.port_min, 30000);
	assert_int_equal(c->media.port_max, 39999);
	assert_int_equal(c->media.max_legs, 4096);
	assert_int_equal(c->media.max_sessions, 2048);
	assert_int_equal(c->media.replay_window, 128);
	assert_int_equal(c->media.srtp_backend, SL_CONF_SRTP_IPSEC_MB);
	assert_null(c->media.srtp_device);
	assert_int_equal(c->media.port_guard_s, 30);
	assert_int_equal(c->media.inactivity_s, 60);
	assert_int_equal(c->media.hold_inactivity_s, 3600);
	assert_int_equal(c->media.answer_s, 600);
	assert_int_equal(c->media.delete_delay_s, 30);
	assert_int_equal(c->media.dscp, 46);
	assert_int_equal(c->media.recording_pcap, SL_YES);
	assert_null(c->media.recording_folder);
	assert_null(c->media.clip_folder);
	assert_int_equal(c->media.n_ng_udp, 1);
	assert_int_equal(ntohs(c->media.ng_udp[0].port_be), 2223);
	assert_int_equal(ntohl(sl_ip_v4_be(&c->media.ng_udp[0].ip)), INADDR_LOOPBACK);
	assert_int_equal(c->media.n_ng_tcp, 0);
	sl_config_free(c);

	/* An empty list is none; the other members keep their defaults. */
	c = config_load_edited(right, "udp = ( \"127.0.0.1:2223\", \"[::1]:2223\" )", "udp = ( )");
	assert_int_equal(c->media.n_ng_udp, 0);
	assert_int_equal(c->media.n_ng_tcp, 1);
	sl_config_free(c);
}

static void expect_text(const char *text, const char *expect)
{
	struct sl_config *c;
	char err[512];

	assert_int_equal(config_load_text(text, &c, err, sizeof err), -EINVAL);
	if (strstr(err, expect) == NULL)
		fail_msg("wanted %s\ngot %s", expect, err);
}

/* Either group may be missing, not both. */
static void test_one_of_two(void **state)
{
	const char *turn = strstr(right, "turn = {"), *media = strstr(right, "media = {");
	char cut[2048];
	struct sl_config *c;

	snprintf(cut, sizeof cut, "%.*s", (int)(media - right), right);
	c = config_load_edited(cut, "", "");
	assert_int_equal(c->media.n_addresses, 0);
	assert_int_equal(c->media.n_ng_udp, 0);
	sl_config_free(c);

	snprintf(cut, sizeof cut, "%.*s%s", (int)(turn - right), right, media);
	c = config_load_edited(cut, "", "");
	assert_int_equal(c->turn.n_listeners, 0);
	assert_int_equal(c->turn.n_relay, 0);
	assert_string_equal(c->turn.realms[0].name, "");
	assert_int_equal(c->media.n_addresses, 3);
	sl_config_free(c);

	snprintf(cut, sizeof cut, "%.*s", (int)(turn - right), right);
	expect_text(cut, ":1: option 'turn': is missing, and media as well");
	snprintf(cut, sizeof cut, "%.*smedia = { };\n", (int)(media - right), right);
	expect_text(cut, ":4: option 'media.addresses': is missing; it must be set");
	snprintf(cut, sizeof cut, "%.*smedia = 3;\n", (int)(media - right), right);
	expect_text(cut, ":4: option 'media': is a number; must be a group");
}

static void test_needs_restart(void **state)
{
	static const struct config_edit edits[] = {
		{ "10.0.0.1", "10.0.0.2", "media.addresses" },
		{ "203.0.113.7", "203.0.113.8", "media.addresses" },
		{ "\"private\"", "\"inside\"", "media.addresses" },
		{ "20000, 29999", "20000, 29998", "media.ports" },
		{ "max_legs = 2000", "max_legs = 2001", "media.max_legs" },
		{ "max_legs = 2000", "max_legs = 2000; max_streams = 9", "media.max_streams" },
		{ "max_legs = 2000", "max_legs = 2000; max_large_keys = 9", "media.max_large_keys" },
		{ "= 256", "= 512", "media.replay_window" },
		{ "crypto_null0", "crypto_null1", "media.srtp_device" },
		{ "\"cryptodev\"; srtp_device = \"crypto_null0\"", "\"ipsec-mb\"", "media.srtp_backend" },
		{ "max_legs = 2000", "max_legs = 2000; max_sessions = 9", NULL },
		{ "port_guard = 0", "port_guard = 9", NULL },
		{ "dscp = 0", "dscp = 1", NULL },
		{ "\"wav\"", "\"pcap\"", NULL },
		{ "10.0.0.0/8", "11.0.0.0/8", NULL },
	};

	config_expect_restarts(right, edits, SL_COUNT(edits));
}

/* Media that comes or goes needs a restart too. */
static void test_media_comes_and_goes(void **state)
{
	const char *media = strstr(right, "media = {");
	char cut[2048], what[64];
	struct sl_config *with = config_load_edited(right, "", ""), *without;

	snprintf(cut, sizeof cut, "%.*s", (int)(media - right), right);
	without = config_load_edited(cut, "", "");
	assert_true(sl_config_needs_restart(with, without, what, sizeof what));
	assert_string_equal(what, "media.addresses");
	assert_true(sl_config_needs_restart(without, with, what, sizeof what));
	sl_config_free(with);
	sl_config_free(without);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_one_of_two),
		cmocka_unit_test(test_needs_restart),
		cmocka_unit_test(test_media_comes_and_goes),
	};

	return cmocka_run_group_tests(tests, config_make_folder, config_remove_folder);
}

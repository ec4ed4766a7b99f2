/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "guard" of the configuration file: what a right one gives, what each wrong one is told, what a reload may change, and files of prefixes. */

#include "tests/unit/unit.h"

#include "tests/unit/config_rig.h"

#include "config/prefixes.h"
#include "config/stored.h"
#include "dataplane/abi/msg_guard.h"

#define BASE                                                                                                                                       \
	"dataplane = { workers = [ 1 ]; housekeeper_core = 0;\n"                                                                                   \
	"  ports = ( { name = \"wan\"; device = \"net_null0\"; addresses = [ \"192.0.2.1/24\" ]; } ); };\n"                                        \
	"turn = { listen = [ \"192.0.2.1:3478\", \"[2001:db8::1]:3478\" ]; relay_addresses = [ \"192.0.2.1\" ]; realm = \"x\"; };\n"               \
	"media = { addresses = ( { interface = \"public\"; address = \"192.0.2.1\"; }, { interface = \"inside\"; address = \"10.0.0.1\"; },\n"     \
	"  { interface = \"public\"; address = \"2001:db8::1\"; } ); };\n"                                                                         \
	"sip = { listeners = ( { name = \"access\"; role = \"access\"; transport = \"udp\"; address = \"192.0.2.1\"; media = \"public\"; },\n"      \
	"  { name = \"peering\"; role = \"peering\"; transport = \"tcp\"; address = \"192.0.2.1:5080\"; media = \"inside\"; } ); };\n"
enum { FIRST_LINE = 8 };

/* Lines 8 and on. */
static const char right[] = BASE
	"guard = { dry_run = true;\n"
	"  allow = [ \"192.0.2.0/24\", \"2001:db8::/48\" ];\n"
	"  deny = [ \"203.0.113.0/24\", \"198.51.100.7\" ];\n"
	"  limits = (\n"
	"    { class = \"sip\"; listener = \"peering\"; prefix = 800; },\n"
	"    { class = \"sip\"; source = 40; wide = 0; action = \"challenge\"; },\n"
	"    { class = \"stun\"; listener = \"[2001:db8::1]:3478\"; source = 5; },\n"
	"    { class = \"media\"; listener = \"public\"; total = 9; },\n"
	"    { class = \"relay\"; listener = \"192.0.2.1\"; action = \"drop\"; } );\n"
	"  sources = 4096; sip_sources = 8192; reflection_percent = 0; turn_pps = 7; turn_kbps = 18;\n"
	"  sessions = { turn_pps = 1; turn_kbps = 20; media_pps = 3; media_kbps = 40; };\n"
	"  state = { allocations_per_source = 1; allocations_per_prefix = 2; bindings_per_source = 3; bindings_per_prefix = 4;\n"
	"    calls_per_source = 5; calls_per_prefix = 6; };\n"
	"  delay_ms = 500; log_per_minute = 0;\n"
	"  reputation = { ban_score = 0; half_life = 11; ban = 12; ban_max = 13; };\n"
	"  weights = { auth_failed = 0; unknown_user = 1; malformed = 2; forbidden = 3; fraud = 4; flood = 6; };\n"
	"};\n";

static const struct config_edit wrong[] = {
	{ "dry_run", "dryrun", "8: option 'guard.dryrun': is not known here; known are enabled, dry_run, allow" },
	{ "dry_run = true", "dry_run = 1", "8: option 'guard.dry_run': is a number; must be true or false" },
	{ "guard = {", "guard = ( {} ); x = {", "8: option 'x'" },
	/* lists */
	{ "192.0.2.0/24\", \"2001", "192.0.2.1/24\", \"2001", "9: option 'guard.allow[0]': \"192.0.2.1/24\" has bits beyond its length; write \"192.0.2.0/24\"" },
	{ "2001:db8::/48", "2001:db8::1/48", "9: option 'guard.allow[1]': \"2001:db8::1/48\" has bits beyond its length; write \"2001:db8::/48\"" },
	{ "2001:db8::/48", "  ", "9: option 'guard.allow[1]': is blank" },
	{ "2001:db8::/48", "2001:db8::/48 192.0.2.0/25 x", "9: option 'guard.allow[1]': \"x\" is not a prefix; such as" },
	{ "2001:db8::/48", "example.com", "9: option 'guard.allow[1]': \"example.com\" is not a prefix; such as" },
	{ "2001:db8::/48", "192.0.2.0/33", "9: option 'guard.allow[1]': \"192.0.2.0/33\" is not a prefix" },
	{ "2001:db8::/48", "0.0.0.0/0", "9: option 'guard.allow': 0.0.0.0/0 would let everybody pass every limit" },
	{ "2001:db8::/48", "::/0", "9: option 'guard.allow': ::/0 would let everybody pass every limit" },
	{ "203.0.113.0/24", "2001:db8::/48", "10: option 'guard.deny': 2001:db8::/48 is both allowed and denied" },
	{ "[ \"203.0.113.0/24\", \"198.51.100.7\" ]", "\"203.0.113.0/24\"", "10: option 'guard.deny': is a text; must be a list of prefixes" },
	{ "deny = [ \"203.0.113.0/24\", \"198.51.100.7\" ]", "deny_files = [ \"none.txt\" ]", "10: option 'guard.deny_files[0]': /tmp/" },
	/* limits */
	{ "{ class = \"sip\"; listener", "{ listener", "12: option 'guard.limits[0].class': is missing" },
	{ "\"sip\"; listener", "\"rtp\"; listener", "12: option 'guard.limits[0].class': \"rtp\" is not known; allowed \"stun\", \"relay\", \"media\", \"sip\"" },
	{ "prefix = 800", "net = 800", "12: option 'guard.limits[0].net': is not known here; known are class, listener, action, source, prefix, wide, total" },
	{ "prefix = 800", "prefix = -1", "12: option 'guard.limits[0].prefix': -1 is out of range; allowed 1..67108864 (or 0 for no limit)" },
	{ "\"peering\"; prefix", "\"carriers\"; prefix", "12: option 'guard.limits[0].listener': \"carriers\" is no listener of class \"sip\"; there are \"access\", \"peering\"" },
	{ "[2001:db8::1]:3478\"; source", "192.0.2.1:3479\"; source",
		"14: option 'guard.limits[2].listener': \"192.0.2.1:3479\" is no listener of class \"stun\"; there are \"192.0.2.1:3478\", \"[2001:db8::1]:3478\"" },
	{ "\"public\"; total", "\"outside\"; total", "15: option 'guard.limits[3].listener': \"outside\" is no listener of class \"media\"; there are \"public\", \"inside\"" },
	{ "\"stun\"; listener", "\"other\"; listener", "14: option 'guard.limits[2].listener': class \"other\" has no listeners here" },
	{ "action = \"drop\"", "action = \"delay\"", "16: option 'guard.limits[4]': action \"delay\" is for SIP; class \"relay\" can \"limit\" or \"drop\"" },
	{ "action = \"drop\"", "action = \"deny\"", "16: option 'guard.limits[4].action': \"deny\" is not known; allowed \"limit\", \"drop\", \"challenge\"" },
	{ "prefix = 800", "prefix = 8", "12: option 'guard.limits[0]': prefix of class \"sip\" is 8, less than source, 40; write at least as much, or 0" },
	{ "listener = \"peering\"; prefix", "prefix", "13: option 'guard.limits[1]': class \"sip\" has limits already" },
	{ "{ class = \"stun\"; listener = \"[2001:db8::1]:3478\"; source = 5; }", "{ class = \"sip\"; listener = \"peering\"; }",
		"14: option 'guard.limits[2].listener': this listener has limits of class \"sip\" already" },
	{ "    { class = \"sip\"; listener", "    5, { class = \"sip\"; listener", "12: option 'guard.limits[0]': must be a group" },
	/* numbers */
	{ "sources = 4096", "sources = 10", "17: option 'guard.sources': 10 is out of range; allowed 1024..4194304" },
	{ "reflection_percent = 0", "reflection_percent = 10001", "17: option 'guard.reflection_percent': 10001 is out of range" },
	{ "reflection_percent = 0", "reflection_percent = 150", "17: option 'guard.reflection_percent': 150 is too little for the realm \"x\": a client's first Allocate "
		"(56 bytes) could not be answered (120 bytes); write at least 215, or shorten the realm" },
	{ "turn_pps = 7", "turn_pps = 4000001", "17: option 'guard.turn_pps': 4000001 is out of range" },
	{ "media_kbps = 40", "media_kbps = 15", "18: option 'guard.sessions.media_kbps': 15 is out of range; allowed 16..33554432 (or 0 for no limit)" },
	{ "media_kbps = 40", "media_kbps = 33554433", "18: option 'guard.sessions.media_kbps': 33554433 is out of range" },
	{ "calls_per_source = 5", "calls = 5", "20: option 'guard.state.calls': is not known here; known are allocations_per_source" },
	{ "delay_ms = 500", "delay_ms = 5", "21: option 'guard.delay_ms': 5 is out of range; allowed 10..10000" },
	{ "ban_max = 13", "ban_max = 11", "22: option 'guard.reputation.ban_max': 11 is less than ban, 12" },
	{ "weights = {", "weights = ( ); x = {", "23: option 'guard.x'" },
	{ "fraud = 4", "fraud = 1001", "23: option 'guard.weights.fraud': 1001 is out of range; allowed 0..1000" },
};

static void the_right_one_is_read(void **state)
{
	struct sl_config *c = config_load_edited(right, "", "");
	const struct sl_conf_guard *g = &c->guard;

	assert_true(g->enabled);
	assert_true(g->dry_run);
	assert_int_equal(g->n_prefixes, 4);
	assert_true(g->prefixes[0].allow && g->prefixes[1].allow && !g->prefixes[2].allow && !g->prefixes[3].allow);
	assert_int_equal(g->prefixes[0].prefix.len, 96 + 24);
	assert_int_equal(g->prefixes[3].prefix.len, 128);
	assert_int_equal(g->n_rules, SL_GUARD_N_CLASSES + 5);
	const struct sl_conf_guard_rule *sip = &g->rules[SL_GUARD_SIP];
	assert_int_equal(sip->listener, SL_GUARD_ANY);
	assert_int_equal(sip->pps[SL_GUARD_SOURCE], 40);
	assert_int_equal(sip->pps[SL_GUARD_PREFIX], 4000); /* as built in */
	assert_int_equal(sip->pps[SL_GUARD_WIDE], 0);
	assert_int_equal(sip->action, SL_GUARD_DO_CHALLENGE);
	const struct sl_conf_guard_rule *peering = &g->rules[SL_GUARD_N_CLASSES];
	assert_int_equal(peering->guard_class, SL_GUARD_SIP);
	assert_int_equal(peering->listener, 1);
	assert_int_equal(peering->pps[SL_GUARD_SOURCE], 40); /* as its class, though that is written after it */
	assert_int_equal(peering->pps[SL_GUARD_PREFIX], 800);
	assert_int_equal(peering->action, SL_GUARD_DO_CHALLENGE);
	assert_int_equal(g->rules[SL_GUARD_N_CLASSES + 1].listener, 1);
	assert_int_equal(g->rules[SL_GUARD_N_CLASSES + 1].pps[SL_GUARD_SOURCE], 5);
	/* Both addresses of the interface. */
	assert_int_equal(g->rules[SL_GUARD_N_CLASSES + 2].listener, 0);
	assert_int_equal(g->rules[SL_GUARD_N_CLASSES + 3].listener, 2);
	assert_int_equal(g->rules[SL_GUARD_N_CLASSES + 3].total_pps, 9);
	assert_int_equal(g->rules[SL_GUARD_N_CLASSES + 4].action, SL_GUARD_DO_DROP);
	assert_int_equal(g->sources, 4096);
	assert_int_equal(g->sip_sources, 8192);
	assert_int_equal(g->reflection_percent, 0);
	assert_int_equal(g->turn_session_pps + 10 * g->media_session_pps, 31);
	assert_int_equal(g->turn_session_kbps, 20);
	assert_int_equal(g->media_session_kbps, 40);
	assert_int_equal(g->turn_pps, 7);
	assert_int_equal(g->turn_kbps, 18);
	assert_int_equal(g->allocations_per_source + 10 * g->allocations_per_prefix + 100 * g->bindings_per_source + 1000 * g->bindings_per_prefix, 4321);
	assert_int_equal(g->calls_per_source, 5);
	assert_int_equal(g->calls_per_prefix, 6);
	assert_int_equal(g->delay_ms, 500);
	assert_int_equal(g->log_per_minute, 0);
	assert_int_equal(g->reputation_ban, 0);
	assert_int_equal(g->reputation_half_life_s, 11);
	assert_int_equal(g->ban_s, 12);
	assert_int_equal(g->ban_max_s, 13);
	assert_int_equal(g->weight[SL_GUARD_SAW_AUTH_FAILED], 0);
	assert_int_equal(g->weight[SL_GUARD_SAW_UNKNOWN_USER], 1);
	assert_int_equal(g->weight[SL_GUARD_SAW_MALFORMED], 2);
	assert_int_equal(g->weight[SL_GUARD_SAW_FORBIDDEN], 3);
	assert_int_equal(g->weight[SL_GUARD_SAW_FRAUD], 4);
	assert_int_equal(g->weight[SL_GUARD_SAW_FLOOD], 6);
	char buf[SL_ADDR_TEXT_MAX];
	assert_string_equal(sl_guard_listener_text(c, SL_GUARD_SIP, 1, buf), "peering");
	assert_string_equal(sl_guard_listener_text(c, SL_GUARD_STUN, 1, buf), "[2001:db8::1]:3478");
	assert_null(sl_guard_listener_text(c, SL_GUARD_RELAY, 1, buf));
	sl_config_free(c);
}

static void without_the_group_it_is_as_with_an_empty_one(void **state)
{
	struct sl_config *a = config_load_edited(BASE, "", ""), *b = config_load_edited(BASE "guard = { };\n", "", "");

	assert_memory_equal(&a->guard, &b->guard, sizeof a->guard);
	assert_true(a->guard.enabled);
	assert_false(a->guard.dry_run);
	assert_int_equal(a->guard.n_rules, SL_GUARD_N_CLASSES);
	for (unsigned i = 0; i < SL_GUARD_N_CLASSES; i++) {
		assert_int_equal(a->guard.rules[i].guard_class, i);
		assert_int_equal(a->guard.rules[i].listener, SL_GUARD_ANY);
		assert_int_not_equal(a->guard.rules[i].pps[SL_GUARD_SOURCE], 0);
	}
	assert_int_equal(a->guard.rules[SL_GUARD_SIP].total_pps, 10000);
	assert_int_equal(a->guard.reputation_ban, 100);
	assert_int_equal(a->guard.weight[SL_GUARD_SAW_FRAUD], 50);
	sl_config_free(a);
	sl_config_free(b);
}

static void each_wrong_one_is_told(void **state)
{
	config_expect_wrong(right, wrong, sizeof wrong / sizeof wrong[0]);
}

static void only_sizes_need_a_restart(void **state)
{
	static const struct config_edit edits[] = {
		{ "sources = 4096", "sources = 4097", "guard.sources" },
		{ "sip_sources = 8192", "sip_sources = 8193", "guard.sip_sources" },
		{ "dry_run = true", "enabled = false", NULL },
		{ "203.0.113.0/24", "203.0.112.0/24", NULL },
		{ "prefix = 800", "prefix = 900", NULL },
		{ "fraud = 4", "fraud = 5", NULL },
		{ "calls_per_source = 5", "calls_per_source = 0", NULL },
	};
	config_expect_restarts(right, edits, sizeof edits / sizeof edits[0]);
}

/* The sample says what holds without the group. */
static void the_sample_shows_the_defaults(void **state)
{
	struct sl_config *bare = config_load_edited(BASE, "", ""), *sample;
	char err[512];

	if (sl_config_load_for(SL_SAMPLES "/sluice.conf.sample", 64, &sample, err, sizeof err) != 0)
		fail_msg("%s", err);
	assert_memory_equal(&bare->guard, &sample->guard, sizeof bare->guard);
	sl_config_free(bare);
	sl_config_free(sample);
}

/* ---- files ---- */

static const char with_file[] = BASE "guard = { allow = [ \"192.0.2.0/24\" ]; deny_files = [ \"b.conf\" ]; };\n";

static void a_file_of_prefixes_is_read(void **state)
{
	struct sl_config *c;
	char err[512];

	config_write(config_other, "# from a feed\n\n203.0.113.0/24 ; SBL1\r\n  2001:db8:1::/48\t# a comment\n198.51.100.7");
	if (config_load_text(with_file, &c, err, sizeof err) != 0)
		fail_msg("%s", err);
	assert_int_equal(c->guard.n_prefixes, 4);
	assert_false(c->guard.prefixes[1].allow);
	assert_int_equal(c->guard.prefixes[1].prefix.len, 96 + 24);
	assert_int_equal(c->guard.prefixes[3].prefix.len, 128);
	sl_config_free(c);
}

static void a_wrong_file_is_named_with_its_line(void **state)
{
	static const struct {
		const char *text, *expect;
	} files[] = {
		{ "203.0.113.0/24\n203.0.113.9/24\n", ":2: \"203.0.113.9/24\" has bits beyond its length; write \"203.0.113.0/24\"" },
		{ "\n\n203.0.113.0/24 203.0.114.0/24\n", ":3: \"203.0.113.0/24 203.0.114.0/24\" is not a prefix" },
		{ "192.0.2.0-192.0.2.9\n", ":1: \"192.0.2.0-192.0.2.9\" is not a prefix" },
	};
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		char err[1024], expect[512];
		struct sl_config *c;

		config_write(config_other, files[i].text);
		assert_int_equal(config_load_text(with_file, &c, err, sizeof err), -EINVAL);
		snprintf(expect, sizeof expect, "%s:%d: option 'guard.deny_files[0]': %s%s", config_path, FIRST_LINE, config_other, files[i].expect);
		if (strncmp(err, expect, strlen(expect)) != 0)
			fail_msg("wanted %s\n got %s", expect, err);
	}
	struct sl_config *c;
	char err[1024];
	config_write(config_other, "192.0.2.0/24\n");
	assert_int_equal(config_load_text(with_file, &c, err, sizeof err), -EINVAL);
	assert_non_null(strstr(err, "192.0.2.0/24 is both allowed and denied"));
}

static void a_pipe_is_no_file_of_prefixes(void **state)
{
	struct sl_prefix *list = NULL;
	char why[256];
	size_t n = 0;

	assert_int_equal(sl_prefixes_read_file("/dev/zero", &list, &n, 10, why, sizeof why), -EINVAL);
	assert_non_null(strstr(why, "not a regular file"));
	assert_int_equal(sl_prefixes_read_file("/nowhere/at/all", &list, &n, 10, why, sizeof why), -EINVAL);
	assert_non_null(strstr(why, "No such file"));
}

static void a_long_file_ends_at_the_limit(void **state)
{
	struct sl_prefix *list = NULL;
	char why[256], *text = malloc(1200);
	size_t n = 0;

	config_write(config_other, "192.0.2.0/24\n192.0.3.0/24\n192.0.4.0/24\n");
	assert_int_equal(sl_prefixes_read_file(config_other, &list, &n, 2, why, sizeof why), -E2BIG);
	assert_non_null(strstr(why, ":3: is one prefix too many; 2 are allowed"));
	assert_int_equal(n, 0);
	assert_int_equal(sl_prefixes_read_file(config_other, &list, &n, 3, why, sizeof why), 0);
	assert_int_equal(n, 3);
	memset(text, '#', 1100);
	text[1100] = '\0';
	config_write(config_other, text);
	assert_int_equal(sl_prefixes_read_file(config_other, &list, &n, 9, why, sizeof why), -EINVAL);
	assert_non_null(strstr(why, ":1: the line is longer than 1024 bytes"));
	assert_int_equal(n, 3);
	free(text);
	free(list);
}

/* A crash picks up the prefixes that were accepted, not what became of their file. */
static void the_kept_copy_holds_the_files(void **state)
{
	struct sl_config *c;
	char err[1024];

	config_write(config_other, "203.0.113.0/24\n2001:db8:1::/48\n");
	config_write(config_path, with_file);
	int fd = sl_config_stored_new(config_path, NULL);
	assert_true(fd >= 0);
	config_write(config_other, "nonsense\n");
	if (sl_config_stored_load(fd, config_path, &c, err, sizeof err) != 0)
		fail_msg("%s", err);
	assert_int_equal(c->guard.n_prefixes, 3);
	assert_true(c->guard.prefixes[0].allow);
	assert_false(c->guard.prefixes[1].allow);
	assert_int_equal(c->guard.prefixes[2].prefix.len, 48);
	sl_config_free(c);
	int copy = sl_config_stored_new(config_path, NULL);
	assert_int_equal(sl_config_stored_copy(copy, fd), 0);
	if (sl_config_stored_load(copy, config_path, &c, err, sizeof err) != 0)
		fail_msg("%s", err);
	assert_int_equal(c->guard.n_prefixes, 3);
	sl_config_free(c);
	close(copy);
	/* What cannot be read is left for whoever loads the copy to complain about. */
	assert_int_equal(sl_config_stored_write(fd, config_path, NULL), 0);
	assert_int_equal(sl_config_stored_load(fd, config_path, &c, err, sizeof err), -EINVAL);
	assert_non_null(strstr(err, config_other));
	assert_non_null(strstr(err, ":1: \"nonsense\" is not a prefix"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_one_is_read),
		cmocka_unit_test(without_the_group_it_is_as_with_an_empty_one),
		cmocka_unit_test(each_wrong_one_is_told),
		cmocka_unit_test(the_sample_shows_the_defaults),
		cmocka_unit_test(only_sizes_need_a_restart),
		cmocka_unit_test(a_file_of_prefixes_is_read),
		cmocka_unit_test(a_wrong_file_is_named_with_its_line),
		cmocka_unit_test(a_pipe_is_no_file_of_prefixes),
		cmocka_unit_test(a_long_file_ends_at_the_limit),
		cmocka_unit_test(the_kept_copy_holds_the_files),
	};
	return cmocka_run_group_tests(tests, config_make_folder, config_remove_folder);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Rows of user tables into sets, what is left out, how sets differ; ranges; addresses of Redis. */

#include "unit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/dp/plan.h"
#include "controlplane/turn/range.h"
#include "controlplane/turn/redis.h"
#include "controlplane/turn/source_set.h"

static struct sl_row_text row(const char *s)
{
	return (struct sl_row_text){s, s ? strlen(s) : 0};
}

static void user(struct sl_source_set *s, const char *realm, const char *name, const char *key)
{
	sl_source_add_user(s, row(realm), row(name), row(key));
}

#define KEY_A "bc807ee29df3c9ffa736523fb2c4e8ee"
#define KEY_B "7da2270ccfa49786e0115366d3a3d14d"

/* ---- ranges ---- */

static bool holds(const struct sl_prefix *all, int n, const char *text)
{
	struct sl_ip ip;

	assert_int_equal(sl_ip_parse(text, &ip), 0);
	for (int i = 0; i < n; i++) {
		if (sl_prefix_contains(&all[i], &ip))
			return true;
	}
	return false;
}

static void test_ranges(void **state)
{
	struct sl_prefix all[SL_RANGE_PREFIXES];
	int n = sl_range_parse("172.17.13.133-172.17.14.56", all);

	assert_in_range(n, 2, 20);
	assert_true(holds(all, n, "172.17.13.133"));
	assert_true(holds(all, n, "172.17.13.255"));
	assert_true(holds(all, n, "172.17.14.0"));
	assert_true(holds(all, n, "172.17.14.56"));
	assert_false(holds(all, n, "172.17.13.132"));
	assert_false(holds(all, n, "172.17.14.57"));
	assert_int_equal(sl_range_parse("123::45", all), 1);
	assert_int_equal(all[0].len, 128);
	assert_int_equal(sl_range_parse("10.0.0.0-10.255.255.255", all), 1);
	assert_int_equal(all[0].len, 104);
	assert_int_equal(sl_range_parse("10.0.0.0/8", all), 1);
	assert_int_equal(sl_range_parse("0.0.0.0-255.255.255.255", all), 1);
	assert_int_equal(all[0].len, 96);
	assert_int_equal(sl_range_parse("255.255.255.254-255.255.255.255", all), 1);
}

static void test_the_longest_ranges(void **state)
{
	struct sl_prefix all[SL_RANGE_PREFIXES];

	assert_int_equal(sl_range_parse("0.0.0.1-255.255.255.254", all), 62);
	assert_int_equal(sl_range_parse("::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", all), SL_RANGE_PREFIXES);
	assert_int_equal(sl_range_parse("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", all), 1);
}

static void test_ranges_that_are_none(void **state)
{
	static const char *const bad[] = {"", "-", "10.0.0.1-", "-10.0.0.1", "10.0.0.2-10.0.0.1", "10.0.0.1-::1", "10.0.0.1/8", "10.0.0.1-10.0.0.2-10.0.0.3",
	        "no", "10.0.0.0/8-10.0.0.1", "1111111111111111111111111111111111111111111111111111111111111111111111111111111111111-1.1.1.1"};
	struct sl_prefix all[SL_RANGE_PREFIXES];

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_true(sl_range_parse(bad[i], all) < 0);
}

/* ---- rows ---- */

static void test_users_are_sorted_and_once(void **state)
{
	struct sl_source_set *s = sl_source_set_new();

	user(s, "north.gov", "gorst", KEY_B);
	user(s, "north.gov", "a", KEY_A);
	user(s, "crinna.org", "whirrun", KEY_A);
	user(s, "north.gov", "gorst", KEY_A); /* the first one stays */
	assert_true(sl_source_finish(s));
	assert_int_equal(s->n_users, 3);
	assert_int_equal(s->n_realms, 2);
	assert_string_equal(s->realms[0].name, "crinna.org");
	assert_string_equal(s->text + s->users[0].name_at, "whirrun");
	assert_string_equal(s->text + s->users[1].name_at, "a");
	assert_string_equal(s->text + s->users[2].name_at, "gorst");
	assert_int_equal(s->users[2].key_md5[0], 0x7d);
	assert_string_equal(s->realms[s->users[2].realm].name, "north.gov");
	assert_int_equal(s->bad_rows, 0);
	sl_source_set_unref(s);
}

static void test_keys_of_any_column_type(void **state)
{
	struct sl_source_set *s = sl_source_set_new();
	char padded[129];

	memset(padded, ' ', 128); /* char(128) */
	padded[128] = '\0';
	memcpy(padded, KEY_A, 32);
	user(s, "r", "padded", padded);
	user(s, "r", "upper", "BC807EE29DF3C9FFA736523FB2C4E8EE");
	assert_true(sl_source_finish(s));
	assert_int_equal(s->n_users, 2);
	assert_memory_equal(s->users[0].key_md5, s->users[1].key_md5, 16);
	sl_source_set_unref(s);
}

static void test_bad_users_are_counted_and_the_first_named(void **state)
{
	struct sl_source_set *s = sl_source_set_new();
	char name[600];

	memset(name, 'n', sizeof name);
	name[599] = '\0';
	user(s, "r", "mallory", "not hexadecimal");
	user(s, "r", "short", "bc80");
	user(s, "r", "long", KEY_A "00");
	user(s, "r", "none", NULL);
	user(s, "", "nowhere", KEY_A);
	user(s, "r", "", KEY_A);
	user(s, "r", NULL, KEY_A);
	user(s, "r", name, KEY_A);
	user(s, "r", "line\nfeed", KEY_A);
	user(s, "r", "\xff\xfe", KEY_A);
	sl_source_add_user(s, row("r"), (struct sl_row_text){"a\0b", 3}, row(KEY_A));
	user(s, name, "of a realm that is too long", KEY_A);
	user(s, "r", "fine", KEY_A);
	assert_true(sl_source_finish(s));
	assert_int_equal(s->bad_rows, 12);
	assert_int_equal(s->n_users, 1);
	assert_non_null(strstr(s->bad_row, "mallory"));
	assert_null(strstr(s->bad_row, "not hex"));
	sl_source_set_unref(s);
}

static void test_realms_are_bounded(void **state)
{
	struct sl_source_set *s = sl_source_set_new();
	char realm[32];

	for (unsigned i = 0; i < SL_TURN_MAX_REALMS + 2; i++) {
		snprintf(realm, sizeof realm, "realm%u", i);
		user(s, realm, "u", KEY_A);
	}
	assert_true(sl_source_finish(s));
	assert_int_equal(s->n_realms, SL_TURN_MAX_REALMS);
	assert_int_equal(s->n_users, SL_TURN_MAX_REALMS);
	assert_int_equal(s->bad_rows, 2);
	sl_source_set_unref(s);
}

static void test_settings(void **state)
{
	struct sl_source_set *s = sl_source_set_new();

	sl_source_add_secret(s, row("north.gov"), row("logen"));
	sl_source_add_secret(s, row("north.gov"), row("logen"));
	sl_source_add_secret(s, row("north.gov"), row("bloody9"));
	sl_source_add_secret(s, row("north.gov"), row(""));
	sl_source_add_origin(s, row("HTTP://Crinna.org:80"), row("crinna.org"));
	sl_source_add_origin(s, row("http://crinna.org:80"), row("north.gov"));
	sl_source_add_option(s, row("north.gov"), row("max-bps"), row("500000"));
	sl_source_add_option(s, row("north.gov"), row("total-quota"), row("12000"));
	sl_source_add_option(s, row(""), row("user-quota"), row("7"));
	sl_source_add_option(s, row("north.gov"), row("user-quota"), row("-1"));
	sl_source_add_option(s, row("north.gov"), row("nonsense"), row("1"));
	sl_source_add_peer(s, row("north.gov"), row("10.0.0.0-10.0.0.255"), false);
	sl_source_add_peer(s, row("north.gov"), row("10.0.0.7"), true);
	sl_source_add_peer(s, row(""), row("123::45"), false);
	sl_source_add_peer(s, row(""), row("anywhere"), false);
	assert_true(sl_source_finish(s));
	assert_int_equal(s->bad_rows, 5);
	assert_int_equal(s->n_realms, 3);
	assert_int_equal(s->realms[0].user_quota, 7); /* "" */
	assert_int_equal(s->realms[1].n_origins, 1);
	assert_string_equal(s->realms[1].origins[0], "http://crinna.org:80");
	const struct sl_source_realm *r = &s->realms[2];
	assert_int_equal(r->n_secrets, 2);
	assert_string_equal(r->secrets[0], "bloody9");
	assert_int_equal(r->max_kbps, 4000); /* bytes a second */
	assert_int_equal(r->total_quota, 12000);
	assert_int_equal(r->user_quota, 0);
	assert_int_equal(r->n_peer_rules, 2);
	assert_true(r->peer_rules[0].allow); /* what is allowed goes before what is denied */
	assert_int_equal(s->n_peer_rules, 1);
	sl_source_set_unref(s);
}

static void test_oauth_keys(void **state)
{
	struct sl_source_set *s = sl_source_set_new();
	const char *ikm = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEK";

	sl_source_add_oauth(s, row("north"), row(ikm), row("1000"), row("60"), row("A256GCM"), row("crinna.org"));
	sl_source_add_oauth(s, row("union"), row("MTIzNDU2Nzg5MDEyMzQ1Ngo="), row(NULL), row(NULL), row("A128GCM"), row(NULL));
	sl_source_add_oauth(s, row("north"), row(ikm), row(""), row(""), row(""), row(""));           /* twice */
	sl_source_add_oauth(s, row("short"), row("MTIzNDU2Nzg5MDEyMzQ1Ngo="), row(""), row(""), row("A256GCM"), row("")); /* 17 bytes */
	sl_source_add_oauth(s, row("alg"), row(ikm), row(""), row(""), row("AES-256-CBC"), row(""));
	sl_source_add_oauth(s, row("b64"), row("not base64!"), row(""), row(""), row(""), row(""));
	sl_source_add_oauth(s, row("time"), row(ikm), row("soon"), row(""), row(""), row(""));
	assert_true(sl_source_finish(s));
	assert_int_equal(s->bad_rows, 5);
	assert_int_equal(s->n_realms, 2);
	const struct sl_conf_oauth_key *k = &s->realms[0].oauth_keys[0];
	assert_string_equal(k->kid, "union");
	assert_int_equal(k->algorithm, SL_OAUTH_A128GCM);
	assert_memory_equal(k->key, "1234567890123456", 16);
	assert_int_equal(k->key[16], 0);
	k = &s->realms[1].oauth_keys[0];
	assert_memory_equal(k->key, "01234567890123456789012345678901", 32);
	assert_int_equal(k->not_before_unix_s, 1000);
	assert_int_equal(k->not_after_unix_s, 1060);
	sl_source_set_unref(s);
}

/* ---- comparing ---- */

static struct sl_source_set *three(const char *key_of_b, const char *last)
{
	struct sl_source_set *s = sl_source_set_new();

	user(s, "r", last, KEY_A);
	user(s, "r", "b", key_of_b);
	user(s, "r", "a", KEY_A);
	sl_source_add_secret(s, row("r"), row("secret"));
	assert_true(sl_source_finish(s));
	return s;
}

static void test_differences(void **state)
{
	struct sl_source_set *before = three(KEY_A, "c"), *now = three(KEY_B, "d");
	struct sl_source_diff d;

	assert_true(sl_source_diff(before, now, &d));
	assert_int_equal(d.n, 3);
	assert_string_equal(now->text + now->users[d.steps[0].user].name_at, "b");
	assert_false(d.steps[0].gone);
	assert_true(d.steps[1].gone);
	assert_string_equal(before->text + before->users[d.steps[1].user].name_at, "c");
	assert_false(d.steps[2].gone);
	assert_string_equal(now->text + now->users[d.steps[2].user].name_at, "d");
	sl_source_diff_free(&d);
	assert_true(sl_source_settings_same(before, now));

	assert_true(sl_source_diff(now, now, &d));
	assert_int_equal(d.n, 0);
	sl_source_diff_free(&d);
	assert_true(sl_source_diff(NULL, now, &d));
	assert_int_equal(d.n, 3);
	sl_source_diff_free(&d);
	assert_true(sl_source_diff(now, NULL, &d));
	assert_int_equal(d.n, 3);
	assert_true(d.steps[0].gone);
	sl_source_diff_free(&d);
	assert_false(sl_source_settings_same(NULL, now));
	assert_true(sl_source_settings_same(NULL, NULL));
	sl_source_set_unref(before);
	sl_source_set_unref(now);
}

static void test_every_setting_is_compared(void **state)
{
	for (unsigned i = 0; i < 7; i++) {
		struct sl_source_set *a = sl_source_set_new(), *b = sl_source_set_new();
		for (unsigned k = 0; k < 2; k++) {
			struct sl_source_set *s = k ? b : a;
			bool other = k == 1;
			user(s, "r", "a", KEY_A);
			sl_source_add_secret(s, row("r"), row(other && i == 0 ? "x" : "y"));
			sl_source_add_origin(s, row(other && i == 1 ? "x" : "y"), row("r"));
			sl_source_add_option(s, row("r"), row("user-quota"), row(other && i == 2 ? "1" : "2"));
			sl_source_add_peer(s, row("r"), row("10.0.0.1"), !(other && i == 3));
			sl_source_add_peer(s, row(""), row(other && i == 4 ? "10.0.0.2" : "10.0.0.3"), true);
			sl_source_add_oauth(s, row("kid"), row("MTIzNDU2Nzg5MDEyMzQ1Ngo="), row(other && i == 5 ? "5" : "6"), row(""), row("A128GCM"), row("r"));
			if (other && i == 6)
				user(s, "another realm", "a", KEY_A);
			assert_true(sl_source_finish(s));
			assert_int_equal(s->bad_rows, 0);
		}
		assert_true(sl_source_settings_same(a, a));
		assert_false(sl_source_settings_same(a, b));
		sl_source_set_unref(a);
		sl_source_set_unref(b);
	}
}

static void test_the_first_table_decides(void **state)
{
	struct sl_source_set *a = sl_source_set_new(), *b = sl_source_set_new();
	const struct sl_source_set *both[] = {a, NULL, b};

	user(a, "r", "alice", KEY_A);
	sl_source_add_option(a, row("r"), row("user-quota"), row("1"));
	sl_source_add_secret(a, row("r"), row("one"));
	user(b, "r", "alice", KEY_B);
	user(b, "r", "bob", KEY_B);
	user(b, "another", "carol", KEY_B);
	sl_source_add_option(b, row("r"), row("user-quota"), row("2"));
	sl_source_add_option(b, row("r"), row("total-quota"), row("3"));
	sl_source_add_secret(b, row("r"), row("two"));
	assert_true(sl_source_finish(a) && sl_source_finish(b));
	struct sl_source_set *all = sl_source_join(both, 3);
	assert_non_null(all);
	assert_int_equal(all->n_users, 3);
	assert_string_equal(all->text + all->users[1].name_at, "alice");
	assert_int_equal(all->users[1].key_md5[0], 0xbc);
	const struct sl_source_realm *r = &all->realms[1];
	assert_string_equal(r->name, "r");
	assert_int_equal(r->user_quota, 1);
	assert_int_equal(r->total_quota, 3);
	assert_int_equal(r->n_secrets, 2);
	sl_source_set_unref(a);
	sl_source_set_unref(b);
	sl_source_set_unref(all);
}

/* ---- Redis ---- */

static void test_addresses_of_redis(void **state)
{
	struct sl_redis_address a;
	char name[128];

	assert_int_equal(sl_redis_parse("redis://:p%40ss@[::1]:6380/2", &a), 0);
	assert_string_equal(a.host, "::1");
	assert_string_equal(a.password, "p@ss");
	assert_string_equal(a.user, "");
	assert_int_equal(a.port, 6380);
	assert_int_equal(a.db, 2);
	assert_int_equal(sl_redis_parse("redis://db.example.org", &a), 0);
	assert_int_equal(a.port, 6379);
	assert_int_equal(sl_redis_parse("redis://sluice:x@h/", &a), 0);
	assert_string_equal(a.user, "sluice");
	assert_int_equal(sl_redis_parse("/run/redis.sock", &a), 0);
	assert_int_equal(a.port, 0);
	sl_redis_name("redis://:secret@h:1/3", name, sizeof name);
	assert_string_equal(name, "redis://h:1/3");
	static const char *const bad[] = {"", "redis://", "http://h", "redis://h:0", "redis://h:x", "redis://h:70000", "redis://[::1", "redis://h/x", "redis://h:1/1x",
	        "redis://nopassword@h", "redis://:%4@h", "redis://:%zz@h"};
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(sl_redis_parse(bad[i], &a), -22);
}

/* What operators deny in all realms a table does not allow again in one of them. */
static void test_live_rules_before_those_of_a_table(void **state)
{
	struct sl_conf_turn_realm realm = {.name = (char[]){"default"}};
	struct sl_conf_turn *conf = calloc(1, sizeof *conf);
	struct sl_source_set *s = sl_source_set_new();
	struct sl_turn_peer denied = {.allow = false};
	struct sl_turn_live live = {.n_peers = 1, .peers = &denied, .sourced = s};
	char text[120];

	assert_non_null(conf);
	assert_int_equal(sl_prefix_parse("198.51.100.0/24", &denied.prefix), 0);
	conf->n_listeners = 1;
	conf->n_realms = 1;
	conf->realms = &realm;
	sl_source_add_peer(s, row("crinna.org"), row("198.51.100.11"), true);
	assert_true(sl_source_finish(s));
	struct sl_turn_plan *p = sl_turn_plan_new(conf, &live, text, sizeof text);
	assert_non_null(p);
	int at = sl_turn_plan_realm(p, "crinna.org");
	const struct sl_cmd_peer_rule *first = NULL;
	for (size_t i = 0; i < p->n_rules && !first; i++)
		first = p->rules[i].realm == at ? &p->rules[i] : NULL;
	assert_non_null(first);
	assert_false(first->allow);
	assert_int_equal(p->n_rules, 3);
	assert_int_equal(p->n_left_out, 0);
	sl_turn_plan_unref(p);
	sl_source_set_unref(s);
	free(conf);
}

/* ---- what is freed has no secrets in it ---- */

#define MARK "wipe-me-1234"
static unsigned unwiped;

void __real_free(void *p);
void __wrap_free(void *p);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

void __wrap_free(void *p)
{
	if (p && memmem(p, malloc_usable_size(p), MARK, sizeof MARK - 1))
		unwiped++;
	__real_free(p);
}

/* It may move what was there, and leaves a copy behind. */
void *__wrap_realloc(void *p, size_t n)
{
	if (p && memmem(p, malloc_usable_size(p), MARK, sizeof MARK - 1))
		unwiped++;
	return __real_realloc(p, n);
}

static struct sl_source_set *secret_table(const char *realm)
{
	struct sl_source_set *s = sl_source_set_new();
	char text[64];

	for (unsigned i = 0; i < 600; i++) {
		snprintf(text, sizeof text, "user%u", i / 2); /* each twice */
		user(s, realm, text, "776970652d6d652d3132333477787979"); /* MARK and wxyy */
	}
	for (unsigned i = 0; i < 9; i++) {
		snprintf(text, sizeof text, MARK "-%u", i);
		sl_source_add_secret(s, row(realm), row(text));
		snprintf(text, sizeof text, "%s-%u", realm, i);
		sl_source_add_oauth(s, row(text), row("d2lwZS1tZS0xMjM0d2lwZS1tZS0xMjM0MTIzNDU2Nzg="), row("0"), row("0"), row("A256GCM"), row(realm));
	}
	assert_true(sl_source_finish(s));
	assert_int_equal(s->n_users, 300);
	assert_int_equal(s->n_keys, 9);
	return s;
}

static void test_what_is_freed_was_wiped(void **state)
{
	char *secrets[] = {(char[]){MARK "-a"}, (char[]){MARK "-b"}, (char[]){MARK "-c"}};
	struct sl_conf_turn_realm realm = {.name = (char[]){"north.gov"}, .secrets = secrets, .n_secrets = SL_COUNT(secrets)};
	struct sl_conf_turn *conf = calloc(1, sizeof *conf);
	const struct sl_source_set *sets[2];
	char text[120];

	conf->n_listeners = 1;
	conf->n_realms = 1;
	conf->realms = &realm;
	unwiped = 0;
	struct sl_source_set *a = secret_table("north.gov"), *b = secret_table("crinna.org");
	sets[0] = a;
	sets[1] = b;
	struct sl_source_set *all = sl_source_join(sets, 2);
	assert_non_null(all);
	struct sl_turn_live live = {.sourced = all};
	struct sl_turn_plan *p = sl_turn_plan_new(conf, &live, text, sizeof text);
	assert_non_null(p);
	assert_int_equal(p->n_secrets, 3 + 2 * 9);
	assert_int_equal(p->n_keys, 2 * 9);
	sl_turn_plan_unref(p);
	sl_source_set_unref(all);
	sl_source_set_unref(a);
	sl_source_set_unref(b);
	free(conf);
	assert_int_equal(unwiped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_ranges),
	        cmocka_unit_test(test_the_longest_ranges),
	        cmocka_unit_test(test_ranges_that_are_none),
	        cmocka_unit_test(test_users_are_sorted_and_once),
	        cmocka_unit_test(test_keys_of_any_column_type),
	        cmocka_unit_test(test_bad_users_are_counted_and_the_first_named),
	        cmocka_unit_test(test_realms_are_bounded),
	        cmocka_unit_test(test_settings),
	        cmocka_unit_test(test_oauth_keys),
	        cmocka_unit_test(test_differences),
	        cmocka_unit_test(test_every_setting_is_compared),
	        cmocka_unit_test(test_the_first_table_decides),
	        cmocka_unit_test(test_addresses_of_redis),
	        cmocka_unit_test(test_what_is_freed_was_wiped),
	        cmocka_unit_test(test_live_rules_before_those_of_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Building snapshots: all or nothing, users one at a time, and what is refused. */

#include "tests/unit/unit.h"

#include <errno.h>

#include "tests/unit/turn_rig.h"

static struct sl_turn_conf_builder *b;
static struct sl_turn_conf *published;
static char text[120];

static int setup(void **state)
{
	b = sl_turn_conf_builder_new();
	published = NULL;
	return b == NULL;
}

static int teardown(void **state)
{
	sl_turn_conf_free(published);
	sl_turn_conf_builder_free(b);
	return 0;
}

static int apply(const struct sl_command *cmd)
{
	struct sl_turn_conf *next;
	int rc = sl_turn_conf_apply(b, cmd, &next, text, sizeof text);

	if (next) {
		assert_int_equal(rc, 0);
		sl_turn_conf_free(published);
		published = next;
	}
	assert_int_equal(rc == 0, text[0] == '\0');
	return rc;
}

static int apply_type(uint32_t type)
{
	struct sl_command cmd = {.h.type = type};

	return apply(&cmd);
}

static int realm(unsigned index, const char *name)
{
	struct sl_command cmd = {.h.type = SL_CMD_TURN_REALM, .realm.index = (uint16_t)index};

	strcpy(cmd.realm.name, name);
	return apply(&cmd);
}

/* A draft with the default realm, up to what names realms. */
static void begin(uint32_t flags)
{
	struct sl_command cmd = {.h.type = SL_CMD_CONFIG_BEGIN, .begin.flags = flags};

	assert_int_equal(apply(&cmd), 0);
	assert_int_equal(apply_type(SL_CMD_TURN_CONFIG), 0);
	assert_int_equal(realm(0, "example.org"), 0);
}

static void commit(void)
{
	assert_int_equal(apply_type(SL_CMD_CONFIG_COMMIT), 0);
}

static bool flush(void)
{
	struct sl_turn_conf *next = sl_turn_conf_builder_flush(b);

	if (!next)
		return false;
	sl_turn_conf_free(published);
	published = next;
	return true;
}

static int user(uint32_t type, unsigned i)
{
	char name[40];

	snprintf(name, sizeof name, "user-%u", i);
	struct sl_command cmd = rig_user(name, "example.org", name);
	cmd.h.type = type;
	return apply(&cmd);
}

static bool has(const struct sl_turn_conf *c, unsigned i)
{
	char name[40];
	int n = snprintf(name, sizeof name, "user-%u", i);
	struct sl_command cmd = rig_user(name, "example.org", name);
	const struct sl_turn_user *u = sl_turn_conf_user(c, 0, name, (unsigned)n);

	assert_ptr_equal(u, sl_turn_conf_userhash(c, 0, cmd.user.userhash));
	if (!u)
		return false;
	assert_int_equal(u->name_len, n);
	assert_memory_equal(u->key_md5, cmd.user.key_md5, 16);
	assert_memory_equal(u->key_sha256, cmd.user.key_sha256, 32);
	return true;
}

static void out_of_order_is_refused(void **state)
{
	assert_int_equal(apply_type(SL_CMD_TURN_CONFIG), -EINVAL);
	assert_int_equal(apply_type(SL_CMD_SECRET), -EINVAL);
	assert_int_equal(apply_type(SL_CMD_PEER_RULE), -EINVAL);
	assert_int_equal(apply_type(SL_CMD_CONFIG_COMMIT), -EINVAL);
	assert_int_equal(apply_type(SL_CMD_ALLOCATION_LIST), -EINVAL);
	assert_int_equal(user(SL_CMD_USER_DELETE, 1), -EINVAL); /* of which realm? */
	assert_int_equal(apply_type(SL_CMD_CONFIG_BEGIN), 0);
	assert_int_equal(apply_type(SL_CMD_CONFIG_COMMIT), -EINVAL); /* no settings */
	assert_int_equal(realm(0, "example.org"), -EINVAL);
	assert_null(published);
	assert_null(sl_turn_conf_builder_flush(b));
	assert_int_equal(apply_type(SL_CMD_TURN_CONFIG), 0);
	assert_int_equal(apply_type(SL_CMD_CONFIG_COMMIT), -EINVAL); /* no realm */
	assert_int_equal(apply_type(SL_CMD_SECRET), -EINVAL);
	assert_int_equal(realm(1, "example.org"), -EINVAL);
	assert_int_equal(realm(0, "example.org"), 0);
	assert_int_equal(realm(1, "example.org"), -EINVAL); /* the same name */
	assert_int_equal(realm(1, "example.com"), 0);
	for (unsigned i = 0; i < SL_TURN_MAX_SECRETS; i++)
		assert_int_equal(apply_type(SL_CMD_SECRET), 0);
	assert_int_equal(apply_type(SL_CMD_SECRET), -ENOSPC);
	assert_int_equal(realm(2, "late.example.com"), -EINVAL);
	for (unsigned i = 0; i < SL_TURN_MAX_PEER_RULES; i++)
		assert_int_equal(apply_type(SL_CMD_PEER_RULE), 0);
	assert_int_equal(apply_type(SL_CMD_PEER_RULE), -ENOSPC);
	assert_int_equal(apply_type(SL_CMD_CONFIG_COMMIT), 0);
	assert_non_null(published);
	const struct sl_cmd_secret *secrets;
	assert_int_equal(sl_turn_conf_secrets(published, 0, &secrets), SL_TURN_MAX_SECRETS);
	assert_int_equal(sl_turn_conf_secrets(published, 1, &secrets), 0);
	assert_int_equal(sl_turn_conf_secrets(published, 2, &secrets), 0);
	assert_int_equal(sl_turn_conf_n_realms(published), 2);
	assert_string_equal(sl_turn_conf_realm(published, 1)->name, "example.com");
	assert_null(sl_turn_conf_realm(published, 2));
	assert_null(sl_turn_conf_realm(published, SL_TURN_ANY_REALM));
}

static void begin_forgets_and_commit_replaces(void **state)
{
	begin(0);
	user(SL_CMD_USER_SET, 1);
	apply_type(SL_CMD_CONFIG_COMMIT);
	assert_true(has(published, 1));
	begin(0);
	user(SL_CMD_USER_SET, 2);
	begin(0); /* the other one never finished */
	user(SL_CMD_USER_SET, 3);
	assert_null(sl_turn_conf_builder_flush(b)); /* nothing changed in what is live */
	assert_true(has(published, 1));
	apply_type(SL_CMD_CONFIG_COMMIT);
	assert_false(has(published, 1));
	assert_false(has(published, 2));
	assert_true(has(published, 3));
	assert_int_equal(sl_turn_conf_n_users(published), 1);
}

static void users_come_and_go_like_the_model(void **state)
{
	enum { USERS = 300 };
	bool model[USERS] = {false};
	struct sl_prng prng = {.key = {5, 6}};
	unsigned n = 0;

	begin(0);
	apply_type(SL_CMD_CONFIG_COMMIT);
	for (unsigned step = 0; step < 4000; step++) {
		unsigned i = (unsigned)(sl_prng_next(&prng) % USERS);
		if (sl_prng_next(&prng) % 2) {
			assert_int_equal(user(SL_CMD_USER_SET, i), 0);
			n += !model[i];
			model[i] = true;
		} else {
			assert_int_equal(user(SL_CMD_USER_DELETE, i), model[i] ? 0 : -ENOENT);
			n -= model[i];
			model[i] = false;
		}
		if (step % 400 != 399)
			continue;
		sl_turn_conf_free(published);
		published = sl_turn_conf_builder_flush(b);
		assert_non_null(published);
		assert_int_equal(sl_turn_conf_n_users(published), n);
		for (unsigned k = 0; k < USERS; k++)
			assert_int_equal(has(published, k), model[k]);
		assert_null(sl_turn_conf_builder_flush(b));
	}
}

static void a_user_set_again_has_the_new_key(void **state)
{
	begin(0);
	struct sl_command cmd = rig_user("user-1", "example.org", "old");
	apply(&cmd);
	user(SL_CMD_USER_SET, 1);
	apply_type(SL_CMD_CONFIG_COMMIT);
	assert_int_equal(sl_turn_conf_n_users(published), 1);
	assert_true(has(published, 1));
	assert_null(sl_turn_conf_user(published, 0, "user-", 5));
	assert_null(sl_turn_conf_user(published, 0, "", 0));
}

static int user_of(unsigned of, const char *name, const char *password)
{
	struct sl_command cmd = rig_user(name, of == 0 ? "example.org" : "example.com", password);

	cmd.user.realm = (uint16_t)of;
	return apply(&cmd);
}

static bool has_of(unsigned of, const char *name)
{
	return sl_turn_conf_user(published, of, name, (unsigned)strlen(name)) != NULL;
}

static void users_belong_to_a_realm(void **state)
{
	begin(0);
	realm(1, "example.com");
	assert_int_equal(user_of(0, "alice", "one"), 0);
	assert_int_equal(user_of(1, "alice", "two"), 0);
	assert_int_equal(user_of(1, "bob", "three"), 0);
	assert_int_equal(user_of(2, "bob", "three"), -EINVAL);
	commit();
	const struct sl_turn_user *a = sl_turn_conf_user(published, 0, "alice", 5), *c = sl_turn_conf_user(published, 1, "alice", 5);
	assert_non_null(a);
	assert_non_null(c);
	assert_memory_not_equal(a->key_md5, c->key_md5, 16);
	assert_ptr_equal(sl_turn_conf_userhash(published, 0, a->userhash), a);
	assert_null(sl_turn_conf_userhash(published, 1, a->userhash));
	assert_false(has_of(0, "bob"));
	assert_true(has_of(1, "bob"));
	assert_false(has_of(0, "Alice")); /* another user */
}

static void a_draft_may_keep_the_users(void **state)
{
	begin(0);
	realm(1, "example.com");
	user_of(0, "alice", "one");
	user_of(1, "bob", "two");
	commit();
	const struct sl_turn_user *alice = sl_turn_conf_user(published, 0, "alice", 5);
	struct sl_turn_conf *first = published;
	published = NULL;

	begin(SL_CONFIG_KEEP_USERS);
	realm(1, "example.com");
	commit();
	assert_ptr_equal(sl_turn_conf_user(published, 0, "alice", 5), alice); /* not a copy */
	assert_int_equal(sl_turn_conf_n_users(published), 2);

	begin(SL_CONFIG_KEEP_USERS); /* bob's realm has another index, and there is a new one */
	realm(1, "new.example.com");
	realm(2, "example.com");
	commit();
	assert_true(has_of(0, "alice"));
	assert_false(has_of(1, "bob"));
	assert_true(has_of(2, "bob"));
	assert_int_equal(sl_turn_conf_user(published, 2, "bob", 3)->realm, 2);
	uint64_t version = sl_turn_conf_realms_version(published);
	assert_int_equal(sl_turn_conf_realm_by_tag(published, sl_turn_conf_realm_tag(first, 1), 1), 2);

	begin(SL_CONFIG_KEEP_USERS); /* and now it is gone, and carol comes within the draft */
	assert_int_equal(user_of(0, "carol", "three"), 0);
	commit();
	assert_int_equal(sl_turn_conf_n_users(published), 2);
	assert_true(has_of(0, "alice"));
	assert_true(has_of(0, "carol"));
	assert_true(sl_turn_conf_realms_version(published) != version);
	assert_int_equal(sl_turn_conf_realm_by_tag(published, sl_turn_conf_realm_tag(first, 1), 1), SL_TURN_ANY_REALM);

	/* What is read has not changed meanwhile. */
	assert_int_equal(sl_turn_conf_n_users(first), 2);
	assert_non_null(sl_turn_conf_user(first, 1, "bob", 3));
	assert_null(sl_turn_conf_user(first, 0, "carol", 5));
	sl_turn_conf_free(first);
}

static void an_old_snapshot_stays_as_it_was(void **state)
{
	enum { USERS = 3000 };
	begin(0);
	for (unsigned i = 0; i < USERS; i++)
		user(SL_CMD_USER_SET, i);
	commit();
	struct sl_turn_conf *first = published;
	published = NULL;
	for (unsigned i = 0; i < USERS; i += 2)
		assert_int_equal(user(SL_CMD_USER_DELETE, i), 0);
	struct sl_command changed = rig_user("user-1", "example.org", "changed");
	assert_int_equal(apply(&changed), 0);
	assert_true(flush());
	assert_int_equal(sl_turn_conf_n_users(published), USERS / 2);
	assert_memory_equal(sl_turn_conf_user(published, 0, "user-1", 6)->key_md5, changed.user.key_md5, 16);
	for (unsigned i = 0; i < USERS; i++)
		assert_true(has(first, i)); /* with the keys that they had */
	for (unsigned i = 2; i < USERS; i++)
		assert_int_equal(has(published, i), i % 2);
	sl_turn_conf_free(first);
}

static int name_of(unsigned of, unsigned kind, const char *name)
{
	struct sl_command cmd = {.h.type = SL_CMD_REALM_NAME, .realm_name = {.realm = (uint16_t)of, .kind = (uint8_t)kind, .len = (uint16_t)strlen(name)}};

	memcpy(cmd.realm_name.text, name, strlen(name));
	return apply(&cmd);
}

static void realms_are_found_by_names_and_listeners(void **state)
{
	struct sl_command cmd = {.h.type = SL_CMD_TURN_REALM, .realm = {.index = 1, .name = "one", .listeners = 1u << 2 | 1u << 31}};

	begin(0);
	assert_int_equal(apply(&cmd), 0);
	cmd.realm.index = 2;
	strcpy(cmd.realm.name, "two");
	assert_int_equal(apply(&cmd), -EINVAL); /* their listeners are the other's */
	cmd.realm.listeners = 1;
	assert_int_equal(apply(&cmd), 0);
	assert_int_equal(name_of(1, SL_REALM_SERVER_NAME, "turn.one.example"), 0);
	assert_int_equal(name_of(2, SL_REALM_SERVER_NAME, "turn.one.example"), -EINVAL);
	assert_int_equal(name_of(2, SL_REALM_ORIGIN, "turn.one.example"), 0);
	assert_int_equal(name_of(2, SL_REALM_ORIGIN, "https://two.example"), 0);
	assert_int_equal(name_of(3, SL_REALM_ORIGIN, "https://three.example"), -EINVAL);
	commit();
	assert_int_equal(sl_turn_conf_server_name(published, "turn.one.example"), 1);
	assert_int_equal(sl_turn_conf_server_name(published, "TURN.one.Example"), 1);
	assert_int_equal(sl_turn_conf_server_name(published, "urn.one.example"), SL_TURN_ANY_REALM);
	assert_int_equal(sl_turn_conf_server_name(published, ""), SL_TURN_ANY_REALM);
	char longest[2000];
	memset(longest, 'a', sizeof longest);
	longest[sizeof longest - 1] = 0;
	assert_int_equal(sl_turn_conf_server_name(published, longest), SL_TURN_ANY_REALM);
	assert_int_equal(sl_turn_conf_origin(published, "https://two.example", 19), 2);
	assert_int_equal(sl_turn_conf_origin(published, "HTTPS://two.example", 19), 2);
	assert_int_equal(sl_turn_conf_origin(published, "https://two.example/", 20), SL_TURN_ANY_REALM);
	assert_int_equal(sl_turn_conf_origin(published, "turn.one.example", 16), 2);
	assert_int_equal(sl_turn_conf_origin(published, longest, 1999), SL_TURN_ANY_REALM);
	assert_int_equal(sl_turn_conf_listener_realm(published, 0), 2);
	assert_int_equal(sl_turn_conf_listener_realm(published, 1), SL_TURN_ANY_REALM);
	assert_int_equal(sl_turn_conf_listener_realm(published, 2), 1);
	assert_int_equal(sl_turn_conf_listener_realm(published, 31), 1);
	assert_int_equal(sl_turn_conf_listener_realm(published, 32), SL_TURN_ANY_REALM);
}

static int rule(unsigned of, const char *prefix, bool allow)
{
	struct sl_command cmd = {.h.type = SL_CMD_PEER_RULE, .peer_rule = {.realm = (uint16_t)of, .allow = allow}};
	struct sl_prefix p;

	assert_int_equal(sl_prefix_parse(prefix, &p), 0);
	cmd.peer_rule.ip = p.ip;
	cmd.peer_rule.prefix_len = p.len;
	return apply(&cmd);
}

static bool allowed(unsigned of, const char *ip)
{
	struct sl_ip peer = rig_ip(ip);

	return sl_turn_conf_peer(published, of, &peer, NULL, NULL) == SL_PEER_ALLOW;
}

static void a_realms_rules_come_before_those_of_all(void **state)
{
	begin(0);
	realm(1, "example.com");
	rule(SL_TURN_ANY_REALM, "192.0.2.0/24", false);
	rule(SL_TURN_ANY_REALM, "10.1.0.0/16", true);
	rule(1, "192.0.2.8/29", true);
	rule(1, "10.1.1.0/24", false);
	assert_int_equal(rule(2, "10.1.1.0/24", false), -EINVAL);
	commit();
	assert_false(allowed(0, "192.0.2.9"));
	assert_true(allowed(1, "192.0.2.9"));
	assert_false(allowed(1, "192.0.2.16"));
	assert_true(allowed(0, "10.1.1.1"));
	assert_false(allowed(1, "10.1.1.1"));
	assert_true(allowed(1, "10.1.2.1"));
	assert_false(allowed(SL_TURN_ANY_REALM, "192.0.2.9")); /* whose realm is gone: the rules of all */
	assert_true(allowed(SL_TURN_ANY_REALM, "10.1.1.1"));
	assert_false(allowed(1, "127.0.0.1"));
	uint64_t policy = sl_turn_conf_policy(published);
	begin(0);
	realm(1, "example.com");
	rule(1, "192.0.2.8/29", true); /* told in another order: the same rules */
	rule(1, "10.1.1.0/24", false);
	rule(SL_TURN_ANY_REALM, "192.0.2.0/24", false);
	rule(SL_TURN_ANY_REALM, "10.1.0.0/16", true);
	commit();
	assert_int_equal(sl_turn_conf_policy(published), policy);
	begin(0);
	realm(1, "example.net"); /* the same rules are another realm's */
	rule(1, "192.0.2.8/29", true);
	rule(1, "10.1.1.0/24", false);
	rule(SL_TURN_ANY_REALM, "192.0.2.0/24", false);
	rule(SL_TURN_ANY_REALM, "10.1.0.0/16", true);
	commit();
	assert_int_not_equal(sl_turn_conf_policy(published), policy);
}

static struct sl_command alternate(const char *server, unsigned of, unsigned over, unsigned weight)
{
	struct sl_command cmd = {.h.type = SL_CMD_ALTERNATE,
		.alternate = {.server = rig_endpoint(server), .realm = (uint16_t)of, .transport = (uint8_t)over, .weight = (uint8_t)weight}};

	return cmd;
}

static unsigned drawn(unsigned of, unsigned over, bool v4, const char *server)
{
	struct sl_endpoint ep = rig_endpoint(server);
	unsigned n = 0;

	for (unsigned i = 0; i < 100; i++) {
		const struct sl_endpoint *to = sl_turn_conf_alternate(published, of, over, v4, i);
		n += to && sl_endpoint_eq(to, &ep);
	}
	return n;
}

static void alternates_are_drawn_by_weight(void **state)
{
	begin(0);
	realm(1, "example.com");
	struct sl_command a = alternate("192.0.2.1:3478", SL_TURN_ANY_REALM, SL_TURN_OVER_UDP, 30);
	struct sl_command c = alternate("192.0.2.2:3478", 1, SL_TURN_OVER_UDP, 20);
	struct sl_command d = alternate("[2001:db8::1]:3478", SL_TURN_ANY_REALM, SL_TURN_OVER_TLS, 1);
	assert_int_equal(apply(&a), 0);
	assert_int_equal(apply(&c), 0);
	assert_int_equal(apply(&d), 0);
	commit();
	assert_int_equal(drawn(1, SL_TURN_OVER_UDP, true, "192.0.2.1:3478"), 60);
	assert_int_equal(drawn(1, SL_TURN_OVER_UDP, true, "192.0.2.2:3478"), 40);
	assert_int_equal(drawn(0, SL_TURN_OVER_UDP, true, "192.0.2.1:3478"), 100);
	assert_int_equal(drawn(0, SL_TURN_OVER_TLS, false, "[2001:db8::1]:3478"), 100);
	assert_null(sl_turn_conf_alternate(published, 0, SL_TURN_OVER_TLS, true, 1));
	assert_null(sl_turn_conf_alternate(published, 0, SL_TURN_OVER_UDP, false, 1));
	/* Outside of a draft: another weight. */
	a.alternate.weight = 0;
	assert_int_equal(apply(&a), 0);
	assert_true(flush());
	assert_null(sl_turn_conf_alternate(published, 0, SL_TURN_OVER_UDP, true, 1));
	assert_int_equal(drawn(1, SL_TURN_OVER_UDP, true, "192.0.2.2:3478"), 100);
	assert_int_equal(apply(&a), 0);
	assert_false(flush()); /* nothing new */
	struct sl_command e = alternate("192.0.2.3:3478", SL_TURN_ANY_REALM, SL_TURN_OVER_UDP, 30);
	assert_int_equal(apply(&e), -ENOENT);
}

static struct sl_command restricted_prefix(const char *prefix, bool remove)
{
	struct sl_prefix p;

	assert_int_equal(sl_prefix_parse(prefix, &p), 0);
	return (struct sl_command){.h.type = SL_CMD_RESTRICTED,
		.restricted = {.kind = SL_RESTRICTED_PREFIX, .remove = remove, .realm = SL_TURN_ANY_REALM, .ip = p.ip, .prefix_len = p.len}};
}

static struct sl_command restricted_account(unsigned of, const char *name, bool remove)
{
	struct sl_command cmd = {.h.type = SL_CMD_RESTRICTED,
		.restricted = {.kind = SL_RESTRICTED_ACCOUNT, .remove = remove, .realm = (uint16_t)of, .name_len = (uint16_t)strlen(name)}};

	memcpy(cmd.restricted.name, name, strlen(name));
	return cmd;
}

static bool restricted(const char *ip, unsigned of, const char *name)
{
	struct sl_ip from = rig_ip(ip);

	return sl_turn_conf_is_restricted(published, &from, of, name, (unsigned)strlen(name));
}

static void the_restricted_are_known(void **state)
{
	struct sl_command cmd = restricted_prefix("198.51.100.0/24", false);

	assert_int_equal(apply(&cmd), -EINVAL); /* nothing is published */
	begin(0);
	realm(1, "example.com");
	assert_int_equal(apply(&cmd), 0);
	cmd = restricted_account(1, "bob", false);
	assert_int_equal(apply(&cmd), 0);
	cmd = restricted_account(SL_TURN_ANY_REALM, "eve", false);
	assert_int_equal(apply(&cmd), 0);
	assert_int_equal(apply(&cmd), 0); /* told twice */
	cmd = restricted_account(1, "bob", true);
	assert_int_equal(apply(&cmd), -EINVAL); /* not in a draft */
	commit();
	assert_true(restricted("198.51.100.7", 0, "alice"));
	assert_false(restricted("198.51.101.7", 0, "alice"));
	assert_true(restricted("192.0.2.1", 1, "bob"));
	assert_false(restricted("192.0.2.1", 0, "bob"));
	assert_false(restricted("192.0.2.1", 1, "Bob"));
	assert_true(restricted("192.0.2.1", 0, "eve"));
	assert_true(restricted("192.0.2.1", 1, "eve"));
	/* Alone. */
	assert_int_equal(apply(&cmd), 0);
	assert_int_equal(apply(&cmd), -ENOENT);
	cmd = restricted_prefix("2001:db8::/32", false);
	assert_int_equal(apply(&cmd), 0);
	assert_true(flush());
	assert_false(restricted("192.0.2.1", 1, "bob"));
	assert_true(restricted("2001:db8::7", 1, "alice"));
	assert_true(restricted("198.51.100.7", 0, "alice"));
	cmd = restricted_account(2, "bob", false);
	assert_int_equal(apply(&cmd), -EINVAL);
	begin(SL_CONFIG_KEEP_USERS); /* a draft says all of them */
	commit();
	assert_false(restricted("198.51.100.7", 0, "eve"));
}

static void many_restricted_come_and_go(void **state)
{
	begin(0);
	commit();
	for (unsigned i = 0; i <= SL_TURN_MAX_RESTRICTED; i++) {
		char name[20];
		snprintf(name, sizeof name, "r-%u", i);
		struct sl_command cmd = restricted_account(0, name, false);
		assert_int_equal(apply(&cmd), i < SL_TURN_MAX_RESTRICTED ? 0 : -ENOSPC);
	}
	struct sl_command cmd = restricted_account(0, "r-77", false);
	assert_int_equal(apply(&cmd), 0); /* it is there already */
	for (unsigned i = 0; i < SL_TURN_MAX_RESTRICTED; i += 2) {
		char name[20];
		snprintf(name, sizeof name, "r-%u", i);
		cmd = restricted_account(0, name, true);
		assert_int_equal(apply(&cmd), 0);
	}
	assert_true(flush());
	for (unsigned i = 0; i < SL_TURN_MAX_RESTRICTED; i++) {
		char name[20];
		snprintf(name, sizeof name, "r-%u", i);
		assert_int_equal(restricted("192.0.2.1", 0, name), i % 2);
	}
}

static void drain_is_in_force_at_once(void **state)
{
	struct sl_command cmd = {.h.type = SL_CMD_TURN_DRAIN, .drain = {.on = 1, .max_lifetime_s = 60}};

	begin(0);
	commit();
	assert_false(sl_turn_conf_drain(published)->on);
	assert_int_equal(apply(&cmd), 0);
	assert_true(flush());
	assert_true(sl_turn_conf_drain(published)->on);
	assert_int_equal(sl_turn_conf_drain(published)->max_lifetime_s, 60);
	begin(0); /* a configuration does not end it */
	commit();
	assert_true(sl_turn_conf_drain(published)->on);
}

static int oauth_key(unsigned of, const char *kid)
{
	struct sl_command cmd = {.h.type = SL_CMD_OAUTH_KEY,
		.oauth_key = {.realm = (uint16_t)of, .algorithm = SL_OAUTH_A256GCM, .kid_len = (uint8_t)strlen(kid)}};

	memcpy(cmd.oauth_key.kid, kid, strlen(kid));
	return apply(&cmd);
}

static void keys_of_authorisation_servers_belong_to_a_realm(void **state)
{
	begin(0);
	realm(1, "example.com");
	assert_int_equal(oauth_key(1, "north"), 0);
	assert_int_equal(oauth_key(1, "north"), -EINVAL);
	assert_int_equal(oauth_key(0, "north"), 0);
	assert_int_equal(oauth_key(2, "north"), -EINVAL);
	commit();
	assert_non_null(sl_turn_conf_oauth_key(published, 1, "north", 5));
	assert_int_equal(sl_turn_conf_oauth_key(published, 1, "north", 5)->realm, 1);
	assert_null(sl_turn_conf_oauth_key(published, 1, "nort", 4));
	assert_null(sl_turn_conf_oauth_key(published, 2, "north", 5));
}

static void limits_are_known_to_be_there(void **state)
{
	struct sl_command cmd = {.h.type = SL_CMD_TURN_REALM, .realm = {.index = 1, .name = "one", .user.soft_kbps = {0, 64}}};

	begin(0);
	commit();
	assert_false(sl_turn_conf_limits(published));
	begin(0);
	apply(&cmd);
	commit();
	assert_true(sl_turn_conf_limits(published));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(out_of_order_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(begin_forgets_and_commit_replaces, setup, teardown),
		cmocka_unit_test_setup_teardown(users_come_and_go_like_the_model, setup, teardown),
		cmocka_unit_test_setup_teardown(a_user_set_again_has_the_new_key, setup, teardown),
		cmocka_unit_test_setup_teardown(users_belong_to_a_realm, setup, teardown),
		cmocka_unit_test_setup_teardown(a_draft_may_keep_the_users, setup, teardown),
		cmocka_unit_test_setup_teardown(an_old_snapshot_stays_as_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(realms_are_found_by_names_and_listeners, setup, teardown),
		cmocka_unit_test_setup_teardown(a_realms_rules_come_before_those_of_all, setup, teardown),
		cmocka_unit_test_setup_teardown(alternates_are_drawn_by_weight, setup, teardown),
		cmocka_unit_test_setup_teardown(the_restricted_are_known, setup, teardown),
		cmocka_unit_test_setup_teardown(many_restricted_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(drain_is_in_force_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_of_authorisation_servers_belong_to_a_realm, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_are_known_to_be_there, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

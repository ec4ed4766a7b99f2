/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Permissions, channels and the peer policy, in every request that names a peer. */

#include "tests/unit/unit.h"

#include "tests/unit/turn_rig.h"

static struct rig r;
static struct client c;

static int setup(void **state)
{
	rig_open(&r, 1);
	c = client_at(&r, "198.51.100.7:4000", 0);
	return client_allocate(&c) != 0;
}

static int setup_v6(void **state)
{
	rig_open(&r, 1);
	c = client_at(&r, "198.51.100.7:4000", 0);
	client_login(&c);
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	add_family(&c.b, SL_ATTR_REQUESTED_ADDRESS_FAMILY, 2);
	return client_go(&c) != 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

/* CreatePermission, ChannelBind and Send must all refuse the denied and take the allowed. */
static void policy_table(const char *const *denied, const char *const *allowed, bool v6)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		for (const char *const *ip = pass ? allowed : denied; *ip; ip++) {
			char ep[80];
			snprintf(ep, sizeof ep, v6 ? "[%s]:7000" : "%s:7000", *ip);
			unsigned permit = client_permit(&c, ep), bind = client_bind(&c, 0x4000, ep),
				 say = client_say(&c, ep, "x");
			bool ok = pass ? permit == 0 && bind == 0 && say == RIG_RELAYED
				       : permit == 403 && bind == 403 && say == RIG_DROPPED + SL_DROP_peer_forbidden;
			if (!ok)
				fail_msg("%s: CreatePermission %u, ChannelBind %u, Send %u", *ip, permit, bind, say);
			assert_int_equal(r.sessions[0].n_peers_active, pass);
			/* Out with them, so that the channel is free for the next. */
			rig_wait(&r, 1);
			struct sl_sessions *s = &r.sessions[0];
			for (uint32_t i = 0; i < s->n_peers; i++)
				s->peers[i].permission_expires_s = s->peers[i].channel_expires_s = r.now.s;
			sl_wheel_arm(&s->wheel, client_alloc(&c), r.now.s);
			rig_wait(&r, 1);
			rig_tick(&r);
			assert_int_equal(s->n_peers_active, 0);
		}
	}
}

static void ipv4_policy(void **state)
{
	static const char *const denied[] = {"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1",
		"127.255.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.168.1.1",
		"198.18.0.1", "198.19.255.255", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", NULL};
	static const char *const allowed[] = {"9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.0", "128.0.0.1",
		"172.15.0.1", "172.32.0.1", "192.167.0.1", "203.0.113.9", "223.255.255.255", NULL};

	policy_table(denied, allowed, false);
}

static void ipv6_policy_and_every_embedding(void **state)
{
	static const char *const denied[] = {"::", "::1", "fe80::1", "fec0::1", "fc00::1", "fdff::1", "ff02::1", "100::5",
		"::10.0.0.1",               /* compatible */
		"::ffff:0:10.0.0.1",        /* translated */
		"2002:a00:1::1",            /* 6to4 of 10.0.0.1 */
		"2002:7f00:1::", "2002:a9fe:a9fe::1",
		"64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254",
		"64:ff9b:1::10.0.0.1",      /* local-use NAT64 */
		"2001:0:a00:1::",           /* Teredo, server 10.0.0.1 */
		"2001:0:5000:1::f5ff:fffe", /* Teredo, client 10.0.0.1 */
		"2001:db8::5efe:10.0.0.1", "2001:db8::200:5efe:192.168.0.1", /* ISATAP */
		"2002:c000:201::1",         /* our own 192.0.2.1 by a tunnel */
		"64:ff9b::192.0.2.2",       /* our own by a translator */
		NULL};
	static const char *const allowed[] = {"2001:db8::99", "2a00::1", "2002:cb00:7109::1", "64:ff9b::203.0.113.9",
		"::203.0.113.9", NULL};

	policy_table(denied, allowed, true);
}

static void mapped_is_ipv4(void **state)
{
	/* ::ffff:a.b.c.d in an IPv6 attribute is the IPv4 address, denied or of the other family as that is. */
	static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1};
	uint8_t value[20] = {0, 2};
	static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};

	client_ask(&c, SL_TURN_CREATE_PERMISSION);
	for (unsigned i = 0; i < 16; i++)
		value[4 + i] = mapped[i] ^ (i < 4 ? cookie[i] : c.msg[8 + i - 4]);
	sl_stun_add(&c.b, SL_ATTR_XOR_PEER_ADDRESS, value, sizeof value);
	assert_int_equal(client_go(&c), 403);
}

static void rules_come_first(void **state)
{
	static const char *const rules[] = {"-10.1.0.0/16", "+10.0.0.0/8", "-203.0.113.0/24", "+127.0.0.2/32", NULL};
	static const char *const denied[] = {"10.1.2.3", "203.0.113.7", "127.0.0.1", "192.168.0.1", NULL};
	static const char *const allowed[] = {"10.2.0.1", "198.51.100.1", "127.0.0.2", NULL};

	rig_provision(&r, NULL, rules);
	policy_table(denied, allowed, false);
}

/* ::/0 is about IPv6 alone, 0.0.0.0/0 about IPv4 alone. */
static void a_rule_is_of_one_family(void **state)
{
	static const char *const open6[] = {"+::/0", NULL}, *const closed6[] = {"-::/0", NULL};
	static const char *const denied[] = {"127.0.0.1", "169.254.169.254", "10.0.0.1", NULL};
	static const char *const allowed[] = {"203.0.113.5", "198.51.100.1", NULL};

	rig_provision(&r, NULL, open6);
	policy_table(denied, allowed, false);
	rig_provision(&r, NULL, closed6);
	policy_table(denied, allowed, false);
}

static void a_rule_is_of_one_family_v6(void **state)
{
	static const char *const open4[] = {"+0.0.0.0/0", NULL}, *const closed4[] = {"-0.0.0.0/0", NULL};
	static const char *const open6[] = {"+::/0", NULL};
	static const char *const private[] = {"fc00::1", "::1", "fe80::1", NULL};
	static const char *const public[] = {"2001:db8::99", "2a00::1", NULL};
	static const char *const behind[] = {"64:ff9b::10.0.0.1", "2002:a00:1::1", "::10.0.0.1", NULL};

	rig_provision(&r, NULL, open4);
	policy_table(private, public, true);
	rig_provision(&r, NULL, closed4);
	policy_table(private, public, true);
	rig_provision(&r, NULL, open6);
	policy_table(behind, public, true);
}

static void a_rule_for_the_translator_does_not_open_what_is_behind(void **state)
{
	static const char *const rules[] = {"+64:ff9b::/96", "-203.0.113.0/24", NULL};
	static const char *const denied[] = {"64:ff9b::10.0.0.1", "64:ff9b::203.0.113.1", "2002:cb00:7101::1", NULL};
	static const char *const allowed[] = {"64:ff9b::198.51.100.1", NULL};

	rig_provision(&r, NULL, rules);
	policy_table(denied, allowed, true);
}

static void own_addresses_by_port(void **state)
{
	char in_range[40];

	snprintf(in_range, sizeof in_range, "192.0.2.2:%u", RIG_PORT_MIN + 5);
	r.resolved = 0;
	assert_int_equal(client_permit(&c, "192.0.2.2:0"), 0); /* no port to judge by */
	assert_int_equal(client_say(&c, in_range, "x"), RIG_RELAYED);
	assert_int_equal(r.sessions[0].peers[r.verdict.peer].own_address, 1);
	assert_int_equal(client_say(&c, "192.0.2.2:22", "x"), RIG_DROPPED + SL_DROP_peer_forbidden);
	assert_int_equal(client_bind(&c, 0x4001, "192.0.2.2:3478"), 403);
	assert_int_equal(client_bind(&c, 0x4001, in_range), 0);
	assert_int_equal(r.resolved, 0); /* nothing for Linux to find */
	/* An allow rule opens networks, not our own sockets; a deny rule closes even the hairpin. */
	static const char *const open_all[] = {"+0.0.0.0/0", NULL}, *const close_all[] = {"-0.0.0.0/0", NULL};
	rig_provision(&r, NULL, open_all);
	assert_int_equal(client_say(&c, "192.0.2.2:22", "x"), RIG_DROPPED + SL_DROP_peer_forbidden);
	assert_int_equal(client_bind(&c, 0x4002, "192.0.2.1:53"), 403);
	rig_provision(&r, NULL, close_all);
	assert_int_equal(client_permit(&c, "192.0.2.2:0"), 403);
	assert_int_equal(client_say(&c, in_range, "x"), RIG_DROPPED + SL_DROP_peer_forbidden);
	/* Without a policy yet, what was permitted goes on, ports checked. */
	sl_turn_use(&r.turn[0], NULL);
	assert_int_equal(client_say(&c, in_range, "x"), RIG_RELAYED);
	assert_int_equal(client_say(&c, "192.0.2.2:22", "x"), RIG_DROPPED + SL_DROP_peer_forbidden);
}

static void permissions_are_all_or_nothing(void **state)
{
	assert_int_equal(client_permit(&c, "203.0.113.1:0"), 0);
	add_peer(client_ask(&c, SL_TURN_CREATE_PERMISSION), "203.0.113.2:0");
	add_peer(&c.b, "10.0.0.1:0");
	assert_int_equal(client_go(&c), 403);
	add_peer(client_ask(&c, SL_TURN_CREATE_PERMISSION), "203.0.113.2:0");
	add_peer(&c.b, "[2001:db8::5]:0");
	assert_int_equal(client_go(&c), 443);
	client_ask(&c, SL_TURN_CREATE_PERMISSION);
	for (unsigned i = 1; i <= 9; i++) { /* one more than the limit of eight */
		char ep[40];
		snprintf(ep, sizeof ep, "203.0.113.%u:0", i);
		add_peer(&c.b, ep);
	}
	assert_int_equal(client_go(&c), 508);
	assert_int_equal(r.sessions[0].n_peers_active, 1);
	client_ask(&c, SL_TURN_CREATE_PERMISSION);
	for (unsigned i = 1; i <= 16; i++) { /* two each: eight in all */
		char ep[40];
		snprintf(ep, sizeof ep, "203.0.113.%u:%u", (i + 1) / 2, i);
		add_peer(&c.b, ep);
	}
	assert_int_equal(client_go(&c), 0);
	assert_int_equal(r.sessions[0].n_peers_active, 8);
	client_ask(&c, SL_TURN_CREATE_PERMISSION);
	assert_int_equal(client_go(&c), 400);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.99:1"), 508);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.8:1"), 0);
}

static void the_node_pool_runs_out(void **state)
{
	struct client others[RIG_PEERS / 8];

	for (unsigned i = 0; i < SL_COUNT(others); i++) {
		char ep[40];
		snprintf(ep, sizeof ep, "198.51.100.%u:1", 100 + i);
		others[i] = client_at(&r, ep, 0);
		assert_int_equal(client_allocate(&others[i]), 0);
		for (unsigned k = 1; k <= 8; k++) {
			snprintf(ep, sizeof ep, "203.0.113.%u:0", k);
			assert_int_equal(client_permit(&others[i], ep), 0);
		}
	}
	assert_int_equal(client_permit(&c, "203.0.113.1:0"), 508);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.1:5"), 508);
	assert_int_equal(client_permit(&others[0], "203.0.113.1:0"), 0);
	assert_int_equal(client_refresh(&others[1], 0), 0);
	assert_int_equal(client_permit(&c, "203.0.113.1:0"), 0);
}

static void rules_of_channel_bind(void **state)
{
	assert_int_equal(client_bind(&c, 0x3fff, "203.0.113.1:5"), 400);
	assert_int_equal(client_bind(&c, 0x5000, "203.0.113.1:5"), 400);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.1:0"), 400);
	add_peer(client_ask(&c, SL_TURN_CHANNEL_BIND), "203.0.113.1:5");
	assert_int_equal(client_go(&c), 400);
	sl_stun_add_u32(client_ask(&c, SL_TURN_CHANNEL_BIND), SL_ATTR_CHANNEL_NUMBER, 0x40000000);
	assert_int_equal(client_go(&c), 400);
	assert_int_equal(client_bind(&c, 0x4000, "[2001:db8::9]:5"), 443);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.1:5"), 0);
	assert_int_equal(client_bind(&c, 0x4FFF, "203.0.113.1:6"), 0);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.1:7"), 400);
	assert_int_equal(client_bind(&c, 0x4001, "203.0.113.1:5"), 400);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.1:5"), 0);
	rig_wait(&r, 599);
	assert_int_equal(client_refresh(&c, 600), 0);
	assert_int_equal(client_bind(&c, 0x4001, "203.0.113.1:5"), 400);
	rig_wait(&r, 1); /* expired, tick or no tick: may be bound anew */
	assert_int_equal(client_bind(&c, 0x4001, "203.0.113.1:5"), 0);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.1:6"), 0);
}

static void older_clients_may_be_let_use_more_channels(void **state)
{
	r.settings.channel_max = SL_CHANNEL_MAX_RFC5766;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(client_bind(&c, 0x7FFF, "203.0.113.1:5"), 0);
	assert_int_equal(client_bind(&c, 0x8000, "203.0.113.1:6"), 400);
}

static void send_needs_a_whole_indication(void **state)
{
	assert_int_equal(client_permit(&c, "203.0.113.1:0"), 0);
	add_peer(client_begin(&c, SL_TURN_SEND, SL_STUN_INDICATION), "203.0.113.1:5");
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_send_malformed);
	sl_stun_add(client_begin(&c, SL_TURN_SEND, SL_STUN_INDICATION), SL_ATTR_DATA, "x", 1);
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_send_malformed);
	add_peer(client_begin(&c, SL_TURN_SEND, SL_STUN_INDICATION), "203.0.113.1:0");
	sl_stun_add(&c.b, SL_ATTR_DATA, "x", 1);
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_send_malformed);
	add_peer(client_begin(&c, SL_TURN_SEND, SL_STUN_INDICATION), "203.0.113.1:5");
	sl_stun_add(&c.b, SL_ATTR_DATA, "", 0);
	sl_stun_add(&c.b, SL_ATTR_DONT_FRAGMENT, "", 0);
	assert_int_equal(client_send(&c), RIG_RELAYED);
	assert_true(r.verdict.dont_fragment);
	assert_int_equal(r.verdict.data.len, 0);
	client_begin(&c, SL_TURN_DATA, SL_STUN_INDICATION);
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_stun_unexpected);
}

/* How often sl_turn_conf_peer asks about own addresses tells how many records were judged. */
static unsigned judged;

static bool counting_is_own(const void *ctx, const struct sl_ip *ip)
{
	judged++;
	return rig_is_own(ctx, ip);
}

static bool is_known(const char *peer)
{
	const struct sl_alloc *a = &r.sessions[0].allocs[client_alloc(&c)];
	struct sl_ip ip = rig_ip(peer);

	return sl_known_has(&r.known, 0, sl_known_hash_peer(&r.known, &ip, a->relay, a->relay_port_be));
}

static void a_new_rule_ends_what_it_denies(void **state)
{
	static const char *const deny[] = {"-203.0.113.0/24", NULL};
	struct sl_sessions *s = &r.sessions[0];
	const struct sl_alloc *a = &s->allocs[client_alloc(&c)];

	r.turn[0].is_own = counting_is_own;
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.5:700"), 0);
	assert_int_equal(client_bind(&c, 0x4001, "203.0.113.5:701"), 0);
	assert_int_equal(client_bind(&c, 0x4002, "198.51.100.9:700"), 0);
	assert_int_equal(client_permit(&c, "203.0.113.6:0"), 0);
	assert_int_equal(client_permit(&c, "198.51.100.10:0"), 0);
	assert_int_equal(client_permit(&c, "192.0.2.2:0"), 0);
	rig_tick(&r);
	judged = 0;
	rig_tick(&r);
	assert_int_equal(judged, 0); /* nothing changed, nothing looked at */
	struct sl_command cmd = rig_user("carol", "example.org", "x");
	rig_apply(&r, &cmd);
	struct sl_turn_conf *next = sl_turn_conf_builder_flush(r.builder);
	assert_non_null(next);
	sl_turn_conf_free(r.conf);
	r.conf = next;
	sl_turn_use(&r.turn[0], next);
	rig_tick(&r);
	assert_int_equal(judged, 0); /* another user is no other policy */
	rig_provision(&r, NULL, NULL); /* nor are the same rules once more */
	rig_tick(&r);
	assert_int_equal(judged, 0);
	rig_provision(&r, NULL, deny);
	rig_tick(&r);
	assert_int_equal(judged, 6);
	assert_int_equal(s->n_peers_active, 3);
	assert_int_equal(a->n_peers, 3);
	assert_int_equal(sl_peer_by_channel(s, a, 0x4000), SL_NONE);
	assert_int_equal(sl_peer_by_channel(s, a, 0x4001), SL_NONE);
	assert_int_not_equal(sl_peer_by_channel(s, a, 0x4002), SL_NONE);
	assert_int_equal(client_say(&c, "198.51.100.9:700", "x"), RIG_RELAYED);
	assert_false(is_known("203.0.113.5") || is_known("203.0.113.6"));
	assert_true(is_known("198.51.100.9") && is_known("198.51.100.10") && is_known("192.0.2.2"));
	/* Nor do they come back with the next start. */
	rig_stop(&r);
	rig_start(&r, 1);
	assert_int_equal(r.sessions[0].n_peers_active, 3);
	/* Rules that changed while nobody ran. */
	static const char *const more[] = {"-203.0.113.0/24", "-198.51.100.10/32", NULL};
	rig_stop(&r);
	rig_provision(&r, NULL, more);
	rig_start(&r, 1);
	rig_tick(&r);
	assert_int_equal(r.sessions[0].n_peers_active, 2);
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(r.sessions[0].n_peers_active, 0);
}

/* From the first packet on, before anybody has looked through what there is; and it may come back. */
static void a_new_rule_is_in_force_at_once(void **state)
{
	static const char *const deny[] = {"-203.0.113.0/24", NULL};
	struct sl_sessions *s = &r.sessions[0];

	assert_int_equal(client_permit(&c, "203.0.113.5:0"), 0);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.6:700"), 0);
	assert_int_equal(client_permit(&c, "198.51.100.10:0"), 0);
	assert_int_equal(client_say(&c, "203.0.113.5:700", "x"), RIG_RELAYED);
	rig_provision(&r, NULL, deny);
	assert_int_equal(client_say(&c, "203.0.113.5:700", "x"), RIG_DROPPED + SL_DROP_peer_forbidden);
	assert_int_equal(client_say(&c, "203.0.113.6:700", "x"), RIG_DROPPED + SL_DROP_peer_forbidden);
	assert_int_equal(client_say(&c, "198.51.100.10:700", "x"), RIG_RELAYED);
	assert_int_equal(s->peers[r.verdict.peer].judged, sl_turn_conf_policy(r.conf));
	assert_int_equal(s->n_peers_active, 3);
	rig_provision(&r, NULL, NULL); /* nobody has ended it meanwhile */
	assert_int_equal(client_say(&c, "203.0.113.5:700", "x"), RIG_RELAYED);
	rig_provision(&r, NULL, deny);
	rig_tick(&r);
	assert_int_equal(s->n_peers_active, 1);
}

/* An address that has become ours since the permission. */
static void what_has_become_ours_is_judged_by_port(void **state)
{
	char in_range[40];

	snprintf(in_range, sizeof in_range, "203.0.113.5:%u", RIG_PORT_MIN);
	assert_int_equal(client_permit(&c, "203.0.113.5:0"), 0);
	assert_int_equal(client_say(&c, "203.0.113.5:22", "x"), RIG_RELAYED);
	r.own_extra = rig_ip("203.0.113.5");
	assert_int_equal(client_say(&c, "203.0.113.5:22", "x"), RIG_DROPPED + SL_DROP_peer_forbidden);
	assert_int_equal(client_say(&c, in_range, "x"), RIG_RELAYED);
}

/* Changes come faster than one look around: everything is looked at nevertheless. */
static void changes_do_not_keep_the_last_ones(void **state)
{
	static const char *const deny[][2] = {{"-203.0.113.0/25", NULL}, {"-203.0.113.0/24", NULL}};
	struct client d[4];
	char ep[40];

	for (unsigned i = 0; i < 4; i++) {
		snprintf(ep, sizeof ep, "198.51.100.7:%u", 5000 + i);
		d[i] = client_at(&r, ep, 0);
		assert_int_equal(client_allocate(&d[i]), 0);
		for (unsigned k = 0; k < 8; k++) {
			snprintf(ep, sizeof ep, "%s.%u:0", i == 3 ? "203.0.113" : "198.51.100", 10 + k);
			assert_int_equal(client_permit(&d[i], ep), 0);
		}
	}
	assert_int_equal(r.sessions[0].n_peers_active, RIG_PEERS);
	for (unsigned i = 0; i < 4; i++) {
		rig_provision(&r, NULL, deny[i % 2]);
		rig_tick(&r);
	}
	assert_int_equal(r.sessions[0].n_peers_active, RIG_PEERS - 8);
}

/* A tick judges a few; a change half way through begins anew. */
static void a_sweep_takes_its_time(void **state)
{
	static const char *const deny[] = {"-203.0.113.0/24", NULL}, *const deny_all[] = {"-0.0.0.0/0", NULL};
	struct client d[4];
	char ep[40];

	r.turn[0].is_own = counting_is_own;
	for (unsigned i = 0; i < 4; i++) {
		snprintf(ep, sizeof ep, "198.51.100.7:%u", 5000 + i);
		d[i] = client_at(&r, ep, 0);
		assert_int_equal(client_allocate(&d[i]), 0);
		for (unsigned k = 0; k < 8; k++) {
			snprintf(ep, sizeof ep, "%s.%u:0", i % 2 ? "203.0.113" : "198.51.100", 10 + k);
			assert_int_equal(client_permit(&d[i], ep), 0);
		}
	}
	assert_int_equal(r.sessions[0].n_peers_active, RIG_PEERS);
	rig_tick(&r);
	rig_tick(&r);
	rig_provision(&r, NULL, deny);
	judged = 0;
	rig_tick(&r);
	assert_int_equal(judged, RIG_PEERS / 2);
	assert_int_equal(r.sessions[0].n_peers_active, RIG_PEERS - 8);
	rig_provision(&r, NULL, deny_all);
	for (unsigned i = 0; i < 3; i++)
		rig_tick(&r);
	assert_int_equal(r.sessions[0].n_peers_active, 0);
	judged = 0;
	rig_tick(&r);
	assert_int_equal(judged, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ipv4_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(ipv6_policy_and_every_embedding, setup_v6, teardown),
		cmocka_unit_test_setup_teardown(mapped_is_ipv4, setup, teardown),
		cmocka_unit_test_setup_teardown(rules_come_first, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rule_for_the_translator_does_not_open_what_is_behind, setup_v6, teardown),
		cmocka_unit_test_setup_teardown(a_rule_is_of_one_family, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rule_is_of_one_family_v6, setup_v6, teardown),
		cmocka_unit_test_setup_teardown(a_new_rule_ends_what_it_denies, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_rule_is_in_force_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_become_ours_is_judged_by_port, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_do_not_keep_the_last_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sweep_takes_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(own_addresses_by_port, setup, teardown),
		cmocka_unit_test_setup_teardown(permissions_are_all_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_node_pool_runs_out, setup, teardown),
		cmocka_unit_test_setup_teardown(rules_of_channel_bind, setup, teardown),
		cmocka_unit_test_setup_teardown(older_clients_may_be_let_use_more_channels, setup, teardown),
		cmocka_unit_test_setup_teardown(send_needs_a_whole_indication, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Limits of legs and of their tenants: who they count, and who can use them up. */

#include "path_rig.h"

#include <string.h>

enum { MAX = 64, PAYLOAD = 160, LEN = PAYLOAD + SL_RTP_HEADER_BYTES, PCMU = 0, TENANT = 7 };
#define A "192.0.2.10:4000"
#define B "198.51.100.10:5000"
#define C "192.0.2.11:4000"
#define STRANGER "192.0.2.99:4000"

static struct rig_packet out[MAX];
static uint16_t next_seq;

static int setup(void **state)
{
	next_seq = 1;
	return rig_setup(state);
}

static struct sl_cmd_guard_policy policy(unsigned pps, unsigned kbps)
{
	return (struct sl_cmd_guard_policy){.enabled = 1, .media_session_pps = pps, .media_session_kbps = kbps};
}

static void guard_by(struct sl_cmd_guard_policy p)
{
	rig_guard(&p);
}

/* n packets at once: how many came through. */
static unsigned burst(const char *src, const struct sl_cmd_leg *to, uint32_t ssrc, unsigned n)
{
	unsigned through = 0;
	while (n--) {
		struct rig_packet p = rig_rtp(src, to, PCMU, next_seq, 160u * next_seq, ssrc, PAYLOAD);
		next_seq++;
		rig_in(0, &p, 1);
		through += rig_out(out, MAX);
	}
	return through;
}

/* A packet every ms for so long. */
static unsigned steady(const char *src, const struct sl_cmd_leg *to, uint32_t ssrc, unsigned ms)
{
	unsigned through = 0;
	while (ms--) {
		through += burst(src, to, ssrc, 1);
		rig_pass_ms(1);
	}
	return through;
}

static void a_leg_has_its_rate(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	assert_int_equal(burst(A, &a, 7, 300), 300); /* no limit */
	guard_by(policy(100, 0));
	assert_int_equal(burst(A, &a, 7, 300), 100); /* a second's worth */
	assert_int_equal(rig_drops(SL_DROP_session_limit), 200);
	assert_int_equal(rig_stats(&a).rx_dropped, 200);
	assert_in_range(steady(A, &a, 7, 3000), 297, 303);
	assert_int_equal(burst(B, &b, 8, 200), 100); /* the other direction has its own */
	guard_by(policy(0, 0));
	assert_int_equal(burst(A, &a, 7, 300), 300);
}

static void a_leg_has_its_bytes(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	guard_by(policy(0, 8 * LEN)); /* 1,000 packets of LEN a second */
	assert_int_equal(burst(A, &a, 7, 1200), 1000);
	assert_int_equal(rig_drops(SL_DROP_session_limit), 200);
}

/* What is sent to a leg's remote end is bounded, whoever it comes from. */
static void what_leaves_is_limited(void **state)
{
	struct sl_cmd_leg a, b, c = rig_leg(0, 0, 3, C);
	rig_pair(&a, &b, A, B);
	rig_set(&c);
	rig_join(&c, &b);
	guard_by(policy(100, 0));
	assert_int_equal(burst(A, &a, 7, 60), 60);
	assert_int_equal(burst(C, &c, 9, 60), 40);
	assert_int_equal(rig_drops(SL_DROP_session_limit), 20);
}

/* Only what has passed every check counts: nobody else can use a leg's share up. */
static void what_is_forged_costs_nothing(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	assert_int_equal(burst(A, &a, 7, 1), 1); /* its source is known from now on */
	guard_by(policy(50, 0));
	assert_int_equal(burst(STRANGER, &a, 7, 500), 0);
	assert_int_equal(rig_drops(SL_DROP_media_stranger), 500);
	assert_int_equal(burst(A, &a, 7, 60), 50);
}

/* Under a key, also from the right address. */
static void what_does_not_authenticate_costs_nothing(void **state)
{
	struct sl_cmd_leg a = rig_leg(0, 0, 1, A), b = rig_leg(0, 0, 2, B);
	a.key_in[0] = rig_key(1, SL_SRTP_AES_CM_128_80);
	rig_set(&a);
	rig_set(&b);
	rig_join(&a, &b);
	guard_by(policy(50, 0));
	burst(A, &a, 7, 500);
	assert_int_equal(rig_drops(SL_DROP_srtp_auth), 500);
	assert_int_equal(rig_drops(SL_DROP_session_limit), 0);
}

static void rtcp_counts(void **state)
{
	static const uint8_t report[] = {0x80, 201, 0, 1, 0, 0, 0, 7};
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	assert_int_equal(burst(A, &a, 7, 1), 1);
	guard_by(policy(10, 0));
	for (unsigned i = 0; i < 30; i++) {
		struct rig_packet p = rig_rtp(A, &a, PCMU, 0, 0, 0, 0);
		memcpy(p.data, report, sizeof report);
		p.len = sizeof report;
		rig_in(0, &p, 1);
		rig_out(out, MAX);
	}
	assert_int_equal(rig_drops(SL_DROP_session_limit), 20);
}

static void dry_run_counts_and_passes(void **state)
{
	struct sl_cmd_leg a, b;
	struct sl_cmd_guard_policy p = policy(100, 0);
	p.dry_run = 1;
	rig_pair(&a, &b, A, B);
	guard_by(p);
	assert_int_equal(burst(A, &a, 7, 300), 300);
	assert_int_equal(rig_drops(SL_DROP_session_limit), 0);
	/* Received and sent: both legs were over. */
	assert_int_equal(rig_worker(0)->shm->would_drop[SL_DROP_session_limit], 400);
}

static void off_means_off(void **state)
{
	struct sl_cmd_leg a, b;
	struct sl_cmd_guard_policy p = policy(10, 0);
	p.enabled = 0;
	rig_pair(&a, &b, A, B);
	a.meter = TENANT;
	rig_set(&a);
	rig_meter(TENANT, 1, 0);
	guard_by(p);
	assert_int_equal(burst(A, &a, 7, 300), 300);
}

/* ---- tenants ---- */

static void a_tenant_shares(void **state)
{
	struct sl_cmd_leg a, b, c, d = rig_leg(0, 0, 4, "198.51.100.11:5000");
	rig_pair(&a, &b, A, B);
	c = rig_leg(0, 0, 3, C);
	rig_set(&d);
	a.meter = c.meter = TENANT;
	rig_set(&a);
	rig_set(&c);
	rig_join(&c, &d);
	guard_by(policy(0, 0));
	assert_int_equal(burst(A, &a, 7, 300), 300); /* a tenant without a limit */
	rig_meter(TENANT, 1000, 0);
	unsigned n = burst(A, &a, 7, 600);
	n += burst(C, &c, 9, 600);
	assert_in_range(n, 990, 1010);
	assert_int_equal(rig_drops(SL_DROP_tenant_limit), 1200 - n);
	/* What is sent to a: the tenant's other direction, full. */
	assert_in_range(burst(B, &b, 8, 1200), 990, 1010);
	/* A LEG_SET that is repeated changes nothing; one without the tenant ends it. */
	rig_set(&a);
	assert_in_range(burst(A, &a, 7, 100), 0, 10);
	a.meter = 0;
	rig_set(&a);
	assert_int_equal(burst(A, &a, 7, 100), 100);
}

/* What a session is not let pays nothing of its tenant's. */
static void session_before_tenant(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	a.meter = TENANT;
	rig_set(&a);
	rig_meter(TENANT, 100, 0);
	guard_by(policy(10, 0));
	assert_int_equal(burst(A, &a, 7, 500), 10);
	assert_int_equal(rig_drops(SL_DROP_session_limit), 490);
	assert_int_equal(rig_drops(SL_DROP_tenant_limit), 0);
	guard_by(policy(0, 0));
	assert_in_range(burst(A, &a, 7, 500), 88, 92);
}

static void survives_a_restart(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	a.meter = TENANT;
	rig_set(&a);
	rig_meter(TENANT, 100, 0);
	guard_by(policy(0, 0));
	rig_restart();
	rig_set(&a);
	rig_set(&b);
	rig_join(&a, &b);
	assert_in_range(burst(A, &a, 7, 500), 95, 105);
}

/* ---- two workers ---- */

static int setup_two(void **state)
{
	next_seq = 1;
	return rig_setup_two(state);
}

/* Strangers to a leg of the other worker, as many as its ring takes and more: whom that worker knows still comes through. */
static void a_flood_fills_the_ring_of_strangers_only(void **state)
{
	enum { RING = 256 };
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	struct rig_packet known = rig_rtp(A, &a, PCMU, 1, 160, 7, PAYLOAD), stranger = rig_rtp(STRANGER, &a, PCMU, 1, 160, 9, PAYLOAD);
	rig_in(0, &known, 1); /* its owner learns who it is, and says so to the others */
	assert_int_equal(rig_out(out, MAX), 1);
	for (unsigned i = 0; i < 2 * RING; i++)
		rig_in_alone(1, &stranger, 1);
	assert_true(rig_drops(SL_DROP_handoff_unknown_full) >= RING);
	known = rig_rtp(A, &a, PCMU, 2, 320, 7, PAYLOAD);
	rig_in_alone(1, &known, 1);
	assert_int_equal(rig_drops(SL_DROP_handoff_known_full), 0);
	assert_int_equal(rig_worker(1)->counters[SL_C_handoff_known_out], 1);
	assert_true(rig_worker(1)->counters[SL_C_handoff_unknown_out] <= RING);
	while (sl_handoff_input(rig_worker(0)) > 0)
		;
	assert_int_equal(rig_out(out, MAX), 1);
	rig_assert_to(&out[0], B);
}

/* What the other worker's strangers may send is decided where it comes in; there it is counted, too. */
static void each_worker_limits_what_it_receives(void **state)
{
	struct sl_cmd_guard_policy p = {.enabled = 1, .n_rules = 1};
	struct sl_cmd_leg a, b;
	p.rules[0] = (struct sl_guard_rule){.guard_class = SL_GUARD_MEDIA, .listener = SL_GUARD_ANY, .pps = {20}};
	rig_pair(&a, &b, A, B);
	struct rig_packet stranger = rig_rtp(STRANGER, &a, PCMU, 1, 160, 9, PAYLOAD), known = rig_rtp(A, &a, PCMU, 1, 160, 7, PAYLOAD);
	rig_in(0, &known, 1);
	assert_int_equal(rig_out(out, MAX), 1);
	guard_by(p);
	for (unsigned i = 0; i < 50; i++) {
		rig_in(0, &stranger, 1);
		rig_in(1, &stranger, 1);
	}
	for (unsigned w = 0; w < 2; w++) {
		assert_in_range(rig_worker(w)->drops[SL_DROP_guard_source_limit], 29, 31);
		assert_int_equal(rig_worker(w)->counters[SL_C_guard_unknown], 50);
	}
	assert_in_range(rig_drops(SL_DROP_media_stranger), 38, 42); /* a packet handed over is not charged again */
	for (uint16_t i = 2; i < 52; i++) {
		known = rig_rtp(A, &a, PCMU, i, 160u * i, 7, PAYLOAD);
		rig_in(1, &known, 1);
		assert_int_equal(rig_out(out, MAX), 1);
	}
}

int main(void)
{
#define TWO(f) cmocka_unit_test_setup_teardown(f, setup_two, rig_teardown)
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_leg_has_its_rate),
		TEST(a_leg_has_its_bytes),
		TEST(what_leaves_is_limited),
		TEST(what_is_forged_costs_nothing),
		TEST(what_does_not_authenticate_costs_nothing),
		TEST(rtcp_counts),
		TEST(dry_run_counts_and_passes),
		TEST(off_means_off),
		TEST(a_tenant_shares),
		TEST(session_before_tenant),
		TEST(survives_a_restart),
		TWO(a_flood_fills_the_ring_of_strangers_only),
		TWO(each_worker_limits_what_it_receives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

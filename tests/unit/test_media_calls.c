/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/media_rig.h"

#include <arpa/inet.h>

/* Calls through the engine: who gets which port, what the dataplane is told. */

static struct rig r;

static int setup(void **state)
{
	rig_open(&r);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static bool is_at(const struct sl_endpoint *e, const char *ip, unsigned port)
{
	struct sl_ip want;

	return sl_ip_parse(ip, &want) == 0 && sl_ip_eq(&e->ip, &want) && ntohs(e->port_be) == port;
}

static void a_call_from_offer_to_delete(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_OK);
	unsigned towards_b = rig_port(&r, 0);
	assert_in_range(towards_b, 30000, 39998);
	assert_int_equal(towards_b % 2, 0);
	assert_true(rig_has(&r, "c=IN IP4 203.0.113.1\r\n"));
	assert_true(rig_has(&r, "o=- 1 1 IN IP4 198.51.100.10\r\n")); /* not asked to be replaced */
	assert_int_equal(rig_count(&r, SL_CMD_LEG_SET), 2);
	assert_int_equal(rig_count(&r, SL_CMD_ROUTE_ADD), 0); /* nobody has answered */
	assert_true(is_at(&rig_leg(&r, towards_b)->remote_rtp, "::", 0));

	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	unsigned towards_a = rig_port(&r, 0);
	assert_int_not_equal(towards_a, towards_b);
	const struct sl_cmd_leg *a = rig_leg(&r, towards_a), *b = rig_leg(&r, towards_b);
	assert_true(is_at(&a->remote_rtp, "198.51.100.10", 4000));
	assert_true(is_at(&a->remote_rtcp, "198.51.100.10", 4001));
	assert_true(is_at(&b->remote_rtp, "192.0.2.20", 6000));
	assert_int_equal(a->rtcp_port, towards_a + 1);
	assert_int_equal(a->dscp, 46);
	assert_int_equal(a->inactivity_ms, 60000);
	assert_int_equal(a->dtmf_pt, 101);
	assert_int_equal(a->audio_pt, 8);
	assert_true(rig_route(&r, towards_a, towards_b));
	assert_true(rig_route(&r, towards_b, towards_a));
	assert_int_equal(sl_media_port_worker(towards_a, 2), sl_media_port_worker(towards_b, 2));

	const struct sl_media_session *s = sl_media_find(r.m, rig_slice("c1"));
	assert_int_equal(s->n_parties, 2);
	assert_string_equal(s->parties[1]->tag, "b");
	assert_int_equal(sl_media_peer(s, 0), 1);
	assert_string_equal(s->parties[0]->sections[0]->codec, "PCMA/8000");

	rig_clear(&r);
	rig_delete(&r, "c1", NULL, NULL, 0);
	assert_int_equal(r.n_done, 0);
	assert_int_equal(rig_count(&r, SL_CMD_LEG_DELETE), 2);
	assert_null(sl_media_find(r.m, rig_slice("c1")));
	rig_answer_commands(&r, &(struct sl_evt_leg){.rx_packets = 7});
	assert_int_equal(r.n_done, 1);
	assert_int_equal(r.done_stats.rx_packets, 7);
	assert_int_equal(sl_media_n_sessions(r.m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_call_from_offer_to_delete, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

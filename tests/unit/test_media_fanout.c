/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/media_rig.h"

/* One to many: subscribers and publishers. */

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

static unsigned port_a, port_b;

static void call(void)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_OK);
	port_b = rig_port(&r, 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	port_a = rig_port(&r, 0);
}

static enum sl_media_result subscribe(
        const char *whom, const char *tag, const struct sl_media_options *o, char *tag_out)
{
	struct sl_media_who who = {.call_id = rig_slice("c1"), .tag = rig_slice(whom)};
	struct sl_media_request q = {
	        .call_id = rig_slice("c1"), .to_tag = rig_slice(tag), .options = o ? *o : rig_options()};

	r.reply = (struct sl_media_reply){.sdp = r.sdp, .sdp_room = sizeof r.sdp - 1};
	r.error = (struct sl_media_error){0};
	enum sl_media_result rc = sl_media_subscribe(r.m, &who, &q, &r.reply, tag_out, &r.error);
	r.sdp[r.reply.sdp_len] = '\0';
	return rc;
}

static enum sl_media_result subscribe_answer(const char *tag, const char *sdp)
{
	struct sl_media_request q = {.call_id = rig_slice("c1"),
	        .to_tag = rig_slice(tag),
	        .sdp = rig_slice(sdp),
	        .options = rig_options()};

	r.error = (struct sl_media_error){0};
	return sl_media_subscribe_answer(r.m, &q, &r.error);
}

static enum sl_media_result unsubscribe(const char *tag)
{
	struct sl_media_request q = {.call_id = rig_slice("c1"), .to_tag = rig_slice(tag)};

	return sl_media_unsubscribe(r.m, &q, &r.error);
}

#define SDP_S SDP_HEAD("192.0.2.50") "m=audio 8000 RTP/AVP 8\r\na=recvonly\r\n"

static void a_subscriber_hears_one_party(void **state)
{
	char tag[SL_MEDIA_ID_MAX + 1];

	call();
	rig_clear(&r);
	assert_int_equal(subscribe("a", "s1", NULL, tag), SL_MEDIA_OK);
	assert_string_equal(tag, "s1");
	unsigned port_s = rig_port(&r, 0);
	assert_true(port_s && port_s != port_a && port_s != port_b);
	assert_true(rig_has(&r, "a=sendonly\r\n"));
	assert_true(rig_has(&r, " RTP/AVP 8 101\r\n")); /* what A was told it may send */
	assert_int_equal(rig_count(&r, SL_CMD_ROUTE_ADD), 0);
	assert_int_equal(subscribe_answer("s1", SDP_S), SL_MEDIA_OK);
	assert_true(rig_route(&r, (uint16_t)port_a, (uint16_t)port_s));
	assert_int_equal(rig_count(&r, SL_CMD_ROUTE_ADD), 1);
	const struct sl_cmd_leg *leg = rig_leg(&r, (uint16_t)port_s);
	assert_true(leg->flags & SL_LEG_REWRITE_SSRC);
	assert_int_equal(ntohs(leg->remote_rtp.port_be), 8000);
	assert_int_equal(
	        sl_media_port_worker((uint16_t)port_s, 2), sl_media_port_worker((uint16_t)port_a, 2));
	const struct sl_media_session *s = sl_media_find(r.m, rig_slice("c1"));
	assert_int_equal(sl_media_peer(s, 2), 0);
	assert_int_equal(sl_media_peer(s, 0), 1);

	/* Again, of the other one: the same leg. */
	assert_int_equal(subscribe("b", "s1", NULL, tag), SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 0), port_s);
	assert_int_equal(subscribe_answer("s1", SDP_S), SL_MEDIA_OK);
	assert_false(rig_route(&r, (uint16_t)port_a, (uint16_t)port_s));
	assert_true(rig_route(&r, (uint16_t)port_b, (uint16_t)port_s));

	rig_clear(&r);
	assert_int_equal(unsubscribe("s1"), SL_MEDIA_OK);
	rig_answer_commands(&r, NULL);
	assert_int_equal(rig_count(&r, SL_CMD_LEG_DELETE), 1);
	assert_int_equal(s->n_parties, 2);
	assert_int_equal(unsubscribe("s1"), SL_MEDIA_ERR_NOT_FOUND);
}

static void a_subscriber_hears_all(void **state)
{
	char tag[SL_MEDIA_ID_MAX + 1], again[SL_MEDIA_ID_MAX + 1];

	call();
	assert_int_equal(subscribe(NULL, NULL, NULL, tag), SL_MEDIA_OK);
	assert_int_equal(strlen(tag), 16); /* drawn for it */
	unsigned s0 = rig_port(&r, 0), s1 = rig_port(&r, 1);
	assert_true(s0 && s1 && s0 != s1);
	assert_int_equal(rig_port(&r, 2), 0);
	struct sl_sdp *parsed = malloc(sizeof *parsed); /* two texts became one */
	char err[100];
	assert_int_equal(sl_sdp_parse(parsed, r.sdp, r.reply.sdp_len, err, sizeof err), 0);
	assert_int_equal(parsed->n_media, 2);
	free(parsed);
	assert_int_equal(subscribe_answer(tag, SDP_S "m=audio 8002 RTP/AVP 8\r\n"), SL_MEDIA_OK);
	assert_true(rig_route(&r, (uint16_t)port_a, (uint16_t)s0));
	assert_true(rig_route(&r, (uint16_t)port_b, (uint16_t)s1));
	/* One of them is enough. */
	assert_int_equal(subscribe(NULL, tag, NULL, again), SL_MEDIA_OK);
	assert_int_equal(subscribe_answer(tag, SDP_S "m=audio 0 RTP/AVP 8\r\n"), SL_MEDIA_OK);
	assert_false(rig_route(&r, (uint16_t)port_b, (uint16_t)s1));
}

#define BUNDLED(ip, p0, p1)                                                                                  \
	"v=0\r\no=- 1 1 IN IP4 " ip "\r\ns=-\r\nc=IN IP4 " ip "\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"          \
	"m=audio " p0 " RTP/AVP 8\r\na=mid:0\r\na=rtcp-mux\r\nm=video " p1                                   \
	" RTP/AVP 96\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"

/* Of a bundled call the first section is heard: the others have no leg of their own to hear. */
static void bundles_are_taken_apart(void **state)
{
	char tag[SL_MEDIA_ID_MAX + 1];

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, BUNDLED("198.51.100.10", "4000", "4002"), NULL),
	        SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, BUNDLED("192.0.2.20", "6000", "6000"), NULL),
	        SL_MEDIA_OK);
	assert_int_equal(subscribe("a", "s1", NULL, tag), SL_MEDIA_OK);
	assert_false(rig_has(&r, "BUNDLE"));
	assert_int_not_equal(rig_port(&r, 0), 0);
	assert_int_equal(rig_port(&r, 1), 0);
}

static void each_subscriber_has_its_own_key(void **state)
{
	struct sl_media_options o = rig_options();
	char tag[SL_MEDIA_ID_MAX + 1];
	uint8_t first[16];

	o.set_proto = true;
	o.proto = SL_SDP_RTP_SAVP;
	o.sdes_only = UINT32_C(1) << SL_SRTP_AES_CM_128_80;
	call();
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(subscribe("a", i ? "s2" : "s1", &o, tag), SL_MEDIA_OK);
		unsigned port = rig_port(&r, 0);
		assert_true(rig_has(&r, " RTP/SAVP "));
		assert_int_equal(
		        subscribe_answer(tag,
		                SDP_HEAD("192.0.2.50") "m=audio 8000 RTP/SAVP 8\r\n"
		                                       "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
		                                       "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"),
		        SL_MEDIA_OK);
		const struct sl_cmd_leg *leg = rig_leg(&r, (uint16_t)port);
		assert_int_equal(leg->key_out.suite, SL_SRTP_AES_CM_128_80);
		if (i == 0)
			memcpy(first, leg->key_out.key, sizeof first);
		else
			assert_memory_not_equal(first, leg->key_out.key, sizeof first);
	}
}

static void many_subscribe(void **state)
{
	char tag[SL_MEDIA_ID_MAX + 1], name[16];
	unsigned n = 0;

	call();
	for (; n < 100; n++) {
		snprintf(name, sizeof name, "s%u", n);
		if (subscribe("a", name, NULL, tag) != SL_MEDIA_OK)
			break;
		assert_int_equal(subscribe_answer(name, SDP_S), SL_MEDIA_OK);
	}
	assert_int_equal(n, SL_MEDIA_MAX_PARTIES - 2);
	assert_int_equal(r.error.code, SL_MEDIA_ERR_STATE);
	/* They end with the call. */
	rig_clear(&r);
	rig_delete(&r, "c1", "b", NULL, 0);
	assert_int_equal(rig_count(&r, SL_CMD_LEG_DELETE), SL_MEDIA_MAX_PARTIES);
	assert_int_equal(sl_media_n_sessions(r.m), 0);
}

static void who_was_told_nothing_cannot_be_heard(void **state)
{
	char tag[SL_MEDIA_ID_MAX + 1];

	assert_int_equal(subscribe("a", "s1", NULL, tag), SL_MEDIA_ERR_NOT_FOUND);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(subscribe("a", "s1", NULL, tag), SL_MEDIA_ERR_STATE);
	assert_int_equal(subscribe("x", "s1", NULL, tag), SL_MEDIA_ERR_NOT_FOUND);
	assert_int_equal(sl_media_find(r.m, rig_slice("c1"))->n_parties, 2);
	assert_int_equal(subscribe_answer("a", SDP_S), SL_MEDIA_ERR_NOT_FOUND);
}

static enum sl_media_result publish(const char *tag, const char *sdp)
{
	struct sl_media_request q = {.call_id = rig_slice("c1"),
	        .from_tag = rig_slice(tag),
	        .sdp = rig_slice(sdp),
	        .options = rig_options()};

	r.reply = (struct sl_media_reply){.sdp = r.sdp, .sdp_room = sizeof r.sdp - 1};
	r.error = (struct sl_media_error){0};
	enum sl_media_result rc = sl_media_publish(r.m, &q, &r.reply, &r.error);
	r.sdp[r.reply.sdp_len] = '\0';
	return rc;
}

static void a_publisher_is_heard_by_subscribers(void **state)
{
	char tag[SL_MEDIA_ID_MAX + 1];

	assert_int_equal(publish("p", SDP_HEAD("198.51.100.10") "m=audio 4000 RTP/AVP 8 0\r\na=sendonly\r\n"),
	        SL_MEDIA_OK);
	unsigned p = rig_port(&r, 0);
	assert_true(p);
	assert_true(rig_has(&r, "a=recvonly\r\n"));
	assert_true(rig_has(&r, " RTP/AVP 8\r\n")); /* one codec: what subscribers get */
	assert_int_equal(ntohs(rig_leg(&r, (uint16_t)p)->remote_rtp.port_be), 4000);
	assert_int_equal(subscribe("p", "s1", NULL, tag), SL_MEDIA_OK);
	unsigned s = rig_port(&r, 0);
	assert_int_equal(subscribe_answer("s1", SDP_S), SL_MEDIA_OK);
	assert_true(rig_route(&r, (uint16_t)p, (uint16_t)s));
	/* It changes where it sends from; its subscriber stays. */
	assert_int_equal(publish("p", SDP_HEAD("198.51.100.11") "m=audio 4000 RTP/AVP 8 0\r\na=sendonly\r\n"),
	        SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 0), p);
	assert_int_equal(publish("s1", SDP_A), SL_MEDIA_ERR_STATE);
	rig_tick(&r, 200000);
	assert_int_equal(sl_media_n_sessions(r.m), 1);
}

static void subscriptions_survive_a_restart(void **state)
{
	char tag[SL_MEDIA_ID_MAX + 1];

	call();
	assert_int_equal(subscribe("a", "s1", NULL, tag), SL_MEDIA_OK);
	unsigned s = rig_port(&r, 0);
	assert_int_equal(subscribe_answer("s1", SDP_S), SL_MEDIA_OK);
	rig_kill_engine(&r);
	rig_clear(&r);
	rig_open_engine(&r);
	assert_true(rig_route(&r, (uint16_t)port_a, (uint16_t)s));
	assert_int_equal(rig_count(&r, SL_CMD_ROUTE_ADD), 3);
	assert_int_equal(subscribe("b", "s2", NULL, tag), SL_MEDIA_OK); /* what B was told is known still */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(a_subscriber_hears_one_party),
	        TEST(a_subscriber_hears_all),
	        TEST(each_subscriber_has_its_own_key),
	        TEST(bundles_are_taken_apart),
	        TEST(many_subscribe),
	        TEST(who_was_told_nothing_cannot_be_heard),
	        TEST(a_publisher_is_heard_by_subscribers),
	        TEST(subscriptions_survive_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "controlplane/media/negotiate.h"

/* The engine's decisions, each by itself. */

static struct sl_ip ip(const char *text)
{
	struct sl_ip out;

	assert_int_equal(sl_ip_parse(text, &out), 0);
	return out;
}

static void private_addresses_are_known(void **state)
{
	static const struct {
		const char *ip;
		bool is_private;
	} cases[] = {{"10.0.0.1", true}, {"11.0.0.1", false}, {"172.16.0.1", true}, {"172.31.255.255", true},
	        {"172.32.0.0", false}, {"192.168.1.1", true}, {"192.169.0.0", false}, {"100.64.0.1", true},
	        {"100.127.255.255", true}, {"100.128.0.0", false}, {"169.254.1.1", true}, {"127.0.0.1", true},
	        {"0.0.0.0", true}, {"198.51.100.1", false}, {"fd00::1", true}, {"fc00::1", true},
	        {"fe80::1", true}, {"febf::1", true}, {"fec0::1", false}, {"::1", true}, {"::", true},
	        {"2001:db8::1", false}};

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		struct sl_ip a = ip(cases[i].ip);
		if (sl_nego_is_private(&a) != cases[i].is_private)
			fail_msg("%s", cases[i].ip);
	}
}

static void sources_are_as_narrow_as_they_can_be(void **state)
{
	enum {
		ANY = SL_LEG_LEARN_ANY,
		STRICT = SL_LEG_STRICT_SOURCE,
		RE = SL_LEG_RELEARN | SL_LEG_LEARN_ANY
	};
	static const struct {
		uint32_t asked;
		int learn; /* -1 = not asked */
		const char *said, *received_from;
		uint8_t learned;
		uint32_t flags;
		bool signalling;
	} cases[] = {
	        {0, -1, "198.51.100.1", NULL, SL_LEARN_IMMEDIATE, 0, false},
	        {0, -1, "198.51.100.1", "192.0.2.1", SL_LEARN_IMMEDIATE, 0, true},
	        {0, -1, "10.0.0.1", "192.0.2.1", SL_LEARN_IMMEDIATE, 0, true},
	        {0, -1, "10.0.0.1", NULL, SL_LEARN_HEURISTIC, ANY, false},
	        {0, SL_LEARN_DELAYED, "10.0.0.1", NULL, SL_LEARN_DELAYED, ANY, false},
	        {SL_MF_TRUST_ADDRESS, -1, "10.0.0.1", NULL, SL_LEARN_IMMEDIATE, 0, false},
	        {SL_MF_TRUST_ADDRESS, -1, "10.0.0.1", "192.0.2.1", SL_LEARN_IMMEDIATE, 0, true},
	        {SL_MF_STRICT_SOURCE, -1, "198.51.100.1", NULL, SL_LEARN_IMMEDIATE, STRICT, false},
	        {SL_MF_MEDIA_HANDOVER, -1, "198.51.100.1", NULL, SL_LEARN_IMMEDIATE, RE, false},
	        {0, SL_LEARN_OFF, "198.51.100.1", "192.0.2.1", SL_LEARN_OFF, STRICT, false},
	        {SL_MF_ASYMMETRIC, SL_LEARN_DELAYED, "198.51.100.1", "192.0.2.1", SL_LEARN_OFF, 0, false},
	        {SL_MF_ASYMMETRIC | SL_MF_STRICT_SOURCE, -1, "198.51.100.1", NULL, SL_LEARN_OFF, STRICT,
	                false},
	};

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		struct sl_media_options o = {.flags = cases[i].asked, .set_learn = cases[i].learn >= 0};
		struct sl_ip said = ip(cases[i].said), none = {0};
		if (cases[i].learn >= 0)
			o.learn = (uint8_t)cases[i].learn;
		if (cases[i].received_from)
			o.received_from = ip(cases[i].received_from);
		struct sl_nego_source s = sl_nego_source(&o, &said);
		if (s.learn != cases[i].learned || s.flags != cases[i].flags ||
		        !sl_ip_eq(&s.learn_ip, cases[i].signalling ? &o.received_from : &none))
			fail_msg("case %u: learn %u, flags %x", i, s.learn, s.flags);
	}
}

static void mux_is_as_asked(void **state)
{
	static const struct {
		uint8_t asked;
		bool offered, only;
		struct sl_nego_mux want;
	} cases[] = {
	        {0, false, false, {false, false, SL_NEGO_FOLLOW}},
	        {0, true, false, {true, false, SL_NEGO_FOLLOW}},
	        {0, true, true, {true, false, SL_NEGO_YES}},
	        {SL_MM_OFFER, false, false, {true, false, SL_NEGO_FOLLOW}},
	        {SL_MM_REQUIRE, false, false, {true, true, SL_NEGO_FOLLOW}},
	        {SL_MM_DEMUX, true, false, {false, false, SL_NEGO_YES}},
	        {SL_MM_ACCEPT, true, false, {true, false, SL_NEGO_YES}},
	        {SL_MM_REJECT, true, false, {false, false, SL_NEGO_NO}},
	        {SL_MM_REJECT | SL_MM_OFFER, true, false, {true, false, SL_NEGO_NO}},
	        {SL_MM_REJECT | SL_MM_OFFER, false, false, {true, false, SL_NEGO_FOLLOW}},
	        {SL_MM_REJECT, true, true, {false, false, SL_NEGO_YES}},
	};

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		struct sl_nego_mux got = sl_nego_mux(cases[i].asked, cases[i].offered, cases[i].only);
		if (got.offer != cases[i].want.offer || got.only != cases[i].want.only ||
		        got.accept != cases[i].want.accept)
			fail_msg("case %u", i);
	}
}

/* ---- keys ---- */

static struct sl_sdp_media media;

static void offered(unsigned at, uint32_t tag, unsigned suite, uint8_t flags)
{
	struct sl_sdp_crypto *c = &media.crypto[at];

	*c = (struct sl_sdp_crypto){.tag = tag};
	c->key.suite = (uint8_t)suite;
	c->key.flags = flags;
	memset(c->key.key, (int)(at + 1), 16);
	media.n_crypto = at + 1;
}

static void a_key_is_chosen(void **state)
{
	const struct sl_sdp_crypto none = {0};
	const uint32_t all = SL_NEGO_ALL_SUITES, s80 = UINT32_C(1) << SL_SRTP_AES_CM_128_80;

	media.n_crypto = 0;
	assert_int_equal(sl_nego_choose_crypto(all, all, &media, &none), -1);
	offered(0, 1, SL_SRTP_NONE, 0); /* something we cannot do */
	assert_int_equal(sl_nego_choose_crypto(all, all, &media, &none), -1);
	offered(1, 2, SL_SRTP_AEAD_256_GCM, SL_SRTP_PLAIN_RTP);
	assert_int_equal(sl_nego_choose_crypto(all, all, &media, &none), 1);
	offered(2, 3, SL_SRTP_AES_CM_128_32, 0);
	assert_int_equal(sl_nego_choose_crypto(all, all, &media, &none), 2); /* nothing is left plain */
	offered(3, 4, SL_SRTP_AES_CM_128_80, 0);
	assert_int_equal(sl_nego_choose_crypto(all, all, &media, &none), 2);
	assert_int_equal(sl_nego_choose_crypto(s80, all, &media, &none), 3);
	/* In force, and there again. */
	const struct sl_sdp_crypto now = media.crypto[3];
	assert_int_equal(sl_nego_choose_crypto(all, all, &media, &now), 3);
	struct sl_sdp_crypto other = now;
	other.key.key[0]++;
	assert_int_equal(sl_nego_choose_crypto(all, all, &media, &other), 2);
	other = now;
	other.tag = 9;
	assert_int_equal(sl_nego_choose_crypto(all, all, &media, &other), 2);
	/* What was asked leaves nothing: the rest that is possible. */
	assert_int_equal(sl_nego_choose_crypto(UINT32_C(1) << SL_SRTP_AES_CM_256_80, all, &media, &none), 2);
	assert_int_equal(sl_nego_choose_crypto(all, s80, &media, &none), 3);
	assert_int_equal(sl_nego_choose_crypto(all, 0, &media, &none), -1);
}

static void suites_are_ordered(void **state)
{
	uint8_t suites[SL_NEGO_SUITES];
	struct sl_media_options o = {0};

	media.n_crypto = 0;
	assert_int_equal(sl_nego_suites(sl_nego_suites_asked(&o), &media, suites), SL_NEGO_SUITES);
	assert_int_equal(suites[0], SL_SRTP_AES_CM_128_80);
	offered(0, 1, SL_SRTP_AEAD_256_GCM, 0);
	offered(1, 2, SL_SRTP_NONE, 0);
	assert_int_equal(sl_nego_suites(sl_nego_suites_asked(&o), &media, suites), SL_NEGO_SUITES);
	assert_int_equal(suites[0], SL_SRTP_AEAD_256_GCM);
	assert_int_equal(suites[1], SL_SRTP_AES_CM_128_80);
	o.sdes_no = UINT32_C(1) << SL_SRTP_AEAD_256_GCM;
	assert_int_equal(sl_nego_suites(sl_nego_suites_asked(&o), &media, suites), SL_NEGO_SUITES - 1);
	assert_int_equal(suites[0], SL_SRTP_AES_CM_128_80);
	o.sdes_only = UINT32_C(1) << 31; /* one that we do not know */
	assert_int_equal(sl_nego_suites(sl_nego_suites_asked(&o), &media, suites), 0);
}

static void answers_are_matched_by_tag_and_suite(void **state)
{
	struct sl_sdp_crypto ours[2] = {{.tag = 1}, {.tag = 2}};
	unsigned at;

	ours[0].key.suite = SL_SRTP_AES_CM_128_80;
	ours[1].key.suite = SL_SRTP_AES_CM_128_32;
	media.n_crypto = 0;
	offered(0, 2, SL_SRTP_AES_CM_128_80, 0);
	assert_int_equal(sl_nego_match_crypto(ours, 2, &media, &at), -1);
	offered(1, 2, SL_SRTP_AES_CM_128_32, 0);
	assert_int_equal(sl_nego_match_crypto(ours, 2, &media, &at), 1);
	assert_int_equal(at, 1);
	assert_int_equal(sl_nego_match_crypto(ours, 1, &media, &at), -1);
}

static void keys_are_drawn_in_full(void **state)
{
	struct sl_srtp_key a, b;

	for (unsigned suite = 1; suite < SL_SRTP_N_SUITES; suite++) {
		assert_int_equal(sl_nego_make_key(&a, suite, 0), 0);
		assert_int_equal(sl_nego_make_key(&b, suite, 0), 0);
		assert_int_equal(a.suite, suite);
		assert_memory_not_equal(a.key, b.key, 16);
		assert_memory_not_equal(a.salt, b.salt, 12);
		assert_false(sl_nego_same_key(&a, &b));
		assert_true(sl_nego_same_key(&a, &a));
	}
	assert_int_equal(sl_nego_make_key(&a, SL_SRTP_AES_CM_128_80, 0), 0);
	assert_int_equal(a.key[16] | a.key[31], 0); /* no longer than the suite's */
}

/* ---- payload types ---- */

static void codec(unsigned at, uint8_t pt, const char *name, uint32_t hz)
{
	media.codecs[at] =
	        (struct sl_sdp_codec){.pt = pt, .channels = 1, .hz = hz, .name = {name, strlen(name)}};
	media.n_codecs = at + 1;
}

static void legs_know_what_they_hear_and_send(void **state)
{
	struct sl_nego_types a, b;
	struct sl_cmd_leg leg = {0};
	const struct sl_nego_types unknown = {0};

	codec(0, 96, "opus", 48000);
	codec(1, 8, "PCMA", 8000);
	codec(2, 101, "telephone-event", 8000);
	codec(3, 102, "telephone-event", 48000);
	sl_nego_types(&media, &a);
	assert_int_equal(a.audio_pt, 96);
	assert_int_equal(a.dtmf_pt, 102); /* of the first codec's clock */
	codec(1, 97, "absurd", 80006000); /* no clock that the dataplane would take */
	struct sl_nego_types c;
	sl_nego_types(&media, &c);
	assert_int_equal(c.n_clocks, 1);
	codec(0, 13, "CN", 8000);
	codec(1, 0, "PCMU", 8000);
	codec(2, 100, "telephone-event", 8000);
	sl_nego_types(&media, &b);
	assert_int_equal(b.audio_pt, 0);
	assert_int_equal(b.dtmf_pt, 100);

	sl_nego_payload_types(
	        &a, &unknown, &leg); /* nobody has answered A: it may send with its own numbers */
	assert_int_equal(leg.dtmf_pt, 102);
	assert_int_equal(leg.dtmf_pt_out, 102);
	sl_nego_payload_types(&a, &b, &leg); /* RFC 3264 6.1: A sends with B's */
	assert_int_equal(leg.dtmf_pt, 100);
	assert_int_equal(leg.dtmf_pt_out, 102);
	assert_int_equal(leg.audio_pt, 96);
	assert_int_equal(leg.n_clocks, 4); /* 100 of B; 96, 101, 102 of A; not the static ones */
	assert_int_equal(leg.clocks[0].pt, 100);
	assert_int_equal(leg.clocks[1].hz, 48000);
}

static void the_first_codec_is_named(void **state)
{
	char text[24];

	codec(0, 101, "telephone-event", 8000);
	codec(1, 96, "opus", 48000);
	media.codecs[1].channels = 2;
	sl_nego_codec_text(&media, text, sizeof text);
	assert_string_equal(text, "opus/48000/2");
	media.n_codecs = 1;
	sl_nego_codec_text(&media, text, sizeof text);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(private_addresses_are_known),
	        cmocka_unit_test(sources_are_as_narrow_as_they_can_be),
	        cmocka_unit_test(mux_is_as_asked),
	        cmocka_unit_test(a_key_is_chosen),
	        cmocka_unit_test(suites_are_ordered),
	        cmocka_unit_test(answers_are_matched_by_tag_and_suite),
	        cmocka_unit_test(keys_are_drawn_in_full),
	        cmocka_unit_test(legs_know_what_they_hear_and_send),
	        cmocka_unit_test(the_first_codec_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

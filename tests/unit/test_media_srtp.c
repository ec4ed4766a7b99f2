/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/media_rig.h"

/* Keys through the engine: SDES offered, taken, kept and changed (RFC 4568), DTLS passed on. */

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

#define KEY1                    "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
#define KEY2                    "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR"
#define SAVP(ip, port, crypto)  SDP_HEAD(ip) "m=audio " port " RTP/SAVP 8\r\n" crypto
#define CRYPTO(tag, suite, key) "a=crypto:" tag " " suite " inline:" key "\r\n"
#define S80                     "AES_CM_128_HMAC_SHA1_80"
#define S32                     "AES_CM_128_HMAC_SHA1_32"

static struct sl_media_options towards(enum sl_sdp_proto proto)
{
	struct sl_media_options o = rig_options();

	o.set_proto = true;
	o.proto = proto;
	return o;
}

/* The a=crypto of the last reply that has this suite. */
static const char *line_of(const char *suite)
{
	static char line[256];
	const char *at = r.sdp;

	while ((at = strstr(at, "a=crypto:"))) {
		snprintf(line, sizeof line, "%.*s\r\n", (int)strcspn(at, "\r\n"), at);
		if (strstr(line, suite))
			return line;
		at++;
	}
	return NULL;
}

static unsigned n_lines(void)
{
	unsigned n = 0;

	for (const char *at = r.sdp; (at = strstr(at, "a=crypto:")); at++)
		n++;
	return n;
}

static void plain_to_secure_and_back(void **state)
{
	const struct sl_media_options o = towards(SL_SDP_RTP_SAVP);
	char answer[1024], ours[256];

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	unsigned b = rig_port(&r, 0);
	assert_true(rig_has(&r, " RTP/SAVP 8 0 101\r\n"));
	assert_int_equal(n_lines(), 8); /* every suite we can do */
	assert_true(rig_leg(&r, (uint16_t)b)->flags &
	            SL_LEG_REQUIRE_SRTP); /* nothing leaves before there is a key */
	assert_int_equal(rig_leg(&r, (uint16_t)b)->key_out.suite, SL_SRTP_NONE);
	snprintf(ours, sizeof ours, "%s", line_of(S32));
	unsigned tag = (unsigned)strtoul(ours + strlen("a=crypto:"), NULL, 10);

	snprintf(answer, sizeof answer,
	        SDP_HEAD("192.0.2.20") "m=audio 6000 RTP/SAVP 8\r\na=crypto:%u " S32 " inline:" KEY1 "\r\n",
	        tag);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, answer, NULL), SL_MEDIA_OK);
	assert_true(rig_has(&r, " RTP/AVP 8\r\n"));
	assert_false(rig_has(&r, "crypto"));
	const struct sl_cmd_leg *leg = rig_leg(&r, (uint16_t)b);
	assert_int_equal(leg->key_out.suite, SL_SRTP_AES_CM_128_32);
	assert_int_equal(leg->key_in[0].suite, SL_SRTP_AES_CM_128_32);
	assert_memory_equal(leg->key_in[0].key, "YS___semctl () {", 16);
	assert_int_equal(rig_leg(&r, (uint16_t)rig_port(&r, 0))->key_out.suite, SL_SRTP_NONE);
	/* What leaves is encrypted with what the SDP said. */
	struct sl_sdp_crypto told = {.tag = tag, .key = leg->key_out};
	char text[200];
	assert_true(sl_sdp_crypto_text(&told, text, sizeof text) > 0);
	assert_non_null(strstr(text, S32 " inline:"));
	assert_memory_equal(strstr(text, "inline:"), strstr(ours, "inline:"), strlen("inline:") + 40);

	/* The same answer again (a 200 after a 183) is no news. */
	rig_clear(&r);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, answer, NULL), SL_MEDIA_OK);
	assert_int_equal(r.link.n_commands, 0);

	/* A re-offer that does not ask again goes on translating, and keeps the key. */
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, SDP_A, NULL), SL_MEDIA_OK);
	assert_true(rig_has(&r, " RTP/SAVP "));
	assert_int_equal(n_lines(), 1);
	assert_memory_equal(line_of(S32), ours, strlen(ours));
}

static void secure_to_plain(void **state)
{
	const struct sl_media_options o = towards(SL_SDP_RTP_AVP);

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL,
	                         SAVP("198.51.100.10", "4000",
	                                 CRYPTO("1", "F8_128_HMAC_SHA1_80", KEY1) CRYPTO("7", S80, KEY2)),
	                         &o),
	        SL_MEDIA_OK);
	assert_true(rig_has(&r, " RTP/AVP 8\r\n"));
	assert_false(rig_has(&r, "crypto"));
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_true(rig_has(&r, " RTP/SAVP 8 101\r\n"));
	assert_int_equal(n_lines(), 1);
	assert_non_null(strstr(line_of(S80), "a=crypto:7 "));
	assert_false(rig_has(&r, KEY2)); /* a key of our own */
	const struct sl_cmd_leg *a = rig_leg(&r, (uint16_t)rig_port(&r, 0));
	assert_int_equal(a->key_in[0].suite, SL_SRTP_AES_CM_128_80);
	assert_int_equal(a->key_out.suite, SL_SRTP_AES_CM_128_80);
	assert_true(a->flags & SL_LEG_REQUIRE_SRTP);
	assert_memory_not_equal(a->key_in[0].key, a->key_out.key, 16);
}

static void both_secure_have_keys_of_their_own(void **state)
{
	char answer[1024];

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL,
	                         SAVP("198.51.100.10", "4000", CRYPTO("3", S32, KEY1)), NULL),
	        SL_MEDIA_OK);
	unsigned b = rig_port(&r, 0);
	assert_false(rig_has(&r, KEY1));
	assert_non_null(strstr(line_of(S32), "a=crypto:1 ")); /* the offerer's suite first */
	snprintf(answer, sizeof answer,
	        SDP_HEAD("192.0.2.20") "m=audio 6000 RTP/SAVP 8\r\na=crypto:2 " S80 " inline:" KEY2 "\r\n");
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, answer, NULL), SL_MEDIA_OK);
	assert_int_equal(n_lines(), 1);
	assert_non_null(strstr(line_of(S32), "a=crypto:3 "));
	assert_int_equal(rig_leg(&r, (uint16_t)b)->key_in[0].suite, SL_SRTP_AES_CM_128_80);
	assert_int_equal(rig_leg(&r, (uint16_t)rig_port(&r, 0))->key_out.suite, SL_SRTP_AES_CM_128_32);
}

static void a_new_key_is_taken_and_the_old_one_still_heard(void **state)
{
	const struct sl_media_options o = towards(SL_SDP_RTP_AVP);

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL,
	                         SAVP("198.51.100.10", "4000", CRYPTO("1", S80, KEY1)), &o),
	        SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	unsigned a = rig_port(&r, 0);
	struct sl_cmd_leg before = *rig_leg(&r, (uint16_t)a);

	rig_clear(&r);
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL,
	                         SAVP("198.51.100.10", "4000", CRYPTO("1", S80, KEY1)), &o),
	        SL_MEDIA_OK);
	assert_null(rig_leg(&r, (uint16_t)a)); /* the same key: nothing is told, its ROC goes on */
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL,
	                         SAVP("198.51.100.10", "4000", CRYPTO("2", S80, KEY2)), &o),
	        SL_MEDIA_OK);
	const struct sl_cmd_leg *now = rig_leg(&r, (uint16_t)a);
	assert_memory_equal(&now->key_in[1], &before.key_in[0], sizeof now->key_in[1]);
	assert_memory_not_equal(now->key_in[0].key, before.key_in[0].key, 16);
	assert_memory_equal(&now->key_out, &before.key_out, sizeof now->key_out); /* ours stays */
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_non_null(strstr(line_of(S80), "a=crypto:2 "));
}

static void suites_are_as_allowed(void **state)
{
	struct sl_media_options o = towards(SL_SDP_RTP_SAVP);

	o.sdes_only = UINT32_C(1) << SL_SRTP_AEAD_128_GCM | UINT32_C(1) << SL_SRTP_AES_CM_128_80;
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	assert_int_equal(n_lines(), 2);
	o.sdes_only = 0;
	o.sdes_no = UINT32_C(1) << SL_SRTP_AES_CM_128_80;
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	assert_int_equal(n_lines(), 7);
	assert_null(line_of(S80 " "));
	/* The filter is for what is sent on: an offerer who has nothing else is not turned away. */
	assert_int_equal(rig_offer(&r, "c3", "a", NULL, NULL,
	                         SAVP("198.51.100.10", "4000", CRYPTO("1", S80, KEY1)), &o),
	        SL_MEDIA_OK);
	assert_null(line_of(S80 " "));
	assert_int_equal(rig_offer(&r, "c4", "a", NULL, NULL,
	                         SAVP("198.51.100.10", "4000", CRYPTO("1", "F8_128_HMAC_SHA1_80", KEY1)), &o),
	        SL_MEDIA_ERR_UNSUPPORTED);
	assert_null(sl_media_find(r.m, rig_slice("c4")));
	o.sdes_off = true;
	assert_int_equal(rig_offer(&r, "c5", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_ERR_UNSUPPORTED);
	assert_non_null(strstr(r.error.text, "DTLS"));
}

static void wrong_answers_change_nothing(void **state)
{
	const struct sl_media_options o = towards(SL_SDP_RTP_SAVP);

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	rig_clear(&r);
	/* no key; a tag that was not offered; another suite than the tag's; less than was offered; no SRTP at all */
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SAVP("192.0.2.20", "6000", ""), NULL),
	        SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL,
	                         SAVP("192.0.2.20", "6000", CRYPTO("99", S80, KEY1)), NULL),
	        SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL,
	                         SAVP("192.0.2.20", "6000", CRYPTO("1", S32, KEY1)), NULL),
	        SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL,
	                         SAVP("192.0.2.20", "6000", CRYPTO("1", S80, KEY1 " UNENCRYPTED_SRTP")), NULL),
	        SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL,
	                         SAVP("192.0.2.20", "6000", CRYPTO("1", S80, KEY1 " UNAUTHENTICATED_SRTP")), NULL),
	        SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(r.link.n_commands, 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL,
	                         SAVP("192.0.2.20", "6000", CRYPTO("1", S80, KEY1)), NULL),
	        SL_MEDIA_OK);
}

/* What was secure stays so until an answer takes it that it is not: the re-INVITE may be refused (488). */
static void keys_stay_until_an_offer_without_is_answered(void **state)
{
	const struct sl_media_options secure = towards(SL_SDP_RTP_SAVP), plain = towards(SL_SDP_RTP_AVP);
	const char *const answer = SAVP("192.0.2.20", "6000", CRYPTO("1", S80, KEY1));

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &secure), SL_MEDIA_OK);
	unsigned b = rig_port(&r, 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, answer, NULL), SL_MEDIA_OK);
	const struct sl_cmd_leg before = *rig_leg(&r, (uint16_t)b);

	/* A fax, refused. */
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL,
	                         SDP_HEAD("198.51.100.10") "m=image 4000 udptl t38\r\n", NULL),
	        SL_MEDIA_OK);
	assert_false(rig_has(&r, "crypto"));
	const struct sl_cmd_leg *leg = rig_leg(&r, (uint16_t)b);
	assert_int_equal(leg->flags & (SL_LEG_RAW | SL_LEG_REQUIRE_SRTP), SL_LEG_REQUIRE_SRTP);
	assert_memory_equal(&leg->key_out, &before.key_out, sizeof before.key_out);
	/* Plain sound, refused. */
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, SDP_A, &plain), SL_MEDIA_OK);
	assert_false(rig_has(&r, "crypto"));
	leg = rig_leg(&r, (uint16_t)b);
	assert_true(leg->flags & SL_LEG_REQUIRE_SRTP);
	assert_memory_equal(&leg->key_out, &before.key_out, sizeof before.key_out);
	/* Plain sound, taken. */
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	leg = rig_leg(&r, (uint16_t)b);
	assert_false(leg->flags & SL_LEG_REQUIRE_SRTP);
	assert_int_equal(leg->key_out.suite, SL_SRTP_NONE);
	assert_int_equal(leg->key_in[0].suite, SL_SRTP_NONE);

	/* Keys again, never those from before; and a fax that is taken. */
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, SDP_A, &secure), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, answer, NULL), SL_MEDIA_OK);
	leg = rig_leg(&r, (uint16_t)b);
	assert_memory_not_equal(leg->key_out.key, before.key_out.key, 16);
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL,
	                         SDP_HEAD("198.51.100.10") "m=image 4000 udptl t38\r\n", NULL),
	        SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL,
	                         SDP_HEAD("192.0.2.20") "m=image 6000 udptl t38\r\n", NULL),
	        SL_MEDIA_OK);
	leg = rig_leg(&r, (uint16_t)b);
	assert_int_equal(leg->flags & (SL_LEG_RAW | SL_LEG_REQUIRE_SRTP), SL_LEG_RAW);
	assert_int_equal(leg->key_out.suite, SL_SRTP_NONE);
	assert_true(rig_leg(&r, (uint16_t)rig_port(&r, 0))->flags & SL_LEG_RAW);
}

#define BUNDLED(port)                                                                                        \
	"v=0\r\no=- 1 1 IN IP4 198.51.100.10\r\ns=-\r\nc=IN IP4 198.51.100.10\r\nt=0 0\r\na=group:BUNDLE 0 " \
	"1\r\n"                                                                                              \
	"m=audio 4000 RTP/AVP 8\r\na=mid:0\r\na=rtcp-mux\r\nm=audio " port                                   \
	" RTP/AVP 0\r\na=mid:1\r\na=rtcp-mux\r\n"

/* RFC 8843 7.1.2: what shares a transport shares its keys. */
static void bundled_sections_are_offered_the_same_keys(void **state)
{
	struct sl_media_options o = towards(SL_SDP_RTP_SAVP);

	o.sdes_only = UINT32_C(1) << SL_SRTP_AES_CM_128_80;
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, BUNDLED("4000"), &o), SL_MEDIA_OK);
	assert_int_equal(n_lines(), 2);
	const char *first = strstr(r.sdp, "a=crypto:"), *second = strstr(first + 1, "a=crypto:");
	assert_memory_equal(first, second, strcspn(first, "\r"));
	assert_int_equal(rig_port(&r, 0), rig_port(&r, 1));
	/* Not yet bundled: each has its own. */
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, NULL, BUNDLED("4002"), &o), SL_MEDIA_OK);
	first = strstr(r.sdp, "a=crypto:");
	second = strstr(first + 1, "a=crypto:");
	assert_memory_not_equal(first, second, strcspn(first, "\r"));
}

/* A call that was moved to another end without anybody's tag changing: nothing of the old one's counts. */
static void reset_offers_fresh_keys(void **state)
{
	struct sl_media_options o = towards(SL_SDP_RTP_SAVP);
	char before[256];

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL,
	                         SAVP("192.0.2.20", "6000", CRYPTO("1", S80, KEY1)), NULL),
	        SL_MEDIA_OK);
	snprintf(before, sizeof before, "%s",
	        rig_offer(&r, "c1", "a", "b", NULL, SDP_A, &o) == SL_MEDIA_OK ? line_of(S80) : "");
	assert_int_equal(n_lines(), 1);
	o.flags = SL_MF_RESET;
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, SDP_A, &o), SL_MEDIA_OK);
	assert_int_equal(n_lines(), 8);
	assert_string_not_equal(line_of(S80), before);
}

/* RFC 8643: keys that go along with plain RTP are for the other end, not for a relay in between. */
static void keys_beside_plain_rtp_go(void **state)
{
	assert_int_equal(
	        rig_offer(&r, "c1", "a", NULL, NULL,
	                SDP_HEAD("198.51.100.10") "m=audio 4000 RTP/AVP 8\r\n" CRYPTO("1", S80, KEY1), NULL),
	        SL_MEDIA_OK);
	assert_false(rig_has(&r, "crypto"));
}

#define DTLS(ip, port)                                                                                       \
	SDP_HEAD(ip)                                                                                         \
	"m=audio " port " UDP/TLS/RTP/SAVPF 8\r\na=setup:actpass\r\n"                                        \
	"a=fingerprint:sha-256 "                                                                             \
	"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:"      \
	"FF\r\n"

static void dtls_is_passed_on_and_never_translated(void **state)
{
	struct sl_media_options o = towards(SL_SDP_RTP_AVP);

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, DTLS("198.51.100.10", "4000"), &o),
	        SL_MEDIA_ERR_UNSUPPORTED);
	assert_non_null(strstr(r.error.text, "DTLS-SRTP is passed on"));
	o = towards(SL_SDP_TLS_RTP_SAVPF);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_ERR_UNSUPPORTED);
	assert_int_equal(sl_media_n_sessions(r.m), 0);

	assert_int_equal(
	        rig_offer(&r, "c1", "a", NULL, NULL, DTLS("198.51.100.10", "4000"), NULL), SL_MEDIA_OK);
	assert_true(rig_has(&r, "a=fingerprint:sha-256 "));
	unsigned b = rig_port(&r, 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, DTLS("192.0.2.20", "6000"), NULL), SL_MEDIA_OK);
	assert_true(rig_leg(&r, (uint16_t)b)->flags & SL_LEG_RAW);
	assert_true(rig_leg(&r, (uint16_t)rig_port(&r, 0))->flags & SL_LEG_RAW);
}

/* A fingerprint for the whole session goes too where the ends' DTLS is none of it: who has it would answer
 * with DTLS. */
static void a_fingerprint_of_the_session_goes_with_its_sections(void **state)
{
	static const char fingerprint[] = "a=setup:actpass\r\na=fingerprint:sha-256 "
	                                  "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:"
	                                  "66:77:88:99:AA:BB:CC:DD:EE:FF\r\n";
	const struct sl_media_options o = towards(SL_SDP_RTP_AVP);
	char sdp[2048];

	snprintf(sdp, sizeof sdp,
	        SDP_HEAD("198.51.100.10") "%sm=audio 4000 RTP/SAVP 8\r\n" CRYPTO("1", S80, KEY1),
	        fingerprint);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, sdp, NULL), SL_MEDIA_OK);
	assert_false(rig_has(&r, "a=fingerprint"));
	assert_false(rig_has(&r, "a=setup"));
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, NULL, sdp, &o), SL_MEDIA_OK);
	assert_false(rig_has(&r, "a=fingerprint"));
	/* What is not ours may need it. */
	snprintf(sdp, sizeof sdp,
	        SDP_HEAD("198.51.100.10") "%sm=audio 4000 RTP/SAVP 8\r\n" CRYPTO(
	                "1", S80, KEY1) "m=application 4002 UDP/DTLS/SCTP webrtc-datachannel\r\n",
	        fingerprint);
	assert_int_equal(rig_offer(&r, "c3", "a", NULL, NULL, sdp, NULL), SL_MEDIA_OK);
	assert_true(rig_has(&r, "a=fingerprint"));
}

/* The dataplane has room for so many large contexts: when they are used up, calls are made without. */
static void large_suites_are_offered_while_there_is_room(void **state)
{
	struct sl_media_options o = towards(SL_SDP_RTP_AVP);
	const char *gcm = SAVP("198.51.100.10", "4000",
	        "a=crypto:1 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw\r\n");
	char id[16];

	r.config.media.max_large_keys = 2 * 8; /* 8 a worker */
	rig_close_engine(&r);
	rig_open_engine(&r);
	for (unsigned i = 0; i < 6; i++) { /* 2 each: their leg is GCM, the other one plain */
		snprintf(id, sizeof id, "c%u", i);
		assert_int_equal(rig_offer(&r, id, "a", NULL, NULL, gcm, &o), SL_MEDIA_OK);
	}
	assert_int_equal(rig_offer(&r, "c6", "a", NULL, NULL, gcm, &o), SL_MEDIA_ERR_UNSUPPORTED);
	assert_non_null(strstr(r.error.text, "max_large_keys"));
	o = towards(SL_SDP_RTP_SAVP);
	assert_int_equal(rig_offer(&r, "c7", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	assert_int_equal(n_lines(), 2);
	assert_null(line_of("GCM"));
	/* What is there goes on, and what ends makes room. */
	assert_int_equal(rig_offer(&r, "c0", "a", NULL, NULL, gcm, NULL), SL_MEDIA_OK);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(id, sizeof id, "c%u", i);
		rig_delete(&r, id, NULL, NULL, 0);
	}
	rig_answer_commands(&r, NULL);
	assert_int_equal(rig_offer(&r, "c8", "a", NULL, NULL, gcm, NULL), SL_MEDIA_OK);
	assert_non_null(line_of("GCM"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(plain_to_secure_and_back),
	        TEST(secure_to_plain),
	        TEST(both_secure_have_keys_of_their_own),
	        TEST(a_new_key_is_taken_and_the_old_one_still_heard),
	        TEST(suites_are_as_allowed),
	        TEST(large_suites_are_offered_while_there_is_room),
	        TEST(wrong_answers_change_nothing),
	        TEST(keys_stay_until_an_offer_without_is_answered),
	        TEST(keys_beside_plain_rtp_go),
	        TEST(bundled_sections_are_offered_the_same_keys),
	        TEST(reset_offers_fresh_keys),
	        TEST(dtls_is_passed_on_and_never_translated),
	        TEST(a_fingerprint_of_the_session_goes_with_its_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The SDP parser: real-world texts, keys, and what must be refused with the line named. Every text ends at a guard
 * page. */

#include "tests/unit/unit.h"

#include <errno.h>

#include "controlplane/media/sdp.h"
#include "tests/unit/guard.h"
#include "tests/unit/sdp_samples.h"

static struct sl_sdp sdp;
static struct sl_guard guard;
static char err[160];

static int parse_bytes(const char *text, size_t n)
{
	memset(&sdp, 0xa5, sizeof sdp); /* nothing may be left to chance */
	err[0] = '\0';
	return sl_sdp_parse(&sdp, (const char *)sl_guard_put(&guard, text, n), n, err, sizeof err);
}

static int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void load(const char *name)
{
	static struct sdp_sample s;

	sdp_sample_load(&s, name);
	assert_int_equal(parse_bytes(s.text, s.n), 0);
}

static void slice_is(struct sl_slice s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.p, text, s.n);
}

static void ip_is(const struct sl_ip *ip, const char *text)
{
	struct sl_ip want = {0};

	if (text)
		assert_int_equal(sl_ip_parse(text, &want), 0);
	assert_true(sl_ip_eq(ip, &want));
}

static void rtcp_is(const struct sl_sdp_media *m, const char *ip, unsigned port)
{
	ip_is(&m->rtcp.ip, ip);
	assert_int_equal(ntohs(m->rtcp.port_be), port);
}

static void codec_is(const struct sl_sdp_codec *c, unsigned pt, const char *name, unsigned hz, unsigned channels)
{
	assert_int_equal(c->pt, pt);
	slice_is(c->name, name);
	assert_int_equal(c->hz, hz);
	assert_int_equal(c->channels, channels);
}

static void a_plain_phone(void **state)
{
	load("asterisk");
	const struct sl_sdp_media *m = &sdp.media[0];

	assert_int_equal(sdp.n_media, 1);
	assert_true(sdp.crlf);
	slice_is(sdp.origin_user, "-");
	slice_is(sdp.session_name, "Asterisk");
	slice_is(m->type, "audio");
	slice_is(m->proto_text, "RTP/AVP");
	assert_int_equal(m->proto, SL_SDP_RTP_AVP);
	assert_int_equal(m->port, 14202);
	assert_int_equal(m->n_ports, 1);
	ip_is(&m->connection, "198.51.100.20");
	assert_false(m->has_connection || m->has_rtcp || m->rtcp_mux || m->has_ice || m->has_fingerprint);
	rtcp_is(m, "198.51.100.20", 14203);
	assert_int_equal(m->ptime, 20);
	assert_int_equal(m->direction, SL_SDP_SENDRECV);
	assert_int_equal(m->bundle, -1);
	assert_int_equal(m->n_codecs, 4);
	codec_is(&m->codecs[0], 0, "PCMU", 8000, 1);
	codec_is(&m->codecs[2], 3, "GSM", 8000, 1);
	codec_is(&m->codecs[3], 101, "telephone-event", 8000, 1);
	slice_is(m->codecs[3].fmtp, "0-16");
	assert_int_equal(m->codecs[0].fmtp.n, 0);
	assert_int_equal(m->first_line, 5);
	assert_int_equal(m->n_lines, 9);
}

static void secure_audio_and_video(void **state)
{
	load("linphone");
	const struct sl_sdp_media *a = &sdp.media[0], *v = &sdp.media[1];

	assert_int_equal(sdp.n_media, 2);
	assert_true(sdp.has_ice && a->has_ice && v->has_ice);
	assert_int_equal(a->proto, SL_SDP_RTP_SAVPF);
	assert_int_equal(a->n_codecs, 8);
	codec_is(&a->codecs[0], 96, "opus", 48000, 2);
	codec_is(&a->codecs[4], 8, "PCMA", 8000, 1); /* static: no a=rtpmap */
	codec_is(&v->codecs[0], 96, "VP8", 90000, 1); /* the same number in another section */
	assert_int_equal(a->n_crypto, 3);
	assert_int_equal(a->crypto[0].key.suite, SL_SRTP_AES_CM_128_80);
	assert_int_equal(a->crypto[1].key.suite, SL_SRTP_AES_CM_128_32);
	assert_int_equal(a->crypto[2].key.suite, SL_SRTP_AES_CM_256_80);
	assert_int_equal(a->crypto[2].tag, 3);
	assert_true(v->has_connection);
}

static void a_browser(void **state)
{
	load("chrome_balanced");
	assert_int_equal(sdp.n_media, 3);
	for (unsigned i = 0; i < 3; i++) {
		const struct sl_sdp_media *m = &sdp.media[i];
		assert_int_equal(m->bundle, i == 0 ? -1 : 0);
		assert_true(m->has_ice && m->has_fingerprint && m->has_connection);
		ip_is(&m->connection, NULL);
	}
	assert_int_equal(sdp.media[0].proto, SL_SDP_TLS_RTP_SAVPF);
	assert_int_equal(sdp.media[2].proto, SL_SDP_OTHER);
	assert_int_equal(sdp.media[2].n_codecs, 0);
	assert_true(sdp.media[0].rtcp_mux && sdp.media[0].has_rtcp && !sdp.media[0].rtcp_mux_only);
	rtcp_is(&sdp.media[0], NULL, 9);
	slice_is(sdp.media[1].mid, "1");
	codec_is(&sdp.media[0].codecs[1], 63, "red", 48000, 2);
	slice_is(sdp.media[1].codecs[1].fmtp, "apt=96");

	load("chrome_max_bundle");
	assert_int_equal(sdp.media[0].bundle, -1);
	assert_int_equal(sdp.media[1].bundle, 0);
	assert_int_equal(sdp.media[2].bundle, 0);
	assert_true(sdp.media[1].bundle_only && sdp.media[1].port == 0);
	rtcp_is(&sdp.media[1], NULL, 0);

	load("sdes_dtls_both");
	assert_true(sdp.has_fingerprint && sdp.media[0].has_fingerprint && sdp.media[0].rtcp_mux_only);
	rtcp_is(&sdp.media[0], NULL, 0);
}

static void whose_transport_a_bundle_uses(void **state)
{
	static const char head[] = "v=0\no=- 1 1 IN IP4 1.2.3.4\nc=IN IP4 1.2.3.4\na=group:LS b a\na=group:BUNDLE x a b c a\n"
				   "a=group:BUNDLE c d\na=group:BUNDLE d c\n";
	char text[1024];

	snprintf(text, sizeof text,
		"%sm=audio 0 RTP/AVP 0\na=mid:a\nm=audio 2 RTP/AVP 0\na=mid:b\nm=audio 4 RTP/AVP 0\na=mid:c\n"
		"m=audio 6 RTP/AVP 0\na=mid:d\nm=audio 8 RTP/AVP 0\n", head);
	assert_int_equal(parse(text), 0);
	assert_int_equal(sdp.media[0].bundle, -1); /* rejected, so it lends nothing */
	assert_int_equal(sdp.media[1].bundle, -1);
	assert_int_equal(sdp.media[2].bundle, 1);
	assert_int_equal(sdp.media[3].bundle, 2);
	assert_int_equal(sdp.media[4].bundle, -1);
}

static void fax(void **state)
{
	load("t38");
	assert_int_equal(sdp.n_media, 2);
	assert_int_equal(sdp.media[0].port, 0);
	rtcp_is(&sdp.media[0], NULL, 0);
	slice_is(sdp.media[1].type, "image");
	assert_int_equal(sdp.media[1].proto, SL_SDP_UDPTL);
	assert_int_equal(sdp.media[1].port, 49172);
	rtcp_is(&sdp.media[1], NULL, 0);
	ip_is(&sdp.media[1].connection, "192.0.2.36");
}

static void where_rtcp_goes(void **state)
{
	load("no_session_c");
	assert_false(sdp.has_connection);
	ip_is(&sdp.connection, NULL);
	assert_true(sdp.media[0].has_rtcp && sdp.media[0].has_connection);
	rtcp_is(&sdp.media[0], "203.0.113.9", 30011);
	assert_int_equal(sdp.media[0].direction, SL_SDP_SENDONLY);

	load("ipv6");
	rtcp_is(&sdp.media[0], "2001:db8::26", 49333);
	ip_is(&sdp.media[0].connection, "2001:db8::25");
	assert_int_equal(sdp.media[1].proto, SL_SDP_OTHER);

	/* Its address may come later in the section. */
	assert_int_equal(parse("v=0\no=- 1 1 IN IP4 a\nm=audio 65535 RTP/AVP 0\na=rtcp:7\nc=IN IP4 1.2.3.4\n"), 0);
	rtcp_is(&sdp.media[0], "1.2.3.4", 7);
	assert_int_equal(parse("v=0\no=- 1 1 IN IP4 a\nc=IN IP4 1.2.3.4\nm=audio 65535 RTP/AVP 0\n"), 0);
	rtcp_is(&sdp.media[0], "1.2.3.4", 0); /* no port above it */
}

static void habits_of_phones(void **state)
{
	load("lf_only_trailing_blanks");
	assert_false(sdp.crlf);
	assert_int_equal(sdp.media[0].n_codecs, 2);
	assert_int_equal(sdp.media[0].ptime, 20);
	assert_int_equal(sdp.media[0].direction, SL_SDP_SENDRECV);
	codec_is(&sdp.media[0].codecs[1], 96, "opus", 48000, 1);
	assert_int_equal(sdp.media[0].crypto[0].key.suite, SL_SRTP_AES_CM_128_80);
	ip_is(&sdp.connection, "203.0.113.1");

	load("hold_zero");
	assert_true(sdp.has_connection);
	ip_is(&sdp.media[0].connection, NULL);
	load("unknown_lines");
	assert_int_equal(sdp.media[0].n_ports, 2);
	assert_int_equal(sdp.media[0].direction, SL_SDP_RECVONLY);
	assert_int_equal(sdp.media[1].direction, SL_SDP_RECVONLY); /* the session's */
	load("session_direction");
	assert_int_equal(sdp.media[0].direction, SL_SDP_SENDONLY);
	assert_int_equal(sdp.media[1].direction, SL_SDP_INACTIVE);
	load("cisco");
	slice_is(sdp.origin_user, "CiscoSystemsSIP-GW-UserAgent");
	ip_is(&sdp.media[0].connection, "192.0.2.2");
	load("rejected");
	assert_int_equal(sdp.n_media, 3);
	load("multicast");
	ip_is(&sdp.media[0].connection, "233.252.0.1");
	load("empty_line_at_end");
	assert_int_equal(sdp.n_media, 0);

	/* A user's name with blanks, "::", events without a clock, a channel count of which nothing is known. */
	assert_int_equal(parse("v=0 \no=My Phone 1 1 IN IP4 host\nc=IN IP6 ::\nm=audio 4 RTP/AVP  96 97  8\t\n"
			       "a=rtpmap: 96 telephone-event\na=rtpmap:97 L24/48000/abc\na=rtpmap:98 x\na=rtpmap:8 PCMA\n"
			       "a=rtpmap:97 twice/1\na=fmtp:97 one\na=fmtp:97 two\na=ptime:20.5\n"), 0);
	slice_is(sdp.origin_user, "My Phone");
	ip_is(&sdp.connection, NULL);
	assert_int_equal(sdp.media[0].n_codecs, 3);
	codec_is(&sdp.media[0].codecs[0], 96, "telephone-event", 8000, 1);
	codec_is(&sdp.media[0].codecs[1], 97, "L24", 48000, 1);
	codec_is(&sdp.media[0].codecs[2], 8, "PCMA", 8000, 1);
	slice_is(sdp.media[0].codecs[1].fmtp, "one");
	assert_int_equal(sdp.media[0].ptime, 20);
}

static void loop_protection(void **state)
{
	load("loop");
	assert_true(sl_sdp_has_attribute(&sdp, "rtpengine:6cd2e0b7b1f5"));
	assert_false(sl_sdp_has_attribute(&sdp, "rtpengine:6cd2e0b7b1f"));
	assert_false(sl_sdp_has_attribute(&sdp, "rtcp:41001")); /* a section's */
	assert_true(sl_slice_is((struct sl_slice){"pcma/", 4}, "PCMA"));
	assert_false(sl_slice_is((struct sl_slice){"pcma/", 5}, "PCMA"));
	assert_true(sl_slice_is((struct sl_slice){NULL, 0}, ""));
}

static void keys_in_every_dress(void **state)
{
	load("gcm_and_odd_keys");
	const struct sl_sdp_crypto *c = sdp.media[0].crypto;
	static const uint8_t mki[] = {0x01, 0x00, 0x00};

	assert_int_equal(sdp.media[0].n_crypto, 11);
	assert_int_equal(c[0].key.suite, SL_SRTP_AEAD_128_GCM);
	assert_int_equal(c[1].key.suite, SL_SRTP_AEAD_256_GCM); /* no padding */
	assert_int_equal(c[1].key.lifetime_packets, UINT64_C(1) << 48);
	assert_int_equal(c[1].key.mki_len, 3);
	assert_memory_equal(c[1].key.mki, mki, 3);
	assert_int_equal(c[2].key.suite, SL_SRTP_AES_CM_192_80);
	assert_int_equal(c[2].key.lifetime_packets, 0);
	assert_int_equal(c[3].key.suite, SL_SRTP_AES_CM_256_32); /* the first of two keys */
	assert_int_equal(c[3].key.mki[0], 1);
	for (unsigned i = 0; i < SL_SRTP_KEY_MAX; i++)
		assert_int_equal(c[3].key.key[i], (uint8_t)(35 + 13 * i));
	for (unsigned i = 0; i < SL_SRTP_SALT_MAX; i++)
		assert_int_equal(c[3].key.salt[i], (uint8_t)(35 + 13 * (SL_SRTP_KEY_MAX + i)));
	static const struct sl_srtp_key none;
	const unsigned unsupported[] = {4, 5, 7, 8, 9, 10}; /* suite, KDR, FEC, short key, tag, plain AEAD */
	for (unsigned i = 0; i < SL_COUNT(unsupported); i++)
		assert_memory_equal(&c[unsupported[i]].key, &none, sizeof none);
	assert_int_equal(c[5].tag, 6);
	assert_int_equal(c[6].key.suite, SL_SRTP_AES_CM_128_80);
	assert_int_equal(c[6].key.flags, SL_SRTP_PLAIN_RTP | SL_SRTP_PLAIN_AUTH);

	load("polycom");
	assert_int_equal(sdp.media[0].crypto[0].key.lifetime_packets, UINT64_C(1) << 31);
	assert_int_equal(sdp.media[0].crypto[1].key.lifetime_packets, 1048576);
	assert_int_equal(sdp.media[0].crypto[1].key.mki_len, 4);
	assert_int_equal(sdp.media[0].crypto[1].key.flags, SL_SRTP_PLAIN_RTCP);
	sl_sdp_wipe(&sdp);
	assert_memory_equal(&sdp.media[0].crypto[0].key, &none, sizeof none);
}

/* One a=crypto by itself. */
static const struct sl_sdp_crypto *crypto(const char *value)
{
	char text[512];

	snprintf(text, sizeof text, "v=0\no=- 1 1 IN IP4 a\nm=audio 4 RTP/SAVP 0\na=crypto:%s", value);
	assert_int_equal(parse(text), 0);
	assert_int_equal(sdp.media[0].n_crypto, 1);
	return &sdp.media[0].crypto[0];
}

#define KEY30 "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
#define CM80 "1 AES_CM_128_HMAC_SHA1_80 inline:"

static void keys_that_are_none(void **state)
{
	static const char *const bad[] = {"", "1", "1 AES_CM_128_HMAC_SHA1_80", CM80, CM80 "|2^20", CM80 KEY30 "=",
		CM80 KEY30 "A", CM80 "=" KEY30, CM80 KEY30 "|2^49", CM80 KEY30 "|0", CM80 KEY30 "|2^",
		CM80 KEY30 "|281474976710657", CM80 KEY30 "|1:0", CM80 KEY30 "|256:1", CM80 KEY30 "|1:5", CM80 KEY30 "|1:4|2^20",
		CM80 KEY30 "|2^20|1:4|x", CM80 KEY30 "|:", CM80 KEY30 " KDR=0", CM80 KEY30 " NEW", CM80 KEY30 " FEC_KEY=inline:x",
		"1 AES_CM_128_HMAC_SHA1_80 " KEY30, "1 AES_CM_128_HMAC_SHA1_80 outline:" KEY30,
		"1234567890 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, "-1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30,
		CM80 "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSo*", "1 AES_256_CM_HMAC_SHA1_80 inline:" KEY30};

	for (unsigned i = 0; i < SL_COUNT(bad); i++)
		assert_int_equal(crypto(bad[i])->key.suite, SL_SRTP_NONE);
	assert_int_equal(crypto(CM80 KEY30)->key.suite, SL_SRTP_AES_CM_128_80);
	assert_int_equal(crypto(CM80 KEY30 "||1:4")->key.mki[3], 1);
	assert_int_equal(crypto("1 aes_cm_128_hmac_sha1_80 INLINE:" KEY30 "|4294967295:4")->key.mki_len, 4);
}

static void keys_to_text_and_back(void **state)
{
	static const uint64_t lifetimes[] = {0, 1, 3, 1 << 20, UINT64_C(1) << 48};
	char text[256], again[256];
	struct sl_sdp_crypto c = {.tag = 7};

	for (unsigned suite = 1; suite < SL_SRTP_N_SUITES; suite++) {
		static const struct {
			uint8_t key, salt;
		} sizes[] = {
#define X(name, number, key, salt, tag, ctag, sdp) [number] = {key, salt},
			SL_SRTP_SUITES(X)
#undef X
		};
		memset(&c.key, 0, sizeof c.key);
		c.key.suite = (uint8_t)suite;
		for (unsigned i = 0; i < sizes[suite].key; i++)
			c.key.key[i] = (uint8_t)(255 - 3 * i);
		for (unsigned i = 0; i < sizes[suite].salt; i++)
			c.key.salt[i] = (uint8_t)(64 + 5 * i);
		c.key.lifetime_packets = lifetimes[suite % SL_COUNT(lifetimes)];
		c.key.mki_len = (uint8_t)(suite % 5);
		if (c.key.mki_len)
			c.key.mki[0] = 0xfe;
		c.key.flags = suite < SL_SRTP_AEAD_128_GCM ? suite & 7 : 0;
		int n = sl_sdp_crypto_text(&c, text, sizeof text);
		assert_int_equal(n, strlen(text));
		assert_memory_equal(crypto(text), &c, sizeof c);
		assert_int_equal(sl_sdp_crypto_text(&c, again, (size_t)n), -ENOSPC);
		assert_int_equal(sl_sdp_crypto_text(&c, again, (size_t)n + 1), n);
		assert_string_equal(again, text);
	}
	c.key.suite = SL_SRTP_NONE;
	assert_int_equal(sl_sdp_crypto_text(&c, text, sizeof text), -EINVAL);
	/* Character for character as RFC 4568 9.2 writes it. */
	static const char rfc[] = CM80 KEY30 "|2^20|1:4";
	sl_sdp_crypto_text(crypto(rfc), text, sizeof text);
	assert_string_equal(text, rfc);
}

static void refused_with_the_line_named(void **state)
{
	static const struct {
		const char *text, *starts;
		int code;
	} bad[] = {
		{"", "line 0: ", -EINVAL},
		{"o=- 1 1 IN IP4 a\nv=0\n", "line 1: ", -EINVAL},
		{"v=1\n", "line 1: ", -EINVAL},
		{"v=0\ns=-\n", "line 2: ", -EINVAL}, /* no o= */
		{"v=0\no=- 1 1 IN IP4 a\nv=0\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\no=- 1 1 IN IP4 a\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 IN IP4\n", "line 2: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nhello\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nc=IN IP4 h.example\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nc=IN IP4\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nc=IN IP4 1.2.3.4.5\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nc=TN RFC2543 +1-201-406-4090\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 65536 RTP/AVP 0\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio -1 RTP/AVP 0\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4/0 RTP/AVP 0\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4/ RTP/AVP 0\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4 RTP/AVP\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4 RTP/AVP 0 8 0\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4 RTP/AVP 128\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4 RTP/AVP pcmu\n", "line 3: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4 RTP/AVP 0\na=rtcp:65536\n", "line 4: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4 RTP/AVP 0\na=rtcp:4 IN IP4 host\n", "line 4: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4 RTP/AVP 96\na=rtpmap:96\n", "line 4: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4 RTP/AVP 96\na=rtpmap:96 x/4294967296\n", "line 4: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\nm=audio 4 RTP/AVP 96\na=rtpmap:96 x/0\n", "line 4: ", -EINVAL},
		{"v=0\no=- 1 1 IN IP4 a\na=x\rc=IN IP4 6.6.6.6\r\n", "line 3: ", -EINVAL},
	};

	for (unsigned i = 0; i < SL_COUNT(bad); i++) {
		assert_int_equal(parse(bad[i].text), bad[i].code);
		assert_memory_equal(err, bad[i].starts, strlen(bad[i].starts));
		assert_true(strlen(err) > strlen(bad[i].starts));
		assert_int_equal(sdp.n_media + sdp.n_lines, 0);
	}
	assert_int_equal(parse_bytes("v=0\no=- 1 1 IN IP4 a\na=x\0y\n", 28), -EINVAL);
	assert_memory_equal(err, "line 3: ", 8);
	assert_int_equal(sl_sdp_parse(&sdp, "v=1", 3, err, 0), -EINVAL); /* no room for words */
}

/* Builds texts that are too much of one thing. */
static char big[SL_SDP_MAX_BYTES * 2];
static size_t repeat(const char *head, const char *line, unsigned n, const char *tail)
{
	char *at = big + sprintf(big, "v=0\no=- 1 1 IN IP4 a\nc=IN IP4 1.2.3.4\n%s", head);

	for (unsigned i = 0; i < n && at - big + strlen(line) + strlen(tail) < sizeof big; i++)
		at = stpcpy(at, line);
	return (size_t)(stpcpy(at, tail) - big);
}

static void bombs(void **state)
{
	struct sl_guard large = sl_guard_make(sizeof big);
	char formats[1024] = "m=audio 4 RTP/AVP";
	static const struct {
		const char *head, *line, *tail, *starts;
		unsigned n;
		int code;
	} bomb[] = {
		{"", "m=audio 4 RTP/AVP 0\n", "", "line 36: ", 10000, -E2BIG},
		{"", "a=\n", "", "line 2048: ", 20000, -E2BIG},
		{"a=", "x", "", "line 4: ", 9000, -E2BIG},
		{"a=", "x", "\n", "line 4: ", 9000, -E2BIG},
		{"", "b=X:1234567890123456789012345678901234567890\n", "", "SDP", 10000, -E2BIG},
		{"", "m=audio 4 RTP/AVP 0\n", "", "", SL_SDP_MAX_MEDIA, 0},
		{"a=group:BUNDLE", " a", "\nm=audio 4 RTP/AVP 0\na=mid:a\n", "", 4000, 0},
	};

	for (unsigned i = 0; i < SL_COUNT(bomb); i++) {
		size_t n = repeat(bomb[i].head, bomb[i].line, bomb[i].n, bomb[i].tail);
		if (n > SL_SDP_MAX_BYTES && bomb[i].starts[0] == 'l')
			n = SL_SDP_MAX_BYTES;
		err[0] = '\0';
		assert_int_equal(sl_sdp_parse(&sdp, (const char *)sl_guard_put(&large, big, n), n, err, sizeof err), bomb[i].code);
		assert_memory_equal(err, bomb[i].starts, strlen(bomb[i].starts));
	}
	for (unsigned pt = 0; pt < SL_SDP_MAX_CODECS; pt++)
		sprintf(formats + strlen(formats), " %u", pt);
	repeat(formats, "", 0, "\n");
	assert_int_equal(sl_sdp_parse(&sdp, big, strlen(big), err, sizeof err), 0);
	repeat(formats, "", 0, " 99\n");
	assert_int_equal(sl_sdp_parse(&sdp, big, strlen(big), err, sizeof err), -E2BIG);
	size_t n = repeat("m=audio 4 RTP/AVP 0\n", "a=crypto:" CM80 KEY30 "\n", 100, "");
	assert_int_equal(sl_sdp_parse(&sdp, big, n, err, sizeof err), 0);
	assert_int_equal(sdp.media[0].n_crypto, SL_SDP_MAX_CRYPTO);
	sl_guard_free(&large);
}

/* Every sample cut anywhere: what comes is a verdict, and slices inside the text. */
static void cut_anywhere(const struct sdp_sample *s)
{
	for (size_t n = 0; n <= s->n; n++) {
		int r = parse_bytes(s->text, n);
		const char *from = (const char *)guard.map + guard.usable - n;

		assert_true(r == 0 || (r == -EINVAL && err[0] != '\0'));
		for (unsigned i = 0; r == 0 && i < sdp.n_media; i++)
			assert_true(sdp.media[i].type.p >= from && sdp.media[i].type.p <= from + n);
	}
	assert_int_equal(parse_bytes(s->text, s->n), sdp_sample_is_bad(s) ? -EINVAL : 0);
}

static void every_sample_cut_anywhere(void **state)
{
	assert_true(sdp_sample_each(cut_anywhere) > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_phone),
		cmocka_unit_test(secure_audio_and_video),
		cmocka_unit_test(a_browser),
		cmocka_unit_test(whose_transport_a_bundle_uses),
		cmocka_unit_test(fax),
		cmocka_unit_test(where_rtcp_goes),
		cmocka_unit_test(habits_of_phones),
		cmocka_unit_test(loop_protection),
		cmocka_unit_test(keys_in_every_dress),
		cmocka_unit_test(keys_that_are_none),
		cmocka_unit_test(keys_to_text_and_back),
		cmocka_unit_test(refused_with_the_line_named),
		cmocka_unit_test(bombs),
		cmocka_unit_test(every_sample_cut_anywhere),
	};

	guard = sl_guard_make(SDP_SAMPLE_MAX_BYTES);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

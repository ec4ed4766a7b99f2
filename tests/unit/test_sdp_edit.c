/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The SDP editor: golden texts, identity of an empty edit, and Sofia's parser as a second opinion on every sample
 * before and after. */

#include "tests/unit/unit.h"

#include <errno.h>

#include <sofia-sip/sdp.h>

#include "controlplane/media/sdp.h"
#include "tests/unit/guard.h"
#include "tests/unit/sdp_samples.h"

enum { OUT_MAX = 3 * SDP_SAMPLE_MAX_BYTES };

static struct sl_sdp sdp, after;
static struct sl_sdp_edit edit;
static struct sdp_sample sample;
static char out[OUT_MAX], err[160];

static void parse(struct sl_sdp *to, const char *text, size_t n)
{
	assert_int_equal(sl_sdp_parse(to, text, n, err, sizeof err), 0);
}

static void load(const char *name)
{
	sdp_sample_load(&sample, name);
	parse(&sdp, sample.text, sample.n);
	memset(&edit, 0, sizeof edit);
}

/* Relay section i at ip:port; rtcp as in the edit. */
static struct sl_sdp_media_edit *relay(unsigned i, const char *ip, unsigned port, unsigned rtcp)
{
	struct sl_sdp_media_edit *e = &edit.media[i];

	e->relay = true;
	assert_int_equal(sl_ip_parse(ip, &e->local_rtp.ip), 0);
	e->local_rtp.port_be = htons((uint16_t)port);
	e->local_rtcp_port = (uint16_t)rtcp;
	return e;
}

static void session_ip(const char *ip)
{
	edit.replace_origin = edit.replace_session_connection = true;
	assert_int_equal(sl_ip_parse(ip, &edit.session_ip), 0);
}

static size_t rewrite(void)
{
	int n = sl_sdp_rewrite(&sdp, &edit, out, sizeof out - 1);

	assert_true(n > 0);
	out[n] = '\0';
	return (size_t)n;
}

/* The text written, with "\r" left out and each line's end shown as "\n". */
static void golden(const char *want)
{
	char got[OUT_MAX];
	size_t n = rewrite(), k = 0;

	for (size_t i = 0; i < n; i++) {
		if (out[i] == '\r')
			assert_int_equal(out[i + 1], '\n');
		else
			got[k++] = out[i];
	}
	got[k] = '\0';
	assert_string_equal(got, want);
	for (size_t i = 0; sdp.crlf && i < n; i++)
		assert_true(out[i] != '\n' || out[i - 1] == '\r');
}

static void a_plain_relay(void **state)
{
	load("asterisk");
	session_ip("203.0.113.1");
	relay(0, "203.0.113.1", 30000, 30001);
	edit.add_session_attribute = "sluice:abc";
	golden("v=0\n"
	       "o=- 1923518516 1923518516 IN IP4 203.0.113.1\n"
	       "s=Asterisk\n"
	       "c=IN IP4 203.0.113.1\n"
	       "t=0 0\n"
	       "a=sluice:abc\n"
	       "m=audio 30000 RTP/AVP 0 8 3 101\n"
	       "a=rtpmap:0 PCMU/8000\n"
	       "a=rtpmap:8 PCMA/8000\n"
	       "a=rtpmap:3 GSM/8000\n"
	       "a=rtpmap:101 telephone-event/8000\n"
	       "a=fmtp:101 0-16\n"
	       "a=ptime:20\n"
	       "a=maxptime:150\n"
	       "a=sendrecv\n");
}

static void to_ipv6_with_codecs_filtered(void **state)
{
	load("asterisk_old");
	session_ip("2001:db8::1");
	struct sl_sdp_media_edit *e = relay(0, "2001:db8::1", 30000, 30003);
	e->remove_pt[0] = 1 << 8;
	e->n_order = 3;
	e->order[0] = 101;
	e->order[1] = 8;  /* removed */
	e->order[2] = 18; /* was not there */
	e->set_direction = true;
	e->direction = SL_SDP_RECVONLY;
	edit.media[1].reject = true;
	golden("v=0\n"
	       "o=root 18322 18323 IN IP6 2001:db8::1\n"
	       "s=session\n"
	       "c=IN IP6 2001:db8::1\n"
	       "b=CT:384\n"
	       "t=0 0\n"
	       "m=audio 30000 RTP/AVP 101 0\n"
	       "a=rtcp:30003\n"
	       "a=rtpmap:0 PCMU/8000\n"
	       "a=rtpmap:101 telephone-event/8000\n"
	       "a=fmtp:101 0-16\n"
	       "a=silenceSupp:off - - - -\n"
	       "a=ptime:20\n"
	       "a=recvonly\n"
	       "m=video 0 RTP/AVP 34 99\n"
	       "a=rtpmap:34 H263/90000\n"
	       "a=rtpmap:99 H264/90000\n"
	       "a=sendrecv\n");
}

static void a_connection_where_none_was(void **state)
{
	load("rejected"); /* the session's is replaced without being asked: the section has none of its own */
	relay(0, "203.0.113.1", 30000, 30001);
	golden("v=0\no=- 5 6 IN IP4 198.51.100.8\ns=-\nc=IN IP4 203.0.113.1\nt=0 0\n"
	       "m=audio 30000 RTP/AVP 8\na=rtpmap:8 PCMA/8000\n"
	       "m=video 0 RTP/AVP\nm=image 0 udptl t38\n");
	session_ip("198.51.100.1"); /* asked for another one */
	edit.replace_origin = false;
	golden("v=0\no=- 5 6 IN IP4 198.51.100.8\ns=-\nc=IN IP4 198.51.100.1\nt=0 0\n"
	       "m=audio 30000 RTP/AVP 8\nc=IN IP4 203.0.113.1\na=rtpmap:8 PCMA/8000\n"
	       "m=video 0 RTP/AVP\nm=image 0 udptl t38\n");
	edit.replace_session_connection = false;

	/* A section without formats cannot get a port. */
	relay(1, "203.0.113.1", 30002, 30003);
	parse(&after, out, rewrite());
	assert_int_equal(after.media[1].port, 0);

	static const char text[] = "v=0\no=- 1 1 IN IP4 1.2.3.4\nm=audio 4 RTP/AVP 0\ni=speech";
	parse(&sdp, text, sizeof text - 1);
	memset(&edit, 0, sizeof edit);
	relay(0, "2001:db8::1", 30000, 0);
	golden("v=0\no=- 1 1 IN IP4 1.2.3.4\nm=audio 30000 RTP/AVP 0\ni=speech\nc=IN IP6 2001:db8::1\na=rtcp:30000\n");
}

static void what_is_not_relayed_keeps_its_address(void **state)
{
	load("session_direction");
	relay(1, "203.0.113.1", 30000, 30001);
	golden("v=0\no=- 5 6 IN IP4 198.51.100.8\ns=-\nc=IN IP4 203.0.113.1\nt=0 0\na=sendonly\n"
	       "m=audio 41000 RTP/AVP 8\nc=IN IP4 198.51.100.8\nm=audio 30000 RTP/AVP 8\na=inactive\n");
	edit.media[0].reject = true;
	golden("v=0\no=- 5 6 IN IP4 198.51.100.8\ns=-\nc=IN IP4 203.0.113.1\nt=0 0\na=sendonly\n"
	       "m=audio 0 RTP/AVP 8\nm=audio 30000 RTP/AVP 8\na=inactive\n");
	load("cisco"); /* nobody needs the session's */
	relay(0, "203.0.113.1", 30000, 30001);
	rewrite();
	assert_non_null(strstr(out, "\r\nc=IN IP4 192.0.2.1\r\nt="));
	assert_non_null(strstr(out, "\r\nc=IN IP4 203.0.113.1\r\na="));
}

static void connection_and_rtcp_where_they_were(void **state)
{
	load("no_session_c");
	relay(0, "2001:db8::1", 30000, 30001);
	golden("v=0\no=SBC 1 2 IN IP4 sbc.example.net\ns=sip call\nt=0 0\n"
	       "m=audio 30000 RTP/AVP 8 101\ni=speech\nc=IN IP6 2001:db8::1\nb=AS:82\nb=RS:600\nb=RR:2000\n"
	       "a=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\n"
	       "a=rtcp:30001 IN IP6 2001:db8::1\na=sendonly\n");
	edit.media[0].no_rtcp_attribute = true;
	edit.media[0].local_rtcp_port = 30005;
	edit.media[0].mux = SL_SDP_MUX_ADD;
	golden("v=0\no=SBC 1 2 IN IP4 sbc.example.net\ns=sip call\nt=0 0\n"
	       "m=audio 30000 RTP/AVP 8 101\ni=speech\nc=IN IP6 2001:db8::1\nb=AS:82\nb=RS:600\nb=RR:2000\n"
	       "a=rtcp-mux\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=sendonly\n");

	load("sipp");
	relay(0, "127.0.0.1", 30000, 30007)->no_rtcp_attribute = true;
	rewrite();
	assert_null(strstr(out, "a=rtcp"));

	load("empty_line_at_end");
	edit.add_session_attribute = "x:y";
	golden("v=0\no=- 5 6 IN IP4 198.51.100.8\ns=-\nc=IN IP4 198.51.100.8\nt=0 0\na=x:y\n\n");

	load("multicast");
	relay(0, "203.0.113.1", 30000, 30001);
	golden("v=0\no=- 5 6 IN IP4 198.51.100.8\ns=-\nt=0 0\n"
	       "m=video 30000 RTP/AVP 31\nc=IN IP4 203.0.113.1\na=rtpmap:31 H261/90000\n");
}

static void hold_stays_hold(void **state)
{
	load("hold_zero");
	edit.replace_session_connection = true; /* session_ip all zero */
	edit.media[0].relay = true;
	edit.media[0].local_rtp.port_be = htons(30000);
	edit.media[0].local_rtcp_port = 30001;
	golden("v=0\no=CISCO 8000 8001 IN IP4 192.0.2.50\ns=SIP Call\nc=IN IP4 0.0.0.0\nt=0 0\n"
	       "m=audio 30000 RTP/AVP 0 101\na=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\n");
}

#define KEY_A "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
#define KEY_B "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"

static void keys_in_and_out(void **state)
{
	struct sl_sdp_crypto keys[2];

	load("linphone");
	keys[0] = sdp.media[0].crypto[1];
	keys[1] = sdp.media[1].crypto[0];
	load("sipp"); /* none there: they go before the other attributes */
	session_ip("203.0.113.1");
	struct sl_sdp_media_edit *e = relay(0, "203.0.113.1", 30000, 30001);
	e->set_proto = true;
	e->proto = SL_SDP_RTP_SAVP;
	e->set_crypto = true;
	e->n_crypto = 2;
	e->crypto = keys;
	golden("v=0\no=user1 53655765 2353687637 IN IP4 203.0.113.1\ns=-\nc=IN IP4 203.0.113.1\nt=0 0\n"
	       "m=audio 30000 RTP/SAVP 0\n"
	       "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:" KEY_B "\n"
	       "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" KEY_B "\n"
	       "a=rtpmap:0 PCMU/8000\n");

	load("lf_only_trailing_blanks"); /* in the place of the last line, which has no end */
	relay(0, "203.0.113.1", 30000, 30001);
	edit.media[0] = (struct sl_sdp_media_edit){.set_crypto = true, .n_crypto = 2, .crypto = keys};
	golden("v=0\no=- 20518 0 IN IP4 203.0.113.1\ns= \nc=IN IP4 203.0.113.1 \nt=0 0 \n"
	       "m=audio 54400 RTP/SAVPF 0 96 \na=rtpmap:0 PCMU/8000 \na=rtpmap:96 opus/48000\na=ptime:20 \na=sendrecv \n"
	       "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:" KEY_B "\n"
	       "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" KEY_B);
	edit.media[0].n_crypto = 0;
	edit.media[0].set_proto = true;
	edit.media[0].proto = SL_SDP_RTP_AVPF;
	golden("v=0\no=- 20518 0 IN IP4 203.0.113.1\ns= \nc=IN IP4 203.0.113.1 \nt=0 0 \n"
	       "m=audio 54400 RTP/AVPF 0 96 \na=rtpmap:0 PCMU/8000 \na=rtpmap:96 opus/48000\na=ptime:20 \na=sendrecv \n");
}

/* a=crypto has no place at the session level, but a key there that is meant for us must not reach the other side. */
static void a_stray_key_is_shown_to_nobody(void **state)
{
	static const char text[] = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
				   "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" KEY_B "\r\nm=audio 4000 RTP/SAVP 0\r\n";

	parse(&sdp, text, sizeof text - 1);
	memset(&edit, 0, sizeof edit);
	assert_true(rewrite() == sizeof text - 1 && memcmp(out, text, sizeof text - 1) == 0); /* nothing asked */
	edit.media[0].set_crypto = true;
	rewrite();
	assert_null(strstr(out, "crypto"));
}

/* Everything a browser needs and a phone does not. */
static void a_browser_for_a_phone(void **state)
{
	load("sdes_dtls_both");
	session_ip("203.0.113.1");
	edit.remove_bundle = edit.remove_dtls = true;
	struct sl_sdp_media_edit *e = relay(0, "203.0.113.1", 30000, 30001);
	e->set_proto = true;
	e->proto = SL_SDP_RTP_AVP;
	e->mux = SL_SDP_MUX_REMOVE;
	e->remove_dtls = true;
	e->remove_pt[1] = UINT64_C(1) << (109 - 64);
	golden("v=0\no=mozilla...THIS_IS_SDPARTA-99.0 7171 0 IN IP4 203.0.113.1\ns=-\nt=0 0\na=msid-semantic:WMS *\n"
	       "m=audio 30000 RTP/AVP 9 0 8 101\nc=IN IP4 203.0.113.1\na=sendrecv\na=fmtp:101 0-15\na=mid:sdparta_0\n"
	       "a=rtpmap:9 G722/8000/1\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000/1\n"
	       "a=ssrc:2655508255 cname:{735484ea-4f6c-f74a-bd66-7425f8476c2e}\n");

	/* ICE passed: nothing of it is touched. */
	edit.ice = e->ice = SL_SDP_ICE_PASS;
	rewrite();
	assert_non_null(strstr(out, "\r\na=ice-options:trickle\r\n"));
	assert_non_null(strstr(out, "\r\na=ice-ufrag:dcba4321\r\n"));

	load("chrome_max_bundle");
	edit.remove_bundle = true;
	relay(0, "203.0.113.1", 30000, 0);
	relay(1, "203.0.113.1", 30002, 0);
	edit.media[1].ice = SL_SDP_ICE_PASS;
	edit.media[2].reject = true;
	parse(&after, out, rewrite());
	assert_null(strstr(out, "BUNDLE"));
	assert_false(after.media[0].has_ice || after.media[1].bundle_only);
	assert_true(after.media[1].has_ice && after.media[2].bundle_only && after.media[2].has_ice);
	assert_non_null(strstr(out, "\r\na=rtcp:30002 IN IP4 203.0.113.1\r\n"));
}

static void all_codecs_removed_is_a_rejection(void **state)
{
	load("asterisk");
	relay(0, "203.0.113.1", 30000, 30001)->remove_pt[0] = ~UINT64_C(0);
	edit.media[0].remove_pt[1] = ~UINT64_C(0);
	rewrite();
	assert_non_null(strstr(out, "m=audio 0 RTP/AVP 0 8 3 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8"));
}

static void directions(void **state)
{
	load("session_direction");
	for (unsigned i = 0; i < 2; i++) {
		edit.media[i].set_direction = true;
		edit.media[i].direction = SL_SDP_SENDONLY; /* the first section has it from the session */
	}
	golden("v=0\no=- 5 6 IN IP4 198.51.100.8\ns=-\nc=IN IP4 198.51.100.8\nt=0 0\na=sendonly\n"
	       "m=audio 41000 RTP/AVP 8\nm=audio 41002 RTP/AVP 8\na=sendonly\n");
	static const char twice[] = "v=0\no=- 1 1 IN IP4 a\nc=IN IP4 1.2.3.4\nm=audio 4 RTP/AVP 0\na=sendonly\na=sendonly\n";
	parse(&sdp, twice, sizeof twice - 1);
	edit.media[0].direction = SL_SDP_INACTIVE;
	golden("v=0\no=- 1 1 IN IP4 a\nc=IN IP4 1.2.3.4\nm=audio 4 RTP/AVP 0\na=inactive\n");
	sdp_sample_load(&sample, "session_direction");
	parse(&sdp, sample.text, sample.n);
	edit.media[0].direction = edit.media[1].direction = SL_SDP_SENDRECV;
	golden("v=0\no=- 5 6 IN IP4 198.51.100.8\ns=-\nc=IN IP4 198.51.100.8\nt=0 0\na=sendonly\n"
	       "m=audio 41000 RTP/AVP 8\na=sendrecv\nm=audio 41002 RTP/AVP 8\na=sendrecv\n");
}

static void fax_and_ports_in_pairs(void **state)
{
	load("t38");
	session_ip("203.0.113.1");
	struct sl_sdp_media_edit *e = relay(1, "203.0.113.1", 30000, 0);
	e->set_proto = true; /* not of this one */
	e->proto = SL_SDP_RTP_SAVP;
	e->mux = SL_SDP_MUX_ADD;
	parse(&after, out, rewrite());
	assert_int_equal(after.media[1].port, 30000);
	assert_int_equal(after.media[1].proto, SL_SDP_UDPTL);
	assert_null(strstr(out, "a=rtcp"));

	load("unknown_lines");
	relay(0, "192.0.2.3", 30000, 30001);
	rewrite();
	assert_non_null(strstr(out, "\r\nm=audio 30000 RTP/AVP 0 18\r\n"));
}

static void no_room(void **state)
{
	struct sl_guard g = sl_guard_make(OUT_MAX);

	load("linphone");
	session_ip("2001:db8:1:2:3:4:5:6");
	struct sl_sdp_media_edit *e = relay(0, "2001:db8:1:2:3:4:5:6", 30000, 30003);
	e->set_crypto = true;
	e->n_crypto = sdp.media[0].n_crypto;
	e->crypto = sdp.media[0].crypto;
	int whole = (int)rewrite();
	for (size_t room = 0; room < (size_t)whole; room++)
		assert_int_equal(sl_sdp_rewrite(&sdp, &edit, (char *)g.map + g.usable - room, room), -ENOSPC);
	assert_int_equal(sl_sdp_rewrite(&sdp, &edit, (char *)g.map + g.usable - whole, (size_t)whole), whole);
	assert_memory_equal(g.map + g.usable - whole, out, whole);
	sl_guard_free(&g);
}

static void nothing_asked_nothing_changed(const struct sdp_sample *s)
{
	if (sdp_sample_is_bad(s))
		return;
	parse(&sdp, s->text, s->n);
	memset(&edit, 0, sizeof edit);
	assert_int_equal(sl_sdp_rewrite(&sdp, &edit, out, s->n), s->n);
	assert_memory_equal(out, s->text, s->n);
}

static void an_empty_edit_changes_nothing(void **state)
{
	assert_true(sdp_sample_each(nothing_asked_nothing_changed) > 20);
}

/* ---- Sofia ---- */

static void same_address(const sdp_media_t *theirs, const struct sl_sdp_media *ours)
{
	const sdp_connection_t *c = sdp_media_connections(theirs);
	struct sl_ip ip = {0};

	if (c && strcmp(c->c_address, "0.0.0.0") != 0)
		assert_int_equal(sl_ip_parse(c->c_address, &ip), 0);
	assert_true(sl_ip_eq(&ip, &ours->connection));
}

static void same_codecs(const sdp_media_t *theirs, const struct sl_sdp_media *ours)
{
	const sdp_rtpmap_t *rm = theirs->m_rtpmaps;
	unsigned i = 0;

	for (; rm && i < ours->n_codecs; rm = rm->rm_next, i++) {
		const struct sl_sdp_codec *c = &ours->codecs[i];
		assert_int_equal(rm->rm_pt, c->pt);
		if (rm->rm_encoding[0] == '\0') /* neither of us knows it */
			continue;
		assert_true(sl_slice_is(c->name, rm->rm_encoding));
		assert_int_equal(rm->rm_rate, c->hz);
		if (rm->rm_fmtp)
			assert_true(sl_slice_is(c->fmtp, rm->rm_fmtp));
	}
	assert_null(rm);
	assert_int_equal(i, ours->n_codecs);
}

/* Sofia's sendonly and recvonly are bits of what we do, as ours are. */
static unsigned mode_of(enum sl_sdp_direction d)
{
	static const unsigned modes[] = {sdp_sendrecv, sdp_sendonly, sdp_recvonly, sdp_inactive};

	return modes[d];
}

static bool sofia_agrees(const char *text, size_t n, const struct sl_sdp *ours)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sdp_parser_t *parser = sdp_parse(home, text, (issize_t)n, sdp_f_anynet);
	sdp_session_t *session = sdp_session(parser);
	unsigned i = 0;
	bool understood = session != NULL;

	for (sdp_media_t *m = session ? session->sdp_media : NULL; m; m = m->m_next, i++) {
		const struct sl_sdp_media *o = &ours->media[i];
		assert_true(i < ours->n_media);
		assert_true(sl_slice_is(o->type, m->m_type_name));
		assert_true(sl_slice_is(o->proto_text, m->m_proto_name));
		assert_int_equal(o->port, m->m_port);
		if (m->m_rejected)
			continue;
		assert_int_equal(mode_of(o->direction), m->m_mode);
		same_address(m, o);
		if (m->m_proto == sdp_proto_rtp || m->m_proto == sdp_proto_srtp) /* AVPF and TLS it does not know */
			same_codecs(m, o);
	}
	assert_int_equal(i, understood ? ours->n_media : 0);
	sdp_parser_free(parser);
	su_home_deinit(home);
	return understood;
}

static unsigned compared, not_understood;

static void compare_with_sofia(const struct sdp_sample *s)
{
	if (sdp_sample_is_bad(s))
		return;
	parse(&sdp, s->text, s->n);
	if (!sofia_agrees(s->text, s->n, &sdp)) {
		print_message("Sofia does not understand %s\n", s->name);
		not_understood++;
		return;
	}
	memset(&edit, 0, sizeof edit);
	session_ip("2001:db8::1");
	for (unsigned i = 0; i < sdp.n_media; i++) {
		struct sl_sdp_media_edit *e = relay(i, i & 1 ? "203.0.113.1" : "2001:db8::1", 30000 + 2 * i, i % 3 ? 0 : 30001);
		e->set_crypto = true;
		e->n_crypto = i & 1;
		e->crypto = sdp.media[i].crypto;
		if (sdp.media[i].crypto[0].key.suite == SL_SRTP_NONE)
			e->n_crypto = 0;
		e->set_proto = true;
		e->proto = i & 1 ? SL_SDP_RTP_SAVP : SL_SDP_RTP_AVP;
		e->set_direction = true;
		e->direction = (enum sl_sdp_direction)(i % 4);
		e->remove_pt[0] = UINT64_C(1) << 8;
	}
	size_t n = rewrite();
	parse(&after, out, n);
	assert_int_equal(after.n_media, sdp.n_media);
	assert_true(sofia_agrees(out, n, &after));
	compared++;
}

static void sofia_reads_the_same(void **state)
{
	sdp_sample_each(compare_with_sofia);
	assert_true(compared >= 18);
	assert_true(not_understood <= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_relay),
		cmocka_unit_test(to_ipv6_with_codecs_filtered),
		cmocka_unit_test(a_connection_where_none_was),
		cmocka_unit_test(what_is_not_relayed_keeps_its_address),
		cmocka_unit_test(connection_and_rtcp_where_they_were),
		cmocka_unit_test(hold_stays_hold),
		cmocka_unit_test(keys_in_and_out),
		cmocka_unit_test(a_stray_key_is_shown_to_nobody),
		cmocka_unit_test(a_browser_for_a_phone),
		cmocka_unit_test(all_codecs_removed_is_a_rejection),
		cmocka_unit_test(directions),
		cmocka_unit_test(fax_and_ports_in_pairs),
		cmocka_unit_test(no_room),
		cmocka_unit_test(an_empty_edit_changes_nothing),
		cmocka_unit_test(sofia_reads_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

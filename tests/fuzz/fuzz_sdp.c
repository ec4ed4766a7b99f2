/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Parse, and rewrite with an edit that the input decides. The result parses again and says what the edit asked for; no
 * line that the edit does not name has changed or moved; the same edit again changes nothing. */

#include "controlplane/media/sdp.h"
#include "dataplane/wire/crc32.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdbool.h>

enum { OUT_MAX = 4 * SL_SDP_MAX_BYTES };

static struct sl_sdp sdp, again;
static struct sl_sdp_edit edit;
static struct sl_sdp_crypto keys[3];
static char out[OUT_MAX], out2[OUT_MAX], err[160];

static uint32_t rng;
static uint32_t draw(uint32_t below)
{
	rng = rng * 1664525 + 1013904223;
	return (rng >> 16) % below;
}

static void draw_ip(struct sl_ip *ip)
{
	static const char *const ips[] = {"192.0.2.1", "2001:db8::1", "203.0.113.255"};

	memset(ip, 0, sizeof *ip);
	uint32_t i = draw(4);
	if (i < 3)
		sl_ip_parse(ips[i], ip);
}

static void draw_media(struct sl_sdp_media_edit *e, const struct sl_sdp_media *m)
{
	e->relay = draw(4) != 0;
	e->reject = draw(8) == 0;
	draw_ip(&e->local_rtp.ip);
	e->local_rtp.port_be = htons((uint16_t)(draw(8) ? 2 + draw(65534) : 0));
	e->local_rtcp_port = (uint16_t)(draw(2) ? ntohs(e->local_rtp.port_be) + 1 : draw(65536));
	e->no_rtcp_attribute = draw(8) == 0;
	e->set_proto = draw(2);
	e->proto = (enum sl_sdp_proto)draw(SL_SDP_OTHER + 1);
	e->mux = draw(3);
	e->set_crypto = draw(2);
	e->n_crypto = draw(3);
	e->crypto = keys;
	e->ice = (enum sl_sdp_ice)draw(2);
	e->remove_dtls = draw(2);
	e->set_direction = draw(2);
	e->direction = (enum sl_sdp_direction)draw(4);
	for (unsigned i = 0; i < m->n_codecs; i++) {
		if (draw(3) == 0)
			e->remove_pt[m->codecs[i].pt / 64] |= UINT64_C(1) << m->codecs[i].pt % 64;
	}
	if (draw(2)) {
		for (unsigned i = 0; i < m->n_codecs / 2; i++)
			e->order[e->n_order++] = (uint8_t)draw(256);
	}
}

static void draw_edit(void)
{
	memset(&edit, 0, sizeof edit);
	for (unsigned i = 0; i < 3; i++) {
		keys[i] = (struct sl_sdp_crypto){.tag = i + 1};
		keys[i].key.suite = (uint8_t)(1 + draw(SL_SRTP_N_SUITES - 1));
		keys[i].key.mki_len = (uint8_t)draw(SL_SRTP_MKI_MAX + 1);
		keys[i].key.lifetime_packets = draw(2) ? 0 : 1 + draw(60000);
		keys[i].key.flags = keys[i].key.suite < SL_SRTP_AEAD_128_GCM ? draw(8) : 0;
	}
	edit.replace_origin = draw(2);
	edit.replace_session_connection = draw(2);
	draw_ip(&edit.session_ip);
	edit.ice = (enum sl_sdp_ice)draw(2);
	edit.remove_dtls = draw(2);
	edit.remove_bundle = draw(2);
	for (unsigned i = 0; i < sdp.n_media; i++)
		draw_media(&edit.media[i], &sdp.media[i]);
}

/* Could any edit touch such a line? Written without the library: names as the contract gives them. */
static bool may_change(const char *p, size_t n)
{
	static const char *const names[] = {"rtpmap", "fmtp", "rtcp-fb", "rtcp", "rtcp-mux", "rtcp-mux-only", "group",
		"bundle-only", "crypto", "sendrecv", "sendonly", "recvonly", "inactive", "fingerprint", "setup", "tls-id",
		"candidate", "end-of-candidates", "ice-ufrag", "ice-pwd", "ice-options", "ice-lite", "ice-mismatch",
		"remote-candidates", "ice-pacing"};
	size_t name = 0;

	if (n < 2 || p[1] != '=')
		return false;
	if (p[0] != 'a')
		return p[0] == 'o' || p[0] == 'c' || p[0] == 'm';
	p += 2;
	n -= 2;
	for (; n > 0 && (*p == ' ' || *p == '\t'); n--)
		p++;
	while (name < n && p[name] != ':')
		name++;
	while (name > 0 && (p[name - 1] == ' ' || p[name - 1] == '\t' || p[name - 1] == '\r'))
		name--;
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strlen(names[i]) == name && memcmp(names[i], p, name) == 0)
			return true;
	}
	return false;
}

/* The next line that no edit touches, with its end; NULL at the end. */
static const char *next_fixed(const char **p, const char *end, size_t *n)
{
	while (*p < end) {
		const char *at = *p, *eol = memchr(at, '\n', (size_t)(end - at));
		size_t len = eol ? (size_t)(eol - at) : (size_t)(end - at);

		*p = eol ? eol + 1 : end;
		if (!may_change(at, len)) {
			*n = (size_t)(*p - at);
			return at;
		}
	}
	return NULL;
}

static void check_untouched_lines(const char *before, size_t n, const char *after, size_t m)
{
	const char *b_end = before + n, *a_end = after + m;
	size_t bn = 0, an = 0;

	for (;;) {
		const char *b = next_fixed(&before, b_end, &bn), *a = next_fixed(&after, a_end, &an);
		SL_FUZZ_CHECK((b == NULL) == (a == NULL));
		if (!b)
			return;
		/* Only the text's last line may gain an end. */
		SL_FUZZ_CHECK((an == bn || (before == b_end && an > bn && an - bn <= 2)) && memcmp(a, b, bn) == 0);
	}
}

static void check_media(const struct sl_sdp_media *was, const struct sl_sdp_media *is,
	const struct sl_sdp_media_edit *e)
{
	if (e->relay && is->port != 0) {
		SL_FUZZ_CHECK(is->port == ntohs(e->local_rtp.port_be));
		SL_FUZZ_CHECK(sl_ip_eq(&is->connection, &e->local_rtp.ip));
		SL_FUZZ_CHECK(is->bundle_only <= was->bundle_only);
		if (is->proto < SL_SDP_UDPTL && !e->no_rtcp_attribute && !is->rtcp_mux_only)
			SL_FUZZ_CHECK(ntohs(is->rtcp.port_be) == (e->local_rtcp_port ? e->local_rtcp_port : is->port));
	}
	if (!e->relay && is->port != 0)
		SL_FUZZ_CHECK(is->port == was->port && sl_ip_eq(&is->connection, &was->connection));
	SL_FUZZ_CHECK(!e->reject || is->port == 0);
	SL_FUZZ_CHECK(!e->set_direction || is->direction == e->direction);
	if (was->proto < SL_SDP_UDPTL)
		SL_FUZZ_CHECK(is->proto == (e->set_proto && e->proto < SL_SDP_UDPTL ? e->proto : was->proto));
	if (e->set_crypto) {
		SL_FUZZ_CHECK(is->n_crypto == e->n_crypto);
		for (unsigned i = 0; i < e->n_crypto; i++)
			SL_FUZZ_CHECK(memcmp(&is->crypto[i], &e->crypto[i], sizeof is->crypto[i]) == 0);
	}
	if (is->port != 0) {
		for (unsigned i = 0; i < is->n_codecs; i++)
			SL_FUZZ_CHECK(!(e->remove_pt[is->codecs[i].pt / 64] >> is->codecs[i].pt % 64 & 1));
	}
}

/* The same but for how lines end: what replaces several lines has but one end to take over. */
static void check_same(const char *a, size_t n, const char *b, size_t m)
{
	size_t i = 0, k = 0;

	for (;; i++, k++) {
		while (i < n && a[i] == '\r')
			i++;
		while (k < m && b[k] == '\r')
			k++;
		if (i == n || k == m)
			break;
		SL_FUZZ_CHECK(a[i] == b[k]);
	}
	SL_FUZZ_CHECK(i == n && (k == m || b[k] == '\n'));
}

static void one_edit(const char *text, size_t size)
{
	draw_edit();
	int n = sl_sdp_rewrite(&sdp, &edit, out, sizeof out);
	SL_FUZZ_CHECK(n >= 0);
	check_untouched_lines(text, size, out, (size_t)n);
	int r = sl_sdp_parse(&again, out, (size_t)n, err, sizeof err);
	SL_FUZZ_CHECK(r == 0 || r == -E2BIG); /* added lines may be too many */
	if (r != 0)
		return;
	SL_FUZZ_CHECK(again.n_media == sdp.n_media);
	for (unsigned i = 0; i < sdp.n_media; i++)
		check_media(&sdp.media[i], &again.media[i], &edit.media[i]);
	int n2 = sl_sdp_rewrite(&again, &edit, out2, sizeof out2);
	SL_FUZZ_CHECK(n2 >= 0);
	check_same(out, (size_t)n, out2, (size_t)n2);
	SL_FUZZ_CHECK(n == 0 || sl_sdp_rewrite(&sdp, &edit, out2, (size_t)n - 1) == -ENOSPC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sl_sdp_edit nothing;
	const char *text = (const char *)data;

	err[0] = '\0';
	if (sl_sdp_parse(&sdp, text, size, err, sizeof err) != 0) {
		SL_FUZZ_CHECK(err[0] != '\0' && sdp.n_media == 0);
		return 0;
	}
	SL_FUZZ_CHECK(sl_sdp_rewrite(&sdp, &nothing, out, size) == (int)size && memcmp(out, text, size) == 0);
	sl_sdp_has_attribute(&sdp, "rtpengine:1");
	rng = sl_crc32(data, size);
	for (unsigned i = 0; i < 3; i++)
		one_edit(text, size);
	return 0;
}

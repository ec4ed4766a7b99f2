/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/flood/frames.h"

#include <netinet/in.h>
#include <stdio.h>

#include "dataplane/wire/stun.h"

enum { RTP_BYTES = 12, G711_BYTES = 160, HEX_DIGITS = 8, MAX_HOLES = 16 };

unsigned flood_fill(struct flood_maker *m, uint8_t *at, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i += 8) {
		uint64_t r = flood_random(m);
		memcpy(at + i, &r, bytes - i < 8 ? bytes - i : 8);
	}
	return bytes;
}

/* A key made up, so that the server has to compute: what follows is 20 bytes that cannot be right. */
static void no_hmac(void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	(void)key, (void)key_len, (void)iov, (void)n;
	flood_fill(ctx, out, 20);
}

static unsigned stun(struct flood_maker *m, enum flood_kind kind, uint8_t *at)
{
	static const uint16_t methods[] = {[FLOOD_STUN] = SL_STUN_BINDING, [FLOOD_ALLOCATE] = SL_TURN_ALLOCATE, [FLOOD_FORGED] = SL_TURN_ALLOCATE,
		[FLOOD_REFRESH] = SL_TURN_REFRESH};
	const struct sl_stun_crypto crypto = {.ctx = m, .hmac_sha1 = no_hmac};
	struct sl_stun_builder b;
	uint8_t tid[SL_STUN_TID_BYTES];
	char nonce[33];

	flood_fill(m, tid, sizeof tid);
	sl_stun_begin(&b, at, 1200, methods[kind], SL_STUN_REQUEST, tid);
	if (kind == FLOOD_ALLOCATE || kind == FLOOD_FORGED)
		sl_stun_add_u32(&b, SL_ATTR_REQUESTED_TRANSPORT, (uint32_t)IPPROTO_UDP << 24);
	if (kind == FLOOD_REFRESH)
		sl_stun_add_u32(&b, SL_ATTR_LIFETIME, 0);
	if (kind == FLOOD_FORGED || kind == FLOOD_REFRESH) {
		snprintf(nonce, sizeof nonce, "%016llx%016llx", (unsigned long long)flood_random(m), (unsigned long long)flood_random(m));
		sl_stun_add(&b, SL_ATTR_USERNAME, "alice", 5);
		sl_stun_add(&b, SL_ATTR_REALM, "lab.test", 8);
		sl_stun_add(&b, SL_ATTR_NONCE, nonce, 32);
		sl_stun_add_integrity(&b, &crypto, false, (const uint8_t *)"", 0);
	}
	return (unsigned)sl_stun_end(&b);
}

static unsigned rtp(struct flood_maker *m, const struct flood_attack *a, uint8_t *at)
{
	unsigned payload = a->size ? a->size : G711_BYTES;
	uint32_t ssrc = htonl(a->ssrc), stamp = htonl((uint32_t)a->turn * G711_BYTES);

	flood_fill(m, at, RTP_BYTES + payload);
	at[0] = 0x80;
	at[1] = 8;
	put16(at + 2, (uint16_t)a->turn);
	memcpy(at + 4, &stamp, 4);
	if (a->ssrc)
		memcpy(at + 8, &ssrc, 4);
	return RTP_BYTES + payload;
}

/* RFC 3550 6.4.1: a sender report without blocks, and the CNAME that every compound packet has. */
static unsigned rtcp(struct flood_maker *m, const struct flood_attack *a, uint8_t *at)
{
	static const uint8_t sdes[] = {0x81, 202, 0, 3, 0, 0, 0, 0, 1, 4, 'n', 'a', 'm', 'e', 0, 0};
	uint32_t ssrc = a->ssrc ? htonl(a->ssrc) : (uint32_t)flood_random(m);

	flood_fill(m, at, 28);
	memcpy(at, (uint8_t[]){0x80, 200, 0, 6}, 4);
	memcpy(at + 4, &ssrc, 4);
	memcpy(at + 28, sdes, sizeof sdes);
	memcpy(at + 32, &ssrc, 4);
	return 28 + sizeof sdes;
}

static unsigned channel_data(struct flood_maker *m, const struct flood_attack *a, uint8_t *at)
{
	unsigned payload = a->size ? a->size : RTP_BYTES + G711_BYTES;

	put16(at, a->channel);
	put16(at + 2, payload);
	flood_fill(m, at + 4, payload);
	return 4 + payload;
}

/* Texts: "########" is a hole that eight digits fill, each time others; "@@@@@@@@" one that is the same in the
 * whole message. What a parser looks at is there and right. */
static const char sip_register[] =
	"REGISTER sip:lab.test SIP/2.0\r\nVia: SIP/2.0/UDP h@@@@@@@@.invalid;rport;branch=z9hG4bK########@@@@@@@@\r\nMax-Forwards: 70\r\n"
	"From: <sip:u@@@@@@@@@lab.test>;tag=########\r\nTo: <sip:u@@@@@@@@@lab.test>\r\nCall-ID: ################\r\nCSeq: 1 REGISTER\r\n"
	"Contact: <sip:u@@@@@@@@@h@@@@@@@@.invalid>\r\nExpires: 3600\r\nUser-Agent: flood\r\nContent-Length: 0\r\n\r\n";
static const char sip_guess[] =
	"REGISTER sip:lab.test SIP/2.0\r\nVia: SIP/2.0/UDP h@@@@@@@@.invalid;rport;branch=z9hG4bK########@@@@@@@@\r\nMax-Forwards: 70\r\n"
	"From: <sip:alice@lab.test>;tag=########\r\nTo: <sip:alice@lab.test>\r\nCall-ID: ################\r\nCSeq: 2 REGISTER\r\n"
	"Contact: <sip:alice@h@@@@@@@@.invalid>\r\nExpires: 3600\r\nAuthorization: Digest username=\"alice\", realm=\"lab.test\", "
	"nonce=\"################################\", uri=\"sip:lab.test\", response=\"################################\", algorithm=MD5, "
	"cnonce=\"########\", qop=auth, nc=00000001\r\nContent-Length: 0\r\n\r\n";
static const char sip_options[] =
	"OPTIONS sip:lab.test SIP/2.0\r\nVia: SIP/2.0/UDP h@@@@@@@@.invalid;rport;branch=z9hG4bK########@@@@@@@@\r\nMax-Forwards: 70\r\n"
	"From: <sip:u########@lab.test>;tag=########\r\nTo: <sip:lab.test>\r\nCall-ID: ################\r\nCSeq: 1 OPTIONS\r\n"
	"Accept: application/sdp\r\nContent-Length: 0\r\n\r\n";
#define SDP                                                                                                                                   \
	"v=0\r\no=- 1 1 IN IP4 192.0.2.66\r\ns=-\r\nc=IN IP4 192.0.2.66\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n" \
	"a=rtpmap:101 telephone-event/8000\r\n"
_Static_assert(sizeof SDP - 1 == 151, "Content-Length below");
static const char sip_invite[] =
	"INVITE sip:bob@lab.test SIP/2.0\r\nVia: SIP/2.0/UDP h@@@@@@@@.invalid;rport;branch=z9hG4bK########@@@@@@@@\r\nMax-Forwards: 70\r\n"
	"From: <sip:u########@lab.test>;tag=########\r\nTo: <sip:bob@lab.test>\r\nCall-ID: ################\r\nCSeq: 1 INVITE\r\n"
	"Contact: <sip:u@@@@@@@@@h@@@@@@@@.invalid>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\nContent-Type: application/sdp\r\nContent-Length: 151\r\n\r\n" SDP;

static const char *text_of(enum flood_kind kind, unsigned *bytes)
{
#define TEXT(t) (*bytes = sizeof(t) - 1, t)
	switch (kind) {
	case FLOOD_GUESS: return TEXT(sip_guess);
	case FLOOD_OPTIONS: return TEXT(sip_options);
	case FLOOD_INVITE: return TEXT(sip_invite);
	default: return TEXT(sip_register);
	}
#undef TEXT
}

static unsigned sip(struct flood_maker *m, enum flood_kind kind, uint8_t *at)
{
	static const char digits[] = "0123456789abcdef";
	unsigned bytes;
	const char *text = text_of(kind, &bytes);
	uint64_t who = flood_random(m);

	memcpy(at, text, bytes);
	for (unsigned i = 0; i + HEX_DIGITS <= bytes; i++) {
		if (at[i] != '#' && (at[i] != '@' || memcmp(at + i, "@@@@@@@@", HEX_DIGITS) != 0))
			continue;
		uint64_t v = at[i] == '#' ? flood_random(m) : who;
		for (unsigned d = 0; d < HEX_DIGITS; d++)
			at[i + d] = (uint8_t)digits[v >> (4 * d) & 15];
		i += HEX_DIGITS - 1;
	}
	return bytes;
}

unsigned flood_payload(struct flood_maker *m, struct flood_attack *a, enum flood_kind kind, uint8_t *at)
{
	switch (kind) {
	case FLOOD_STUN:
	case FLOOD_ALLOCATE:
	case FLOOD_FORGED:
	case FLOOD_REFRESH: return stun(m, kind, at);
	case FLOOD_CHANNEL: return channel_data(m, a, at);
	case FLOOD_PEER: return flood_fill(m, at, a->size ? a->size : RTP_BYTES + G711_BYTES);
	case FLOOD_RTP: return rtp(m, a, at);
	case FLOOD_RTCP: return rtcp(m, a, at);
	default: return sip(m, kind, at);
	}
}

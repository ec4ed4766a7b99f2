/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include <string.h>
#include <time.h>

#include "peer.h"

enum {
	SR = 200, RR = 201, SDES = 202, BYE = 203,
	SR_WORDS = 6, BLOCK_WORDS = 6,
	BURST = 64,
};

#define NTP_UNIX UINT64_C(2208988800) /* seconds from 1900 to 1970 (RFC 868) */

static uint64_t ntp_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return ((uint64_t)t.tv_sec + NTP_UNIX) << 32 | (((uint64_t)t.tv_nsec << 32) / NS_PER_S);
}

static uint32_t middle(uint64_t ntp)
{
	return (uint32_t)(ntp >> 16);
}

/* RFC 3550 6.4.1: what we received of the stream that came first. */
static int report_block(const struct endpoint *e, uint8_t *p, uint64_t now)
{
	const struct stream *s = &e->streams[0];
	uint64_t begin = s->first + 1024, expected = s->top - begin + 1;
	uint64_t lost = expected > s->received ? expected - s->received : 0;

	if (e->n_streams == 0)
		return 0;
	memset(p, 0, BLOCK_WORDS * 4);
	put32(p, s->ssrc);
	put32(p + 4, (uint32_t)((expected > 0 ? lost * 255 / expected : 0) << 24 | (lost & 0xffffff)));
	put32(p + 8, (uint32_t)(s->top - (UINT64_C(1) << 16)));
	if (e->rtcp.sr_at != 0) {
		put32(p + 16, e->rtcp.sr_mid);
		put32(p + 20, (uint32_t)((now - e->rtcp.sr_at) * 65536 / NS_PER_S));
	}
	return BLOCK_WORDS * 4;
}

void rtcp_send(struct endpoint *e, uint64_t now)
{
	static const char name[] = "lab@rtp-peer";
	uint8_t p[MAX_PACKET] = {0};
	int blocks, len;

	e->rtcp_due += e->rtcp_ms * NS_PER_MS;
	blocks = report_block(e, p + 28, now);
	p[0] = (uint8_t)(0x80 | (blocks > 0));
	p[1] = SR;
	put16(p + 2, (uint16_t)(SR_WORDS + (blocks > 0 ? BLOCK_WORDS : 0)));
	put32(p + 4, e->ssrc);
	put64(p + 8, ntp_now());
	put32(p + 16, e->ts);
	put32(p + 20, (uint32_t)e->sent);
	put32(p + 24, (uint32_t)e->sent * e->size);
	len = 28 + blocks;
	/* RFC 3550 6.5: one chunk, CNAME, ended by zeros up to a word. */
	p[len] = 0x81;
	p[len + 1] = SDES;
	put16(p + len + 2, (4 + 2 + sizeof(name) - 1 + 4) / 4);
	put32(p + len + 4, e->ssrc);
	p[len + 8] = 1;
	p[len + 9] = sizeof(name) - 1;
	memcpy(p + len + 10, name, sizeof(name) - 1);
	len += 4 + 4 * get16(p + len + 2);
	if (e->out != NULL && crypt_protect(e->out, p, &len, true) != CRYPT_OK) {
		e->send_errors++;
		return;
	}
	if (sendto(e->mux ? e->fd : e->rtcp_fd, p, (size_t)len, 0, (struct sockaddr *)&e->rtcp_remote,
		    address_len(&e->rtcp_remote)) == len)
		e->rtcp.sent++;
	else
		e->send_errors++;
}

static void note_block(struct endpoint *e, const uint8_t *block)
{
	uint32_t lsr = get32(block + 16), dlsr = get32(block + 20);

	e->rtcp.about_ssrc = get32(block);
	e->rtcp.fraction = block[4];
	e->rtcp.lost = get32(block + 4) & 0xffffff;
	e->rtcp.jitter = get32(block + 12);
	if (lsr != 0 && e->rtcp.about_ssrc == e->ssrc)
		e->rtcp.rtt_ms = (double)(middle(ntp_now()) - lsr - dlsr) * 1000 / 65536;
}

static void note_packet(struct endpoint *e, const uint8_t *p, int len, uint64_t now)
{
	int blocks_at = p[1] == SR ? 28 : 8;

	if (p[1] == SR && len >= 28) {
		e->rtcp.sr++;
		e->rtcp.sr_mid = get32(p + 10);
		e->rtcp.sr_at = now;
	}
	if (p[1] == RR)
		e->rtcp.rr++;
	if (p[1] == BYE)
		e->rtcp.bye++;
	if ((p[1] == SR || p[1] == RR) && len >= 8) {
		e->rtcp.from_ssrc = get32(p + 4);
		if ((p[0] & 0x1f) > 0 && len >= blocks_at + BLOCK_WORDS * 4)
			note_block(e, p + blocks_at);
	}
}

void rtcp_receive(struct endpoint *e, uint8_t *p, int len, uint64_t now)
{
	if (e->in != NULL && crypt_unprotect(e->in, p, &len, true) != CRYPT_OK) {
		e->rtcp.refused++;
		return;
	}
	e->rtcp.received++;
	for (int at = 0; at + 4 <= len;) {
		int words = 4 * (get16(p + at + 2) + 1);

		if (at + words > len) {
			e->malformed++;
			return;
		}
		note_packet(e, p + at, words, now);
		at += words;
	}
}

void rtcp_receive_all(struct endpoint *e)
{
	uint8_t p[MAX_PACKET];

	for (int i = 0; i < BURST; i++) {
		struct sockaddr_storage from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(e->rtcp_fd, p, sizeof(p), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);

		if (n < 0)
			return;
		if (e->has_remote && !same_address(&from, &e->rtcp_remote))
			e->rtcp.strangers++;
		rtcp_receive(e, p, (int)n, now_ns());
	}
}

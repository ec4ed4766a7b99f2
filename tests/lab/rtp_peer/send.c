/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include <errno.h>
#include <string.h>

#include "peer.h"

enum {
	DTMF_EVERY = 20,      /* packets from one digit's beginning to the next */
	DTMF_PACKETS = 8,     /* of a digit while the key is down; then the end, three times (RFC 4733 2.5.1.4) */
	DTMF_ENDS = 3,
	DTMF_VOLUME = 10,
};

static uint32_t packet_ts(const struct endpoint *e)
{
	return e->sound != NULL ? e->size : 8000 / e->rate;
}

static size_t numbered(const struct endpoint *e, uint8_t *p, uint64_t now)
{
	put32(p, STAMP_MAGIC);
	put32(p + 4, e->id);
	put64(p + 8, e->sent);
	put64(p + 16, now);
	for (unsigned i = STAMP_BYTES; i < e->size; i++)
		p[i] = (uint8_t)(e->sent + i);
	return e->size;
}

/* The digit whose turn it is, or -1: audio is sent. */
static int digit(struct endpoint *e)
{
	static const char digits[] = "0123456789*#ABCD";
	uint64_t at = e->sent / DTMF_EVERY;
	const char *d;

	if (e->dtmf_pt == 0 || e->sent < DTMF_EVERY || at > strlen(e->dtmf) ||
	    e->sent % DTMF_EVERY >= DTMF_PACKETS + DTMF_ENDS)
		return -1;
	d = strchr(digits, e->dtmf[at - 1]);
	e->dtmf_step = (unsigned)(e->sent % DTMF_EVERY);
	return d != NULL && *d != '\0' ? (int)(d - digits) : -1;
}

static size_t event(struct endpoint *e, uint8_t *rtp, int d)
{
	bool end = e->dtmf_step >= DTMF_PACKETS;
	unsigned steps = end ? DTMF_PACKETS : e->dtmf_step + 1;

	if (e->dtmf_step == 0)
		e->dtmf_ts = e->ts;
	rtp[1] = (uint8_t)(e->dtmf_pt | (e->dtmf_step == 0 ? 0x80 : 0));
	put32(rtp + 4, e->dtmf_ts);
	rtp[RTP_HEADER] = (uint8_t)d;
	rtp[RTP_HEADER + 1] = (uint8_t)((end ? 0x80 : 0) | DTMF_VOLUME);
	put16(rtp + RTP_HEADER + 2, (uint16_t)(steps * packet_ts(e)));
	return 4;
}

void send_next(struct endpoint *e, uint64_t now)
{
	uint8_t p[MAX_PACKET];
	uint8_t *payload = p + (e->raw ? 0 : RTP_HEADER);
	int len, d = e->raw ? -1 : digit(e);

	if (!e->raw) {
		p[0] = 0x80;
		p[1] = (uint8_t)(e->pt | (e->sent == 0 ? 0x80 : 0));
		put16(p + 2, e->seq);
		put32(p + 4, e->ts);
		put32(p + 8, e->ssrc);
	}
	if (d >= 0)
		len = (int)event(e, p, d);
	else if (e->sound != NULL) {
		memcpy(payload, e->sound + e->sent * e->size, e->size);
		len = (int)e->size;
	} else {
		len = (int)numbered(e, payload, now);
	}
	len += (int)(payload - p);
	if (e->out != NULL && crypt_protect(e->out, p, &len, false) != CRYPT_OK)
		e->send_errors++;
	else if (sendto(e->fd, p, (size_t)len, 0, (struct sockaddr *)&e->remote, address_len(&e->remote)) < 0) {
		if (errno == ECONNREFUSED)
			e->refused_ports++;
		e->send_errors++;
	}
	e->sent++;
	e->sent_bytes += (uint64_t)len;
	e->seq++;
	e->ts += packet_ts(e);
	e->due += NS_PER_S / e->rate;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include <stdlib.h>
#include <string.h>

#include "peer.h"

enum {
	PRINTS_MAX = 1 << 22,
	NUMBERS_MAX = 1 << 26,
	RECORD_MAX = 8 << 20,
	BURST = 64,
	EVENT_END = 0x80,
	RTCP_FIRST = 192, RTCP_LAST = 223, /* second byte: RFC 5761 4 */
};

/* Room for item `at` of an array of items of so many bytes, zeroed; false = no memory, or more than max. */
static bool room_for(void **array, size_t *n, size_t at, size_t item, size_t max)
{
	size_t want = *n > 0 ? *n : 1024;
	void *more;

	if (at < *n)
		return true;
	while (want <= at)
		want *= 2;
	if (at >= max || (more = realloc(*array, want * item)) == NULL)
		return false;
	memset((char *)more + *n * item, 0, (want - *n) * item);
	*array = more;
	*n = want;
	return true;
}

/* Has this number been seen? Notes it. */
static bool seen_before(struct bits *b, uint64_t number)
{
	void *bytes = b->byte;
	uint8_t bit = (uint8_t)(1 << number % 8);
	bool before;

	if (!room_for(&bytes, &b->bytes, number / 8, 1, NUMBERS_MAX / 8))
		return false;
	b->byte = bytes;
	before = b->byte[number / 8] & bit;
	b->byte[number / 8] |= bit;
	return before;
}

/* FNV-1a; never 0. */
static uint64_t print_of(const uint8_t *p, int len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (int i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h | 1;
}

static struct stream *stream_of(struct endpoint *e, uint32_t ssrc, uint16_t seq)
{
	for (unsigned i = 0; i < e->n_streams; i++)
		if (e->streams[i].ssrc == ssrc)
			return &e->streams[i];
	if (e->n_streams == MAX_STREAMS)
		return NULL;
	/* What is reordered around the first packet shall have an index too. */
	e->streams[e->n_streams] = (struct stream){.ssrc = ssrc, .first = seq, .top = (UINT64_C(1) << 16) + seq};
	e->streams[e->n_streams].first = e->streams[e->n_streams].top - 1024;
	return &e->streams[e->n_streams++];
}

/* On the wire: which index has this packet, and is it the first with it? */
static void note_index(struct endpoint *e, const uint8_t *p, int len)
{
	struct stream *s = stream_of(e, get32(p + 8), get16(p + 2));
	void *prints;
	uint64_t index, print = print_of(p, len);

	if (s == NULL)
		return;
	s->received++;
	index = s->top + (uint64_t)(int64_t)(int16_t)(get16(p + 2) - (uint16_t)s->top);
	if (index > s->top)
		s->top = index;
	else if (index < s->top)
		s->reordered++;
	prints = s->print;
	if (index < s->first || !room_for(&prints, &s->n_prints, index - s->first, sizeof(*s->print), PRINTS_MAX))
		return;
	s->print = prints;
	if (s->print[index - s->first] == print)
		s->repeated++;
	else if (s->print[index - s->first] != 0)
		s->reused++;
	s->print[index - s->first] = print;
}

static struct sender *sender_of(struct endpoint *e, uint32_t id)
{
	for (unsigned i = 0; i < e->n_senders; i++)
		if (e->senders[i].id == id)
			return &e->senders[i];
	if (e->n_senders == MAX_SENDERS)
		return NULL;
	e->senders[e->n_senders] = (struct sender){.id = id, .first = UINT64_MAX};
	return &e->senders[e->n_senders++];
}

static void note_number(struct endpoint *e, const uint8_t *p, int len)
{
	struct sender *s;
	uint64_t number;

	if (len < STAMP_BYTES || get32(p) != STAMP_MAGIC) {
		e->unnumbered++;
		return;
	}
	number = get64(p + 8);
	for (int i = STAMP_BYTES; i < len; i++)
		if (p[i] != (uint8_t)(number + (unsigned)i)) {
			e->corrupt++;
			return;
		}
	s = sender_of(e, get32(p + 4));
	if (s == NULL)
		return;
	if (seen_before(&s->seen, number)) {
		s->duplicates++;
		return;
	}
	if (s->received++ > 0 && number < s->last)
		s->reordered++;
	if (number > s->last)
		s->last = number;
	if (number < s->first)
		s->first = number;
}

/* RFC 4733: a digit counts when its end is seen first. */
static void note_event(struct endpoint *e, const uint8_t *rtp, const uint8_t *p, int len)
{
	static const char digits[] = "0123456789*#ABCD";

	if (len < 4 || p[0] >= sizeof(digits) - 1 || !(p[1] & EVENT_END))
		return;
	if (e->n_events == MAX_EVENTS || (e->n_events > 0 && e->event_ts == get32(rtp + 4)))
		return;
	e->events[e->n_events++] = digits[p[0]];
	e->event_ts = get32(rtp + 4);
}

/* Where its timestamp says; what never came stays zero. */
static void note_sound(struct endpoint *e, const uint8_t *rtp, const uint8_t *p, int len)
{
	void *bytes = e->recorded;
	int32_t at;

	if (!e->recording) {
		e->recording = true;
		e->record_ts = get32(rtp + 4);
	}
	at = e->packed ? (int32_t)e->n_recorded : (int32_t)(get32(rtp + 4) - e->record_ts);
	if (at < 0 || !room_for(&bytes, &e->recorded_room, (size_t)at + (size_t)len, 1, RECORD_MAX))
		return;
	e->recorded = bytes;
	memcpy(e->recorded + at, p, (size_t)len);
	if ((size_t)at + (size_t)len > e->n_recorded)
		e->n_recorded = (size_t)at + (size_t)len;
}

static void note_time(struct endpoint *e, uint64_t now)
{
	if (e->first_at == 0)
		e->first_at = now;
	else if (now - e->last_at > e->longest_gap) {
		e->longest_gap = now - e->last_at;
		e->gap_from = e->last_at;
	}
	e->last_at = now;
}

static void receive_rtp(struct endpoint *e, uint8_t *p, int len, uint64_t now)
{
	int header;

	if (len < RTP_HEADER || p[0] >> 6 != 2) {
		e->malformed++;
		return;
	}
	note_index(e, p, len);
	if (e->in != NULL) {
		enum crypt_status status = crypt_unprotect(e->in, p, &len, false);

		e->replays += status == CRYPT_REPLAY;
		e->auth_failures += status == CRYPT_WRONG;
		if (status != CRYPT_OK)
			return;
	}
	header = RTP_HEADER + 4 * (p[0] & 0xf);
	if (p[0] & 0x10 && len >= header + 4)
		header += 4 + 4 * get16(p + header + 2);
	if (len < header) {
		e->malformed++;
		return;
	}
	note_time(e, now);
	e->received++;
	e->received_bytes += (uint64_t)len;
	e->pts[(p[1] & 0x7f) / 64] |= UINT64_C(1) << (p[1] & 0x3f);
	if (e->dtmf_pt != 0 && (p[1] & 0x7f) == e->dtmf_pt)
		note_event(e, p, p + header, len - header);
	else if (e->record[0] != '\0')
		note_sound(e, p, p + header, len - header);
	else
		note_number(e, p + header, len - header);
}

void receive_all(struct endpoint *e)
{
	uint8_t p[MAX_PACKET];

	for (int i = 0; i < BURST; i++) {
		struct sockaddr_storage from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(e->fd, p, sizeof(p), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
		uint64_t now;

		if (n < 0)
			return;
		now = now_ns();
		if (e->has_remote && !same_address(&from, &e->remote))
			e->strangers++;
		if (e->raw) {
			note_time(e, now);
			e->received++;
			note_number(e, p, (int)n);
		} else if (n > 1 && p[1] >= RTCP_FIRST && p[1] <= RTCP_LAST)
			rtcp_receive(e, p, (int)n, now);
		else
			receive_rtp(e, p, (int)n, now);
	}
}

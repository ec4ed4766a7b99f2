/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RTCP changed in place, as a translator does (RFC 3550 7.2). All of it wants a packet that sl_rtcp_valid() passed. */

#include "dataplane/wire/rtcp_internal.h"
#include "dataplane/wire/rtp.h"

enum { WORD = 4, NO_ENTRY = -1 };

static int entry_of(const struct sl_rtcp_map *map, uint32_t ssrc)
{
	for (unsigned i = 0; i < map->n; i++)
		if (map->e[i].from == ssrc)
			return (int)i;
	return NO_ENTRY;
}

/* Translate the SSRC at p. Returns its entry, or NO_ENTRY. */
static int map_ssrc(uint8_t *p, const struct sl_rtcp_map *map)
{
	int i = entry_of(map, sl_rtp_get32(p));
	if (i != NO_ENTRY)
		sl_rtp_put32(p, map->e[i].to);
	return i;
}

/* ---- who sends ---- */

static void map_sender_info(uint8_t *p, const struct sl_rtcp_map *map)
{
	int i = map_ssrc(p + SL_RTCP_HEADER_BYTES, map);
	if (i == NO_ENTRY)
		return;
	sl_rtp_put32(p + SL_RTCP_SR_TS_AT, sl_rtp_get32(p + SL_RTCP_SR_TS_AT) + map->e[i].ts_add);
	if (!map->e[i].counted)
		return;
	sl_rtp_put32(p + SL_RTCP_SR_PACKETS_AT, map->e[i].packets);
	sl_rtp_put32(p + SL_RTCP_SR_OCTETS_AT, map->e[i].octets);
}

static void map_chunks(uint8_t *p, size_t len, unsigned chunks, const struct sl_rtcp_map *map)
{
	size_t at = SL_RTCP_HEADER_BYTES;
	for (; chunks > 0; chunks--) {
		map_ssrc(p + at, map);
		at = sl_rtcp_chunk_end(p, len, at);
	}
}

void sl_rtcp_map_senders(uint8_t *rtcp, size_t len, const struct sl_rtcp_map *map)
{
	struct sl_rtcp_packet k;
	for (size_t at = 0; map->n && sl_rtcp_next(rtcp, len, &at, &k) > 0;) {
		uint8_t *p = rtcp + k.at;
		switch (k.type) {
		case SL_RTCP_SR:
			map_sender_info(p, map);
			break;
		case SL_RTCP_RR:
		case SL_RTCP_APP:
		case SL_RTCP_RTPFB:
		case SL_RTCP_PSFB:
		case SL_RTCP_XR:
			map_ssrc(p + SL_RTCP_HEADER_BYTES, map);
			break;
		case SL_RTCP_SDES:
			map_chunks(p, k.len, k.count, map);
			break;
		case SL_RTCP_BYE:
			for (unsigned i = 0; i < k.count; i++)
				map_ssrc(p + SL_RTCP_HEADER_BYTES + i * WORD, map);
			break;
		}
	}
}

/* ---- what is said about media received ---- */

static void add_seq(uint8_t *p, uint16_t add)
{
	sl_rtp_put16(p, (uint16_t)(sl_rtp_get16(p) + add));
}

/* The extended number moves as the number does, the short way round: differences between reports stay right. */
static void map_block(uint8_t *p, const struct sl_rtcp_map *map)
{
	int i = map_ssrc(p, map);
	if (i == NO_ENTRY || !map->e[i].seq_add)
		return;
	uint32_t highest = sl_rtp_get32(p + SL_RTCP_BLOCK_SEQ_AT);
	sl_rtp_put32(p + SL_RTCP_BLOCK_SEQ_AT, highest + (uint32_t)(int32_t)(int16_t)map->e[i].seq_add);
}

static void map_feedback(uint8_t *p, const struct sl_rtcp_packet *k, const struct sl_rtcp_map *map)
{
	int media = map_ssrc(p + SL_RTCP_MEDIA_SSRC_AT, map);
	size_t at = SL_RTCP_FEEDBACK_BYTES;
	if (sl_rtcp_is_remb(p, k->len, k->type, k->count)) {
		unsigned n = p[SL_RTCP_REMB_COUNT_AT];
		for (at += SL_RTCP_REMB_BYTES; n > 0; n--, at += WORD)
			map_ssrc(p + at, map);
	} else if (sl_rtcp_has_fci_entries(k->type, k->count)) {
		for (; at < k->len; at += SL_RTCP_FCI_ENTRY_BYTES)
			map_ssrc(p + at, map);
	} else if (k->type == SL_RTCP_RTPFB && k->count == SL_RTPFB_NACK && media != NO_ENTRY) {
		for (; at < k->len; at += WORD) /* RFC 4585 6.2.1: PID and what follows it, relative */
			add_seq(p + at, map->e[media].seq_add);
	}
}

enum xr_block { /* RFC 3611 4 */
	XR_LOSS_RLE = 1,
	XR_DUPLICATE_RLE = 2,
	XR_RECEIPT_TIMES = 3,
	XR_DLRR = 5,
	XR_STATISTICS = 6,
	XR_VOIP_METRICS = 7,
	XR_SEQ_AT = 8, /* begin_seq and end_seq */
	XR_DLRR_BYTES = 12,
};

static void map_xr_block(uint8_t *p, size_t len, const struct sl_rtcp_map *map)
{
	int i;
	switch (p[0]) {
	case XR_LOSS_RLE:
	case XR_DUPLICATE_RLE:
	case XR_RECEIPT_TIMES:
	case XR_STATISTICS:
		if (len < XR_SEQ_AT + WORD || (i = map_ssrc(p + WORD, map)) == NO_ENTRY)
			return;
		add_seq(p + XR_SEQ_AT, map->e[i].seq_add);
		add_seq(p + XR_SEQ_AT + 2, map->e[i].seq_add);
		return;
	case XR_VOIP_METRICS:
		if (len >= 2 * WORD)
			map_ssrc(p + WORD, map);
		return;
	case XR_DLRR:
		for (size_t at = WORD; at + XR_DLRR_BYTES <= len; at += XR_DLRR_BYTES)
			map_ssrc(p + at, map);
		return;
	}
}

static void map_xr(uint8_t *p, size_t len, const struct sl_rtcp_map *map)
{
	for (size_t at = SL_RTCP_SSRC_BYTES, block; at < len; at += block) {
		block = WORD + (size_t)sl_rtp_get16(p + at + 2) * WORD;
		map_xr_block(p + at, block, map);
	}
}

void sl_rtcp_map_media(uint8_t *rtcp, size_t len, const struct sl_rtcp_map *map)
{
	struct sl_rtcp_packet k;
	for (size_t at = 0; map->n && sl_rtcp_next(rtcp, len, &at, &k) > 0;) {
		for (unsigned i = 0; i < sl_rtcp_n_blocks(&k); i++)
			map_block(rtcp + sl_rtcp_block_at(&k, i), map);
		if (k.type == SL_RTCP_RTPFB || k.type == SL_RTCP_PSFB)
			map_feedback(rtcp + k.at, &k, map);
		else if (k.type == SL_RTCP_XR)
			map_xr(rtcp + k.at, k.len, map);
	}
}

/* ---- parts taken out ---- */

size_t sl_rtcp_strip_sender_info(uint8_t *rtcp, size_t len)
{
	enum { INFO_BYTES = SL_RTCP_SENDER_BYTES - SL_RTCP_SSRC_BYTES };
	struct sl_rtcp_packet k;
	for (size_t at = 0; sl_rtcp_next(rtcp, len, &at, &k) > 0;) {
		uint8_t *p = rtcp + k.at;
		if (k.type != SL_RTCP_SR)
			continue;
		p[1] = SL_RTCP_RR;
		sl_rtp_put16(p + 2, (uint16_t)(sl_rtp_get16(p + 2) - INFO_BYTES / WORD));
		memmove(p + SL_RTCP_SSRC_BYTES, p + SL_RTCP_SENDER_BYTES, len - k.at - SL_RTCP_SENDER_BYTES);
		len -= INFO_BYTES;
		at -= INFO_BYTES;
	}
	return len;
}

/* The packet at k ends after keep bytes, what follows it moves up, and padding is gone. Returns where it ends now. */
static size_t cut(uint8_t *rtcp, size_t *len, const struct sl_rtcp_packet *k, size_t end, size_t keep)
{
	memmove(rtcp + k->at + keep, rtcp + end, *len - end);
	*len -= end - k->at - keep;
	return k->at + keep;
}

size_t sl_rtcp_keep_feedback(uint8_t *rtcp, size_t len)
{
	struct sl_rtcp_packet k;
	bool asks = false;
	for (size_t at = 0; sl_rtcp_next(rtcp, len, &at, &k) > 0;) {
		uint8_t *p = rtcp + k.at;
		if (k.type == SL_RTCP_SR || k.type == SL_RTCP_RR) {
			p[0] = SL_RTP_VERSION << 6;
			p[1] = SL_RTCP_RR;
			sl_rtp_put16(p + 2, SL_RTCP_SSRC_BYTES / WORD - 1);
			at = cut(rtcp, &len, &k, at, SL_RTCP_SSRC_BYTES);
		} else if (k.type == SL_RTCP_RTPFB || k.type == SL_RTCP_PSFB) {
			asks = true;
		} else if (k.type != SL_RTCP_SDES) {
			at = cut(rtcp, &len, &k, at, 0);
		}
	}
	return asks ? len : 0;
}

size_t sl_rtcp_strip(uint8_t *rtcp, size_t len, enum sl_rtcp_type type)
{
	struct sl_rtcp_packet k;
	for (size_t at = 0; sl_rtcp_next(rtcp, len, &at, &k) > 0;) {
		if (k.type == type)
			at = cut(rtcp, &len, &k, at, 0);
	}
	return len;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Frames made ahead. A session has one image per direction: all bytes of the frame up to the stamp, ready to be
 * copied in whole cache lines, with the UDP checksum field holding the folded sum of everything but the stamp.
 *
 * Payload: RTP header of 12 bytes (its SSRC is the session's number), magic, then the stamp: sequence number (4),
 * TSC at sending with the run's number in the top byte (8), then filler. */

#include <stdint.h>

#include "bench/pktgen/media.h"
#include "bench/pktgen/ports.h"
#include "bench/pktgen/turn_client.h"

enum {
	PAYLOAD_SESSION = 8, /* RTP's SSRC */
	PAYLOAD_MAGIC = 12,
	PAYLOAD_STAMP = 16, /* sequence, then TSC */
	PAYLOAD_TSC = 20,
	STAMP_END = 28,
	PAYLOAD_MAX = 1400,
	CHANNEL_BYTES = 4,
	IMAGE_V4_BYTES = 64,
	IMAGE_V6_BYTES = 128, /* of Send indications, too */
	LOOKAHEAD = 64, /* images are prefetched this many packets ahead */
	FILLER = 0xD5,  /* silence in G.711 A-law */
	RUN_SHIFT = 56, /* run number's place in the stamp's TSC word */
};
#define PAYLOAD_MAGIC_VALUE 0x51CE0000u /* the low byte is the direction */

struct templates {
	uint8_t *images[N_DIRECTIONS];
	unsigned image_bytes[N_DIRECTIONS];  /* IMAGE_V4_BYTES or IMAGE_V6_BYTES */
	unsigned frame_bytes[N_DIRECTIONS];  /* as sent */
	unsigned cksum_at[N_DIRECTIONS];     /* of the UDP checksum in the frame */
	unsigned payload_at[N_DIRECTIONS];   /* of the application payload in the frame as sent */
	/* Random order of the sessions, and its first LOOKAHEAD entries again behind the end. */
	uint32_t *order;
};

/* Make the images of all sessions and fill the payload of every buffer in the transmit pools. With o->raw the relayed
 * addresses are invented. 0 or -1, after a message. */
int templates_make(struct templates *t, const struct options *o, struct ports *ports, const struct turn_client *client);
/* The same of a plan's streams. In images of encrypted ones the checksum field holds the sum of the headers only. */
int templates_make_media(struct templates *t, const struct options *o, struct ports *ports, const struct media *media);
void templates_free(struct templates *t);

static inline const uint8_t *template_image(const struct templates *t, unsigned dir, uint32_t session)
{
	return t->images[dir] + (size_t)session * t->image_bytes[dir];
}

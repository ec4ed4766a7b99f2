/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The clip store: files of the clip folder as sealed memfds that the dataplane plays (struct sl_clip). Read when they
 * are first asked for and again when the file has changed; kept until the store ends. One thread.
 *
 * What a file may be, told by the end of its name:
 *   NAME.wav             8 kHz, mono, 16-bit PCM or G.711
 *   NAME.alaw NAME.ulaw  G.711 as it is sent, without any head
 *   NAME.rtpclip, NAME.CODEC.rtpclip   ready RTP payloads as struct sl_clip lays them out, of that codec
 * The first two make PCMA and PCMU alike. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/media/sdp.h"

enum {
	SL_CLIP_STORE_MAX = 1000,              /* clips; the dataplane takes SL_MAX_CLIPS of a client */
	SL_CLIP_STORE_MAX_BYTES = 512 << 20,   /* of memory in all */
	SL_CLIP_NAME_MAX = 255,
};

struct sl_clip_store;

struct sl_clip_handle {
	uint32_t number;       /* 1.. for the dataplane; the same as long as the store lives */
	int memfd;             /* the store's */
	unsigned duration_ms;
	bool changed;          /* new, or its file was: to be registered (again) */
};

/* folder: NULL = no clips. NULL result: no memory. */
struct sl_clip_store *sl_clip_store_new(const char *folder);
void sl_clip_store_free(struct sl_clip_store *s);

/* A clip by its name ("busy": the file of that name that suits the codec best) or its file ("de/busy.wav", or the same
 * with the folder's path before it). codec: as in a=rtpmap, without the clock rate: "PCMA". May read from the disk:
 * some milliseconds a minute of sound, the first time.
 * 0; -ENOENT, -EINVAL (the name, or what the file holds), -ENOTSUP (not in that codec), -E2BIG, -ENOSPC (too many
 * clips), -ENOMEM, or what the system said; with words. Nothing outside of the folder is ever opened, and links are not
 * followed. */
int sl_clip_store_get(struct sl_clip_store *s, struct sl_slice name, const char *codec, struct sl_clip_handle *out,
	char *text, size_t text_len);
/* All clips that were asked for, to tell a dataplane that lost them. *cursor 0 at first; false at the end. */
bool sl_clip_store_next(const struct sl_clip_store *s, uint32_t *cursor, struct sl_clip_handle *out);

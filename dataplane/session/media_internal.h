/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between media.c (tables, routes), media_leg.c (LEG_SET), media_keys.c (contexts), media_stream.c (SSRCs) and
 * media_restore.c (cold records). */

#include "dataplane/session/media.h"

enum { SL_LEG_SLOT_SHIFT = 61 }; /* of sl_leg_ref.id */

/* media_keys.c: bring the leg's contexts to c's keys. 0, -EINVAL, -ENOSPC; nothing has changed then. */
int sl_media_keys_set(struct sl_media *m, uint32_t leg, const struct sl_cmd_leg *c, char *text, size_t text_len);
void sl_media_keys_end(struct sl_media *m, uint32_t leg);
uint64_t sl_media_key_print(const struct sl_media *m, const struct sl_srtp_key *key);

/* media_stream.c */
void sl_media_streams_init(struct sl_media *m);
void sl_media_streams_end(struct sl_media *m, uint32_t leg);
/* A crash in between left the SSRC of the hot line among the parked ones, too. */
void sl_media_streams_forget(struct sl_media *m, uint32_t leg, bool tx, uint32_t ssrc);
/* The outgoing key has changed: parked SSRCs begin anew under it. */
void sl_media_streams_rekeyed(struct sl_media *m, uint32_t leg);

/* media_restore.c: take up cold records at start; give a waiting leg what its record says; begin a record. */
void sl_media_restore(struct sl_media *m);
void sl_media_adopt_begin(struct sl_media *m, uint32_t leg, uint64_t now_ms);
void sl_media_adopt(struct sl_media *m, uint32_t leg);
void sl_media_cold_begin(struct sl_media *m, uint32_t leg);
void sl_media_cold_end(struct sl_media *m, uint32_t leg);

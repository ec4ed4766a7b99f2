/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* From the bytes of a clip's file to a sealed memfd. */

#include <stddef.h>
#include <stdint.h>

enum sl_clip_kind { SL_CLIP_WAV, SL_CLIP_RAW_ALAW, SL_CLIP_RAW_ULAW, SL_CLIP_READY };

/* By the end of a file's name; -1 = none of ours. */
int sl_clip_kind_of(const char *name);

/* codec: "PCMA", "PCMU" or another, without case. A memfd as struct sl_clip says, sealed; its length in *bytes and the
 * clip's in *duration_ms. Or -EINVAL, -ENOTSUP, -E2BIG, -ENOMEM ... with words. */
int sl_clip_load(enum sl_clip_kind kind, const uint8_t *file, size_t n, const char *codec, size_t *bytes,
	unsigned *duration_ms, char *text, size_t text_len);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What a request asks, read from its dictionary: every key and flag in every spelling. Pure: no I/O, no
 * clock. */

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/media/media.h"
#include "controlplane/ng/value.h"

enum {
	SL_NG_MAX_FROM_TAGS = 16,
	SL_NG_SUITE_UNKNOWN =
	        31, /* bit of sdes_only for suites that we do not know: "only" those leaves none */
	SL_NG_LIST_DEFAULT = 32,
};

#define SL_NG_NOT_GIVEN INT64_MIN

enum sl_ng_flag {
	SL_NG_ALL = 1 << 0,
	SL_NG_DIRECTIONAL = 1 << 1,
	SL_NG_FATAL = 1 << 2,
	SL_NG_LOAD_LIMIT = 1 << 3, /* the proxy understands a "load limit" result */
	SL_NG_PAUSE = 1 << 4,
	SL_NG_DTMF_OFF = 1 << 5, /* "DTMF-security": do not block */
};

/* Zeroed, then sl_ng_read_flags(). Slices live as long as the request's text and arena. */
struct sl_ng_asked {
	struct sl_media_request media; /* call_id, tags, sdp, options */
	uint32_t flags;                /* enum sl_ng_flag */
	unsigned n_from_tags;
	struct sl_slice from_tags[SL_NG_MAX_FROM_TAGS];
	struct sl_slice label, set_label, to_label; /* options.label is made of them by each command */
	struct sl_ip address;                       /* zero = none */
	struct sl_slice file, clip, blob, db_id, output, format;
	int64_t repeat_times, start_ms, code, duration_ms, volume, pause_ms; /* or SL_NG_NOT_GIVEN */
	int64_t limit;
	char warning[SL_MEDIA_TEXT_MAX]; /* what is asked for and not done; empty = nothing */
	char error[SL_MEDIA_TEXT_MAX];   /* a known key with a value that makes no sense; empty = none */
};

void sl_ng_read_flags(struct sl_ng_asked *q, struct sl_ng_arena *a, const struct sl_ng_value *dictionary);

/* ---- between flags*.c ---- */

/* A request being read. In the raw string what comes later overrides, elsewhere the first of a name stays. */
struct sl_ng_reading {
	struct sl_ng_asked *q;
	struct sl_ng_arena *arena;
	bool overriding;
};
void sl_ng_read_dictionary(struct sl_ng_reading *r, const struct sl_ng_value *dictionary);
/* One string of "flags". */
void sl_ng_read_flag(struct sl_ng_reading *r, struct sl_slice flag);
/* The raw string as a dictionary, in the arena; transport words and directions are made keys. */
struct sl_ng_value *sl_ng_rtpp_dictionary(struct sl_ng_arena *a, struct sl_slice raw);
/* Each string of a list, or the one string that v is. */
void sl_ng_each(struct sl_ng_reading *r, const struct sl_ng_value *v,
        void (*take)(struct sl_ng_reading *r, struct sl_slice s));
void sl_ng_warn(struct sl_ng_reading *r, const char *what);
void sl_ng_wrong(struct sl_ng_reading *r, const char *key, struct sl_slice value);
void sl_ng_ignored(const char *where, struct sl_slice what);
/* The lists that may be keys, or prefixes in "flags". */
void sl_ng_take_replace(struct sl_ng_reading *r, struct sl_slice s);
void sl_ng_take_sdes(struct sl_ng_reading *r, struct sl_slice s);
void sl_ng_take_mux(struct sl_ng_reading *r, struct sl_slice s);
void sl_ng_take_t38(struct sl_ng_reading *r, struct sl_slice s);
void sl_ng_take_learning(struct sl_ng_reading *r, struct sl_slice s);
void sl_ng_take_codec(struct sl_ng_reading *r, struct sl_slice operation, struct sl_slice codec);
void sl_ng_take_from_tag(struct sl_ng_reading *r, struct sl_slice s);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Records of the journal are written and read through this: a cursor each way whose error sticks and is looked at once, at
 * the end. Numbers are the machine's own (a record never leaves it); texts have a length of 16 bits in front. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "controlplane/media/sdp.h"

struct sl_blob_out {
	uint8_t *p, *end;
	bool full;
};
struct sl_blob_in {
	const uint8_t *p, *end;
	bool bad;
};

static inline void sl_blob_put(struct sl_blob_out *o, const void *data, size_t n)
{
	if ((size_t)(o->end - o->p) < n) {
		o->full = true;
		return;
	}
	if (n)
		memcpy(o->p, data, n);
	o->p += n;
}

static inline void sl_blob_get(struct sl_blob_in *in, void *data, size_t n)
{
	if ((size_t)(in->end - in->p) < n) {
		in->bad = true;
		memset(data, 0, n);
		return;
	}
	memcpy(data, in->p, n);
	in->p += n;
}

/* Any POD variable. */
#define sl_blob_put_var(o, var) sl_blob_put(o, &(var), sizeof(var))
#define sl_blob_get_var(in, var) sl_blob_get(in, &(var), sizeof(var))

static inline void sl_blob_put_slice(struct sl_blob_out *o, struct sl_slice s)
{
	uint16_t n = (uint16_t)s.n;

	if (s.n > UINT16_MAX) {
		o->full = true;
		return;
	}
	sl_blob_put(o, &n, sizeof n);
	sl_blob_put(o, s.p, n);
}

/* In place: lives as long as what is read. */
static inline struct sl_slice sl_blob_get_slice(struct sl_blob_in *in)
{
	struct sl_slice s = {0};
	uint16_t n;

	sl_blob_get(in, &n, sizeof n);
	if (in->bad || (size_t)(in->end - in->p) < n) {
		in->bad = true;
		return s;
	}
	s.p = (const char *)in->p;
	s.n = n;
	in->p += n;
	return s;
}

/* NUL-terminated, into room bytes; one that does not fit is bad. */
static inline void sl_blob_put_text(struct sl_blob_out *o, const char *text)
{
	struct sl_slice s = {text ? text : "", text ? strlen(text) : 0};

	sl_blob_put_slice(o, s);
}

static inline void sl_blob_get_text(struct sl_blob_in *in, char *out, size_t room)
{
	struct sl_slice s = sl_blob_get_slice(in);

	out[0] = '\0';
	if (s.n >= room || (s.n && memchr(s.p, '\0', s.n))) {
		in->bad = true;
		return;
	}
	if (s.n)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

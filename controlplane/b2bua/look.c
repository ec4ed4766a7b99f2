/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/b2bua/look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/wire/siphash.h"

static bool next_line(struct sl_slice *rest, struct sl_slice *line)
{
	if (rest->n == 0)
		return false;
	const char *end = memchr(rest->p, '\n', rest->n);
	size_t n = end ? (size_t)(end - rest->p) + 1 : rest->n;
	*line = (struct sl_slice){rest->p, n};
	rest->p += n;
	rest->n -= n;
	while (line->n && (line->p[line->n - 1] == '\n' || line->p[line->n - 1] == '\r'))
		line->n--;
	return true;
}

static bool is(struct sl_slice line, const char *text)
{
	size_t n = strlen(text);

	return line.n == n && memcmp(line.p, text, n) == 0;
}

static bool begins(struct sl_slice line, const char *text)
{
	size_t n = strlen(text);

	return line.n >= n && memcmp(line.p, text, n) == 0;
}

/* What is said of one section. */
struct section {
	bool rejected, held;
	unsigned n_types, n_events;
};

/* "m=audio 49170 RTP/SAVP 0": port, transport and payload types. */
static void media_line(struct sl_slice line, struct look *out, struct section *x)
{
	struct sl_slice word[3] = {{0}};
	unsigned k = 0;
	size_t at = 2;

	while (at < line.n) {
		size_t n = 0;
		while (at + n < line.n && line.p[at + n] != ' ')
			n++;
		if (k < 3)
			word[k++] = (struct sl_slice){line.p + at, n};
		else
			x->n_types += n > 0;
		at += n + 1;
	}
	out->n_media++;
	x->rejected = is(word[1], "0");
	if (x->rejected) {
		out->n_rejected++;
		return;
	}
	struct sl_slice proto = word[2];
	bool feedback = proto.n && proto.p[proto.n - 1] == 'F';
	if (begins(proto, "UDP/TLS/"))
		out->dtls = true;
	else if (begins(proto, "RTP/SAVP"))
		out->secure = true;
	else if (begins(proto, "RTP/AVP"))
		out->plain = true;
	out->feedback |= feedback && begins(proto, "RTP/");
}

static int direction_of(struct sl_slice line)
{
	if (is(line, "a=sendonly") || is(line, "a=inactive"))
		return 1;
	return is(line, "a=sendrecv") || is(line, "a=recvonly") ? 0 : -1;
}

static bool names_events(struct sl_slice line)
{
	const char *p = begins(line, "a=rtpmap:") ? memchr(line.p, ' ', line.n) : NULL;

	return p && begins((struct sl_slice){p + 1, line.n - (size_t)(p + 1 - line.p)}, "telephone-event/");
}

static void section_over(const struct section *x, struct look *out, bool *any, bool *all)
{
	if (x->rejected)
		return;
	*any = true;
	*all &= x->held;
	out->n_mute += x->n_events && x->n_events == x->n_types;
}

void sl_look(struct sl_slice sdp, struct look *out)
{
	struct section x = {.rejected = true};
	struct sl_slice line;
	bool in_media = false, session_held = false, any = false, all = true;

	*out = (struct look){0};
	while (next_line(&sdp, &line)) {
		int d = is(line, "c=IN IP4 0.0.0.0") ? 1 : direction_of(line); /* RFC 3264 8.4, as of old */
		if (begins(line, "m=")) {
			section_over(&x, out, &any, &all);
			x = (struct section){.held = session_held};
			media_line(line, out, &x);
			in_media = true;
		} else if (d >= 0) {
			x.held = d;
			if (!in_media)
				session_held = d;
		} else if (names_events(line)) {
			x.n_events++;
		} else if (begins(line, "a=fingerprint:") && out->secure) {
			out->dtls = true;
		}
	}
	section_over(&x, out, &any, &all);
	out->held = any && all;
}

/* ---- the origin ---- */

/* "o=user id version IN IP4 address": from where the network type begins. */
static struct sl_slice address_of(struct sl_slice line)
{
	unsigned blanks = 0;

	for (size_t i = 2; i < line.n; i++) {
		if (line.p[i] == ' ' && ++blanks == 3)
			return (struct sl_slice){line.p + i + 1, line.n - i - 1};
	}
	return (struct sl_slice){0};
}

static bool put(char *out, size_t room, size_t *at, const char *p, size_t n)
{
	if (room - *at < n)
		return false;
	memcpy(out + *at, p, n);
	*at += n;
	return true;
}

int sl_origin_write(struct origin *o, struct sl_slice sdp, char *out, size_t room)
{
	static const struct sl_siphash_key key = {1, 2}; /* equality of our own texts: nobody gains by a collision */
	struct sl_slice rest = sdp, line, address = {0};
	size_t at = 0, skip = 0;

	while (next_line(&rest, &line)) { /* v= and o= come first */
		if (begins(line, "o=")) {
			address = address_of(line);
			skip = (size_t)(rest.p - sdp.p);
			break;
		}
		if (begins(line, "m="))
			break;
	}
	if (address.n == 0)
		return -EINVAL;
	uint64_t hash = sl_siphash(&key, sdp.p + skip, sdp.n - skip);
	uint32_t version = o->version + (o->version == 0 || hash != o->hash);
	char origin[96];
	int n = snprintf(origin, sizeof origin, "v=0\r\no=- %llu %u ", (unsigned long long)o->id, version);
	if (!put(out, room, &at, origin, (size_t)n) || !put(out, room, &at, address.p, address.n) || !put(out, room, &at, "\r\n", 2))
		return -ENOSPC;
	if (begins(rest, "s=")) { /* the session's name may be the other side's product or worse */
		next_line(&rest, &line);
		if (!put(out, room, &at, "s=-\r\n", 5))
			return -ENOSPC;
	}
	if (!put(out, room, &at, rest.p, rest.n))
		return -ENOSPC;
	o->hash = hash;
	o->version = version;
	return (int)at;
}

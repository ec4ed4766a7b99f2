/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Tokens of SDP lines, as slices of the text. */

#include "controlplane/media/sdp_internal.h"

#include <strings.h>

enum { MAX_PT = 127 };

struct sl_slice sl_sdp_trim(struct sl_slice s)
{
	while (s.n > 0 && sl_sdp_is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && sl_sdp_is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct sl_slice sl_sdp_token(struct sl_slice *s)
{
	size_t from = 0, to;

	while (from < s->n && sl_sdp_is_blank(s->p[from]))
		from++;
	for (to = from; to < s->n && !sl_sdp_is_blank(s->p[to]);)
		to++;
	struct sl_slice token = {s->p + from, to - from};
	s->p += to;
	s->n -= to;
	return token;
}

struct sl_slice sl_sdp_last_token(struct sl_slice *s)
{
	size_t from, to = s->n;

	while (to > 0 && sl_sdp_is_blank(s->p[to - 1]))
		to--;
	for (from = to; from > 0 && !sl_sdp_is_blank(s->p[from - 1]);)
		from--;
	s->n = from;
	return (struct sl_slice){s->p + from, to - from};
}

struct sl_slice sl_sdp_until(struct sl_slice *s, char c)
{
	const char *at = s->n > 0 ? memchr(s->p, c, s->n) : NULL;
	struct sl_slice head = {s->p, at ? (size_t)(at - s->p) : s->n};
	size_t used = head.n + (at != NULL);

	s->p += used;
	s->n -= used;
	return head;
}

bool sl_sdp_number(struct sl_slice s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(s.p[i] - '0');
		if (digit > 9 || digit > max || v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

int sl_sdp_value_pt(struct sl_slice *value)
{
	struct sl_slice token = sl_sdp_token(value);
	uint64_t pt;

	return sl_sdp_number(token, MAX_PT, &pt) ? (int)pt : -1;
}

bool sl_sdp_address(struct sl_slice s, struct sl_ip *out)
{
	static const struct sl_ip unspecified;
	char text[INET6_ADDRSTRLEN];
	struct sl_slice address = sl_sdp_until(&s, '/'); /* TTL and count of multicast groups */

	if (address.n == 0 || address.n >= sizeof text)
		return false;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	if (sl_ip_parse(text, out) != 0)
		return false;
	if (sl_ip_is_v4(out) && sl_ip_v4_be(out) == INADDR_ANY)
		*out = unspecified;
	return true;
}

bool sl_slice_is(struct sl_slice s, const char *text)
{
	return strlen(text) == s.n && (s.n == 0 || strncasecmp(s.p, text, s.n) == 0);
}

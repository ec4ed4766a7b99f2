/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The session description of a message: its body, or the part of a multipart body that is one (RFC 5621), as emergency calls and
 * gateways send them. */

#include "controlplane/sip/leg_internal.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

enum { BOUNDARY_MAX = 70, PARTS_MAX = 8 }; /* RFC 2046 5.1.1 */

/* "--" and the boundary of a multipart type; 0 = none. */
static size_t delimiter(const sip_content_type_t *type, char out[BOUNDARY_MAX + 3])
{
	const char *b = NULL;
	size_t n;

	for (const msg_param_t *p = type->c_params; p && *p; p++) {
		if (strncasecmp(*p, "boundary=", 9) == 0)
			b = *p + 9;
	}
	if (b == NULL)
		return 0;
	n = strlen(b);
	if (n >= 2 && b[0] == '"' && b[n - 1] == '"') {
		b++;
		n -= 2;
	}
	if (n == 0 || n > BOUNDARY_MAX)
		return 0;
	return (size_t)snprintf(out, BOUNDARY_MAX + 3, "--%.*s", (int)n, b);
}

/* Does the part's head say application/sdp? A part without a type is text. */
static bool head_is_sdp(const char *head, const char *end)
{
	while (head < end) {
		const char *line_end = memmem(head, (size_t)(end - head), "\r\n", 2);
		size_t n = (size_t)((line_end ? line_end : end) - head);
		size_t at = n > 13 && strncasecmp(head, "Content-Type:", 13) == 0 ? 13 : n > 2 && strncasecmp(head, "c:", 2) == 0 ? 2 : 0;

		if (at) {
			while (at < n && (head[at] == ' ' || head[at] == '\t'))
				at++;
			return n - at >= sizeof LEG_SDP - 1 && strncasecmp(head + at, LEG_SDP, sizeof LEG_SDP - 1) == 0;
		}
		if (line_end == NULL)
			break;
		head = line_end + 2;
	}
	return false;
}

static int part_of(const sip_content_type_t *type, const char *p, const char *end, struct sl_slice *out)
{
	char mark[BOUNDARY_MAX + 3];
	size_t n = delimiter(type, mark);

	if (n == 0 || (p = memmem(p, (size_t)(end - p), mark, n)) == NULL)
		return -EPROTO;
	for (unsigned i = 0; i < PARTS_MAX; i++) {
		p += n;
		if (end - p < 2 || strncmp(p, "--", 2) == 0)
			break;
		const char *next = memmem(p, (size_t)(end - p), mark, n);
		const char *head_end = next ? memmem(p, (size_t)(next - p), "\r\n\r\n", 4) : NULL;

		if (next == NULL)
			break;
		if (head_end && head_is_sdp(p, head_end + 2)) {
			out->p = head_end + 4;
			/* The line break before the boundary is the boundary's. */
			out->n = next - out->p >= 2 ? (size_t)(next - out->p) - 2 : 0;
			return out->n ? 0 : -EPROTO;
		}
		p = next;
	}
	return -EPROTO;
}

int sl_sip_sdp(const sip_t *sip, struct sl_slice *out)
{
	const sip_content_type_t *type = sip->sip_content_type;

	*out = (struct sl_slice){0};
	if (sip->sip_payload == NULL || sip->sip_payload->pl_len == 0)
		return 0;
	const char *p = sip->sip_payload->pl_data;
	size_t n = sip->sip_payload->pl_len;

	if (type && type->c_type && strncasecmp(type->c_type, "multipart/", 10) == 0)
		return part_of(type, p, p + n, out);
	if (type && type->c_type && strcasecmp(type->c_type, LEG_SDP) != 0)
		return -EPROTO;
	*out = (struct sl_slice){ p, n };
	return 0;
}

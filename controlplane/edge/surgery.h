/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What an edge proxy changes in a message: its top Via, its top Route, a header of ours. The text is not parsed further and everything
 * else goes through byte for byte, as with SDP (media/sdp.h). Pure: no allocation. Headers are known by both names and may be folded;
 * of a header with several values on a line only the first is touched. */

#include <stdbool.h>
#include <stddef.h>

#include "controlplane/media/sdp.h"

enum { SL_SURGERY_EDITS_MAX = 16 };

struct sl_head_line {
	size_t at, end;       /* the whole line with its CRLF; at == end: there is none */
	size_t value;         /* where the value begins */
	size_t first_end;     /* of its first element: at a comma, or at the line's end without CRLF and blanks */
	size_t next;          /* where a second element begins; 0 = there is none */
};

/* Of a message that sl_frame_next() found. Offsets are into its text. */
struct sl_head {
	bool request;
	int status;                                 /* of a response */
	struct sl_slice method, uri;                /* of a request */
	size_t start_end;                           /* after the start line */
	size_t end;                                 /* where the empty line begins */
	struct sl_head_line via, route;             /* the first of each */
	struct sl_head_line from, to, call_id, cseq;
	unsigned n_strip;
	struct sl_head_line strip[SL_SURGERY_EDITS_MAX - 6]; /* P-Sluice-Flow and Content-Length, all there are */
};

/* head_len: with the empty line. 0, or -EINVAL: no message, or more lines to be taken out than an honest one has. */
int sl_head_parse(const char *text, size_t head_len, struct sl_head *out);

/* A Via's parts. Slices are of the value; "" = not there. */
struct sl_via {
	struct sl_slice protocol;      /* "SIP/2.0/TLS" */
	struct sl_slice host, port;    /* sent-by */
	struct sl_slice branch;
	struct sl_slice rport, received;             /* the whole parameter, with its semicolon */
	bool has_rport;
};
/* value: one element. 0 or -EINVAL. */
int sl_via_parse(struct sl_slice value, struct sl_via *out);

/* The URI in <> of a Route's element: user, host and port, and the parameters by sl_uri_param(). 0 or -EINVAL. */
struct sl_route {
	struct sl_slice user, host, port, params; /* params: ";lr;to=..." */
};
int sl_route_parse(struct sl_slice value, struct sl_route *out);
/* Value of a parameter without quotes, %-escapes undone, into room bytes. False when it is not there, or does not fit. */
bool sl_param(struct sl_slice params, const char *name, char *out, size_t room);

/* Replace del bytes at `at` by text. */
struct sl_edit {
	size_t at, del;
	struct sl_slice text;
};
struct sl_edits {
	unsigned n;
	struct sl_edit e[SL_SURGERY_EDITS_MAX];
};
/* Any order; edits do not overlap. At one place insertions come first, in the order in which they were noted. */
void sl_edit_note(struct sl_edits *es, size_t at, size_t del, struct sl_slice text);
/* Take the first element of a header out; the line with it when it is the only one. */
void sl_edit_take_first(struct sl_edits *es, const struct sl_head_line *l);
/* Bytes that the edited text has. */
size_t sl_edit_size(const struct sl_edits *es, size_t n);
/* Write it; out has sl_edit_size() bytes. */
void sl_edit_apply(const struct sl_edits *es, const char *text, size_t n, char *out);

static inline struct sl_slice sl_head_value(const char *text, const struct sl_head_line *l)
{
	return (struct sl_slice){text + l->value, l->first_end - l->value};
}
static inline bool sl_head_has(const struct sl_head_line *l)
{
	return l->end > l->at;
}

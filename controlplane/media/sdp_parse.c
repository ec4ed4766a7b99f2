/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SDP text into its lines and what they mean. One pass over the text; BUNDLE groups are resolved at the end, since they
 * name sections that come later. */

#include "controlplane/media/sdp_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "dataplane/wire/rtp.h"

struct parser {
	struct sl_sdp *sdp;
	struct sl_sdp_media *m;  /* the section lines belong to; NULL = the session's */
	bool has_origin;
	enum sl_sdp_direction direction; /* the session's */
	int8_t by_pt[SL_RTP_N_PT];       /* index of the section's codec, -1 = none */
	char *err;
	size_t err_len;
};

__attribute__((format(printf, 3, 4))) static int bad(struct parser *p, int code, const char *format, ...)
{
	va_list ap;
	int n = snprintf(p->err, p->err_len, "line %u: ", p->sdp->n_lines);

	if (n > 0 && (size_t)n < p->err_len) {
		va_start(ap, format);
		vsnprintf(p->err + n, p->err_len - (size_t)n, format, ap);
		va_end(ap);
	}
	return code;
}

struct sl_sdp_m_tokens sl_sdp_m_tokens(struct sl_slice value)
{
	struct sl_sdp_m_tokens t;

	t.type = sl_sdp_token(&value);
	t.port = sl_sdp_token(&value);
	t.proto = sl_sdp_token(&value);
	t.formats = sl_sdp_trim(value);
	return t;
}

static enum sl_sdp_proto proto_of(struct sl_slice s)
{
	static const char *const names[] = {"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP",
		"UDP/TLS/RTP/SAVPF", "udptl"};

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (sl_slice_is(s, names[i]))
			return (enum sl_sdp_proto)i;
	}
	return SL_SDP_OTHER;
}

/* RFC 8866 5.14: with RTP the formats are payload types. */
static int parse_payload_types(struct parser *p, struct sl_slice formats)
{
	struct sl_sdp_media *m = p->m;
	struct sl_slice token;

	memset(p->by_pt, -1, sizeof p->by_pt);
	while (sl_sdp_is_rtp(m->proto) && (token = sl_sdp_token(&formats)).n > 0) {
		uint64_t pt;
		if (!sl_sdp_number(token, SL_RTP_N_PT - 1, &pt))
			return bad(p, -EINVAL, "m= with a payload type that is not 0..127");
		if (p->by_pt[pt] >= 0)
			return bad(p, -EINVAL, "m= names payload type %u twice", (unsigned)pt);
		if (m->n_codecs == SL_SDP_MAX_CODECS)
			return bad(p, -E2BIG, "more than %d payload types", SL_SDP_MAX_CODECS);
		p->by_pt[pt] = (int8_t)m->n_codecs;
		sl_sdp_static_codec(&m->codecs[m->n_codecs++], (uint8_t)pt);
	}
	return 0;
}

/* "49170" or "49170/2" */
static int parse_port(struct parser *p, struct sl_slice port)
{
	struct sl_slice first = sl_sdp_until(&port, '/');
	bool counted = port.p != first.p + first.n;
	uint64_t n, count = 1;

	if (!sl_sdp_number(first, UINT16_MAX, &n))
		return bad(p, -EINVAL, "m= without a port of 0..65535");
	if (counted && (!sl_sdp_number(port, UINT16_MAX, &count) || count == 0))
		return bad(p, -EINVAL, "m= with a count of ports that is not 1..65535");
	p->m->port = (uint16_t)n;
	p->m->n_ports = (uint16_t)count;
	return 0;
}

/* What has to wait until the section's last line: its address may stand behind what uses it. */
static void finish_media(struct parser *p, unsigned end_line)
{
	struct sl_sdp_media *m = p->m;

	if (!m)
		return;
	m->n_lines = end_line - m->first_line;
	if (!m->has_connection)
		m->connection = p->sdp->connection;
	if (!sl_sdp_is_rtp(m->proto) || m->port == 0 || m->rtcp_mux_only) {
		memset(&m->rtcp, 0, sizeof m->rtcp);
		return;
	}
	if (!m->has_rtcp && m->port < UINT16_MAX)
		m->rtcp.port_be = htons((uint16_t)(m->port + 1));
	if (!m->rtcp_own_ip)
		m->rtcp.ip = m->connection;
}

static int parse_m(struct parser *p, struct sl_slice value)
{
	struct sl_sdp *sdp = p->sdp;
	struct sl_sdp_m_tokens t = sl_sdp_m_tokens(value);

	finish_media(p, sdp->n_lines - 1);
	if (sdp->n_media == SL_SDP_MAX_MEDIA)
		return bad(p, -E2BIG, "more than %d media sections", SL_SDP_MAX_MEDIA);
	if (t.proto.n == 0)
		return bad(p, -EINVAL, "m= is not \"m=media port protocol formats\"");
	struct sl_sdp_media *m = p->m = &sdp->media[sdp->n_media++];
	memset(m, 0, sizeof *m);
	m->type = t.type;
	m->proto_text = t.proto;
	m->proto = proto_of(t.proto);
	m->first_line = sdp->n_lines - 1;
	m->bundle = -1;
	m->direction = p->direction;
	m->has_ice = sdp->has_ice;
	m->has_fingerprint = sdp->has_fingerprint;
	int r = parse_port(p, t.port);
	if (r == 0 && t.formats.n == 0 && m->port != 0)
		r = bad(p, -EINVAL, "m= names no format");
	return r == 0 ? parse_payload_types(p, t.formats) : r;
}

/* c=IN IP4 address. Of several in a section (layered multicast) the first counts. */
static int parse_c(struct parser *p, struct sl_slice value)
{
	struct sl_slice net = sl_sdp_token(&value);
	struct sl_slice type = sl_sdp_token(&value);
	struct sl_ip ip;

	if (!sl_slice_is(net, "IN") || (!sl_slice_is(type, "IP4") && !sl_slice_is(type, "IP6")))
		return bad(p, -EINVAL, "c= is neither IN IP4 nor IN IP6");
	if (!sl_sdp_address(sl_sdp_token(&value), &ip))
		return bad(p, -EINVAL, "c= without an IP address (host names are not looked up)");
	if (!p->m) {
		if (!p->sdp->has_connection)
			p->sdp->connection = ip;
		p->sdp->has_connection = true;
	} else if (!p->m->has_connection) {
		p->m->connection = ip;
		p->m->has_connection = true;
	}
	return 0;
}

/* o=user id version IN IP4 address; read from its end, since some put blanks into the user's name. */
static int parse_o(struct parser *p, struct sl_slice value)
{
	enum { TOKENS_BEHIND_USER = 5 };

	if (p->m || p->has_origin)
		return bad(p, -EINVAL, "a second o=");
	for (unsigned i = 0; i < TOKENS_BEHIND_USER; i++) {
		if (sl_sdp_last_token(&value).n == 0)
			return bad(p, -EINVAL, "o= is not \"o=user id version IN IP4 address\"");
	}
	p->sdp->origin_user = sl_sdp_trim(value);
	p->has_origin = true;
	return 0;
}

static void parse_session_attribute(struct parser *p, struct sl_slice line)
{
	struct sl_slice value;
	enum sl_sdp_attribute a = sl_sdp_attribute(line, &value);

	if (sl_sdp_is_direction(a))
		p->direction = sl_sdp_direction_of(a);
	else if (sl_sdp_is_ice(a))
		p->sdp->has_ice = true;
	else if (a == SL_SDP_A_FINGERPRINT)
		p->sdp->has_fingerprint = true;
}

static int parse_a(struct parser *p, struct sl_slice line)
{
	const char *wrong = NULL;

	if (p->m)
		wrong = sl_sdp_media_attribute(p->m, p->by_pt, line);
	else
		parse_session_attribute(p, line);
	return wrong ? bad(p, -EINVAL, "%s", wrong) : 0;
}

static int parse_line(struct parser *p, const struct sl_sdp_line *l)
{
	struct sl_slice value = sl_sdp_line_value(p->sdp, p->sdp->n_lines - 1);

	if (p->sdp->n_lines == 1 && (l->type != 'v' || !sl_slice_is(sl_sdp_trim(value), "0")))
		return bad(p, -EINVAL, "not v=0");
	switch (l->type) {
	case 'v':
		return p->sdp->n_lines == 1 ? 0 : bad(p, -EINVAL, "a second v=");
	case 'o':
		return parse_o(p, value);
	case 's':
		if (!p->m)
			p->sdp->session_name = value;
		return 0;
	case 'c':
		return parse_c(p, value);
	case 'm':
		return parse_m(p, value);
	case 'a':
		return parse_a(p, value);
	default:
		return 0;
	}
}

/* The line at `at`, without its end; *next is where the following one begins. */
static int take_line(struct parser *p, size_t at, size_t *next)
{
	struct sl_sdp *sdp = p->sdp;
	const char *from = sdp->text + at;
	const char *end = memchr(from, '\n', sdp->len - at);
	size_t n = end ? (size_t)(end - from) : sdp->len - at;

	*next = at + n + (end != NULL);
	if (sdp->n_lines == SL_SDP_MAX_LINES)
		return bad(p, -E2BIG, "more than %d lines", SL_SDP_MAX_LINES);
	if (sdp->n_lines == 0)
		sdp->crlf = !end || (n > 0 && from[n - 1] == '\r');
	while (n > 0 && from[n - 1] == '\r')
		n--;
	struct sl_sdp_line *l = &sdp->lines[sdp->n_lines++];
	*l = (struct sl_sdp_line){.at = (uint32_t)at, .n = (uint32_t)n};
	if (n > SL_SDP_MAX_LINE_BYTES)
		return bad(p, -E2BIG, "longer than %d bytes", SL_SDP_MAX_LINE_BYTES);
	if (n == 0) /* some end with an empty line */
		return 0;
	if (memchr(from, '\0', n) || memchr(from, '\r', n))
		return bad(p, -EINVAL, "a NUL or carriage return inside the line"); /* others would read other lines */
	if (n < 2 || from[1] != '=') {
		struct sl_slice rest = sl_sdp_trim((struct sl_slice){from, n});
		return rest.n == 0 ? 0 : bad(p, -EINVAL, "not of the form x=value");
	}
	l->type = from[0];
	return 0;
}

/* a=group:BUNDLE (RFC 8843 7): the first section named that is not rejected lends the others its transport. */
static void resolve_group(struct sl_sdp *sdp, struct sl_slice mids)
{
	int members[SL_SDP_MAX_MEDIA], n = 0, tagged = -1;
	struct sl_slice mid;

	/* More names than there can be sections are not a group but a bomb. */
	for (unsigned k = 0; k < SL_SDP_MAX_MEDIA && (mid = sl_sdp_token(&mids)).n > 0; k++) {
		for (unsigned i = 0; i < sdp->n_media; i++) {
			const struct sl_sdp_media *m = &sdp->media[i];
			if (m->mid.n != mid.n || memcmp(m->mid.p, mid.p, mid.n) != 0)
				continue;
			members[n++] = (int)i;
			if (tagged < 0 && m->port != 0)
				tagged = (int)i;
			break;
		}
	}
	for (int i = 0; i < n && tagged >= 0; i++) {
		struct sl_sdp_media *m = &sdp->media[members[i]];
		if (members[i] != tagged && m->bundle < 0 && (m->port != 0 || m->bundle_only))
			m->bundle = tagged;
	}
}

static void resolve_bundles(struct sl_sdp *sdp)
{
	unsigned end = sdp->n_media > 0 ? sdp->media[0].first_line : sdp->n_lines;

	for (unsigned i = 0; i < end; i++) {
		struct sl_slice value;
		if (sdp->lines[i].type == 'a' && sl_sdp_attribute(sl_sdp_line_value(sdp, i), &value) == SL_SDP_A_GROUP &&
				sl_slice_is(sl_sdp_token(&value), "BUNDLE"))
			resolve_group(sdp, value);
	}
}

static int parse_all(struct parser *p)
{
	struct sl_sdp *sdp = p->sdp;
	int r = 0;

	if (sdp->len > SL_SDP_MAX_BYTES) {
		snprintf(p->err, p->err_len, "SDP of more than %d bytes", SL_SDP_MAX_BYTES);
		return -E2BIG;
	}
	for (size_t at = 0; at < sdp->len && r == 0;) {
		r = take_line(p, at, &at);
		if (r == 0)
			r = parse_line(p, &sdp->lines[sdp->n_lines - 1]);
	}
	if (r == 0 && !p->has_origin)
		r = bad(p, -EINVAL, "the SDP ends without an o=");
	if (r == 0) {
		finish_media(p, sdp->n_lines);
		resolve_bundles(sdp);
	}
	return r;
}

int sl_sdp_parse(struct sl_sdp *out, const char *text, size_t len, char *err, size_t err_len)
{
	struct parser p = {.sdp = out, .err = err, .err_len = err_len};

	/* Arrays are filled as far as they are used: clearing 150 KB would take longer than parsing. */
	memset(&out->connection, 0, sizeof out->connection);
	memset(&out->origin_user, 0, sizeof out->origin_user);
	memset(&out->session_name, 0, sizeof out->session_name);
	out->text = text;
	out->len = len;
	out->crlf = true;
	out->has_connection = out->has_ice = out->has_fingerprint = false;
	out->n_lines = out->n_media = 0;
	int r = parse_all(&p);
	if (r != 0) {
		sl_sdp_wipe(out);
		out->n_lines = out->n_media = 0;
	}
	return r;
}

void sl_sdp_wipe(struct sl_sdp *sdp)
{
	for (unsigned i = 0; i < sdp->n_media; i++)
		explicit_bzero(sdp->media[i].crypto, sizeof sdp->media[i].crypto);
}

bool sl_sdp_has_attribute(const struct sl_sdp *sdp, const char *value)
{
	unsigned end = sdp->n_media > 0 ? sdp->media[0].first_line : sdp->n_lines;
	size_t n = strlen(value);

	for (unsigned i = 0; i < end; i++) {
		struct sl_slice line = sl_sdp_trim(sl_sdp_line_value(sdp, i));
		if (sdp->lines[i].type == 'a' && line.n == n && memcmp(line.p, value, n) == 0)
			return true;
	}
	return false;
}

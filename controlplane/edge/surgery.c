/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/edge/surgery.h"

#include "controlplane/edge/edge.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n'; /* a fold is white space */
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct sl_slice slice(const char *p, size_t n)
{
	return (struct sl_slice){p, n};
}

static struct sl_slice trim(struct sl_slice s)
{
	while (s.n && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool same(struct sl_slice s, const char *name)
{
	return s.n == strlen(name) && strncasecmp(s.p, name, s.n) == 0;
}

/* Where the first of `stops` stands outside quotes and <>, from `at` on; n when nowhere. */
static size_t find(const char *p, size_t at, size_t n, const char *stops)
{
	bool quoted = false, angle = false;

	for (; at < n; at++) {
		char c = p[at];

		if (quoted) {
			if (c == '\\' && at + 1 < n)
				at++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (angle) {
			angle = c != '>';
		} else if (c != '\0' && strchr(stops, c)) {
			return at;
		} else if (c == '<') {
			angle = true;
		}
	}
	return n;
}

/* ---- head ---- */

static void note_line(const char *text, size_t at, size_t value, size_t end, struct sl_head_line *l)
{
	struct sl_slice v;

	if (sl_head_has(l))
		return; /* the first counts */
	l->at = at;
	l->end = end;
	v = trim(slice(text + value, end - value));
	l->value = v.n ? (size_t)(v.p - text) : value;
	l->first_end = find(text, l->value, l->value + v.n, ",");
	l->next = 0;
	if (l->first_end < l->value + v.n) {
		l->next = l->first_end + 1;
		while (l->next < l->value + v.n && is_space(text[l->next]))
			l->next++;
		l->first_end = l->value + trim(slice(text + l->value, l->first_end - l->value)).n;
	}
}

static int header(const char *text, size_t at, size_t end, struct sl_head *h)
{
	const char *colon = memchr(text + at, ':', end - at);
	struct sl_slice name;
	size_t value;

	if (!colon)
		return 0; /* the parser behind says what is wrong with it */
	name = trim(slice(text + at, (size_t)(colon - text) - at));
	value = (size_t)(colon - text) + 1;
	if (same(name, SL_EDGE_FLOW_HEADER) || same(name, "Content-Length") || same(name, "l")) {
		if (h->n_strip == sizeof h->strip / sizeof h->strip[0])
			return -EINVAL;
		note_line(text, at, value, end, &h->strip[h->n_strip++]);
		return 0;
	}
	struct sl_head_line *l = same(name, "Via") || same(name, "v") ? &h->via : same(name, "Route") ? &h->route
	        : same(name, "From") || same(name, "f") ? &h->from : same(name, "To") || same(name, "t") ? &h->to
	        : same(name, "Call-ID") || same(name, "i") ? &h->call_id : same(name, "CSeq") ? &h->cseq : NULL;

	if (l)
		note_line(text, at, value, end, l);
	return 0;
}

static int start_line(const char *text, size_t n, struct sl_head *h)
{
	const char *space = memchr(text, ' ', n), *last = NULL;
	struct sl_slice rest;

	if (!space || space == text)
		return -EINVAL;
	rest = trim(slice(space, n - (size_t)(space - text)));
	if (n > 4 && strncasecmp(text, "SIP/", 4) == 0) {
		if (rest.n < 3 || !is_digit(rest.p[0]) || !is_digit(rest.p[1]) || !is_digit(rest.p[2]))
			return -EINVAL;
		h->status = (rest.p[0] - '0') * 100 + (rest.p[1] - '0') * 10 + rest.p[2] - '0';
		return 0;
	}
	if (rest.n)
		last = memrchr(rest.p, ' ', rest.n);
	if (!last)
		return -EINVAL;
	h->request = true;
	h->method = slice(text, (size_t)(space - text));
	h->uri = trim(slice(rest.p, (size_t)(last - rest.p)));
	return 0;
}

int sl_head_parse(const char *text, size_t head_len, struct sl_head *out)
{
	const char *lf;
	size_t at, end;
	int err;

	memset(out, 0, sizeof *out);
	if (head_len < 4 || memcmp(text + head_len - 4, "\r\n\r\n", 4) != 0)
		return -EINVAL;
	out->end = head_len - 2;
	lf = memchr(text, '\n', out->end);
	out->start_end = at = (size_t)(lf - text) + 1;
	err = start_line(text, at, out);
	for (; !err && at < out->end; at = end) {
		end = at;
		do { /* with the lines that it is folded over (RFC 3261 7.3.1) */
			lf = memchr(text + end, '\n', out->end - end);
			end = (size_t)(lf - text) + 1;
		} while (end < out->end && (text[end] == ' ' || text[end] == '\t'));
		err = header(text, at, end, out);
	}
	return err;
}

/* ---- values ---- */

/* The parameter that begins at the semicolon `at`: its name and value; returns where the next begins, or n. */
static size_t next_param(struct sl_slice s, size_t at, struct sl_slice *name, struct sl_slice *value)
{
	size_t end = find(s.p, at + 1, s.n, ";"), equal = find(s.p, at + 1, end, "=");

	*name = trim(slice(s.p + at + 1, equal - at - 1));
	*value = equal < end ? trim(slice(s.p + equal + 1, end - equal - 1)) : slice(s.p + end, 0);
	return end;
}

static void split_host(struct sl_slice hostport, struct sl_slice *host, struct sl_slice *port)
{
	size_t at = 0;

	if (hostport.n && hostport.p[0] == '[') {
		while (at < hostport.n && hostport.p[at] != ']')
			at++;
	}
	while (at < hostport.n && hostport.p[at] != ':')
		at++;
	*host = trim(slice(hostport.p, at));
	*port = at < hostport.n ? trim(slice(hostport.p + at + 1, hostport.n - at - 1)) : slice(hostport.p + at, 0);
}

int sl_via_parse(struct sl_slice v, struct sl_via *out)
{
	size_t params = find(v.p, 0, v.n, ";"), gap = params;
	struct sl_slice left = trim(slice(v.p, params)), name, value;

	memset(out, 0, sizeof *out);
	/* The last blank before sent-by, unless blanks stand around its colon (RFC 3261 25.1: sent-by = host [COLON port]). */
	for (gap = left.n; gap > 0; gap--) {
		if (!is_space(left.p[gap - 1]))
			continue;
		size_t before = gap - 1;

		while (before > 0 && is_space(left.p[before - 1]))
			before--;
		if (before == 0)
			return -EINVAL;
		if (left.p[gap] != ':' && left.p[before - 1] != ':')
			break;
		gap = before + 1;
	}
	if (gap == 0)
		return -EINVAL;
	out->protocol = trim(slice(left.p, gap));
	split_host(slice(left.p + gap, left.n - gap), &out->host, &out->port);
	if (out->host.n == 0 || out->protocol.n < 7)
		return -EINVAL;
	for (size_t at = params, end; at < v.n; at = end) {
		end = next_param(v, at, &name, &value);
		if (same(name, "branch")) {
			out->branch = value;
		} else if (same(name, "rport")) {
			out->rport = slice(v.p + at, end - at);
			out->has_rport = true;
		} else if (same(name, "received")) {
			out->received = slice(v.p + at, end - at);
		}
	}
	return 0;
}

int sl_route_parse(struct sl_slice value, struct sl_route *out)
{
	const char *open = memchr(value.p, '<', value.n), *close, *at;
	struct sl_slice uri;
	size_t params;

	memset(out, 0, sizeof *out);
	close = open ? memchr(open, '>', value.n - (size_t)(open - value.p)) : NULL;
	if (!close || close - open < 6 || strncasecmp(open + 1, "sip:", 4) != 0)
		return -EINVAL;
	uri = slice(open + 5, (size_t)(close - open) - 5);
	at = memchr(uri.p, '@', uri.n);
	if (at) {
		out->user = slice(uri.p, (size_t)(at - uri.p));
		uri.n -= out->user.n + 1;
		uri.p = at + 1;
	}
	params = find(uri.p, 0, uri.n, ";?");
	split_host(slice(uri.p, params), &out->host, &out->port);
	out->params = slice(uri.p + params, uri.n - params);
	return out->host.n ? 0 : -EINVAL;
}

static int hex(char c)
{
	return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool unescape(struct sl_slice v, char *out, size_t room)
{
	size_t n = 0;

	if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
		v = slice(v.p + 1, v.n - 2);
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '%' && i + 2 < v.n && hex(v.p[i + 1]) >= 0 && hex(v.p[i + 2]) >= 0) {
			c = (char)(hex(v.p[i + 1]) << 4 | hex(v.p[i + 2]));
			i += 2;
		}
		if (c == '\0' || n + 1 >= room)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

bool sl_param(struct sl_slice params, const char *name, char *out, size_t room)
{
	struct sl_slice n, v;

	for (size_t at = 0, end; at < params.n && params.p[at] == ';'; at = end) {
		end = next_param(params, at, &n, &v);
		if (same(n, name))
			return unescape(v, out, room);
	}
	return false;
}

/* ---- edits ---- */

void sl_edit_note(struct sl_edits *es, size_t at, size_t del, struct sl_slice text)
{
	unsigned i = es->n++;

	for (; i > 0 && (es->e[i - 1].at > at || (es->e[i - 1].at == at && del == 0 && es->e[i - 1].del > 0)); i--)
		es->e[i] = es->e[i - 1];
	es->e[i] = (struct sl_edit){at, del, text};
}

void sl_edit_take_first(struct sl_edits *es, const struct sl_head_line *l)
{
	if (!sl_head_has(l))
		return;
	if (l->next)
		sl_edit_note(es, l->value, l->next - l->value, slice("", 0));
	else
		sl_edit_note(es, l->at, l->end - l->at, slice("", 0));
}

size_t sl_edit_size(const struct sl_edits *es, size_t n)
{
	for (unsigned i = 0; i < es->n; i++)
		n = n - es->e[i].del + es->e[i].text.n;
	return n;
}

void sl_edit_apply(const struct sl_edits *es, const char *text, size_t n, char *out)
{
	size_t at = 0;

	for (unsigned i = 0; i < es->n; i++) {
		const struct sl_edit *e = &es->e[i];

		memcpy(out, text + at, e->at - at);
		out += e->at - at;
		memcpy(out, e->text.p, e->text.n);
		out += e->text.n;
		at = e->at + e->del;
	}
	memcpy(out, text + at, n - at);
}

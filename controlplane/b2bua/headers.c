/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/b2bua/headers.h"

#include <ctype.h>
#include <strings.h>

#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>

enum { TRUSTED = 1, MASKED = 2 };

#define ALL (PASS_INVITE | PASS_RESPONSE | PASS_INSIDE | PASS_OUTSIDE)

static const struct {
	const char *name;
	uint8_t kinds, flags;
} passing[] = {
	{"Subject", PASS_INVITE | PASS_OUTSIDE, 0},
	{"Priority", PASS_INVITE | PASS_OUTSIDE, 0},
	{"Alert-Info", PASS_INVITE | PASS_RESPONSE, 0},
	{"Call-Info", PASS_INVITE | PASS_RESPONSE | PASS_INSIDE, 0},
	{"Answer-Mode", PASS_INVITE | PASS_RESPONSE, 0},
	{"Priv-Answer-Mode", PASS_INVITE | PASS_RESPONSE, 0},
	{"Accept-Language", PASS_INVITE | PASS_OUTSIDE, 0},
	{"Content-Language", PASS_OUTSIDE, 0},
	{"Date", PASS_INVITE | PASS_OUTSIDE, 0},
	{"Identity", PASS_INVITE, 0}, /* RFC 8224: signed end to end */
	{"User-to-User", ALL | PASS_BYE, 0},
	{"Diversion", PASS_INVITE | PASS_RESPONSE, TRUSTED | MASKED},
	{"History-Info", PASS_INVITE | PASS_RESPONSE, TRUSTED | MASKED},
	{"Referred-By", PASS_INVITE, MASKED},
	{"In-Reply-To", 0, 0}, /* names a Call-ID of the other side */
	{"Geolocation", PASS_INVITE, 0},
	{"Geolocation-Routing", PASS_INVITE, 0},
	{"Resource-Priority", PASS_INVITE, TRUSTED},
	{"P-Early-Media", PASS_INVITE | PASS_RESPONSE, TRUSTED},
	{"Reason", PASS_RESPONSE | PASS_BYE, 0}, /* RFC 3326, in responses RFC 6432 */
	{"Event", PASS_INSIDE | PASS_OUTSIDE, 0},
	{"Subscription-State", PASS_INSIDE, 0},
	{"Expires", PASS_INSIDE | PASS_OUTSIDE, 0},
	{"Accept", PASS_INSIDE | PASS_OUTSIDE, 0},
	{"Info-Package", PASS_INSIDE, 0},
	{"Recv-Info", PASS_INVITE | PASS_RESPONSE | PASS_INSIDE, 0},
	{"Content-Disposition", PASS_INSIDE | PASS_OUTSIDE, 0},
	{"Content-Encoding", PASS_INSIDE | PASS_OUTSIDE, 0},
	{"SIP-ETag", PASS_OUTSIDE, 0},
	{"SIP-If-Match", PASS_OUTSIDE, 0},
};

/* No rule moves these: they are a dialog's, a hop's or an account's, or made by us. */
static const char *const never[] = {
	"Via", "Route", "Record-Route", "Contact", "Call-ID", "CSeq", "From", "To", "Max-Forwards", "Content-Length", "Content-Type",
	"Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info", "Path", "Service-Route",
	"Require", "Supported", "Unsupported", "Proxy-Require", "Allow", "Allow-Events", "RSeq", "RAck", "Session-Expires", "Min-SE",
	"Replaces", "Join", "Refer-To", "Refer-Sub", "Target-Dialog", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Privacy",
	"MIME-Version", "Timestamp", "Security-Client", "Security-Server", "Security-Verify", "P-Sluice-Flow", "P-Sluice-Loop",
};

static bool is_never(const char *name)
{
	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
		if (strcasecmp(name, never[i]) == 0)
			return true;
	}
	return false;
}

/* "X-*" means all that begin so. */
static bool rule_names(const struct sl_prov_header_rule *r, const char *name)
{
	size_t n = strlen(r->name);

	if (n && r->name[n - 1] == '*')
		return strncasecmp(name, r->name, n - 1) == 0;
	return strcasecmp(name, r->name) == 0;
}

static bool has_rule(const struct sl_prov_trunk *t, int what, const char *name)
{
	for (unsigned i = 0; t && i < t->n_header_rules; i++) {
		if ((int)t->header_rules[i].what == what && rule_names(&t->header_rules[i], name))
			return true;
	}
	return false;
}

static int default_of(const char *name, enum pass kind, const struct pass_side *to)
{
	for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
		if (strcasecmp(passing[i].name, name) != 0)
			continue;
		return passing[i].kinds & kind && (to->trusted || !(passing[i].flags & TRUSTED)) ? 1 | passing[i].flags : 0;
	}
	return 0;
}

/* 0, or 1 with flags. */
static int passes(const char *name, enum pass kind, const struct pass_side *from, const struct pass_side *to)
{
	int by_default = default_of(name, kind, to);
	bool ruled = (from->trunk && from->trunk->n_header_rules) || (to->trunk && to->trunk->n_header_rules);

	if (!ruled)
		return by_default;
	if (is_never(name) || has_rule(from->trunk, SL_HR_DENY, name) || has_rule(to->trunk, SL_HR_DENY, name) ||
	        has_rule(to->trunk, SL_HR_SET, name))
		return 0;
	if (by_default)
		return by_default;
	return has_rule(from->trunk, SL_HR_ALLOW, name) || has_rule(to->trunk, SL_HR_ALLOW, name);
}

bool sl_header_passes(const char *name, enum pass kind, const struct pass_side *from, const struct pass_side *to)
{
	return passes(name, kind, from, to) != 0;
}

/* ---- hosts of URIs ---- */

/* Where the host of the URI at p begins, and its length; p stands behind "sip:" or "sips:". */
static const char *host_of(const char *p, size_t *n)
{
	size_t all = strcspn(p, ">?, \t");
	const char *at = memchr(p, '@', all);
	const char *host = at ? at + 1 : p;
	size_t left = all - (size_t)(host - p);

	if (left && *host == '[') {
		const char *end = memchr(host, ']', left);
		*n = end ? (size_t)(end - host) + 1 : left;
	} else {
		*n = 0;
		while (*n < left && !strchr(":;", host[*n]))
			(*n)++;
	}
	while (*n < left && (host[*n] == ':' || isdigit((unsigned char)host[*n]))) /* a port goes with it */
		(*n)++;
	return host;
}

/* Parameters of a URI may name addresses too (maddr, received): only these stay. */
static const char *uri_parameters(struct text *out, const char *p)
{
	while (*p == ';') {
		size_t n = strcspn(p + 1, ";>?,") + 1;
		if (strncasecmp(p, ";user=", 6) == 0 || strncasecmp(p, ";cause=", 7) == 0)
			text_add(out, p, n);
		p += n;
	}
	return p;
}

void sl_headers_mask(struct text *out, const char *value, const char *host)
{
	bool inside = false; /* <>: else parameters are the header's */

	for (const char *p = value; *p;) {
		size_t skip = strncasecmp(p, "sip:", 4) == 0 ? 4 : strncasecmp(p, "sips:", 5) == 0 ? 5 : 0, n;
		if (!skip || (p > value && isalnum((unsigned char)p[-1]))) {
			inside = *p == '<' || (inside && *p != '>');
			text_add(out, p++, 1);
			continue;
		}
		const char *h = host_of(p + skip, &n);
		text_add(out, p, (size_t)(h - p));
		text_put(out, host);
		p = inside ? uri_parameters(out, h + n) : h + n;
	}
}

/* ---- one message ---- */

static void collect_one(struct text *out, const char *name, msg_header_t *h, const char *value)
{
	char field[1024];

	if (!value) {
		issize_t n = msg_header_field_e(field, sizeof field, h, 0);
		if (n < 0 || (size_t)n >= sizeof field)
			return;
		field[n] = '\0';
		value = field;
	}
	if (!strpbrk(value, "\r\n")) /* the parser unfolds; what is left is not ours to send */
		text_line(out, name, value);
}

void sl_headers_collect(struct text *out, const sip_t *sip)
{
	msg_header_t *first = sip ? sip->sip_request ? (msg_header_t *)sip->sip_request : (msg_header_t *)sip->sip_status : NULL;

	for (msg_header_t *h = first; h; h = ((sip_header_t *)h)->sh_common->h_succ) {
		msg_hclass_t *c = ((sip_header_t *)h)->sh_common->h_class;
		bool unknown = c == sip_unknown_class;
		const char *name = unknown ? ((sip_unknown_t *)h)->un_name : c->hc_name;
		if (name && *name && !is_never(name))
			collect_one(out, name, h, unknown ? ((sip_unknown_t *)h)->un_value : NULL);
	}
}

static void set_ours(struct text *out, const struct sl_prov_trunk *to)
{
	for (unsigned i = 0; to && i < to->n_header_rules; i++) {
		const struct sl_prov_header_rule *r = &to->header_rules[i];
		if (r->what == SL_HR_SET && !is_never(r->name) && r->value[0] && !strpbrk(r->value, "\r\n") && !strpbrk(r->name, "\r\n: *"))
			text_line(out, r->name, r->value);
	}
}

/* A line of collected text: its name, its value (both cut out of a copy), and where the next begins. */
static const char *take_line(const char *p, char *name, size_t name_room, char *value, size_t value_room)
{
	const char *end = strstr(p, "\r\n"), *colon = strchr(p, ':');

	if (!end)
		return NULL;
	name[0] = value[0] = '\0';
	if (colon && colon + 1 < end && (size_t)(colon - p) < name_room && (size_t)(end - colon) - 2 < value_room) {
		snprintf(name, name_room, "%.*s", (int)(colon - p), p);
		snprintf(value, value_room, "%.*s", (int)(end - colon - 2), colon + 2);
	}
	return end + 2;
}

void sl_headers_filter(struct text *out, const char *lines, enum pass kind, const struct pass_side *from, const struct pass_side *to,
        const char *host)
{
	char name[64], value[1100];

	for (const char *p = lines; p && *p;) {
		size_t at = out->n;
		p = take_line(p, name, sizeof name, value, sizeof value);
		int how = p && name[0] && !out->full ? passes(name, kind, from, to) : 0;
		if (!how)
			continue;
		if (how & MASKED) {
			text_put(out, name);
			text_put(out, ": ");
			sl_headers_mask(out, value, host);
			text_put(out, "\r\n");
			text_cut(out, at);
		} else {
			text_line(out, name, value);
		}
	}
	set_ours(out, to->trunk);
}

void sl_headers_pass(struct text *out, const sip_t *sip, enum pass kind, const struct pass_side *from, const struct pass_side *to, const char *host)
{
	char room[SL_HEADERS_ROOM];
	struct text lines;

	text_init(&lines, room, sizeof room);
	sl_headers_collect(&lines, sip);
	sl_headers_filter(out, room, kind, from, to, host);
}

const char *sl_header_find(const sip_t *sip, const char *name)
{
	for (const sip_unknown_t *u = sip ? sip->sip_unknown : NULL; u; u = u->un_next) {
		if (u->un_name && strcasecmp(u->un_name, name) == 0)
			return u->un_value;
	}
	return NULL;
}

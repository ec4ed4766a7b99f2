/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/b2bua/identity.h"

#include <errno.h>
#include <strings.h>

#include "controlplane/b2bua/headers.h"

#include <sofia-sip/sip_header.h>
#include <sofia-sip/su_alloc.h>

static const char anonymous_from[] = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

bool sl_identity_is_of(const struct sl_prov_user *user, const char *name)
{
	if (strcmp(name, user->name) == 0)
		return true;
	for (unsigned i = 0; i < user->n_numbers; i++) {
		const char *n = user->numbers[i];
		if (strcmp(name, n) == 0 || (n[0] == '+' && strcmp(name, n + 1) == 0))
			return true;
	}
	return false;
}

/* A display name without quotes and what could end a line. */
static void display_of(const char *in, char *out, size_t room)
{
	size_t at = 0;
	bool quoted = in && in[0] == '"';

	for (const char *p = in ? in + quoted : ""; *p && at + 1 < room; p++) {
		if (quoted && *p == '\\' && p[1])
			p++;
		else if (quoted && *p == '"')
			break;
		if ((unsigned char)*p >= 0x20 && *p != 0x7f)
			out[at++] = *p;
	}
	while (at && (unsigned char)out[at - 1] >= 0x80) { /* a cut UTF-8 sequence is none */
		unsigned char c = (unsigned char)out[at - 1];
		if (at + 1 < room)
			break;
		at--;
		if (c >= 0xc0)
			break;
	}
	out[at] = '\0';
}

/* The first number of a P-Asserted-Identity or P-Preferred-Identity. */
static bool first_of(const char *value, char *user, size_t user_room, char *display, size_t display_room, const struct sl_prov_user *must_be)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_contact_t *c = value ? sip_contact_make(home, value) : NULL; /* the same grammar, and it takes several */
	bool found = false;

	for (; c && !found; c = c->m_next) {
		struct number n;
		if (sl_number_of(c->m_url, &n) < 0 || strlen(n.user) >= user_room || (must_be && !sl_identity_is_of(must_be, n.user)))
			continue;
		text_copy(user, user_room, n.user);
		if (c->m_display && *c->m_display)
			display_of(c->m_display, display, display_room);
		found = true;
	}
	su_home_deinit(home);
	return found;
}

static void privacy_of(const sip_t *sip, struct identity *out)
{
	const sip_privacy_t *p = sip->sip_privacy;

	for (char const *const *v = p ? (char const *const *)p->priv_values : NULL; v && *v; v++) {
		if (strcasecmp(*v, "id") == 0 || strcasecmp(*v, "user") == 0 || strcasecmp(*v, "header") == 0)
			out->anonymous = true;
		else if (strcasecmp(*v, "critical") == 0)
			out->critical = true;
	}
}

static void of_user(const sip_t *sip, const struct sl_prov_user *user, const char *shown, struct identity *out)
{
	out->asserted = true;
	text_copy(out->host, sizeof out->host, user->domain);
	if (!first_of(sl_header_find(sip, "P-Preferred-Identity"), out->user, sizeof out->user, out->display, sizeof out->display, user))
		text_copy(out->user, sizeof out->user, sl_identity_is_of(user, shown) ? shown : user->n_numbers ? user->numbers[0] : user->name);
	text_copy(out->number, sizeof out->number, sl_number_is(out->user) || !user->n_numbers ? out->user : user->numbers[0]);
}

void sl_identity_of(const sip_t *sip, const struct sl_prov_user *user, const struct sl_prov_trunk *trunk, struct identity *out)
{
	struct number n = {0};
	const sip_from_t *f = sip->sip_from;

	*out = (struct identity){0};
	privacy_of(sip, out);
	if (f && sl_number_of(f->a_url, &n) == 0 && f->a_url->url_host && strcasecmp(f->a_url->url_host, "anonymous.invalid") == 0)
		out->anonymous = true;
	if (strcasecmp(n.user, "anonymous") == 0)
		out->anonymous = true;
	if (f && !out->anonymous)
		display_of(f->a_display, out->display, sizeof out->display);
	if (user) {
		of_user(sip, user, n.user, out);
		if (user->display[0])
			display_of(user->display, out->display, sizeof out->display);
		return;
	}
	if (trunk && trunk->trusted &&
	        first_of(sl_header_find(sip, "P-Asserted-Identity"), out->user, sizeof out->user, out->display, sizeof out->display, NULL)) {
		out->asserted = true;
	} else {
		text_copy(out->user, sizeof out->user, n.user);
	}
	text_copy(out->number, sizeof out->number, out->user);
}

static void quoted(struct text *t, const char *display)
{
	if (!display[0])
		return;
	text_put(t, "\"");
	for (; *display; display++) {
		if (*display == '"' || *display == '\\')
			text_put(t, "\\");
		text_add(t, display, 1);
	}
	text_put(t, "\" ");
}

static void uri(struct text *t, const char *user, const char *host)
{
	text_put(t, "<sip:");
	if (user[0]) {
		sl_number_put(t, user);
		text_put(t, "@");
	}
	text_put(t, host);
	text_put(t, sl_number_is(user) && user[0] == '+' ? ";user=phone>" : ">");
}

int sl_identity_from(const struct identity *i, const char *number, const char *host, bool trusted, char *out, size_t room)
{
	struct text t;

	text_init(&t, out, room);
	/* A trusted side gets the assertion and Privacy instead, and From as it came: anonymous if the caller made it so. */
	(void)trusted;
	if (i->anonymous || !number[0]) {
		text_put(&t, anonymous_from);
	} else {
		quoted(&t, i->display);
		uri(&t, number, host);
	}
	return t.full ? -ENOSPC : 0;
}

void sl_identity_headers(const struct identity *i, const char *number, const char *host, bool trusted, struct text *out)
{
	size_t at = out->n;

	if (i->asserted && number[0] && trusted) {
		text_put(out, "P-Asserted-Identity: ");
		quoted(out, i->display);
		uri(out, number, host);
		text_put(out, "\r\n");
		text_cut(out, at);
	}
	if (i->anonymous)
		text_line(out, "Privacy", i->critical ? "id;critical" : "id");
}

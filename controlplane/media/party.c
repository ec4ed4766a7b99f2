/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Calls, their parties and sections as objects: found, made, removed. */

#include "controlplane/media/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

enum sl_media_result sl_media_fail(struct sl_media_error *e, enum sl_media_result code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	return code;
}

bool sl_slice_eq(struct sl_slice s, const char *text)
{
	return strlen(text) == s.n && memcmp(text, s.p, s.n) == 0;
}

void sl_slice_copy(struct sl_slice s, char *out, size_t room)
{
	size_t n = s.n < room ? s.n : room - 1;

	if (n)
		memcpy(out, s.p, n);
	out[n] = '\0';
}

int64_t sl_unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* ---- sessions ---- */

static struct session **chain_of(const struct sl_media *m, const char *call_id, size_t n)
{
	return &m->hash[sl_siphash(&m->hash_key, call_id, n) & (m->hash_size - 1)];
}

struct session *sl_session_find(const struct sl_media *m, struct sl_slice call_id)
{
	struct session *s = *chain_of(m, call_id.p, call_id.n);

	while (s && !sl_slice_eq(call_id, s->pub.call_id))
		s = s->hash_next;
	return s;
}

struct session *sl_session_new(struct sl_media *m, struct sl_slice call_id)
{
	struct session *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	sl_slice_copy(call_id, s->pub.call_id, sizeof s->pub.call_id);
	s->pub.created_unix_ms = s->pub.last_signal_unix_ms = sl_unix_ms();
	s->slot = -1;
	s->index = UINT32_MAX;
	s->worker = UINT8_MAX;
	s->epoch = m->epoch;
	return s;
}

void sl_session_enter(struct sl_media *m, struct session *s)
{
	struct session **chain = chain_of(m, s->pub.call_id, strlen(s->pub.call_id));

	s->index = m->free_sessions[--m->n_free_sessions];
	m->sessions[s->index] = s;
	s->hash_next = *chain;
	*chain = s;
	m->n_sessions++;
}

void sl_session_leave(struct sl_media *m, struct session *s)
{
	struct session **link = chain_of(m, s->pub.call_id, strlen(s->pub.call_id));

	while (*link != s)
		link = &(*link)->hash_next;
	*link = s->hash_next;
	m->sessions[s->index] = NULL;
	m->free_sessions[m->n_free_sessions++] = s->index;
	s->index = UINT32_MAX;
	m->n_sessions--;
}

void sl_party_forget_sdp(struct party *p)
{
	if (p->sdp)
		OPENSSL_cleanse(p->sdp, p->sdp_len); /* keys */
	free(p->sdp);
	p->sdp = NULL;
	p->sdp_len = 0;
}

static void free_party(struct party *p)
{
	sl_party_forget_sdp(p);
	for (unsigned i = 0; i < SL_MEDIA_MAX_SECTIONS; i++) {
		if (p->pub.sections[i])
			OPENSSL_cleanse(p->pub.sections[i], sizeof(struct section)); /* keys */
		free(p->pub.sections[i]);
	}
	free(p);
}

void sl_session_free(struct session *s)
{
	for (unsigned i = 0; i < s->pub.n_parties; i++)
		free_party(party_at(s, i));
	free(s);
}

/* ---- parties ---- */

struct party *sl_party_new(struct session *s, struct sl_slice tag, struct sl_slice via_branch)
{
	struct party *p = s->pub.n_parties < SL_MEDIA_MAX_PARTIES ? calloc(1, sizeof *p) : NULL;

	if (!p)
		return NULL;
	sl_slice_copy(tag, p->pub.tag, sizeof p->pub.tag);
	sl_slice_copy(via_branch, p->pub.via_branch, sizeof p->pub.via_branch);
	p->pub.created_unix_ms = sl_unix_ms();
	p->session = s;
	s->pub.parties[s->pub.n_parties++] = &p->pub;
	return p;
}

void sl_party_remove(struct party *p)
{
	struct sl_media_session *s = &p->session->pub;
	unsigned at = 0;

	while (s->parties[at] != &p->pub)
		at++;
	memmove(s->parties + at, s->parties + at + 1, (--s->n_parties - at) * sizeof s->parties[0]);
	for (unsigned i = 0; i < s->n_parties; i++) {
		struct party *q = (struct party *)s->parties[i];
		q->peer = q->peer == p ? NULL : q->peer;
		for (unsigned k = 0; k < SL_MEDIA_MAX_SECTIONS && q->pub.sections[k]; k++) {
			if (section_at(q, k)->source == p)
				section_at(q, k)->source = NULL;
		}
	}
	free_party(p);
}

struct section *sl_party_section(struct party *p, unsigned i)
{
	if (!p->pub.sections[i])
		p->pub.sections[i] = calloc(1, sizeof(struct section));
	return (struct section *)p->pub.sections[i];
}

/* ---- who is meant ---- */

struct party *sl_party_by_tag(const struct session *s, struct sl_slice tag)
{
	for (unsigned i = 0; tag.n && i < s->pub.n_parties; i++) {
		struct party *p = party_at(s, i);
		if (!p->ending && sl_slice_eq(tag, p->pub.tag))
			return p;
	}
	return NULL;
}

/* A party that was offered something: of a branch; of any, when branch is empty. unnamed: only if it has no
 * tag yet. The latest is meant. */
static struct party *offered_by(
        const struct session *s, const struct party *a, struct sl_slice branch, bool unnamed)
{
	for (unsigned i = s->pub.n_parties; i-- > 0;) {
		struct party *p = party_at(s, i);
		if (p->ending || p == a || (a && p->peer != a) ||
		        p->pub.flags & (SL_PARTY_SUBSCRIBER | SL_PARTY_PUBLISHER) ||
		        (unnamed && p->pub.tag[0]) || (branch.n && !sl_slice_eq(branch, p->pub.via_branch)))
			continue;
		if (branch.n || unnamed || a)
			return p;
	}
	return NULL;
}

struct party *sl_party_by_branch(const struct session *s, struct sl_slice via_branch)
{
	return via_branch.n ? offered_by(s, NULL, via_branch, false) : NULL;
}

void sl_party_of_offer(
        const struct session *s, const struct sl_media_request *q, struct party **from, struct party **to)
{
	const struct sl_slice none = {0};

	*from = sl_party_by_tag(s, q->from_tag);
	*to = sl_party_by_tag(s, q->to_tag);
	/* A re-offer from one whose answer we never saw: it was offered something by whom it names. */
	if (!*from && *to && !(*from = offered_by(s, *to, none, true)))
		return;
	if (*to || !*from)
		return;
	if (q->to_tag.n) /* its tag is new to us; it may be the one that was offered */
		*to = offered_by(s, *from, none, true);
	else if (q->via_branch.n)
		*to = offered_by(s, *from, q->via_branch, false);
	else
		*to = offered_by(s, *from, none, true);
}

struct party *sl_party_of_answer(const struct session *s, struct party *a, const struct sl_media_request *q)
{
	const struct sl_slice none = {0};
	struct party *p = sl_party_by_tag(s, q->to_tag);

	if (p)
		return p->peer == a ? p : NULL;
	if (q->via_branch.n && (p = offered_by(s, a, q->via_branch, false)))
		return p;
	if ((p = offered_by(s, a, none, true)))
		return p;
	/* A proxy behind the same branch has forked: another end answers the same offer. */
	return offered_by(s, a, none, false);
}

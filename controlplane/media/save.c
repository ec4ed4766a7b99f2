/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Sessions in the journal: written whole after every change, read back at start with every field checked. */

#include "controlplane/blob.h"
#include "controlplane/media/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dataplane/abi/log.h"
#include "dataplane/abi/validate.h"

enum {
	RECORD_VERSION = 1,
	RECORD_MAX = 128 * 1024,
	AUX_HEADER_BYTES =
	        64, /* what is ours of the memory beside the slots; then when ports were released */
	NOBODY = 0xff,
};

/* ---- texts: a byte of length; what must be below a limit ---- */

static void put_text(struct sl_blob_out *o, const char *text)
{
	uint8_t n = (uint8_t)strlen(text); /* at most SL_MEDIA_ID_MAX */

	sl_blob_put(o, &n, 1);
	sl_blob_put(o, text, n);
}

static void get_text(struct sl_blob_in *in, char *text, size_t room)
{
	uint8_t n;

	sl_blob_get(in, &n, 1);
	if (n >= room) {
		in->bad = true;
		n = 0;
	}
	sl_blob_get(in, text, n);
	text[n] = '\0';
	in->bad |= strlen(text) != n;
}

static uint8_t get_below(struct sl_blob_in *in, unsigned limit)
{
	uint8_t v;

	sl_blob_get(in, &v, 1);
	if (v >= limit) {
		in->bad = true;
		return 0;
	}
	return v;
}

/* ---- sections: one list of fields for both ways ---- */

/* X(field, its values are below) */
#define SECTION_BYTES(X)                                                                                     \
	X(kind, SL_NEGO_OTHER + 1)                                                                           \
	X(pub.proto, SL_SDP_OTHER + 1)                                                                       \
	X(pub.direction, SL_SDP_INACTIVE + 1)                                                                \
	X(pub.rejected, 2)                                                                                   \
	X(pub.bundled, 2)                                                                                    \
	X(pub.bundle, SL_MEDIA_MAX_SECTIONS)                                                                 \
	X(muted, 2)                                                                                          \
	X(mux_offered, 2)                                                                                    \
	X(mux_only, 2)                                                                                       \
	X(mux_accept, SL_NEGO_NO + 1)                                                                        \
	X(source_at, SL_MEDIA_MAX_SECTIONS)                                                                  \
	X(n_offered, SL_NEGO_SUITES + 1)

static uint8_t index_of(const struct session *s, const struct party *p)
{
	for (unsigned i = 0; p && i < s->pub.n_parties; i++) {
		if (party_at(s, i) == p)
			return (uint8_t)i;
	}
	return NOBODY;
}

static void put_section(struct sl_blob_out *o, const struct session *s, const struct section *x)
{
	uint8_t has_leg = section_has_leg(x), source = index_of(s, x->source);

	put_text(o, x->pub.type);
	put_text(o, x->pub.codec);
#define X(field, limit)                                                                                      \
	{                                                                                                    \
		uint8_t byte = (uint8_t)x->field;                                                            \
		sl_blob_put(o, &byte, 1);                                                                            \
	}
	SECTION_BYTES(X)
#undef X
	sl_blob_put(o, &source, 1);
	sl_blob_put(o, &x->types, sizeof x->types);
	sl_blob_put(o, &x->theirs, sizeof x->theirs);
	sl_blob_put(o, &x->ours, sizeof x->ours);
	sl_blob_put(o, x->offered, x->n_offered * sizeof x->offered[0]);
	put_text(o, x->play.times ? "" : x->play_name);
	sl_blob_put(o, &has_leg, 1);
	if (has_leg)
		sl_blob_put(o, &x->pub.leg.set, sizeof x->pub.leg.set);
}

static void check_key(struct sl_blob_in *in, const struct sl_sdp_crypto *c)
{
	in->bad |= c->key.suite >= SL_SRTP_N_SUITES || c->key.mki_len > SL_SRTP_MKI_MAX;
}

static void get_keys(struct sl_blob_in *in, struct section *x)
{
	sl_blob_get(in, &x->theirs, sizeof x->theirs);
	sl_blob_get(in, &x->ours, sizeof x->ours);
	sl_blob_get(in, x->offered, x->n_offered * sizeof x->offered[0]);
	check_key(in, &x->theirs);
	check_key(in, &x->ours);
	for (unsigned i = 0; i < x->n_offered; i++)
		check_key(in, &x->offered[i]);
}

/* The command it was is what a leg is: the dataplane's own rules say whether it can be sent again. */
static void get_leg(const struct sl_media *m, struct sl_blob_in *in, struct section *x)
{
	struct sl_command cmd = {.h = {.type = SL_CMD_LEG_SET}};
	char text[80];

	sl_blob_get(in, &cmd.leg, sizeof cmd.leg);
	if (in->bad || sl_command_validate(&cmd, text, sizeof text) < 0 ||
	        cmd.leg.leg.address >= m->conf->n_addresses ||
	        (cmd.leg.rtcp_port && cmd.leg.rtcp_port != cmd.leg.leg.port + 1)) {
		in->bad = true;
		return;
	}
	x->pub.leg.set = cmd.leg;
	x->pub.leg.ref = cmd.leg.leg;
	x->pub.leg.rtcp_port = cmd.leg.rtcp_port;
}

static void get_section(const struct sl_media *m, struct sl_blob_in *in, struct section *x, uint8_t *source)
{
	get_text(in, x->pub.type, sizeof x->pub.type);
	get_text(in, x->pub.codec, sizeof x->pub.codec);
#define X(field, limit) x->field = get_below(in, limit);
	SECTION_BYTES(X)
#undef X
	sl_blob_get(in, source, 1);
	/* Not as bools and enumerations: a byte that is neither is no value. */
	uint8_t known;
	_Static_assert(
	        offsetof(struct sl_nego_types, known) == 0, "looked at before the structure is believed");
	known = in->p < in->end ? *in->p : 2;
	in->bad |= known > 1;
	if (in->bad)
		return;
	sl_blob_get(in, &x->types, sizeof x->types);
	in->bad |= x->types.n_clocks > SL_LEG_CLOCKS_MAX;
	get_keys(in, x);
	get_text(in, x->play_name, sizeof x->play_name);
	if (get_below(in, 2))
		get_leg(m, in, x);
}

/* ---- parties and sessions ---- */

static void put_party(struct sl_blob_out *o, const struct session *s, const struct party *p)
{
	uint8_t peer = index_of(s, p->peer), n = (uint8_t)p->pub.n_sections;
	uint16_t sdp_len = (uint16_t)p->sdp_len;

	put_text(o, p->pub.tag);
	put_text(o, p->pub.via_branch);
	put_text(o, p->pub.label);
	put_text(o, p->interface);
	sl_blob_put(o, &p->pub.created_unix_ms, sizeof p->pub.created_unix_ms);
	sl_blob_put(o, &p->pub.flags, sizeof p->pub.flags);
	sl_blob_put(o, &p->offered_ms, sizeof p->offered_ms);
	sl_blob_put(o, &peer, 1);
	sl_blob_put(o, &sdp_len, sizeof sdp_len);
	sl_blob_put(o, p->sdp, sdp_len);
	sl_blob_put(o, &n, 1);
	for (unsigned i = 0; i < n; i++)
		put_section(o, s, section_at(p, i));
}

static void put_session(struct sl_blob_out *o, const struct session *s)
{
	uint8_t n = (uint8_t)s->pub.n_parties, recording = s->pub.recording;

	put_text(o, s->pub.call_id);
	sl_blob_put(o, &s->pub.created_unix_ms, sizeof s->pub.created_unix_ms);
	sl_blob_put(o, &s->pub.last_signal_unix_ms, sizeof s->pub.last_signal_unix_ms);
	sl_blob_put(o, &s->pub.delete_at_ms, sizeof s->pub.delete_at_ms);
	sl_blob_put(o, &s->worker, 1);
	sl_blob_put(o, &recording, 1);
	sl_blob_put(o, &s->record_format, 1);
	put_text(o, s->record_name);
	sl_blob_put(o, &n, 1);
	for (unsigned i = 0; i < n; i++)
		put_party(o, s, party_at(s, i));
}

/* Who is whose peer and source: by index, once all are there. */
struct relations {
	uint8_t peer[SL_MEDIA_MAX_PARTIES], source[SL_MEDIA_MAX_PARTIES][SL_MEDIA_MAX_SECTIONS];
};

static void get_sdp(struct sl_blob_in *in, struct party *p)
{
	uint16_t n;

	sl_blob_get(in, &n, sizeof n);
	if (n > SL_MEDIA_SDP_KEPT || n > in->end - in->p)
		in->bad = true;
	if (in->bad || n == 0 || !(p->sdp = malloc(n)))
		return;
	p->sdp_len = n;
	sl_blob_get(in, p->sdp, n);
}

static void get_party(struct sl_media *m, struct sl_blob_in *in, struct session *s, uint8_t *peer, uint8_t *source)
{
	const struct sl_slice none = {0};
	struct party *p = sl_party_new(s, none, none);

	if (!p) {
		in->bad = true;
		return;
	}
	get_text(in, p->pub.tag, sizeof p->pub.tag);
	get_text(in, p->pub.via_branch, sizeof p->pub.via_branch);
	get_text(in, p->pub.label, sizeof p->pub.label);
	get_text(in, p->interface, sizeof p->interface);
	sl_blob_get(in, &p->pub.created_unix_ms, sizeof p->pub.created_unix_ms);
	sl_blob_get(in, &p->pub.flags, sizeof p->pub.flags);
	sl_blob_get(in, &p->offered_ms, sizeof p->offered_ms);
	sl_blob_get(in, peer, 1);
	get_sdp(in, p);
	unsigned n = get_below(in, SL_MEDIA_MAX_SECTIONS + 1);
	for (unsigned i = 0; i < n && !in->bad; i++) {
		struct section *x = sl_party_section(p, i);
		if (x)
			get_section(m, in, x, &source[i]);
		in->bad |= !x;
		p->pub.n_sections = in->bad ? 0 : i + 1; /* what was not read is not there */
	}
}

static struct party *party_of(struct sl_blob_in *in, const struct session *s, uint8_t at, const struct party *self)
{
	if (at == NOBODY)
		return NULL;
	if (at >= s->pub.n_parties || party_at(s, at) == self) {
		in->bad = true;
		return NULL;
	}
	return party_at(s, at);
}

static void relate(struct sl_blob_in *in, struct session *s, const struct relations *r)
{
	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		struct party *p = party_at(s, k);
		p->peer = party_of(in, s, r->peer[k], p);
		for (unsigned i = 0; i < p->pub.n_sections; i++)
			section_at(p, i)->source = party_of(in, s, r->source[k][i], p);
	}
}

static struct session *get_session(struct sl_media *m, const void *record, size_t len)
{
	struct sl_blob_in in = {record, (const uint8_t *)record + len, false};
	struct relations r;
	char call_id[SL_MEDIA_ID_MAX + 1];

	get_text(&in, call_id, sizeof call_id);
	const struct sl_slice name = {call_id, strlen(call_id)};
	if (in.bad || name.n == 0 || sl_session_find(m, name))
		return NULL;
	struct session *s = sl_session_new(m, name);
	if (!s)
		return NULL;
	sl_blob_get(&in, &s->pub.created_unix_ms, sizeof s->pub.created_unix_ms);
	sl_blob_get(&in, &s->pub.last_signal_unix_ms, sizeof s->pub.last_signal_unix_ms);
	sl_blob_get(&in, &s->pub.delete_at_ms, sizeof s->pub.delete_at_ms);
	sl_blob_get(&in, &s->worker, 1);
	s->pub.recording = get_below(&in, 2);
	s->record_format = get_below(&in, SL_NO + 1);
	get_text(&in, s->record_name, sizeof s->record_name);
	unsigned n = get_below(&in, SL_MEDIA_MAX_PARTIES + 1);
	for (unsigned i = 0; i < n && !in.bad; i++)
		get_party(m, &in, s, &r.peer[i], r.source[i]);
	if (!in.bad)
		relate(&in, s, &r);
	if (!in.bad && in.p == in.end && n)
		return s;
	sl_session_free(s);
	return NULL;
}

/* Its legs take their places. All or nothing. */
static bool place_legs(struct sl_media *m, struct session *s)
{
	bool good = true;

	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		struct party *p = party_at(s, k);
		for (unsigned i = 0; i < p->pub.n_sections; i++) {
			struct section *x = section_at(p, i);
			if (!section_has_leg(x))
				continue;
			if (!good || sl_leg_restore(m, x, p) < 0) {
				good = false;
				x->pub.leg.ref.id = 0; /* the place is somebody else's */
			}
		}
	}
	for (unsigned k = 0; !good && k < s->pub.n_parties; k++) {
		for (unsigned i = 0; i < party_at(s, k)->pub.n_sections; i++)
			sl_leg_forget(m, section_at(party_at(s, k), i), false);
	}
	return good;
}

/* ---- the journal ---- */

struct sl_journal_shape sl_save_shape(const struct sl_conf_media *conf)
{
	return (struct sl_journal_shape){.kind = "media",
	        .version = RECORD_VERSION,
	        .n_slots = conf->max_sessions,
	        .area_bytes = RECORD_MAX,
	        .aux_bytes = AUX_HEADER_BYTES + SL_PORT_POOL_MEMORY * sizeof(uint32_t)};
}

int sl_save_open(struct sl_media *m, int fd, char *text, size_t text_len)
{
	const struct sl_journal_shape shape = sl_save_shape(m->conf);
	uint64_t mark;

	m->journal = sl_journal_open(fd, &shape, text, text_len);
	if (!m->journal)
		return -1;
	if (text[0])
		sl_log(SL_LOG_ERROR, "media: %s", text);
	if (!sl_journal_is_locked(m->journal))
		sl_log(SL_LOG_WARNING,
		        "media: keys in the journal may be swapped to a disk: allow locked memory "
		        "(LimitMEMLOCK=infinity in the unit, ulimit -l unlimited), or switch swap off");
	memcpy(&mark, sl_journal_aux(m->journal), sizeof mark);
	if (mark == 0 && getrandom(&mark, sizeof mark, 0) == sizeof mark)
		memcpy(sl_journal_aux(m->journal), &mark, sizeof mark);
	snprintf(m->loop_mark, sizeof m->loop_mark, "sluice:%016llx", (unsigned long long)mark);
	return 0;
}

uint32_t *sl_save_ports(struct sl_media *m)
{
	return (void *)((uint8_t *)sl_journal_aux(m->journal) + AUX_HEADER_BYTES);
}

void sl_save_restore(struct sl_media *m)
{
	uint64_t lost = sl_journal_n_corrupt(m->journal);

	for (uint32_t i = 0; i < sl_journal_n_slots(m->journal); i++) {
		size_t len;
		const void *record = sl_journal_read(m->journal, i, &len);
		struct session *s = record ? get_session(m, record, len) : NULL;
		if (s && place_legs(m, s)) {
			s->slot = i;
			sl_session_enter(m, s);
			continue;
		}
		if (s)
			sl_session_free(s);
		if (record) {
			sl_journal_erase(m->journal, i);
			lost++;
		}
	}
	sl_legs_relist(m);
	m->counts.sessions_lost = lost;
	if (lost)
		sl_log(SL_LOG_ERROR, "media: %llu damaged sessions in the journal were dropped",
		        (unsigned long long)lost);
	if (m->n_sessions)
		sl_log(SL_LOG_INFO, "media: %u sessions and %u legs go on after a restart", m->n_sessions,
		        m->n_legs);
}

void sl_session_save(struct sl_media *m, struct session *s)
{
	size_t room;

	if (s->index == UINT32_MAX) /* it is ending: gone from the journal already */
		return;
	if (s->slot < 0 && (s->slot = sl_journal_take(m->journal)) < 0)
		return; /* cannot be: there are as many as sessions */
	struct sl_blob_out o = {.p = sl_journal_begin(m->journal, (uint32_t)s->slot, &room)};
	const uint8_t *begin = o.p;
	o.end = o.p + room;
	put_session(&o, s);
	if (o.full) { /* what it was before must not come back */
		sl_session_unsave(m, s);
		sl_log(SL_LOG_ERROR, "media: call %s is too large for the journal: a restart will lose it",
		        s->pub.call_id);
		return;
	}
	sl_journal_commit(m->journal, (uint32_t)s->slot, (size_t)(o.p - begin));
}

void sl_session_unsave(struct sl_media *m, struct session *s)
{
	if (s->slot >= 0)
		sl_journal_erase(m->journal, (uint32_t)s->slot);
	s->slot = -1;
}

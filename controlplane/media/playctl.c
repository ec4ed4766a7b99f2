/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Commands about parties while they talk: block and silence, clips, DTMF. */

#include "controlplane/media/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/media/clip.h"
#include "dataplane/abi/log.h"

/* ---- who is meant ---- */

static bool has_address(const struct party *p, const struct sl_ip *ip)
{
	for (unsigned i = 0; i < p->pub.n_sections; i++) {
		if (sl_ip_eq(&section_at(p, i)->pub.leg.set.remote_rtp.ip, ip))
			return true;
	}
	return false;
}

bool sl_who_is(const struct sl_media_who *who, const struct party *p)
{
	if (p->ending)
		return false;
	if (who->tag.n)
		return sl_slice_eq(who->tag, p->pub.tag);
	if (who->label.n)
		return sl_slice_eq(who->label, p->pub.label);
	return (who->address.q[0] | who->address.q[1]) == 0 || has_address(p, &who->address);
}

enum sl_media_result sl_who_find(
        struct sl_media *m, const struct sl_media_who *who, struct session **out, struct sl_media_error *e)
{
	struct session *s = sl_session_find(m, who->call_id);

	*out = s;
	if (!s)
		return sl_media_fail(e, SL_MEDIA_ERR_NOT_FOUND, "Unknown call-id");
	for (unsigned i = 0; i < s->pub.n_parties; i++) {
		if (sl_who_is(who, party_at(s, i)))
			return SL_MEDIA_OK;
	}
	return sl_media_fail(e, SL_MEDIA_ERR_NOT_FOUND,
	        who->tag.n ? "Unknown tag" : "no party with that label or address");
}

/* ---- block, silence ---- */

static uint32_t party_flag(uint32_t leg_flag)
{
	switch (leg_flag) {
	case SL_LEG_BLOCK_MEDIA:
		return SL_PARTY_BLOCKED;
	case SL_LEG_SILENCE_MEDIA:
		return SL_PARTY_SILENCED;
	case SL_LEG_BLOCK_DTMF:
		return SL_PARTY_DTMF_BLOCKED;
	default:
		return 0;
	}
}

enum sl_media_result sl_media_block(struct sl_media *m, const struct sl_media_who *who, uint32_t leg_flag,
        bool on, struct sl_media_error *e)
{
	uint32_t flag = party_flag(leg_flag);
	struct session *s;
	enum sl_media_result rc = sl_who_find(m, who, &s, e);

	if (rc)
		return rc;
	for (unsigned i = 0; i < s->pub.n_parties; i++) {
		struct party *p = party_at(s, i);
		if (sl_who_is(who, p))
			p->pub.flags = on ? p->pub.flags | flag : p->pub.flags & ~flag;
	}
	sl_session_changed(m, s);
	return SL_MEDIA_OK;
}

/* ---- DTMF ---- */

enum { DTMF_MIN_MS = 40, DTMF_MAX_MS = 10000, DTMF_VOLUME_MAX = 63, DTMF_DIGITS_MAX = 16 };

static int event_of(char digit)
{
	static const char events[] = "0123456789*#ABCD";
	const char *at =
	        digit ? strchr(events, digit >= 'a' && digit <= 'd' ? digit - 'a' + 'A' : digit) : NULL;

	return at ? (int)(at - events) : -1;
}

/* The leg that hears this party's audio; NULL = none that takes events. */
static struct section *listener(const struct party *p)
{
	const struct party *q = p->peer && p->peer->peer == p ? p->peer : NULL;

	for (unsigned i = 0; q && i < q->pub.n_sections; i++) {
		struct section *x = section_at(q, i);
		if (section_has_leg(x) && x->pub.leg.set.dtmf_pt_out)
			return x;
	}
	return NULL;
}

static enum sl_media_result check_dtmf(const char *digits, unsigned duration_ms, unsigned pause_ms,
        unsigned volume, struct sl_media_error *e)
{
	size_t n = strlen(digits);

	if (n == 0 || n > DTMF_DIGITS_MAX)
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX, "DTMF: 1 to %d digits", DTMF_DIGITS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (event_of(digits[i]) < 0)
			return sl_media_fail(
			        e, SL_MEDIA_ERR_SYNTAX, "DTMF: '%c' is none of 0-9 * # A-D", digits[i]);
	}
	if (duration_ms < DTMF_MIN_MS || duration_ms > DTMF_MAX_MS || pause_ms > DTMF_MAX_MS ||
	        volume > DTMF_VOLUME_MAX)
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX,
		        "DTMF: duration %d to %d ms, pause up to %d ms, volume up to %d", DTMF_MIN_MS,
		        DTMF_MAX_MS, DTMF_MAX_MS, DTMF_VOLUME_MAX);
	return SL_MEDIA_OK;
}

enum sl_media_result sl_media_dtmf(struct sl_media *m, const struct sl_media_who *who, const char *digits,
        unsigned duration_ms, unsigned pause_ms, unsigned volume, struct sl_media_error *e)
{
	struct session *s;
	enum sl_media_result rc = check_dtmf(digits, duration_ms, pause_ms, volume, e);
	unsigned n = 0;

	if (rc || (rc = sl_who_find(m, who, &s, e)))
		return rc;
	for (unsigned i = 0; i < s->pub.n_parties; i++) {
		struct section *x = sl_who_is(who, party_at(s, i)) ? listener(party_at(s, i)) : NULL;
		if (!x)
			continue;
		n++;
		for (const char *d = digits; *d; d++) {
			struct sl_command cmd = {.h = {.type = SL_CMD_DTMF_SEND}};
			cmd.dtmf = (struct sl_cmd_dtmf){.leg = x->pub.leg.ref,
			        .duration_ms = (uint16_t)duration_ms,
			        .pause_ms = (uint16_t)pause_ms,
			        .event = (uint8_t)event_of(*d),
			        .volume = (uint8_t)volume};
			sl_leg_command(m, s, &cmd, &x->pub.leg.ref, 0);
		}
	}
	if (n == 0)
		return sl_media_fail(
		        e, SL_MEDIA_ERR_UNSUPPORTED, "nobody hears it who takes telephone-event");
	return SL_MEDIA_OK;
}

/* ---- clips: a play waits until the dataplane has its clip ---- */

enum clip_state { CLIP_UNKNOWN, CLIP_OFFERED, CLIP_READY };

struct sl_plays {
	struct sl_clip_store *store;
	uint8_t state[SL_CLIP_STORE_MAX + 1]; /* by number; of this attachment */
	struct waiting {
		struct waiting *next;
		uint64_t leg;
		uint32_t clip;
	} * waiting;
};

static struct sl_command play_command(const struct section *x)
{
	struct sl_command cmd = {.h = {.type = SL_CMD_PLAY_START}};

	cmd.play = x->play;
	cmd.play.leg = x->pub.leg.ref;
	return cmd;
}

/* Send the play of a section, or let it wait for its clip. */
static void start(struct sl_media *m, const struct session *s, struct section *x)
{
	struct sl_command cmd = play_command(x);
	struct waiting *w;

	if (m->plays->state[x->play.clip] == CLIP_READY) {
		sl_leg_command(m, s, &cmd, &x->pub.leg.ref, 0);
		return;
	}
	if (!sl_session_is_live(m, s) || !(w = malloc(sizeof *w)))
		return;
	*w = (struct waiting){m->plays->waiting, x->pub.leg.ref.id, x->play.clip};
	m->plays->waiting = w;
}

static void offer_clip(struct sl_media *m, const struct sl_clip_handle *h)
{
	if (m->attached && sl_dp_clip(m->dp, h->number, h->memfd) == 0)
		m->plays->state[h->number] = CLIP_OFFERED;
}

/* Audio that we can play into: the first section with a leg and a codec. */
static struct section *audience(const struct party *p)
{
	for (unsigned i = 0; i < p->pub.n_sections; i++) {
		struct section *x = section_at(p, i);
		if (section_has_leg(x) && x->kind == SL_NEGO_RTP && strcmp(x->pub.type, "audio") == 0 &&
		        x->types.known)
			return x;
	}
	return NULL;
}

static enum sl_media_result get_clip(struct sl_media *m, const struct section *x, struct sl_slice name,
        struct sl_clip_handle *h, struct sl_media_error *e)
{
	char codec[sizeof x->pub.codec], why[120] = "";

	memcpy(codec, x->pub.codec, sizeof codec);
	codec[strcspn(codec, "/")] = '\0';
	int rc = sl_clip_store_get(m->plays->store, name, codec, h, why, sizeof why);
	if (rc == 0 && (h->changed || m->plays->state[h->number] == CLIP_UNKNOWN))
		offer_clip(m, h);
	if (rc == 0)
		return SL_MEDIA_OK;
	return sl_media_fail(
	        e, rc == -ENOENT ? SL_MEDIA_ERR_NOT_FOUND : SL_MEDIA_ERR_UNSUPPORTED, "clip: %s", why);
}

static enum sl_media_result play_to(struct sl_media *m, struct session *s, struct section *x,
        struct sl_slice name, const struct sl_cmd_play *how, unsigned *duration_ms, struct sl_media_error *e)
{
	struct sl_clip_handle h;
	enum sl_media_result rc = get_clip(m, x, name, &h, e);

	if (rc)
		return rc;
	*duration_ms = h.duration_ms;
	x->play = *how;
	x->play.clip = h.number;
	x->play.pt = x->types.audio_pt;
	x->pub.leg.clip = h.number;
	if (name.p != x->play_name)
		sl_slice_copy(name, x->play_name, sizeof x->play_name);
	start(m, s, x);
	return SL_MEDIA_OK;
}

enum sl_media_result sl_media_play(struct sl_media *m, const struct sl_media_who *who, struct sl_slice clip,
        struct sl_slice file, unsigned times, unsigned start_ms, unsigned *duration_ms,
        struct sl_media_error *e)
{
	const struct sl_cmd_play how = {.times = times, .start_ms = start_ms};
	struct sl_slice name = clip.n ? clip : file;
	struct session *s;
	enum sl_media_result rc = sl_who_find(m, who, &s, e);
	unsigned n = 0;

	*duration_ms = 0;
	if (rc)
		return rc;
	if (name.n == 0 || name.n > SL_CLIP_NAME_MAX || start_ms > INT32_MAX / 2)
		return sl_media_fail(
		        e, SL_MEDIA_ERR_SYNTAX, "clip: a name of up to %d bytes", SL_CLIP_NAME_MAX);
	for (unsigned i = 0; i < s->pub.n_parties; i++) {
		struct section *x = sl_who_is(who, party_at(s, i)) ? audience(party_at(s, i)) : NULL;
		if (!x)
			continue;
		if ((rc = play_to(m, s, x, name, &how, duration_ms, e)))
			return rc;
		n++;
	}
	if (n == 0)
		return sl_media_fail(e, SL_MEDIA_ERR_STATE, "the party has no audio yet");
	sl_session_save(m, s);
	return SL_MEDIA_OK;
}

enum sl_media_result sl_media_play_stop(
        struct sl_media *m, const struct sl_media_who *who, struct sl_media_error *e)
{
	struct session *s;
	enum sl_media_result rc = sl_who_find(m, who, &s, e);

	if (rc)
		return rc;
	for (unsigned i = 0; i < s->pub.n_parties; i++) {
		struct section *x = sl_who_is(who, party_at(s, i)) ? audience(party_at(s, i)) : NULL;
		struct sl_command cmd = {.h = {.type = SL_CMD_PLAY_STOP}};
		if (!x || x->pub.leg.clip == SL_CLIP_NONE)
			continue;
		cmd.play.leg = x->pub.leg.ref;
		sl_leg_command(m, s, &cmd, &x->pub.leg.ref, 0);
		sl_play_over(x);
	}
	sl_session_save(m, s);
	return SL_MEDIA_OK;
}

void sl_play_over(struct section *x)
{
	x->pub.leg.clip = SL_CLIP_NONE;
	x->play = (struct sl_cmd_play){0};
	x->play_name[0] = '\0';
}

/* ---- the dataplane comes and goes ---- */

static void drop_waiting(struct sl_plays *p)
{
	while (p->waiting) {
		struct waiting *w = p->waiting;
		p->waiting = w->next;
		free(w);
	}
}

int sl_plays_open(struct sl_media *m)
{
	m->plays = calloc(1, sizeof *m->plays);
	if (m->plays)
		m->plays->store = sl_clip_store_new(m->conf->clip_folder);
	return m->plays && m->plays->store ? 0 : -ENOMEM;
}

void sl_plays_close(struct sl_media *m)
{
	if (!m->plays)
		return;
	drop_waiting(m->plays);
	sl_clip_store_free(m->plays->store);
	free(m->plays);
	m->plays = NULL;
}

void sl_plays_attached(struct sl_media *m)
{
	struct sl_clip_handle h;
	uint32_t cursor = 0;

	drop_waiting(m->plays);
	memset(m->plays->state, CLIP_UNKNOWN, sizeof m->plays->state);
	while (sl_clip_store_next(m->plays->store, &cursor, &h))
		offer_clip(m, &h);
}

/* What was to go on until stopped goes on; what was played once has been heard, or is not worth beginning
 * again. */
void sl_play_again(struct sl_media *m, struct session *s, struct section *x)
{
	const struct sl_slice name = {x->play_name, strlen(x->play_name)};
	const struct sl_cmd_play how = {.times = 0};
	struct sl_media_error e;
	unsigned duration_ms;

	if (name.n == 0 || !section_has_leg(x))
		return;
	if (x->play.times != 0 || play_to(m, s, x, name, &how, &duration_ms, &e) != SL_MEDIA_OK)
		sl_play_over(x);
}

void sl_plays_clip_told(struct sl_media *m, uint32_t clip, int error, const char *text)
{
	struct waiting **link = &m->plays->waiting;

	if (clip > SL_CLIP_STORE_MAX)
		return;
	m->plays->state[clip] = error ? CLIP_UNKNOWN : CLIP_READY;
	if (error)
		sl_log(SL_LOG_WARNING, "the dataplane refused clip %u: %s", clip, text);
	while (*link) {
		struct waiting *w = *link;
		struct leg_entry *entry = sl_leg_entry(m, w->leg);
		if (w->clip != clip) {
			link = &w->next;
			continue;
		}
		*link = w->next;
		if (entry && entry->section->pub.leg.clip == clip && error)
			sl_play_over(entry->section);
		else if (entry && entry->section->pub.leg.clip == clip)
			start(m, entry->party->session, entry->section);
		free(w);
	}
}

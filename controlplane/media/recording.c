/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Recording of calls: taps on the legs of the two who talk, what they copy goes to the recorder. A call that
 * is to be recorded is from its answer on, and in a file of its own for each pair who talked. */

#include "controlplane/media/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/media/record.h"
#include "dataplane/abi/log.h"

struct taken { /* what is to be recorded of a call now */
	unsigned n;
	struct section *sections[SL_RECORD_MAX_TRACKS];
	struct party *parties[SL_RECORD_MAX_TRACKS];
};

/* ---- what is to be recorded ---- */

static void take_party(struct taken *t, struct party *p, bool audio_only)
{
	for (unsigned i = 0; i < p->pub.n_sections && t->n < SL_RECORD_MAX_TRACKS; i++) {
		struct section *x = section_at(p, i);
		if (!section_has_leg(x) || x->kind != SL_NEGO_RTP ||
		        (audio_only && strcmp(x->pub.type, "audio") != 0))
			continue;
		t->sections[t->n] = x;
		t->parties[t->n++] = p;
		if (audio_only)
			return;
	}
}

static void take(const struct session *s, bool audio_only, struct taken *out)
{
	out->n = 0;
	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		struct party *p = party_at(s, k), *q = p->peer;
		if (p->pub.flags & SL_PARTY_PUBLISHER && !p->ending)
			take_party(out, p, audio_only);
		if (!q || q->peer != p || p->ending || q->ending ||
		        !((p->pub.flags | q->pub.flags) & SL_PARTY_ANSWERED))
			continue;
		take_party(out, p, audio_only); /* its peer's turn comes in this loop too */
	}
}

static bool is_as_recorded(const struct session *s, const struct taken *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (t->sections[i]->pub.leg.tap == 0)
			return false;
	}
	return t->n == s->n_recorded;
}

/* ---- taps ---- */

static void set_tap(struct sl_media *m, const struct session *s, struct section *x, uint32_t tap)
{
	struct sl_command cmd = {.h = {.type = tap ? SL_CMD_TAP_SET : SL_CMD_TAP_CLEAR}};

	cmd.tap = (struct sl_cmd_tap){.leg = x->pub.leg.ref, .tap = tap, .what = tap ? SL_TAP_RECEIVED : 0};
	x->pub.leg.tap = tap;
	sl_leg_command(m, s, &cmd, &x->pub.leg.ref, 0);
}

void sl_recording_tell(struct sl_media *m, struct session *s)
{
	for (unsigned k = 0; s->record && k < s->pub.n_parties; k++) {
		for (unsigned i = 0; i < party_at(s, k)->pub.n_sections; i++) {
			struct section *x = section_at(party_at(s, k), i);
			if (section_has_leg(x) && x->pub.leg.tap)
				set_tap(m, s, x, x->pub.leg.tap);
		}
	}
}

static struct sl_endpoint local_of(const struct sl_media *m, const struct section *x)
{
	return (struct sl_endpoint){
	        m->conf->addresses[x->pub.leg.ref.address].ip, htons(x->pub.leg.ref.port)};
}

static void track_of(
        struct sl_media *m, const struct section *x, const struct party *p, struct sl_record_track *out)
{
	m->next_tap = m->next_tap + 1 ? m->next_tap + 1 : 1;
	*out = (struct sl_record_track){.tap = m->next_tap,
	        .what = SL_TAP_RECEIVED,
	        .local = local_of(m, x),
	        .remote = x->pub.leg.set.remote_rtp};
	snprintf(out->tag, sizeof out->tag, "%s", p->pub.tag);
	snprintf(out->label, sizeof out->label, "%s", p->pub.label);
	snprintf(out->codec, sizeof out->codec, "%s", x->pub.codec);
}

/* ---- one recording ---- */

static void stop(struct sl_media *m, struct session *s, const char *why)
{
	if (!s->record)
		return;
	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		for (unsigned i = 0; i < party_at(s, k)->pub.n_sections; i++) {
			struct section *x = section_at(party_at(s, k), i);
			if (section_has_leg(x) && x->pub.leg.tap)
				set_tap(m, s, x, 0);
		}
	}
	sl_record_stop(s->record, why);
	s->record = NULL;
	s->n_recorded = 0;
}

static bool start_as(
        struct sl_media *m, struct session *s, enum sl_record_format format, char *text, size_t text_len)
{
	struct sl_record_spec spec = {.format = format,
	        .call_id = {s->pub.call_id, strlen(s->pub.call_id)},
	        .name = {s->record_name, strlen(s->record_name)}};
	struct taken t;

	take(s, format == SL_RECORD_WAV, &t);
	snprintf(text, text_len, "nobody talks yet");
	if (t.n == 0)
		return false;
	for (unsigned i = 0; i < t.n; i++)
		track_of(m, t.sections[i], t.parties[i], &spec.tracks[spec.n_tracks++]);
	s->record = sl_record_start(m->recorder, &spec, text, text_len);
	if (!s->record)
		return false;
	for (unsigned i = 0; i < t.n; i++)
		set_tap(m, s, t.sections[i], spec.tracks[i].tap);
	s->n_recorded = t.n;
	s->record_now = (uint8_t)format;
	m->counts.recordings++;
	return true;
}

/* SL_AUTO: sound where it is G.711, packets where not. */
static bool start(struct sl_media *m, struct session *s, char *text, size_t text_len)
{
	if (s->record_format != SL_YES && start_as(m, s, SL_RECORD_WAV, text, text_len))
		return true;
	return s->record_format != SL_NO && start_as(m, s, SL_RECORD_PCAP, text, text_len);
}

/* Is it recorded as it shall be? After every change of the call. */
void sl_recording_changed(struct sl_media *m, struct session *s)
{
	struct taken t;
	char text[120];

	if (!s->pub.recording || !m->recorder || s->index == UINT32_MAX)
		return;
	take(s, s->record && s->record_now == SL_RECORD_WAV, &t);
	if (s->record && is_as_recorded(s, &t))
		return;
	if (s->record)
		stop(m, s, t.n ? "the parties changed" : "nobody talks any more");
	if (t.n && !start(m, s, text, sizeof text))
		sl_log(SL_LOG_WARNING, "call %s is not recorded: %s", s->pub.call_id, text);
}

void sl_recording_end(struct sl_media *m, struct session *s)
{
	stop(m, s, s->pub.ended[0] ? s->pub.ended : "the call ended");
}

void sl_recording_want(struct sl_media *m, struct session *s, enum sl_conf_tristate format)
{
	if (s->pub.recording)
		return;
	s->record_format = (uint8_t)format;
	s->pub.recording = true;
}

enum sl_media_result sl_media_record(struct sl_media *m, struct sl_slice call_id, bool on, const char *format,
        const char *name, struct sl_media_error *e)
{
	struct session *s = sl_session_find(m, call_id);
	enum sl_conf_tristate as = m->conf->recording_pcap;

	if (!m->recorder)
		return sl_media_fail(
		        e, SL_MEDIA_ERR_UNSUPPORTED, "recording is off: media.recording_folder is not set");
	if (!s)
		return sl_media_fail(e, SL_MEDIA_ERR_NOT_FOUND, "Unknown call-id");
	if (format && strcmp(format, "pcap") != 0 && strcmp(format, "wav") != 0)
		return sl_media_fail(
		        e, SL_MEDIA_ERR_SYNTAX, "recording format '%.20s': \"pcap\" or \"wav\"", format);
	if (name && strlen(name) >= sizeof s->record_name)
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX, "recording name: longer than %zu bytes",
		        sizeof s->record_name - 1);
	if (!on) {
		stop(m, s, "stopped");
		s->pub.recording = false;
		sl_session_save(m, s);
		return SL_MEDIA_OK;
	}
	if (format)
		as = strcmp(format, "pcap") == 0 ? SL_YES : SL_NO;
	snprintf(s->record_name, sizeof s->record_name, "%s", name ? name : "");
	sl_recording_want(m, s, as);
	sl_session_changed(m, s);
	return SL_MEDIA_OK;
}

/* ---- life ---- */

int sl_recording_open(struct sl_media *m, char *text, size_t text_len)
{
	if (!m->conf->recording_folder)
		return 0;
	m->recorder = sl_recorder_open(m->conf->recording_folder, text, text_len);
	return m->recorder ? 0 : -EIO;
}

void sl_recording_packet(struct sl_media *m, const struct sl_bulk *b)
{
	struct leg_entry *entry = sl_leg_entry(m, b->leg_id);

	if (entry && entry->section->pub.leg.tap == b->tap && entry->party->session->record)
		sl_record_packet(entry->party->session->record, b);
}

void sl_recording_counts(const struct sl_media *m, struct sl_media_counts *out)
{
	struct sl_recorder_counts c = {0};

	if (m->recorder)
		sl_recorder_counts(m->recorder, &c);
	out->recording_lost = c.lost_queue + c.lost_disk;
}

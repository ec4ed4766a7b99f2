/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/brain.h"

#include <limits.h>
#include <string.h>

enum {
	DTMF_EVENTS = 16,
	DTMF_DURATION_MS = 250,
	DTMF_PAUSE_MS = 100,
	DTMF_MIN_MS = 100,
	DTMF_MAX_MS = 5000,
	DTMF_VOLUME = 8,
	DTMF_VOLUME_MAX = 63, /* -dBm0 */
};

static void end_with(struct sl_ng_request *r, const struct sl_media_error *e)
{
	if (e->code == SL_MEDIA_OK)
		sl_ng_ok(r);
	else
		sl_ng_failed(r, e);
}

void sl_ng_block(struct sl_ng_request *r, uint32_t leg_flag, bool on)
{
	struct sl_media_error e = {SL_MEDIA_OK, ""};
	struct sl_media_who who;

	if (!sl_ng_who(r, true, &who))
		return;
	e.code = sl_media_block(r->brain->media, &who, leg_flag, on, &e);
	end_with(r, &e);
}

/* ---- playing ---- */

static unsigned within(int64_t n, unsigned otherwise, unsigned min, unsigned max)
{
	return n == SL_NG_NOT_GIVEN ? otherwise : n < min ? min : n > max ? max : (unsigned)n;
}

void sl_ng_play(struct sl_ng_request *r)
{
	const struct sl_ng_asked *q = &r->asked;
	struct sl_media_error e = {SL_MEDIA_OK, ""};
	struct sl_media_who who;
	unsigned duration_ms = 0;

	if (!sl_ng_who(r, false, &who))
		return;
	if (q->file.n == 0 && q->clip.n == 0) {
		sl_ng_reply_error(
		        r, q->blob.n > 0
		                   ? "blob is not supported: store the clip, and name it by 'clip' or 'file'"
		           : q->db_id.n > 0
		                   ? "db-id is not supported: store the clip, and name it by 'clip' or 'file'"
		                   : "No media file specified");
		return;
	}
	e.code = sl_media_play(r->brain->media, &who, q->clip,
	        q->clip.n > 0 ? (struct sl_slice){"", 0} : q->file, within(q->repeat_times, 1, 0, UINT_MAX),
	        within(q->start_ms, 0, 0, UINT_MAX), &duration_ms, &e);
	if (e.code == SL_MEDIA_OK && duration_ms > 0)
		sl_ng_add_integer(&r->out, r->reply, "duration", duration_ms);
	end_with(r, &e);
}

void sl_ng_play_stop(struct sl_ng_request *r)
{
	struct sl_media_error e = {SL_MEDIA_OK, ""};
	struct sl_media_who who;

	if (!sl_ng_who(r, true, &who))
		return;
	e.code = sl_media_play_stop(r->brain->media, &who, &e);
	end_with(r, &e);
}

void sl_ng_dtmf(struct sl_ng_request *r)
{
	static const char digits[] = "0123456789*#ABCD";
	const struct sl_ng_asked *q = &r->asked;
	struct sl_media_error e = {SL_MEDIA_OK, ""};
	struct sl_media_who who;
	char digit[2] = "";
	/* 8 and -8 are the same. */
	int64_t volume = q->volume < 0 && q->volume != SL_NG_NOT_GIVEN ? -q->volume : q->volume;

	if (!sl_ng_who(r, false, &who))
		return;
	if (q->code < 0 || q->code >= DTMF_EVENTS) {
		sl_ng_reply_error(r, "Out of range 'code' specified");
		return;
	}
	digit[0] = digits[q->code];
	e.code = sl_media_dtmf(r->brain->media, &who, digit,
	        within(q->duration_ms, DTMF_DURATION_MS, DTMF_MIN_MS, DTMF_MAX_MS),
	        within(q->pause_ms, DTMF_PAUSE_MS, DTMF_MIN_MS, DTMF_MAX_MS),
	        within(volume, DTMF_VOLUME, 0, DTMF_VOLUME_MAX), &e);
	end_with(r, &e);
}

/* ---- recording ---- */

void sl_ng_record(struct sl_ng_request *r, bool on)
{
	const struct sl_ng_asked *q = &r->asked;
	struct sl_media_error e = {SL_MEDIA_OK, ""};
	const char *format = NULL, *name = NULL;

	if (!sl_ng_needs(r, q->media.call_id, "call-id"))
		return;
	if (q->format.n > 0)
		format = sl_ng_printf(&r->in, "%.*s", (int)q->format.n, q->format.p);
	if (q->output.n > 0)
		name = sl_ng_printf(&r->in, "%.*s", (int)q->output.n, q->output.p);
	e.code = sl_media_record(r->brain->media, q->media.call_id, on, format, name, &e);
	end_with(r, &e);
}

/* ---- subscriptions ---- */

void sl_ng_subscribe(struct sl_ng_request *r)
{
	struct sl_media_reply reply = {.sdp = r->brain->sdp, .sdp_room = sizeof r->brain->sdp};
	struct sl_ng_asked *q = &r->asked;
	struct sl_media_error e = {SL_MEDIA_OK, ""};
	char tag[SL_MEDIA_ID_MAX + 1] = "";
	struct sl_ng_value *tags;
	struct sl_media_who who;
	char *sdp;

	if (q->flags & SL_NG_ALL || q->n_from_tags > 1) {
		sl_ng_reply_error(r, "One participant at a time can be subscribed to: give one from-tag");
		return;
	}
	if (!sl_ng_who(r, false, &who))
		return;
	q->media.options.label = q->set_label.n > 0 ? q->set_label : q->to_label;
	e.code = sl_media_subscribe(r->brain->media, &who, &q->media, &reply, tag, &e);
	if (e.code != SL_MEDIA_OK) {
		sl_ng_failed(r, &e);
		return;
	}
	sdp = sl_ng_alloc(&r->out, reply.sdp_len);
	if (sdp)
		memcpy(sdp, reply.sdp, reply.sdp_len);
	explicit_bzero(r->brain->sdp, reply.sdp_len);
	sl_ng_add_slice(&r->out, r->reply, "sdp", (struct sl_slice){sdp, sdp ? reply.sdp_len : 0});
	if (who.tag.n > 0) {
		sl_ng_add_slice(&r->out, r->reply, "from-tag", who.tag);
		tags = sl_ng_add(&r->out, r->reply, "from-tags", SL_NGV_LIST);
		sl_ng_add_slice(&r->out, tags, NULL, who.tag);
	}
	sl_ng_add_copy(&r->out, r->reply, "to-tag", tag);
	sl_ng_ok(r);
}

void sl_ng_subscribe_answer(struct sl_ng_request *r)
{
	const struct sl_media_request *q = &r->asked.media;
	struct sl_media_error e = {SL_MEDIA_OK, ""};

	if (!sl_ng_needs(r, q->call_id, "call-id") || !sl_ng_needs(r, q->to_tag, "to-tag") ||
	        !sl_ng_needs(r, q->sdp, "SDP body"))
		return;
	e.code = sl_media_subscribe_answer(r->brain->media, q, &e);
	end_with(r, &e);
}

void sl_ng_unsubscribe(struct sl_ng_request *r)
{
	const struct sl_media_request *q = &r->asked.media;
	struct sl_media_error e = {SL_MEDIA_OK, ""};

	if (!sl_ng_needs(r, q->call_id, "call-id") || !sl_ng_needs(r, q->to_tag, "to-tag"))
		return;
	e.code = sl_media_unsubscribe(r->brain->media, q, &e);
	end_with(r, &e);
}

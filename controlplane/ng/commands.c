/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/brain.h"

#include "dataplane/abi/log.h"

#include <stdio.h>
#include <string.h>

/* Texts that proxies match to try the next relay: to the letter. */
static const char sessions_text[] = "Parallel session limit reached", ports_text[] = "Ran out of ports";
static const char not_found_text[] = "Call-ID not found or tags didn't match";

/* ---- answers ---- */

/* A continuation waits for the dataplane: the request is on the list until it is answered. */
static void wait_for_it(struct sl_ng_request *r)
{
	struct sl_ng_brain *b = r->brain;

	r->next = b->waiting;
	r->previous = NULL;
	if (b->waiting)
		b->waiting->previous = r;
	b->waiting = r;
}

static void wait_no_more(struct sl_ng_request *r)
{
	if (r->next)
		r->next->previous = r->previous;
	if (r->previous)
		r->previous->next = r->next;
	else
		r->brain->waiting = r->next;
	r->next = r->previous = NULL;
}

static void log_error(const struct sl_ng_request *r)
{
	const struct sl_ng_value *reason = sl_ng_get(r->reply, "error-reason");
	const struct sl_slice *call = &r->asked.media.call_id;

	if (reason && sl_log_enabled(SL_LOG_DEBUG))
		sl_log(SL_LOG_DEBUG, "ng: %s of call '%.*s': %.*s", sl_ng_command_name(r->command),
		        (int)call->n, call->p, (int)reason->string.n, reason->string.p);
}

static void answer(struct sl_ng_request *r)
{
	struct sl_ng_brain *b = r->brain;

	sl_ng_count(&b->requests[r->command]);
	if (sl_ng_reply_is_error(r)) {
		sl_ng_count(&b->errors[r->command]);
		log_error(r);
	}
	b->answered(b->ctx, r);
}

void sl_ng_ok(struct sl_ng_request *r)
{
	if (r->asked.warning[0]) {
		sl_ng_add_text(&r->out, r->reply, "warning", r->asked.warning);
		sl_ng_count(&r->brain->warnings);
	}
	sl_ng_add_text(&r->out, r->reply, "result", "ok");
}

static void load_limit(struct sl_ng_request *r, const char *message)
{
	if (r->command != SL_NG_OFFER || !(r->asked.flags & SL_NG_LOAD_LIMIT)) {
		sl_ng_reply_error(r, "%s", message);
		return;
	}
	r->reply = sl_ng_new(&r->out, SL_NGV_DICTIONARY);
	sl_ng_add_text(&r->out, r->reply, "result", "load limit");
	sl_ng_add_copy(&r->out, r->reply, "message", message);
	sl_ng_count(&r->brain->load_limits);
}

void sl_ng_failed(struct sl_ng_request *r, const struct sl_media_error *e)
{
	switch (e->code) {
	case SL_MEDIA_ERR_SESSIONS:
		load_limit(r, sessions_text);
		return;
	case SL_MEDIA_ERR_PORTS:
		sl_ng_reply_error(r, "%s", ports_text);
		return;
	case SL_MEDIA_ERR_LOAD:
		load_limit(r, e->text[0] ? e->text : "Load limit exceeded");
		return;
	case SL_MEDIA_ERR_AWAY: /* the next relay can take the call */
		load_limit(r, e->text[0] ? e->text : "The dataplane is away");
		return;
	case SL_MEDIA_ERR_NOT_FOUND:
		sl_ng_reply_error(r, "%s", e->text[0] ? e->text : "Unknown call-id");
		return;
	case SL_MEDIA_ERR_NO_MEMORY:
		sl_ng_reply_error(r, "Out of memory");
		return;
	default:
		sl_ng_reply_error(r, "%s", e->text[0] ? e->text : "Failed");
		return;
	}
}

bool sl_ng_needs(struct sl_ng_request *r, struct sl_slice what, const char *name)
{
	if (what.n == 0)
		sl_ng_reply_error(r, "No %s in message", name);
	return what.n > 0;
}

bool sl_ng_who(struct sl_ng_request *r, bool or_all, struct sl_media_who *who)
{
	const struct sl_ng_asked *q = &r->asked;
	bool by_address = (q->address.q[0] | q->address.q[1]) != 0;

	*who = (struct sl_media_who){.call_id = q->media.call_id};
	if (!sl_ng_needs(r, q->media.call_id, "call-id"))
		return false;
	if (q->flags & SL_NG_ALL)
		return true;
	if (q->label.n > 0)
		who->label = q->label;
	else if (by_address)
		who->address = q->address;
	else
		who->tag =
		        q->media.from_tag.n > 0 || q->n_from_tags == 0 ? q->media.from_tag : q->from_tags[0];
	if (or_all || who->label.n > 0 || by_address || who->tag.n > 0)
		return true;
	sl_ng_reply_error(
	        r, "No participant party specified: give from-tag, label, address, or the flag 'all'");
	return false;
}

/* ---- offers and answers ---- */

static void with_sdp(struct sl_ng_request *r,
        enum sl_media_result (*run)(struct sl_media *m, const struct sl_media_request *q,
                struct sl_media_reply *reply, struct sl_media_error *e))
{
	struct sl_media_reply reply = {.sdp = r->brain->sdp, .sdp_room = sizeof r->brain->sdp};
	struct sl_media_options *o = &r->asked.media.options;
	struct sl_media_error e = {SL_MEDIA_OK, ""};
	size_t n = strlen(r->asked.warning);
	char *sdp;

	o->label = r->asked.set_label.n > 0 ? r->asked.set_label : r->asked.label;
	e.code = run(r->brain->media, &r->asked.media, &reply, &e);
	if (e.code != SL_MEDIA_OK) {
		sl_ng_failed(r, &e);
		return;
	}
	sdp = sl_ng_alloc(&r->out, reply.sdp_len);
	if (sdp)
		memcpy(sdp, reply.sdp, reply.sdp_len);
	explicit_bzero(r->brain->sdp, reply.sdp_len);
	if (reply.warning[0])
		snprintf(r->asked.warning + n, sizeof r->asked.warning - n, "%s%s", n ? "; " : "",
		        reply.warning);
	sl_ng_add_slice(&r->out, r->reply, "sdp", (struct sl_slice){sdp, sdp ? reply.sdp_len : 0});
	sl_ng_ok(r);
}

static bool needs_of_sdp(struct sl_ng_request *r, bool answers)
{
	const struct sl_media_request *q = &r->asked.media;

	return sl_ng_needs(r, q->sdp, "SDP body") && sl_ng_needs(r, q->call_id, "call-id") &&
	       sl_ng_needs(r, q->from_tag, "from-tag") && (!answers || sl_ng_needs(r, q->to_tag, "to-tag"));
}

static void offer(struct sl_ng_request *r)
{
	if (needs_of_sdp(r, false))
		with_sdp(r, sl_media_offer);
}

static void answer_sdp(struct sl_ng_request *r)
{
	if (needs_of_sdp(r, true))
		with_sdp(r, sl_media_answer);
}

static void publish(struct sl_ng_request *r)
{
	if (needs_of_sdp(r, false))
		with_sdp(r, sl_media_publish);
}

/* ---- what waits for the dataplane ---- */

static struct sl_slice tag_of(const struct sl_ng_request *r)
{
	return r->asked.media.to_tag.n > 0 ? r->asked.media.to_tag : r->asked.media.from_tag;
}

static const struct sl_media_error gone = {SL_MEDIA_ERR_NOT_FOUND, "Unknown call-id"};

static void refreshed(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e)
{
	struct sl_ng_request *r = ctx;

	if (!r->brain) {
		sl_ng_request_free(r);
		return;
	}
	wait_no_more(r);
	if (s && e->code == SL_MEDIA_OK) {
		sl_ng_call_stats(r, s, tag_of(r));
		sl_ng_ok(r);
	} else {
		sl_ng_failed(r, e->code != SL_MEDIA_OK ? e : &gone);
	}
	answer(r);
}

static void deleted(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e)
{
	struct sl_ng_request *r = ctx;

	if (!r->brain) {
		sl_ng_request_free(r);
		return;
	}
	wait_no_more(r);
	if (s && e->code == SL_MEDIA_OK) {
		sl_ng_call_stats(r, s, (struct sl_slice){"", 0});
		sl_ng_ok(r);
	} else if (e->code != SL_MEDIA_OK && e->code != SL_MEDIA_ERR_NOT_FOUND) {
		sl_ng_failed(r, e);
	} else if (r->asked.flags & SL_NG_FATAL) {
		sl_ng_reply_error(r, "%s", not_found_text);
	} else {
		snprintf(r->asked.warning, sizeof r->asked.warning, "%s", not_found_text);
		sl_ng_ok(r);
	}
	answer(r);
}

static bool query(struct sl_ng_request *r)
{
	if (!sl_ng_needs(r, r->asked.media.call_id, "call-id"))
		return false;
	wait_for_it(r);
	sl_media_refresh(r->brain->media, r->asked.media.call_id, refreshed, r);
	return true;
}

static bool is_text(const char *text, struct sl_slice s)
{
	return s.n > 0 && strlen(text) == s.n && memcmp(text, s.p, s.n) == 0;
}

/* Whom a deletion means: the party of the to-tag; else that of the branch, which says more than the tag of
 * the caller, whose branches they all are; else the from-tag's. A BYE's own branch is nobody's, nor is the
 * tag of who refused. */
static void whom(const struct sl_ng_request *r, struct sl_slice *tag, struct sl_slice *branch)
{
	const struct sl_media_request *q = &r->asked.media;
	const struct sl_media_session *s = sl_media_find(r->brain->media, q->call_id);
	bool has_tag = false, has_branch = false;

	for (unsigned i = 0; s && i < s->n_parties; i++) {
		has_tag |= is_text(s->parties[i]->tag, q->to_tag);
		has_branch |= is_text(s->parties[i]->via_branch, q->via_branch);
	}
	*tag = has_tag ? q->to_tag : has_branch ? (struct sl_slice){"", 0} : q->from_tag;
	*branch = has_branch && !has_tag ? q->via_branch : (struct sl_slice){"", 0};
}

static bool delete_call(struct sl_ng_request *r)
{
	const struct sl_media_request *q = &r->asked.media;
	struct sl_slice tag, branch;

	if (!sl_ng_needs(r, q->call_id, "call-id"))
		return false;
	whom(r, &tag, &branch);
	wait_for_it(r);
	sl_media_delete(r->brain->media, q->call_id, tag, branch, q->options.delete_delay_s, deleted, r);
	return true;
}

/* ---- all ---- */

static void list(struct sl_ng_request *r)
{
	const struct sl_media_session *s;
	struct sl_ng_value *calls;
	uint32_t cursor = 0;

	if (r->asked.limit < 0) {
		sl_ng_reply_error(r, "invalid limit, must be >= 0");
		return;
	}
	calls = sl_ng_add(&r->out, r->reply, "calls", SL_NGV_LIST);
	for (int64_t n = 0;
	        n < r->asked.limit && !r->out.failed && (s = sl_media_next(r->brain->media, &cursor)); n++)
		sl_ng_add_copy(&r->out, calls, NULL, s->call_id);
	sl_ng_ok(r);
}

/* True: it is answered later, or was already. */
static bool run(struct sl_ng_request *r)
{
	switch (r->command) {
	case SL_NG_PING:
		sl_ng_add_text(&r->out, r->reply, "result", "pong");
		return false;
	case SL_NG_OFFER:
		offer(r);
		return false;
	case SL_NG_ANSWER:
		answer_sdp(r);
		return false;
	case SL_NG_DELETE:
		return delete_call(r);
	case SL_NG_QUERY:
		return query(r);
	case SL_NG_LIST:
		list(r);
		return false;
	case SL_NG_STATISTICS:
		sl_ng_statistics(r);
		return false;
	case SL_NG_BLOCK_MEDIA:
	case SL_NG_UNBLOCK_MEDIA:
		sl_ng_block(r, SL_LEG_BLOCK_MEDIA, r->command == SL_NG_BLOCK_MEDIA);
		return false;
	case SL_NG_SILENCE_MEDIA:
	case SL_NG_UNSILENCE_MEDIA:
		sl_ng_block(r, SL_LEG_SILENCE_MEDIA, r->command == SL_NG_SILENCE_MEDIA);
		return false;
	case SL_NG_BLOCK_DTMF:
	case SL_NG_UNBLOCK_DTMF:
		sl_ng_block(r, SL_LEG_BLOCK_DTMF,
		        r->command == SL_NG_BLOCK_DTMF && !(r->asked.flags & SL_NG_DTMF_OFF));
		return false;
	case SL_NG_PLAY_MEDIA:
		sl_ng_play(r);
		return false;
	case SL_NG_STOP_MEDIA:
		sl_ng_play_stop(r);
		return false;
	case SL_NG_PLAY_DTMF:
		sl_ng_dtmf(r);
		return false;
	case SL_NG_START_RECORDING:
	case SL_NG_STOP_RECORDING:
	case SL_NG_PAUSE_RECORDING:
		sl_ng_record(r, r->command == SL_NG_START_RECORDING);
		return false;
	case SL_NG_SUBSCRIBE_REQUEST:
		sl_ng_subscribe(r);
		return false;
	case SL_NG_SUBSCRIBE_ANSWER:
		sl_ng_subscribe_answer(r);
		return false;
	case SL_NG_UNSUBSCRIBE:
		sl_ng_unsubscribe(r);
		return false;
	case SL_NG_PUBLISH:
		publish(r);
		return false;
	default:
		sl_ng_reply_error(
		        r, "Unrecognized command: %.*s", sl_ng_shown(r->command_text), r->command_text.p);
		return false;
	}
}

void sl_ng_execute(struct sl_ng_brain *b, struct sl_ng_request *r)
{
	r->brain = b;
	r->reply = sl_ng_new(&r->out, SL_NGV_DICTIONARY);
	if (!run(r))
		answer(r);
}

void sl_ng_brain_forget(struct sl_ng_brain *b)
{
	struct sl_ng_request *r, *next;

	for (r = b->waiting; r; r = next) {
		next = r->next;
		r->brain = NULL;
		r->next = r->previous = NULL;
	}
	b->waiting = NULL;
}

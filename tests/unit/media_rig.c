/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/media_rig.h"

#include <errno.h>
#include <unistd.h>

#include "controlplane/journal.h"
#include "dataplane/abi/log.h"
#include "dataplane/abi/validate.h"

/* ---- the link ---- */

static struct fake_link *link_of(struct sl_dp *dp)
{
	return (void *)dp;
}

void sl_dp_set_media(struct sl_dp *dp, const struct sl_dp_media_ops *ops, void *ctx)
{
	struct fake_link *l = link_of(dp);

	l->ops = ops;
	l->ctx = ctx;
	if (ops && l->attached)
		ops->attached(ctx, l->slot, l->n_workers);
}

int sl_dp_worker_send(struct sl_dp *dp, unsigned worker, const struct sl_command *cmd)
{
	struct fake_link *l = link_of(dp);
	char text[120];

	assert_true(l->attached);
	assert_true(sl_command_is_for_worker(cmd->h.type));
	if (sl_command_validate(cmd, text, sizeof text) < 0)
		fail_msg("command %u: %s", cmd->h.type, text);
	if (cmd->h.type == SL_CMD_LEG_SET) {
		assert_int_equal(sl_media_port_worker(cmd->leg.leg.port, l->n_workers), worker);
		assert_int_equal(cmd->leg.leg.id >> 61, l->slot);
	}
	assert_true(l->n_commands < RIG_COMMANDS);
	l->commands[l->n_commands++] = *cmd;
	if (l->limit && l->n_commands > l->limit)
		l->waiting++;
	return 0;
}

size_t sl_dp_worker_waiting(const struct sl_dp *dp)
{
	return ((const struct fake_link *)(const void *)dp)->waiting;
}

int sl_dp_clip(struct sl_dp *dp, uint32_t clip, int memfd)
{
	struct fake_link *l = link_of(dp);

	assert_true(l->n_clips < RIG_CLIPS);
	l->clips[l->n_clips].clip = clip;
	l->clips[l->n_clips++].removed = memfd < 0;
	return 0;
}

/* ---- life ---- */

static void address(struct rig *r, const char *interface, const char *ip)
{
	struct sl_conf_media_address *a = &r->config.media.addresses[r->config.media.n_addresses++];

	snprintf(a->interface, sizeof a->interface, "%s", interface);
	assert_int_equal(sl_ip_parse(ip, &a->ip), 0);
	a->advertised = a->ip;
}

void rig_open(struct rig *r)
{
	memset(r, 0, sizeof *r);
	sl_log_set_level(SL_LOG_ERROR);
	address(r, "public", "203.0.113.1");
	address(r, "private", "10.0.0.1");
	address(r, "public", "2001:db8::1");
	r->config.dataplane.n_workers = 2;
	r->config.media.port_min = 30000;
	r->config.media.port_max = 39999;
	r->config.media.max_legs = 16384;
	r->config.media.max_sessions = 8192;
	r->config.media.max_large_keys = 1024;
	r->config.media.port_guard_s = 10;
	r->config.media.inactivity_s = 60;
	r->config.media.hold_inactivity_s = 3600;
	r->config.media.answer_s = 180;
	r->config.media.dscp = 46;
	r->link.n_workers = 2;
	r->link.commands = calloc(RIG_COMMANDS, sizeof *r->link.commands);
	r->journal = sl_journal_memfd("test");
	assert_true(r->journal >= 0 && r->link.commands);
	rig_open_engine(r);
	rig_attach(r, 1);
	rig_clear(r);
}

static void ended(void *ctx, const struct sl_media_session *s, const char *why)
{
	struct rig *r = ctx;

	r->n_ended++;
	snprintf(r->ended, sizeof r->ended, "%s", why);
}

static void dtmf(void *ctx, const struct sl_media_session *s, const struct sl_media_party *p, unsigned event,
        unsigned duration_ms, unsigned volume)
{
	struct rig *r = ctx;

	r->n_dtmf++;
}

void rig_open_engine(struct rig *r)
{
	const struct sl_media_hooks hooks = {.ctx = r, .ended = ended, .dtmf = dtmf};
	char text[160];

	r->m = sl_media_open(&r->config, (void *)&r->link, r->journal, text, sizeof text);
	if (!r->m)
		fail_msg("%s", text);
	sl_media_set_hooks(r->m, &hooks);
	if (r->now_ms == 0)
		r->now_ms = 1000000;
	sl_media_tick(r->m, r->now_ms);
}

void rig_close_engine(struct rig *r)
{
	sl_media_close(r->m);
	r->m = NULL;
}

void rig_kill_engine(struct rig *r)
{
	static struct sl_media *killed[64]; /* their memory is lost, as it would be, but no leak of ours */
	static unsigned n;

	assert_true(n < SL_COUNT(killed));
	killed[n++] = r->m;
	r->link.ops = NULL;
	r->m = NULL;
}

void rig_close(struct rig *r)
{
	sl_media_close(r->m);
	close(r->journal);
	free(r->link.commands);
}

void rig_attach(struct rig *r, unsigned slot)
{
	r->link.attached = true;
	r->link.slot = slot;
	if (r->link.ops)
		r->link.ops->attached(r->link.ctx, slot, r->link.n_workers);
}

void rig_detach(struct rig *r)
{
	r->link.attached = false;
	r->link.ops->detached(r->link.ctx);
}

void rig_tick(struct rig *r, int64_t ms)
{
	int64_t until = r->now_ms + ms;

	while (r->now_ms < until) {
		r->now_ms = until - r->now_ms > 50 ? r->now_ms + 50 : until;
		sl_media_tick(r->m, r->now_ms);
	}
}

/* ---- asking ---- */

struct sl_slice rig_slice(const char *text)
{
	return text ? (struct sl_slice){text, strlen(text)} : (struct sl_slice){0};
}

struct sl_media_options rig_options(void)
{
	return (struct sl_media_options){.dscp = -1, .delete_delay_s = -1};
}

typedef enum sl_media_result (*ask)(struct sl_media *m, const struct sl_media_request *q,
        struct sl_media_reply *r, struct sl_media_error *e);

static enum sl_media_result request(struct rig *r, ask how, const char *call, const char *from,
        const char *to, const char *branch, const char *sdp, const struct sl_media_options *o)
{
	struct sl_media_request q = {.call_id = rig_slice(call),
	        .from_tag = rig_slice(from),
	        .to_tag = rig_slice(to),
	        .via_branch = rig_slice(branch),
	        .sdp = rig_slice(sdp),
	        .options = o ? *o : rig_options()};

	r->reply = (struct sl_media_reply){.sdp = r->sdp, .sdp_room = sizeof r->sdp - 1};
	r->error = (struct sl_media_error){0};
	enum sl_media_result rc = how(r->m, &q, &r->reply, &r->error);
	r->sdp[r->reply.sdp_len] = '\0';
	assert_int_equal(rc, r->error.code);
	if (rc)
		print_error("(%s)\n", r->error.text);
	return rc;
}

enum sl_media_result rig_offer(struct rig *r, const char *call, const char *from, const char *to,
        const char *branch, const char *sdp, const struct sl_media_options *o)
{
	return request(r, sl_media_offer, call, from, to, branch, sdp, o);
}

enum sl_media_result rig_answer(struct rig *r, const char *call, const char *from, const char *to,
        const char *branch, const char *sdp, const struct sl_media_options *o)
{
	return request(r, sl_media_answer, call, from, to, branch, sdp, o);
}

static void done(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e)
{
	struct rig *r = ctx;

	r->n_done++;
	r->done_code = e->code;
	r->done_session = s != NULL;
	if (s && s->n_parties && s->parties[0]->n_sections)
		r->done_stats = s->parties[0]->sections[0]->leg.stats;
}

sl_media_done rig_done(void)
{
	return done;
}

void rig_delete(struct rig *r, const char *call, const char *tag, const char *branch, int delay_s)
{
	sl_media_delete(r->m, rig_slice(call), rig_slice(tag), rig_slice(branch), delay_s, done, r);
}

/* ---- looking ---- */

const struct sl_cmd_leg *rig_leg(const struct rig *r, uint16_t port)
{
	for (unsigned i = r->link.n_commands; i-- > 0;) {
		if (r->link.commands[i].h.type == SL_CMD_LEG_SET && r->link.commands[i].leg.leg.port == port)
			return &r->link.commands[i].leg;
	}
	return NULL;
}

unsigned rig_count(const struct rig *r, uint32_t type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->link.n_commands; i++)
		n += r->link.commands[i].h.type == type;
	return n;
}

bool rig_route(const struct rig *r, uint16_t from, uint16_t to)
{
	for (unsigned i = r->link.n_commands; i-- > 0;) {
		const struct sl_command *c = &r->link.commands[i];
		if (c->h.type == SL_CMD_LEG_DELETE && (c->leg_ref.port == from || c->leg_ref.port == to))
			return false;
		if ((c->h.type == SL_CMD_ROUTE_ADD || c->h.type == SL_CMD_ROUTE_DELETE) &&
		        c->route.from.port == from && c->route.to.port == to)
			return c->h.type == SL_CMD_ROUTE_ADD;
	}
	return false;
}

void rig_clear(struct rig *r)
{
	r->link.n_commands = r->link.n_clips = 0;
	r->link.waiting = 0;
}

void rig_event(struct rig *r, const struct sl_leg_ref *leg, enum sl_leg_change change, uint32_t seq,
        const struct sl_evt_leg *counts)
{
	struct sl_event e = {.h = {SL_EVT_LEG, seq}};
	unsigned worker = sl_media_port_worker(leg->port, r->link.n_workers);

	if (counts)
		e.leg = *counts;
	e.leg.leg = *leg;
	e.leg.change = (uint8_t)change;
	e.leg.worker = (uint8_t)worker;
	r->link.ops->event(r->link.ctx, worker, &e);
}

void rig_answer_commands(struct rig *r, const struct sl_evt_leg *counts)
{
	unsigned n = r->link.n_commands;

	for (unsigned i = 0; i < n; i++) {
		struct sl_command c = r->link.commands[i];
		if (c.h.type == SL_CMD_LEG_DELETE)
			rig_event(r, &c.leg_ref, SL_LEG_ENDED, c.h.seq, counts);
		else if (c.h.type == SL_CMD_LEG_QUERY)
			rig_event(r, &c.leg_ref, SL_LEG_STATE, c.h.seq, counts);
	}
}

unsigned rig_port(const struct rig *r, unsigned i)
{
	const char *at = strstr(r->sdp, "\r\nm=");

	while (at && i-- > 0)
		at = strstr(at + 1, "\r\nm=");
	at = at ? strchr(at, ' ') : NULL;
	return at ? (unsigned)strtoul(at, NULL, 10) : 0;
}

bool rig_has(const struct rig *r, const char *text)
{
	return strstr(r->sdp, text) != NULL;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/fake_dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/abi/validate.h"

static struct fake_leg *find(struct fake *f, const struct sl_leg_ref *ref)
{
	for (unsigned i = 0; i < FAKE_LEGS_MAX; i++) {
		struct fake_leg *l = &f->media.legs[i];
		if (l->set.leg.id && l->set.leg.id == ref->id && l->set.leg.port == ref->port)
			return l;
	}
	return NULL;
}

struct fake_leg *fake_leg_on(struct fake *f, uint16_t port)
{
	for (unsigned i = 0; i < FAKE_LEGS_MAX; i++) {
		if (f->media.legs[i].set.leg.id && f->media.legs[i].set.leg.port == port)
			return &f->media.legs[i];
	}
	return NULL;
}

unsigned fake_n_legs(const struct fake *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_LEGS_MAX; i++)
		n += f->media.legs[i].set.leg.id != 0;
	return n;
}

unsigned fake_n_routes(const struct fake *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_ROUTES_MAX; i++)
		n += f->media.routes[i].from.id != 0;
	return n;
}

bool fake_has_route(const struct fake *f, uint16_t from_port, uint16_t to_port)
{
	for (unsigned i = 0; i < FAKE_ROUTES_MAX; i++) {
		const struct sl_cmd_route *r = &f->media.routes[i];
		if (r->from.id && r->from.port == from_port && r->to.port == to_port)
			return true;
	}
	return false;
}

void fake_leg_event(struct fake *f, struct fake_leg *l, enum sl_leg_change change, uint32_t seq)
{
	struct sl_event e = {.h = {SL_EVT_LEG, seq}, .leg = l->told};

	e.leg.leg = l->set.leg;
	e.leg.change = (uint8_t)change;
	e.leg.worker = (uint8_t)l->worker;
	e.leg.flags = (l->set.key_in[0].suite ? SL_LEG_SECURE_IN : 0) | (l->set.key_out.suite ? SL_LEG_SECURE_OUT : 0);
	if (l->told.remote_rtp.port_be == 0) {
		e.leg.remote_rtp = l->set.remote_rtp;
		e.leg.remote_rtcp = l->set.remote_rtcp;
	}
	sl_abi_worker_post_to(&f->workers[l->worker], l->slot, &e);
}

/* ---- commands ---- */

/* legs_active, as the control plane reads it. */
static void count(struct fake *f, unsigned worker, int64_t more)
{
	__atomic_fetch_add(&f->region->workers[worker].counters[SL_C_legs_active], (uint64_t)more, __ATOMIC_RELAXED);
}

static int set(struct fake *f, unsigned worker, unsigned slot, const struct sl_cmd_leg *c)
{
	struct fake_leg *l = find(f, &c->leg), *other = fake_leg_on(f, c->leg.port);

	if (other && other != l && other->set.leg.address == c->leg.address)
		return -EADDRINUSE;
	for (unsigned i = 0; !l && i < FAKE_LEGS_MAX; i++) {
		if (f->media.legs[i].set.leg.id)
			continue;
		l = &f->media.legs[i];
		*l = (struct fake_leg){.worker = worker, .slot = slot};
		l->told.idle_ms = UINT32_MAX;
		f->media.n_restored++;
		count(f, worker, 1);
	}
	if (!l)
		return -ENOSPC;
	l->set = *c;
	l->epoch = f->workers[worker].epoch[slot];
	l->n_sets++;
	return 0;
}

static void drop_routes(struct fake *f, uint64_t id)
{
	for (unsigned i = 0; i < FAKE_ROUTES_MAX; i++) {
		struct sl_cmd_route *r = &f->media.routes[i];
		if (r->from.id == id || r->to.id == id)
			r->from.id = r->to.id = 0;
	}
}

static void end(struct fake *f, struct fake_leg *l, uint32_t seq)
{
	if (!f->media.silent)
		fake_leg_event(f, l, SL_LEG_ENDED, seq);
	drop_routes(f, l->set.leg.id);
	l->set.leg.id = 0;
	count(f, l->worker, -1);
}

static void list(struct fake *f, unsigned worker, unsigned slot, uint32_t seq)
{
	struct sl_event e = {.h = {SL_EVT_LIST_END, seq}};

	for (unsigned i = 0; i < FAKE_LEGS_MAX; i++) {
		struct fake_leg *l = &f->media.legs[i];
		if (l->set.leg.id && l->worker == worker && l->slot == slot)
			fake_leg_event(f, l, SL_LEG_STATE, seq);
	}
	sl_abi_worker_post_to(&f->workers[worker], slot, &e);
}

static void sweep(struct fake *f, unsigned worker, unsigned slot)
{
	f->media.n_sweeps++;
	for (unsigned i = 0; i < FAKE_LEGS_MAX; i++) {
		struct fake_leg *l = &f->media.legs[i];
		if (l->set.leg.id && l->worker == worker && l->slot == slot && l->epoch != f->workers[worker].epoch[slot])
			end(f, l, 0);
	}
}

static int route(struct fake *f, const struct sl_cmd_route *c, bool add)
{
	unsigned free_at = FAKE_ROUTES_MAX;

	if (!find(f, &c->from))
		return -ENOENT;
	for (unsigned i = 0; i < FAKE_ROUTES_MAX; i++) {
		struct sl_cmd_route *r = &f->media.routes[i];
		if (r->from.id == c->from.id && r->to.id == c->to.id) {
			if (!add)
				r->from.id = r->to.id = 0;
			return 0;
		}
		if (r->from.id == 0 && free_at == FAKE_ROUTES_MAX)
			free_at = i;
	}
	if (!add)
		return -ENOENT;
	if (free_at == FAKE_ROUTES_MAX)
		return -ENOSPC;
	f->media.routes[free_at] = *c;
	return 0;
}

/* Commands about one leg that is there. */
static int about(struct fake *f, struct fake_leg *l, const struct sl_command *c)
{
	switch (c->h.type) {
	case SL_CMD_LEG_DELETE:
		end(f, l, c->h.seq);
		return 0;
	case SL_CMD_LEG_QUERY:
		if (!f->media.silent)
			fake_leg_event(f, l, SL_LEG_STATE, c->h.seq);
		return 0;
	case SL_CMD_DTMF_SEND:
		l->dtmf = c->dtmf;
		l->n_dtmf++;
		return 0;
	case SL_CMD_PLAY_START:
		l->play = c->play;
		return 0;
	case SL_CMD_PLAY_STOP:
		l->play.clip = SL_CLIP_NONE;
		return 0;
	case SL_CMD_TAP_SET:
		l->tap = c->tap;
		return 0;
	case SL_CMD_TAP_CLEAR:
		l->tap.tap = 0;
		return 0;
	default:
		return -EINVAL;
	}
}

static int carry_out(struct fake *f, unsigned worker, unsigned slot, const struct sl_command *c)
{
	switch (c->h.type) {
	case SL_CMD_LEG_SET:
		return set(f, worker, slot, &c->leg);
	case SL_CMD_LEG_LIST:
		list(f, worker, slot, c->h.seq);
		return 0;
	case SL_CMD_LEGS_SWEEP:
		sweep(f, worker, slot);
		return 0;
	case SL_CMD_ROUTE_ADD:
	case SL_CMD_ROUTE_DELETE:
		return route(f, &c->route, c->h.type == SL_CMD_ROUTE_ADD);
	default:
		break;
	}
	struct fake_leg *l = find(f, &c->leg_ref);
	return l && l->slot == slot && l->worker == worker ? about(f, l, c) : -ENOENT;
}

static bool is_of(const struct sl_command *c, unsigned worker)
{
	if (c->h.type == SL_CMD_LEG_LIST || c->h.type == SL_CMD_LEGS_SWEEP)
		return true;
	return sl_media_port_worker(c->leg_ref.port, FAKE_WORKERS) == worker; /* all the others begin with a leg */
}

void fake_legs_command(struct fake *f, unsigned worker, unsigned slot, const struct sl_command *c)
{
	struct sl_event e = {.h = {SL_EVT_ACK, c->h.seq}};
	int rc;

	f->media.n_commands++;
	/* The control plane checks before it sends: what is bad here is its mistake. */
	if (c->h.type == f->refuse_type) {
		snprintf(e.ack.text, sizeof e.ack.text, "refused by the test");
		rc = -EINVAL;
	} else if ((rc = sl_command_validate(c, e.ack.text, sizeof e.ack.text)) == 0) {
		rc = is_of(c, worker) ? carry_out(f, worker, slot, c) : -EINVAL;
	}
	if (rc == 0)
		return;
	f->media.n_refused++;
	e.ack.error = rc;
	sl_abi_worker_post_to(&f->workers[worker], slot, &e);
}

int fake_legs_clip(struct fake *f, uint32_t clip, int memfd)
{
	unsigned at = FAKE_CLIPS_MAX;

	for (unsigned i = 0; i < FAKE_CLIPS_MAX; i++) {
		if (f->media.clips[i] == clip)
			at = i;
		else if (f->media.clips[i] == 0 && at == FAKE_CLIPS_MAX && memfd >= 0)
			at = i;
	}
	if (at == FAKE_CLIPS_MAX)
		return memfd >= 0 ? -ENOSPC : -ENOENT;
	f->media.clips[at] = memfd >= 0 ? clip : 0;
	return 0;
}

void fake_legs_died(struct fake *f)
{
	for (unsigned w = 0; w < FAKE_WORKERS; w++)
		f->region->workers[w].counters[SL_C_legs_active] = 0;
	memset(f->media.legs, 0, sizeof f->media.legs);
	memset(f->media.routes, 0, sizeof f->media.routes);
	memset(f->media.clips, 0, sizeof f->media.clips);
}

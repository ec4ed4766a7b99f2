/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Weights of alternates: what the file says, less by the load that the other node tells (its GET /v1/turn/load), 0 while it drains or does
 * not answer. */

#include "controlplane/turn/desk_internal.h"

#include "controlplane/call/events.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static const struct sl_conf_turn *conf(const struct sl_desk *d)
{
	return &d->o.config->turn;
}

const struct sl_desk_alternate *sl_desk_alternate(const struct sl_desk *d, unsigned i)
{
	return &d->alternates[i];
}

/* Weights of the file are shares of any size. Where loads are known they are spread over 0..100, so that some load takes some of them. */
static unsigned scaled(const struct sl_conf_turn *t, unsigned i, unsigned percent)
{
	unsigned most = 1;
	bool polled = false;

	for (unsigned k = 0; k < t->n_alternates; k++) {
		most = t->alternates[k].weight > most ? t->alternates[k].weight : most;
		polled |= t->alternates[k].load_url != NULL;
	}
	if (!polled)
		return t->alternates[i].weight;
	unsigned weight = t->alternates[i].weight * (100 - percent) / most;
	return percent >= 100 ? 0 : weight ? weight : 1; /* some room left is some weight left */
}

void desk_first_weights(const struct sl_conf_turn *t, uint8_t weights[SL_CONF_MAX_ALTERNATES])
{
	for (unsigned i = 0; i < t->n_alternates; i++)
		weights[i] = (uint8_t)scaled(t, i, 0);
}

static void set_weight(struct sl_desk *d, unsigned i, unsigned weight)
{
	const struct sl_conf_alternate *a = &conf(d)->alternates[i];
	char server[SL_ADDR_TEXT_MAX], text[240];

	if (d->weights[i] == weight)
		return;
	if (!weight || !d->weights[i]) {
		const char *why = d->alternates[i].trouble;
		snprintf(text, sizeof text, "alternate %s: clients are %s to it%s%s", sl_endpoint_text(&a->server, server), weight ? "sent" : "no longer sent",
		        weight ? "" : ": ", weight ? "" : why[0] ? why : d->alternates[i].is_draining ? "it drains" : "it is full");
		sl_log(SL_LOG_INFO, "%s", text);
		d->o.event(d->o.ctx, SL_CE_TURN_ALTERNATE, text);
	}
	d->weights[i] = (uint8_t)weight;
	d->alternates[i].weight = weight;
	d->stale = true;
	struct sl_command cmd = {.h = {.type = SL_CMD_ALTERNATE},
	        .alternate = {.server = a->server, .realm = SL_TURN_ANY_REALM, .transport = (uint8_t)a->transport, .weight = (uint8_t)weight}};
	int rc = sl_dp_change(d->o.dp, &cmd, NULL, NULL, NULL);
	if (rc == -ENOBUFS || rc == -ENOMEM) { /* away or standby: the next replay has it */
		d->dirty = true;
		d->next_tell_ms = 0;
	}
}

/* NULL, or what is wrong with the answer. */
static const char *read_load(const char *body, size_t len, unsigned *percent, bool *draining)
{
	json_error_t error;
	json_t *o = json_loadb(body, len, 0, &error), *p = json_object_get(o, "percent"), *drain = json_object_get(o, "draining");
	const char *wrong = NULL;

	if (!json_is_integer(p) || json_integer_value(p) < 0 || json_integer_value(p) > 100)
		wrong = "the answer has no member percent of 0..100";
	else
		*percent = (unsigned)json_integer_value(p);
	*draining = json_is_true(drain);
	json_decref(o);
	return wrong;
}

static void answered(void *ctx, int error, const char *text, long status, const char *body, size_t len)
{
	struct desk_poll *poll = ctx;
	struct sl_desk *d = poll->d;
	unsigned i = poll->index, percent = 0;
	bool draining = false;
	char why[sizeof d->alternates[0].trouble] = "";

	free(poll);
	if (!d)
		return;
	d->polls[i] = NULL;
	if (error)
		snprintf(why, sizeof why, "%s", text);
	else if (status != 200)
		snprintf(why, sizeof why, "it answers %ld", status);
	else if ((text = read_load(body, len, &percent, &draining)))
		snprintf(why, sizeof why, "%s", text);

	struct sl_desk_alternate *a = &d->alternates[i];
	a->is_known = !why[0];
	memcpy(a->trouble, why, sizeof a->trouble);
	if (why[0]) {
		a->failures++;
		if (++d->missed[i] >= SL_DESK_POLL_PATIENCE)
			set_weight(d, i, 0);
		return;
	}
	d->missed[i] = 0;
	a->percent = percent;
	a->is_draining = draining;
	set_weight(d, i, draining ? 0 : scaled(conf(d), i, percent));
}

static void ask(struct sl_desk *d, unsigned i)
{
	struct sl_fetch_request r = {.method = "GET", .url = conf(d)->alternates[i].load_url, .timeout_ms = SL_DESK_POLL_TIMEOUT_MS};
	struct desk_poll *poll = malloc(sizeof *poll);

	if (!poll)
		return;
	*poll = (struct desk_poll){d, i};
	d->polls[i] = poll;
	int rc = sl_fetch_submit(d->fetch, &r, answered, poll);
	if (rc < 0)
		answered(poll, -EIO, "the address is not good, or too much waits", 0, "", 0);
}

void desk_alternates_tick(struct sl_desk *d)
{
	if (d->now_ms < d->next_poll_ms)
		return;
	d->next_poll_ms = d->now_ms + SL_DESK_POLL_MS;
	for (unsigned i = 0; i < conf(d)->n_alternates; i++) {
		if (!conf(d)->alternates[i].load_url || d->polls[i])
			continue;
		if (!d->fetch && !(d->fetch = sl_fetch_new(d->o.mail)))
			return;
		ask(d, i);
	}
}

static void forget(struct sl_desk *d)
{
	for (unsigned i = 0; i < SL_CONF_MAX_ALTERNATES; i++) {
		if (d->polls[i])
			d->polls[i]->d = NULL;
		d->polls[i] = NULL;
	}
}

void desk_alternates_reset(struct sl_desk *d)
{
	forget(d);
	memset(d->missed, 0, sizeof d->missed);
	memset(d->alternates, 0, sizeof d->alternates);
	desk_first_weights(conf(d), d->weights);
	for (unsigned i = 0; i < conf(d)->n_alternates; i++)
		d->alternates[i] = (struct sl_desk_alternate){.weight = d->weights[i], .is_polled = conf(d)->alternates[i].load_url != NULL};
	d->next_poll_ms = 0;
}

void desk_alternates_leave(struct sl_desk *d)
{
	forget(d);
	sl_fetch_free(d->fetch);
	d->fetch = NULL;
}

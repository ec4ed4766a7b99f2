/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/brain.h"

#include "config/stored.h"
#include "controlplane/guard/warden.h"
#include "controlplane/turn/desk.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int sl_brain_config_users(const struct sl_config *config, struct sl_users *out)
{
	const char *error;

	*out = (struct sl_users){0};
	for (unsigned r = 0; config->turn.n_listeners && r < config->turn.n_realms; r++) {
		const struct sl_conf_turn_realm *realm = &config->turn.realms[r];
		for (unsigned i = 0; i < realm->n_users; i++) {
			struct sl_user *u = sl_user_new(realm->users[i].name, realm->name, realm->users[i].password, 0, &error);
			if (!u || sl_users_put(out, u) < 0) {
				sl_user_unref(u);
				sl_users_clear(out);
				return -ENOMEM;
			}
		}
	}
	return 0;
}

/* Those of the set that are not hidden by one of the others and whose realm there is. Returns how many are of no realm. */
static size_t gather(struct sl_desired *out, const struct sl_users *set, const struct sl_users *const *others, unsigned n_others)
{
	const char *realm = NULL;
	bool known = false;
	size_t foreign = 0;

	for (size_t i = 0; i < set->n; i++) {
		struct sl_user *u = set->by_name[i];
		bool hidden = false;
		if (!realm || strcmp(realm, u->realm) != 0) {
			realm = u->realm;
			known = sl_turn_plan_realm(out->plan, realm) >= 0;
		}
		for (unsigned o = 0; o < n_others && !hidden; o++)
			hidden = sl_users_find(others[o], u->realm, u->name, u->name_len) != NULL;
		if (known && !hidden)
			out->users[out->n_users++] = sl_user_ref(u);
		foreign += !known;
	}
	return foreign;
}

int sl_brain_desired(
        struct sl_brain *b, const struct sl_config *config, const struct sl_users *config_users, struct sl_desired *out, char *text, size_t text_len)
{
	const struct sl_users *before[] = {config_users, &b->store_users};

	*out = (struct sl_desired){.plan = sl_desk_plan(b->desk, config, text, text_len)};
	if (!out->plan)
		return -EINVAL;
	if (!out->plan->on) /* no TURN: users wait in the store for it */
		return 0;
	out->users = calloc(config_users->n + b->store_users.n + b->source_users.n + 1, sizeof *out->users);
	if (!out->users) {
		sl_desired_clear(out);
		snprintf(text, text_len, "no memory");
		return -ENOMEM;
	}
	gather(out, config_users, NULL, 0);
	size_t foreign = gather(out, &b->store_users, before, 1);
	foreign += gather(out, &b->source_users, before, 2);
	if (foreign)
		sl_log(SL_LOG_WARNING, "%zu users are of realms that are not here, and cannot be used: give them a realm, or add them anew", foreign);
	return 0;
}

/* ---- reload ---- */

struct sl_reload {
	struct sl_brain *b;
	pthread_t thread; /* reads the file: with long lists of prefixes that takes longer than calls may wait */
	const char *path;
	int rc;           /* of reading */
	char text[400];
	bool cancelled;
	struct sl_config *config;
	int copy_fd; /* the text it was read from; -1 = none yet */
	struct sl_users users;
	sl_dp_done done;
	void *ctx;
};

/* Every step of it succeeds: what is refused was refused before. */
static void take_over(struct sl_reload *r)
{
	struct sl_brain *b = r->b;
	struct sl_config *old = b->config;
	int rc = b->stored_fd < 0 ? 0 : sl_config_stored_copy(b->stored_fd, r->copy_fd);

	if (rc < 0)
		sl_log(SL_LOG_WARNING, "the new configuration is lost at the next crash: %s", strerror(-rc));
	sl_log_set_level((enum sl_log_level)sl_log_level_of(r->config->log_level));
	sl_http_set_token(b->http, r->config->control.api_token);
	sl_users_clear(&b->config_users);
	b->config_users = r->users;
	r->users = (struct sl_users){0};
	b->config = r->config;
	r->config = old;
	sl_brain_reconfigure_turn(b);
	sl_warden_reconfigure(b->warden, b->config);
	if (b->media)
		sl_media_reconfigure(b->media, b->config);
	if (b->ng)
		sl_ng_reconfigure(b->ng, b->config);
	sl_brain_reconfigure_sip(b);
	snprintf(b->last_reload, sizeof b->last_reload, "reloaded");
	sl_log(SL_LOG_INFO, "configuration reloaded from %s", b->config->path);
}

static void conclude(struct sl_reload *r, int error, const char *text)
{
	struct sl_brain *b = r->b;

	b->reload_runs = false;
	if (error == 0) {
		take_over(r);
	} else {
		snprintf(b->last_reload, sizeof b->last_reload, "refused: %.*s", (int)(sizeof b->last_reload - sizeof "refused: "), text);
		sl_log(SL_LOG_ERROR, "configuration not reloaded, the old one goes on: %s", text);
	}
	sl_users_clear(&r->users);
	sl_config_free(r->config);
	if (r->copy_fd >= 0)
		close(r->copy_fd);
	if (r->done)
		r->done(r->ctx, error, text);
	free(r);
}

static void replayed(void *ctx, int error, const char *text)
{
	char why[200];

	if (error == 0 || error == -ENOTCONN) { /* away: it gets the new one when it is back */
		conclude(ctx, 0, "");
		return;
	}
	bool refused = error != -EBUSY && error != -ETIMEDOUT;
	snprintf(why, sizeof why, "the dataplane %s: %s", refused ? "refused it" : "did not take it", text);
	conclude(ctx, refused ? -EINVAL : error, why);
}

static bool listeners_differ(const struct sl_endpoint *a, unsigned n_a, const struct sl_endpoint *b, unsigned n_b)
{
	if (n_a != n_b)
		return true;
	for (unsigned i = 0; i < n_a; i++) {
		if (!sl_endpoint_eq(&a[i], &b[i]))
			return true;
	}
	return false;
}

static const char *ng_changed(const struct sl_conf_media *a, const struct sl_conf_media *b)
{
	if (a->n_addresses == 0 || b->n_addresses == 0) /* media comes or goes: the dataplane's matter */
		return NULL;
	if (listeners_differ(a->ng_udp, a->n_ng_udp, b->ng_udp, b->n_ng_udp))
		return "media.ng.udp";
	return listeners_differ(a->ng_tcp, a->n_ng_tcp, b->ng_tcp, b->n_ng_tcp) ? "media.ng.tcp" : NULL;
}

/* An option that both programs or open sockets and files hang on; NULL = none of them differs. */
static const char *control_changed(const struct sl_conf_control *a, const struct sl_conf_control *b)
{
	if (strcmp(a->api_socket, b->api_socket) != 0)
		return "control.api_socket";
	if (a->has_api_tcp != b->has_api_tcp || (a->has_api_tcp && !sl_endpoint_eq(&a->api_tcp, &b->api_tcp)))
		return "control.api_tcp";
	if (strcmp(a->database, b->database) != 0)
		return "control.database";
	return strcmp(a->client_name, b->client_name) != 0 ? "control.client_name" : NULL;
}

/* Take a copy of the file, so that what is judged, provisioned and kept for a crash is one text even while somebody
 * edits it. The file itself is read first: its lines are what a message must name. */
static int load(struct sl_reload *r, char *text, size_t text_len)
{
	const char *path = r->path;
	int rc = sl_config_load(path, &r->config, text, text_len);

	if (rc < 0)
		return rc;
	r->copy_fd = sl_config_stored_new(path, r->config->control.api_token);
	if (r->copy_fd < 0) {
		snprintf(text, text_len, "%s: cannot be copied: %s", path, strerror(-r->copy_fd));
		return r->copy_fd;
	}
	sl_config_free(r->config);
	r->config = NULL;
	return sl_config_stored_load(r->copy_fd, path, &r->config, text, text_len);
}

static bool needs_restart(const struct sl_reload *r, char *text, size_t text_len)
{
	const char *option = control_changed(&r->b->config->control, &r->config->control);
	char what[64];

	if (!option)
		option = ng_changed(&r->b->config->media, &r->config->media);
	if (option)
		snprintf(text, text_len, "option '%s' cannot change while the control plane runs: restart it", option);
	else if (sl_brain_check_sip(r->b, r->config, text, text_len) < 0)
		return true;
	else if (sl_config_needs_restart(r->b->config, r->config, what, sizeof what))
		snprintf(text, text_len, "option '%s' cannot change by a reload: restart the dataplane, then the control plane", what);
	else
		return false;
	return true;
}

/* The same users in the same realms: they are not told again. */
static void keep_users(const struct sl_reload *r, struct sl_desired *d)
{
	const struct sl_turn_plan *now = sl_dp_plan(r->b->dp);

	if (!now || !now->on || !d->plan->on || !sl_turn_plan_same_realms(now, d->plan) || !sl_users_same(&r->b->config_users, &r->users))
		return;
	for (size_t i = 0; i < d->n_users; i++)
		sl_user_unref(d->users[i]);
	d->n_users = 0;
	d->keep_users = true;
}

/* On the brain again, with what was read. */
static void bring_in(struct sl_reload *r)
{
	struct sl_brain *b = r->b;
	struct sl_desired desired = {0};

	if (r->rc < 0 || needs_restart(r, r->text, sizeof r->text)) {
		conclude(r, -EINVAL, r->text);
		return;
	}
	if (sl_brain_config_users(r->config, &r->users) < 0) {
		conclude(r, -ENOMEM, "no memory");
		return;
	}
	int rc = sl_brain_desired(b, r->config, &r->users, &desired, r->text, sizeof r->text);
	if (rc < 0) {
		conclude(r, rc, r->text);
		return;
	}
	keep_users(r, &desired);
	rc = sl_dp_replay(b->dp, &desired, replayed, r);
	if (rc == 0)
		return;
	sl_desired_clear(&desired);
	if (rc == -EBUSY && !r->done) /* a signal asked for it, and nobody would ask again */
		b->reload_wanted = true;
	/* Away, or provisioned by another control plane: it gets the new one when its time comes. */
	conclude(r, rc == -ENOTCONN ? 0 : rc, "the dataplane is being provisioned; try again");
}

static void was_read(void *arg)
{
	struct sl_reload *r = arg;

	pthread_join(r->thread, NULL);
	r->b->reading = NULL;
	if (r->cancelled)
		conclude(r, -EBUSY, "the control plane stops");
	else
		bring_in(r);
}

static void *read_it(void *arg)
{
	struct sl_reload *r = arg;

	r->rc = load(r, r->text, sizeof r->text);
	while (sl_mailbox_post(r->b->mail, was_read, r) < 0)
		usleep(1000);
	return NULL;
}

void sl_brain_reload(struct sl_brain *b, sl_dp_done done, void *ctx)
{
	struct sl_reload *r = calloc(1, sizeof *r);

	if (!r || b->reload_runs) {
		free(r);
		if (done)
			done(ctx, -EBUSY, "another reload is under way");
		return;
	}
	/* Nothing but a reload changes b->config. */
	*r = (struct sl_reload){.b = b, .path = b->config->path, .copy_fd = -1, .done = done, .ctx = ctx};
	b->reload_runs = true;
	b->reading = r;
	if (pthread_create(&r->thread, NULL, read_it, r) == 0)
		return;
	b->reading = NULL;
	conclude(r, -ENOMEM, "cannot start a thread that reads it");
}

void sl_brain_reload_close(struct sl_brain *b)
{
	if (b->reading)
		b->reading->cancelled = true;
	while (b->reading) {
		sl_mailbox_run(b->mail, 1);
		usleep(1000);
	}
}

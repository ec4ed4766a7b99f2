/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/live.h"

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#include "config/guard_policy.h"
#include "config/stored.h"
#include "dataplane/abi/log.h"
#include "dataplane/stream/stream.h"

enum { NICE = 10 }; /* it may share a core with a worker on a small machine */

/* ---- what counts ---- */

static void options_of(const struct sl_config *c, struct sl_live_options *o)
{
	*o = (struct sl_live_options){.exception_pps = c->dataplane.exception_pps,
		.unauthenticated_pps = c->dataplane.unauthenticated_pps, .idle = (uint8_t)c->dataplane.idle,
		.log_level = sl_log_level_of(c->log_level)};
}

static void put_options(struct sl_dataplane *dp, const struct sl_live_options *o)
{
	atomic_store_explicit(&dp->live_exception_pps, o->exception_pps, memory_order_relaxed);
	atomic_store_explicit(&dp->live_unauthenticated_pps, o->unauthenticated_pps, memory_order_relaxed);
	atomic_store_explicit(&dp->live_idle, o->idle, memory_order_relaxed);
	if (o->log_level >= 0)
		sl_log_set_level((enum sl_log_level)o->log_level);
}

void sl_live_apply(struct sl_dataplane *dp, const struct sl_config *c)
{
	struct sl_live_options o;
	options_of(c, &o);
	put_options(dp, &o);
}

/* ---- the reading thread ---- */

static bool accept_config(struct sl_live *l, const struct sl_config *c)
{
	char text[512];
	if (sl_config_needs_restart(l->dp->config, c, text, sizeof(text))) {
		sl_log(SL_LOG_ERROR, "reload refused, nothing changed: option '%s' needs a restart", text);
		return false;
	}
	options_of(c, &l->options);
	sl_guard_policy_of(c, &l->options.guard);
	l->options.list = sl_guard_job_of_config(&c->guard);
	if (!l->options.list) {
		sl_log(SL_LOG_ERROR, "reload refused, nothing changed: no memory for %u prefixes", c->guard.n_prefixes);
		return false;
	}
	/* Certificates take effect here, so they come after everything that could refuse the file. */
	if (sl_streams_reload(l->dp->streams, c, text, sizeof(text)) < 0) {
		sl_log(SL_LOG_ERROR, "reload refused, nothing changed: %s", text);
		sl_guard_job_free(l->options.list);
		return false;
	}
	int rc = sl_config_stored_write(l->stored_fd, l->path, NULL);
	if (rc < 0)
		sl_log(SL_LOG_WARNING, "the new configuration is lost at the next crash: %s", strerror(-rc));
	return true;
}

static void *read_file(void *arg)
{
	struct sl_live *l = arg;
	char text[512];
	struct sl_config *c;
	setpriority(PRIO_PROCESS, 0, NICE); /* of this thread alone */
	l->accepted = false;
	if (sl_config_load(l->path, &c, text, sizeof(text)) < 0) {
		sl_log(SL_LOG_ERROR, "reload refused, nothing changed: %s", text);
	} else {
		l->accepted = accept_config(l, c);
		sl_config_free(c);
	}
	atomic_store_explicit(&l->done, true, memory_order_release);
	return NULL;
}

/* ---- the housekeeper ---- */

void sl_live_init(struct sl_live *l, struct sl_dataplane *dp, struct sl_guard_tables *guard, const char *path, int stored_fd)
{
	*l = (struct sl_live){.dp = dp, .guard = guard, .path = path, .stored_fd = stored_fd};
}

void sl_live_reload(struct sl_live *l)
{
	pthread_t thread;
	if (l->reading) {
		l->again = true;
		return;
	}
	int rc = pthread_create(&thread, NULL, read_file, l);
	if (rc) {
		sl_log(SL_LOG_ERROR, "reload refused, nothing changed: %s", strerror(rc));
		return;
	}
	pthread_detach(thread);
	l->reading = true;
}

void sl_live_turn(struct sl_live *l)
{
	if (!l->reading || !atomic_load_explicit(&l->done, memory_order_acquire))
		return;
	atomic_store_explicit(&l->done, false, memory_order_relaxed);
	l->reading = false;
	if (l->accepted) {
		put_options(l->dp, &l->options);
		sl_guard_tables_reconfigure(l->guard, &l->options.guard, l->options.list);
		sl_log(SL_LOG_INFO, "configuration reloaded from %s", l->path);
	}
	if (l->again) {
		l->again = false;
		sl_live_reload(l);
	}
}

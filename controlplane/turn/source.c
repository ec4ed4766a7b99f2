/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/turn/source.h"

#include "controlplane/secret.h"
#include "controlplane/turn/redis.h"
#include "controlplane/turn/source_read.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	INBOX = 64,
	RETRY_FIRST_S = 5,   /* after a reading that failed; then twice as long each time, up to refresh_s */
	CHANGES = 2048,      /* told at a time */
	TELL_MS = 20,        /* and no more once so long was spent: the loop has others */
	POST_NAP_MS = 5,
	SEND_AGAIN_MS = 1000, /* what found no memory */
};

/* One source, on the thread. */
struct source {
	struct sl_conf_user_source conf; /* connect: our copy */
	struct sl_source_set *set;       /* as last read; NULL = never */
	int64_t next_ms;                 /* when it is read again */
	unsigned retry_s;
	struct sl_source_status status;
};

struct waiter {
	struct waiter *next;
	sl_sources_done done;
	void *ctx;
};

/* A reading on its way to the brain, and there until it has been told. */
struct reading {
	struct reading *next;
	struct sl_sources *owner;
	struct sl_source_set *before, *now; /* NULL = nothing; now is what holds from here on */
	struct sl_source_diff diff;
	size_t at;             /* in diff: told until here */
	bool settings;         /* differ, and were not told yet */
	bool settings_told;
	unsigned n_sources;
	struct sl_source_status status[SL_CONF_MAX_USER_SOURCES];
	unsigned asked;        /* letters of sl_sources_refresh() that it answers */
	unsigned generation;   /* of the configuration */
};

struct sl_sources {
	/* The brain's. */
	struct sl_sources_ops ops;
	struct sl_source_set *told;      /* what the settings were told of */
	struct reading *first, **last;   /* not told whole */
	struct waiter *waiters;          /* in order of asking */
	bool known;
	struct new_conf *conf_waits;     /* it found no room in the inbox; NULL = none */
	unsigned n_status, generation;
	struct sl_source_status status[SL_CONF_MAX_USER_SOURCES];

	/* Both. */
	struct sl_mailbox *inbox, *brain;
	pthread_t thread;
	atomic_bool stop;

	/* The thread's. */
	unsigned n, asked, conf_generation;
	struct source sources[SL_CONF_MAX_USER_SOURCES];
	struct sl_source_set *sent; /* what the brain was sent last */
};

static int64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* ---- the brain: telling ---- */

static void free_reading(struct reading *r)
{
	sl_source_set_unref(r->before);
	sl_source_set_unref(r->now);
	sl_source_diff_free(&r->diff);
	free(r);
}

static void answer_waiters(struct sl_sources *s, unsigned n, int error, const char *text)
{
	while (n-- > 0 && s->waiters) {
		struct waiter *w = s->waiters;
		s->waiters = w->next;
		w->done(w->ctx, error, text);
		free(w);
	}
}

static void fill_change(const struct reading *r, const struct sl_source_step *step, struct sl_source_change *out)
{
	const struct sl_source_set *set = step->gone ? r->before : r->now;
	const struct sl_source_user *u = &set->users[step->user];

	*out = (struct sl_source_change){set->realms[u->realm].name, set->text + u->name_at, step->gone ? NULL : u->key_md5};
}

/* Changes of users of the first reading. False: they are not taken now. */
static bool tell_some(struct sl_sources *s, struct reading *r)
{
	struct sl_source_change changes[CHANGES];
	size_t n = 0;

	while (n < CHANGES && r->at + n < r->diff.n) {
		fill_change(r, &r->diff.steps[r->at + n], &changes[n]);
		n++;
	}
	if (s->ops.users(s->ops.ctx, changes, n) < 0)
		return false;
	r->at += n;
	return true;
}

static void told_whole(struct sl_sources *s, struct reading *r)
{
	const char *trouble = NULL;

	for (unsigned i = 0; i < r->n_sources && !trouble; i++)
		trouble = r->status[i].failing ? r->status[i].trouble : NULL;
	s->first = r->next;
	if (!s->first)
		s->last = &s->first;
	if (!s->known) {
		s->known = true;
		s->ops.known(s->ops.ctx);
	}
	answer_waiters(s, r->asked, trouble ? -EIO : 0, trouble ? trouble : "");
	free_reading(r);
}

static void send_conf(struct sl_sources *s);

void sl_sources_tick(struct sl_sources *s)
{
	int64_t until_ms = clock_ms(CLOCK_MONOTONIC) + TELL_MS;

	send_conf(s);
	while (s->first) {
		struct reading *r = s->first;
		if (r->settings && !r->settings_told) {
			r->settings_told = true;
			sl_source_set_unref(s->told);
			s->told = r->now ? sl_source_set_ref(r->now) : NULL;
			s->ops.settings(s->ops.ctx, s->told);
		}
		while (r->at < r->diff.n) {
			if (clock_ms(CLOCK_MONOTONIC) > until_ms || !tell_some(s, r))
				return;
		}
		told_whole(s, r);
	}
}

/* A letter. */
static void take_reading(void *arg)
{
	struct reading *r = arg;
	struct sl_sources *s = r->owner;

	if (s->stop) {
		free_reading(r);
		return;
	}
	*s->last = r;
	s->last = &r->next;
	if (r->generation == s->generation) {
		s->n_status = r->n_sources;
		memcpy(s->status, r->status, sizeof s->status);
	}
	sl_sources_tick(s);
}

/* ---- the thread: reading ---- */

static void read_one(struct sl_sources *s, struct source *x)
{
	static const sl_source_read readers[] = {[SL_USERS_SQLITE] = sl_source_read_sqlite, [SL_USERS_POSTGRESQL] = sl_source_read_postgresql,
	        [SL_USERS_REDIS] = sl_source_read_redis};
	struct sl_source_status *t = &x->status;
	bool failed_before = t->failing;
	int64_t began = clock_ms(CLOCK_MONOTONIC);
	char text[SL_SOURCE_TEXT] = "";

	struct sl_source_set *set = readers[x->conf.kind](x->conf.connect, &s->stop, text);
	t->readings++;
	t->failing = set == NULL;
	snprintf(t->trouble, sizeof t->trouble, "%s", text);
	if (set) {
		sl_source_set_unref(x->set);
		x->set = set;
		x->retry_s = 0;
		t->took_ms = (unsigned)(clock_ms(CLOCK_MONOTONIC) - began);
		t->read_unix_ms = clock_ms(CLOCK_REALTIME);
		t->users = set->n_users;
		t->realms = set->n_realms;
		if (set->bad_rows && (set->bad_rows != t->bad_rows || strcmp(set->bad_row, t->bad_row) != 0))
			sl_log(SL_LOG_WARNING, "user table %s: %zu rows are left out; the first: %s", t->name, set->bad_rows, set->bad_row);
		t->bad_rows = set->bad_rows;
		snprintf(t->bad_row, sizeof t->bad_row, "%s", set->bad_row);
		if (failed_before)
			sl_log(SL_LOG_INFO, "user table %s can be read again: %zu users", t->name, t->users);
	} else {
		t->failures++;
		x->retry_s = x->retry_s == 0 ? RETRY_FIRST_S : 2 * x->retry_s;
		if (!failed_before && !s->stop)
			sl_log(SL_LOG_ERROR, "user table %s cannot be read, what was read of it stays in force: %s", t->name, text);
	}
	unsigned wait_s = x->retry_s && x->retry_s < x->conf.refresh_s ? x->retry_s : x->conf.refresh_s;
	x->next_ms = clock_ms(CLOCK_MONOTONIC) + wait_s * INT64_C(1000);
}

/* What all sources say; a reference. NULL: nothing, or *failed. */
static struct sl_source_set *join(struct sl_sources *s, bool *failed)
{
	const struct sl_source_set *sets[SL_CONF_MAX_USER_SOURCES];
	struct sl_source_set *all;

	*failed = false;
	if (s->n == 0)
		return NULL;
	if (s->n == 1)
		return s->sources[0].set ? sl_source_set_ref(s->sources[0].set) : NULL;
	for (unsigned i = 0; i < s->n; i++)
		sets[i] = s->sources[i].set;
	all = sl_source_join(sets, s->n);
	*failed = all == NULL;
	return all;
}

static void post(struct sl_sources *s, struct reading *r)
{
	/* The brain always comes back to its mailbox. */
	while (sl_mailbox_post(s->brain, take_reading, r) < 0) {
		if (s->stop) {
			free_reading(r);
			return;
		}
		poll(NULL, 0, POST_NAP_MS);
	}
}

/* How what holds now differs from what was sent before. False: no memory. */
static bool send_reading(struct sl_sources *s)
{
	struct reading *r = calloc(1, sizeof *r);
	bool failed = !r;
	struct sl_source_set *now = failed ? NULL : join(s, &failed);

	if (!failed)
		failed = !sl_source_diff(s->sent, now, &r->diff);
	if (failed) {
		sl_log(SL_LOG_ERROR, "user tables: no memory for what was read; what was in force stays so");
		sl_source_set_unref(now);
		if (r)
			free_reading(r);
		return false;
	}
	r->owner = s;
	r->settings = !sl_source_settings_same(s->sent, now);
	r->before = s->sent;
	r->now = now ? sl_source_set_ref(now) : NULL;
	s->sent = now;
	r->n_sources = s->n;
	for (unsigned i = 0; i < s->n; i++)
		r->status[i] = s->sources[i].status;
	r->asked = s->asked;
	s->asked = 0;
	r->generation = s->conf_generation;
	post(s, r);
	return true;
}

static bool read_what_is_due(struct sl_sources *s)
{
	bool any = false;

	for (unsigned i = 0; i < s->n && !s->stop; i++) {
		if (clock_ms(CLOCK_MONOTONIC) >= s->sources[i].next_ms) {
			read_one(s, &s->sources[i]);
			any = true;
		}
	}
	return any;
}

static int until_due(const struct sl_sources *s)
{
	int64_t first = INT64_MAX, now = clock_ms(CLOCK_MONOTONIC);

	for (unsigned i = 0; i < s->n; i++)
		first = s->sources[i].next_ms < first ? s->sources[i].next_ms : first;
	return first == INT64_MAX ? -1 : first <= now ? 0 : first - now > 60000 ? 60000 : (int)(first - now);
}

static void *run(void *arg)
{
	struct sl_sources *s = arg;
	bool news = true; /* the first time even when there is nothing to read */
	bool unsent = false;

	while (!s->stop) {
		struct pollfd p = {sl_mailbox_fd(s->inbox), POLLIN, 0};
		unsigned generation = s->conf_generation;
		poll(&p, 1, unsent ? SEND_AGAIN_MS : news ? 0 : until_due(s));
		sl_mailbox_run(s->inbox, INBOX);
		news |= unsent || generation != s->conf_generation || s->asked > 0;
		if ((read_what_is_due(s) || news) && !s->stop)
			unsent = !send_reading(s);
		news = false;
	}
	return NULL;
}

/* ---- letters to the thread ---- */

struct new_conf {
	struct sl_sources *s;
	unsigned n, generation;
	struct sl_conf_user_source confs[SL_CONF_MAX_USER_SOURCES];
};

static void free_conf(struct new_conf *c)
{
	for (unsigned i = 0; c && i < c->n; i++)
		sl_secret_free_text(c->confs[i].connect);
	free(c);
}

static void free_source(struct source *x)
{
	sl_secret_free_text(x->conf.connect);
	sl_source_set_unref(x->set);
}

static void name_it(struct source *x)
{
	x->status.kind = x->conf.kind;
	if (x->conf.kind == SL_USERS_POSTGRESQL)
		sl_source_name_postgresql(x->conf.connect, x->status.name, sizeof x->status.name);
	else if (x->conf.kind == SL_USERS_REDIS)
		sl_redis_name(x->conf.connect, x->status.name, sizeof x->status.name);
	else
		snprintf(x->status.name, sizeof x->status.name, "%s", x->conf.connect);
}

/* What was read of a source that stays comes along. All are read at once. */
static void take_conf(void *arg)
{
	struct new_conf *c = arg;
	struct sl_sources *s = c->s;
	struct source before[SL_CONF_MAX_USER_SOURCES];
	unsigned n_before = s->n;

	memcpy(before, s->sources, sizeof before);
	memset(s->sources, 0, sizeof s->sources);
	s->n = c->n;
	s->conf_generation = c->generation;
	for (unsigned i = 0; i < c->n; i++) {
		struct source *x = &s->sources[i];
		for (unsigned k = 0; k < n_before; k++) {
			if (!before[k].conf.connect || before[k].conf.kind != c->confs[i].kind || strcmp(before[k].conf.connect, c->confs[i].connect) != 0)
				continue;
			*x = before[k];
			sl_secret_free_text(before[k].conf.connect);
			before[k] = (struct source){0};
			break;
		}
		x->conf = c->confs[i];
		x->next_ms = 0;
		name_it(x);
	}
	for (unsigned k = 0; k < n_before; k++)
		free_source(&before[k]);
	free(c);
}

static void read_now(void *arg)
{
	struct sl_sources *s = arg;

	s->asked++;
	for (unsigned i = 0; i < s->n; i++)
		s->sources[i].next_ms = 0;
}

static struct new_conf *copy_conf(struct sl_sources *s, const struct sl_conf_turn *conf)
{
	struct new_conf *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->s = s;
	for (; c->n < conf->n_user_sources; c->n++) {
		c->confs[c->n] = conf->user_sources[c->n];
		if (!(c->confs[c->n].connect = strdup(conf->user_sources[c->n].connect))) {
			free_conf(c);
			return NULL;
		}
	}
	c->generation = ++s->generation;
	return c;
}

/* The thread may be waiting for a table that does not answer, its inbox full: later then. */
static void send_conf(struct sl_sources *s)
{
	if (s->conf_waits && sl_mailbox_post(s->inbox, take_conf, s->conf_waits) == 0)
		s->conf_waits = NULL;
}

/* ---- life ---- */

struct sl_sources *sl_sources_new(
        const struct sl_conf_turn *conf, const struct sl_sources_ops *ops, struct sl_mailbox *brain, char *text, size_t text_len)
{
	struct sl_sources *s = calloc(1, sizeof *s);
	struct new_conf *c = s ? copy_conf(s, conf) : NULL;

	if (!c)
		goto err;
	s->ops = *ops;
	s->brain = brain;
	s->last = &s->first;
	take_conf(c); /* its thread does not run yet */
	s->inbox = sl_mailbox_new(INBOX);
	if (s->inbox && pthread_create(&s->thread, NULL, run, s) == 0)
		return s;
	for (unsigned i = 0; i < s->n; i++)
		free_source(&s->sources[i]);
	sl_mailbox_free(s->inbox);
err:
	snprintf(text, text_len, "cannot start the thread that reads user tables");
	free(s);
	return NULL;
}

static void wake(void *arg)
{
	(void)arg;
}

void sl_sources_free(struct sl_sources *s)
{
	if (!s)
		return;
	s->stop = true;
	sl_mailbox_post(s->inbox, wake, s);
	pthread_join(s->thread, NULL);
	sl_mailbox_run(s->inbox, ~0U); /* what it had not taken yet */
	free_conf(s->conf_waits);
	sl_mailbox_run(s->brain, ~0U); /* what it had sent; nothing of ours is left in there */
	answer_waiters(s, ~0U, -EIO, "the control plane stops");
	while (s->first) {
		struct reading *r = s->first;
		s->first = r->next;
		free_reading(r);
	}
	for (unsigned i = 0; i < s->n; i++)
		free_source(&s->sources[i]);
	sl_source_set_unref(s->told);
	sl_source_set_unref(s->sent);
	sl_mailbox_free(s->inbox);
	free(s);
}

void sl_sources_reconfigure(struct sl_sources *s, const struct sl_conf_turn *conf)
{
	struct new_conf *c = copy_conf(s, conf);

	if (!c) {
		sl_log(SL_LOG_ERROR, "user tables: no memory for another configuration; the one before goes on");
		return;
	}
	free_conf(s->conf_waits); /* nobody wants that one any more */
	s->conf_waits = c;
	send_conf(s);
}

void sl_sources_refresh(struct sl_sources *s, sl_sources_done done, void *ctx)
{
	struct waiter *w = calloc(1, sizeof *w), **at = &s->waiters;

	if (!w || sl_mailbox_post(s->inbox, read_now, s) < 0) {
		free(w);
		done(ctx, -EIO, "too many readings were asked for; try again");
		return;
	}
	*w = (struct waiter){.done = done, .ctx = ctx};
	while (*at)
		at = &(*at)->next;
	*at = w;
}

unsigned sl_sources_n(const struct sl_sources *s)
{
	return s->n_status;
}

const struct sl_source_status *sl_sources_status(const struct sl_sources *s, unsigned i)
{
	return &s->status[i];
}

const char *sl_sources_trouble(const struct sl_sources *s)
{
	static char text[400]; /* the brain's thread only */

	for (unsigned i = 0; i < s->n_status; i++) {
		if (!s->status[i].failing)
			continue;
		snprintf(text, sizeof text, "user table %s cannot be read: %s", s->status[i].name, s->status[i].trouble);
		return text;
	}
	return NULL;
}

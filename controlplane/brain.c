/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/brain.h"

#include "controlplane/call/call.h"
#include "controlplane/guard/warden.h"
#include "controlplane/http/api.h"
#include "controlplane/loop.h"
#include "controlplane/turn/desk.h"
#include "dataplane/abi/keeper.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SU_ROOT_MAGIC_T struct sl_brain
#define SU_WAKEUP_ARG_T struct sl_brain
#include <sofia-sip/su_wait.h>

enum {
	MAILBOX = 32768, /* more than the store takes: its answers always find room */
	LETTERS_PER_TURN = 64,
	ALIVE_TICKS = 10,
	TURN_MS = 1000, /* the timer ends it earlier */
};

/* The loop is Sofia's, which SIP will need. Our own timer is one timerfd among its descriptors: Sofia rounds
 * the time to its timers down to whole milliseconds and spins through the rest. */
struct sl_brain_loop {
	su_root_t *root;
	int signal_fd, timer_fd;
	int watched_sock, watched_event_fd; /* su_root_register()'s indices, -1 = none */
	int watched_signals, watched_timer, watched_mail, watched_ng;
	unsigned ticks;
};

int64_t sl_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static int watch(struct sl_brain *b, int fd, su_wakeup_f callback)
{
	su_wait_t wait[1] = {SU_WAIT_INIT};

	if (su_wait_create(wait, fd, SU_WAIT_IN | SU_WAIT_HUP) < 0)
		return -1;
	return su_root_register(b->loop->root, wait, callback, b, 0);
}

static void unwatch(struct sl_brain *b, int index)
{
	if (index > 0)
		su_root_deregister(b->loop->root, index);
}

static void stop(struct sl_brain *b, int status)
{
	b->exit_status = status;
	b->stopping = true;
}

/* ---- wake-ups ---- */

static int on_mail(struct sl_brain *magic, su_wait_t *w, struct sl_brain *b)
{
	sl_mailbox_run(b->mail, LETTERS_PER_TURN);
	return 0;
}

static int on_ng(struct sl_brain *magic, su_wait_t *w, struct sl_brain *b)
{
	sl_ng_run(b->ng);
	return 0;
}

static int on_dataplane(struct sl_brain *magic, su_wait_t *w, struct sl_brain *b)
{
	sl_dp_readable(b->dp, sl_now_ms());
	return 0;
}

static void reload_by_signal(struct sl_brain *b)
{
	/* A replay under way would refuse it: the signal's answer is nobody, so it can wait. */
	if (!b->reload_wanted || b->reload_runs || sl_dp_replaying(b->dp))
		return;
	b->reload_wanted = false;
	sl_brain_reload(b, NULL, NULL);
}

static int on_timer(struct sl_brain *magic, su_wait_t *w, struct sl_brain *b)
{
	uint64_t expirations;
	int64_t now_ms = sl_now_ms();

	if (read(b->loop->timer_fd, &expirations, sizeof expirations) < 0)
		return 0;
	sl_dp_tick(b->dp, now_ms);
	if (b->media)
		sl_media_tick(b->media, now_ms);
	sl_brain_tick_sip(b, now_ms);
	sl_warden_tick(b->warden, now_ms);
	sl_brain_user_ops_tick(b, now_ms);
	sl_brain_tick_turn(b, now_ms);
	reload_by_signal(b);
	if (b->loop->ticks++ % ALIVE_TICKS == 0)
		sl_keeper_notify(SL_KEEPER_ALIVE);
	return 0;
}

static int on_signal(struct sl_brain *magic, su_wait_t *w, struct sl_brain *b)
{
	struct signalfd_siginfo si;

	while (read(b->loop->signal_fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGHUP)
			b->reload_wanted = true;
		else
			stop(b, 0);
	}
	reload_by_signal(b);
	return 0;
}

/* ---- what the dataplane link asks ---- */

static int desired(void *ctx, struct sl_desired *out)
{
	struct sl_brain *b = ctx;
	char text[120];

	if (!b->users_known)
		return -EAGAIN;
	int rc = sl_brain_desired(b, b->config, &b->config_users, out, text, sizeof text);
	sl_desk_set_trouble(b->desk, rc < 0 ? text : NULL);
	return rc;
}

static void watch_dataplane(void *ctx, int sock, int event_fd)
{
	struct sl_brain *b = ctx;
	struct sl_brain_loop *l = b->loop;

	unwatch(b, l->watched_sock);
	unwatch(b, l->watched_event_fd);
	l->watched_sock = sock >= 0 ? watch(b, sock, on_dataplane) : -1;
	l->watched_event_fd = event_fd >= 0 ? watch(b, event_fd, on_dataplane) : -1;
}

/* The dataplane is told of users once all that there are is known: else it would lose those it has. */
void sl_brain_users_known(struct sl_brain *b)
{
	if (b->users_known || !b->store_users_known || !b->source_users_known)
		return;
	b->users_known = true;
	sl_log(SL_LOG_INFO, "%zu users in the configuration, %zu in the store, %zu in tables elsewhere", b->config_users.n, b->store_users.n, b->source_users.n);
	sl_dp_replay_now(b->dp);
	sl_keeper_notify(SL_KEEPER_READY);
}

static void users_loaded(void *ctx, int error, const char *text, struct sl_user **users, size_t n)
{
	struct sl_brain *b = ctx;

	if (error) { /* going on would take users away from a dataplane that has them */
		sl_log(SL_LOG_ERROR, "cannot read the users: %s", text);
		stop(b, 1);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (sl_users_put(&b->store_users, users[i]) < 0)
			sl_user_unref(users[i]);
	}
	b->store_users_known = true;
	sl_brain_users_known(b);
}

/* ---- life ---- */

static int open_loop(struct sl_brain *b)
{
	struct itimerspec every = {.it_interval = {0, SL_BRAIN_TICK_MS * 1000000L}, .it_value = {0, 1}};
	struct sl_brain_loop *l = b->loop;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	/* Blocked before any thread is made: signals are the brain's. */
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	l->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	b->mail = sl_mailbox_new(MAILBOX);
	l->root = su_root_create(b);
	if (l->signal_fd < 0 || l->timer_fd < 0 || !b->mail || !l->root ||
	        timerfd_settime(l->timer_fd, 0, &every, NULL) < 0 ||
	        (l->watched_signals = watch(b, l->signal_fd, on_signal)) < 0 ||
	        (l->watched_timer = watch(b, l->timer_fd, on_timer)) < 0 ||
	        (l->watched_mail = watch(b, sl_mailbox_fd(b->mail), on_mail)) < 0) {
		sl_log(SL_LOG_ERROR, "cannot set the loop up: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static int open_hands(struct sl_brain *b)
{
	struct sl_dp_ops ops = {desired, watch_dataplane, b};
	const struct sl_conf_control *c = &b->config->control;
	struct sl_http_options http = {.unix_path = c->api_socket,
	        .has_tcp = c->has_api_tcp,
	        .tcp = c->api_tcp,
	        .token = c->api_token,
	        .accounts = b->config->sip.n_listeners > 0,
	        .handle = sl_api_handle,
	        .ctx = b};
	char text[240] = "no memory";

	b->dp = sl_dp_new(b->config->dataplane.socket, c->client_name, &ops);
	if (!b->dp || sl_brain_config_users(b->config, &b->config_users) < 0 ||
	        !(b->store = sl_store_open(c->database, b->mail, text, sizeof text)) ||
	        !(b->http = sl_http_open(&http, b->mail, text, sizeof text))) {
		sl_log(SL_LOG_ERROR, "%s", text);
		return -1;
	}
	return 0;
}

/* The guard's control: before all that reports to it and asks it. It reads its bans in this thread. */
static int open_warden(struct sl_brain *b)
{
	struct sl_warden_options o = {.config = b->config, .dp = b->dp, .store = b->store};

	b->warden = sl_warden_new(&o);
	if (b->warden)
		return 0;
	sl_log(SL_LOG_ERROR, "the guard: no memory, or its bans cannot be read");
	return -1;
}

/* Once everybody has read what it keeps in the store: from here on it is the store's thread that does. */
static int load_users(struct sl_brain *b)
{
	if (sl_store_load_users(b->store, users_loaded, b) == 0)
		return 0;
	sl_log(SL_LOG_ERROR, "no memory");
	return -1;
}

/* Sofia's loop, a turn at a time: what a turn has changed of calls is in the journal before the next one. */
static void run_loop(struct sl_brain *b)
{
	sl_loop_is_brain();
	while (!b->stopping) {
		su_root_step(b->loop->root, TURN_MS);
		if (b->calls)
			sl_calls_commit(b->calls);
		sl_warden_turn(b->warden, sl_now_ms());
	}
}

/* Media sessions are found again in the journal, and ng is served, as soon as we are there: calls do not wait for users
 * and passwords. */
static int open_media(struct sl_brain *b)
{
	const struct sl_conf_media *m = &b->config->media;
	char text[240] = "no memory";

	if (m->n_addresses == 0)
		return 0;
	b->media = sl_media_open(b->config, b->dp, b->journal_fd, text, sizeof text);
	if (b->media && m->n_ng_udp + m->n_ng_tcp == 0)
		return 0;
	if (b->media)
		b->ng = sl_ng_open(b->config, b->media, text, sizeof text);
	if (b->ng && (b->loop->watched_ng = watch(b, sl_ng_fd(b->ng), on_ng)) >= 0)
		return 0;
	sl_log(SL_LOG_ERROR, "%s", text);
	return -1;
}

static void close_media(struct sl_brain *b)
{
	if (b->ng)
		unwatch(b, b->loop->watched_ng);
	sl_ng_close(b->ng);
	b->ng = NULL;
	/* What waits for counts is told before the API ends. Sessions stay in the journal and in the dataplane. */
	if (b->media)
		sl_media_close(b->media);
	b->media = NULL; /* the link ends after it, and tells who waits */
}

static void close_all(struct sl_brain *b)
{
	struct sl_brain_loop *l = b->loop;

	b->closing = true;
	sl_brain_reload_close(b);
	if (b->warden)
		sl_warden_leave(b->warden);
	sl_brain_close_sip(b); /* what it has for the store is committed */
	sl_brain_leave_turn(b);
	sl_store_close(b->store); /* what it was asked was committed and answered when SIP ended */
	close_media(b);
	sl_dp_free(b->dp);
	sl_brain_close_turn(b);
	sl_warden_free(b->warden); /* the store, the link and SIP have gone: nobody asks any more */
	sl_http_close(b->http);
	if (l->root) {
		unwatch(b, l->watched_signals);
		unwatch(b, l->watched_timer);
		unwatch(b, l->watched_mail);
		su_root_destroy(l->root);
	}
	sl_mailbox_free(b->mail);
	if (l->signal_fd >= 0)
		close(l->signal_fd);
	if (l->timer_fd >= 0)
		close(l->timer_fd);
	sl_users_clear(&b->config_users);
	sl_users_clear(&b->store_users);
	sl_users_clear(&b->source_users);
	sl_config_free(b->config);
}

int sl_brain_run(struct sl_config *config, const struct sl_brain_kept *kept)
{
	struct sl_brain_loop loop = {
	        .signal_fd = -1, .timer_fd = -1, .watched_sock = -1, .watched_event_fd = -1, .watched_ng = -1};
	struct sl_brain b = {.config = config,
	        .stored_fd = kept->config,
	        .journal_fd = kept->media,
	        .calls_fd = kept->calls,
	        .crash_fd = kept->crash,
	        .loop = &loop,
	        .start_ms = sl_now_ms()};

	su_init();
	if (open_loop(&b) < 0 || open_hands(&b) < 0 || open_warden(&b) < 0 || sl_brain_open_turn(&b, desired) < 0 || open_media(&b) < 0 || sl_brain_open_sip(&b, loop.root) < 0 || load_users(&b) < 0)
		b.exit_status = SL_KEEPER_EXIT_CONFIG;
	else
		run_loop(&b);
	close_all(&b);
	su_deinit();
	return b.exit_status;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Changes of records to Redis, as coturn tells of its allocations: keys turn/realm/REALM/user/USER/allocation/ID/status while they live,
 * and messages on channels of the same names. A thread; what Redis does not take waits, and is told again from the first one that was not
 * confirmed. */

#include "controlplane/turn/accounting_internal.h"
#include "controlplane/secret.h"
#include "controlplane/turn/redis.h"
#include "dataplane/abi/log.h"
#include "dataplane/abi/msg.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	BATCH = 256,
	RETRY_FIRST_MS = 500,
	RETRY_MAX_MS = 30000,
};

struct sl_turn_redis {
	struct sl_mailbox *inbox;
	char *connect;
	atomic_ullong sent, failures;
	atomic_size_t waiting;
	atomic_bool left;     /* the brain looks at it no more */
	pthread_mutex_t lock; /* of trouble */
	char trouble[SL_REDIS_TEXT];

	/* The thread's. */
	bool stop;
	redisContext *c;
	struct sl_turn_record *first, **last;
	size_t n;
	unsigned commands; /* of the batch */
};

/* ---- what is said ---- */

static const char *type_of(unsigned transport)
{
	static const char *const types[] = {[SL_TURN_OVER_UDP] = "UDP", [SL_TURN_OVER_TCP] = "TCP", [SL_TURN_OVER_TLS] = "TLS/TCP", [SL_TURN_OVER_DTLS] = "DTLS"};

	return transport < SL_TURN_N_TRANSPORTS ? types[transport] : "UNKNOWN";
}

static bool say(struct sl_turn_redis *t, const char *command, const char *key, const char *value)
{
	int rc = value ? redisAppendCommand(t->c, "%s %b %b", command, key, strlen(key), value, strlen(value))
	               : redisAppendCommand(t->c, "%s %b", command, key, strlen(key));

	t->commands += rc == REDIS_OK;
	return rc == REDIS_OK;
}

static bool say_traffic(struct sl_turn_redis *t, const struct sl_turn_record *r, const char *what, const struct sl_turn_traffic *n)
{
	char key[512], value[160];

	snprintf(key, sizeof key, "turn/realm/%s/user/%s/allocation/%018" PRIu64 "/%s", r->realm, r->user, r->allocation, what);
	snprintf(value, sizeof value, "rcvp=%" PRIu64 ", rcvb=%" PRIu64 ", sentp=%" PRIu64 ", sentb=%" PRIu64, n->to_peer_packets, n->to_peer_bytes,
	        n->to_client_packets, n->to_client_bytes);
	if (!say(t, "PUBLISH", key, value))
		return false;
	/* The same as the peers' side sees it: what we received from them is what went to the client. */
	snprintf(key, sizeof key, "turn/realm/%s/user/%s/allocation/%018" PRIu64 "/%s/peer", r->realm, r->user, r->allocation, what);
	snprintf(value, sizeof value, "rcvp=%" PRIu64 ", rcvb=%" PRIu64 ", sentp=%" PRIu64 ", sentb=%" PRIu64, n->to_client_packets, n->to_client_bytes,
	        n->to_peer_packets, n->to_peer_bytes);
	return say(t, "PUBLISH", key, value);
}

static bool say_status(struct sl_turn_redis *t, const struct sl_turn_record *r)
{
	char key[512], value[320], local[SL_ADDR_TEXT_MAX], remote[SL_ADDR_TEXT_MAX];
	const char *secure = r->transport == SL_TURN_OVER_TLS ? "TLS" : r->transport == SL_TURN_OVER_DTLS ? "DTLS" : "NONE";

	snprintf(key, sizeof key, "turn/realm/%s/user/%s/allocation/%018" PRIu64 "/status", r->realm, r->user, r->allocation);
	if (r->change == SL_TURN_STOP || r->change == SL_TURN_LOST)
		return say(t, "DEL", key, NULL) && say(t, "PUBLISH", key, "deleted");
	snprintf(value, sizeof value, "%s lifetime=%u, type=%s, local=%s, remote=%s, ssl=%s, cipher=%s", r->change == SL_TURN_START ? "new" : "refreshed",
	        r->lifetime_s, type_of(r->transport), sl_endpoint_text(&r->server, local), sl_endpoint_text(&r->client, remote), secure, secure[0] == 'N' ? "NONE" : "UNKNOWN");
	return say(t, "SET", key, value) && say(t, "PUBLISH", key, value);
}

static bool tell(struct sl_turn_redis *t, const struct sl_turn_record *r)
{
	switch (r->change) {
	case SL_TURN_START:
	case SL_TURN_REFRESH:
		return say_status(t, r);
	case SL_TURN_INTERIM:
		return say_traffic(t, r, "traffic", &r->since);
	case SL_TURN_STOP:
	case SL_TURN_LOST:
		return say_status(t, r) && say_traffic(t, r, "traffic", &r->since) && say_traffic(t, r, "total_traffic", &r->traffic);
	}
	return true;
}

/* ---- the thread ---- */

static int64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static void failed(struct sl_turn_redis *t, const char *text)
{
	pthread_mutex_lock(&t->lock);
	bool first = t->trouble[0] == '\0';
	snprintf(t->trouble, sizeof t->trouble, "%s", text);
	pthread_mutex_unlock(&t->lock);
	if (first)
		sl_log(SL_LOG_WARNING, "Redis does not take records of allocations, and is tried again: %s", text);
	t->failures++;
	if (t->c)
		redisFree(t->c);
	t->c = NULL;
}

static void well(struct sl_turn_redis *t)
{
	pthread_mutex_lock(&t->lock);
	t->trouble[0] = '\0';
	pthread_mutex_unlock(&t->lock);
}

static void drop(struct sl_turn_redis *t, size_t n)
{
	while (n-- > 0) {
		struct sl_turn_record *r = t->first;
		t->first = r->next;
		free(r);
		t->n--;
		t->waiting--;
	}
	if (!t->first)
		t->last = &t->first;
}

/* One batch. False: it is to be tried again later. */
static bool tell_batch(struct sl_turn_redis *t)
{
	char text[SL_REDIS_TEXT] = "";
	size_t n = 0;
	bool ok = true;

	if (!t->c && !(t->c = sl_redis_connect(t->connect, text))) {
		failed(t, text);
		return false;
	}
	t->commands = 0;
	for (const struct sl_turn_record *r = t->first; ok && r && n < BATCH; r = r->next, n++)
		ok = tell(t, r);
	for (unsigned i = 0; ok && i < t->commands; i++) {
		void *answer = NULL;
		ok = redisGetReply(t->c, &answer) == REDIS_OK && ((redisReply *)answer)->type != REDIS_REPLY_ERROR;
		if (answer && !ok)
			snprintf(text, sizeof text, "%s", ((redisReply *)answer)->str);
		freeReplyObject(answer);
	}
	if (!ok) {
		failed(t, text[0] ? text : t->c->errstr);
		return false;
	}
	well(t);
	t->sent += n;
	drop(t, n);
	return true;
}

/* A letter. */
struct telling {
	struct sl_turn_redis *t;
	struct sl_turn_record *r;
};

static void take(void *arg)
{
	struct telling *x = arg;

	x->r->next = NULL;
	*x->t->last = x->r;
	x->t->last = &x->r->next;
	x->t->n++;
	free(x);
}

/* The last letter. */
static void halt(void *arg)
{
	struct sl_turn_redis *t = arg;

	t->stop = true;
}

static void *run(void *arg)
{
	struct sl_turn_redis *t = arg;
	unsigned retry_ms = 0;
	int64_t retry_at_ms = 0;

	while (!t->stop) {
		struct pollfd p = {sl_mailbox_fd(t->inbox), POLLIN, 0};
		int64_t wait_ms = retry_ms ? retry_at_ms - clock_ms() : 0;
		poll(&p, 1, t->n == 0 ? -1 : wait_ms > 0 ? (int)wait_ms : 0);
		sl_mailbox_run(t->inbox, BATCH);
		if (t->n == 0 || (retry_ms && clock_ms() < retry_at_ms))
			continue;
		retry_ms = tell_batch(t) ? 0 : retry_ms == 0 ? RETRY_FIRST_MS : 2 * retry_ms > RETRY_MAX_MS ? RETRY_MAX_MS : 2 * retry_ms;
		retry_at_ms = clock_ms() + retry_ms;
	}
	while (t->n && !retry_ms && tell_batch(t))
		;
	drop(t, t->n);
	if (t->c)
		redisFree(t->c);
	while (!t->left) /* the last letter may be here before its bell has rung */
		poll(NULL, 0, 1);
	sl_mailbox_free(t->inbox);
	pthread_mutex_destroy(&t->lock);
	sl_secret_free_text(t->connect);
	free(t);
	return NULL;
}

/* ---- the brain ---- */

struct sl_turn_redis *sl_turn_redis_new(const char *connect)
{
	struct sl_turn_redis *t = calloc(1, sizeof *t);
	pthread_t thread;

	if (!t)
		return NULL;
	t->last = &t->first;
	t->connect = strdup(connect);
	t->inbox = sl_mailbox_new(SL_ACCOUNTING_REDIS_MAX);
	pthread_mutex_init(&t->lock, NULL);
	if (t->connect && t->inbox && pthread_create(&thread, NULL, run, t) == 0) {
		pthread_detach(thread); /* it may wait for Redis when it is to end: it frees everything itself */
		return t;
	}
	sl_mailbox_free(t->inbox);
	sl_secret_free_text(t->connect);
	free(t);
	return NULL;
}

void sl_turn_redis_free(struct sl_turn_redis *t)
{
	if (!t)
		return;
	while (sl_mailbox_post(t->inbox, halt, t) < 0)
		poll(NULL, 0, 1);
	t->left = true;
}

int sl_turn_redis_tell(struct sl_turn_redis *t, struct sl_turn_record *r)
{
	struct telling *x = t->waiting < SL_ACCOUNTING_REDIS_MAX - 1 ? malloc(sizeof *x) : NULL;

	if (x) {
		*x = (struct telling){t, r};
		t->waiting++;
		if (sl_mailbox_post(t->inbox, take, x) == 0)
			return 0;
		t->waiting--;
	}
	free(x);
	free(r);
	return -ENOBUFS;
}

void sl_turn_redis_status(struct sl_turn_redis *t, struct sl_accounting_status *status, struct sl_accounting_counts *counts)
{
	status->redis_waiting = t->waiting;
	counts->redis_sent = t->sent;
	counts->redis_failures = t->failures;
	pthread_mutex_lock(&t->lock);
	memcpy(status->redis_trouble, t->trouble, sizeof status->redis_trouble);
	pthread_mutex_unlock(&t->lock);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/turn_bandwidth.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "dataplane/guard/meter.h"

enum {
	N_DIRECTIONS = 2,
	SECOND_US = 1000000,
	BYTE = 8000,           /* units of a byte: kbps of them come in a microsecond */
	NODE = SL_TURN_MAX_REALMS,
	N_SHARED = SL_TURN_MAX_REALMS + 1,
	TELL_S = 10,           /* at most one event in this time about a user's, realm's or the node's direction */
	PROBES = 4,
	IDLE_S = 2,            /* whose last packet is so long ago has a full bucket (but for one of more than a second's worth): the place may be another's */
	USERS_MIN = 1024,
	USERS_MAX = 1 << 18,
	ALLOCATIONS_A_USER = 4, /* of those with traffic in a second, at a time when all of them have some */
	JUDGE_AFTER_US = 100000, /* of a new second: by then every worker has added what it had of the last one */
	WATCHED = 64,          /* users over their soft limit that a worker keeps an eye on */
};
#define SECOND_NS UINT64_C(1000000000)

static const uint32_t NO_LIMIT[N_DIRECTIONS];

/* What was told of a user: nothing, that he is over, or that; and since then another worker than the one that told it has seen him below. */
enum { BELOW, OVER, FELL };

/* A realm, or the node. Writers and readers: all workers (relaxed: each word stands for itself). */
struct shared {
	_Alignas(64) _Atomic uint64_t until_us[N_DIRECTIONS]; /* of the hard limit: sl_meter_advance() */
	_Atomic uint64_t bytes[N_DIRECTIONS];                 /* since worker 0 looked last */
	/* Worker 0's: */
	uint32_t told_s[N_DIRECTIONS];
	bool over[N_DIRECTIONS];
};

/* A user with traffic. Writers and readers as above; user: who has the line, taken by compare and exchange. A line that changes hands takes the former
 * user's words with it, at most a second's worth. */
struct user {
	_Alignas(64) _Atomic uint32_t user; /* 0 = free */
	_Atomic uint32_t used_s;
	_Atomic uint64_t until_ns[N_DIRECTIONS];
	_Atomic uint64_t bytes[N_DIRECTIONS]; /* since window_s */
	_Atomic uint32_t window_s;
	_Atomic uint32_t told_s[N_DIRECTIONS];
	_Atomic uint8_t over[N_DIRECTIONS];
};
_Static_assert(sizeof(struct user) == 64, "a user is one cache line");

struct sl_turn_bandwidths {
	struct shared shared[N_SHARED];
	struct user *users;
	uint32_t mask;
};

struct watched {
	uint32_t line, user; /* user 0 = free */
	struct sl_evt_turn_quota told;
};

/* Owner: one worker. */
struct sl_turn_bandwidth_worker {
	struct sl_turn_bandwidths *all;
	unsigned worker;
	void (*tell)(void *ctx, const struct sl_evt_turn_quota *e);
	void *ctx;
	uint32_t flushed_s, judged_s;
	uint64_t tokens[N_SHARED][N_DIRECTIONS];
	uint64_t bytes[N_SHARED][N_DIRECTIONS]; /* not yet added to the shared ones */
	uint32_t n_watched;
	struct watched watched[WATCHED];
};

int sl_turn_bandwidths_init(struct sl_turn_bandwidths **out, uint32_t n_allocations, void *(*zalloc)(const char *what, size_t bytes))
{
	struct sl_turn_bandwidths *b = (struct sl_turn_bandwidths *)zalloc("bandwidth of realms", sizeof *b);
	uint32_t lines = USERS_MIN;

	if (!b)
		return -ENOMEM;
	while (lines < USERS_MAX && lines * ALLOCATIONS_A_USER < n_allocations)
		lines *= 2;
	b->mask = lines - 1;
	b->users = (struct user *)zalloc("bandwidth of users", lines * sizeof *b->users);
	*out = b;
	return b->users ? 0 : -ENOMEM;
}

struct sl_turn_bandwidth_worker *sl_turn_bandwidth_worker_new(struct sl_turn_bandwidths *all, unsigned worker,
	void (*tell)(void *ctx, const struct sl_evt_turn_quota *e), void *ctx, void *(*zalloc)(const char *what, size_t bytes))
{
	struct sl_turn_bandwidth_worker *b = (struct sl_turn_bandwidth_worker *)zalloc("bandwidth in hand", sizeof *b);

	if (b) {
		b->all = all;
		b->worker = worker;
		b->tell = tell;
		b->ctx = ctx;
	}
	return b;
}

static uint32_t kbps_of(uint64_t bytes, uint32_t seconds)
{
	uint64_t kbps = bytes * 8 / 1000 / (seconds ? seconds : 1);

	return kbps > UINT32_MAX ? UINT32_MAX : (uint32_t)kbps;
}

/* ---- realms and the node ---- */

/* kbps: 0 = no limit. */
static bool take_shared(struct sl_turn_bandwidth_worker *b, unsigned which, unsigned direction, uint32_t kbps, uint32_t len, uint64_t now_us)
{
	uint64_t *have = &b->tokens[which][direction], cost = (uint64_t)len * BYTE;

	b->bytes[which][direction] += len;
	if (kbps == 0)
		return true;
	/* A clock that begins at 0 begins with a full bucket. */
	if (*have < cost &&
		!sl_meter_refill(&b->all->shared[which].until_us[direction], have, cost, kbps, sl_meter_ahead(kbps, SECOND_US), now_us + SECOND_US))
		return false;
	*have -= cost;
	return true;
}

static void tell_shared(struct sl_turn_bandwidth_worker *b, unsigned which, unsigned direction, uint32_t soft, uint32_t kbps, bool over)
{
	const struct sl_evt_turn_quota e = {
		.subject = which == NODE ? SL_QUOTA_NODE : SL_QUOTA_REALM,
		.direction = (uint8_t)direction,
		.over = over,
		.worker = (uint8_t)b->worker,
		.realm = which == NODE ? SL_TURN_ANY_REALM : (uint16_t)which,
		.kbps = kbps,
		.soft_kbps = soft,
	};

	b->tell(b->ctx, &e);
}

/* Worker 0, each second: is the average on another side of the soft limit than what was told? */
static void judge_shared(struct sl_turn_bandwidth_worker *b, unsigned which, const uint32_t soft[N_DIRECTIONS], uint32_t elapsed_s, uint32_t now_s)
{
	struct shared *s = &b->all->shared[which];

	for (unsigned d = 0; d < N_DIRECTIONS; d++) {
		uint32_t kbps = kbps_of(atomic_exchange_explicit(&s->bytes[d], 0, memory_order_relaxed), elapsed_s);
		bool over = soft[d] && kbps > soft[d];
		if (over == s->over[d] || (s->told_s[d] && now_s - s->told_s[d] < TELL_S))
			continue;
		s->over[d] = over;
		s->told_s[d] = now_s;
		tell_shared(b, which, d, soft[d], kbps, over);
	}
}

static void flush_shared(struct sl_turn_bandwidth_worker *b, unsigned which)
{
	for (unsigned d = 0; d < N_DIRECTIONS; d++) {
		if (b->bytes[which][d])
			atomic_fetch_add_explicit(&b->all->shared[which].bytes[d], b->bytes[which][d], memory_order_relaxed);
		b->bytes[which][d] = 0;
	}
}

/* ---- users ---- */

/* The user's line, or one to be had; NULL: all places are others', with traffic. */
static struct user *find_user(struct sl_turn_bandwidths *all, uint32_t user, uint32_t now_s)
{
	struct user *free_one = NULL;

	for (uint32_t i = 0; i < PROBES; i++) {
		struct user *u = &all->users[(user + i) & all->mask];
		uint32_t who = atomic_load_explicit(&u->user, memory_order_relaxed);
		if (who == user)
			return u;
		if (!free_one && (who == 0 || now_s - atomic_load_explicit(&u->used_s, memory_order_relaxed) > IDLE_S))
			free_one = u;
	}
	if (!free_one)
		return NULL;
	uint32_t who = atomic_load_explicit(&free_one->user, memory_order_relaxed);
	if (!atomic_compare_exchange_strong_explicit(&free_one->user, &who, user, memory_order_relaxed, memory_order_relaxed))
		return who == user ? free_one : NULL;
	atomic_store_explicit(&free_one->used_s, now_s, memory_order_relaxed);
	atomic_store_explicit(&free_one->window_s, now_s, memory_order_relaxed);
	for (unsigned d = 0; d < N_DIRECTIONS; d++) {
		atomic_store_explicit(&free_one->bytes[d], 0, memory_order_relaxed);
		atomic_store_explicit(&free_one->until_ns[d], 0, memory_order_relaxed);
		atomic_store_explicit(&free_one->told_s[d], 0, memory_order_relaxed);
		atomic_store_explicit(&free_one->over[d], BELOW, memory_order_relaxed);
	}
	return free_one;
}

/* A user is over the soft limit: told, and kept in mind until it is told that he is below again. */
static void watch(struct sl_turn_bandwidth_worker *b, struct user *u, const struct sl_turn_traffic *t, unsigned direction, uint32_t soft, uint32_t kbps,
	uint32_t now_s)
{
	unsigned i = 0;

	while (i < WATCHED && b->watched[i].user != 0)
		i++;
	if (i == WATCHED)
		return;
	uint8_t below = BELOW;
	if (!atomic_compare_exchange_strong_explicit(&u->over[direction], &below, OVER, memory_order_relaxed, memory_order_relaxed))
		return; /* another worker has */
	atomic_store_explicit(&u->told_s[direction], now_s, memory_order_relaxed);
	struct watched *w = &b->watched[i];
	*w = (struct watched){.line = (uint32_t)(u - b->all->users), .user = t->user};
	w->told = (struct sl_evt_turn_quota){
		.subject = SL_QUOTA_USER,
		.direction = (uint8_t)direction,
		.over = 1,
		.worker = (uint8_t)b->worker,
		.realm = t->realm,
		.kbps = kbps,
		.soft_kbps = soft,
	};
	w->told.username_len = t->username_len < sizeof w->told.username ? t->username_len : sizeof w->told.username;
	memcpy(w->told.username, t->username, w->told.username_len);
	b->n_watched++;
	b->tell(b->ctx, &w->told);
}

static void unwatch(struct sl_turn_bandwidth_worker *b, struct user *u, struct watched *w, uint32_t kbps, uint32_t now_s)
{
	w->told.over = 0;
	w->told.kbps = kbps;
	if (u) {
		atomic_store_explicit(&u->told_s[w->told.direction], now_s, memory_order_relaxed);
		atomic_store_explicit(&u->over[w->told.direction], BELOW, memory_order_relaxed);
	}
	b->tell(b->ctx, &w->told);
	w->user = 0;
	b->n_watched--;
}

/* The watched one of this worker; NULL: another worker told of him, or nobody. */
static struct watched *find_watched(struct sl_turn_bandwidth_worker *b, const struct user *u, uint32_t user, unsigned direction)
{
	for (unsigned i = 0; b->n_watched && i < WATCHED; i++) {
		struct watched *w = &b->watched[i];
		if (w->user == user && w->told.direction == direction && &b->all->users[w->line] == u)
			return w;
	}
	return NULL;
}

static void judge_direction(struct sl_turn_bandwidth_worker *b, struct user *u, const struct sl_turn_traffic *t, unsigned d, uint32_t soft, uint32_t kbps,
	uint32_t now_s)
{
	uint32_t told = atomic_load_explicit(&u->told_s[d], memory_order_relaxed);
	bool over = soft && kbps > soft, may_tell = told == 0 || now_s - told >= TELL_S;
	uint8_t state = atomic_load_explicit(&u->over[d], memory_order_relaxed);

	if (over && state == FELL)
		atomic_store_explicit(&u->over[d], OVER, memory_order_relaxed);
	if (over && state == BELOW && may_tell)
		watch(b, u, t, d, soft, kbps, now_s);
	if (over || state != OVER)
		return;
	struct watched *w = find_watched(b, u, t->user, d);
	if (!w)
		atomic_store_explicit(&u->over[d], FELL, memory_order_relaxed);
	else if (may_tell)
		unwatch(b, u, w, kbps, now_s);
}

/* The average of the seconds that went by since window_s, by the worker that gets to it first. */
static void judge_user(struct sl_turn_bandwidth_worker *b, struct user *u, const struct sl_turn_traffic *t, const uint32_t soft[N_DIRECTIONS], uint32_t now_s)
{
	uint32_t since = atomic_load_explicit(&u->window_s, memory_order_relaxed);

	if (now_s == since || !atomic_compare_exchange_strong_explicit(&u->window_s, &since, now_s, memory_order_relaxed, memory_order_relaxed))
		return;
	for (unsigned d = 0; d < N_DIRECTIONS; d++) {
		uint32_t kbps = kbps_of(atomic_exchange_explicit(&u->bytes[d], 0, memory_order_relaxed), now_s - since);
		judge_direction(b, u, t, d, soft[d], kbps, now_s);
	}
}

static bool take_user(struct sl_turn_bandwidth_worker *b, const struct sl_turn_traffic *t, const struct sl_turn_bandwidth *limit, uint64_t now_us)
{
	uint32_t now_s = (uint32_t)(now_us / SECOND_US) + 1, kbps = limit->hard_kbps[t->direction];
	struct user *u = find_user(b->all, t->user, now_s);

	if (!u)
		return true;
	if (atomic_load_explicit(&u->used_s, memory_order_relaxed) != now_s)
		atomic_store_explicit(&u->used_s, now_s, memory_order_relaxed);
	judge_user(b, u, t, limit->soft_kbps, now_s);
	atomic_fetch_add_explicit(&u->bytes[t->direction], t->len, memory_order_relaxed);
	/* In nanoseconds: a bit at 1 kbit/s takes a million of them. */
	return kbps == 0 ||
		sl_meter_advance(&u->until_ns[t->direction], (uint64_t)t->len * 8 * 1000000 / kbps, now_us * 1000 + SECOND_NS, SECOND_NS,
			sl_meter_ahead(kbps, SECOND_NS));
}

/* Users of whom it was told that they are over, and who have fallen silent; whose line is another's now; whom another worker has seen below. */
static void look_at_watched(struct sl_turn_bandwidth_worker *b, uint32_t now_s)
{
	for (unsigned i = 0; b->n_watched && i < WATCHED; i++) {
		struct watched *w = &b->watched[i];
		if (w->user == 0)
			continue;
		struct user *u = &b->all->users[w->line];
		unsigned d = w->told.direction;
		if (atomic_load_explicit(&u->user, memory_order_relaxed) != w->user) {
			unwatch(b, NULL, w, 0, now_s);
			continue;
		}
		if (now_s - atomic_load_explicit(&u->told_s[d], memory_order_relaxed) < TELL_S)
			continue;
		bool fell = atomic_load_explicit(&u->over[d], memory_order_relaxed) == FELL;
		uint32_t silent_s = now_s - atomic_load_explicit(&u->used_s, memory_order_relaxed);
		if (fell || silent_s > IDLE_S)
			unwatch(b, u, w, 0, now_s);
	}
}

/* ---- all ---- */

static bool has_limit(const struct sl_turn_bandwidth *l)
{
	return (l->hard_kbps[0] | l->hard_kbps[1] | l->soft_kbps[0] | l->soft_kbps[1]) != 0;
}

bool sl_turn_bandwidth_take(struct sl_turn_bandwidth_worker *b, const struct sl_turn_conf *c, const struct sl_turn_traffic *t, uint64_t now_us)
{
	const struct sl_cmd_realm *realm = sl_turn_conf_realm(c, t->realm);
	const struct sl_turn_bandwidth *node = &sl_turn_conf_settings(c)->node;

	if (realm && has_limit(&realm->user) && !take_user(b, t, &realm->user, now_us))
		return false;
	if (realm && !take_shared(b, t->realm, t->direction, realm->realm.hard_kbps[t->direction], t->len, now_us))
		return false;
	return take_shared(b, NODE, t->direction, node->hard_kbps[t->direction], t->len, now_us);
}

void sl_turn_bandwidth_tick(struct sl_turn_bandwidth_worker *b, const struct sl_turn_conf *c, uint64_t now_us)
{
	uint32_t now_s = (uint32_t)(now_us / SECOND_US) + 1;
	unsigned n = sl_turn_conf_n_realms(c);

	if (b->flushed_s != now_s) {
		b->flushed_s = now_s;
		for (unsigned i = 0; i < n; i++)
			flush_shared(b, i);
		flush_shared(b, NODE);
		look_at_watched(b, now_s);
	}
	if (b->worker != 0 || b->judged_s == now_s || now_us % SECOND_US < JUDGE_AFTER_US)
		return;
	uint32_t elapsed_s = b->judged_s ? now_s - b->judged_s : 1;
	b->judged_s = now_s;
	for (unsigned i = 0; i < SL_TURN_MAX_REALMS; i++) {
		const struct sl_cmd_realm *realm = sl_turn_conf_realm(c, i); /* one that has gone has no limit: whatever was told of it ends */
		judge_shared(b, i, realm ? realm->realm.soft_kbps : NO_LIMIT, elapsed_s, now_s);
	}
	judge_shared(b, NODE, sl_turn_conf_settings(c)->node.soft_kbps, elapsed_s, now_s);
}

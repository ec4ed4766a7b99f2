/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Start, stop, reload. Everything that may fail does so before the first thread runs. */

#include "dataplane/stream/internal.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <openssl/rand.h>

enum {
	RING_MAX = 1 << 20, RING_MIN = 1 << 18, /* at least two of the longest frames */
	RINGS_TOTAL = 64 << 20,
	DATAGRAM_BUCKETS_MAX = 1 << 16,
	SPARE_DESCRIPTORS = 1024,    /* of the rest of the process */
	STACK_BYTES = 512 * 1024,
};

/* ---- shared ---- */

static bool has_streams(const struct sl_config *c)
{
	for (unsigned i = 0; i < c->turn.n_listeners; i++) {
		if (c->turn.more[i].transport != SL_TURN_OVER_UDP)
			return true;
	}
	return false;
}

static void take_proxies(struct sl_stream_listener *l, const struct sl_conf_turn_listener *conf)
{
	l->n_proxies = conf->n_proxies;
	memcpy(l->proxies, conf->proxies, sizeof l->proxies);
}

static int make_listeners(struct sl_streams *s, const struct sl_config *config, char *text, size_t text_len)
{
	s->n_listeners = config->turn.n_listeners;
	for (unsigned i = 0; i < s->n_listeners; i++) {
		struct sl_stream_listener *l = &s->listeners[i];

		l->over = config->turn.more[i].transport;
		l->address = config->turn.listeners[i];
		l->is_used = l->over != SL_TURN_OVER_UDP;
		take_proxies(l, &config->turn.more[i]);
		if (l->over != SL_TURN_OVER_TLS && l->over != SL_TURN_OVER_DTLS)
			continue;
		l->ctx = sl_stream_context(s, config, i, text, text_len);
		if (!l->ctx)
			return -EINVAL;
	}
	return 0;
}

/* Connections, and those to peers. An ordinary user may go as far as the hard limit. */
static void allow_descriptors(const struct sl_streams *s)
{
	rlim_t want = 2 * (rlim_t)s->max_connections + SPARE_DESCRIPTORS;
	struct rlimit now, more;

	if (getrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_cur >= want)
		return;
	more = (struct rlimit){want, now.rlim_max > want ? now.rlim_max : want};
	if (setrlimit(RLIMIT_NOFILE, &more) < 0) {
		now.rlim_cur = now.rlim_max < want ? now.rlim_max : want;
		(void)setrlimit(RLIMIT_NOFILE, &now);
	}
}

static int make_shared(struct sl_streams *s, const struct sl_config *config, char *text, size_t text_len)
{
	const struct sl_conf_turn *c = &config->turn;

	s->n_workers = s->dp->n_workers;
	s->n_threads = c->stream_threads ? c->stream_threads : 1;
	s->max_connections = c->max_connections;
	s->buffer_bytes = c->stream_buffer_kb * 1024;
	s->memory_max = (uint64_t)c->stream_memory_mb << 20;
	s->wait_ms = (int64_t)c->stream_wait_s * 1000;
	s->stall_ms = (int64_t)c->stream_stall_s * 1000;
	pthread_mutex_init(&s->lock, NULL);
	s->datagram_bio = sl_stream_datagram_bio();
	s->stream_bio = sl_stream_record_bio();
	if (sl_stream_sources_init(&s->sources, s->max_connections, c->connections_per_source) || !s->datagram_bio || !s->stream_bio ||
	        RAND_bytes((unsigned char *)&s->key, sizeof s->key) != 1) {
		snprintf(text, text_len, "turn.listeners: no memory for stream threads");
		return -ENOMEM;
	}
	allow_descriptors(s);
	return make_listeners(s, config, text, text_len);
}

/* ---- a thread ---- */

static uint64_t ring_bytes(const struct sl_streams *s)
{
	uint64_t size = RING_MAX;

	while (size > RING_MIN && 2 * size * s->n_threads * s->n_workers > RINGS_TOTAL)
		size /= 2;
	return size;
}

static int make_tables(struct sl_stream_thread *t)
{
	struct sl_streams *s = t->s;
	uint64_t ring = ring_bytes(s);
	uint32_t buckets = 64;
	int err = 0;

	t->n_slots = t->n_free = s->max_connections < SL_STREAM_MAX_CONNECTIONS ? s->max_connections : SL_STREAM_MAX_CONNECTIONS;
	while (buckets < t->n_slots && buckets < DATAGRAM_BUCKETS_MAX)
		buckets *= 2;
	t->datagram_mask = buckets - 1;
	t->slots = calloc(t->n_slots, sizeof(*t->slots));
	t->generations = calloc(t->n_slots, sizeof(*t->generations));
	t->free_slots = calloc(t->n_slots, sizeof(*t->free_slots));
	t->datagram_table = calloc(buckets, sizeof(*t->datagram_table));
	for (unsigned w = 0; w < s->n_workers && !err; w++) {
		err = sl_byte_ring_init(&t->in[w], ring, NULL);
		if (!err)
			err = sl_byte_ring_init(&t->out[w], ring, NULL);
	}
	if (err || sl_stream_peers_init(t) || !t->slots || !t->generations || !t->free_slots || !t->datagram_table)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->n_slots; i++)
		t->free_slots[i] = i;
	return 0;
}

static int make_thread(struct sl_streams *s, unsigned index)
{
	struct sl_stream_thread *t = aligned_alloc(64, (sizeof *t + 63) & ~(size_t)63);

	if (!t)
		return -ENOMEM;
	memset(t, 0, sizeof *t);
	s->threads[index] = t;
	t->s = s;
	t->index = index;
	for (unsigned i = 0; i < SL_CONF_MAX_LISTENERS; i++) {
		t->sockets[i].h.fd = -1;
		t->sockets[i].listener = i;
	}
	TAILQ_INIT(&t->all);
	TAILQ_INIT(&t->waiting);
	TAILQ_INIT(&t->dirty);
	TAILQ_INIT(&t->again);
	TAILQ_INIT(&t->shaking);
	TAILQ_INIT(&t->slow);
	TAILQ_INIT(&t->due);
	TAILQ_INIT(&t->graveyard);
	TAILQ_INIT(&t->peers);
	TAILQ_INIT(&t->connecting);
	TAILQ_INIT(&t->dead_peers);
	TAILQ_INIT(&t->peer_listeners);
	TAILQ_INIT(&t->deaf_peer_listeners);
	TAILQ_INIT(&t->dead_peer_listeners);
	for (unsigned w = 0; w < SL_CONF_MAX_WORKERS; w++)
		STAILQ_INIT(&t->pending[w]);
	STAILQ_INIT(&t->transfers);
	STAILQ_INIT(&t->leaving);
	pthread_mutex_init(&t->transfers_lock, NULL);
	t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	t->wake = (struct sl_stream_handle){.what = SL_STREAM_WAKE, .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	if (t->epoll_fd < 0 || t->wake.fd < 0 || sl_stream_watch(t, &t->wake, EPOLLIN))
		return -errno;
	return make_tables(t);
}

static int open_sockets(struct sl_streams *s, char *text, size_t text_len)
{
	char address[SL_ADDR_TEXT_MAX];

	for (unsigned k = 0; k < s->n_threads; k++) {
		for (unsigned i = 0; i < s->n_listeners; i++) {
			int err = s->listeners[i].is_used ? sl_stream_socket_open(s->threads[k], i) : 0;

			if (err) {
				snprintf(text, text_len, "turn.listeners: cannot listen on %s: %s; end the other program that has this port, or choose another",
				        sl_endpoint_text(&s->listeners[i].address, address), strerror(-err));
				return err;
			}
		}
	}
	return 0;
}

static void free_thread(struct sl_stream_thread *t)
{
	struct sl_stream_transfer *m;
	struct sl_stream_conn *c;

	sl_stream_peers_free(t);
	while ((m = STAILQ_FIRST(&t->transfers))) { /* on its way to us: in no list of connections */
		STAILQ_REMOVE_HEAD(&t->transfers, next);
		m->conn->link.thread = t;
		TAILQ_INSERT_TAIL(&t->all, m->conn, all);
		t->n_conns++;
		free(m);
	}
	while ((c = TAILQ_FIRST(&t->all)))
		sl_stream_conn_end(t, c);
	sl_stream_bury(t);
	sl_stream_tell_no_more(t);
	for (unsigned i = 0; i < SL_CONF_MAX_LISTENERS; i++) {
		if (t->sockets[i].h.fd >= 0)
			close(t->sockets[i].h.fd);
		SSL_free(t->sockets[i].spare);
		SSL_CTX_free(t->sockets[i].spare_ctx);
	}
	for (unsigned w = 0; w < SL_CONF_MAX_WORKERS; w++) {
		sl_byte_ring_free(&t->in[w], NULL);
		sl_byte_ring_free(&t->out[w], NULL);
	}
	free(t->slots);
	free(t->generations);
	free(t->free_slots);
	free(t->datagram_table);
	pthread_mutex_destroy(&t->transfers_lock);
	if (t->wake.fd >= 0)
		close(t->wake.fd);
	if (t->epoll_fd >= 0)
		close(t->epoll_fd);
	free(t);
}

/* All processors but the workers'; where these are all, where the caller runs. */
static void choose_processors(const struct sl_streams *s, pthread_attr_t *attr)
{
	const struct sl_conf_dataplane *d = &s->dp->config->dataplane;
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	for (long i = 0; i < n && i < CPU_SETSIZE; i++)
		CPU_SET((int)i, &set);
	for (unsigned w = 0; w < d->n_workers; w++)
		CPU_CLR(d->worker_cores[w], &set);
	if (CPU_COUNT(&set) > 0)
		(void)pthread_attr_setaffinity_np(attr, sizeof set, &set);
}

/* As top(1) and a bench tell it from the others. */
static void name_thread(pthread_t thread, unsigned k)
{
	char name[16];

	snprintf(name, sizeof name, "stream-%u", k % 1000);
	(void)pthread_setname_np(thread, name);
}

static int run_threads(struct sl_streams *s, char *text, size_t text_len)
{
	pthread_attr_t attr;
	int err = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	choose_processors(s, &attr);
	for (unsigned k = 0; k < s->n_threads && !err; k++) {
		err = pthread_create(&s->threads[k]->pthread, &attr, sl_stream_thread_run, s->threads[k]);
		s->threads[k]->is_running = err == 0;
		if (!err)
			name_thread(s->threads[k]->pthread, k);
	}
	pthread_attr_destroy(&attr);
	if (err)
		snprintf(text, text_len, "turn.stream_threads: cannot start a thread: %s", strerror(err));
	return -err;
}

/* ---- for others ---- */

int sl_streams_start(struct sl_dataplane *dp, struct sl_streams **out, char *text, size_t text_len)
{
	struct sl_streams *s;
	int err;

	*out = NULL;
	if (!has_streams(dp->config))
		return 0;
	s = calloc(1, sizeof *s);
	if (!s) {
		snprintf(text, text_len, "turn.listeners: no memory for stream threads");
		return -ENOMEM;
	}
	s->dp = dp;
	err = make_shared(s, dp->config, text, text_len);
	for (unsigned k = 0; k < s->n_threads && !err; k++) {
		err = make_thread(s, k);
		if (err)
			snprintf(text, text_len, "turn.stream_threads: thread %u: %s", k, strerror(-err));
	}
	if (!err)
		err = open_sockets(s, text, text_len);
	if (!err)
		err = run_threads(s, text, text_len);
	if (err)
		sl_streams_stop(s);
	else
		*out = s;
	return err;
}

int sl_streams_reload(struct sl_streams *s, const struct sl_config *config, char *text, size_t text_len)
{
	SSL_CTX *fresh[SL_CONF_MAX_LISTENERS] = {0}, *old;
	bool ok = true;

	if (!s)
		return 0;
	for (unsigned i = 0; i < s->n_listeners && ok; i++) {
		if (s->listeners[i].ctx)
			ok = (fresh[i] = sl_stream_context(s, config, i, text, text_len)) != NULL;
	}
	for (unsigned i = 0; i < s->n_listeners; i++) {
		if (!ok) {
			SSL_CTX_free(fresh[i]);
			continue;
		}
		pthread_mutex_lock(&s->lock);
		old = s->listeners[i].ctx;
		s->listeners[i].ctx = fresh[i];
		take_proxies(&s->listeners[i], &config->turn.more[i]);
		pthread_mutex_unlock(&s->lock);
		SSL_CTX_free(old); /* connections hold theirs */
	}
	return ok ? 0 : -EINVAL;
}

void sl_streams_halt(struct sl_streams *s)
{
	if (!s)
		return;
	atomic_store_explicit(&s->stop, true, memory_order_relaxed);
	for (unsigned k = 0; k < s->n_threads; k++) {
		struct sl_stream_thread *t = s->threads[k];

		if (t && t->is_running) {
			(void)!write(t->wake.fd, &(uint64_t){1}, sizeof(uint64_t));
			pthread_join(t->pthread, NULL);
			t->is_running = false;
		}
	}
}

void sl_streams_stop(struct sl_streams *s)
{
	if (!s)
		return;
	sl_streams_halt(s);
	for (unsigned k = 0; k < s->n_threads; k++) {
		if (s->threads[k])
			free_thread(s->threads[k]);
	}
	for (unsigned i = 0; i < s->n_listeners; i++)
		SSL_CTX_free(s->listeners[i].ctx);
	BIO_meth_free(s->datagram_bio);
	BIO_meth_free(s->stream_bio);
	if (s->sources.buckets)
		sl_stream_sources_free(&s->sources);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void sl_streams_count(const struct sl_streams *s, uint64_t out[SL_N_STREAM_COUNTERS])
{
	memset(out, 0, SL_N_STREAM_COUNTERS * sizeof *out);
	if (!s)
		return;
	for (unsigned k = 0; k < s->n_threads; k++) {
		for (unsigned i = 0; i < SL_N_STREAM_COUNTERS; i++)
			out[i] += __atomic_load_n(&s->threads[k]->counters[i], __ATOMIC_RELAXED);
	}
	out[SL_S_memory_bytes] = atomic_load_explicit(&s->memory, memory_order_relaxed);
}

struct sl_byte_ring *sl_streams_in(const struct sl_streams *s, unsigned thread, unsigned worker)
{
	return s && thread < s->n_threads && worker < s->n_workers ? &s->threads[thread]->in[worker] : NULL;
}

struct sl_byte_ring *sl_streams_out(const struct sl_streams *s, unsigned thread, unsigned worker)
{
	return s && thread < s->n_threads && worker < s->n_workers ? &s->threads[thread]->out[worker] : NULL;
}

unsigned sl_streams_threads(const struct sl_streams *s)
{
	return s ? s->n_threads : 0;
}

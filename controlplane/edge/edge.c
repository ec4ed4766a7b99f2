/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/edge/thread.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>

enum {
	EVENTS = 64,
	SWEEP_MS = 1000,
	BACKLOG = 1024,
	TABLE_MIN = 64,
	/* Of all connections one source may have a quarter, since a whole office may lie behind one address. */
	PER_SOURCE_SHARE = 4,
	PER_SOURCE_MIN = 16,
	/* A listener's address may lie on a TAP that the dataplane is making at this moment. */
	ADDRESS_TRIES = 50,
	ADDRESS_TRY_MS = 100,
};

int64_t sl_edge_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

socklen_t sl_edge_sockaddr(const struct sl_endpoint *ep, struct sockaddr_storage *out)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)out;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof *out);
	if (sl_ip_is_v4(&ep->ip)) {
		sin->sin_family = AF_INET;
		sin->sin_port = ep->port_be;
		sin->sin_addr.s_addr = sl_ip_v4_be(&ep->ip);
		return sizeof *sin;
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = ep->port_be;
	memcpy(&sin6->sin6_addr, ep->ip.b, sizeof ep->ip.b);
	return sizeof *sin6;
}

void sl_edge_endpoint_of(const struct sockaddr_storage *ss, struct sl_endpoint *out)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)ss;

	memset(out, 0, sizeof *out);
	if (ss->ss_family == AF_INET) {
		sl_ip_set_v4(&out->ip, sin->sin_addr.s_addr);
		out->port_be = sin->sin_port;
	} else if (ss->ss_family == AF_INET6) {
		sl_ip_set_v6(&out->ip, &sin6->sin6_addr);
		out->port_be = sin6->sin6_port;
	}
}

int sl_edge_watch(struct sl_edge *e, struct sl_edge_handle *h, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = h};
	bool known = h->events != 0;

	if (known && h->events == (events | EPOLLRDHUP))
		return 0;
	ev.events = h->events = events | EPOLLRDHUP; /* never 0, so that "known" is true from now on */
	ev.events &= events ? ~0u : ~(uint32_t)EPOLLRDHUP;
	return epoll_ctl(e->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, h->fd, &ev) ? -errno : 0;
}

void sl_edge_contexts(struct sl_edge *e, unsigned listener, struct sl_tls_contexts *out)
{
	pthread_mutex_lock(&e->contexts_lock);
	*out = e->listeners[listener].contexts;
	SSL_CTX_up_ref(out->server);
	SSL_CTX_up_ref(out->client);
	pthread_mutex_unlock(&e->contexts_lock);
}

/* ---- the thread ---- */

static void dispatch(struct sl_edge *e, struct sl_edge_handle *h, uint32_t events)
{
	uint64_t n;

	switch (h->what) {
	case SL_EDGE_WAKE:
		(void)!read(h->fd, &n, sizeof n);
		break;
	case SL_EDGE_TLS_LISTENER:
		sl_edge_accept(e, (struct sl_edge_listener *)h);
		break;
	case SL_EDGE_NTA_LISTENER:
		sl_edge_link_accept(e);
		break;
	case SL_EDGE_LINK:
		sl_edge_link_event(e, (struct sl_edge_link *)h, events);
		break;
	case SL_EDGE_CONN:
		sl_edge_conn_event(e, (struct sl_edge_conn *)h, events);
		break;
	}
}

/* Connections with bytes that epoll knows nothing of. */
static void read_again(struct sl_edge *e)
{
	struct sl_edge_conn *list = e->again, *c;

	e->again = NULL;
	while ((c = list)) {
		list = c->again_next;
		c->again = false;
		sl_edge_conn_read(e, c); /* nothing when it has ended */
	}
}

static void *run(void *arg)
{
	struct sl_edge *e = arg;
	struct epoll_event events[EVENTS];

	pthread_setname_np(pthread_self(), "sip-edge");
	while (!atomic_load(&e->stop)) {
		int n = epoll_wait(e->epoll_fd, events, EVENTS, e->again ? 0 : SWEEP_MS);

		e->now_ms = sl_edge_clock_ms();
		for (int i = 0; i < n; i++)
			dispatch(e, events[i].data.ptr, events[i].events);
		read_again(e);
		if (e->now_ms - e->swept_ms >= SWEEP_MS) {
			e->swept_ms = e->now_ms;
			sl_edge_sweep(e);
		}
		sl_edge_bury(e);
		sl_edge_links_bury(e);
	}
	sl_edge_conns_free(e);
	return NULL;
}

/* ---- opening ---- */

static int listen_on(const struct sl_endpoint *at, struct sl_endpoint *bound)
{
	struct sockaddr_storage ss;
	socklen_t len = sl_edge_sockaddr(at, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&ss, len) || listen(fd, BACKLOG) || getsockname(fd, (struct sockaddr *)&ss, &len)) {
		int err = -errno;

		close(fd);
		return err;
	}
	sl_edge_endpoint_of(&ss, bound);
	return fd;
}

static int listen_patiently(const struct sl_endpoint *at, struct sl_endpoint *bound)
{
	static const struct timespec pause = {.tv_nsec = ADDRESS_TRY_MS * 1000000L};
	int fd = listen_on(at, bound);

	for (unsigned i = 0; fd == -EADDRNOTAVAIL && i < ADDRESS_TRIES; i++) {
		nanosleep(&pause, NULL);
		fd = listen_on(at, bound);
	}
	return fd;
}

static int open_listener(struct sl_edge *e, const struct sl_conf_sip_listener *conf, unsigned index, char *text, size_t text_len)
{
	struct sl_edge_listener *l = &e->listeners[e->n_listeners];
	char address[SL_ADDR_TEXT_MAX];
	int fd;

	*l = (struct sl_edge_listener){.index = index, .advertised = conf->advertised};
	if (sl_tls_contexts_make(conf, &l->contexts, text, text_len))
		return -EINVAL;
	SSL_CTX_sess_set_new_cb(l->contexts.client, sl_edge_session_new);
	e->n_listeners++;
	memcpy(l->name, conf->name, sizeof l->name);
	fd = listen_patiently(&conf->address, &l->address);
	l->h = (struct sl_edge_handle){.what = SL_EDGE_TLS_LISTENER, .fd = fd};
	if (fd < 0) {
		snprintf(text, text_len, "SIP listener '%s': %s: %s; the address must be one of this machine's, its port free", conf->name,
		        sl_endpoint_text(&conf->address, address), strerror(-fd));
		return fd;
	}
	sl_endpoint_text(&l->advertised, l->via);
	return sl_edge_watch(e, &l->h, EPOLLIN);
}

static int open_all(struct sl_edge *e, const struct sl_config *config, char *text, size_t text_len)
{
	struct sl_endpoint loopback = {0};
	int err = 0;

	snprintf(text, text_len, "SIP over TLS: no descriptors or memory");
	sl_ip_set_v4(&loopback.ip, htonl(INADDR_LOOPBACK));
	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	e->wake = (struct sl_edge_handle){.what = SL_EDGE_WAKE, .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	e->nta_listener = (struct sl_edge_handle){.what = SL_EDGE_NTA_LISTENER, .fd = listen_on(&loopback, &e->own)};
	if (e->epoll_fd < 0 || e->wake.fd < 0 || e->nta_listener.fd < 0 || sl_edge_watch(e, &e->wake, EPOLLIN) ||
	        sl_edge_watch(e, &e->nta_listener, EPOLLIN))
		return -ENOMEM;
	sl_endpoint_text(&e->own, e->own_text);
	for (unsigned i = 0; !err && i < config->sip.n_listeners; i++) {
		if (config->sip.listeners[i].transport == SL_CONF_SIP_TLS)
			err = open_listener(e, &config->sip.listeners[i], i, text, text_len);
	}
	return err;
}

static int allocate(struct sl_edge *e)
{
	unsigned size = TABLE_MIN;

	while (size < e->max_connections)
		size *= 2;
	e->mask = size - 1;
	e->by_id = calloc(size, sizeof *e->by_id);
	e->by_target = calloc(size, sizeof *e->by_target);
	e->sources = calloc(SL_EDGE_SOURCES, sizeof *e->sources);
	return e->by_id && e->by_target && e->sources ? 0 : -ENOMEM;
}

/* Everything but the thread. */
static void dismantle(struct sl_edge *e)
{
	sl_edge_links_free(e);
	for (unsigned i = 0; i < e->n_listeners; i++) {
		if (e->listeners[i].h.fd >= 0)
			close(e->listeners[i].h.fd);
		sl_tls_contexts_free(&e->listeners[i].contexts);
	}
	if (e->nta_listener.fd >= 0)
		close(e->nta_listener.fd);
	if (e->wake.fd >= 0)
		close(e->wake.fd);
	if (e->epoll_fd >= 0)
		close(e->epoll_fd);
	free(e->by_id);
	free(e->by_target);
	free(e->sources);
	pthread_mutex_destroy(&e->contexts_lock);
	OPENSSL_cleanse(e->o.key, sizeof e->o.key);
	free(e);
}

static int start(struct sl_edge *e)
{
	sigset_t all, before;
	int err;

	sigfillset(&all); /* signals are the brain's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&e->thread, NULL, run, e);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

struct sl_edge *sl_edge_open(const struct sl_edge_options *o, char *text, size_t text_len)
{
	struct sl_edge *e = calloc(1, sizeof *e);

	if (!e) {
		snprintf(text, text_len, "SIP over TLS: no memory");
		return NULL;
	}
	e->o = *o;
	e->o.config = NULL;
	e->epoll_fd = e->wake.fd = e->nta_listener.fd = -1;
	for (unsigned i = 0; i <= SL_EDGE_LINKS_MAX; i++)
		e->links[i] = (struct sl_edge_link){.h = {.what = SL_EDGE_LINK, .fd = -1}, .slot = i};
	pthread_mutex_init(&e->contexts_lock, NULL);
	sl_endpoint_text(&o->nta, e->nta_text);
	e->max_connections = o->config->sip.max_connections;
	e->max_per_source = e->max_connections / PER_SOURCE_SHARE;
	if (e->max_per_source < PER_SOURCE_MIN)
		e->max_per_source = PER_SOURCE_MIN;
	e->now_ms = e->swept_ms = sl_edge_clock_ms();
	/* The hash key tells branches apart over a restart too: a response to the process before is nobody's. */
	if (getrandom(&e->hash_key, sizeof e->hash_key, 0) != sizeof e->hash_key || allocate(e)) {
		snprintf(text, text_len, "SIP over TLS: no memory");
	} else if (open_all(e, o->config, text, text_len) == 0) {
		if (start(e) == 0)
			return e;
		snprintf(text, text_len, "SIP over TLS: no thread could be started");
	}
	dismantle(e);
	return NULL;
}

void sl_edge_close(struct sl_edge *e)
{
	uint64_t one = 1;

	if (!e)
		return;
	atomic_store(&e->stop, true);
	(void)!write(e->wake.fd, &one, sizeof one);
	pthread_join(e->thread, NULL);
	dismantle(e);
}

struct sl_endpoint sl_edge_endpoint(const struct sl_edge *e)
{
	return e->own;
}

int sl_edge_check(const struct sl_config *config, char *text, size_t text_len)
{
	struct sl_tls_contexts contexts;
	int err = 0;

	for (unsigned i = 0; !err && i < config->sip.n_listeners; i++) {
		if (config->sip.listeners[i].transport != SL_CONF_SIP_TLS)
			continue;
		err = sl_tls_contexts_make(&config->sip.listeners[i], &contexts, text, text_len);
		if (!err)
			sl_tls_contexts_free(&contexts);
	}
	return err;
}

int sl_edge_reload(struct sl_edge *e, const struct sl_config *config, char *text, size_t text_len)
{
	struct sl_tls_contexts fresh[SL_CONF_MAX_SIP_LISTENERS] = {0}, old;
	unsigned i;
	int err = 0;

	for (i = 0; !err && i < e->n_listeners; i++) {
		unsigned index = e->listeners[i].index;

		if (index < config->sip.n_listeners && config->sip.listeners[index].transport == SL_CONF_SIP_TLS)
			err = sl_tls_contexts_make(&config->sip.listeners[index], &fresh[i], text, text_len);
	}
	for (i = 0; i < e->n_listeners; i++) {
		if (err || !fresh[i].server) {
			sl_tls_contexts_free(&fresh[i]);
			continue;
		}
		SSL_CTX_sess_set_new_cb(fresh[i].client, sl_edge_session_new);
		pthread_mutex_lock(&e->contexts_lock);
		old = e->listeners[i].contexts;
		e->listeners[i].contexts = fresh[i];
		pthread_mutex_unlock(&e->contexts_lock);
		sl_tls_contexts_free(&old);
	}
	return err;
}

void sl_edge_counts(const struct sl_edge *e, struct sl_edge_counts *out)
{
#define X(name, text) out->name = __atomic_load_n(&e->counts.name, __ATOMIC_RELAXED);
	SL_EDGE_COUNTERS(X)
#undef X
	out->open = __atomic_load_n(&e->counts.open, __ATOMIC_RELAXED);
}

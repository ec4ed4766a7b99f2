/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/edge.h"

#include "controlplane/ng/brain.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 32 };

static int64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* ---- addresses ---- */

socklen_t sl_ng_to_sockaddr(const struct sl_endpoint *ep, struct sockaddr_storage *out)
{
	struct sockaddr_in sin = {
	        .sin_family = AF_INET, .sin_port = ep->port_be, .sin_addr.s_addr = sl_ip_v4_be(&ep->ip)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = ep->port_be};

	memset(out, 0, sizeof *out);
	if (sl_ip_is_v4(&ep->ip)) {
		memcpy(out, &sin, sizeof sin);
		return sizeof sin;
	}
	memcpy(&sin6.sin6_addr, ep->ip.b, sizeof ep->ip.b);
	memcpy(out, &sin6, sizeof sin6);
	return sizeof sin6;
}

void sl_ng_from_sockaddr(const struct sockaddr_storage *ss, struct sl_endpoint *out)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;

	memset(out, 0, sizeof *out);
	if (ss->ss_family == AF_INET) {
		memcpy(&sin, ss, sizeof sin);
		sl_ip_set_v4(&out->ip, sin.sin_addr.s_addr);
		out->port_be = sin.sin_port;
	} else if (ss->ss_family == AF_INET6) {
		memcpy(&sin6, ss, sizeof sin6);
		sl_ip_set_v6(&out->ip, &sin6.sin6_addr);
		out->port_be = sin6.sin6_port;
	}
}

static bool is_loopback(const struct sl_ip *ip)
{
	static const struct sl_ip six = {.b = {[15] = 1}};

	return sl_ip_eq(ip, &six) ||
	       (sl_ip_is_v4(ip) && ntohl(sl_ip_v4_be(ip)) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET);
}

bool sl_ng_allowed(const struct sl_ng_edge *e, const struct sl_ip *source)
{
	/* The kernel lets no loopback address in from outside. */
	if (is_loopback(source))
		return true;
	for (unsigned i = 0; i < e->n_allow; i++) {
		if (sl_prefix_contains(&e->allow[i], source))
			return true;
	}
	return false;
}

void sl_ng_refused(struct sl_ng_edge *e, const struct sl_ip *source)
{
	char text[SL_ADDR_TEXT_MAX];

	sl_ng_count(&e->refused_sources);
	if (e->logged_ms && e->now_ms - e->logged_ms < SL_NG_LOG_MS)
		return;
	e->logged_ms = e->now_ms;
	sl_log(SL_LOG_WARNING, "ng: %s is not answered: neither loopback nor in option 'media.ng.allow'",
	        sl_ip_text(source, text));
}

/* ---- a request comes and goes ---- */

static void send_answer(struct sl_ng_edge *e, const struct sl_ng_origin *to, struct sl_slice answer)
{
	if (to->tcp)
		sl_ng_tcp_send(e, to, answer);
	else
		sl_ng_udp_send(e, to, answer);
}

static void finish(struct sl_ng_edge *e, struct sl_ng_request *r)
{
	struct sl_ng_origin to = r->origin;

	sl_ng_request_encode(r, to.tcp ? SL_NG_ARENA_MAX : SL_NG_UDP_ANSWER_MAX);
	if (r->answer.n > 0)
		send_answer(e, &to, r->answer);
	sl_ng_cookies_answer(e->cookies, r->cached, r->answer, e->now_ms);
	e->bytes_in_flight -= r->bytes;
	e->udp_in_flight -= !to.tcp;
	__atomic_store_n(&e->in_flight, e->in_flight - 1, __ATOMIC_RELAXED);
	sl_ng_request_free(r);
}

static void answered(struct sl_ng_edge *e, struct sl_ng_request *r)
{
	struct sl_ng_origin to = r->origin;

	if (e->stop) { /* closing */
		sl_ng_request_free(r);
		return;
	}
	finish(e, r);
	if (to.tcp)
		sl_ng_tcp_answered(e, &to);
}

void sl_ng_edge_answered(void *first)
{
	struct sl_ng_chain chain = {.first = first};
	struct sl_ng_request *r;

	while ((r = sl_ng_chain_take(&chain)))
		answered(r->edge, r);
}

static void brain_takes(void *first)
{
	struct sl_ng_chain chain = {.first = first};
	struct sl_ng_request *r;

	while ((r = sl_ng_chain_take(&chain))) {
		if (r->edge->stop) /* closing: the thread is gone */
			sl_ng_request_free(r);
		else
			sl_ng_execute(r->brain, r);
	}
}

/* What was read goes to the brain. */
static void pass_on(struct sl_ng_edge *e)
{
	struct sl_ng_request *r;

	if (e->read.first && sl_mailbox_post(e->to_brain, brain_takes, e->read.first) == 0)
		e->read = (struct sl_ng_chain){0};
	while ((r = sl_ng_chain_take(&e->read))) { /* cannot be: no more than fit are in flight */
		sl_ng_reply_error(r, "Too busy: ask again");
		answered(e, r);
	}
}

/* A retransmission is answered again, or the first will be. */
static bool is_duplicate(
        struct sl_ng_edge *e, const struct sl_ng_origin *from, struct sl_slice cookie, struct sl_slice text)
{
	struct sl_ng_cookie *k = sl_ng_cookies_find(e->cookies, &from->source, cookie, text);

	if (!k)
		return false;
	if (sl_ng_cookie_answer(k).p) {
		sl_ng_count(&e->duplicates_answered);
		send_answer(e, from, sl_ng_cookie_answer(k));
	} else {
		sl_ng_count(&e->duplicates_dropped);
	}
	return true;
}

/* Over UDP the proxy asks again by itself; over TCP it is told. Not kept: the next time it may do. */
static void refuse(
        struct sl_ng_edge *e, const struct sl_ng_origin *from, struct sl_slice cookie, struct sl_slice text)
{
	struct sl_ng_request *r = from->tcp ? sl_ng_request_new(cookie, (struct sl_slice){"", 0}) : NULL;

	sl_ng_count(&e->overloaded);
	if (!r)
		return;
	r->json = text.n > 0 && text.p[0] == '{';
	sl_ng_reply_error(r, "Too busy: ask again");
	sl_ng_request_encode(r, SL_NG_UDP_ANSWER_MAX);
	if (r->answer.n > 0)
		send_answer(e, from, r->answer);
	sl_ng_request_free(r);
}

bool sl_ng_message(
        struct sl_ng_edge *e, const struct sl_ng_origin *from, struct sl_slice cookie, struct sl_slice text)
{
	bool full = (!from->tcp && e->udp_in_flight >= SL_NG_IN_FLIGHT_UDP) ||
	            e->bytes_in_flight >= SL_NG_IN_FLIGHT_BYTES;
	struct sl_ng_cookie *k;
	struct sl_ng_request *r;

	if (is_duplicate(e, from, cookie, text))
		return false;
	k = full ? NULL : sl_ng_cookies_begin(e->cookies, &from->source, cookie, text);
	r = k ? sl_ng_request_new(cookie, text) : NULL;
	if (!r) {
		if (k)
			sl_ng_cookies_forget(e->cookies, k);
		refuse(e, from, cookie, text);
		return false;
	}
	r->edge = e;
	r->brain = e->brain;
	r->origin = *from;
	r->cached = k;
	e->udp_in_flight += !from->tcp;
	__atomic_store_n(&e->in_flight, e->in_flight + 1, __ATOMIC_RELAXED);
	bool good = sl_ng_request_read(r);
	r->bytes = r->in.total;
	e->bytes_in_flight += r->bytes;
	if (good) {
		sl_ng_chain_add(&e->read, r);
		return true;
	}
	sl_ng_count(&e->bad_messages);
	finish(e, r);
	return false;
}

/* ---- the thread ---- */

int sl_ng_watch(struct sl_ng_edge *e, int op, int fd, enum sl_ng_watch what, unsigned index, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u64 = (uint64_t)what << 32 | index};

	return epoll_ctl(e->epoll_fd, op, fd, &ev);
}

static void sweep(struct sl_ng_edge *e)
{
	const struct sl_ng_cookies_counts *c = sl_ng_cookies_counts(e->cookies);

	if (e->now_ms - e->swept_ms >= SL_NG_SWEEP_MS) {
		e->swept_ms = e->now_ms;
		sl_ng_cookies_expire(e->cookies, e->now_ms);
		sl_ng_tcp_sweep(e);
	}
	__atomic_store_n(&e->cached, c->cached, __ATOMIC_RELAXED);
	__atomic_store_n(&e->cache_evicted, c->evicted, __ATOMIC_RELAXED);
}

static void handle(struct sl_ng_edge *e, const struct epoll_event *ev)
{
	unsigned index = (unsigned)ev->data.u64;

	switch ((enum sl_ng_watch)(ev->data.u64 >> 32)) {
	case SL_NG_WATCH_INBOX:
		sl_mailbox_run(e->inbox, SL_NG_BATCH);
		return;
	case SL_NG_WATCH_UDP:
		sl_ng_udp_read(e, index);
		return;
	case SL_NG_WATCH_TCP:
		sl_ng_tcp_accept(e, index);
		return;
	case SL_NG_WATCH_CONNECTION:
		sl_ng_tcp_ready(e, index, ev->events);
		return;
	}
}

static void *run(void *arg)
{
	struct epoll_event events[EVENTS];
	struct sl_ng_edge *e = arg;

	while (!e->stop) {
		int n = epoll_wait(e->epoll_fd, events, EVENTS, SL_NG_SWEEP_MS);
		e->now_ms = monotonic_ms();
		for (int i = 0; i < n && !e->stop; i++)
			handle(e, &events[i]);
		pass_on(e);
		sweep(e);
	}
	return NULL;
}

static void do_stop(void *arg)
{
	struct sl_ng_edge *e = arg;

	e->stop = true;
}

struct allow_letter {
	struct sl_ng_edge *edge;
	unsigned n;
	struct sl_prefix prefixes[SL_CONF_MAX_NG_ALLOW];
};

static void take_allow(void *arg)
{
	struct allow_letter *l = arg;
	struct sl_ng_edge *e = l->edge;

	e->n_allow = l->n;
	memcpy(e->allow, l->prefixes, sizeof l->prefixes);
	free(l);
	for (unsigned i = 0; i < SL_NG_CONNECTIONS; i++) {
		if (e->connections[i].fd >= 0 && !sl_ng_allowed(e, &e->connections[i].source.ip))
			sl_ng_tcp_close(e, i);
	}
}

void sl_ng_edge_allow(struct sl_ng_edge *e, const struct sl_conf_media *config)
{
	struct allow_letter *l = calloc(1, sizeof *l);

	if (!l)
		return;
	l->edge = e;
	l->n = config->n_ng_allow;
	memcpy(l->prefixes, config->ng_allow, sizeof l->prefixes);
	if (sl_mailbox_post(e->inbox, take_allow, l) < 0)
		free(l);
}

/* ---- opening and closing ---- */

static int open_all(struct sl_ng_edge *e, struct sl_ng_listener *listeners, const struct sl_endpoint *at,
        unsigned n, bool tcp, char *text, size_t text_len)
{
	char where[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < n; i++) {
		int error =
		        tcp ? sl_ng_tcp_open(&listeners[i], &at[i]) : sl_ng_udp_open(&listeners[i], &at[i]);
		if (error == 0 && sl_ng_watch(e, EPOLL_CTL_ADD, listeners[i].fd,
		                          tcp ? SL_NG_WATCH_TCP : SL_NG_WATCH_UDP, i, EPOLLIN) < 0)
			error = -errno;
		if (error == 0)
			continue;
		snprintf(text, text_len, "%s: cannot listen: %s (option 'media.ng.%s')",
		        sl_endpoint_text(&at[i], where), strerror(-error), tcp ? "tcp" : "udp");
		return -1;
	}
	return 0;
}

int sl_ng_edge_open(struct sl_ng_edge *e, const struct sl_conf_media *config, char *text, size_t text_len)
{
	struct sl_siphash_key key;

	e->n_udp = config->n_ng_udp;
	e->n_tcp = config->n_ng_tcp;
	e->n_allow = config->n_ng_allow;
	memcpy(e->allow, config->ng_allow, sizeof e->allow);
	for (unsigned i = 0; i < SL_CONF_MAX_NG_LISTENERS; i++)
		e->udp[i].fd = e->tcp[i].fd = -1;
	for (unsigned i = 0; i < SL_NG_CONNECTIONS; i++)
		e->connections[i].fd = -1;
	e->now_ms = e->swept_ms = monotonic_ms();
	e->inbox = sl_mailbox_new(SL_NG_LETTERS);
	e->to_brain = sl_mailbox_new(SL_NG_LETTERS);
	e->datagrams = malloc((size_t)SL_NG_BATCH * SL_NG_UDP_MAX);
	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (getrandom(&key, sizeof key, 0) != (ssize_t)sizeof key ||
	        !(e->cookies = sl_ng_cookies_new(SL_NG_CACHE_BYTES, &key)) || !e->inbox || !e->to_brain ||
	        !e->datagrams || e->epoll_fd < 0 ||
	        sl_ng_watch(e, EPOLL_CTL_ADD, sl_mailbox_fd(e->inbox), SL_NG_WATCH_INBOX, 0, EPOLLIN) < 0) {
		snprintf(text, text_len, "cannot set the ng protocol up: %s", strerror(errno));
		return -1;
	}
	if (open_all(e, e->udp, config->ng_udp, e->n_udp, false, text, text_len) < 0 ||
	        open_all(e, e->tcp, config->ng_tcp, e->n_tcp, true, text, text_len) < 0)
		return -1;
	return 0;
}

int sl_ng_edge_start(struct sl_ng_edge *e)
{
	int error = pthread_create(&e->thread, NULL, run, e);

	e->running = error == 0;
	if (e->running)
		pthread_setname_np(e->thread, "ng");
	return -error;
}

static void free_letters(struct sl_ng_edge *e)
{
	struct sl_ng_request *r;

	e->stop = true; /* letters free what they carry */
	while ((r = sl_ng_chain_take(&e->read)))
		sl_ng_request_free(r);
	if (e->inbox)
		sl_mailbox_run(e->inbox, SL_NG_LETTERS);
	if (e->to_brain)
		sl_mailbox_run(e->to_brain, SL_NG_LETTERS);
	sl_mailbox_free(e->inbox);
	sl_mailbox_free(e->to_brain);
}

void sl_ng_edge_close(struct sl_ng_edge *e)
{
	if (e->running) {
		sl_mailbox_post(e->inbox, do_stop, e);
		pthread_join(e->thread, NULL);
	}
	free_letters(e);
	for (unsigned i = 0; i < SL_NG_CONNECTIONS; i++)
		sl_ng_tcp_close(e, i);
	for (unsigned i = 0; i < SL_CONF_MAX_NG_LISTENERS; i++) {
		if (e->udp[i].fd >= 0)
			close(e->udp[i].fd);
		if (e->tcp[i].fd >= 0)
			close(e->tcp[i].fd);
	}
	sl_ng_cookies_free(e->cookies);
	if (e->datagrams)
		explicit_bzero(e->datagrams, (size_t)SL_NG_BATCH * SL_NG_UDP_MAX);
	free(e->datagrams);
	if (e->epoll_fd >= 0)
		close(e->epoll_fd);
}

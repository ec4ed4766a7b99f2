/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The edge's half: sockets, who may ask, cookies, text. Owner: its thread, but for opening and closing. */

#include <pthread.h>
#include <sys/socket.h>

#include "config/options.h"
#include "controlplane/mailbox.h"
#include "controlplane/ng/cookies.h"
#include "controlplane/ng/request.h"

enum {
	SL_NG_BATCH = 32, /* datagrams a system call */
	SL_NG_IN_FLIGHT_UDP =
	        1024, /* requests being executed; beyond, datagrams are dropped: the proxy asks again */
	SL_NG_IN_FLIGHT_BYTES = 64 * 1024 * 1024,
	SL_NG_CONNECTIONS = 64,
	SL_NG_IN_FLIGHT_TCP = 16,           /* of a connection: beyond, it is not read */
	SL_NG_UNSENT_MAX = 4 * 1024 * 1024, /* of a connection that does not read its answers */
	SL_NG_IDLE_MS = 300 * 1000,
	SL_NG_PARTIAL_MS = 10 * 1000, /* a message begun comes to its end within this */
	SL_NG_LETTERS = 4096,         /* more than can be in flight */
	SL_NG_SWEEP_MS = 1000,
	SL_NG_LOG_MS = 10 * 1000, /* between lines about strangers */
};
_Static_assert(SL_NG_LETTERS > SL_NG_IN_FLIGHT_UDP + SL_NG_CONNECTIONS * SL_NG_IN_FLIGHT_TCP,
        "a mailbox is never full");

struct sl_ng_listener {
	int fd;
	bool any; /* bound to no address in particular: answers name the one that was asked */
};

struct sl_ng_connection {
	int fd; /* -1 = free */
	unsigned generation, in_flight;
	struct sl_endpoint source;
	char *in, *out;
	size_t in_len, in_room, in_at, out_len, out_room,
	        out_at;           /* up to in_at is taken, up to out_at sent */
	struct sl_ng_frame frame; /* of the message that begins at in_at, behind its cookie */
	size_t cookie_len;        /* 0 = not complete yet */
	int64_t last_ms;          /* something whole came or went */
	uint32_t watched;         /* epoll events */
};

struct sl_ng_edge {
	struct sl_ng_brain *brain;
	struct sl_mailbox *inbox, *to_brain;
	pthread_t thread;
	bool running, stop;
	int epoll_fd;
	int64_t now_ms, swept_ms, logged_ms;
	unsigned n_udp, n_tcp, n_allow;
	struct sl_ng_listener udp[SL_CONF_MAX_NG_LISTENERS], tcp[SL_CONF_MAX_NG_LISTENERS];
	struct sl_prefix allow[SL_CONF_MAX_NG_ALLOW];
	struct sl_ng_connection connections[SL_NG_CONNECTIONS];
	struct sl_ng_cookies *cookies;
	char *datagrams; /* SL_NG_BATCH buffers of SL_NG_UDP_MAX */
	unsigned udp_in_flight;
	struct sl_ng_chain read; /* for the brain, when what is readable now is read: one bell for many */
	size_t bytes_in_flight;
	/* Written here, read by anybody: relaxed. */
	uint64_t duplicates_answered, duplicates_dropped, refused_sources, bad_messages, overloaded,
	        send_failures;
	uint64_t tcp_accepted, tcp_refused, tcp_timeouts, cache_evicted;
	uint32_t tcp_connections, in_flight, cached;
};

/* Bind, without the thread. 0 or -1 with words in text; closing is right in both cases. */
int sl_ng_edge_open(struct sl_ng_edge *e, const struct sl_conf_media *config, char *text, size_t text_len);
int sl_ng_edge_start(struct sl_ng_edge *e);
/* The thread ends; letters not taken are freed. */
void sl_ng_edge_close(struct sl_ng_edge *e);
/* A letter of the brain: the requests chained to this one are answered. */
void sl_ng_edge_answered(void *first);
/* Any thread: this allow-list from now on. */
void sl_ng_edge_allow(struct sl_ng_edge *e, const struct sl_conf_media *config);

/* ---- between its files ---- */

enum sl_ng_watch { SL_NG_WATCH_INBOX, SL_NG_WATCH_UDP, SL_NG_WATCH_TCP, SL_NG_WATCH_CONNECTION };

int sl_ng_watch(struct sl_ng_edge *e, int op, int fd, enum sl_ng_watch what, unsigned index, uint32_t events);
bool sl_ng_allowed(const struct sl_ng_edge *e, const struct sl_ip *source);
/* It is counted, and now and then logged: a proxy that the list forgot is hard to find otherwise. */
void sl_ng_refused(struct sl_ng_edge *e, const struct sl_ip *source);
/* One message. True when it is being executed now. */
bool sl_ng_message(
        struct sl_ng_edge *e, const struct sl_ng_origin *from, struct sl_slice cookie, struct sl_slice text);
/* Addresses as the kernel has them, IPv4 as it is. */
socklen_t sl_ng_to_sockaddr(const struct sl_endpoint *ep, struct sockaddr_storage *out);
void sl_ng_from_sockaddr(const struct sockaddr_storage *ss, struct sl_endpoint *out);

/* udp.c */
int sl_ng_udp_open(struct sl_ng_listener *l, const struct sl_endpoint *at);
void sl_ng_udp_read(struct sl_ng_edge *e, unsigned listener);
void sl_ng_udp_send(struct sl_ng_edge *e, const struct sl_ng_origin *to, struct sl_slice answer);
/* tcp.c */
int sl_ng_tcp_open(struct sl_ng_listener *l, const struct sl_endpoint *at);
void sl_ng_tcp_accept(struct sl_ng_edge *e, unsigned listener);
void sl_ng_tcp_ready(struct sl_ng_edge *e, unsigned slot, uint32_t events);
void sl_ng_tcp_send(struct sl_ng_edge *e, const struct sl_ng_origin *to, struct sl_slice answer);
/* One of its requests is answered: it may go on reading. */
void sl_ng_tcp_answered(struct sl_ng_edge *e, const struct sl_ng_origin *to);
void sl_ng_tcp_sweep(struct sl_ng_edge *e);
void sl_ng_tcp_close(struct sl_ng_edge *e, unsigned slot);

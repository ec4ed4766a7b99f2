/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Inside the stream edge. Everything here belongs to its thread, but for what says otherwise.
 *
 *   edge.c     opening, closing, reload; the thread's loop and its sweep
 *   connect.c  connections come and go: accepted, made, verified, ended
 *   stream.c   bytes of a connection: TLS, frames, keep-alives, queues
 *   link.c     the same towards nta, over TCP on loopback: one for each connection that speaks, since Sofia stops reading where it finds no
 * message
 *   relay.c    a message from one side to the other: which connection, which edits */

#include <pthread.h>
#include <stdatomic.h>

#include "controlplane/edge/edge.h"
#include "controlplane/edge/frame.h"
#include "controlplane/edge/surgery.h"
#include "controlplane/edge/tls.h"
#include "dataplane/wire/siphash.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum {
	SL_EDGE_READ = SL_FRAME_MAX + 1024,
	SL_EDGE_OUT_MAX = 256 * 1024,         /* not taken by a client: it is too slow, and ended */
	SL_EDGE_LINK_HIGH = 128 * 1024,       /* not taken by nta: the client is not read */
	SL_EDGE_LINK_MAX = 512 * 1024,
	SL_EDGE_LINKS_MAX = 16,               /* from nta */
	SL_EDGE_LINK_IDLE_MS = 600 * 1000,    /* longer than any phone rings: answers come by it */
	SL_EDGE_LINK_STALL_MS = 8000,         /* nta answers no keep-alive: it has stopped reading */
	SL_EDGE_LINK_DRAIN_MS = 2000,         /* its client has gone: until nta has read it to the end */
	SL_EDGE_LINK_RETRIES = 3,             /* of a message that nta does not take */
	SL_EDGE_PENDING_MAX = 64,             /* requests that wait for a connection to be made */
	SL_EDGE_SESSIONS = 64,                /* TLS sessions to be resumed, of connections made */
	SL_EDGE_HANDSHAKE_MS = 10000,
	SL_EDGE_FIRST_MS = 30000,             /* from the handshake to the first message */
	SL_EDGE_MESSAGE_MS = 20000,           /* from a message's first byte to its last */
	SL_EDGE_IDLE_MS = 2 * 3600 * 1000,    /* without a byte; dead peers are found by TCP keep-alives long before */
	SL_EDGE_FLOW_MAX = 320,
	SL_EDGE_SOURCES = 4096,               /* buckets, a power of two */
};

struct sl_edge_buf {
	char *p;
	size_t off, n, cap; /* bytes off..n are yet to be taken */
};
static inline size_t sl_edge_buf_left(const struct sl_edge_buf *b)
{
	return b->n - b->off;
}
/* Room for more bytes at the end, at most max waiting; NULL = there is none. */
char *sl_edge_buf_room(struct sl_edge_buf *b, size_t more, size_t max);
void sl_edge_buf_free(struct sl_edge_buf *b);

enum sl_edge_what { SL_EDGE_WAKE, SL_EDGE_TLS_LISTENER, SL_EDGE_NTA_LISTENER, SL_EDGE_LINK, SL_EDGE_CONN };

/* What epoll points to: the first member of whatever has a descriptor. */
struct sl_edge_handle {
	enum sl_edge_what what;
	int fd;
	uint32_t events; /* as told to epoll */
};

struct sl_edge_listener {
	struct sl_edge_handle h;
	unsigned index;                     /* in the configuration */
	char name[SL_CONF_NAME_MAX + 1];
	struct sl_endpoint address, advertised;
	char via[SL_ADDR_TEXT_MAX];         /* sent-by */
	struct sl_tls_contexts contexts;    /* under contexts_lock: the brain changes them */
};

/* A TCP connection with nta: a client's, which we make, or one that nta made for its requests. */
struct sl_edge_link {
	struct sl_edge_handle h;
	struct sl_edge_conn *conn;     /* whose it is; NULL = nta made it, or its client has gone */
	bool connecting;
	unsigned retries;              /* since nta took all that there was */
	unsigned slot;                 /* 1.. of those that nta made; 0 = a client's */
	int64_t used_ms, wrote_ms, ping_ms; /* ping_ms: a keep-alive is not answered since; 0 = none */
	struct sl_edge_buf in, out;    /* out keeps whole messages from its beginning: what nta did not get whole is sent again */
	struct sl_frame frame;
	struct sl_edge_letter *letter; /* of a client that has gone: the brain is told when nta has read all that it sent */
	struct sl_edge_link *next;     /* of those whose clients have gone, or that are to be freed */
};

/* A request that waits for its connection, as nta sent it. */
struct sl_edge_pending {
	struct sl_edge_pending *next;
	unsigned link; /* slot of the link that it came by */
	size_t head, n;
	char text[];
};

enum sl_edge_state { SL_EDGE_CONNECTING, SL_EDGE_HANDSHAKE, SL_EDGE_OPEN, SL_EDGE_DEAD };

/* How many connections one source has; IPv6 by /64. */
struct sl_edge_source {
	struct sl_edge_source *next;
	struct sl_ip ip;
	unsigned n;
};

struct sl_edge_conn {
	struct sl_edge_handle h;
	enum sl_edge_state state;
	uint32_t id;
	uint8_t listener;              /* slot in struct sl_edge's listeners */
	bool made, spoke, again;       /* again: in the list of those with more to read */
	struct sl_edge *edge;
	SSL *ssl;
	struct sl_edge_link *up;       /* NULL until it speaks */
	struct sl_edge_letter *letter; /* that tells the brain of its end; once it is open */
	struct sl_endpoint remote;
	struct sl_edge_buf in, out;
	struct sl_frame frame;
	int64_t since_ms, heard_ms, partial_ms; /* partial_ms: when an incomplete message began; 0 = there is none */
	char *flow;                    /* the P-Sluice-Flow line, when open */
	char *name;                    /* made: the name that its certificate must have, "" = none */
	struct sl_edge_pending *first, **last;
	unsigned n_pending;
	struct sl_edge_source *source; /* accepted */
	struct sl_edge_conn *next, *prev;       /* all; next alone in the graveyard */
	struct sl_edge_conn *hash_next, *target_next, *again_next;
};

struct sl_edge_session {
	struct sl_endpoint to;
	uint8_t listener;
	char name[SL_TLS_NAME_MAX];
	SSL_SESSION *session;
	SSL_CTX *context; /* it was made under, held: after a reload everybody is verified again */
};

struct sl_edge {
	struct sl_edge_options o; /* config is not kept: it may be freed by a reload */
	pthread_t thread;
	pthread_mutex_t contexts_lock;
	int epoll_fd;
	atomic_bool stop;
	struct sl_edge_handle wake, nta_listener;
	struct sl_endpoint own;
	char own_text[SL_ADDR_TEXT_MAX], nta_text[SL_ADDR_TEXT_MAX];
	unsigned n_listeners;
	struct sl_edge_listener listeners[SL_CONF_MAX_SIP_LISTENERS];
	unsigned max_connections, max_per_source;
	int64_t now_ms, swept_ms, logged_ms;
	bool listening_paused;

	struct sl_edge_link links[1 + SL_EDGE_LINKS_MAX]; /* from nta; [0] is not used */
	struct sl_edge_link *draining, *ended;

	struct sl_siphash_key hash_key; /* of branches and tables */
	uint32_t next_id;
	unsigned mask;                  /* of both tables of connections */
	struct sl_edge_conn **by_id, **by_target;
	struct sl_edge_source **sources;
	struct sl_edge_conn *all, *graveyard, *again;
	unsigned n_conns;
	struct sl_edge_session sessions[SL_EDGE_SESSIONS];
	unsigned next_session;
	struct sl_edge_letter *unposted;

	struct sl_edge_counts counts;   /* written by the thread, relaxed */
	char scratch[SL_EDGE_READ];
};

static inline void sl_edge_count(uint64_t *c)
{
	__atomic_store_n(c, *c + 1, __ATOMIC_RELAXED);
}

/* edge.c */
int sl_edge_watch(struct sl_edge *e, struct sl_edge_handle *h, uint32_t events); /* add, change; 0 or -errno */
int64_t sl_edge_clock_ms(void);
socklen_t sl_edge_sockaddr(const struct sl_endpoint *ep, struct sockaddr_storage *out);
void sl_edge_endpoint_of(const struct sockaddr_storage *ss, struct sl_endpoint *out);
void sl_edge_contexts(struct sl_edge *e, unsigned listener, struct sl_tls_contexts *out); /* held for the caller */

/* flow.c */
bool sl_edge_token_read(struct sl_slice token, uint32_t *out);
int sl_edge_flow_write(const struct sl_edge_flow *f, const uint8_t key[32], char *out, size_t room); /* length or -ENOBUFS */

/* connect.c */
void sl_edge_accept(struct sl_edge *e, struct sl_edge_listener *l);
struct sl_edge_conn *sl_edge_conn_find(struct sl_edge *e, uint32_t id);
/* The connection to that end, made when there is none. NULL with why. */
struct sl_edge_conn *sl_edge_conn_to(struct sl_edge *e, const struct sl_endpoint *to, const char *name, unsigned listener, const char **why);
void sl_edge_conn_event(struct sl_edge *e, struct sl_edge_conn *c, uint32_t events);
/* End it; why: for requests that wait for it. */
void sl_edge_conn_end(struct sl_edge *e, struct sl_edge_conn *c, const char *why);
void sl_edge_bury(struct sl_edge *e); /* free what has ended: nothing of this turn points to it any more */
void sl_edge_sweep(struct sl_edge *e);
void sl_edge_post_closed(struct sl_edge *e);
void sl_edge_tell_closed(struct sl_edge *e, struct sl_edge_letter *l); /* takes it; NULL is fine */
void sl_edge_read_later(struct sl_edge *e, struct sl_edge_conn *c);
void sl_edge_conns_free(struct sl_edge *e);
int sl_edge_session_new(SSL *ssl, SSL_SESSION *session); /* callback of contexts for connections made */

/* stream.c */
void sl_edge_conn_read(struct sl_edge *e, struct sl_edge_conn *c);
void sl_edge_conn_write(struct sl_edge *e, struct sl_edge_conn *c);
/* Room to write a message of n bytes into; sl_edge_conn_send() what was written. NULL: too slow, it has been ended. */
char *sl_edge_conn_room(struct sl_edge *e, struct sl_edge_conn *c, size_t n);
void sl_edge_conn_send(struct sl_edge *e, struct sl_edge_conn *c, size_t n);

/* link.c */
void sl_edge_link_accept(struct sl_edge *e);
void sl_edge_link_event(struct sl_edge *e, struct sl_edge_link *l, uint32_t events);
/* To nta, of a client: room for n bytes, its link made when there is none. NULL = full, or no memory. */
char *sl_edge_up_room(struct sl_edge *e, struct sl_edge_conn *c, size_t n);
void sl_edge_up_send(struct sl_edge *e, struct sl_edge_conn *c, size_t n);
bool sl_edge_up_full(const struct sl_edge_conn *c); /* its client is not read now */
void sl_edge_up_leave(struct sl_edge *e, struct sl_edge_conn *c); /* the client has gone; takes its letter */
void sl_edge_up_tick(struct sl_edge *e, struct sl_edge_conn *c);
/* To nta, over a link that it made. NULL = gone or full. */
char *sl_edge_link_room(struct sl_edge *e, unsigned slot, size_t n);
void sl_edge_link_send(struct sl_edge *e, unsigned slot, size_t n);
void sl_edge_links_sweep(struct sl_edge *e);
void sl_edge_links_bury(struct sl_edge *e);
void sl_edge_links_free(struct sl_edge *e);

/* relay.c */
/* From a client; false: it cannot be dealt with, the connection ends. */
bool sl_edge_from_client(struct sl_edge *e, struct sl_edge_conn *c, const char *text, const struct sl_frame *f);
void sl_edge_from_nta(struct sl_edge *e, struct sl_edge_link *l, const char *text, const struct sl_frame *f);
/* Send what waited for c, now open. */
void sl_edge_pending_flush(struct sl_edge *e, struct sl_edge_conn *c);
/* Refuse what waited for c. */
void sl_edge_pending_fail(struct sl_edge *e, struct sl_edge_conn *c, const char *why);

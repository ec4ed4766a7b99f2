/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Inside the stream threads. What belongs to a thread is touched by it alone, but for what says otherwise.
 *
 *   streams.c  start, stop, reload, counts; what all threads share
 *   thread.c   a thread's loop: orders of workers, sockets, timers
 *   listen.c   sockets of listeners; connections are taken
 *   conn.c     a connection from its slot to its end; records for workers
 *   io.c       bytes of a connection: reading, frames, the queue towards the client
 *   tls.c      contexts and handshakes
 *   dtls.c     datagrams of DTLS clients: cookie, connections by address
 *   peers.c    RFC 6062: sockets towards TCP peers
 *   splice.c   and their bytes
 *   sources.c  how many connections one source has */

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

#include "config/tls/tls.h"
#include "dataplane/abi/msg_turn.h"
#include "dataplane/dataplane.h"
#include "dataplane/stream/stream.h"
#include "dataplane/wire/siphash.h"

enum {
	SL_STREAM_READ = 16384,              /* of a connection at a time */
	SL_STREAM_TOTAL_MAX = 65540,         /* ChannelData with its padding */
	SL_STREAM_SCRATCH = SL_STREAM_TOTAL_MAX + SL_STREAM_READ,
	SL_STREAM_STRANGER_FRAME = 4096,     /* a request with all that it may carry */
	SL_STREAM_STRANGER_OUT = 8192,
	SL_STREAM_RESERVE = 16384,           /* beyond stream_buffer_kb, for answers */
	SL_STREAM_TLS_BYTES = 24 * 1024,     /* of OpenSSL for a connection, about */
	SL_STREAM_EVENTS = 1024,
	SL_STREAM_ACCEPTS = 64,              /* of a listener in one turn */
	SL_STREAM_ORDERS = 512,              /* of a worker in one turn */
	SL_STREAM_CONNECT_MS = 30000,        /* RFC 6062 5.2 */
	SL_STREAM_WAITING_PEERS = 64,        /* of an allocation, that no worker has judged yet */
	SL_STREAM_GATHER = 32768,            /* TLS records that leave in one write */
	SL_STREAM_DATAGRAM = 16384 + 512,
	SL_STREAM_COOKIE = 16,
	SL_STREAM_MTU = 1200,                /* of a handshake's datagrams: passes every path */
};

struct sl_stream_buf {
	uint8_t *p;
	uint32_t off, n, cap; /* bytes off..n wait */
};
static inline uint32_t sl_stream_buf_left(const struct sl_stream_buf *b)
{
	return b->n - b->off;
}

enum sl_stream_what { SL_STREAM_WAKE, SL_STREAM_LISTENER, SL_STREAM_DATAGRAMS, SL_STREAM_CONN, SL_STREAM_PEER, SL_STREAM_PEER_LISTENER };

/* What epoll points to: the first member of whatever has a descriptor. */
struct sl_stream_handle {
	enum sl_stream_what what;
	int fd;
	uint32_t events; /* as told to epoll; 0 = it is not there */
};

struct sl_stream_source {
	struct sl_stream_source *next;
	struct sl_ip ip; /* IPv6 by /64 */
	uint32_t n;
};
struct sl_stream_sources {
	pthread_mutex_t lock;
	struct sl_siphash_key key;
	struct sl_stream_source **buckets;
	uint32_t mask, limit; /* limit 0 = none */
};
int sl_stream_sources_init(struct sl_stream_sources *s, uint32_t max_connections, uint32_t limit);
void sl_stream_sources_free(struct sl_stream_sources *s);
/* One more of ip. False: it has as many as it may, or there is no memory. *out NULL: none are counted. Any thread. */
bool sl_stream_source_take(struct sl_stream_sources *s, const struct sl_ip *ip, struct sl_stream_source **out);
void sl_stream_source_leave(struct sl_stream_sources *s, struct sl_stream_source *source); /* NULL is fine */

enum sl_stream_state {
	SL_STREAM_PROXY,     /* its PROXY header is awaited */
	SL_STREAM_HANDSHAKE,
	SL_STREAM_OPEN,
	SL_STREAM_CLOSING,   /* what is queued leaves, nothing is read */
	SL_STREAM_DATA,      /* of RFC 6062: spliced with a peer */
	SL_STREAM_DEAD,      /* freed at the end of the turn */
};

struct sl_stream_thread;
struct sl_stream_peer;

/* What callbacks of OpenSSL know of a connection, or of a datagram that has none yet. */
struct sl_stream_link {
	struct sl_stream_thread *thread;
	struct sl_stream_conn *conn;  /* NULL: a ClientHello is judged */
	struct sl_endpoint remote;
	unsigned listener;
	const uint8_t *in;            /* DTLS: the datagram that is being read; n = 0: it has been */
	size_t n;
};

struct sl_stream_conn {
	struct sl_stream_handle h;   /* fd -1: DTLS */
	enum sl_stream_state state;
	struct sl_stream_link link;
	uint8_t worker;              /* that frames go to */
	bool known;                  /* has an allocation */
	bool spoke;                  /* a worker has had a frame of it, and will be told of its end */
	bool paused, binding;        /* not read: a worker has no room; a data connection in the making (RFC 6062) */
	bool in_slot, ssl_broken;
	bool wants_ticket;           /* TLS 1.3: said that it can resume, and has had no ticket yet */
	bool drained;                /* TLS: its socket had less than was asked for, and has not been ready since */
	bool is_last;                /* TLS: what is sent now is followed by the socket's end */
	struct sl_flow flow;
	struct sl_endpoint server;
	SSL *ssl;
	char *host;                  /* that its handshake named; NULL = none */
	struct sl_stream_buf in, out;
	struct sl_stream_buf records; /* TLS: what the socket did not take; before out */
	uint32_t rest;               /* of the message at out's front, whose beginning has left */
	int64_t until_ms;            /* of a stranger */
	int64_t stalled_ms;          /* since when nothing of out could leave; 0 = it does */
	struct sl_stream_source *source;
	struct sl_stream_peer *peer; /* DATA */
	struct sl_stream_conn *hash_next;
	bool is_waiting, is_dirty, is_again, is_shaking, is_slow, is_due;
	TAILQ_ENTRY(sl_stream_conn) waiting, dirty, again, shaking, slow, due, all;
};
TAILQ_HEAD(sl_stream_conns, sl_stream_conn);

enum sl_stream_peer_state { SL_PEER_CONNECTING, SL_PEER_INCOMING, SL_PEER_READY, SL_PEER_BOUND, SL_PEER_DEAD };

struct sl_stream_peer_listener {
	struct sl_stream_handle h;
	struct sl_flow flow;      /* of the control connection */
	uint64_t allocation;
	uint8_t worker;
	unsigned n_waiting;
	struct sl_endpoint local;
	bool is_deaf;             /* no descriptors were left */
	TAILQ_ENTRY(sl_stream_peer_listener) all, deaf;
	LIST_ENTRY(sl_stream_peer_listener) by_allocation;
};

/* A TCP connection between a relayed address and a peer. */
struct sl_stream_peer {
	struct sl_stream_handle h;
	enum sl_stream_peer_state state;
	uint8_t worker;           /* that is told */
	bool peer_eof, client_eof, peer_shut, client_shut;
	uint32_t connection, incoming; /* connection 0: no worker has accepted it yet */
	uint64_t allocation;
	struct sl_flow flow;      /* of the control connection */
	struct sl_endpoint local, remote;
	int64_t until_ms;         /* CONNECTING, INCOMING */
	struct sl_stream_conn *client; /* BOUND */
	struct sl_stream_buf out;      /* towards the peer */
	struct sl_stream_peer_listener *listener; /* INCOMING */
	bool is_connecting;
	TAILQ_ENTRY(sl_stream_peer) all, connecting;
	LIST_ENTRY(sl_stream_peer) by_number; /* connection, or incoming while that is 0 */
	LIST_ENTRY(sl_stream_peer) by_allocation;
};

/* Connections to peers by number; those and listeners by allocation. */
struct sl_stream_peer_bucket {
	LIST_HEAD(, sl_stream_peer) by_number, by_allocation;
	LIST_HEAD(, sl_stream_peer_listener) listeners;
};

/* A record that a worker's ring had no room for. */
struct sl_stream_pending {
	STAILQ_ENTRY(sl_stream_pending) next;
	struct sl_stream_record record;
};

/* A client connection on its way to the thread that has its peer. */
struct sl_stream_transfer {
	STAILQ_ENTRY(sl_stream_transfer) next;
	struct sl_stream_conn *conn;
	struct sl_stream_record order; /* TCP_BIND */
	uint8_t worker;
};

struct sl_stream_listener {      /* of all threads; under streams.lock what a reload changes */
	bool is_used;
	unsigned over;               /* enum sl_turn_transport */
	struct sl_endpoint address;
	SSL_CTX *ctx;
	unsigned n_proxies;
	struct sl_prefix proxies[SL_CONF_MAX_PROXIES];
};

struct sl_stream_socket {        /* a thread's, of a listener */
	struct sl_stream_handle h;
	unsigned listener;
	bool is_due;                 /* somebody wants to be taken */
	SSL *spare;                  /* DTLS: for the next ClientHello */
	SSL_CTX *spare_ctx;          /* that it is of, held */
};

struct sl_stream_thread {
	struct sl_streams *s;
	unsigned index;
	pthread_t pthread;
	bool is_running;
	int epoll_fd;
	struct sl_stream_handle wake;
	struct sl_stream_socket sockets[SL_CONF_MAX_LISTENERS];
	bool is_hearing;             /* TURN is provisioned: listeners are watched */
	int64_t now_ms, swept_ms, deaf_until_ms; /* deaf: no descriptors were left */
	unsigned calm;               /* turns since there was something to do */

	/* Connections: by slot; slots are used again in turn, so that one's generation comes back late. */
	struct sl_stream_conn **slots;
	uint8_t *generations;
	uint32_t *free_slots, free_head, n_free, n_slots;
	uint32_t n_conns;
	struct sl_stream_conns all, waiting, dirty, again, shaking, slow, graveyard;
	struct sl_stream_conns due;  /* newcomers that something has come for */
	int64_t newcomers_until_ns;  /* of this turn */
	struct sl_stream_conn **datagram_table;
	uint32_t datagram_mask;
	struct sl_stream_link listening; /* the ClientHello that is being judged */

	TAILQ_HEAD(, sl_stream_peer) peers, connecting, dead_peers;
	TAILQ_HEAD(, sl_stream_peer_listener) peer_listeners, deaf_peer_listeners, dead_peer_listeners;
	struct sl_stream_peer_bucket *peer_buckets;
	uint32_t peer_mask;
	int64_t peers_deaf_until_ms;
	uint32_t next_incoming;
	unsigned n_peers;

	STAILQ_HEAD(, sl_stream_pending) pending[SL_CONF_MAX_WORKERS];
	unsigned n_pending;
	struct { /* after RECALL, by worker */
		uint32_t at, left; /* slots */
	} asking[SL_CONF_MAX_WORKERS];
	int64_t asked_ms;
	pthread_mutex_t transfers_lock;
	STAILQ_HEAD(, sl_stream_transfer) transfers; /* under transfers_lock: other threads put */
	STAILQ_HEAD(, sl_stream_transfer) leaving;   /* to other threads */

	uint64_t counters[SL_N_STREAM_COUNTERS];     /* written by the thread, relaxed */
	struct sl_byte_ring in[SL_CONF_MAX_WORKERS], out[SL_CONF_MAX_WORKERS];
	uint8_t scratch[SL_STREAM_SCRATCH];
	struct sl_stream_conn *gathering; /* whose records are put into: */
	uint32_t n_gathered;
	uint8_t gathered[SL_STREAM_GATHER];
};

struct sl_streams {
	struct sl_dataplane *dp;
	unsigned n_threads, n_workers;
	struct sl_stream_thread *threads[SL_STREAM_MAX_THREADS];
	pthread_mutex_t lock;        /* listeners' contexts and proxies */
	struct sl_stream_listener listeners[SL_CONF_MAX_LISTENERS];
	unsigned n_listeners;
	struct sl_stream_sources sources;
	struct sl_siphash_key key;   /* of cookies and tables */
	BIO_METHOD *datagram_bio, *stream_bio;
	uint32_t max_connections, buffer_bytes;
	uint64_t memory_max;
	int64_t wait_ms, stall_ms;
	_Atomic uint32_t n_connections;
	_Atomic uint64_t memory;
	_Atomic bool stop;
};

static inline void sl_stream_count(struct sl_stream_thread *t, enum sl_stream_counter c, int64_t n)
{
	__atomic_store_n(&t->counters[c], t->counters[c] + (uint64_t)n, __ATOMIC_RELAXED);
}

/* thread.c */
void *sl_stream_thread_run(void *arg);
int sl_stream_watch(struct sl_stream_thread *t, struct sl_stream_handle *h, uint32_t events); /* 0 = not any more */
bool sl_stream_charge(struct sl_stream_thread *t, size_t bytes); /* false: stream_memory_mb is used up */
void sl_stream_charge_anyway(struct sl_stream_thread *t, size_t bytes); /* what cannot be refused leaves less for others */
/* What c has to do, a newcomer's, is done after what clients wait for. */
void sl_stream_put_off(struct sl_stream_thread *t, struct sl_stream_conn *c);
bool sl_stream_is_late(const struct sl_stream_thread *t); /* newcomers have had their time in this turn */
void sl_stream_uncharge(struct sl_stream_thread *t, size_t bytes);
socklen_t sl_stream_sockaddr(const struct sl_endpoint *ep, struct sockaddr_storage *out);
void sl_stream_endpoint_of(const struct sockaddr_storage *ss, struct sl_endpoint *out);

/* listen.c */
int sl_stream_socket_open(struct sl_stream_thread *t, unsigned listener);
/* A socket that many may bind to the same address: fd, or -errno. */
int sl_stream_bound(const struct sl_endpoint *at, int type);
void sl_stream_accept(struct sl_stream_thread *t, struct sl_stream_socket *l);
void sl_stream_set_up(int fd); /* options of a TCP connection; of a listening socket: of those it accepts */

/* conn.c */
/* A connection of this listener, in a slot; fd -1: DTLS. NULL: there is no room for it; counted. It has no source yet. */
struct sl_stream_conn *sl_stream_conn_new(struct sl_stream_thread *t, unsigned listener, int fd, const struct sl_endpoint *remote);
/* Whose it is: its source is charged, its flow and worker are known from now on. False: refused, counted, ended. */
bool sl_stream_conn_admit(struct sl_stream_thread *t, struct sl_stream_conn *c, const struct sl_endpoint *client, const struct sl_endpoint *server);
void sl_stream_conn_wait(struct sl_stream_thread *t, struct sl_stream_conn *c); /* a stranger from now on, for stream_wait_s */
void sl_stream_conn_open(struct sl_stream_thread *t, struct sl_stream_conn *c); /* its handshake is done */
void sl_stream_conn_known(struct sl_stream_thread *t, struct sl_stream_conn *c, bool known);
void sl_stream_conn_leave_slot(struct sl_stream_thread *t, struct sl_stream_conn *c); /* it becomes a data connection */
void sl_stream_conn_end(struct sl_stream_thread *t, struct sl_stream_conn *c);
struct sl_stream_conn *sl_stream_conn_of(struct sl_stream_thread *t, const struct sl_flow *f);
void sl_stream_conn_event(struct sl_stream_thread *t, struct sl_stream_conn *c, uint32_t events);
void sl_stream_bury(struct sl_stream_thread *t);
void sl_stream_sweep(struct sl_stream_thread *t);
/* To a worker: now, or as soon as its ring has room. */
void sl_stream_tell(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *r);
void sl_stream_tell_pending(struct sl_stream_thread *t);
void sl_stream_tell_no_more(struct sl_stream_thread *t); /* what waits is freed */
/* RECALL: each connection whose frames go to worker is asked about, some in each millisecond. */
void sl_stream_recall(struct sl_stream_thread *t, unsigned worker);
void sl_stream_ask(struct sl_stream_thread *t);

/* io.c */
void *sl_stream_buf_room(struct sl_stream_thread *t, struct sl_stream_buf *b, uint32_t more); /* NULL: no memory */
void sl_stream_buf_free(struct sl_stream_thread *t, struct sl_stream_buf *b);
static inline uint32_t sl_stream_conn_unsent(const struct sl_stream_conn *c)
{
	return sl_stream_buf_left(&c->out) + sl_stream_buf_left(&c->records);
}
/* Bytes, 0 = the other side has ended, -EAGAIN, or -errno. */
int sl_stream_recv(struct sl_stream_conn *c, void *p, size_t n);
int sl_stream_write(struct sl_stream_conn *c, const void *p, size_t n);
void sl_stream_conn_read(struct sl_stream_thread *t, struct sl_stream_conn *c);
void sl_stream_conn_resume(struct sl_stream_thread *t, struct sl_stream_conn *c); /* it was paused */
void sl_stream_conn_frame(struct sl_stream_thread *t, struct sl_stream_conn *c, const uint8_t *p, size_t n); /* DTLS: a datagram */
void sl_stream_conn_send(struct sl_stream_thread *t, struct sl_stream_conn *c, const void *p, size_t n);
void sl_stream_conn_flush(struct sl_stream_thread *t, struct sl_stream_conn *c);
void sl_stream_conn_watch(struct sl_stream_thread *t, struct sl_stream_conn *c);
void sl_stream_read_later(struct sl_stream_thread *t, struct sl_stream_conn *c);

/* tls.c */
SSL_CTX *sl_stream_context(struct sl_streams *s, const struct sl_config *config, unsigned listener, char *text, size_t text_len);
SSL_CTX *sl_stream_context_hold(struct sl_streams *s, unsigned listener);
BIO_METHOD *sl_stream_record_bio(void);
/* Records that wait, or were gathered, leave. 0 = all, -EAGAIN, or -errno. */
int sl_stream_records_flush(struct sl_stream_thread *t, struct sl_stream_conn *c);
int sl_stream_tls_start(struct sl_stream_thread *t, struct sl_stream_conn *c); /* 0 or -ENOMEM */
void sl_stream_tls_handshake(struct sl_stream_thread *t, struct sl_stream_conn *c);
void sl_stream_tls_ticket(struct sl_stream_conn *c); /* goes with what is written next */

/* dtls.c */
BIO_METHOD *sl_stream_datagram_bio(void);
void sl_stream_set_cookies(SSL_CTX *ctx);
void sl_stream_datagrams(struct sl_stream_thread *t, struct sl_stream_socket *l);
/* A connection's handshake goes on, with the datagrams that came for it. */
void sl_stream_datagrams_kept(struct sl_stream_thread *t, struct sl_stream_conn *c);
void sl_stream_datagram_forget(struct sl_stream_thread *t, struct sl_stream_conn *c);

/* peers.c */
void sl_stream_peer_order(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *r);
void sl_stream_bind(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *r, struct sl_stream_conn *c);
void sl_stream_transfers(struct sl_stream_thread *t);
void sl_stream_transfers_out(struct sl_stream_thread *t);
void sl_stream_peer_accept(struct sl_stream_thread *t, struct sl_stream_peer_listener *l);
void sl_stream_peer_event(struct sl_stream_thread *t, struct sl_stream_peer *p);
void sl_stream_peer_end(struct sl_stream_thread *t, struct sl_stream_peer *p, int error, bool tell);
int sl_stream_peers_init(struct sl_stream_thread *t); /* 0 or -ENOMEM */
void sl_stream_peers_sweep(struct sl_stream_thread *t);
void sl_stream_peers_bury(struct sl_stream_thread *t);
void sl_stream_peers_free(struct sl_stream_thread *t);

/* splice.c */
void sl_stream_splice(struct sl_stream_thread *t, struct sl_stream_peer *p);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* sluice-tlsload: TURN clients over TLS on kernel sockets, and the peers of what they send, in one thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "bench/ng/latency.h"
#include "dataplane/wire/addr.h"

enum {
	FRAME_BYTES_MAX = 2048,
	CHANNEL = 0x4000,
	CHANNEL_HEADER = 4,
	STAMP_BYTES = 16, /* connection, sequence, nanoseconds */
	BACKEND_CHUNK = 16384,
};

struct options {
	struct sl_endpoint server, peer; /* peer: ours; UDP, or with backend a TCP listener */
	struct sl_ip from;
	unsigned n_from;
	const char *user, *password, *suite;
	bool arrivals;  /* new clients one after the other, instead of data from those that are there */
	bool resume;    /* arrivals: they come with a session of an earlier connection */
	bool backend;   /* no TURN: the server passes bytes to our TCP listener, which sends them back */
	bool step;
	unsigned clients; /* of them at once */
	unsigned payload;
	double rate;      /* frames, or arrivals, a second; 0 (arrivals only) = as fast as they go */
	double seconds, warmup_s;
};

struct counts {
	uint64_t started, ready, failed, resumed; /* clients */
	uint64_t sent, unsent, echoed, received;  /* frames: of clients; not taken by a full socket; by the peer; back at the client */
	uint64_t bad;
	struct latency latency; /* of a client until it is ready; of a frame there and back */
};

enum stage { STAGE_FREE, STAGE_CONNECT, STAGE_HANDSHAKE, STAGE_PROBE, STAGE_ALLOCATE, STAGE_BIND, STAGE_ECHO, STAGE_READY };

struct client {
	int fd;
	enum stage stage;
	SSL *ssl;
	uint64_t began_ns, deadline_ns;
	uint32_t sequence, seen;
	uint32_t in_len, out_len; /* out: a frame that the socket has not taken in full */
	uint8_t tid[12];
	uint8_t nonce_len;
	uint8_t nonce[128];
	uint8_t in[FRAME_BYTES_MAX * 2], out[FRAME_BYTES_MAX];
};

struct load {
	struct options o;
	int epoll;
	SSL_CTX *ctx;
	struct client *clients;
	unsigned n_ready, n_free;
	uint32_t *free; /* clients that are nobody */
	uint64_t next_from;
	bool has_key;
	uint8_t key[16];
	char realm[256];
	SSL_SESSION **sessions; /* of earlier connections; each is used once */
	unsigned n_sessions;
	struct counts now;
	char why[160]; /* the last failure */
};

/* What epoll gives back: which of our sockets it is. */
enum kind { KIND_CLIENT = 1, KIND_PEER, KIND_LISTENER, KIND_BACKEND };
static inline uint64_t tag(enum kind kind, uint32_t number)
{
	return (uint64_t)kind << 32 | number;
}

uint64_t now_ns(void);
void watch(struct load *l, int fd, uint64_t number, uint32_t events);

/* client.c */
int clients_init(struct load *l);
void clients_fini(struct load *l);
/* Begin a connection; false when there is none free, or no socket. */
bool client_start(struct load *l);
void client_event(struct load *l, uint32_t i, uint32_t events);
/* One frame from client i to the peer. */
void client_send(struct load *l, uint32_t i);
/* Give up who has waited too long. */
void clients_expire(struct load *l);

/* turn.c: the requests of a client, and what it makes of answers. */
/* The request of c's stage; its length, 0 = does not fit. */
size_t turn_request(struct load *l, struct client *c, uint8_t *out, size_t room);
/* A STUN message: 1 = the next request is due, 2 = all is done, 0 = not for us, -1 = refused (why says it). */
int turn_answer(struct load *l, struct client *c, const uint8_t *msg, size_t len);

/* peer.c */
int peer_init(struct load *l);
void peer_event(struct load *l, enum kind kind, uint32_t number);

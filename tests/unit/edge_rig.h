/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A stream edge with certificates made for the test, a brain's mailbox, something that stands for nta, and TLS clients. All of it but the
 * edge is on the test's thread. Waits are bounded: what does not come fails the test. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "controlplane/edge/edge.h"

enum { RIG_TEXT = 8192, RIG_NTA_LINKS = 8, RIG_WAIT_MS = 5000 };

struct rig {
	char folder[64];
	struct sl_config config;
	struct sl_edge_options o;
	struct sl_edge *edge;
	struct sl_endpoint at;              /* of the listener */
	char edge_text[64];                 /* loopback side, "127.0.0.1:PORT" */
	int nta_listener, down;             /* down: ours to the edge; -1 = none */
	struct {
		int fd; /* -1 = none */
		char text[2 * RIG_TEXT];
		size_t n;
	} up[RIG_NTA_LINKS];                /* the edge's to us, one for each client that speaks */
	unsigned last_up;                   /* by which the last message came */
	char down_text[2 * RIG_TEXT];
	size_t down_n;
	unsigned closed;                    /* told to the brain */
	uint32_t last_closed;
};

/* Certificates NAME.pem, NAME.key in the folder, of the CA ca.pem; names: OpenSSL's form, "DNS:a.example.com,URI:sip:example.com"; "" = none but
 * the subject, NAME. */
void rig_certificate(struct rig *r, const char *name, const char *names);
const char *rig_path(const struct rig *r, const char *name); /* a ring of static texts */

/* One TLS listener on loopback; client_certificates: enum sl_conf_client_certificates. */
void rig_open(struct rig *r, unsigned client_certificates, unsigned max_connections);
void rig_close(struct rig *r);

/* certificate: "" = none. NULL when the connection or handshake fails. */
struct rig_client {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
	uint16_t port; /* own */
	char text[2 * RIG_TEXT];
	size_t n;
};
struct rig_client *rig_connect(struct rig *r, const char *certificate, int max_version, SSL_SESSION *resume);
/* Naming a host (SNI). */
struct rig_client *rig_connect_to(struct rig *r, const char *host, int max_version, SSL_SESSION *resume);
void rig_client_free(struct rig_client *c);
void rig_client_send(struct rig_client *c, const char *text);
/* The next message (or keep-alive answer), whole and NUL-terminated in out; false: the connection has ended. */
bool rig_client_receive(struct rig_client *c, char out[RIG_TEXT]);

/* What the edge sends to nta, by whichever of its links; answers go back by the one of the last message. */
void rig_nta_receive(struct rig *r, char out[RIG_TEXT]);
void rig_nta_answer(struct rig *r, const char *text);
/* nta's own requests, over a connection of its own, and what comes back by it. */
void rig_nta_send(struct rig *r, const char *text);
void rig_nta_hear(struct rig *r, char out[RIG_TEXT]);
/* Close all that the edge has made. */
void rig_nta_break(struct rig *r);


/* Run the brain's mailbox until so many ends were told. */
void rig_wait_closed(struct rig *r, unsigned n);
/* Value of the first header `name`, without CRLF, in out; false = there is none. */
bool rig_header(const char *message, const char *name, char out[RIG_TEXT]);
void rig_wait_count(struct rig *r, size_t member, uint64_t want); /* offsetof in struct sl_edge_counts */

/* A TLS server as a called carrier is: takes one connection. */
struct rig_server {
	SSL_CTX *ctx;
	int fd;
	struct sl_endpoint at;
};
void rig_server_open(struct rig *r, struct rig_server *s, const char *certificate);
struct rig_client *rig_server_accept(struct rig_server *s); /* NULL: the handshake failed */
void rig_server_close(struct rig_server *s);

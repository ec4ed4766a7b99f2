/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The stream edge: a thread that owns TLS listeners and connections (OpenSSL) and speaks SIP to nta over TCP on loopback as an RFC 5626
 * edge proxy: it adds its Via and, so that a request finds back to a connection, a route with a token of the connection. It decides
 * nothing. The contract is messages only. To nta and from nta:
 *
 *   client's request  -> top Via "SIP/2.0/TCP 127.0.0.1:EDGE;branch=z9hG4bK-..." (the same for CANCEL, ACK and INVITE of one transaction),
 *                        "P-Sluice-Flow: TOKEN;listener=N;remote=ADDRESS:PORT;identity=\"NAME\";mac=HEX" (one from the client is removed)
 *                        and in the client's own Via received and rport (RFC 3581)
 *   nta's response    -> Via taken off, to the connection that the branch names
 *   nta's request     -> over the connection that its Route "<sip:TOKEN@127.0.0.1:EDGE;lr>" names (taken off); or, with
 *                        "<sip:connect@127.0.0.1:EDGE;lr;to=ADDRESS:PORT;name=TLSNAME;listener=N>", over a connection made for it, and kept
 *   client's response -> to nta, with P-Sluice-Flow. In nta's requests the edge puts a Via of its own (the listener's advertised address)
 * in the
 *                        place of nta's, and back into the response: no internal address is seen outside
 *   no connection     -> 430 Flow Failed; connecting or its certificate fails -> 503 with a Reason that says why
 *
 * Each connection has a link of its own to nta, so what Sofia stumbles over is its sender's loss alone. Keep-alives (CRLF CRLF) are
 * answered here. Only this process may connect to the loopback port. "identity" is the domain of a verified certificate, the client's or
 * the called server's, in lower case: that of its "sip:" URI, else its first DNS name. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/mailbox.h"

#define SL_EDGE_FLOW_HEADER "P-Sluice-Flow"

struct sl_edge;
struct sl_edge_options {
	const struct sl_config *config;
	struct sl_endpoint nta;      /* loopback TCP listener of nta */
	uint8_t key[32];             /* of P-Sluice-Flow's mac, drawn at start: others on loopback cannot pretend */
	struct sl_mailbox *brain;
	void (*closed)(void *ctx, uint32_t connection); /* on the brain: a client's connection has ended */
	void *ctx;
};
/* Listen (TLS listeners of config->sip, and a loopback port for nta) and start the thread. NULL with text that names listener, file and
 * remedy. */
struct sl_edge *sl_edge_open(const struct sl_edge_options *o, char *text, size_t text_len);
void sl_edge_close(struct sl_edge *e);
/* Where nta finds it. */
struct sl_endpoint sl_edge_endpoint(const struct sl_edge *e);
/* Would its certificates do? 0, or -EINVAL with text. */
int sl_edge_check(const struct sl_config *config, char *text, size_t text_len);
/* New certificates, keys and CA files for new connections; those that are open stay. 0, or -EINVAL with text and nothing has changed. */
int sl_edge_reload(struct sl_edge *e, const struct sl_config *config, char *text, size_t text_len);

/* What the header says, checked against the key. 0 or -EINVAL. */
struct sl_edge_flow {
	uint32_t connection;
	uint8_t listener;
	struct sl_endpoint remote;
	char identity[128]; /* verified client certificate: its SIP URI or DNS name; "" = none */
};
int sl_edge_flow_parse(const char *value, const uint8_t key[32], struct sl_edge_flow *out);
/* User part of the route that leads back: "c-1a2b". */
void sl_edge_token(uint32_t connection, char out[16]);

/* X(NAME, what it counts) */
#define SL_EDGE_COUNTERS(X)                                                                                                 \
	X(accepted, "TLS connections accepted")                                                                             \
	X(connected, "TLS connections made")                                                                                \
	X(handshake_failed, "TLS handshakes that failed, both ways")                                                       \
	X(certificate_refused, "of which for the other side's certificate")                                                \
	X(closed_idle, "connections closed for idleness")                                                                   \
	X(closed_limit, "connections refused: too many, in all or of one source")                                          \
	X(closed_framing, "connections closed: what came was no SIP")                                                      \
	X(messages_in, "messages from TLS clients")                                                                         \
	X(messages_out, "messages to them")                                                                                 \
	X(keepalives, "keep-alives answered")                                                                               \
	X(flow_failed, "requests whose connection had gone (430)")                                                          \
	X(responses_lost, "responses whose connection had gone")                                                            \
	X(stalled, "links that nta had stopped reading: made anew")                                                          \
	X(closed_slow, "connections closed: the other side did not read")                                                   \
	X(dropped, "messages dropped: no Via to answer to, responses to nothing, nta too slow")
struct sl_edge_counts {
#define X(name, text) uint64_t name;
	SL_EDGE_COUNTERS(X)
#undef X
	uint64_t open;
};
void sl_edge_counts(const struct sl_edge *e, struct sl_edge_counts *out); /* any thread, relaxed */

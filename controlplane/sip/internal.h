/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the files of this folder share (legs use sip.h and leg.h alone). Owner: the brain's thread. */

#include "controlplane/edge/edge.h"
#include "controlplane/sip/crash.h"
#include "controlplane/sip/overload.h"
#include "controlplane/sip/resolve.h"
#include "controlplane/sip/sip.h"
#include "dataplane/wire/siphash.h"

#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_mclass.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/su_tagarg.h>

enum {
	SL_SIP_EDGE_INDEX = SL_CONF_MAX_SIP_LISTENERS, /* place of the loopback listener that the edge talks to */
	SL_SIP_PRIMARIES,
	SL_SIP_DELAYED = 1024,   /* answers held back at a time */
	SL_SIP_STRANGERS = 1024, /* buckets of sources that are no trunk's */
};

struct sl_sip_primary {
	tport_t *tport; /* nta's; NULL for a TLS listener: the edge has it */
	int fd;         /* UDP: nta's socket, for looking at it and for keep-alives; -1 = none */
	char ident[8];  /* TPTAG_IDENT */
	char host[SL_ADDR_TEXT_MAX], port[8]; /* in Via and Contact; port "": the default one */
};

/* A connection that a message came over: TCP, or one of the edge's. */
struct sl_sip_connection {
	uint32_t number;
	bool tls;
	uint16_t source; /* TCP: bucket of its address */
	int pending;    /* TCP: at nta's transport, which tells of errors by it */
	tport_t *tport; /* TCP; a reference */
	int64_t last_ms; /* when the last message came */
	struct sl_sip *sip;
	struct sl_sip_connection *next_number, *next_tport;
};

struct sl_sip_connections {
	struct sl_sip_connection **by_number, **by_tport;
	uint32_t mask;
	uint32_t n_open, n_tcp, last_number;
};

struct sl_sip_keepalive {
	unsigned part; /* of the bindings, the next one */
	int64_t begun_ms;
};

struct sl_sip {
	struct sl_sip_options o;
	const struct sl_config *config;
	/* As they were at the start: a changed listener needs a restart. Texts of certificates are not kept here. */
	unsigned n_listeners;
	struct sl_conf_sip_listener listeners[SL_CONF_MAX_SIP_LISTENERS];
	struct sl_sip_primary primaries[SL_SIP_PRIMARIES];
	nta_agent_t *agent;
	msg_mclass_t *mclass;
	struct sl_edge *edge;
	uint8_t edge_key[32];
	uint32_t epoch;
	struct sl_siphash_key key; /* of tags and tables */
	struct sl_prng prng;
	struct sl_sip_connections connections;
	struct sl_sip_keepalive keepalive;
	struct sl_overload overload;
	struct sl_sip_crash crash;
	struct sl_resolver *resolver;
	struct sl_trunks *trunks; /* NULL: none are known by our registration */
	struct sl_sip_counts counts;
	int64_t tick_ms, second_ms, sample_ms, patience_ms;
	uint32_t stranger_second[SL_SIP_STRANGERS]; /* seconds << 8 | answers in that second */
	uint32_t strangers_second;
	/* Requests outside dialogs in this second and the one before: of trunks, of everybody. */
	uint32_t load_second, load_trunks[2], load_all[2];
	/* The guard's word about the message that is being dispatched. */
	bool distrust;                  /* credentials, also of who is registered */
	unsigned hold_ms;               /* answers wait so long; 0 = they do not */
	struct sl_sip_delayed *delayed; /* [SL_SIP_DELAYED], a ring; NULL: none was ever held back */
	unsigned delayed_first, n_delayed;
};

/* ---- dispatch.c ---- */
int sl_sip_message(nta_agent_magic_t *magic, nta_agent_t *agent, msg_t *msg, sip_t *sip);

/* ---- reply.c ---- */
struct sl_sip_delayed;
/* Answer statelessly, no longer than the guard allows. Takes msg. */
void sl_sip_reply(struct sl_sip *s, msg_t *msg, const sip_t *request, int status, const char *phrase, tag_type_t tag, tag_value_t value, ...);
void sl_sip_delayed_tick(struct sl_sip *s, int64_t now_ms);
void sl_sip_delayed_close(struct sl_sip *s);

/* ---- identify.c ---- */
enum sl_identity { SL_ID_KNOWN, SL_ID_ANSWERED };
/* Who sent it: who is filled in, *user is a reference to be given back (NULL = none). SL_ID_ANSWERED: msg is taken. */
enum sl_identity sl_sip_identify(struct sl_sip *s, msg_t *msg, const sip_t *sip, struct sl_sip_caller *who, struct sl_prov_user **user);
/* Is it a user over the flow that he is registered from? Costs two lookups. */
bool sl_sip_is_registered(struct sl_sip *s, const sip_t *sip, const struct sl_sip_flow *flow);

/* ---- message.c: a look at every message before anything else sees it ---- */
msg_mclass_t *sl_sip_message_class(void);
/* Its answer goes to its source, whatever its Via asks for. */
void sl_sip_answer_source(msg_t *msg, sip_t *sip);
void sl_sip_message_watch(struct sl_sip *s); /* NULL = nobody looks */
uint64_t sl_sip_fingerprint(const struct sl_siphash_key *key, const sip_t *sip);

/* ---- flow.c ---- */
/* The verified certificate's name that the edge tells; "" = none. */
void sl_sip_edge_identity(struct sl_sip *s, const sip_t *sip, char out[128]);
int sl_sip_connections_open(struct sl_sip *s);
void sl_sip_connections_close(struct sl_sip *s);
/* The TCP transport of a flow's connection; NULL: it has gone. */
tport_t *sl_sip_connection_of(const struct sl_sip *s, const struct sl_sip_flow *f);
/* The edge says so. */
void sl_sip_connection_closed(void *sip, uint32_t connection);
/* Close what is too much. */
void sl_sip_connections_tick(struct sl_sip *s, int64_t now_ms);

/* ---- agent.c ---- */
/* While a message of this flow is delivered: see now and then how long it had waited. */
void sl_sip_overload_look(struct sl_sip *s, const struct sl_sip_flow *flow);

/* ---- keepalive.c ---- */
void sl_sip_keepalive_tick(struct sl_sip *s, int64_t now_ms);

/* ---- resolve.c ---- */
struct sl_resolver *sl_resolver_new(struct sl_sip *s);
void sl_resolver_free(struct sl_resolver *r);

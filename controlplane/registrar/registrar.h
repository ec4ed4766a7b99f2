/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Registrar and location: users' bindings (RFC 3261 10, RFC 3327 Path, RFC 5626 outbound, RFC 5627 GRUU, RFC 3680 reg-event), and digest
 * authentication (RFC 8760: SHA-256 and MD5, qop=auth). Bindings live in memory; a new or changed one is committed before its 200, in
 * groups within 20 ms; a refresh that changes only its expiry is written later. Owner: the brain's thread. */

#include "controlplane/provision/provision.h"
#include "controlplane/sip/sip.h"
#include "controlplane/store/store.h"

/* Bytes of text, with the NUL. */
enum { SL_BINDING_URI_MAX = 384, SL_BINDING_PATH_MAX = 512, SL_BINDING_INSTANCE_MAX = 80 };

/* Texts lie in one piece of memory behind it: short ones cost little. Never NULL, "" = none. */
struct sl_binding {
	const char *contact;                     /* URI as registered, at most SL_BINDING_URI_MAX */
	const char *path;                        /* Path header's value */
	const char *instance;                    /* +sip.instance, without <> */
	const char *user_agent, *call_id;
	const char *pub_gruu;                    /* only where the client supports gruu */
	struct sl_sip_flow flow;                 /* it came over this one: requests go back there */
	uint32_t cseq, reg_id;                   /* reg_id 0 = none */
	uint16_t q;                              /* thousandths */
	bool nat;                                /* Contact's address is not the source's: the flow is used, keep-alives are sent */
	uint8_t methods;                         /* kept for later; 0 = all */
	int64_t created_unix_ms, updated_unix_ms, expires_unix_ms;
};

struct sl_registrar_options {
	const struct sl_config *config; /* group sip: what brute force meets */
	struct sl_prov *prov;
	struct sl_store *store;
	struct sl_timers *timers;
	struct sl_asks *asks;
	struct sl_call_events *events;
	struct sl_warden *warden; /* guard/warden.h: who is trusted, who is banned; NULL = nobody guards */
};

/* Reads the bindings back (in the calling thread, before the store's thread is asked anything else of it). NULL with text. */
struct sl_registrar *sl_registrar_open(const struct sl_registrar_options *o, char *text, size_t text_len);
void sl_registrar_close(struct sl_registrar *r); /* what is not committed yet is */
void sl_registrar_reconfigure(struct sl_registrar *r, const struct sl_config *config);
/* Once SIP is there: the agent to answer with. NULL before it closes: nobody is answered any more, what was asked is stored all the same. r
 * may be NULL. */
void sl_registrar_set_sip(struct sl_registrar *r, struct sl_sip *s);
void sl_registrar_tick(struct sl_registrar *r, int64_t now_ms);

/* A REGISTER (msg taken) from the dispatcher, not authenticated yet: challenged, checked, answered from here. */
void sl_registrar_register(struct sl_registrar *r, msg_t *msg, const sip_t *sip, const struct sl_sip_flow *flow);
/* A SUBSCRIBE to the event package reg, authenticated as user. Takes irq. */
void sl_registrar_subscribe(struct sl_registrar *r, nta_incoming_t *irq, const sip_t *sip, const struct sl_sip_caller *who);

/* Who is it? Digest of a request that is not REGISTER, by realm of the From's domain. 0: *user is set (a reference for the caller to give
 * back: sl_prov_user_unref). -EAGAIN: challenged (or told to slow down), msg is taken and answered. */
int sl_registrar_authenticate(struct sl_registrar *r, msg_t *msg, const sip_t *sip, const struct sl_sip_flow *flow, struct sl_prov_user **user);

/* Where a user is: bindings by falling q, then newest first; of several flows of one instance only the newest. Valid until the loop's next
 * turn. Returns how many of at most max. user: its provisioning object. */
unsigned sl_registrar_bindings(const struct sl_registrar *r, const struct sl_prov_user *user, const struct sl_binding **out, unsigned max);
/* The user of a request-URI: by name@domain, by GRUU (*binding is set then), by number. NULL = none. No reference is given. */
struct sl_prov_user *sl_registrar_user_of(const struct sl_registrar *r, const url_t *uri, const struct sl_binding **binding);
/* Does this flow belong to a binding of the user (so that a request over it needs no new challenge when the domain trusts flows)? */
bool sl_registrar_flow_is_of(const struct sl_registrar *r, const struct sl_sip_flow *flow, const struct sl_prov_user *user);
/* Remove: one by its contact, or all (contact NULL). Committed later; done may be NULL. Returns how many. */
unsigned sl_registrar_remove(struct sl_registrar *r, const struct sl_prov_user *user, const char *contact, const char *why, sl_store_done done,
        void *ctx);
/* A request over this flow failed with 430 or its connection has gone (RFC 5626 5.3): the bindings of the user that lead there go, others
 * stay. */
void sl_registrar_flow_closed(struct sl_registrar *r, const struct sl_prov_user *user, const struct sl_sip_flow *flow);
/* All bindings, for the API: cb returns false to stop. */
void sl_registrar_each(const struct sl_registrar *r, bool (*cb)(void *ctx, const struct sl_prov_user *user, const struct sl_binding *b), void *ctx);

/* The same in slices, for who goes through all of them all the time: part (of parts, at most 4096) number 0, 1 ... Each binding is in one
 * part. */
void sl_registrar_part(const struct sl_registrar *r, unsigned part, unsigned parts, void (*cb)(void *ctx, const struct sl_binding *b), void *ctx);

struct sl_registrar_counts {
	uint64_t registrations, refreshes, removals, expiries, challenges, stale, failures, blocked, commits, committed;
	size_t bindings, users;
};
void sl_registrar_counts(const struct sl_registrar *r, struct sl_registrar_counts *out);

/* ---- digest, as a client too (a trunk's challenge) ---- */

/* The value of an Authorization header for a challenge (WWW-/Proxy-Authenticate's value in `challenge`), SHA-256 preferred. method and uri
 * as in the request. out: the header's value. 0; -EINVAL no algorithm or qop in common; -EACCES the realm is not ours (text in out says
 * which). */
int sl_digest_answer(const char *const *challenges, unsigned n, const char *username, const char *realm, const uint8_t ha1_md5[16],
        const uint8_t ha1_sha256[32], const char *method, const char *uri, unsigned nonce_count, char *out, size_t out_len);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* TURN settings and credentials as one immutable snapshot, built by the housekeeper from the control plane's commands,
 * published with liburcu (qsbr), read by workers. What is large is shared by reference between one snapshot and the next. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/abi/msg.h"
#include "dataplane/wire/addr.h"
#include "dataplane/wire/siphash.h"

struct sl_turn_user {
	const char *name;
	uint16_t name_len;
	uint16_t realm;
	bool no_sha256; /* key_sha256 is not known */
	uint8_t key_md5[16], key_sha256[32], userhash[32];
};

struct sl_turn_conf; /* opaque but for these readers; safe on workers: no allocation, no lock */

/* Everything of struct sl_cmd_turn. */
const struct sl_cmd_turn *sl_turn_conf_settings(const struct sl_turn_conf *c);

/* ---- realms ---- */

unsigned sl_turn_conf_n_realms(const struct sl_turn_conf *c); /* 1 or more */
/* NULL: there is none of that index (SL_TURN_ANY_REALM never is one). */
const struct sl_cmd_realm *sl_turn_conf_realm(const struct sl_turn_conf *c, unsigned realm);
/* What stays the same of a realm while indexes change: a hash of its name, no two alike in a snapshot. */
uint32_t sl_turn_conf_realm_tag(const struct sl_turn_conf *c, unsigned realm);
/* The realm of that tag, or SL_TURN_ANY_REALM. hint: where it was last. */
uint16_t sl_turn_conf_realm_by_tag(const struct sl_turn_conf *c, uint32_t tag, unsigned hint);
/* A number that changes when indexes of realms do; never 0. */
uint64_t sl_turn_conf_realms_version(const struct sl_turn_conf *c);
/* Which realm a client belongs to, or SL_TURN_ANY_REALM: by the server name of its handshake (NUL-terminated, any case), by its
 * ORIGIN (any case), by the listener it talks to. */
uint16_t sl_turn_conf_server_name(const struct sl_turn_conf *c, const char *name);
uint16_t sl_turn_conf_origin(const struct sl_turn_conf *c, const void *text, unsigned len);
uint16_t sl_turn_conf_listener_realm(const struct sl_turn_conf *c, unsigned listener);

/* ---- credentials ---- */

const struct sl_turn_user *sl_turn_conf_user(const struct sl_turn_conf *c, unsigned realm, const void *name, unsigned len);
const struct sl_turn_user *sl_turn_conf_userhash(const struct sl_turn_conf *c, unsigned realm, const uint8_t hash[32]);
uint32_t sl_turn_conf_n_users(const struct sl_turn_conf *c);
unsigned sl_turn_conf_secrets(const struct sl_turn_conf *c, unsigned realm, const struct sl_cmd_secret **out);
/* The key that goes by this name in the realm (RFC 7635), or NULL. */
const struct sl_cmd_oauth_key *sl_turn_conf_oauth_key(const struct sl_turn_conf *c, unsigned realm, const void *kid, unsigned len);

/* ---- policy ---- */

/* A number that changes when the peer rules do, or which realm they are of; never 0. */
uint64_t sl_turn_conf_policy(const struct sl_turn_conf *c);

enum sl_peer_verdict { SL_PEER_ALLOW, SL_PEER_OWN, SL_PEER_DENY };
/* May a client of this realm relay to ip? The realm's rules in order, then those of all realms, then the built-in denials (unspecified,
 * loopback, private, shared, link-local, multicast, reserved, unique-local, documentation excepted), applied to ip and to every IPv4 address
 * embedded in it; the stricter verdict counts. One of the node's own addresses gives SL_PEER_OWN: allowed only
 * towards ports inside a relay or media range, which the caller checks per packet. is_own: one of the node's addresses
 * as Linux has them now. */
enum sl_peer_verdict sl_turn_conf_peer(const struct sl_turn_conf *c, unsigned realm, const struct sl_ip *ip,
	bool (*is_own)(const void *ctx, const struct sl_ip *ip), const void *ctx);

/* Is there any limit of bandwidth? */
bool sl_turn_conf_limits(const struct sl_turn_conf *c);

/* May this client only be relayed: by its address, or by its account (the name without the expiry of REST credentials)? */
bool sl_turn_conf_is_restricted(const struct sl_turn_conf *c, const struct sl_ip *ip, unsigned realm, const void *name, unsigned len);

/* Where to send a client of this transport (enum sl_turn_transport), of the realm and of this family: drawn by weight among those whose weight
 * is not 0; NULL = nowhere. random: any number. */
const struct sl_endpoint *sl_turn_conf_alternate(const struct sl_turn_conf *c, unsigned realm, unsigned over, bool v4, uint64_t random);
const struct sl_cmd_drain *sl_turn_conf_drain(const struct sl_turn_conf *c);

/* ---- building: housekeeper only ---- */
struct sl_turn_conf_builder;
struct sl_turn_conf_builder *sl_turn_conf_builder_new(void);
void sl_turn_conf_builder_free(struct sl_turn_conf_builder *b);
/* Apply one validated command about TURN's provisioning. *publish is set to a new snapshot
 * when readers should get one (the caller publishes it and frees the old one after a grace period by
 * sl_turn_conf_free), else NULL. USER_SET, USER_DELETE, RESTRICTED, ALTERNATE and TURN_DRAIN outside BEGIN..COMMIT are gathered: a snapshot comes
 * from sl_turn_conf_builder_flush(), so that a thousand of them cost one. 0 or negative errno with words in text. */
int sl_turn_conf_apply(struct sl_turn_conf_builder *b, const struct sl_command *cmd, struct sl_turn_conf **publish,
	char *text, unsigned text_len);
struct sl_turn_conf *sl_turn_conf_builder_flush(struct sl_turn_conf_builder *b); /* NULL if nothing changed */
/* Forget what was added since CONFIG_BEGIN: its sender went away before CONFIG_COMMIT. */
void sl_turn_conf_builder_abort(struct sl_turn_conf_builder *b);
void sl_turn_conf_free(struct sl_turn_conf *c); /* any thread; wipes keys that nobody else has */

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* TURN settings and credentials as one immutable snapshot, built by the housekeeper from the control plane's commands,
 * published with liburcu (qsbr), read by workers. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/abi/msg.h"
#include "dataplane/wire/addr.h"
#include "dataplane/wire/siphash.h"

enum { SL_TURN_MAX_SECRETS = 8, SL_TURN_MAX_PEER_RULES = 1024 };

struct sl_turn_user {
	uint16_t name_len;
	const char *name;
	uint8_t key_md5[16], key_sha256[32], userhash[32];
};

struct sl_turn_conf; /* opaque but for these readers; safe on workers: no allocation, no lock */

/* Everything of struct sl_cmd_turn. */
const struct sl_cmd_turn *sl_turn_conf_settings(const struct sl_turn_conf *c);
const struct sl_turn_user *sl_turn_conf_user(const struct sl_turn_conf *c, const void *name, unsigned len);
const struct sl_turn_user *sl_turn_conf_userhash(const struct sl_turn_conf *c, const uint8_t hash[32]);
unsigned sl_turn_conf_secrets(const struct sl_turn_conf *c, const struct sl_cmd_secret **out);
uint32_t sl_turn_conf_n_users(const struct sl_turn_conf *c);

/* A number that changes when the peer rules do; never 0. */
uint64_t sl_turn_conf_policy(const struct sl_turn_conf *c);

enum sl_peer_verdict { SL_PEER_ALLOW, SL_PEER_OWN, SL_PEER_DENY };
/* May a client relay to ip? Rules of the config in order, then the built-in denials (unspecified, loopback, private,
 * shared, link-local, multicast, reserved, unique-local, documentation excepted), applied to ip and to every IPv4 address
 * embedded in it; the stricter verdict counts. One of the node's own addresses gives SL_PEER_OWN: allowed only
 * towards ports inside a relay or media range, which the caller checks per packet. own, n_own: the node's addresses
 * as Linux has them now. */
enum sl_peer_verdict sl_turn_conf_peer(const struct sl_turn_conf *c, const struct sl_ip *ip,
	bool (*is_own)(const void *ctx, const struct sl_ip *ip), const void *ctx);

/* ---- building: housekeeper only ---- */
struct sl_turn_conf_builder;
struct sl_turn_conf_builder *sl_turn_conf_builder_new(void);
void sl_turn_conf_builder_free(struct sl_turn_conf_builder *b);
/* Apply one validated command (CONFIG_BEGIN .. CONFIG_COMMIT, USER_SET, USER_DELETE). *publish is set to a new snapshot
 * when readers should get one (the caller publishes it and frees the old one after a grace period by
 * sl_turn_conf_free), else NULL. USER_SET/USER_DELETE outside BEGIN..COMMIT are gathered: a snapshot comes from
 * sl_turn_conf_builder_flush(), so that a thousand of them cost one. 0 or negative errno with words in text. */
int sl_turn_conf_apply(struct sl_turn_conf_builder *b, const struct sl_command *cmd, struct sl_turn_conf **publish,
	char *text, unsigned text_len);
struct sl_turn_conf *sl_turn_conf_builder_flush(struct sl_turn_conf_builder *b); /* NULL if nothing changed */
/* Forget what was added since CONFIG_BEGIN: its sender went away before CONFIG_COMMIT. */
void sl_turn_conf_builder_abort(struct sl_turn_conf_builder *b);
void sl_turn_conf_free(struct sl_turn_conf *c); /* wipes keys */

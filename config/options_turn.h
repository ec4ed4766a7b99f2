/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Private to config/: the parts of the group "turn". Each fills its members of *turn, which may hold what parts before it have read; group NULL (there
 * is no group turn) gives defaults. */

#include "config/options_read.h"

/* listen, listeners. */
void sl_read_turn_listeners(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn);
void sl_free_turn_listeners(struct sl_conf_turn *turn);
/* The default realm of the group's own options, then the list realms. After the listeners: realms name them. */
void sl_read_turn_realms(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn);
void sl_free_turn_realms(struct sl_conf_turn *turn);
/* alternates, restricted. */
void sl_read_turn_alternates(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn);
void sl_read_turn_restricted(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn);
void sl_free_turn_lists(struct sl_conf_turn *turn);
/* user_sources, accounting. */
void sl_read_turn_records(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn);
void sl_free_turn_records(struct sl_conf_turn *turn);

/* A list of { allow = "PREFIX"; } and { deny = "PREFIX"; }. */
void sl_read_peer_rules(struct sl_reader *r, const config_setting_t *group, struct sl_conf_peer_rule **rules, unsigned *n);

/* Options of a bandwidth, those that it does not say as in base. group: what the option stands in. has_soft: it has soft limits as well. */
void sl_read_bandwidth(struct sl_reader *r, const config_setting_t *group, const char *name, bool has_soft, const struct sl_conf_bandwidth *base,
	struct sl_conf_bandwidth *out);

/* Part of sl_check_turn(): realms, users, what names them. */
void sl_check_realms(struct sl_reader *r, const struct sl_conf_turn *turn);

/* Do listeners of this kind use TCP ports of Linux (TCP, TLS)? The others' are UDP ports. */
bool sl_turn_is_tcp(const struct sl_conf_turn *turn, unsigned listener);

/* Where listener i stands in the file: "turn.listen[1]", "turn.listeners[0].address". buf: SL_OPTION_NAME_MAX bytes. */
const char *sl_turn_listener_option(const struct sl_conf_turn *turn, unsigned i, char *buf);

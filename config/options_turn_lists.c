/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "turn": where clients are sent when we are full, and who may only be relayed. */

#include "config/options_turn.h"

#include <stdlib.h>
#include <string.h>

#include "config/prefixes.h"
#include "dataplane/abi/msg_turn.h"

enum { URL_MAX = 1024, WEIGHT_MAX = 100 };

static const struct sl_opt alternate_options[] = {
	{ "server", SL_OPT_OTHER },
	{ "transport", SL_OPT_CHOICE, offsetof(struct sl_conf_alternate, transport), .choices = sl_turn_transports, .def = SL_TURN_OVER_UDP },
	{ "weight", SL_OPT_UINT, offsetof(struct sl_conf_alternate, weight), .min = 1, .max = WEIGHT_MAX, .def = 1 },
	{ "load_url", SL_OPT_TEXT, offsetof(struct sl_conf_alternate, load_url), .min = 1, .max = URL_MAX },
};
enum { N_ALTERNATE_OPTIONS = sizeof alternate_options / sizeof alternate_options[0] };

static void read_alternate(struct sl_reader *r, const config_setting_t *group, struct sl_conf_alternate *a)
{
	const config_setting_t *s;
	const char *text;

	if (!config_setting_is_group(group) || (s = config_setting_get_member(group, "server")) == NULL) {
		sl_read_fail(r, group, "must be a group with a server: { server = \"192.0.2.9:3478\"; transport = \"udp\"; weight = 1; }");
		return;
	}
	sl_read_group(r, group, alternate_options, N_ALTERNATE_OPTIONS, a);
	text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);
	/* ALTERNATE-SERVER has no room for a name (RFC 8489 14.15). */
	if (text != NULL && (sl_endpoint_parse(text, &a->server) != 0 || a->server.port_be == 0))
		sl_read_fail(r, s, "\"%s\" is not an address with a port; such as \"192.0.2.9:3478\" or \"[2001:db8::9]:3478\"", text);
}

void sl_read_turn_alternates(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	const config_setting_t *list = sl_read_list(r, group, "alternates", 0, SL_CONF_MAX_ALTERNATES, "alternates", &turn->n_alternates);

	for (unsigned i = 0; i < turn->n_alternates; i++)
		read_alternate(r, config_setting_get_elem(list, i), &turn->alternates[i]);
}

/* ---- restricted ---- */

static const struct sl_opt restricted_options[] = { { "addresses", SL_OPT_OTHER }, { "accounts", SL_OPT_OTHER } };
enum { N_RESTRICTED_OPTIONS = sizeof restricted_options / sizeof restricted_options[0] };

static const struct sl_opt account_options[] = {
	{ "name", SL_OPT_TEXT, offsetof(struct sl_conf_restricted, name), .min = 1, .max = SL_MSG_USERNAME_MAX, .required = true },
	{ "realm", SL_OPT_TEXT, offsetof(struct sl_conf_restricted, realm), .min = 1, .max = SL_MSG_REALM_MAX - 1 },
};
enum { N_ACCOUNT_OPTIONS = sizeof account_options / sizeof account_options[0] };

static void read_address(struct sl_reader *r, const config_setting_t *s, struct sl_conf_restricted *one)
{
	const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);
	char why[200];

	if (text != NULL && sl_prefix_read(text, &one->prefix, why, sizeof why) != 0)
		sl_read_fail(r, s, "%s", why);
}

static void read_account(struct sl_reader *r, const config_setting_t *s, struct sl_conf_restricted *one)
{
	one->account = true;
	if (config_setting_is_group(s))
		sl_read_group(r, s, account_options, N_ACCOUNT_OPTIONS, one);
	else
		sl_read_fail(r, s, "must be a group: { name = \"...\"; realm = \"...\"; }");
}

void sl_read_turn_restricted(struct sl_reader *r, const config_setting_t *parent, struct sl_conf_turn *turn)
{
	const config_setting_t *group = sl_read_subgroup(r, parent, "restricted", false), *addresses, *accounts;
	unsigned n_addresses, n_accounts;

	if (group == NULL)
		return;
	sl_read_group(r, group, restricted_options, N_RESTRICTED_OPTIONS, turn);
	addresses = sl_read_list(r, group, "addresses", 0, SL_TURN_MAX_RESTRICTED, "prefixes", &n_addresses);
	accounts = sl_read_list(r, group, "accounts", 0, SL_TURN_MAX_RESTRICTED, "accounts", &n_accounts);
	if (n_addresses + n_accounts > SL_TURN_MAX_RESTRICTED) {
		sl_read_fail(r, group, "has %u addresses and accounts; at most %d are allowed", n_addresses + n_accounts, SL_TURN_MAX_RESTRICTED);
		return;
	}
	turn->restricted = sl_read_array(r, group, n_addresses + n_accounts, sizeof turn->restricted[0]);
	if (turn->restricted == NULL)
		return;
	turn->n_restricted = n_addresses + n_accounts;
	for (unsigned i = 0; i < n_addresses && !r->failed; i++)
		read_address(r, config_setting_get_elem(addresses, i), &turn->restricted[i]);
	for (unsigned i = 0; i < n_accounts && !r->failed; i++)
		read_account(r, config_setting_get_elem(accounts, i), &turn->restricted[n_addresses + i]);
}

void sl_free_turn_lists(struct sl_conf_turn *turn)
{
	for (unsigned i = 0; i < turn->n_alternates; i++)
		sl_opt_free(alternate_options, N_ALTERNATE_OPTIONS, &turn->alternates[i]);
	for (unsigned i = 0; i < turn->n_restricted; i++)
		sl_opt_free(account_options, N_ACCOUNT_OPTIONS, &turn->restricted[i]);
	free(turn->restricted);
}

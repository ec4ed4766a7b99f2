/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "turn": what holds for the node. Its parts have files of their own (options_turn.h). */

#include "config/options_turn.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/abi/msg.h"
#include "dataplane/stream/stream.h"

enum {
	RELAY_PORT_LOWEST = 1024,
	LIFETIME_MAX_S = 86400,
	RULES_MAX = 1024,
	ALLOCATIONS_MAX = 1 << 22,
	STREAM_BUFFER_MIN_KB = 128, /* a whole frame of 64 KB, and one more */
	HOST_NAME_MAX_BYTES = 253,
	SOFTWARE_MAX = sizeof(((struct sl_cmd_turn *)NULL)->software) - 1,
};

#define TURN(member) offsetof(struct sl_conf_turn, member)
#define LIFETIME(member, value) SL_OPT_UINT, TURN(member), .min = 1, .max = LIFETIME_MAX_S, .def = value

const struct sl_opt sl_turn_options[] = {
	{ "listen", SL_OPT_OTHER },
	{ "listeners", SL_OPT_OTHER },
	{ "relay_addresses", SL_OPT_OTHER },
	{ "relay_ports", SL_OPT_OTHER },
	{ "external_addresses", SL_OPT_OTHER },
	{ "software", SL_OPT_TEXT, TURN(software), .min = 0, .max = SOFTWARE_MAX, .def_text = "Sluice" },
	{ "host_name", SL_OPT_TEXT, TURN(api_base), .min = 1, .max = HOST_NAME_MAX_BYTES },
	{ "default_lifetime", LIFETIME(default_lifetime_s, 600) },
	{ "permission_lifetime", LIFETIME(permission_lifetime_s, 300) },
	{ "channel_lifetime", LIFETIME(channel_lifetime_s, 600) },
	{ "nonce_lifetime", LIFETIME(nonce_lifetime_s, 3600) },
	{ "total_quota", SL_OPT_UINT, TURN(total_quota), .min = 1, .max = ALLOCATIONS_MAX, .zero = "as many as fit" },
	{ "sha256", SL_OPT_BOOL, TURN(sha256), .def = true },
	{ "rfc5766_channels", SL_OPT_BOOL, TURN(rfc5766_channels), .def = false },
	{ "mobility", SL_OPT_BOOL, TURN(mobility), .def = false },
	{ "tcp_relay", SL_OPT_BOOL, TURN(tcp_relay), .def = false },
	{ "nat_discovery", SL_OPT_OTHER },
	{ "peers", SL_OPT_OTHER },
	{ "alternates", SL_OPT_OTHER },
	{ "redirect_above", SL_OPT_UINT, TURN(redirect_above), .min = 1, .max = 100, .zero = "only while draining" },
	{ "restricted", SL_OPT_OTHER },
	{ "user_sources", SL_OPT_OTHER },
	{ "accounting", SL_OPT_OTHER },
	{ "stream_threads", SL_OPT_UINT, TURN(stream_threads), .min = 1, .max = SL_STREAM_MAX_THREADS, .def = 1, .restart = true },
	{ "max_connections", SL_OPT_UINT, TURN(max_connections), .min = 1, .max = SL_STREAM_MAX_CONNECTIONS, .def = 65536, .restart = true },
	{ "connections_per_source", SL_OPT_UINT, TURN(connections_per_source), .min = 1, .max = SL_STREAM_MAX_CONNECTIONS, .zero = "no limit", .def = 1000,
		.restart = true },
	{ "stream_buffer_kb", SL_OPT_UINT, TURN(stream_buffer_kb), .min = STREAM_BUFFER_MIN_KB, .max = 65536, .def = 256, .restart = true },
	{ "stream_memory_mb", SL_OPT_UINT, TURN(stream_memory_mb), .min = 16, .max = 1 << 20, .def = 512, .restart = true },
	{ "stream_wait", SL_OPT_UINT, TURN(stream_wait_s), .min = 1, .max = 3600, .def = 30, .restart = true },
	{ "stream_stall", SL_OPT_UINT, TURN(stream_stall_s), .min = 1, .max = 3600, .def = 30, .restart = true },
	/* Of the default realm: options_turn_realm.c. */
	{ "realm", SL_OPT_OTHER },
	{ "users", SL_OPT_OTHER },
	{ "secrets", SL_OPT_OTHER },
	{ "max_lifetime", SL_OPT_OTHER },
	{ "max_permissions", SL_OPT_OTHER },
	{ "user_quota", SL_OPT_OTHER },
	{ "realm_quota", SL_OPT_OTHER },
	{ "bandwidth", SL_OPT_OTHER },
	{ "oauth", SL_OPT_OTHER },
	{ "realms", SL_OPT_OTHER },
};
const size_t sl_n_turn_options = sizeof sl_turn_options / sizeof sl_turn_options[0];

static void read_relay(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	const config_setting_t *list =
		sl_read_list(r, group, "relay_addresses", 1, SL_CONF_MAX_RELAY, "relay addresses", &turn->n_relay);
	unsigned n;

	for (unsigned i = 0; i < turn->n_relay; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);
		const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);

		if (text != NULL && sl_ip_parse(text, &turn->relay[i]) != 0)
			sl_read_fail(r, s, "\"%s\" is not an address; such as \"192.0.2.1\" or \"2001:db8::1\"", text);
	}
	turn->relay_port_min = 49152; /* RFC 8656 7.2: SHOULD be from 49152..65535 */
	turn->relay_port_max = 65535;
	if (group == NULL || config_setting_get_member(group, "relay_ports") == NULL)
		return;
	list = sl_read_list(r, group, "relay_ports", 2, 2, "ports, the lowest and the highest", &n);
	if (list == NULL)
		return;
	turn->relay_port_min =
		(uint16_t)sl_read_int(r, config_setting_get_elem(list, 0), RELAY_PORT_LOWEST, UINT16_MAX, NULL);
	turn->relay_port_max =
		(uint16_t)sl_read_int(r, config_setting_get_elem(list, 1), RELAY_PORT_LOWEST, UINT16_MAX, NULL);
}

static void read_external(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	static const struct sl_opt known[] = { { "address", SL_OPT_OTHER }, { "external", SL_OPT_OTHER } };
	const config_setting_t *list = sl_read_list(r, group, "external_addresses", 0, SL_CONF_MAX_RELAY, "addresses", &turn->n_external);

	for (unsigned i = 0; i < turn->n_external && !r->failed; i++) {
		const config_setting_t *entry = config_setting_get_elem(list, i);
		struct sl_ip *into[] = { &turn->internal[i], &turn->external[i] };

		if (!config_setting_is_group(entry)) {
			sl_read_fail(r, entry, "must be a group: { address = \"10.0.0.5\"; external = \"203.0.113.5\"; }");
			return;
		}
		sl_read_group(r, entry, known, sizeof known / sizeof known[0], turn);
		for (unsigned k = 0; k < 2; k++) {
			const config_setting_t *s = config_setting_get_member(entry, known[k].name);
			const char *text = s != NULL ? sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1) : NULL;

			if (s == NULL)
				sl_read_fail(r, entry, "has no %s; must be { address = \"10.0.0.5\"; external = \"203.0.113.5\"; }", known[k].name);
			else if (text != NULL && sl_ip_parse(text, into[k]) != 0)
				sl_read_fail(r, s, "\"%s\" is not an address; such as \"192.0.2.1\" or \"2001:db8::1\"", text);
		}
	}
}

static void read_peer_rule(struct sl_reader *r, const config_setting_t *group, struct sl_conf_peer_rule *rule)
{
	const config_setting_t *s;
	const char *text;

	if (!config_setting_is_group(group) || config_setting_length(group) != 1) {
		sl_read_fail(r, group, "must be { allow = \"PREFIX\"; } or { deny = \"PREFIX\"; }");
		return;
	}
	s = config_setting_get_elem(group, 0);
	rule->allow = strcmp(config_setting_name(s), "allow") == 0;
	if (!rule->allow && strcmp(config_setting_name(s), "deny") != 0) {
		sl_read_fail(r, s, "is not known here; known are allow, deny");
		return;
	}
	text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);
	if (text != NULL && sl_prefix_parse(text, &rule->prefix) != 0)
		sl_read_fail(r, s, "\"%s\" is not a prefix; such as \"10.0.0.0/8\" or \"2001:db8::/32\", without host bits", text);
}

void sl_read_peer_rules(struct sl_reader *r, const config_setting_t *group, struct sl_conf_peer_rule **rules, unsigned *n)
{
	unsigned entries;
	const config_setting_t *list = sl_read_list(r, group, "peers", 0, RULES_MAX, "rules", &entries);

	if (list == NULL || (*rules = sl_read_array(r, list, entries, sizeof **rules)) == NULL)
		return;
	*n = entries;
	for (unsigned i = 0; i < entries; i++)
		read_peer_rule(r, config_setting_get_elem(list, i), &(*rules)[i]);
}

/* The four endpoints of RFC 5780 by their place among the listeners. */
static void read_nat_discovery(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	unsigned n;
	const config_setting_t *list;

	if (group == NULL || config_setting_get_member(group, "nat_discovery") == NULL)
		return;
	list = sl_read_list(r, group, "nat_discovery", 0, 4, "endpoints", &n);
	if (list == NULL || n == 0)
		return;
	if (n != 4) {
		sl_read_fail(r, list, "has %u endpoints; must have 4, two ports of two addresses: [ \"A:P1\", \"A:P2\", \"B:P1\", \"B:P2\" ]", n);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);
		const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);
		unsigned at = 0;

		while (text != NULL && at < turn->n_listeners && (!sl_turn_listener_is(turn, at, text) || turn->more[at].transport != SL_TURN_OVER_UDP))
			at++;
		if (text != NULL && at == turn->n_listeners)
			sl_read_fail(r, s, "\"%s\" is no UDP listener; must be in turn.listen", text);
		turn->nat[i] = (uint16_t)at;
	}
	turn->nat_discovery = true;
}

void sl_read_turn(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	sl_read_group(r, group, sl_turn_options, sl_n_turn_options, turn);
	sl_read_turn_listeners(r, group, turn);
	read_relay(r, group, turn);
	read_external(r, group, turn);
	sl_read_turn_realms(r, group, turn);
	sl_read_peer_rules(r, group, &turn->peer_rules, &turn->n_peer_rules);
	if (!r->failed)
		read_nat_discovery(r, group, turn);
	sl_read_turn_alternates(r, group, turn);
	sl_read_turn_restricted(r, group, turn);
	sl_read_turn_records(r, group, turn);
}

void sl_free_turn(struct sl_conf_turn *turn)
{
	sl_opt_free(sl_turn_options, sl_n_turn_options, turn);
	sl_free_turn_listeners(turn);
	sl_free_turn_realms(turn);
	sl_free_turn_lists(turn);
	sl_free_turn_records(turn);
	free(turn->peer_rules);
}

static bool listener_differs(const struct sl_conf_turn *a, const struct sl_conf_turn *b, unsigned i)
{
	const struct sl_conf_turn_listener *x = &a->more[i], *y = &b->more[i];

	/* Certificates are read again. */
	return !sl_endpoint_eq(&a->listeners[i], &b->listeners[i]) || x->transport != y->transport;
}

const char *sl_turn_difference(const struct sl_conf_turn *a, const struct sl_conf_turn *b)
{
	const char *option;

	if (a->n_plain != b->n_plain)
		return "listen";
	if (a->n_listeners != b->n_listeners)
		return "listeners";
	for (unsigned i = 0; i < a->n_listeners; i++) {
		if (listener_differs(a, b, i))
			return i < a->n_plain ? "listen" : "listeners";
	}
	if (a->n_relay != b->n_relay)
		return "relay_addresses";
	for (unsigned i = 0; i < a->n_relay; i++) {
		if (!sl_ip_eq(&a->relay[i], &b->relay[i]))
			return "relay_addresses";
	}
	if (a->relay_port_min != b->relay_port_min || a->relay_port_max != b->relay_port_max)
		return "relay_ports";
	if (a->n_external != b->n_external || memcmp(a->internal, b->internal, sizeof a->internal) != 0 ||
		memcmp(a->external, b->external, sizeof a->external) != 0)
		return "external_addresses";
	return sl_opt_differs(sl_turn_options, sl_n_turn_options, a, b, &option) ? option : NULL;
}

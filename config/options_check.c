/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Checks between options: what is right by itself and wrong together. */

#include "config/options_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *sl_option_name(char *buf, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(buf, SL_OPTION_NAME_MAX, format, ap);
	va_end(ap);
	return buf;
}

static void check_cores(struct sl_reader *r, const struct sl_conf_dataplane *dp, unsigned n_cores)
{
	for (unsigned i = 0; i < dp->n_workers; i++) {
		const char *name = SL_OPTION("dataplane.workers[%u]", i);

		if (dp->worker_cores[i] >= n_cores)
			sl_read_fail_at(r, name, "there is no core %u; this machine has %u, numbered 0..%u", dp->worker_cores[i],
				n_cores, n_cores - 1);
		for (unsigned j = 0; j < i; j++) {
			if (dp->worker_cores[j] == dp->worker_cores[i])
				sl_read_fail_at(r, name, "core %u is listed twice; each worker needs a core of its own",
					dp->worker_cores[i]);
		}
		/* A polling worker never lets go of its core; an adaptive one sleeps, so small machines can share. */
		if (dp->worker_cores[i] == dp->housekeeper_core && dp->idle == SL_IDLE_POLL)
			sl_read_fail_at(r, "dataplane.housekeeper_core",
				"core %u is a worker's; choose one that is not in dataplane.workers, or idle = \"adaptive\"",
				dp->housekeeper_core);
	}
	if (dp->housekeeper_core >= n_cores)
		sl_read_fail_at(r, "dataplane.housekeeper_core", "there is no core %u; this machine has %u, numbered 0..%u",
			dp->housekeeper_core, n_cores, n_cores - 1);
}

static void check_capacity(struct sl_reader *r, const struct sl_conf_dataplane *dp)
{
	if (dp->max_allocations < dp->n_workers)
		sl_read_fail_at(r, "dataplane.max_allocations", "%u is fewer than the %u workers that share them; allowed %u..%u",
			dp->max_allocations, dp->n_workers, dp->n_workers, 1u << 22);
	if (dp->max_peers < dp->max_allocations)
		sl_read_fail_at(r, "dataplane.max_peers", "%u is fewer than max_allocations, %u; each needs a peer at least",
			dp->max_peers, dp->max_allocations);
	if (dp->fragment_per_source > dp->fragment_datagrams)
		sl_read_fail_at(r, "dataplane.fragments.per_source", "%u is more than fragments.datagrams, %u", dp->fragment_per_source,
			dp->fragment_datagrams);
}

static const char *interface_option(char *buf, unsigned port, unsigned i, const char *member)
{
	return i == 0 ? sl_option_name(buf, "dataplane.ports[%u].%s", port, member)
		      : sl_option_name(buf, "dataplane.ports[%u].vlans[%u].%s", port, i - 1, member);
}

/* Is a TAP of that name among the interfaces before (port, i)? */
static bool tap_taken(const struct sl_conf_dataplane *dp, unsigned port, unsigned i)
{
	const char *tap = dp->ports[port].interfaces[i].tap;

	for (unsigned p = 0; p <= port; p++) {
		unsigned end = p < port ? dp->ports[p].n_interfaces : i;

		for (unsigned j = 0; j < end; j++) {
			if (strcmp(dp->ports[p].interfaces[j].tap, tap) == 0)
				return true;
		}
	}
	return false;
}

static bool vlan_taken(const struct sl_conf_port *port, unsigned i)
{
	for (unsigned j = 1; j < i; j++) {
		if (port->interfaces[j].vlan == port->interfaces[i].vlan)
			return true;
	}
	return false;
}

bool sl_is_unicast(const struct sl_ip *ip)
{
	static const struct sl_ip unspecified;

	if (sl_ip_is_v4(ip))
		return sl_ip_v4_be(ip) != 0 && (ntohl(sl_ip_v4_be(ip)) >> 28) < 0xe;
	return !sl_ip_eq(ip, &unspecified) && ip->b[0] != 0xff;
}

static void check_interface(struct sl_reader *r, const struct sl_conf_dataplane *dp, unsigned port, unsigned i)
{
	const struct sl_conf_interface *iface = &dp->ports[port].interfaces[i];
	char name[SL_OPTION_NAME_MAX];

	if (tap_taken(dp, port, i))
		sl_read_fail_at(r, interface_option(name, port, i, "tap"), "\"%s\" is used twice; every TAP needs a name of its own",
			iface->tap);
	if (i > 0 && vlan_taken(&dp->ports[port], i))
		sl_read_fail_at(r, interface_option(name, port, i, "id"), "VLAN %u is listed twice on this port", iface->vlan);
	for (unsigned a = 0; a < iface->n_addresses; a++) {
		char text[SL_ADDR_TEXT_MAX], option[32];

		snprintf(option, sizeof option, "addresses[%u]", a);
		if (!sl_is_unicast(&iface->addresses[a].ip))
			sl_read_fail_at(r, interface_option(name, port, i, option), "%s cannot be an interface's address; must be unicast",
				sl_ip_text(&iface->addresses[a].ip, text));
	}
}

static void check_ports(struct sl_reader *r, const struct sl_conf_dataplane *dp)
{
	for (unsigned p = 0; p < dp->n_ports; p++) {
		/* A device string's first part names the device: the rest are its arguments. */
		size_t device_len = strcspn(dp->ports[p].device, ",");

		for (unsigned q = 0; q < p; q++) {
			if (strcmp(dp->ports[p].name, dp->ports[q].name) == 0)
				sl_read_fail_at(r, SL_OPTION("dataplane.ports[%u].name", p),
					"\"%s\" is used twice; every port needs a name of its own", dp->ports[p].name);
			if (device_len == strcspn(dp->ports[q].device, ",") &&
				strncmp(dp->ports[p].device, dp->ports[q].device, device_len) == 0)
				sl_read_fail_at(r, SL_OPTION("dataplane.ports[%u].device", p),
					"%.*s is port \"%s\" already; number virtual devices apart (net_af_packet0, net_af_packet1)",
					(int)device_len, dp->ports[p].device, dp->ports[q].name);
		}
		for (unsigned i = 0; i < dp->ports[p].n_interfaces; i++)
			check_interface(r, dp, p, i);
	}
}

static void check_relay(struct sl_reader *r, const struct sl_conf_turn *turn, unsigned n_workers)
{
	unsigned min = turn->relay_port_min, max = turn->relay_port_max;
	char text[SL_ADDR_TEXT_MAX];

	if (min > max) {
		sl_read_fail_at(r, "turn.relay_ports", "the lowest, %u, is above the highest, %u", min, max);
		return;
	}
	unsigned blocks = max / SL_CONF_RELAY_BLOCK - min / SL_CONF_RELAY_BLOCK + 1;
	if (blocks < n_workers)
		sl_read_fail_at(r, "turn.relay_ports",
			"%u..%u touches %u aligned blocks of %d ports; each of the %u workers needs one at least", min, max, blocks,
			SL_CONF_RELAY_BLOCK, n_workers);
	for (unsigned i = 0; i < turn->n_relay; i++) {
		const char *name = SL_OPTION("turn.relay_addresses[%u]", i);

		if (!sl_is_unicast(&turn->relay[i]))
			sl_read_fail_at(r, name, "%s cannot be a relay address; must be unicast", sl_ip_text(&turn->relay[i], text));
		for (unsigned j = 0; j < i; j++) {
			if (sl_ip_eq(&turn->relay[i], &turn->relay[j]))
				sl_read_fail_at(r, name, "%s is listed twice", sl_ip_text(&turn->relay[i], text));
		}
	}
}

static void check_listeners(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	char text[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < turn->n_listeners; i++) {
		const struct sl_endpoint *ep = &turn->listeners[i];
		const char *name = SL_OPTION("turn.listen[%u]", i);
		unsigned port = ntohs(ep->port_be);

		if (!sl_is_unicast(&ep->ip))
			sl_read_fail_at(r, name, "%s cannot be listened on; must be a unicast address of this appliance",
				sl_endpoint_text(ep, text));
		for (unsigned j = 0; j < i; j++) {
			if (sl_endpoint_eq(ep, &turn->listeners[j]))
				sl_read_fail_at(r, name, "%s is listed twice", sl_endpoint_text(ep, text));
		}
		for (unsigned j = 0; j < turn->n_relay; j++) {
			if (sl_ip_eq(&ep->ip, &turn->relay[j]) && port >= turn->relay_port_min && port <= turn->relay_port_max)
				sl_read_fail_at(r, name, "port %u is a relay port of that address too; must be outside turn.relay_ports, %u..%u",
					port, turn->relay_port_min, turn->relay_port_max);
		}
	}
}

/* What stands twice among many: sort pointers, compare neighbours. */
struct entry {
	const char *text;
	unsigned index;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int by_text = strcmp(x->text, y->text);

	return by_text != 0 ? by_text : (x->index > y->index) - (x->index < y->index);
}

/* The index of the second of two equal texts, or -1. */
static long find_double(struct entry *entries, unsigned n)
{
	qsort(entries, n, sizeof entries[0], compare_entries);
	for (unsigned i = 1; i < n; i++) {
		if (strcmp(entries[i - 1].text, entries[i].text) == 0)
			return entries[i].index;
	}
	return -1;
}

static void check_credentials(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	unsigned most = turn->n_users > turn->n_secrets ? turn->n_users : turn->n_secrets;
	struct entry *entries = calloc(most > 0 ? most : 1, sizeof entries[0]);
	long twice;

	if (entries == NULL) {
		sl_read_fail_at(r, "turn.users", "no memory left to compare them");
		return;
	}
	for (unsigned i = 0; i < turn->n_users; i++)
		entries[i] = (struct entry){ turn->users[i].name, i };
	if ((twice = find_double(entries, turn->n_users)) >= 0)
		sl_read_fail_at(r, SL_OPTION("turn.users[%ld].name", twice), "\"%s\" is listed twice", turn->users[twice].name);
	for (unsigned i = 0; i < turn->n_secrets; i++)
		entries[i] = (struct entry){ turn->secrets[i], i };
	/* A secret is never shown. */
	if ((twice = find_double(entries, turn->n_secrets)) >= 0)
		sl_read_fail_at(r, SL_OPTION("turn.secrets[%ld]", twice), "this secret is listed twice");
	free(entries);
}

static void check_control(struct sl_reader *r, const struct sl_config *c)
{
	if (c->control.has_api_tcp && c->control.api_token == NULL)
		sl_read_fail_at(r, "control.api_tcp", "needs control.api_token or control.api_token_file; without one anybody could steer");
	if (strcmp(c->control.api_socket, c->dataplane.socket) == 0)
		sl_read_fail_at(r, "control.api_socket", "%s is dataplane.socket already; the two are different sockets",
			c->control.api_socket);
}

void sl_check_config(struct sl_reader *r, const struct sl_config *c, unsigned n_cores)
{
	check_cores(r, &c->dataplane, n_cores);
	check_capacity(r, &c->dataplane);
	check_ports(r, &c->dataplane);
	check_relay(r, &c->turn, c->dataplane.n_workers);
	check_listeners(r, &c->turn);
	if (c->turn.default_lifetime_s > c->turn.max_lifetime_s)
		sl_read_fail_at(r, "turn.default_lifetime", "%u is above turn.max_lifetime, %u", c->turn.default_lifetime_s,
			c->turn.max_lifetime_s);
	check_credentials(r, &c->turn);
	if (c->media.n_addresses > 0)
		sl_check_media(r, c);
	if (c->sip.n_listeners > 0)
		sl_check_sip(r, c);
	sl_check_guard(r, c);
	check_control(r, c);
}

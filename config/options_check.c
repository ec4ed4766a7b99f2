/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Checks between options: what is right by itself and wrong together. */

#include "config/options_read.h"

#include <stdarg.h>
#include <stdio.h>
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

static void check_control(struct sl_reader *r, const struct sl_config *c)
{
	if (c->control.has_api_tcp)
		sl_check_tcp_port(r, c, "control.api_tcp", &c->control.api_tcp);
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
	if (c->turn.n_listeners > 0)
		sl_check_turn(r, c);
	if (c->media.n_addresses > 0)
		sl_check_media(r, c);
	if (c->sip.n_listeners > 0)
		sl_check_sip(r, c);
	sl_check_guard(r, c);
	check_control(r, c);
}

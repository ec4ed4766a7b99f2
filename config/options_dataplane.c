/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "dataplane": cores, memory, limits, ports. */

#include "config/options_read.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum {
	CORE_MAX = 1023, /* beyond any lcore that EAL can be built for; the machine's own number is checked later */
	V4_PREFIX_BITS = 96,
	SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1,
};

static const char *const tristates[] = { [SL_AUTO] = "auto", [SL_YES] = "yes", [SL_NO] = "no", NULL };
static const char *const checksums[] = { [SL_AUTO] = "auto", [SL_YES] = "", [SL_NO] = "software", NULL };
static const char *const idles[] = { [SL_IDLE_POLL] = "poll", [SL_IDLE_ADAPTIVE] = "adaptive", NULL };

#define DP(member) offsetof(struct sl_conf_dataplane, member)

const struct sl_opt sl_dataplane_options[] = {
	{ "workers", SL_OPT_OTHER },
	{ "housekeeper_core", SL_OPT_U16, DP(housekeeper_core), .max = CORE_MAX, .restart = true },
	{ "hugepages", SL_OPT_CHOICE, DP(hugepages), .choices = tristates, .def = SL_AUTO, .restart = true },
	{ "memory_mb", SL_OPT_UINT, DP(memory_mb), .min = 64, .max = 1 << 20, .def = 256, .restart = true },
	{ "idle", SL_OPT_CHOICE, DP(idle), .choices = idles, .def = SL_IDLE_ADAPTIVE },
	{ "eal", SL_OPT_OTHER },
	{ "socket", SL_OPT_TEXT, DP(socket), .min = 1, .max = SOCKET_PATH_MAX, .def_text = "/run/sluice/dataplane.sock",
		.restart = true },
	{ "run_as", SL_OPT_TEXT, DP(run_as), .min = 1, .max = 32, .restart = true },
	{ "max_allocations", SL_OPT_UINT, DP(max_allocations), .min = 1, .max = 1 << 22, .def = 16384, .restart = true },
	{ "max_peers", SL_OPT_UINT, DP(max_peers), .min = 1, .max = 1 << 24, .def = 65536, .restart = true },
	{ "exception_pps", SL_OPT_UINT, DP(exception_pps), .min = 1, .max = 100000000, .def = 20000 },
	{ "unauthenticated_pps", SL_OPT_UINT, DP(unauthenticated_pps), .min = 1, .max = 100000000, .def = 20000 },
	{ "fragments", SL_OPT_OTHER },
	{ "ports", SL_OPT_OTHER },
};
const size_t sl_n_dataplane_options = sizeof sl_dataplane_options / sizeof sl_dataplane_options[0];

const struct sl_opt sl_fragment_options[] = {
	{ "datagrams", SL_OPT_UINT, DP(fragment_datagrams), .min = 16, .max = 1 << 20, .def = 1024, .restart = true },
	{ "per_source", SL_OPT_UINT, DP(fragment_per_source), .min = 1, .max = 1 << 16, .def = 16, .restart = true },
	{ "timeout_ms", SL_OPT_UINT, DP(fragment_timeout_ms), .min = 50, .max = 60000, .def = 1000, .restart = true },
};
const size_t sl_n_fragment_options = sizeof sl_fragment_options / sizeof sl_fragment_options[0];

#define PORT(member) offsetof(struct sl_conf_port, member)

const struct sl_opt sl_port_options[] = {
	{ "name", SL_OPT_OTHER },
	{ "device", SL_OPT_TEXT, PORT(device), .min = 1, .max = 1024, .required = true, .restart = true },
	{ "queues", SL_OPT_UINT, PORT(queues), .min = 1, .max = SL_CONF_MAX_WORKERS, .zero = "one per worker", .restart = true },
	{ "mtu", SL_OPT_U16, PORT(mtu), .min = 576, .max = 9600, .zero = "the device's own", .restart = true },
	{ "rx_descriptors", SL_OPT_U16, PORT(rx_descriptors), .min = 64, .max = 32768, .def = 1024, .restart = true },
	{ "tx_descriptors", SL_OPT_U16, PORT(tx_descriptors), .min = 64, .max = 32768, .def = 1024, .restart = true },
	{ "checksum", SL_OPT_CHOICE, PORT(checksum_offload), .choices = checksums, .def = SL_AUTO, .restart = true },
	{ "silence", SL_OPT_BOOL, PORT(silence), .def = true, .restart = true },
	{ "tap", SL_OPT_OTHER },
	{ "addresses", SL_OPT_OTHER },
	{ "vlans", SL_OPT_OTHER },
};
const size_t sl_n_port_options = sizeof sl_port_options / sizeof sl_port_options[0];

static const struct sl_opt vlan_options[] = {
	{ "id", SL_OPT_U16, offsetof(struct sl_conf_interface, vlan), .min = 1, .max = 4094, .required = true },
	{ "tap", SL_OPT_OTHER },
	{ "addresses", SL_OPT_OTHER },
};

/* "192.0.2.1/24": an address of ours with the prefix of its network; without a prefix, a host address. */
static void read_address(struct sl_reader *r, const config_setting_t *s, struct sl_conf_interface *iface, unsigned i)
{
	const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);
	char host[SL_ADDR_TEXT_MAX], rest;
	unsigned len = 0;
	struct sl_ip ip;

	if (text == NULL)
		return;
	size_t host_len = strcspn(text, "/");
	memcpy(host, text, host_len);
	host[host_len] = '\0';
	const char *slash = text[host_len] == '/' ? text + host_len + 1 : NULL;
	if (sl_ip_parse(host, &ip) != 0 ||
		(slash != NULL && (*slash < '0' || *slash > '9' || sscanf(slash, "%3u%c", &len, &rest) != 1))) {
		sl_read_fail(r, s, "\"%s\" is not an address with its prefix; such as \"192.0.2.1/24\" or \"2001:db8::1/64\"", text);
		return;
	}
	unsigned bits = sl_ip_is_v4(&ip) ? 32 : 128;
	if (slash == NULL)
		len = bits;
	if (len < 1 || len > bits) {
		sl_read_fail(r, s, "the prefix length %u is out of range; allowed 1..%u", len, bits);
		return;
	}
	iface->addresses[i].ip = ip;
	iface->addresses[i].prefix_len = (uint8_t)(len + (sl_ip_is_v4(&ip) ? V4_PREFIX_BITS : 0));
}

/* tap and addresses of group; default_tap is used when the file names none. */
static void read_interface(struct sl_reader *r, const config_setting_t *group, const char *default_tap,
	struct sl_conf_interface *iface)
{
	const config_setting_t *tap = config_setting_get_member(group, "tap");
	const config_setting_t *list;

	if (tap != NULL)
		sl_read_name(r, tap, iface->tap);
	else if (strlen(default_tap) <= SL_CONF_NAME_MAX)
		memcpy(iface->tap, default_tap, strlen(default_tap) + 1);
	else
		sl_read_fail(r, group, "the TAP's name would be \"%s\", longer than %d characters; name one: tap = \"...\";",
			default_tap, SL_CONF_NAME_MAX);
	list = sl_read_list(r, group, "addresses", 0, SL_CONF_MAX_ADDRESSES, "addresses", &iface->n_addresses);
	for (unsigned i = 0; i < iface->n_addresses; i++)
		read_address(r, config_setting_get_elem(list, i), iface, i);
}

static void read_vlans(struct sl_reader *r, const config_setting_t *group, struct sl_conf_port *port)
{
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, "vlans", 0, SL_CONF_MAX_VLANS, "VLANs", &n);

	for (unsigned i = 0; i < n; i++) {
		const config_setting_t *vlan = config_setting_get_elem(list, i);
		struct sl_conf_interface *iface = &port->interfaces[1 + i];
		char tap[SL_CONF_NAME_MAX + 8];

		if (!config_setting_is_group(vlan)) {
			sl_read_fail(r, vlan, "must be a group: { id = 100; ... }");
			return;
		}
		sl_read_group(r, vlan, vlan_options, sizeof vlan_options / sizeof vlan_options[0], iface);
		snprintf(tap, sizeof tap, "%s.%u", port->interfaces[0].tap, iface->vlan);
		read_interface(r, vlan, tap, iface);
	}
	port->n_interfaces = 1 + n;
}

static void read_port(struct sl_reader *r, const config_setting_t *group, struct sl_conf_port *port)
{
	const config_setting_t *name;
	char tap[SL_CONF_NAME_MAX + 4];

	if (!config_setting_is_group(group)) {
		sl_read_fail(r, group, "must be a group: { name = \"wan\"; device = \"...\"; ... }");
		return;
	}
	sl_read_group(r, group, sl_port_options, sl_n_port_options, port);
	name = config_setting_get_member(group, "name");
	if (name == NULL) {
		sl_read_fail(r, group, "has no name; give it one: name = \"wan\";");
		return;
	}
	sl_read_name(r, name, port->name);
	snprintf(tap, sizeof tap, "sl-%s", port->name);
	read_interface(r, group, tap, &port->interfaces[0]);
	read_vlans(r, group, port);
}

void sl_read_dataplane(struct sl_reader *r, const config_setting_t *group, struct sl_conf_dataplane *dp)
{
	const config_setting_t *list;
	unsigned n;

	sl_read_group(r, group, sl_dataplane_options, sl_n_dataplane_options, dp);
	sl_read_group(r, sl_read_subgroup(r, group, "fragments", false), sl_fragment_options, sl_n_fragment_options, dp);

	list = sl_read_list(r, group, "workers", 1, SL_CONF_MAX_WORKERS, "cores", &dp->n_workers);
	for (unsigned i = 0; i < dp->n_workers; i++)
		dp->worker_cores[i] = (uint16_t)sl_read_int(r, config_setting_get_elem(list, i), 0, CORE_MAX, NULL);

	list = sl_read_list(r, group, "eal", 0, SL_CONF_MAX_EAL, "EAL arguments", &n);
	for (unsigned i = 0; i < n; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);

		dp->eal[i] = sl_read_dup(r, s, sl_read_text(r, s, 1, 256));
		dp->n_eal = i + 1;
	}

	list = sl_read_list(r, group, "ports", 1, SL_CONF_MAX_PORTS, "ports", &n);
	for (unsigned i = 0; i < n && !r->failed; i++) {
		dp->n_ports = i + 1;
		read_port(r, config_setting_get_elem(list, i), &dp->ports[i]);
	}
}

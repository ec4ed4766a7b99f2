/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "media": addresses, ports, limits, SRTP, recordings, and the listeners of the ng protocol. */

#include "config/options_read.h"

#include <stdio.h>
#include <string.h>

enum {
	MEDIA_PORT_LOWEST = 1024,
	LEGS_MAX = 1 << 20,
	TIMEOUT_MAX_S = 86400,
	DSCP_MAX = 63,
	DSCP_EXPEDITED = 46, /* RFC 4594 4.1: telephony is expedited forwarding */
	PATH_BYTES_MAX = 4095,
	NG_PORT = 2223,      /* what rtpengine listens on and Kamailio's sample names */
	LEGS_A_SESSION = 2,
};

static const char *const backends[] = { [SL_CONF_SRTP_IPSEC_MB] = "ipsec-mb", [SL_CONF_SRTP_CRYPTODEV] = "cryptodev", NULL };
static const char *const formats[] = { [SL_AUTO] = "", [SL_YES] = "pcap", [SL_NO] = "wav", NULL };

#define MEDIA(member) offsetof(struct sl_conf_media, member)

const struct sl_opt sl_media_options[] = {
	{ "addresses", SL_OPT_OTHER },
	{ "ports", SL_OPT_OTHER },
	{ "max_legs", SL_OPT_UINT, MEDIA(max_legs), .min = 1, .max = LEGS_MAX, .def = 4096, .restart = true },
	{ "max_streams", SL_OPT_UINT, MEDIA(max_streams), .min = 1, .max = LEGS_MAX, .def = 4096, .restart = true },
	{ "max_large_keys", SL_OPT_UINT, MEDIA(max_large_keys), .min = 1, .max = 2 * LEGS_MAX, .zero = "none", .def = 1024,
		.restart = true },
	{ "max_sessions", SL_OPT_UINT, MEDIA(max_sessions), .min = 1, .max = LEGS_MAX, .zero = "half of max_legs" },
	{ "replay_window", SL_OPT_UINT, MEDIA(replay_window), .min = 64, .max = 1024, .def = 128, .restart = true },
	{ "srtp_backend", SL_OPT_CHOICE, MEDIA(srtp_backend), .choices = backends, .def = SL_CONF_SRTP_IPSEC_MB, .restart = true },
	{ "srtp_device", SL_OPT_TEXT, MEDIA(srtp_device), .min = 1, .max = 1024, .restart = true },
	{ "port_guard", SL_OPT_UINT, MEDIA(port_guard_s), .min = 1, .max = 3600, .zero = "no guard", .def = 30 },
	{ "inactivity_timeout", SL_OPT_UINT, MEDIA(inactivity_s), .min = 1, .max = TIMEOUT_MAX_S, .zero = "never", .def = 60 },
	{ "hold_timeout", SL_OPT_UINT, MEDIA(hold_inactivity_s), .min = 1, .max = TIMEOUT_MAX_S, .zero = "never", .def = 3600 },
	{ "answer_timeout", SL_OPT_UINT, MEDIA(answer_s), .min = 1, .max = TIMEOUT_MAX_S, .def = 600 },
	{ "delete_delay", SL_OPT_UINT, MEDIA(delete_delay_s), .min = 1, .max = 3600, .zero = "at once", .def = 30 },
	{ "dscp", SL_OPT_UINT, MEDIA(dscp), .min = 0, .max = DSCP_MAX, .def = DSCP_EXPEDITED },
	{ "recording_format", SL_OPT_CHOICE, MEDIA(recording_pcap), .choices = formats, .def = SL_YES },
	{ "recording_folder", SL_OPT_TEXT, MEDIA(recording_folder), .min = 1, .max = PATH_BYTES_MAX },
	{ "clip_folder", SL_OPT_TEXT, MEDIA(clip_folder), .min = 1, .max = PATH_BYTES_MAX },
	{ "ng", SL_OPT_OTHER },
};
const size_t sl_n_media_options = sizeof sl_media_options / sizeof sl_media_options[0];

static const struct sl_opt address_options[] = {
	{ "interface", SL_OPT_OTHER },
	{ "address", SL_OPT_OTHER },
	{ "advertised", SL_OPT_OTHER },
};

static const struct sl_opt ng_options[] = {
	{ "udp", SL_OPT_OTHER },
	{ "tcp", SL_OPT_OTHER },
	{ "allow", SL_OPT_OTHER },
};

#define TABLE(t) t, sizeof(t) / sizeof((t)[0])

static void read_ip(struct sl_reader *r, const config_setting_t *s, struct sl_ip *ip)
{
	const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);

	if (text != NULL && sl_ip_parse(text, ip) != 0)
		sl_read_fail(r, s, "\"%s\" is not an address; such as \"192.0.2.1\" or \"2001:db8::1\"", text);
}

static void read_media_address(struct sl_reader *r, const config_setting_t *group, struct sl_conf_media_address *a)
{
	const config_setting_t *interface, *address, *advertised;

	if (!config_setting_is_group(group)) {
		sl_read_fail(r, group, "must be a group: { interface = \"public\"; address = \"192.0.2.1\"; }");
		return;
	}
	sl_read_group(r, group, TABLE(address_options), a);
	interface = config_setting_get_member(group, "interface");
	address = config_setting_get_member(group, "address");
	advertised = config_setting_get_member(group, "advertised");
	if (interface == NULL || address == NULL) {
		sl_read_fail(r, group, "has no %s; such as { interface = \"public\"; address = \"192.0.2.1\"; }",
			interface == NULL ? "interface" : "address");
		return;
	}
	sl_read_name(r, interface, a->interface);
	read_ip(r, address, &a->ip);
	a->advertised = a->ip;
	if (advertised != NULL)
		read_ip(r, advertised, &a->advertised);
}

static void read_addresses(struct sl_reader *r, const config_setting_t *group, struct sl_conf_media *m)
{
	const config_setting_t *list =
		sl_read_list(r, group, "addresses", 1, SL_CONF_MAX_MEDIA_ADDRESSES, "addresses", &m->n_addresses);

	for (unsigned i = 0; i < m->n_addresses; i++)
		read_media_address(r, config_setting_get_elem(list, i), &m->addresses[i]);
}

static void read_ports(struct sl_reader *r, const config_setting_t *group, struct sl_conf_media *m)
{
	const config_setting_t *list;
	unsigned n;

	m->port_min = 30000;
	m->port_max = 39999;
	if (group == NULL || config_setting_get_member(group, "ports") == NULL)
		return;
	list = sl_read_list(r, group, "ports", 2, 2, "ports, the lowest and the highest", &n);
	if (list == NULL)
		return;
	m->port_min = (uint16_t)sl_read_int(r, config_setting_get_elem(list, 0), MEDIA_PORT_LOWEST, UINT16_MAX, NULL);
	m->port_max = (uint16_t)sl_read_int(r, config_setting_get_elem(list, 1), MEDIA_PORT_LOWEST, UINT16_MAX, NULL);
}

static void read_ng_listeners(struct sl_reader *r, const config_setting_t *group, const char *name,
	struct sl_endpoint *out, unsigned *n)
{
	const config_setting_t *list = sl_read_list(r, group, name, 0, SL_CONF_MAX_NG_LISTENERS, "listeners", n);

	for (unsigned i = 0; i < *n; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);
		const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);

		if (text != NULL && (sl_endpoint_parse(text, &out[i]) != 0 || out[i].port_be == 0))
			sl_read_fail(r, s, "\"%s\" is not an address with a port; such as \"127.0.0.1:%d\" or \"[::1]:%d\"", text,
				NG_PORT, NG_PORT);
	}
}

static void read_ng(struct sl_reader *r, const config_setting_t *group, struct sl_conf_media *m)
{
	const config_setting_t *list;

	sl_read_group(r, group, TABLE(ng_options), m);
	read_ng_listeners(r, group, "udp", m->ng_udp, &m->n_ng_udp);
	read_ng_listeners(r, group, "tcp", m->ng_tcp, &m->n_ng_tcp);
	/* What a front end finds without being told. An empty list is how to have none. */
	if (group == NULL || config_setting_get_member(group, "udp") == NULL) {
		m->n_ng_udp = 1;
		sl_ip_set_v4(&m->ng_udp[0].ip, htonl(INADDR_LOOPBACK));
		m->ng_udp[0].port_be = htons(NG_PORT);
	}
	list = sl_read_list(r, group, "allow", 0, SL_CONF_MAX_NG_ALLOW, "prefixes", &m->n_ng_allow);
	for (unsigned i = 0; i < m->n_ng_allow; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);
		const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);

		if (text != NULL && sl_prefix_parse(text, &m->ng_allow[i]) != 0)
			sl_read_fail(r, s, "\"%s\" is not a prefix; such as \"10.0.0.0/8\" or \"2001:db8::/32\", without host bits", text);
	}
}

void sl_read_media(struct sl_reader *r, const config_setting_t *group, struct sl_conf_media *m)
{
	if (group == NULL) /* media is off: nothing listens, nothing is kept */
		return;
	sl_read_group(r, group, sl_media_options, sl_n_media_options, m);
	read_addresses(r, group, m);
	read_ports(r, group, m);
	if (m->max_sessions == 0)
		m->max_sessions = (m->max_legs + LEGS_A_SESSION - 1) / LEGS_A_SESSION;
	read_ng(r, sl_read_subgroup(r, group, "ng", false), m);
}

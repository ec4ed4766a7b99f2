/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "sip": listeners, limits, timers. */

#include "config/options_read.h"

#include <stdio.h>
#include <string.h>

enum {
	SIP_PORT = 5060,
	SIPS_PORT = 5061,
	CALLS_MAX = 1 << 18,
	PATH_BYTES_MAX = 4095,
	DNS_PORT = 53,
};

static const char *const roles[] = { [SL_SIP_ACCESS] = "access", [SL_SIP_PEERING] = "peering", [SL_SIP_CORE] = "core", NULL };
static const char *const transports[] = {
	[SL_CONF_SIP_UDP] = "udp", [SL_CONF_SIP_TCP] = "tcp", [SL_CONF_SIP_TLS] = "tls", NULL
};
static const char *const client_certificates[] = {
	[SL_CERT_OFF] = "off", [SL_CERT_OPTIONAL] = "optional", [SL_CERT_REQUIRED] = "required", NULL
};

#define SIP(member) offsetof(struct sl_conf_sip, member)

const struct sl_opt sl_conf_sip_options[] = {
	{ "listeners", SL_OPT_OTHER },
	{ "nameservers", SL_OPT_OTHER },
	{ "user_agent", SL_OPT_TEXT, SIP(user_agent), .min = 0, .max = 128, .def_text = "Sluice" },
	{ "max_calls", SL_OPT_UINT, SIP(max_calls), .min = 1, .max = CALLS_MAX, .def = 25000, .restart = true },
	{ "max_connections", SL_OPT_UINT, SIP(max_connections), .min = 1, .max = 1 << 20, .def = 16384, .restart = true },
	{ "trace_mb", SL_OPT_UINT, SIP(trace_mb), .min = 1, .max = 16384, .zero = "no trace", .def = 64, .restart = true },
	{ "cdr_retention_days", SL_OPT_UINT, SIP(cdr_retention_days), .min = 1, .max = 36500, .zero = "kept for ever", .def = 90 },
	{ "keepalive", SL_OPT_UINT, SIP(keepalive_s), .min = 5, .max = 3600, .zero = "none is sent", .def = 25 },
	{ "overload_delay_ms", SL_OPT_UINT, SIP(overload_delay_ms), .min = 10, .max = 10000, .zero = "no such limit", .def = 200 },
	{ "overload_memory_mb", SL_OPT_UINT, SIP(overload_memory_mb), .min = 64, .max = 1 << 20, .zero = "no such limit", .def = 0 },
	{ "retry_after", SL_OPT_UINT, SIP(overload_retry_after_s), .min = 1, .max = 3600, .def = 5 },
	{ "auth_failures", SL_OPT_UINT, SIP(auth_failures), .min = 1, .max = 1000, .zero = "never blocked", .def = 10 },
	{ "auth_window", SL_OPT_UINT, SIP(auth_window_s), .min = 1, .max = 86400, .def = 60 },
	{ "auth_block", SL_OPT_UINT, SIP(auth_block_s), .min = 1, .max = 86400, .def = 60 },
	{ "t1_ms", SL_OPT_UINT, SIP(t1_ms), .min = 50, .max = 5000, .def = 500, .restart = true },
	{ "region", SL_OPT_UINT, SIP(region), .min = 0, .max = 255, .def = 0, .restart = true },
	{ "node", SL_OPT_UINT, SIP(node), .min = 0, .max = 255, .def = 0, .restart = true },
};
const size_t sl_n_conf_sip_options = sizeof sl_conf_sip_options / sizeof sl_conf_sip_options[0];

#define LISTENER(member) offsetof(struct sl_conf_sip_listener, member)

const struct sl_opt sl_sip_listener_options[] = {
	{ "name", SL_OPT_OTHER },
	{ "role", SL_OPT_CHOICE, LISTENER(role), .choices = roles, .required = true },
	{ "transport", SL_OPT_CHOICE, LISTENER(transport), .choices = transports, .required = true },
	{ "address", SL_OPT_OTHER },
	{ "advertised", SL_OPT_OTHER },
	{ "media", SL_OPT_OTHER },
	{ "certificate", SL_OPT_TEXT, LISTENER(certificate), .min = 1, .max = PATH_BYTES_MAX },
	{ "key", SL_OPT_TEXT, LISTENER(key), .min = 1, .max = PATH_BYTES_MAX },
	{ "certificates", SL_OPT_OTHER },
	{ "ca_file", SL_OPT_TEXT, LISTENER(ca_file), .min = 1, .max = PATH_BYTES_MAX },
	{ "client_certificates", SL_OPT_CHOICE, LISTENER(client_certificates), .choices = client_certificates, .def = SL_CERT_OFF },
};
const size_t sl_n_sip_listener_options = sizeof sl_sip_listener_options / sizeof sl_sip_listener_options[0];

/* An address with or without port. */
static void read_address(struct sl_reader *r, const config_setting_t *s, uint16_t port, struct sl_endpoint *out)
{
	const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);

	if (text == NULL || (sl_endpoint_parse(text, out) == 0 && out->port_be != 0))
		return;
	char bare[SL_ADDR_TEXT_MAX];
	size_t n = strlen(text);
	bool brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';

	snprintf(bare, sizeof bare, "%.*s", (int)(brackets ? n - 2 : n), text + brackets);
	if (sl_ip_parse(bare, &out->ip) == 0)
		out->port_be = htons(port);
	else
		sl_read_fail(r, s, "\"%s\" is not an address; such as \"192.0.2.1:%u\" or \"[2001:db8::1]:%u\"", text, port, port);
}

static void read_listener(struct sl_reader *r, const config_setting_t *group, struct sl_conf_sip_listener *l)
{
	const config_setting_t *s;

	if (!config_setting_is_group(group)) {
		sl_read_fail(r, group, "must be a group: { name = \"access\"; role = \"access\"; transport = \"udp\"; "
			"address = \"192.0.2.1:5060\"; media = \"public\"; }");
		return;
	}
	sl_read_group(r, group, sl_sip_listener_options, sl_n_sip_listener_options, l);
	sl_read_certificates(r, group, l->certificates, &l->n_certificates);
	uint16_t port = l->transport == SL_CONF_SIP_TLS ? SIPS_PORT : SIP_PORT;
	static const char *const needed[] = { "name", "address", "media" };

	for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++) {
		if (config_setting_get_member(group, needed[i]) == NULL) {
			sl_read_fail(r, group, "has no %s; such as { name = \"access\"; role = \"access\"; transport = \"udp\"; "
				"address = \"192.0.2.1:5060\"; media = \"public\"; }", needed[i]);
			return;
		}
	}
	sl_read_name(r, config_setting_get_member(group, "name"), l->name);
	sl_read_name(r, config_setting_get_member(group, "media"), l->media);
	read_address(r, config_setting_get_member(group, "address"), port, &l->address);
	l->advertised = l->address;
	if ((s = config_setting_get_member(group, "advertised")) != NULL)
		read_address(r, s, port, &l->advertised);
}

void sl_read_sip(struct sl_reader *r, const config_setting_t *group, struct sl_conf_sip *sip)
{
	const config_setting_t *list;

	if (group == NULL)
		return;
	sl_read_group(r, group, sl_conf_sip_options, sl_n_conf_sip_options, sip);
	list = sl_read_list(r, group, "listeners", 1, SL_CONF_MAX_SIP_LISTENERS, "listeners", &sip->n_listeners);
	for (unsigned i = 0; i < sip->n_listeners; i++)
		read_listener(r, config_setting_get_elem(list, i), &sip->listeners[i]);
	list = sl_read_list(r, group, "nameservers", 0, SL_CONF_MAX_NAMESERVERS, "addresses", &sip->n_nameservers);
	for (unsigned i = 0; i < sip->n_nameservers; i++)
		read_address(r, config_setting_get_elem(list, i), DNS_PORT, &sip->nameservers[i]);
}

void sl_free_sip(struct sl_conf_sip *sip)
{
	for (unsigned i = 0; i < sip->n_listeners; i++) {
		sl_free_certificates(sip->listeners[i].certificates, sip->listeners[i].n_certificates);
		sl_opt_free(sl_sip_listener_options, sl_n_sip_listener_options, &sip->listeners[i]);
	}
	sl_opt_free(sl_conf_sip_options, sl_n_conf_sip_options, sip);
}

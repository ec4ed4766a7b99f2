/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "turn": where clients come. */

#include "config/options_turn.h"

#include <stdio.h>
#include <string.h>

#include "config/prefixes.h"
#include "dataplane/abi/msg_turn.h"

const char *const sl_turn_transports[] = {
#define X(name, number, text) [number] = text,
	SL_TURN_TRANSPORTS(X)
#undef X
	NULL
};

enum { PATH_BYTES_MAX = 4095 };

#define LISTENER(member) offsetof(struct sl_conf_turn_listener, member)

static const struct sl_opt listener_options[] = {
	{ "address", SL_OPT_OTHER },
	{ "transport", SL_OPT_CHOICE, LISTENER(transport), .choices = sl_turn_transports, .required = true },
	{ "certificate", SL_OPT_TEXT, LISTENER(certificate), .min = 1, .max = PATH_BYTES_MAX },
	{ "key", SL_OPT_TEXT, LISTENER(key), .min = 1, .max = PATH_BYTES_MAX },
	{ "certificates", SL_OPT_OTHER },
	{ "proxy_protocol", SL_OPT_OTHER },
};
enum { N_LISTENER_OPTIONS = sizeof listener_options / sizeof listener_options[0] };

bool sl_turn_is_tcp(const struct sl_conf_turn *turn, unsigned listener)
{
	unsigned over = turn->more[listener].transport;

	return over == SL_TURN_OVER_TCP || over == SL_TURN_OVER_TLS;
}

const char *sl_turn_listener_option(const struct sl_conf_turn *turn, unsigned i, char *buf)
{
	return i < turn->n_plain ? sl_option_name(buf, "turn.listen[%u]", i) : sl_option_name(buf, "turn.listeners[%u].address", i - turn->n_plain);
}

const char *sl_turn_listener_text(const struct sl_conf_turn *turn, unsigned i, char *buf)
{
	char ep[SL_ADDR_TEXT_MAX];
	unsigned over = turn->more[i].transport;

	if (over == SL_TURN_OVER_UDP)
		return sl_endpoint_text(&turn->listeners[i], buf);
	/* An endpoint's longest text and a transport's fit; the compiler cannot know. */
	snprintf(buf, SL_ADDR_TEXT_MAX, "%.5s:%.54s", sl_turn_transports[over], sl_endpoint_text(&turn->listeners[i], ep));
	return buf;
}

bool sl_turn_listener_is(const struct sl_conf_turn *turn, unsigned i, const char *text)
{
	struct sl_endpoint ep;

	for (unsigned over = 0; over < SL_TURN_N_TRANSPORTS; over++) {
		size_t len = strlen(sl_turn_transports[over]);

		if (strncmp(text, sl_turn_transports[over], len) != 0 || text[len] != ':')
			continue;
		if (over != turn->more[i].transport)
			return false;
		text += len + 1;
		break;
	}
	return sl_endpoint_parse(text, &ep) == 0 && sl_endpoint_eq(&turn->listeners[i], &ep);
}

static void read_endpoint(struct sl_reader *r, const config_setting_t *s, struct sl_endpoint *out)
{
	const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);

	if (text != NULL && (sl_endpoint_parse(text, out) != 0 || out->port_be == 0))
		sl_read_fail(r, s, "\"%s\" is not an address with a port; such as \"192.0.2.1:3478\" or \"[2001:db8::1]:3478\"", text);
}

static void read_proxies(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn_listener *l)
{
	const config_setting_t *list = sl_read_list(r, group, "proxy_protocol", 0, SL_CONF_MAX_PROXIES, "prefixes", &l->n_proxies);
	char why[200];

	for (unsigned i = 0; i < l->n_proxies; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);
		const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);

		if (text != NULL && sl_prefix_read(text, &l->proxies[i], why, sizeof why) != 0)
			sl_read_fail(r, s, "%s", why);
	}
}

static void read_listener(struct sl_reader *r, const config_setting_t *group, struct sl_endpoint *ep, struct sl_conf_turn_listener *l)
{
	const config_setting_t *address;

	if (!config_setting_is_group(group)) {
		sl_read_fail(r, group, "must be a group: { address = \"192.0.2.1:5349\"; transport = \"tls\"; certificate = \"...\"; key = \"...\"; }");
		return;
	}
	sl_read_group(r, group, listener_options, N_LISTENER_OPTIONS, l);
	if ((address = config_setting_get_member(group, "address")) != NULL)
		read_endpoint(r, address, ep);
	else
		sl_read_fail(r, group, "has no address; such as address = \"192.0.2.1:5349\"");
	sl_read_certificates(r, group, l->certificates, &l->n_certificates);
	read_proxies(r, group, l);
}

void sl_read_turn_listeners(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, "listen", 0, SL_CONF_MAX_LISTENERS, "listeners", &turn->n_plain);

	for (unsigned i = 0; i < turn->n_plain; i++)
		read_endpoint(r, config_setting_get_elem(list, i), &turn->listeners[i]);
	turn->n_listeners = turn->n_plain;
	list = sl_read_list(r, group, "listeners", 0, SL_CONF_MAX_LISTENERS - turn->n_plain, "listeners (beside those of listen)", &n);
	for (unsigned i = 0; i < n; i++, turn->n_listeners++)
		read_listener(r, config_setting_get_elem(list, i), &turn->listeners[turn->n_listeners], &turn->more[turn->n_listeners]);
	if (group != NULL && turn->n_listeners == 0)
		sl_read_fail(r, group, "has no listeners; write listen = [ \"192.0.2.1:3478\" ], or listeners");
}

void sl_free_turn_listeners(struct sl_conf_turn *turn)
{
	for (unsigned i = 0; i < turn->n_listeners; i++) {
		sl_free_certificates(turn->more[i].certificates, turn->more[i].n_certificates);
		sl_opt_free(listener_options, N_LISTENER_OPTIONS, &turn->more[i]);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Checks of the group "sip" between its options, and with the group "media". */

#include "config/options_read.h"

#include <string.h>

static bool media_has(const struct sl_conf_media *m, const char *interface)
{
	for (unsigned i = 0; i < m->n_addresses; i++) {
		if (strcmp(m->addresses[i].interface, interface) == 0)
			return true;
	}
	return false;
}

static void check_listener(struct sl_reader *r, const struct sl_config *c, unsigned i)
{
	const struct sl_conf_sip *s = &c->sip;
	const struct sl_conf_sip_listener *l = &s->listeners[i];
	char text[SL_ADDR_TEXT_MAX];

	for (unsigned j = 0; j < i; j++) {
		const struct sl_conf_sip_listener *other = &s->listeners[j];

		if (strcmp(l->name, other->name) == 0)
			sl_read_fail_at(r, SL_OPTION("sip.listeners[%u].name", i), "\"%s\" is the name of another one", l->name);
		if (sl_endpoint_eq(&l->address, &other->address) &&
			(l->transport == SL_CONF_SIP_UDP) == (other->transport == SL_CONF_SIP_UDP))
			sl_read_fail_at(r, SL_OPTION("sip.listeners[%u].address", i), "%s is taken by \"%s\"",
				sl_endpoint_text(&l->address, text), other->name);
	}
	if (!sl_is_unicast(&l->address.ip) || !sl_is_unicast(&l->advertised.ip))
		sl_read_fail_at(r, SL_OPTION("sip.listeners[%u].address", i), "%s is not an address that others can answer to",
			sl_endpoint_text(&l->address, text));
	if (sl_ip_is_v4(&l->address.ip) != sl_ip_is_v4(&l->advertised.ip))
		sl_read_fail_at(r, SL_OPTION("sip.listeners[%u].advertised", i), "must be of the same family as the address");
	if (l->transport == SL_CONF_SIP_UDP) {
		sl_check_udp_port(r, c, SL_OPTION("sip.listeners[%u].address", i), &l->address);
		for (unsigned j = 0; j < c->media.n_ng_udp; j++) {
			if (sl_endpoint_eq(&l->address, &c->media.ng_udp[j]))
				sl_read_fail_at(r, SL_OPTION("sip.listeners[%u].address", i), "%s is media.ng.udp[%u]; must be a port of its own",
					sl_endpoint_text(&l->address, text), j);
		}
	}
	if (l->transport != SL_CONF_SIP_UDP)
		sl_check_tcp_port(r, c, SL_OPTION("sip.listeners[%u].address", i), &l->address);
	if (!media_has(&c->media, l->media))
		sl_read_fail_at(r, SL_OPTION("sip.listeners[%u].media", i), "no address of the group media has the interface \"%s\"", l->media);
	if (l->transport == SL_CONF_SIP_TLS && (l->certificate == NULL || l->key == NULL))
		sl_read_fail_at(r, SL_OPTION("sip.listeners[%u].certificate", i),
			"TLS needs certificate (PEM, the full chain) and key");
	if (l->transport != SL_CONF_SIP_TLS &&
		(l->certificate != NULL || l->key != NULL || l->n_certificates > 0 || l->ca_file != NULL || l->client_certificates != SL_CERT_OFF))
		sl_read_fail_at(r, SL_OPTION("sip.listeners[%u].transport", i), "certificates are for transport = \"tls\"");
	if (l->client_certificates != SL_CERT_OFF && l->ca_file == NULL)
		sl_read_fail_at(r, SL_OPTION("sip.listeners[%u].client_certificates", i), "needs ca_file, which says whose are good");
}

void sl_check_sip(struct sl_reader *r, const struct sl_config *c)
{
	if (c->media.n_addresses == 0) {
		sl_read_fail_at(r, "sip", "needs the group media: calls are relayed");
		return;
	}
	for (unsigned i = 0; i < c->sip.n_listeners; i++)
		check_listener(r, c, i);
	/* Sofia's resolver knows one port for all of them. */
	for (unsigned i = 1; i < c->sip.n_nameservers; i++) {
		if (c->sip.nameservers[i].port_be != c->sip.nameservers[0].port_be)
			sl_read_fail_at(r, SL_OPTION("sip.nameservers[%u]", i), "has another port than the first one; all must have the same");
	}
}

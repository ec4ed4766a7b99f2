/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Where messages go: what nta needs to send along a flow or to an address, and what we call ourselves there. */

#include "controlplane/sip/internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sofia-sip/sip_header.h>
#include <sofia-sip/su_string.h>

const char *sl_sip_hop_text(const struct sl_sip_hop *h, char out[SL_CDR_ADDRESS_MAX])
{
	char address[SL_ADDR_TEXT_MAX];

	snprintf(out, SL_CDR_ADDRESS_MAX, "%s:%s", sl_sip_transport_name(h->transport), sl_endpoint_text(&h->to, address));
	return out;
}

void sl_sip_hop_back(const struct sl_sip_flow *f, struct sl_sip_hop *out)
{
	memset(out, 0, sizeof *out);
	out->to = f->remote;
	out->transport = f->transport;
	out->listener = f->listener;
	out->by_flow = true;
	out->flow = *f;
}

const struct sl_conf_sip_listener *sl_sip_listener(const struct sl_sip *s, unsigned index)
{
	return index < s->n_listeners ? &s->listeners[index] : NULL;
}

static url_t *url_to(su_home_t *home, const struct sl_endpoint *to, const char *transport)
{
	char address[SL_ADDR_TEXT_MAX], text[SL_ADDR_TEXT_MAX + 32];

	snprintf(text, sizeof text, "sip:%s;transport=%s", sl_endpoint_text(to, address), transport);
	return url_make(home, text);
}

static int edge_route(struct sl_sip *s, su_home_t *home, url_t **route, tport_t **tport)
{
	struct sl_endpoint at;

	if (s->edge == NULL)
		return -ENOENT;
	at = sl_edge_endpoint(s->edge);
	*tport = s->primaries[SL_SIP_EDGE_INDEX].tport;
	*route = url_to(home, &at, "tcp");
	return *route ? 0 : -ENOMEM;
}

int sl_sip_hop_route(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h, url_t **route, tport_t **tport)
{
	*route = NULL;
	*tport = NULL;
	if (h->listener >= s->n_listeners)
		return -ENOENT;
	if (h->by_flow && !sl_sip_flow_is_open(s, &h->flow))
		return -ENOTCONN;
	if (h->transport == SL_SIP_TLS)
		return edge_route(s, home, route, tport);
	*tport = h->by_flow && h->transport == SL_SIP_TCP ? sl_sip_connection_of(s, &h->flow) : s->primaries[h->listener].tport;
	if (*tport == NULL)
		return h->by_flow ? -ENOTCONN : -ENOENT;
	if (tport_is_udp(*tport) != (h->transport == SL_SIP_UDP))
		return -ENOENT; /* a listener of another transport */
	*route = url_to(home, &h->to, sl_sip_transport_name(h->transport));
	return *route ? 0 : -ENOMEM;
}

sip_route_t *sl_sip_hop_header(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h)
{
	char edge[SL_ADDR_TEXT_MAX], to[SL_ADDR_TEXT_MAX], token[16], text[512];
	struct sl_endpoint at;

	if (h->transport != SL_SIP_TLS || s->edge == NULL)
		return NULL;
	at = sl_edge_endpoint(s->edge);
	sl_endpoint_text(&at, edge);
	if (h->by_flow) {
		sl_edge_token(h->flow.connection, token);
		snprintf(text, sizeof text, "<sip:%s@%s;lr>", token, edge);
	} else {
		snprintf(text, sizeof text, "<sip:connect@%s;lr;to=%s%s%s;listener=%u>", edge, sl_endpoint_text(&h->to, to), h->tls_name[0] ? ";name=" : "",
		        h->tls_name, h->listener);
	}
	return sip_route_make(home, text);
}

/* RFC 3261 25.1: unreserved and user-unreserved stay, everything else is escaped. */
static void escape_user(const char *user, char *out, size_t room)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (const unsigned char *p = (const unsigned char *)user; *p && n + 4 < room; p++) {
		if (isalnum(*p) || strchr("-_.!~*'()&=+$,;?/", *p)) {
			out[n++] = (char)*p;
		} else {
			out[n++] = '%';
			out[n++] = hex[*p >> 4];
			out[n++] = hex[*p & 15];
		}
	}
	out[n] = '\0';
}

sip_contact_t *sl_sip_contact(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h, const char *user)
{
	static const char *const transports[] = {[SL_SIP_UDP] = "", [SL_SIP_TCP] = ";transport=tcp", [SL_SIP_TLS] = ";transport=tls"};
	const struct sl_sip_primary *p;
	char text[512], escaped[256];

	if (h->listener >= s->n_listeners || h->transport > SL_SIP_TLS)
		return NULL;
	p = &s->primaries[h->listener];
	escape_user(user ? user : "", escaped, sizeof escaped);
	snprintf(text, sizeof text, "<sip:%s%s%s%s%s%s>", escaped, escaped[0] ? "@" : "", p->host, p->port[0] ? ":" : "", p->port,
	        transports[h->transport]);
	return sip_contact_make(home, text);
}

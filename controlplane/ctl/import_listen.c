/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/import_write.h"

#include <stdlib.h>
#include <string.h>

/* Where coturn listens and relays. */

enum { RELAY_PORT_LOWEST = 1024 };

/* "192.0.2.1" or "[2001:db8::1]", as it stands before a port. */
static const char *host_text(const struct sl_ip *ip, char *buf)
{
	char text[SL_ADDR_TEXT_MAX];

	sl_ip_text(ip, text);
	snprintf(buf, SL_ADDR_TEXT_MAX, sl_ip_is_v4(ip) ? "%.60s" : "[%.60s]", text);
	return buf;
}

/* ---- listeners ---- */

static void add_places(struct import *m, enum coturn_option from, struct import_places *p)
{
	IMPORT_EACH(m, from, v)
	{
		struct sl_ip ip;

		if (p->n == SL_CONF_MAX_LISTENERS) {
			import_note(m, v->line, false, "%s: there are more than %d addresses; this one is left out", from == COTURN_RELAY_IP ? "relay-ip" : "listening-ip",
			        SL_CONF_MAX_LISTENERS);
			return;
		}
		bool known = sl_ip_parse(v->text, &ip) != 0;
		for (unsigned i = 0; i < p->n; i++)
			known |= sl_ip_eq(&p->ip[i], &ip);
		if (!known)
			p->ip[p->n++] = ip;
	}
}

void import_find_places(struct import *m, struct import_places *p)
{
	add_places(m, COTURN_LISTENING_IP, p);
	if (p->n == 0)
		add_places(m, COTURN_RELAY_IP, p);
	for (unsigned i = 0; i < p->n; i++) {
		if (sl_ip_is_v4(&p->ip[i]) ? sl_ip_v4_be(&p->ip[i]) == 0 : sl_ip_eq(&p->ip[i], &(struct sl_ip){0})) {
			import_note(m, 0, false, "listening-ip is the wildcard address: here each address is written");
			p->ip[i--] = p->ip[--p->n];
		}
	}
	if (p->n > 0)
		return;
	import_note(m, 0, false, "no listening-ip: coturn takes all addresses of its machine; 192.0.2.1 stands where yours belongs");
	sl_ip_parse("192.0.2.1", &p->ip[0]);
	p->n = 1;
	p->guessed = true;
}

/* Two IPv4 or two IPv6 addresses, which NAT discovery needs. Their places, or false. */
static bool find_pair(const struct import_places *p, unsigned pair[2])
{
	for (pair[0] = 0; pair[0] < p->n; pair[0]++) {
		for (pair[1] = pair[0] + 1; pair[1] < p->n; pair[1]++) {
			if (sl_ip_is_v4(&p->ip[pair[0]]) == sl_ip_is_v4(&p->ip[pair[1]]))
				return true;
		}
	}
	return false;
}

static bool has_nat_discovery(struct import *m, const struct import_places *p, unsigned pair[2])
{
	bool wanted = import_flag(m, COTURN_RFC5780) || (import_number(m, COTURN_ALT_PORT, 0) != 0 && !import_flag(m, COTURN_NO_RFC5780));

	if (!wanted || import_flag(m, COTURN_NO_UDP))
		return false;
	if (find_pair(p, pair))
		return true;
	import_note(m, import_line(m, import_flag(m, COTURN_RFC5780) ? COTURN_RFC5780 : COTURN_ALT_PORT), false,
	        "NAT discovery needs two listening-ip of one family; it is left out");
	return false;
}

static void write_endpoint(FILE *out, bool *first, const struct sl_ip *ip, unsigned long port)
{
	char host[SL_ADDR_TEXT_MAX];

	fprintf(out, "%s\"%s:%lu\"", *first ? " " : ", ", host_text(ip, host), port);
	*first = false;
}

void import_write_listen(struct import *m, FILE *out, const struct import_places *p)
{
	unsigned long port = import_number(m, COTURN_LISTENING_PORT, IMPORT_TURN_PORT), alt = import_number(m, COTURN_ALT_PORT, 0);
	unsigned pair[2];
	bool first = true, nat = has_nat_discovery(m, p, pair);

	if (import_flag(m, COTURN_NO_UDP)) {
		fputs("  listen = [ ];\n", out);
		return;
	}
	alt = alt ? alt : port + 1;
	fputs("  listen = [", out);
	for (unsigned i = 0; i < p->n; i++)
		write_endpoint(out, &first, &p->ip[i], port);
	for (unsigned i = 0; nat && i < 2; i++)
		write_endpoint(out, &first, &p->ip[pair[i]], alt);
	IMPORT_EACH(m, COTURN_AUX_SERVER, v)
	{
		fputs(first ? " " : ", ", out);
		import_write_text(out, v->text);
		first = false;
	}
	fprintf(out, " ];%s\n", p->guessed ? "    # <<" : "");
	if (!nat)
		return;
	fputs("  nat_discovery = [", out);
	first = true;
	for (unsigned i = 0; i < 4; i++)
		write_endpoint(out, &first, &p->ip[pair[i / 2]], i % 2 ? alt : port);
	fputs(" ];\n", out);
}

/* One of the list listeners. rest: further options, with a blank before. */
static void write_listener(FILE *out, bool *first, const char *address, const char *transport, const char *rest)
{
	fprintf(out, "%s\n    { address = \"%s\"; transport = \"%s\";%s }", *first ? "" : ",", address, transport, rest);
	*first = false;
}

static void write_listeners_at(FILE *out, bool *first, const struct import_places *p, unsigned long port, const char *transport, const char *rest)
{
	char host[SL_ADDR_TEXT_MAX], address[2 * SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < p->n; i++) {
		snprintf(address, sizeof address, "%s:%lu", host_text(&p->ip[i], host), port);
		write_listener(out, first, address, transport, rest);
	}
}

/* " certificate = ...; key = ...;", free(); NULL when there is none. */
static char *certificate_of(struct import *m)
{
	static const enum coturn_option files[] = {COTURN_CERT, COTURN_PKEY};
	static const char *const names[] = {"certificate", "key"};
	char *rest = NULL;
	size_t len;
	FILE *f;

	if (!import_text(m, COTURN_CERT) || !import_text(m, COTURN_PKEY)) {
		if (!import_flag(m, COTURN_NO_TLS) || import_flag(m, COTURN_DTLS))
			import_note(m, 0, false, "no cert and pkey: TLS and DTLS are left out; coturn looks for turn_server_cert.pem and turn_server_pkey.pem in several folders");
		return NULL;
	}
	f = open_memstream(&rest, &len);
	for (unsigned i = 0; f && i < 2; i++) {
		const char *path = import_text(m, files[i]);
		char whole[IMPORT_TEXT_MAX];

		snprintf(whole, sizeof whole, "%s%s", path[0] == '/' ? "" : "/etc/", path);
		if (path[0] != '/')
			import_note(m, import_line(m, files[i]), false, "%s: coturn looks for it in several folders; %s is written", i == 0 ? "cert" : "pkey", whole);
		fprintf(f, " %s = ", names[i]);
		import_write_text(f, whole);
		fputc(';', f);
	}
	if (!f || fclose(f) != 0)
		abort();
	return rest;
}

static void write_proxy_listeners(struct import *m, FILE *out, bool *first, const struct import_places *p)
{
	if (!import_text(m, COTURN_PROXY_PORT) || import_flag(m, COTURN_NO_TCP))
		return;
	import_note(m, import_line(m, COTURN_PROXY_PORT), false, "tcp-proxy-port: coturn believes everybody's header; write your proxies' prefixes");
	for (unsigned i = 0; i < p->n; i++) {
		struct import_places one = {.ip = {p->ip[i]}, .n = 1};

		write_listeners_at(out, first, &one, import_number(m, COTURN_PROXY_PORT, 0), "tcp",
		        sl_ip_is_v4(&p->ip[i]) ? " proxy_protocol = [ \"0.0.0.0/0\" ]; /* << */" : " proxy_protocol = [ \"::/0\" ]; /* << */");
	}
}

void import_write_listeners(struct import *m, FILE *out, const struct import_places *p)
{
	unsigned long tls_port = import_number(m, COTURN_TLS_PORT, IMPORT_TURNS_PORT);
	char *certificate = certificate_of(m);
	bool first = true;

	fputs("  listeners = (", out);
	if (!import_flag(m, COTURN_NO_TCP)) {
		write_listeners_at(out, &first, p, import_number(m, COTURN_LISTENING_PORT, IMPORT_TURN_PORT), "tcp", "");
		IMPORT_EACH(m, COTURN_AUX_SERVER, v)
			write_listener(out, &first, v->text, "tcp", "");
	}
	write_proxy_listeners(m, out, &first, p);
	if (certificate && !import_flag(m, COTURN_NO_TLS))
		write_listeners_at(out, &first, p, tls_port, "tls", certificate);
	if (certificate && !import_flag(m, COTURN_NO_DTLS))
		write_listeners_at(out, &first, p, tls_port, "dtls", certificate);
	if (first && import_flag(m, COTURN_NO_UDP))
		import_note(m, import_line(m, COTURN_NO_UDP), true, "no-udp: no listener of any transport is left; coturn would serve nobody, and Sluice does not start so");
	fputs(first ? " );\n" : "\n  );    # each port has one transport: coturn took TLS on listening-port and plain TCP on tls-listening-port, too\n", out);
	free(certificate);
}

/* ---- relaying ---- */

static bool is_among(const struct import_places *p, const struct sl_ip *ip)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (sl_ip_eq(&p->ip[i], ip))
			return true;
	}
	return false;
}

/* "PUBLIC/PRIVATE" is a pair; "PUBLIC" stands for every address of its family, and one to one that can be one alone. */
static void write_external(struct import *m, FILE *out, const struct import_places *listening, const struct import_places *relaying)
{
	char text[2][SL_ADDR_TEXT_MAX];
	bool any = false;

	IMPORT_EACH(m, COTURN_EXTERNAL_IP, v)
	{
		struct sl_ip outside, inside;
		size_t n = strcspn(v->text, "/");

		snprintf(text[0], sizeof text[0], "%.*s", (int)n, v->text);
		sl_ip_parse(text[0], &outside);
		if (v->text[n]) {
			sl_ip_parse(v->text + n + 1, &inside);
		} else {
			unsigned of_family = 0;

			for (unsigned i = 0; i < relaying->n; i++) {
				if (sl_ip_is_v4(&relaying->ip[i]) == sl_ip_is_v4(&outside) && of_family++ == 0)
					inside = relaying->ip[i];
			}
			if (of_family != 1) {
				import_note(m, v->line, false, "external-ip: which of %u relay addresses it stands for is not said; write PUBLIC/PRIVATE for each", of_family);
				continue;
			}
		}
		if (sl_ip_eq(&inside, &outside))
			continue;
		if (!is_among(listening, &inside) && !is_among(relaying, &inside)) {
			import_note(m, v->line, false, "external-ip: %s is neither a listening-ip nor a relay-ip; it is left out", sl_ip_text(&inside, text[0]));
			continue;
		}
		fprintf(out, "%s\n    { address = \"%s\"; external = \"%s\"; }", any ? "," : "  external_addresses = (", sl_ip_text(&inside, text[0]),
		        sl_ip_text(&outside, text[1]));
		any = true;
	}
	if (any)
		fputs("\n  );\n", out);
}

void import_write_relay(struct import *m, FILE *out, const struct import_places *listening)
{
	unsigned long min = import_number(m, COTURN_MIN_PORT, 49152), max = import_number(m, COTURN_MAX_PORT, 65535);
	struct import_places p = {0};
	char text[SL_ADDR_TEXT_MAX];

	add_places(m, COTURN_RELAY_IP, &p);
	if (p.n == 0)
		p = *listening;
	fputs("  relay_addresses = [", out);
	for (unsigned i = 0; i < p.n; i++)
		fprintf(out, "%s\"%s\"", i ? ", " : " ", sl_ip_text(&p.ip[i], text));
	fprintf(out, " ];%s\n", p.guessed ? "    # <<" : "");
	write_external(m, out, listening, &p);
	if (min < RELAY_PORT_LOWEST) {
		import_note(m, import_line(m, COTURN_MIN_PORT), false, "min-port: the lowest relay port is %d", RELAY_PORT_LOWEST);
		min = RELAY_PORT_LOWEST;
	}
	if (min > max)
		import_note(m, import_line(m, COTURN_MAX_PORT), true, "max-port: it is below min-port");
	fprintf(out, "  relay_ports = [ %lu, %lu ];\n", min, max);
	fprintf(out, "  tcp_relay = %s;\n", import_flag(m, COTURN_NO_TCP_RELAY) || import_flag(m, COTURN_NO_TCP) ? "false" : "true");
	fprintf(out, "  mobility = %s;\n", import_flag(m, COTURN_MOBILITY) ? "true" : "false");
	fputs("  rfc5766_channels = true;    # coturn takes channels up to 0x7FFF, and older clients draw from there\n", out);
}

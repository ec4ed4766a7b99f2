/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/import.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/options.h"
#include "dataplane/abi/msg_turn.h"
#include "dataplane/abi/validate.h"
#include "dataplane/wire/addr.h"

/* Writing a configuration of ours. Defaults of coturn that differ from ours are written out. */

enum { TURN_PORT = 3478, TURNS_PORT = 5349, RELAY_PORT_LOWEST = 1024, KEY_BYTES = 16, TEXT_MAX = 1024 };

#define EACH(m, option, v) \
	for (const struct import_value *v = (m)->options[option].values, *v##_end = v + (m)->options[option].n; v != v##_end; v++)

static void write_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

/* "192.0.2.1" or "[2001:db8::1]", as it stands before a port. */
static const char *host_text(const struct sl_ip *ip, char *buf)
{
	char text[SL_ADDR_TEXT_MAX];

	sl_ip_text(ip, text);
	snprintf(buf, SL_ADDR_TEXT_MAX, sl_ip_is_v4(ip) ? "%.60s" : "[%.60s]", text);
	return buf;
}

/* ---- listeners ---- */

/* Where coturn listens: its addresses, or those that it relays on; it takes all of a machine's when neither is said. */
struct places {
	struct sl_ip ip[SL_CONF_MAX_LISTENERS];
	unsigned n;
	bool guessed;
};

static void add_places(struct import *m, enum coturn_option from, struct places *p)
{
	EACH(m, from, v)
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

static void find_places(struct import *m, struct places *p)
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
static bool find_pair(const struct places *p, unsigned pair[2])
{
	for (pair[0] = 0; pair[0] < p->n; pair[0]++) {
		for (pair[1] = pair[0] + 1; pair[1] < p->n; pair[1]++) {
			if (sl_ip_is_v4(&p->ip[pair[0]]) == sl_ip_is_v4(&p->ip[pair[1]]))
				return true;
		}
	}
	return false;
}

static bool has_nat_discovery(struct import *m, const struct places *p, unsigned pair[2])
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

static void write_listen(struct import *m, FILE *out, const struct places *p)
{
	unsigned long port = import_number(m, COTURN_LISTENING_PORT, TURN_PORT), alt = import_number(m, COTURN_ALT_PORT, 0);
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
	EACH(m, COTURN_AUX_SERVER, v)
	{
		fputs(first ? " " : ", ", out);
		write_text(out, v->text);
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

static void write_listeners_at(FILE *out, bool *first, const struct places *p, unsigned long port, const char *transport, const char *rest)
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
		char whole[TEXT_MAX];

		snprintf(whole, sizeof whole, "%s%s", path[0] == '/' ? "" : "/etc/", path);
		if (path[0] != '/')
			import_note(m, import_line(m, files[i]), false, "%s: coturn looks for it in several folders; %s is written", i == 0 ? "cert" : "pkey", whole);
		fprintf(f, " %s = ", names[i]);
		write_text(f, whole);
		fputc(';', f);
	}
	if (!f || fclose(f) != 0)
		abort();
	return rest;
}

static void write_proxy_listeners(struct import *m, FILE *out, bool *first, const struct places *p)
{
	if (!import_text(m, COTURN_PROXY_PORT) || import_flag(m, COTURN_NO_TCP))
		return;
	import_note(m, import_line(m, COTURN_PROXY_PORT), false, "tcp-proxy-port: coturn believes everybody's header; write your proxies' prefixes");
	for (unsigned i = 0; i < p->n; i++) {
		struct places one = {.ip = {p->ip[i]}, .n = 1};

		write_listeners_at(out, first, &one, import_number(m, COTURN_PROXY_PORT, 0), "tcp",
		        sl_ip_is_v4(&p->ip[i]) ? " proxy_protocol = [ \"0.0.0.0/0\" ]; /* << */" : " proxy_protocol = [ \"::/0\" ]; /* << */");
	}
}

static void write_listeners(struct import *m, FILE *out, const struct places *p)
{
	unsigned long tls_port = import_number(m, COTURN_TLS_PORT, TURNS_PORT);
	char *certificate = certificate_of(m);
	bool first = true;

	fputs("  listeners = (", out);
	if (!import_flag(m, COTURN_NO_TCP)) {
		write_listeners_at(out, &first, p, import_number(m, COTURN_LISTENING_PORT, TURN_PORT), "tcp", "");
		EACH(m, COTURN_AUX_SERVER, v)
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

static bool is_among(const struct places *p, const struct sl_ip *ip)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (sl_ip_eq(&p->ip[i], ip))
			return true;
	}
	return false;
}

/* "PUBLIC/PRIVATE" is a pair; "PUBLIC" stands for every address of its family, and one to one that can be one alone. */
static void write_external(struct import *m, FILE *out, const struct places *listening, const struct places *relaying)
{
	char text[2][SL_ADDR_TEXT_MAX];
	bool any = false;

	EACH(m, COTURN_EXTERNAL_IP, v)
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

static void write_relay(struct import *m, FILE *out, const struct places *listening)
{
	unsigned long min = import_number(m, COTURN_MIN_PORT, 49152), max = import_number(m, COTURN_MAX_PORT, 65535);
	struct places p = {0};
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

/* ---- users ---- */

static void write_users(struct import *m, FILE *out)
{
	bool any = false;

	EACH(m, COTURN_USER, v)
	{
		char *colon = strchr(v->text, ':');
		size_t digits = strlen(colon + 1);

		if (strncmp(colon + 1, "0x", 2) == 0 && digits == 2 + 2 * KEY_BYTES) {
			import_note(m, v->line, false, "user %.*s: a key (0x...) is MD5 alone, and passwords are kept here for SHA-256 as well; write the password, or keep the user in a userdb",
			        (int)(colon - v->text), v->text);
			continue;
		}
		*colon = '\0';
		fprintf(out, any ? ",\n    { name = " : "  users = (\n    { name = ");
		write_text(out, v->text);
		fputs("; password = ", out);
		write_text(out, colon + 1);
		fputs("; }", out);
		*colon = ':';
		any = true;
	}
	if (any)
		fputs("\n  );\n", out);
}

static void write_secrets(struct import *m, FILE *out)
{
	unsigned n = 0;

	EACH(m, COTURN_SECRET, v)
	{
		if (n == SL_TURN_MAX_SECRETS || strlen(v->text) > SL_MSG_SECRET_MAX) {
			import_note(m, v->line, false, "static-auth-secret: %d of %d bytes are taken; this one is left out", SL_TURN_MAX_SECRETS, SL_MSG_SECRET_MAX);
			continue;
		}
		fputs(n++ ? ", " : "  secrets = [ ", out);
		write_text(out, v->text);
	}
	if (n)
		fputs(" ];\n", out);
}

/* "ip=... port=... dbname=... password=..." as a URL; what stands there as one is left. */
static void write_redis(struct import *m, FILE *out, enum coturn_option o)
{
	char copy[TEXT_MAX], *save, url[2 * TEXT_MAX];
	const char *host = "127.0.0.1", *port = "6379", *db = "0", *password = "";

	snprintf(copy, sizeof copy, "%s", import_text(m, o));
	if (strncmp(copy, "redis://", 8) == 0 || copy[0] == '/') {
		write_text(out, copy);
		return;
	}
	for (char *word = strtok_r(copy, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		char *value = strchr(word, '=');
		static const char *const names[] = {"ip", "host", "port", "dbname", "db", "password"};
		const char **into[] = {&host, &host, &port, &db, &db, &password};
		bool known = false;

		if (value)
			*value++ = '\0';
		for (unsigned i = 0; value && i < sizeof names / sizeof names[0]; i++) {
			if (strcmp(word, names[i]) == 0) {
				*into[i] = value;
				known = true;
			}
		}
		if (!known)
			import_note(m, import_line(m, o), false, "%s of Redis' address: it is left out", word);
	}
	snprintf(url, sizeof url, "redis://%s%s%s%s%s%s:%s/%s", *password ? ":" : "", password, *password ? "@" : "", strchr(host, ':') ? "[" : "", host,
	        strchr(host, ':') ? "]" : "", port, db);
	write_text(out, url);
}

static bool write_source(FILE *out, unsigned *n, const char *kind)
{
	if (*n == SL_CONF_MAX_USER_SOURCES)
		return false;
	fprintf(out, "%s\n    { kind = \"%s\"; connect = ", (*n)++ ? "," : "  user_sources = (", kind);
	return true;
}

/* True when there are any. */
static bool write_sources(struct import *m, FILE *out)
{
	static const struct {
		enum coturn_option option;
		const char *kind;
	} sources[] = {{COTURN_USERDB, "sqlite"}, {COTURN_DB, "sqlite"}, {COTURN_PSQL, "postgresql"}, {COTURN_SQL, "postgresql"}};
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		if (!import_text(m, sources[i].option) || !write_source(out, &n, sources[i].kind))
			continue;
		write_text(out, import_text(m, sources[i].option));
		fputs("; }", out);
	}
	if (import_text(m, COTURN_REDIS) && write_source(out, &n, "redis")) {
		write_redis(m, out, COTURN_REDIS);
		fputs("; }", out);
	}
	if (n)
		fputs("\n  );\n", out);
	else if (import_flag(m, COTURN_LT_CRED) || import_flag(m, COTURN_USE_SECRET))
		fputs("  # coturn reads this file when it is told of no other:\n"
		      "  # user_sources = ( { kind = \"sqlite\"; connect = \"/var/lib/turn/turndb\"; } );\n",
		        out);
	return n > 0;
}

static void write_oauth(struct import *m, FILE *out, bool has_sources)
{
	const char *name = import_text(m, COTURN_SERVER_NAME) ? import_text(m, COTURN_SERVER_NAME) : import_text(m, COTURN_REALM);

	if (!import_flag(m, COTURN_OAUTH))
		return;
	if (!has_sources || !name) {
		import_note(m, import_line(m, COTURN_OAUTH), false, "oauth: its keys are in a userdb, and none is named; write turn.oauth with keys");
		return;
	}
	fputs("  oauth = { server_name = ", out);
	write_text(out, name);
	fputs("; };    # keys are read from user_sources\n", out);
}

static void write_realm(struct import *m, FILE *out)
{
	fputs("  realm = ", out);
	write_text(out, import_text(m, COTURN_REALM) ? import_text(m, COTURN_REALM) : "example.org");
	fputs(import_text(m, COTURN_REALM) ? ";\n" : ";    # <<\n", out);
	if (!import_text(m, COTURN_REALM))
		import_note(m, 0, false, "no realm: coturn takes the machine's domain; \"example.org\" stands where yours belongs");
	write_users(m, out);
	write_secrets(m, out);
	write_oauth(m, out, write_sources(m, out));
	if (import_flag(m, COTURN_NO_SOFTWARE) || (import_text(m, COTURN_SOFTWARE) && !import_flag(m, COTURN_SOFTWARE)))
		fputs("  software = \"\";\n", out);
}

/* ---- limits ---- */

/* bytes a second as kbit/s, within what the option takes. */
static void write_bandwidth_of(struct import *m, FILE *out, enum coturn_option o, const char *name)
{
	unsigned long kbps = import_number(m, o, 0) / 125;

	if (import_number(m, o, 0) == 0)
		return;
	if (kbps < SL_LIMIT_METER_KBPS_MIN || kbps > SL_LIMIT_METER_KBPS) {
		kbps = kbps < SL_LIMIT_METER_KBPS_MIN ? SL_LIMIT_METER_KBPS_MIN : SL_LIMIT_METER_KBPS;
		import_note(m, import_line(m, o), false, "%s: %lu kbit/s is what comes next to it", o == COTURN_MAX_BPS ? "max-bps" : "bps-capacity", kbps);
	}
	fprintf(out, " %s = { up = %lu; down = %lu; };", name, kbps, kbps);
}

static void write_number(struct import *m, FILE *out, enum coturn_option o, const char *name, unsigned long max)
{
	unsigned long v = import_number(m, o, 0);

	if (import_text(m, o) && v > max) {
		import_note(m, import_line(m, o), false, "%s: at most %lu", name, max);
		v = max;
	}
	if (import_text(m, o))
		fprintf(out, "  %s = %lu;\n", name, v);
}

static void write_limits(struct import *m, FILE *out)
{
	write_number(m, out, COTURN_USER_QUOTA, "user_quota", SL_LIMIT_USER_QUOTA);
	write_number(m, out, COTURN_TOTAL_QUOTA, "realm_quota", SL_LIMIT_USER_QUOTA);
	if (import_number(m, COTURN_MAX_BPS, 0) || import_number(m, COTURN_BPS_CAPACITY, 0)) {
		fputs("  bandwidth = {", out);
		write_bandwidth_of(m, out, COTURN_MAX_BPS, "session");
		write_bandwidth_of(m, out, COTURN_BPS_CAPACITY, "node");
		fputs(" };    # kbit/s, each direction\n", out);
	}
	unsigned long max = import_number(m, COTURN_MAX_LIFETIME, 3600);
	if (max < 600)
		fprintf(out, "  default_lifetime = %lu;\n", max);
	write_number(m, out, COTURN_MAX_LIFETIME, "max_lifetime", SL_LIMIT_LIFETIME_S);
	write_number(m, out, COTURN_CHANNEL_LIFETIME, "channel_lifetime", SL_LIMIT_LIFETIME_S);
	write_number(m, out, COTURN_PERMISSION_LIFETIME, "permission_lifetime", SL_LIMIT_LIFETIME_S);
	write_number(m, out, COTURN_ALLOCATE_TIMEOUT, "stream_wait", 3600);
	if (import_text(m, COTURN_STALE_NONCE)) {
		unsigned long nonce = import_number(m, COTURN_STALE_NONCE, 600); /* what it is without a value */

		if (nonce == 0)
			import_note(m, import_line(m, COTURN_STALE_NONCE), false, "stale-nonce: a nonce that is good for ever is not offered; a day is written");
		fprintf(out, "  nonce_lifetime = %lu;\n", nonce ? nonce : SL_LIMIT_LIFETIME_S);
	}
}

/* ---- peers ---- */

/* The prefixes of a range of addresses: from its start, each the longest that fits. */
static void write_range(FILE *out, bool *first, const char *verb, const char *text)
{
	typedef unsigned __int128 wide;
	char from[SL_ADDR_TEXT_MAX], buf[SL_ADDR_TEXT_MAX];
	const char *dash = strchr(text, '-');
	struct sl_prefix p;
	struct sl_ip last;
	wide a = 0, b = 0;

	if (!dash) {
		fprintf(out, "%s\n    { %s = \"%s\"; }", *first ? "" : ",", verb, text);
		*first = false;
		return;
	}
	snprintf(from, sizeof from, "%.*s", (int)(dash - text), text);
	sl_ip_parse(from, &p.ip);
	sl_ip_parse(dash + 1, &last);
	for (unsigned i = 0; i < 16; i++) {
		a = a << 8 | p.ip.b[i];
		b = b << 8 | last.b[i];
	}
	for (unsigned lowest = sl_ip_is_v4(&last) ? 96 : 0;;) {
		p.len = 128;
		while (p.len > lowest && (a & (((wide)2 << (128 - p.len)) - 1)) == 0 && (a | (((wide)2 << (128 - p.len)) - 1)) <= b)
			p.len--;
		for (unsigned i = 0; i < 16; i++)
			p.ip.b[i] = (uint8_t)(a >> (120 - 8 * i));
		fprintf(out, "%s\n    { %s = \"%s\"; }", *first ? "" : ",", verb, sl_prefix_text(&p, buf));
		*first = false;
		a |= p.len ? ((wide)1 << (128 - p.len)) - 1 : ~(wide)0;
		if (a >= b)
			return;
		a++;
	}
}

static void write_peers(struct import *m, FILE *out)
{
	bool first = true;

	/* In coturn a rule that allows goes before every one that denies. */
	fputs("  # Unlike coturn, private, loopback, link-local and reserved addresses are denied after these rules, unless one allows them.\n  peers = (", out);
	EACH(m, COTURN_ALLOWED_PEER, v)
		write_range(out, &first, "allow", v->text);
	EACH(m, COTURN_DENIED_PEER, v)
		write_range(out, &first, "deny", v->text);
	fputs(first ? " );\n" : "\n  );\n", out);
}

/* ---- other servers, records ---- */

static void write_alternates_of(struct import *m, FILE *out, enum coturn_option o, const char *transport, unsigned long port, unsigned *n)
{
	EACH(m, o, v)
	{
		struct sl_endpoint ep;
		char text[SL_ADDR_TEXT_MAX];

		if (*n == SL_CONF_MAX_ALTERNATES) {
			import_note(m, v->line, false, "there are more than %d alternates; this one is left out for %s", SL_CONF_MAX_ALTERNATES, transport);
			continue;
		}
		if (sl_endpoint_parse(v->text, &ep) != 0 || ep.port_be == 0) {
			sl_ip_parse(v->text, &ep.ip);
			ep.port_be = htons((uint16_t)port);
		}
		fprintf(out, "%s\n    { server = \"%s\"; transport = \"%s\"; }", (*n)++ ? "," : "  alternates = (", sl_endpoint_text(&ep, text), transport);
	}
}

static void write_alternates(struct import *m, FILE *out)
{
	static const struct {
		enum coturn_option option;
		const char *transport, *no;
		enum coturn_option off;
		unsigned port;
	} kinds[] = {
	        {COTURN_ALTERNATE, "udp", "no-udp", COTURN_NO_UDP, TURN_PORT},
	        {COTURN_ALTERNATE, "tcp", "no-tcp", COTURN_NO_TCP, TURN_PORT},
	        {COTURN_UDP_ALTERNATE, "udp", "no-udp", COTURN_NO_UDP, TURN_PORT},
	        {COTURN_TCP_ALTERNATE, "tcp", "no-tcp", COTURN_NO_TCP, TURN_PORT},
	        {COTURN_TLS_ALTERNATE, "tls", "no-tls", COTURN_NO_TLS, TURNS_PORT},
	        {COTURN_TLS_ALTERNATE, "dtls", "no-dtls", COTURN_NO_DTLS, TURNS_PORT},
	};
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (!import_flag(m, kinds[i].off))
			write_alternates_of(m, out, kinds[i].option, kinds[i].transport, kinds[i].port, &n);
	}
	if (n == 0)
		return;
	fputs("\n  );\n  redirect_above = 90;    # << percent of total_quota or of what fits\n", out);
	import_note(m, 0, false, "alternate servers: coturn sends every new client to them; here they get those that come while this node drains or is fuller than redirect_above");
}

static void write_accounting(struct import *m, FILE *out)
{
	if (!import_text(m, COTURN_REDIS_STATS))
		return;
	fputs("  accounting = { database = false; redis = ", out);
	write_redis(m, out, COTURN_REDIS_STATS);
	fputs("; };\n", out);
}

/* ---- the whole ---- */

static const char *log_level_of(struct import *m)
{
	const char *min = import_text(m, COTURN_LOG_MIN);

	if (import_flag(m, COTURN_VERY_VERBOSE) || (min && strcasecmp(min, "debug") == 0))
		return "debug";
	if (min && (strcasecmp(min, "error") == 0 || strcasecmp(min, "warning") == 0))
		return strcasecmp(min, "error") == 0 ? "error" : "warning";
	return "info";
}

void import_write(struct import *m, FILE *out)
{
	const char *device = import_text(m, COTURN_LISTENING_DEVICE);
	struct places p = {0};

	find_places(m, &p);
	import_note(m, 0, false, "cores and ports: coturn uses the machine's sockets, Sluice whole ports; look at dataplane.workers and dataplane.ports (config/turn-edge.conf.sample)");
	fprintf(out, "log_level = \"%s\";\n\ndataplane = {\n  workers = [ 0 ];    # << cores\n", log_level_of(m));
	if (import_number(m, COTURN_TOTAL_QUOTA, 0) > 16384 && import_number(m, COTURN_TOTAL_QUOTA, 0) <= SL_LIMIT_USER_QUOTA)
		fprintf(out, "  max_allocations = %lu;\n  max_peers = %lu;\n  memory_mb = 4096;\n", import_number(m, COTURN_TOTAL_QUOTA, 0),
		        import_number(m, COTURN_TOTAL_QUOTA, 0) * 4);
	fputs("  ports = (\n    { name = \"wan\"; device = ", out);
	char eal[TEXT_MAX];
	snprintf(eal, sizeof eal, "net_af_packet0,iface=%s", device ? device : "eth0");
	write_text(out, eal);
	fputs(";    # <<\n      addresses = [ ]; }    # << the addresses below, as on the interface now, or by ip(8) on the TAP sl-wan\n  );\n};\n\nturn = {\n", out);
	write_listen(m, out, &p);
	write_listeners(m, out, &p);
	write_relay(m, out, &p);
	write_realm(m, out);
	write_limits(m, out);
	write_peers(m, out);
	write_alternates(m, out);
	write_accounting(m, out);
	fputs("};\n\ncontrol = { };\n", out);
}

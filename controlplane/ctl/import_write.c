/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/import_write.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/abi/msg_turn.h"
#include "dataplane/abi/validate.h"

/* The whole of a configuration of ours, limits, peers, other servers, records. */

void import_write_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
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
	IMPORT_EACH(m, COTURN_ALLOWED_PEER, v)
		write_range(out, &first, "allow", v->text);
	IMPORT_EACH(m, COTURN_DENIED_PEER, v)
		write_range(out, &first, "deny", v->text);
	fputs(first ? " );\n" : "\n  );\n", out);
}

/* ---- other servers, records ---- */

static void write_alternates_of(struct import *m, FILE *out, enum coturn_option o, const char *transport, unsigned long port, unsigned *n)
{
	IMPORT_EACH(m, o, v)
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
	        {COTURN_ALTERNATE, "udp", "no-udp", COTURN_NO_UDP, IMPORT_TURN_PORT},
	        {COTURN_ALTERNATE, "tcp", "no-tcp", COTURN_NO_TCP, IMPORT_TURN_PORT},
	        {COTURN_UDP_ALTERNATE, "udp", "no-udp", COTURN_NO_UDP, IMPORT_TURN_PORT},
	        {COTURN_TCP_ALTERNATE, "tcp", "no-tcp", COTURN_NO_TCP, IMPORT_TURN_PORT},
	        {COTURN_TLS_ALTERNATE, "tls", "no-tls", COTURN_NO_TLS, IMPORT_TURNS_PORT},
	        {COTURN_TLS_ALTERNATE, "dtls", "no-dtls", COTURN_NO_DTLS, IMPORT_TURNS_PORT},
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
	import_write_redis(m, out, COTURN_REDIS_STATS);
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
	struct import_places p = {0};

	import_find_places(m, &p);
	import_note(m, 0, false, "cores and ports: coturn uses the machine's sockets, Sluice whole ports; look at dataplane.workers and dataplane.ports (config/turn-edge.conf.sample)");
	fprintf(out, "log_level = \"%s\";\n\ndataplane = {\n  workers = [ 0 ];    # << cores\n", log_level_of(m));
	if (import_number(m, COTURN_TOTAL_QUOTA, 0) > 16384 && import_number(m, COTURN_TOTAL_QUOTA, 0) <= SL_LIMIT_USER_QUOTA)
		fprintf(out, "  max_allocations = %lu;\n  max_peers = %lu;\n  memory_mb = 4096;\n", import_number(m, COTURN_TOTAL_QUOTA, 0),
		        import_number(m, COTURN_TOTAL_QUOTA, 0) * 4);
	fputs("  ports = (\n    { name = \"wan\"; device = ", out);
	char eal[IMPORT_TEXT_MAX];
	snprintf(eal, sizeof eal, "net_af_packet0,iface=%s", device ? device : "eth0");
	import_write_text(out, eal);
	fputs(";    # <<\n      addresses = [ ]; }    # << the addresses below, as on the interface now, or by ip(8) on the TAP sl-wan\n  );\n};\n\nturn = {\n", out);
	import_write_listen(m, out, &p);
	import_write_listeners(m, out, &p);
	import_write_relay(m, out, &p);
	import_write_realm(m, out);
	write_limits(m, out);
	write_peers(m, out);
	write_alternates(m, out);
	write_accounting(m, out);
	fputs("};\n\ncontrol = { };\n", out);
}

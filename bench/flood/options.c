/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/flood/flood.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/ether.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
	"sluice-flood: attacks, composed, on a network that is yours\n"
	"\n"
	"Usage: sluice-flood --to ADDRESS[,ADDRESS6] --kind KIND[=SHARE],... [options]\n"
	"       sluice-flood --plan FILE [options]\n"
	"\n"
	"      --to A[,A6]          what is attacked; with both families each kind goes to both\n"
	"      --kind K[=SHARE],... kinds and their shares of what is sent (1)\n"
	"      --from P[,P6]        prefixes of the sources (198.18.0.0/15, 2001:2::/48: RFC 2544, RFC 5180)\n"
	"      --sources N          how many different (0 = drawn anew for each packet)\n"
	"      --turn PORT, --sip PORT, --media FIRST-LAST, --relay FIRST-LAST   where kinds go (3478, 5060, 30000-39999, 49152-65535)\n"
	"      --plan FILE          one attack a line, words of key=value: kind share to=ADDRESS[:PORT[-PORT]] from=PREFIX|ADDRESS:PORT\n"
	"                           sources size ssrc channel; # begins a comment. IPv6 with a port in brackets\n"
	"  -r, --rate N             frames a second (as fast as it goes)\n"
	"  -t, --seconds S          how long (5); SIGTERM ends it, too\n"
	"      --seed N             the same seed sends the same frames (1)\n"
	"  -i, --interface NAME     where they go out (eth0)\n"
	"      --gateway IPV4       whose MAC frames are addressed to (the first IPv4 address that is attacked), or\n"
	"      --mac MAC\n"
	"      --ready-file FILE    gets our process id when the flood begins\n"
	"      --report FILE        the report (one line of JSON, on stdout) also there\n"
	"  -h, --help               this, and the kinds\n"
	"\n"
	"Exit status: 0 = sent, 1 = not, 2 = a wrong option.\n";

static int refuse(char *text, size_t text_len, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, text_len, format, args);
	va_end(args);
	return -EINVAL;
}

static bool number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	return end != text && *end == '\0' && text[0] != '-' && errno == 0 && *out <= max;
}

/* "PORT" or "FIRST-LAST" */
static bool ports(const char *text, uint16_t out[2])
{
	unsigned first, last;
	int n = 0;

	if (sscanf(text, "%5u%n", &first, &n) != 1)
		return false;
	last = first;
	if (text[n] == '-') {
		int more = 0;
		if (sscanf(text + n, "-%5u%n", &last, &more) != 1)
			return false;
		n += more;
	}
	if (text[n] || first > last || last > UINT16_MAX)
		return false;
	out[0] = (uint16_t)first, out[1] = (uint16_t)last;
	return true;
}

/* "ADDRESS", "ADDRESS:PORTS", "[ADDRESS6]:PORTS" */
static bool target(const char *text, struct flood_attack *a)
{
	char ip[SL_ADDR_TEXT_MAX];
	const char *colon = strrchr(text, ':');

	if (sl_ip_parse(text, &a->to) == 0)
		return true;
	if (!colon || (size_t)(colon - text) >= sizeof ip || !ports(colon + 1, a->port))
		return false;
	a->has_port = true;
	if (text[0] == '[' && colon > text + 1 && colon[-1] == ']')
		snprintf(ip, sizeof ip, "%.*s", (int)(colon - text - 2), text + 1);
	else
		snprintf(ip, sizeof ip, "%.*s", (int)(colon - text), text);
	return sl_ip_parse(ip, &a->to) == 0;
}

static bool origin(const char *text, struct flood_attack *a)
{
	struct sl_endpoint ep;

	if (sl_prefix_parse(text, &a->from) == 0)
		return true;
	if (sl_endpoint_parse(text, &ep) < 0)
		return false;
	a->from = (struct sl_prefix){ep.ip, 128};
	a->from_port = ntohs(ep.port_be);
	return true;
}

static bool kind(const char *text, enum flood_kind *out)
{
	for (unsigned i = 0; i < FLOOD_N_KINDS; i++) {
		if (strcmp(text, flood_kinds[i].name) == 0) {
			*out = (enum flood_kind)i;
			return true;
		}
	}
	return false;
}

static bool word(struct flood_attack *a, const char *name, const char *value)
{
	uint64_t n = 0;
	bool ok = true;

	if (strcmp(name, "kind") == 0)
		return kind(value, &a->kind);
	if (strcmp(name, "to") == 0)
		return target(value, a);
	if (strcmp(name, "from") == 0)
		return origin(value, a);
	if (strcmp(name, "share") == 0)
		ok = number(value, 1000000, &n) && n > 0, a->share = (unsigned)n;
	else if (strcmp(name, "sources") == 0)
		ok = number(value, UINT32_MAX, &a->sources);
	else if (strcmp(name, "size") == 0)
		ok = number(value, 1400, &n), a->size = (unsigned)n;
	else if (strcmp(name, "ssrc") == 0)
		ok = number(value, UINT32_MAX, &n), a->ssrc = (uint32_t)n;
	else if (strcmp(name, "channel") == 0)
		ok = number(value, UINT16_MAX, &n), a->channel = (uint16_t)n;
	else
		ok = false;
	return ok;
}

static void defaults(struct flood_attack *a)
{
	*a = (struct flood_attack){.kind = FLOOD_N_KINDS, .share = 1, .channel = 0x4000};
}

/* Everything said, and what was not filled in? */
static int complete(struct flood_attack *a, char *text, size_t text_len)
{
	static const struct sl_ip nothing;

	if (a->kind == FLOOD_N_KINDS)
		return refuse(text, text_len, "kind= is missing");
	if (sl_ip_eq(&a->to, &nothing))
		return refuse(text, text_len, "to= is missing");
	if (!a->from.len && sl_ip_eq(&a->from.ip, &nothing))
		sl_prefix_parse(sl_ip_is_v4(&a->to) ? "198.18.0.0/15" : "2001:2::/48", &a->from);
	if (sl_ip_is_v4(&a->to) != sl_ip_is_v4(&a->from.ip))
		return refuse(text, text_len, "to= and from= are of two families");
	return 0;
}

int flood_attack_parse(struct flood_options *o, const char *line, char *text, size_t text_len)
{
	struct flood_attack a;
	char copy[512], *save = NULL;

	if (o->n_attacks == FLOOD_MAX_ATTACKS)
		return refuse(text, text_len, "more than %d attacks", FLOOD_MAX_ATTACKS);
	if (strlen(line) >= sizeof copy)
		return refuse(text, text_len, "a line longer than %zu bytes", sizeof copy);
	strcpy(copy, line);
	defaults(&a);
	for (char *w = strtok_r(copy, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
		char *value = strchr(w, '=');

		if (value)
			*value++ = '\0';
		if (!value || !word(&a, w, value))
			return refuse(text, text_len, "'%s%s%s' is not understood", w, value ? "=" : "", value ? value : "");
	}
	if (complete(&a, text, text_len) < 0)
		return -EINVAL;
	o->attacks[o->n_attacks++] = a;
	return 0;
}

static int read_plan(struct flood_options *o, const char *path, char *text, size_t text_len)
{
	FILE *f = fopen(path, "re");
	char line[512], what[160];
	unsigned n = 0;
	int error = 0;

	if (!f)
		return refuse(text, text_len, "%s: %s", path, strerror(errno));
	while (!error && fgets(line, sizeof line, f)) {
		n++;
		line[strcspn(line, "#\n")] = '\0';
		if (line[strspn(line, " \t")] && flood_attack_parse(o, line, what, sizeof what) < 0)
			error = refuse(text, text_len, "%s:%u: %s", path, n, what);
	}
	fclose(f);
	return error;
}

/* --kind, for one address. */
static int add_kinds(struct flood_options *o, const char *kinds, const char *to, const char *from, const char *sources, char *text, size_t text_len)
{
	char copy[1024], line[512], *save = NULL;

	snprintf(copy, sizeof copy, "%s", kinds);
	for (char *k = strtok_r(copy, ",", &save); k; k = strtok_r(NULL, ",", &save)) {
		char *share = strchr(k, '=');

		if (share)
			*share++ = '\0';
		snprintf(line, sizeof line, "kind=%s share=%s to=%s%s%s%s%s", k, share ? share : "1", to, from ? " from=" : "", from ? from : "",
			sources ? " sources=" : "", sources ? sources : "");
		if (flood_attack_parse(o, line, text, text_len) < 0)
			return -EINVAL;
	}
	return 0;
}

/* What stands in a list of at most one address or prefix of each family, by family. */
static void by_family(char *list, const char *out[2])
{
	char *save = NULL;

	out[0] = out[1] = NULL;
	for (char *w = list ? strtok_r(list, ",", &save) : NULL; w; w = strtok_r(NULL, ",", &save))
		out[strchr(w, '.') == NULL] = w;
}

static int compose(struct flood_options *o, const char *kinds, char *to, char *from, const char *sources, char *text, size_t text_len)
{
	const char *tos[2], *froms[2];

	by_family(to, tos);
	by_family(from, froms);
	if (!tos[0] && !tos[1])
		return refuse(text, text_len, "--to is missing");
	for (unsigned v6 = 0; v6 < 2; v6++) {
		if (tos[v6] && add_kinds(o, kinds, tos[v6], froms[v6], sources, text, text_len) < 0)
			return -EINVAL;
	}
	return 0;
}

static void help(void)
{
	fputs(usage, stdout);
	puts("\nKinds:");
	for (unsigned i = 0; i < FLOOD_N_KINDS; i++)
		printf("  %-12s %s\n", flood_kinds[i].name, flood_kinds[i].help);
}

enum { OPT_TO = 256, OPT_KIND, OPT_FROM, OPT_SOURCES, OPT_TURN, OPT_SIP, OPT_MEDIA, OPT_RELAY, OPT_PLAN, OPT_SEED, OPT_GATEWAY, OPT_MAC, OPT_READY, OPT_REPORT };

static bool real(const char *text, double max, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && *end == '\0' && *out >= 0 && *out <= max;
}

static bool mac(struct flood_options *o, const char *text)
{
	struct ether_addr e;

	o->has_mac = ether_aton_r(text, &e) != NULL;
	memcpy(o->mac, e.ether_addr_octet, o->has_mac ? sizeof o->mac : 0);
	return o->has_mac;
}

int flood_options_read(int argc, char **argv, struct flood_options *o)
{
	static const struct option longs[] = {{"to", 1, 0, OPT_TO}, {"kind", 1, 0, OPT_KIND}, {"from", 1, 0, OPT_FROM}, {"sources", 1, 0, OPT_SOURCES},
		{"turn", 1, 0, OPT_TURN}, {"sip", 1, 0, OPT_SIP}, {"media", 1, 0, OPT_MEDIA}, {"relay", 1, 0, OPT_RELAY}, {"plan", 1, 0, OPT_PLAN},
		{"rate", 1, 0, 'r'}, {"seconds", 1, 0, 't'}, {"seed", 1, 0, OPT_SEED}, {"interface", 1, 0, 'i'}, {"gateway", 1, 0, OPT_GATEWAY},
		{"mac", 1, 0, OPT_MAC}, {"ready-file", 1, 0, OPT_READY}, {"report", 1, 0, OPT_REPORT}, {"help", 0, 0, 'h'}, {0}};
	char *to = NULL, *from = NULL, *kinds = NULL, *sources = NULL, text[256] = "";
	int error = 0, at = 0;

	*o = (struct flood_options){.interface = "eth0", .seconds = 5, .seed = 1,
		.aims = {[AIM_TURN] = {3478, 3478}, [AIM_RELAY] = {49152, 65535}, [AIM_MEDIA] = {30000, 39999}, [AIM_SIP] = {5060, 5060}, [AIM_OTHER] = {9, 9}}};
	for (int c; !error && (c = getopt_long(argc, argv, "r:t:i:h", longs, &at)) != -1;) {
		bool ok = true;

		switch (c) {
		case OPT_TO: to = optarg; break;
		case OPT_KIND: kinds = optarg; break;
		case OPT_FROM: from = optarg; break;
		case OPT_SOURCES: sources = optarg; break;
		case OPT_TURN: ok = ports(optarg, o->aims[AIM_TURN]); break;
		case OPT_SIP: ok = ports(optarg, o->aims[AIM_SIP]); break;
		case OPT_MEDIA: ok = ports(optarg, o->aims[AIM_MEDIA]); break;
		case OPT_RELAY: ok = ports(optarg, o->aims[AIM_RELAY]); break;
		case OPT_PLAN: error = read_plan(o, optarg, text, sizeof text); break;
		case 'r': ok = real(optarg, 1e8, &o->rate); break;
		case 't': ok = real(optarg, 1e6, &o->seconds); break;
		case OPT_SEED: ok = number(optarg, UINT64_MAX, &o->seed); break;
		case 'i': o->interface = optarg; break;
		case OPT_GATEWAY: o->gateway = optarg; break;
		case OPT_MAC: ok = mac(o, optarg); break;
		case OPT_READY: o->ready_file = optarg; break;
		case OPT_REPORT: o->report = optarg; break;
		case 'h': help(); return 1;
		default: return -EINVAL;
		}
		if (!ok)
			error = refuse(text, sizeof text, "--%s '%s' is not understood (--help)", c < 256 ? (char[]){(char)c, 0} : longs[at].name, optarg);
	}
	if (!error && optind < argc)
		error = refuse(text, sizeof text, "'%s': there are no arguments, only options (--help)", argv[optind]);
	if (!error && kinds)
		error = compose(o, kinds, to, from, sources, text, sizeof text);
	if (!error && !o->n_attacks)
		error = refuse(text, sizeof text, "nothing to send: --kind or --plan (--help)");
	if (error)
		fprintf(stderr, "sluice-flood: %s\n", text);
	return error;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/guard_view.h"

#include "config/prefixes.h"
#include "controlplane/provision/provision.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The guard: how it stands, its lists and bans, what is reported to it, samples of what it drops. */

enum {
	DEFAULT_LIMIT = 100,
	SOURCES_MAX = 1000,
	SECONDS_MAX = 10 * 365 * 86400,
	REPORT_MAX = 1000,
	SAMPLE_N = 100,
	SAMPLE_S = 10,
	SAMPLE_S_MAX = SL_HTTP_ANSWER_S - 5,
};

/* ---- how it stands ---- */

/* What the dataplane goes by: the region's words, which may be of another client. */
static json_t *in_force(const struct sl_brain *b)
{
	const struct sl_region *region = sl_dp_region(b->dp);

	if (!region)
		return json_null();
	unsigned owner = __atomic_load_n(&region->guard_owner, __ATOMIC_RELAXED);
	char name[SL_CLIENT_NAME_MAX + 1] = "";
	if (owner < SL_MAX_CLIENTS)
		memcpy(name, region->clients[owner].name, SL_CLIENT_NAME_MAX);
	json_t *o = json_pack("{s:b, s:b, s:i, s:I, s:I, s:I, s:I, s:I}", "enabled", region->guard_enabled != 0, "dry_run", region->guard_dry_run != 0,
	        "pressure_percent", (int)region->guard_pressure, "bans", (json_int_t)region->guard_bans, "prefixes",
	        (json_int_t)region->guard_prefixes, "marks_final", (json_int_t)region->guard_marks_final, "marks_provisional",
	        (json_int_t)region->guard_marks_provisional, "bytes", (json_int_t)sl_view_load(&region->guard_bytes));
	/* null: its own configuration, until somebody has told it a policy. */
	json_object_set_new(o, "owner", owner < SL_MAX_CLIENTS ? sl_api_text(name, strlen(name)) : json_null());
	return o;
}

static json_t *own_counters(const struct sl_brain *b)
{
	const struct sl_warden_counts *c = sl_warden_counts(b->warden);
	json_t *o = json_object();

#define X(name, help) json_object_set_new(o, #name, json_integer((json_int_t)c->name));
	SL_WARDEN_COUNTERS(X)
#undef X
	return o;
}

static void state(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_conf_guard *g = sl_warden_policy(b->warden);
	const char *standby = sl_warden_standby(b->warden);
	json_t *o = json_pack("{s:b, s:b, s:s, s:o, s:I, s:{s:I, s:I, s:I}}", "enabled", g->enabled, "dry_run", g->dry_run, "policy_from",
	        sl_warden_policy_is_live(b->warden) ? "api" : "configuration", "standby", standby ? sl_api_text(standby, strlen(standby)) : json_null(),
	        "pressure_percent", (json_int_t)sl_warden_pressure_percent(b->warden), "entries", "allow",
	        (json_int_t)sl_warden_count(b->warden, SL_WARDEN_ALLOW), "deny", (json_int_t)sl_warden_count(b->warden, SL_WARDEN_DENY), "bans",
	        (json_int_t)sl_warden_count(b->warden, SL_WARDEN_BAN));

	json_object_set_new(o, "dataplane", in_force(b));
	json_object_set_new(o, "policy", sl_guard_show_policy(b->config, g));
	json_object_set_new(o, "drops", sl_guard_show_drops(b, false));
	json_object_set_new(o, "would_drop", sl_guard_show_drops(b, true));
	json_object_set_new(o, "counters", own_counters(b));
	sl_api_json(r, 200, o);
}

/* ---- who is over a limit, who misbehaves ---- */

static json_t *overs(const struct sl_brain *b, size_t limit, int64_t now_ms)
{
	struct sl_warden_over *found = calloc(limit, sizeof *found);
	size_t n = found ? sl_warden_overs(b->warden, found, limit) : 0;
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, sl_guard_show_over(b, &found[i], now_ms));
	free(found);
	return all;
}

static json_t *worst(const struct sl_brain *b, size_t limit, int64_t now_ms)
{
	struct sl_warden_source *found = calloc(limit, sizeof *found);
	size_t n = found ? sl_warden_worst(b->warden, now_ms, found, limit) : 0;
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *o = sl_guard_show_source(&found[i], now_ms);
		const struct sl_warden_entry *e = sl_warden_decides(b->warden, &found[i].ip);

		json_object_set_new(o, "entry", e ? json_string(sl_guard_kind_text(e->kind)) : json_null());
		json_array_append_new(all, o);
	}
	free(found);
	return all;
}

static void sources(struct sl_brain *b, struct sl_http_request *r)
{
	int64_t now_ms = sl_now_ms();
	size_t limit = DEFAULT_LIMIT;

	if (sl_api_number(r, "limit", 1, SOURCES_MAX, &limit))
		sl_api_json(r, 200,
		        json_pack("{s:I, s:o, s:o}", "ban_score", (json_int_t)sl_warden_policy(b->warden)->reputation_ban, "over",
		                overs(b, limit, now_ms), "worst", worst(b, limit, now_ms)));
}

/* ---- lists and bans ---- */

static bool read_prefix(struct sl_http_request *r, const char *text, struct sl_prefix *p)
{
	char why[200];

	if (sl_prefix_read(text, p, why, sizeof why) == 0)
		return true;
	sl_api_error(r, 400, "prefix", "%s", why);
	return false;
}

static void list(struct sl_brain *b, struct sl_http_request *r, enum sl_warden_kind kind, const char *member)
{
	const struct sl_warden_entry *e;
	size_t limit, offset;

	if (!sl_api_page(r, DEFAULT_LIMIT, &limit, &offset))
		return;
	json_t *all = json_array();
	for (size_t i = 0; i < limit && (e = sl_warden_at(b->warden, kind, offset + i)); i++)
		json_array_append_new(all, sl_guard_show_entry(e));
	sl_api_json(r, 200, json_pack("{s:I, s:o}", "total", (json_int_t)sl_warden_count(b->warden, kind), member, all));
}

/* NULL: there is none. */
static json_t *find(const struct sl_brain *b, enum sl_warden_kind kind, const struct sl_prefix *p)
{
	const struct sl_warden_entry *e = sl_warden_find(b->warden, kind, p);

	return e ? sl_guard_show_entry(e) : NULL;
}

/* A change that waits for the store and the dataplane. */
struct change {
	struct sl_brain *b;
	struct sl_http_request *r;
	enum sl_warden_kind kind;
	struct sl_prefix prefix;
	bool replaces, removal;
};

static void refuse(struct sl_http_request *r, int error, const char *text)
{
	int status = error == -EINVAL ? 400 : error == -ENOENT ? 404 : error == -EPERM ? 403 : error == -ENOSPC || error == -EEXIST ? 409 : 503;

	sl_api_error(r, status, status == 503 ? NULL : "prefix", "%s", text);
}

static void changed(void *ctx, int error, const char *text)
{
	struct change *c = ctx;
	json_t *entry = error || c->removal ? NULL : find(c->b, c->kind, &c->prefix);

	if (error)
		refuse(c->r, error, text);
	else if (c->removal)
		sl_api_json(c->r, 200, json_pack("{s:s}", "status", "removed"));
	else if (entry)
		sl_api_json(c->r, c->replaces ? 200 : 201, entry);
	else /* its time was up, or somebody removed it, before it was stored */
		sl_api_json(c->r, 200, json_pack("{s:s}", "status", "gone again"));
	free(c);
}

/* It is shown on terminals and in logs. */
static bool is_printable(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0)) /* in UTF-8: U+0080 to U+009F */
			return false;
	}
	return true;
}

static const char *reason_of(struct sl_http_request *r, const json_t *body)
{
	const json_t *v = json_object_get(body, "reason");
	const char *text = json_string_value(v);

	if (!v)
		return "";
	if (text && json_string_length(v) == strlen(text) && strlen(text) <= SL_WARDEN_REASON_MAX && is_printable(text))
		return text;
	sl_api_error(r, 400, "reason", "must be a text of at most %d bytes without control characters", SL_WARDEN_REASON_MAX);
	return NULL;
}

static void put(struct sl_brain *b, struct sl_http_request *r, enum sl_warden_kind kind, const struct sl_prefix *p, struct change *c)
{
	static const char *const names[] = {"seconds", "reason", NULL};
	json_t *body = sl_guard_body(r, names, "{\"seconds\": 600, \"reason\": \"scans\"}"), *before;
	long long seconds = 0;
	const char *reason;
	char text[200] = "";

	if (!body || !sl_guard_number(r, body, "seconds", 0, SECONDS_MAX, &seconds) || !(reason = reason_of(r, body))) {
		json_decref(body);
		free(c);
		return;
	}
	if (kind == SL_WARDEN_ALLOW && sl_prefix_is_all(p)) {
		sl_api_error(r, 400, "prefix", "would let everybody pass every limit; to switch the guard off: PUT /v1/guard/policy {\"enabled\": false}, to see what "
		        "it would do: {\"dry_run\": true}");
		json_decref(body);
		free(c);
		return;
	}
	before = find(b, kind, p);
	c->replaces = before && strcmp(json_string_value(json_object_get(before, "origin")), "configuration") != 0;
	json_decref(before);
	int rc = sl_warden_put(b->warden, kind, p, (uint32_t)seconds, reason, changed, c, text, sizeof text);
	json_decref(body);
	if (rc < 0) {
		refuse(r, rc, text);
		free(c);
	}
}

static void one(struct sl_brain *b, struct sl_http_request *r, enum sl_warden_kind kind, const struct sl_prefix *p)
{
	char text[200] = "", shown[SL_ADDR_TEXT_MAX];
	json_t *entry;

	if (r->method == SL_HTTP_GET) {
		if ((entry = find(b, kind, p)))
			sl_api_json(r, 200, entry);
		else
			sl_api_error(r, 404, "prefix", "there is no %s of %s; what decides about an address: /v1/guard/explain?address=",
			        sl_guard_kind_text(kind), sl_prefix_text(p, shown));
		return;
	}
	struct change *c = calloc(1, sizeof *c);
	if (!c) {
		sl_api_error(r, 500, NULL, "no memory");
		return;
	}
	*c = (struct change){.b = b, .r = r, .kind = kind, .prefix = *p, .removal = r->method == SL_HTTP_DELETE};
	if (r->method == SL_HTTP_PUT) {
		put(b, r, kind, p, c);
		return;
	}
	int rc = sl_warden_remove(b->warden, kind, p, changed, c, text, sizeof text);
	if (rc < 0) {
		refuse(r, rc, text);
		free(c);
	}
}

/* rest: the prefix, or NULL. */
static void entries(struct sl_brain *b, struct sl_http_request *r, enum sl_warden_kind kind, const char *member, const char *rest)
{
	struct sl_prefix p;

	if (!rest && r->method == SL_HTTP_GET)
		list(b, r, kind, member);
	else if (!rest || (r->method != SL_HTTP_GET && r->method != SL_HTTP_PUT && r->method != SL_HTTP_DELETE))
		sl_api_error(r, 405, NULL, "/v1/guard/%s takes GET, one of them (/v1/guard/%s/192.0.2.0/24) takes GET, PUT and DELETE", member, member);
	else if (read_prefix(r, rest, &p))
		one(b, r, kind, &p);
}

/* ---- reports ---- */

static int signal_of(const char *text)
{
	static const char *const names[] = {
#define X(NAME, number, name, help) [number] = name,
	        SL_GUARD_SIGNALS(X)
#undef X
	};

	for (unsigned i = 0; text && i < SL_GUARD_N_SIGNALS; i++) {
		if (strcmp(text, names[i]) == 0)
			return (int)i;
	}
	return -1;
}

static void report(struct sl_brain *b, struct sl_http_request *r)
{
	static const char *const names[] = {"address", "signal", "n", NULL};
	json_t *body = sl_guard_body(r, names, "{\"address\": \"192.0.2.7\", \"signal\": \"fraud\", \"n\": 1}");
	const char *address = json_string_value(json_object_get(body, "address"));
	int64_t now_ms = sl_now_ms();
	struct sl_warden_source s;
	long long n = 1;
	struct sl_ip ip;

	if (!body)
		return;
	int what = signal_of(json_string_value(json_object_get(body, "signal")));
	if (!address || sl_ip_parse(address, &ip) != 0)
		sl_api_error(r, 400, "address", "must be an address, such as \"192.0.2.7\" or \"2001:db8::7\"");
	else if (what < 0)
		sl_api_error(r, 400, "signal",
		        "must be one of \"auth-failed\", \"unknown-user\", \"malformed\", \"forbidden\", \"fraud\", \"flood\"");
	else if (sl_guard_number(r, body, "n", 1, REPORT_MAX, &n)) {
		sl_warden_report(b->warden, &ip, (enum sl_guard_signal)what, (unsigned)n, now_ms);
		json_t *o = json_pack("{s:s}", "status", "counted");
		if (sl_warden_source(b->warden, &ip, now_ms, &s))
			json_object_update_new(o, sl_guard_show_source(&s, now_ms));
		const struct sl_warden_entry *e = sl_warden_decides(b->warden, &ip);
		json_object_set_new(o, "entry", e ? sl_guard_show_entry(e) : json_null());
		sl_api_json(r, 200, o);
	}
	json_decref(body);
}

/* ---- samples ---- */

static void sampled(void *ctx, uint8_t *pcap, size_t bytes, unsigned packets, unsigned lost, const char *error)
{
	struct sl_http_request *r = ctx;

	if (pcap)
		sl_http_answer(r, 200, "application/vnd.tcpdump.pcap", (const char *)pcap, bytes);
	else
		sl_api_error(r, 503, NULL, "%s", error ? error : "no packet could be copied");
	free(pcap);
}

static bool read_reason(struct sl_http_request *r, unsigned *reason)
{
	const char *asked = sl_http_arg(r, "reason");

	*reason = SL_GUARD_ANY;
	if (!asked)
		return true;
	for (unsigned d = 0; d < SL_N_DROPS; d++) {
		if (strcmp(asked, sl_drop_names[d].name) == 0) {
			*reason = d;
			return true;
		}
	}
	sl_api_error(r, 400, "reason", "'%s' is no reason to drop a packet; they are the drops of /v1/counters, such as guard_source_limit", asked);
	return false;
}

/* They hold what strangers sent, passwords' digests as well: more than looking. */
static void samples(struct sl_brain *b, struct sl_http_request *r)
{
	struct sl_warden_sample s = {0};
	const char *from = sl_http_arg(r, "from");
	size_t n = SAMPLE_N, seconds = SAMPLE_S;

	if (!(r->scopes & (SL_SCOPE_GUARD | SL_SCOPE_ADMIN))) {
		sl_api_error(r, 403, NULL, "this token has not the scope 'guard'");
		return;
	}
	if (!sl_api_number(r, "n", 1, SL_GUARD_SAMPLES_MAX, &n) || !sl_api_number(r, "seconds", 1, SAMPLE_S_MAX, &seconds) ||
	        !read_reason(r, &s.reason) || (from && !read_prefix(r, from, &s.from)))
		return;
	s.n = (unsigned)n;
	s.seconds = (unsigned)seconds;
	int rc = sl_warden_sample(b->warden, &s, sl_now_ms(), sampled, r);
	if (rc == -EBUSY)
		sl_api_error(r, 409, NULL, "samples are being taken already: wait for those, at most %d s", SAMPLE_S_MAX);
	else if (rc == -ENOTCONN)
		sl_api_error(r, 503, NULL, "the dataplane is away");
	else if (rc < 0)
		sl_api_error(r, 503, NULL, "no samples can be taken now: %s", strerror(-rc));
}

/* ---- routes ---- */

static const struct part {
	const char *path;
	void (*run)(struct sl_brain *b, struct sl_http_request *r);
	enum sl_http_method method; /* OTHER: its own matter */
} parts[] = {{"top", sl_guard_top, SL_HTTP_GET}, {"sources", sources, SL_HTTP_GET}, {"explain", sl_guard_explain, SL_HTTP_GET},
        {"samples", samples, SL_HTTP_GET}, {"report", report, SL_HTTP_POST}, {"policy", sl_guard_policy, SL_HTTP_OTHER}};

static const struct {
	const char *path;
	enum sl_warden_kind kind;
} lists[] = {{"allow", SL_WARDEN_ALLOW}, {"deny", SL_WARDEN_DENY}, {"bans", SL_WARDEN_BAN}};

void sl_api_guard(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	if (!rest && r->method == SL_HTTP_GET) {
		state(b, r);
		return;
	}
	for (unsigned i = 0; rest && i < sizeof parts / sizeof parts[0]; i++) {
		if (strcmp(rest, parts[i].path) != 0)
			continue;
		if (parts[i].method == SL_HTTP_OTHER || parts[i].method == r->method)
			parts[i].run(b, r);
		else
			sl_api_error(r, 405, NULL, "%s takes %s only", r->path, parts[i].method == SL_HTTP_GET ? "GET" : "POST");
		return;
	}
	for (unsigned i = 0; rest && i < sizeof lists / sizeof lists[0]; i++) {
		size_t n = strlen(lists[i].path);

		if (strncmp(rest, lists[i].path, n) == 0 && (rest[n] == '\0' || (rest[n] == '/' && rest[n + 1]))) {
			entries(b, r, lists[i].kind, lists[i].path, rest[n] ? rest + n + 1 : NULL);
			return;
		}
	}
	if (rest)
		sl_api_error(r, 404, NULL, "nothing here: %s", r->path);
	else
		sl_api_error(r, 405, NULL, "/v1/guard takes GET only");
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/b2bua_rig.h"


#include <errno.h>
#include <stdarg.h>

#include "controlplane/brain.h"

#include <sofia-sip/msg.h>
#include <sofia-sip/sip_parser.h>

struct b2bua_rig tb;

/* ---- legs ---- */

static void say(struct rig_leg *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct rig_leg *l, const char *fmt, ...)
{
	size_t n = strlen(l->log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->log + n, sizeof l->log - n, fmt, ap);
	va_end(ap);
}

static void given(struct rig_leg *l, struct sl_slice sdp, const char *headers)
{
	if (sdp.n)
		snprintf(l->sdp, sizeof l->sdp, "%.*s", (int)sdp.n, sdp.p);
	snprintf(l->headers, sizeof l->headers, "%s", headers ? headers : "");
	say(l, "%s;", sdp.n ? "+sdp" : "");
}

static int progress(struct sl_leg *l, int status, const char *reason, struct sl_slice sdp, const char *headers)
{
	say((struct rig_leg *)l, "progress %d", status);
	given((struct rig_leg *)l, sdp, headers);
	return 0;
}

static int answer(struct sl_leg *l, struct sl_slice sdp, const char *headers)
{
	say((struct rig_leg *)l, "answer");
	given((struct rig_leg *)l, sdp, headers);
	return 0;
}

static int offer(struct sl_leg *l, struct sl_slice sdp)
{
	struct rig_leg *r = (struct rig_leg *)l;
	int error = r->offer_error;

	r->offer_error = 0;
	if (error || r->offering)
		return error ? error : -EINPROGRESS;
	r->offering = true;
	say(r, "offer");
	given(r, sdp, NULL);
	return 0;
}

static int ack(struct sl_leg *l, struct sl_slice sdp)
{
	say((struct rig_leg *)l, "ack");
	given((struct rig_leg *)l, sdp, NULL);
	return 0;
}

static int respond(struct sl_leg *l, struct sl_leg_request *r, int status, const char *reason, struct sl_slice type, struct sl_slice body,
        const char *headers)
{
	bool *open = (bool *)r;

	assert_true(*open); /* once, and only what was asked */
	*open = false;
	say((struct rig_leg *)l, "respond %d", status);
	given((struct rig_leg *)l, body, headers);
	return ((struct rig_leg *)l)->respond_error;
}

static int request(struct sl_leg *l, const char *method, struct sl_slice type, struct sl_slice body, const char *headers, void *ctx)
{
	struct rig_leg *r = (struct rig_leg *)l;

	say(r, "%s %.*s", method, (int)(body.n > 11 ? 11 : body.n), body.p ? body.p : "");
	given(r, (struct sl_slice){0}, headers);
	r->request_ctx = ctx;
	assert_true(r->n_pending < 64);
	r->pending[r->n_pending++] = ctx;
	return 0;
}

static void hangup(struct sl_leg *l, const struct sl_cause *cause, const char *headers)
{
	say((struct rig_leg *)l, "hangup %u", cause->status);
	given((struct rig_leg *)l, (struct sl_slice){0}, headers);
}

static void save(const struct sl_leg *l, struct sl_blob_out *o)
{
}

static void free_leg(struct sl_leg *l)
{
	for (unsigned i = 0; i < tb.n_legs; i++) {
		if (tb.legs[i] == (struct rig_leg *)l)
			tb.legs[i] = NULL;
	}
	free(l);
}

static const struct sl_leg_ops ops = {"sip", progress, answer, offer, ack, respond, request, hangup, save, free_leg};

static struct rig_leg *leg_new(struct sl_call *c, enum sl_leg_direction d)
{
	struct rig_leg *l = calloc(1, sizeof *l);

	assert_non_null(l);
	assert_true(tb.n_legs < RIG_LEGS);
	assert_int_equal(sl_leg_init(&l->pub, c, &ops, d), 0);
	l->flow.listener = d == SL_LEG_IN ? 0 : 1;
	sl_endpoint_parse(d == SL_LEG_IN ? "198.51.100.10:5060" : "192.0.2.20:5060", &l->flow.remote);
	tb.legs[tb.n_legs++] = l;
	return l;
}

struct sl_leg *sl_sip_dial(struct sl_sip *s, struct sl_call *c, const struct sl_sip_dial *d)
{
	struct rig_leg *l = leg_new(c, SL_LEG_OUT);

	snprintf(l->request_uri, sizeof l->request_uri, "%s", d->request_uri);
	snprintf(l->from, sizeof l->from, "%s", d->from);
	say(l, "invite");
	given(l, d->sdp, d->headers);
	return &l->pub;
}

const struct sl_sip_flow *sl_sip_leg_flow(const struct sl_leg *l)
{
	return &((const struct rig_leg *)l)->flow;
}

bool sl_leg_is_sip(const struct sl_leg *l)
{
	return true;
}

bool sl_sip_leg_heard(const struct sl_leg *l)
{
	return ((const struct rig_leg *)l)->heard;
}

bool sl_sip_leg_supports(const struct sl_leg *l, const char *extension)
{
	return false;
}

bool sl_sip_leg_allows(const struct sl_leg *l, const char *method)
{
	return strcmp(method, "MESSAGE") != 0;
}

/* Dialogs are named by the leg's number: Call-ID "dialog-3". */
struct sl_leg *sl_sip_leg_find(struct sl_sip *s, const char *call_id, const char *their_tag, const char *our_tag)
{
	unsigned i;

	if (sscanf(call_id, "dialog-%u", &i) != 1 || i >= tb.n_legs || !tb.legs[i] || tb.legs[i]->pub.state != SL_LS_UP || strcmp(their_tag, "theirs") != 0 || strcmp(our_tag, "ours") != 0)
		return NULL;
	return &tb.legs[i]->pub;
}

int sl_sip_sdp(const sip_t *sip, struct sl_slice *out)
{
	*out = sip->sip_payload ? (struct sl_slice){sip->sip_payload->pl_data, sip->sip_payload->pl_len} : (struct sl_slice){0};
	return 0;
}

/* ---- SIP, registrar, routing, provisioning ---- */

const struct sl_conf_sip_listener *sl_sip_listener(const struct sl_sip *s, unsigned index)
{
	return &tb.media.config.sip.listeners[index];
}

struct sl_sip_counts *sl_sip_counts(struct sl_sip *s)
{
	static struct sl_sip_counts counts;

	return &counts;
}

const char *sl_sip_hop_text(const struct sl_sip_hop *h, char out[SL_CDR_ADDRESS_MAX])
{
	return strcpy(out, "udp:192.0.2.20:5060");
}

void sl_sip_hop_back(const struct sl_sip_flow *f, struct sl_sip_hop *out)
{
	*out = (struct sl_sip_hop){.to = f->remote, .listener = 1};
}

bool sl_sip_flow_is_open(const struct sl_sip *s, const struct sl_sip_flow *f)
{
	return true;
}

sl_ask sl_sip_resolve(struct sl_sip *s, const char *uri, unsigned role, sl_ask_fn fn, void *ctx)
{
	struct sl_resolved r = {.n = 1, .hops = {{.listener = 1}}};

	sl_endpoint_parse("192.0.2.20:5060", &r.hops[0].to);
	fn(ctx, 0, &r);
	return 1;
}

nta_agent_t *sl_sip_agent(const struct sl_sip *s)
{
	return NULL;
}

int sl_sip_hop_route(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h, url_t **route, tport_t **tport)
{
	return -ENOTCONN;
}

sip_route_t *sl_sip_hop_header(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h)
{
	return NULL;
}

unsigned sl_registrar_bindings(const struct sl_registrar *r, const struct sl_prov_user *user, const struct sl_binding **out, unsigned max)
{
	for (unsigned i = 0; i < tb.n_bindings; i++)
		out[i] = &tb.bindings[i];
	return tb.n_bindings;
}

struct sl_prov_user *sl_registrar_user_of(const struct sl_registrar *r, const url_t *uri, const struct sl_binding **binding)
{
	return NULL;
}

void sl_registrar_flow_closed(struct sl_registrar *r, const struct sl_prov_user *user, const struct sl_sip_flow *flow)
{
}

sl_ask sl_route_ask(struct sl_routing *r, const struct sl_route_query *q, int64_t deadline_ms, sl_ask_fn fn, void *ctx)
{
	struct sl_route_decision d = tb.decision;

	tb.query = *q;

	d.record = strdup("{}");
	fn(ctx, 0, &d);
	return 1;
}

int sl_route_use_begin(struct sl_routing *r, struct sl_route_use *u, bool emergency, int64_t now_ms, const struct sl_prov_limits **hit,
        const char **whose)
{
	static const struct sl_prov_limits limit = {.status = 486, .reason = "Trunk Full", .retry_after_s = 7};

	if (tb.busy > 0 && --tb.busy == 0) {
		*hit = &limit;
		return -EBUSY;
	}
	assert_false(u->counted);
	sl_prov_ref(u->snapshot);
	if (u->user)
		sl_prov_user_ref(u->user);
	u->counted = true;
	tb.uses++;
	tb.begun++;
	return 0;
}

void sl_route_use_end(struct sl_routing *r, struct sl_route_use *u)
{
	if (!u->counted)
		return;
	tb.uses--;
	u->counted = false;
	sl_prov_unref(u->snapshot);
	if (u->user)
		sl_prov_user_unref(u->user);
}

void sl_route_use_failed(struct sl_routing *r, const struct sl_route_use *u)
{
}

bool sl_route_target_is_up(const struct sl_routing *r, const char *trunk, unsigned target)
{
	return true;
}

const struct sl_prov_snapshot *sl_prov_now(const struct sl_prov *p)
{
	return &tb.snapshot;
}

const struct sl_prov_snapshot *sl_prov_ref(const struct sl_prov_snapshot *s)
{
	tb.snapshot.refs++;
	return s;
}

void sl_prov_unref(const struct sl_prov_snapshot *s)
{
	assert_true(tb.snapshot.refs-- > 0);
}

const struct sl_prov_domain *sl_prov_domain(const struct sl_prov_snapshot *s, const char *name, size_t len)
{
	static const struct sl_prov_domain lab = {.name = "lab.test"};

	return len == 8 && memcmp(name, lab.name, len) == 0 ? &lab : NULL;
}

const struct sl_prov_tenant *sl_prov_tenant(const struct sl_prov_snapshot *s, const char *name)
{
	return &tb.tenant;
}

const struct sl_prov_trunk *sl_prov_trunk(const struct sl_prov_snapshot *s, const char *name)
{
	return &tb.trunks[name[1] - '0'];
}

const struct sl_prov_trunk *sl_prov_trunk_of(const struct sl_prov_snapshot *s, const struct sl_endpoint *from, const char *tls_identity)
{
	return NULL;
}

struct sl_prov_user *sl_prov_user(const struct sl_prov *p, const char *name, size_t name_len, const char *domain, size_t domain_len)
{
	return name[0] == 'a' ? &tb.alice : &tb.bob;
}

struct sl_prov_user *sl_prov_user_ref(struct sl_prov_user *u)
{
	u->refs++;
	return u;
}

void sl_prov_user_unref(struct sl_prov_user *u)
{
	assert_true(u->refs-- > 0);
}

/* ---- reports ---- */

int sl_cdrs_commit(struct sl_cdrs *c, const struct sl_cdr *const *records, size_t n, sl_cdrs_done done, void *ctx)
{
	for (size_t i = 0; i < n && tb.n_cdrs < RIG_LEGS; i++)
		tb.cdrs[tb.n_cdrs++] = *records[i];
	assert_true(tb.n_done < RIG_LEGS);
	tb.done[tb.n_done] = done;
	tb.done_ctx[tb.n_done++] = ctx;
	return 0;
}

static void committed(void)
{
	while (tb.n_done) {
		tb.n_done--;
		tb.done[tb.n_done](tb.done_ctx[tb.n_done], 0);
	}
}

void sl_trace_add(struct sl_trace *t, const struct sl_id *call, uint64_t *last, const struct sl_trace_about *about, const void *data, size_t len)
{
}

int64_t sl_now_ms(void)
{
	return tb.now_ms;
}

/* ---- setting up ---- */

int b2bua_setup(void **state)
{
	char text[200];

	memset(&tb, 0, sizeof tb);
	rig_open(&tb.media);
	rig_attach(&tb.media, 1);
	tb.now_ms = 1000000;
	strcpy(tb.media.config.sip.listeners[0].media, "public");
	strcpy(tb.media.config.sip.listeners[1].media, "private");
	tb.media.config.sip.n_listeners = 2;
	strcpy(tb.tenant.name, "lab");
	for (unsigned i = 0; i < 3; i++) {
		struct sl_prov_trunk *t = &tb.trunks[i];
		snprintf(t->name, sizeof t->name, "t%u", i);
		t->n_targets = 1;
		snprintf(t->targets[0].uri, sizeof t->targets[0].uri, "sip:t%u.example", i);
		t->timeout_ms = 4000;
		t->n_failover = 2;
		t->failover[0] = 408;
		t->failover[1] = 503;
	}
	strcpy(tb.alice.name, "alice");
	strcpy(tb.alice.domain, "lab.test");
	tb.alice.srtp = tb.bob.srtp = SL_PROV_SRTP_ASIS;
	strcpy(tb.bob.name, "bob");
	strcpy(tb.bob.domain, "lab.test");
	strcpy(tb.bob.tenant, "lab");
	for (unsigned i = 0; i < 4; i++) {
		static const char *const contacts[] = {"sip:bob@192.0.2.20:1", "sip:bob@192.0.2.20:2", "sip:bob@192.0.2.20:3", "sip:bob@192.0.2.20:4"};
		tb.bindings[i] = (struct sl_binding){.contact = contacts[i], .path = "", .instance = "", .q = 1000};
		sl_endpoint_parse("192.0.2.20:5060", &tb.bindings[i].flow.remote);
	}
	tb.n_bindings = 1;
	tb.timers = sl_timers_new();
	tb.asks = sl_asks_new(tb.timers);
	tb.events = sl_call_events_new();
	struct sl_calls_options o = {.timers = tb.timers, .asks = tb.asks, .events = tb.events, .media = tb.media.m, .cdrs = (struct sl_cdrs *)&tb,
		.journal_fd = -1, .max_calls = 16};
	tb.calls = sl_calls_open(&o, text, sizeof text);
	assert_non_null(tb.calls);
	struct sl_b2bua_options bo = {.config = &tb.media.config, .sip = (struct sl_sip *)&tb, .calls = tb.calls, .prov = (struct sl_prov *)&tb,
		.routing = (struct sl_routing *)&tb, .registrar = (struct sl_registrar *)&tb, .media = tb.media.m, .events = tb.events, .asks = tb.asks};
	tb.b = sl_b2bua_open(&bo);
	assert_non_null(tb.b);
	return 0;
}

int b2bua_teardown(void **state)
{
	sl_calls_close(tb.calls);
	sl_b2bua_close(tb.b);
	rig_close(&tb.media);
	sl_call_events_free(tb.events);
	sl_asks_free(tb.asks);
	sl_timers_free(tb.timers);
	assert_int_equal(tb.uses, 0);
	assert_int_equal(tb.snapshot.refs, 0);
	assert_int_equal(tb.alice.refs, 0);
	assert_int_equal(tb.bob.refs, 0);
	return 0;
}

void to_bob(void)
{
	tb.decision = (struct sl_route_decision){.n = 1, .candidates = {{.user = &tb.bob, .called = "bob", .caller = "alice"}}};
}

void to_trunks(unsigned n)
{
	tb.decision = (struct sl_route_decision){.n = n};
	for (unsigned i = 0; i < n; i++)
		tb.decision.candidates[i] = (struct sl_route_candidate){.trunk = &tb.trunks[i], .called = "+1555", .caller = "+4930100"};
}

/* ---- what happens ---- */

struct rig_leg *new_call(const char *user, const char *sdp, struct sl_leg *replaces)
{
	struct sl_call *c = sl_call_new(tb.calls, "lab", "sip:alice@lab.test", "sip:bob@lab.test");
	struct rig_leg *l = leg_new(c, SL_LEG_IN);
	struct sl_sip_caller who = {.tenant = &tb.tenant, .user = user[0] == 'a' ? &tb.alice : &tb.bob, .flow = l->flow};
	char text[6000];
	snprintf(text, sizeof text,
	        "INVITE sip:bob@lab.test SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.10;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n"
	        "From: <sip:%s@lab.test>;tag=1\r\nTo: <sip:bob@lab.test>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nSubject: s\r\n%s"
	        "Content-Length: %zu\r\n\r\n%s", user, sdp ? "Content-Type: application/sdp\r\n" : "", sdp ? strlen(sdp) : 0, sdp ? sdp : "");
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, strlen(text));
	sl_b2bua_invite(tb.b, c, &l->pub, &who, (sip_t *)msg_public(msg, SIP_PROTOCOL_TAG), replaces);
	msg_destroy(msg);
	return l;
}

struct rig_leg *call_begins(const char *sdp)
{
	struct rig_leg *l = new_call("alice", sdp, NULL);

	tb.call = l->pub.call;
	return l;
}

static struct sl_slice slice(const char *text)
{
	return text ? (struct sl_slice){text, strlen(text)} : (struct sl_slice){0};
}

void tells_fork(struct rig_leg *l, int status, unsigned fork, const char *sdp)
{
	struct sl_leg_event e = {.type = SL_LE_PROGRESS, .status = status, .reason = "", .fork = fork, .sdp = slice(sdp)};

	l->heard = true;
	sl_leg_tell(&l->pub, &e);
}

void tells(struct rig_leg *l, enum sl_leg_event_type type, int status, const char *sdp)
{
	struct sl_leg_event e = {.type = type, .status = status, .reason = "words", .sdp = slice(sdp), .ctx = l->request_ctx};

	l->heard = true;
	if (type == SL_LE_OFFER_ANSWERED)
		l->offering = false;
	for (unsigned i = 0; type == SL_LE_RESPONSE && i < l->n_pending; i++) {
		if (l->pending[i] == e.ctx) {
			l->pending[i] = l->pending[--l->n_pending];
			break;
		}
	}
	sl_leg_tell(&l->pub, &e);
}

void asks(struct rig_leg *l, enum sl_leg_event_type type, const char *method, const char *text, const char *sdp)
{
	struct sl_leg_event e = {.type = type, .method = method, .sdp = slice(sdp), .request = (struct sl_leg_request *)&l->open[l->n_open % 256]};
	msg_t *msg = text ? msg_make(sip_default_mclass(), 0, text, strlen(text)) : NULL;

	l->open[l->n_open++ % 256] = true;
	e.message = msg ? msg_public(msg, SIP_PROTOCOL_TAG) : NULL;
	sl_leg_tell(&l->pub, &e);
	if (msg)
		msg_destroy(msg);
}

void ends(struct rig_leg *l, int status)
{
	struct sl_leg_event e = {.type = SL_LE_ENDED, .cause = {.status = (uint16_t)status, .by = SL_BY_CALLEE, .text = "said so"}};

	sl_leg_tell(&l->pub, &e);
}

void tick(int64_t ms)
{
	tb.now_ms += ms;
	rig_answer_commands(&tb.media, NULL);
	rig_tick(&tb.media, ms);
	sl_timers_run(tb.timers, tb.now_ms);
	committed();
}

bool was(const struct rig_leg *l, const char *what)
{
	if (strstr(l->log, what))
		return true;
	print_message("not '%s' in '%s'\n", what, l->log);
	return false;
}

void forget(void)
{
	for (unsigned i = 0; i < tb.n_legs; i++) {
		if (tb.legs[i])
			tb.legs[i]->log[0] = tb.legs[i]->sdp[0] = tb.legs[i]->headers[0] = '\0';
	}
}

void all_over(void)
{
	for (unsigned i = 0; i < tb.n_legs; i++) {
		if (tb.legs[i] && tb.legs[i]->pub.state != SL_LS_ENDED)
			ends(tb.legs[i], 200);
	}
	/* The model's timers are the machine's clock. */
	for (int i = 0; i < 5; i++) {
		tick(200);
		sl_timers_run(tb.timers, INT64_MAX / 2);
		committed();
	}
	assert_int_equal(sl_calls_n(tb.calls), 0);
	assert_int_equal(sl_media_n_sessions(tb.media.m), 0);
	assert_int_equal(tb.uses, 0);
}

const char *sdp_from(unsigned host, unsigned port, const char *proto)
{
	static char text[4][600];
	static unsigned next;
	char *p = text[next++ % 4];
	bool secure = strstr(proto, "SAVP");

	snprintf(p, sizeof text[0],
	        "v=0\r\no=x%u 1 1 IN IP4 192.0.2.%u\r\ns=-\r\nc=IN IP4 192.0.2.%u\r\nt=0 0\r\nm=audio %u %s 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
	        "a=rtpmap:101 telephone-event/8000\r\n%sa=sendrecv\r\n",
	        host, host, host, port, proto, secure ? "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw\r\n" : "");
	return p;
}

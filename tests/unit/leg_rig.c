/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "tests/unit/leg_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <sofia-sip/msg_addr.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/su_tagarg.h>
#include <sofia-sip/tport_tag.h>

#include "controlplane/brain.h"
#include "controlplane/registrar/registrar.h"
#include "controlplane/sip/resolve.h"

struct sl_sip {
	struct sl_sip_options o;
	struct sl_config config;
	nta_agent_t *agent;
};

struct rig rig;
static struct sl_sip sip;
const char *const rig_sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
const char *const rig_sdp2 = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 8\r\n";

/* ---- the transport's side ---- */

const struct sl_sip_options *sl_sip_options(const struct sl_sip *s)
{
	return &s->o;
}

nta_agent_t *sl_sip_agent(const struct sl_sip *s)
{
	return s->agent;
}

const struct sl_conf_sip_listener *sl_sip_listener(const struct sl_sip *s, unsigned index)
{
	return index < s->config.sip.n_listeners ? &s->config.sip.listeners[index] : NULL;
}

void sl_sip_flow_of(struct sl_sip *s, msg_t *msg, const sip_t *m, struct sl_sip_flow *out)
{
	const su_sockaddr_t *from = msg_addr(msg);

	(void)m;
	*out = (struct sl_sip_flow){ .local = s->config.sip.listeners[0].address };
	sl_ip_set_v4(&out->remote.ip, from->su_sin.sin_addr.s_addr);
	out->remote.port_be = from->su_port;
}

bool sl_sip_flow_is_open(const struct sl_sip *s, const struct sl_sip_flow *f)
{
	(void)s;
	return f->transport == SL_SIP_UDP || !rig.flow_closed;
}

const char *sl_sip_hop_text(const struct sl_sip_hop *h, char out[SL_CDR_ADDRESS_MAX])
{
	char text[SL_ADDR_TEXT_MAX];

	snprintf(out, SL_CDR_ADDRESS_MAX, "udp:%.40s", sl_endpoint_text(&h->to, text));
	return out;
}

int sl_sip_hop_route(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h, url_t **route, tport_t **tport)
{
	char text[SL_ADDR_TEXT_MAX], uri[128];

	if (h->by_flow && !sl_sip_flow_is_open(s, &h->flow))
		return -ENOTCONN;
	snprintf(uri, sizeof uri, "sip:%s;transport=udp", sl_endpoint_text(&h->to, text));
	*route = url_make(home, uri);
	*tport = tport_primaries(nta_agent_tports(s->agent));
	return *route ? 0 : -ENOMEM;
}

sip_route_t *sl_sip_hop_header(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h)
{
	(void)s;
	(void)home;
	(void)h;
	return NULL;
}

sip_contact_t *sl_sip_contact(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h, const char *user)
{
	(void)s;
	(void)h;
	return sip_contact_format(home, "<sip:%s@127.0.0.1:%u>", user, rig.sip_port);
}

void sl_sip_hop_back(const struct sl_sip_flow *f, struct sl_sip_hop *out)
{
	*out = (struct sl_sip_hop){ .to = f->remote, .by_flow = true, .flow = *f };
}

bool sl_sip_is_emergency(struct sl_sip *s, const sip_t *m)
{
	(void)s;
	return m->sip_request->rq_url->url_user && strcmp(m->sip_request->rq_url->url_user, "112") == 0;
}

void sl_sip_refuse(struct sl_sip *s, msg_t *msg, const sip_t *m, int status, const char *phrase, tag_type_t tag, tag_value_t value, ...)
{
	ta_list ta;

	(void)m;
	ta_start(ta, tag, value);
	nta_msg_treply(s->agent, msg, status, phrase, ta_tags(ta));
	(void)ta_end(ta);
}

void sl_sip_trace(struct sl_sip *s, struct sl_call *c, const struct sl_leg *l, bool in, msg_t *msg, const struct sl_sip_flow *flow)
{
	(void)s;
	(void)l;
	(void)in;
	(void)flow;
	assert_non_null(c);
	assert_non_null(msg);
}

sl_ask sl_sip_resolve(struct sl_sip *s, const char *uri, unsigned role, sl_ask_fn fn, void *ctx)
{
	(void)s;
	(void)role;
	assert_non_null(strstr(uri, "peer.example"));
	rig.resolve_fn = fn;
	rig.resolve_ctx = ctx;
	if (!rig.resolve_later)
		rig_resolved(rig.port);
	return 1;
}

void rig_resolved(uint16_t port)
{
	struct sl_resolved r = { .n = 1 };

	sl_ip_set_v4(&r.hops[0].to.ip, htonl(INADDR_LOOPBACK));
	r.hops[0].to.port_be = htons(port);
	rig.resolve_fn(rig.resolve_ctx, 0, &r);
}

struct sl_prov_user *sl_registrar_user_of(const struct sl_registrar *r, const url_t *uri, const struct sl_binding **binding)
{
	(void)r;
	(void)uri;
	(void)binding;
	return NULL;
}

unsigned sl_registrar_bindings(const struct sl_registrar *r, const struct sl_prov_user *user, const struct sl_binding **out, unsigned max)
{
	(void)r;
	(void)user;
	(void)out;
	(void)max;
	return 0;
}

int sl_digest_answer(const char *const *challenges, unsigned n, const char *username, const char *realm, const uint8_t ha1_md5[16],
        const uint8_t ha1_sha256[32], const char *method, const char *uri, unsigned nonce_count, char *out, size_t out_len)
{
	(void)realm;
	(void)ha1_md5;
	(void)ha1_sha256;
	assert_int_equal(n, 1);
	assert_non_null(strstr(challenges[0], "nonce"));
	snprintf(out, out_len, "Digest username=\"%s\", realm=\"r\", nonce=\"n\", uri=\"%s\", response=\"%s-%u\"", username, uri, method, nonce_count);
	return 0;
}

int64_t sl_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int message(nta_agent_magic_t *magic, nta_agent_t *agent, msg_t *msg, sip_t *m)
{
	struct sl_sip_caller who = {0};

	(void)magic;
	if (m->sip_status) {
		if (!sl_sip_leg_response(&sip, msg, m))
			nta_msg_discard(agent, msg);
	} else if (m->sip_request->rq_method == sip_method_invite && m->sip_to->a_tag == NULL) {
		sl_sip_flow_of(&sip, msg, m, &who.flow);
		rig.leg = sl_sip_leg_incoming(&sip, msg, m, &who);
	} else if (m->sip_request->rq_method == sip_method_ack)
		nta_msg_discard(agent, msg);
	else
		nta_msg_treply(agent, msg, SIP_481_NO_CALL, TAG_END());
	return 0;
}

/* ---- the call model's side ---- */

static struct sl_leg_kind kind;

void sl_calls_add_kind(struct sl_calls *cs, const struct sl_leg_kind *k)
{
	(void)cs;
	kind = *k;
}

struct sl_call *sl_call_new(struct sl_calls *cs, const char *tenant, const char *from, const char *to)
{
	(void)cs;
	(void)tenant;
	rig.call = calloc(1, sizeof *rig.call);
	snprintf(rig.call->from, sizeof rig.call->from, "%s", from);
	snprintf(rig.call->to, sizeof rig.call->to, "%s", to);
	return rig.call;
}

static const struct sl_cdr *restoring;
static enum sl_leg_state restoring_state;

int sl_leg_init(struct sl_leg *l, struct sl_call *c, const struct sl_leg_ops *ops, enum sl_leg_direction d)
{
	l->call = c;
	l->ops = ops;
	l->direction = d;
	l->cdr.direction = (uint8_t)d;
	if (restoring) {
		l->cdr = *restoring;
		l->state = restoring_state;
	}
	c->legs[c->n_legs++] = l;
	return 0;
}

int64_t sl_call_unix_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void sl_call_changed(struct sl_call *c)
{
	assert_non_null(c);
	rig.changed++;
}

void sl_call_close(struct sl_call *c, const struct sl_cause *cause)
{
	(void)c;
	(void)cause;
}

static const char *const names[] = {
	[SL_LE_PROGRESS] = "PROGRESS", [SL_LE_ANSWERED] = "ANSWERED", [SL_LE_ACKED] = "ACKED", [SL_LE_OFFER] = "OFFER",
	[SL_LE_OFFER_ANSWERED] = "OFFER_ANSWERED", [SL_LE_REQUEST] = "REQUEST", [SL_LE_RESPONSE] = "RESPONSE", [SL_LE_ENDED] = "ENDED",
};

void sl_leg_tell(struct sl_leg *l, const struct sl_leg_event *e)
{
	size_t n = strlen(rig.events);

	assert_true(l->state < SL_LS_ENDED);
	if (l->state == SL_LS_ENDING && e->type != SL_LE_ENDED) {
		const struct sl_slice none = {0};

		if (e->request)
			l->ops->respond(l, e->request, 481, "Call Leg/Transaction Does Not Exist", none, none, NULL);
		return;
	}
	snprintf(rig.events + n, sizeof rig.events - n, "%s status=%d fork=%u%s sdp=%zu method=%s body=%.*s cause=%u/%u/%u %s\n", names[e->type],
	        e->status, e->fork, e->reliable ? " reliable" : "", e->sdp.n, e->method ? e->method : "-", (int)e->body.n, e->body.n ? e->body.p : "",
	        e->cause.status, e->cause.q850, e->cause.by, e->cause.text);
	if (e->request)
		rig.request = e->request;
	if (e->type == SL_LE_PROGRESS && l->state == SL_LS_TRYING)
		l->state = SL_LS_EARLY;
	if (e->type == SL_LE_ANSWERED)
		l->state = SL_LS_UP;
	if (e->type == SL_LE_ENDED)
		l->state = SL_LS_ENDED;
	if (e->type == SL_LE_OFFER && rig.auto_respond)
		l->ops->respond(l, e->request, 200, "OK", rig_slice("application/sdp"), rig_slice(rig_sdp2), NULL);
}

/* ---- the rig ---- */

static void agent_open(void)
{
	char url[64];

	snprintf(url, sizeof url, "sip:127.0.0.1:%u;transport=udp", rig.sip_port);
	sip.agent = nta_agent_create(sip.o.root, (url_string_t *)(void *)url, message, (nta_agent_magic_t *)&sip, NTATAG_UA(1), NTATAG_MERGE_482(1),
	        NTATAG_SIP_T1(RIG_T1_MS), NTATAG_SIP_T1X64(64 * RIG_T1_MS), NTATAG_SIP_T2(4 * RIG_T1_MS), NTATAG_SIP_T4(5 * RIG_T1_MS),
	        NTATAG_UDP_MTU(65535), NTATAG_SERVER_RPORT(2), NTATAG_USE_NAPTR(0), NTATAG_USE_SRV(0), TAG_END());
	assert_non_null(sip.agent);
	sl_sip_leg_register_kind(&sip);
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;

	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.sin_port);
}

int rig_peer(int fd)
{
	struct sockaddr_in at;
	socklen_t len = sizeof at;

	if (fd < 0) {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		bound_port(fd);
	}
	getsockname(fd, (struct sockaddr *)&at, &len);
	rig.peer = fd;
	rig.port = ntohs(at.sin_port);
	return fd;
}

void rig_open(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memset(&rig, 0, sizeof rig);
	memset(&sip, 0, sizeof sip);
	rig.sip_port = bound_port(fd);
	close(fd);
	rig_peer(-1);
	su_init();
	sip.config.sip.n_listeners = 1;
	sip.config.sip.listeners[0].role = SL_SIP_PEERING;
	sl_ip_set_v4(&sip.config.sip.listeners[0].address.ip, htonl(INADDR_LOOPBACK));
	sip.config.sip.listeners[0].address.port_be = htons(rig.sip_port);
	static char agent[] = "Sluice";

	sip.config.sip.user_agent = agent;
	sip.o.config = &sip.config;
	sip.o.root = su_root_create(NULL);
	sip.o.timers = rig.timers = sl_timers_new();
	sip.o.asks = sl_asks_new(rig.timers);
	rig.sip = &sip;
	agent_open();
}

static void call_free(struct sl_call *c)
{
	for (unsigned i = 0; c && i < c->n_legs; i++)
		c->legs[i]->ops->free(c->legs[i]);
	free(c);
}

void rig_close(void)
{
	call_free(rig.call);
	assert_int_equal(sl_sip_legs_n(), 0);
	nta_agent_destroy(sip.agent);
	sl_asks_free(sip.o.asks);
	sl_timers_free(rig.timers);
	su_root_destroy(sip.o.root);
	su_deinit();
	close(rig.peer);
}

struct sl_leg *rig_restart(void)
{
	static uint8_t record[16384];
	struct sl_blob_out o = { .p = record, .end = record + sizeof record };
	struct sl_cdr cdr = rig.leg->cdr;
	struct sl_call *old = rig.call;

	rig.leg->ops->save(rig.leg, &o);
	assert_false(o.full);
	restoring_state = rig.leg->state;
	call_free(old);
	nta_agent_destroy(sip.agent);
	agent_open();
	sl_call_new(NULL, "", "", "");
	restoring = &cdr;
	struct sl_blob_in in = { .p = record, .end = o.p };

	rig.leg = kind.restore(kind.ctx, rig.call, &in);
	restoring = NULL;
	assert_non_null(rig.leg);
	assert_false(in.bad);
	assert_ptr_equal(in.p, in.end);
	return rig.leg;
}

static void step(void)
{
	su_root_step(sip.o.root, 5);
	sl_timers_run(rig.timers, sl_now_ms());
}

void rig_run(int ms)
{
	for (int64_t until = sl_now_ms() + ms; sl_now_ms() < until;)
		step();
}

static bool receive(void)
{
	ssize_t n = recv(rig.peer, rig.got, sizeof rig.got - 1, 0);

	if (n <= 0)
		return false;
	rig.got[n] = '\0';
	if (getenv("RIG_SHOW"))
		printf("<<< %u\n%s\n", rig.port, rig.got);
	return true;
}

bool rig_quiet(int ms)
{
	for (int64_t until = sl_now_ms() + ms; sl_now_ms() < until;) {
		step();
		if (receive())
			return false;
	}
	return true;
}

void rig_never(const char *begins, int ms)
{
	for (int64_t until = sl_now_ms() + ms; sl_now_ms() < until;) {
		step();
		if (receive() && strncmp(rig.got, begins, strlen(begins)) == 0)
			fail_msg("it came too early:\n%s", rig.got);
	}
}

static void wait_for(const char *begins, bool strict)
{
	for (int64_t until = sl_now_ms() + 10000; sl_now_ms() < until;) {
		if (receive()) {
			if (strncmp(rig.got, begins, strlen(begins)) == 0)
				return;
			if (strict)
				fail_msg("expected \"%s\", got:\n%s\nevents:\n%s", begins, rig.got, rig.events);
			continue;
		}
		step();
	}
	fail_msg("\"%s\" did not come; events:\n%s", begins, rig.events);
}

void rig_expect(const char *begins)
{
	wait_for(begins, true);
}

void rig_await(const char *begins)
{
	wait_for(begins, false);
}

void rig_event(const char *contains)
{
	for (int64_t until = sl_now_ms() + 10000; sl_now_ms() < until;) {
		if (strstr(rig.events, contains)) {
			rig.events[0] = '\0';
			return;
		}
		step();
	}
	fail_msg("no event \"%s\"; there were:\n%s", contains, rig.events);
}

void rig_send(const char *format, ...)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(rig.sip_port) };
	char text[RIG_TEXT];
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(text, sizeof text, format, ap);

	va_end(ap);
	if (getenv("RIG_SHOW"))
		printf(">>> %u\n%s\n", rig.port, text);
	assert_int_equal(sendto(rig.peer, text, (size_t)n, 0, (struct sockaddr *)&to, sizeof to), n);
}

const char *rig_header(const char *name)
{
	static char values[8][1024];
	static unsigned at;
	char *out = values[at++ % 8];
	size_t len = strlen(name);

	out[0] = '\0';
	for (const char *p = rig.got; (p = strstr(p, "\r\n")) != NULL && strncmp(p, "\r\n\r\n", 4) != 0;) {
		p += 2;
		if (strncasecmp(p, name, len) == 0 && p[len] == ':') {
			p += len + 1;
			while (*p == ' ')
				p++;
			snprintf(out, 1024, "%.*s", (int)strcspn(p, "\r"), p);
			break;
		}
	}
	return out;
}

const char *rig_tag(const char *name)
{
	const char *value = strstr(rig_header(name), "tag=");

	return value ? value + 4 : "";
}

struct sl_slice rig_slice(const char *text)
{
	return (struct sl_slice){ text, text ? strlen(text) : 0 };
}

struct sl_leg *rig_dial(const struct sl_sip_dial *more)
{
	struct sl_sip_dial d = more ? *more : (struct sl_sip_dial){ .sdp = rig_slice(rig_sdp) };
	char uri[64];

	if (rig.call == NULL)
		sl_call_new(NULL, "", "", "");
	snprintf(uri, sizeof uri, "sip:bob@127.0.0.1:%u", rig.port);
	if (d.hop.to.port_be == 0) {
		d.hop.to.port_be = htons(rig.port);
		sl_ip_set_v4(&d.hop.to.ip, htonl(INADDR_LOOPBACK));
	}
	d.request_uri = uri;
	d.from = "\"Alice\" <sip:alice@example.com>";
	d.to = "<sip:bob@example.com>";
	return rig.leg = sl_sip_dial(&sip, rig.call, &d);
}

void rig_invite(const char *call_id, const char *extra, const char *sdp)
{
	rig_send("INVITE sip:bob@127.0.0.1:%u SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;rport;branch=z9hG4bK-%s\r\nMax-Forwards: 70\r\n"
	         "From: <sip:carol@example.com>;tag=carol\r\nTo: <sip:bob@example.com>\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\n"
	         "Contact: <sip:carol@127.0.0.1:%u>\r\n%s%sContent-Length: %zu\r\n\r\n%s", rig.sip_port, rig.port, call_id, call_id, rig.port, extra,
	        sdp ? "Content-Type: application/sdp\r\n" : "", sdp ? strlen(sdp) : 0, sdp ? sdp : "");
	rig_expect("SIP/2.0 100");
	assert_non_null(rig.leg);
}

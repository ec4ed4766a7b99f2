/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Answers to REGISTER: without a transaction, so that a refresh leaves nothing behind. */

#include "controlplane/registrar/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <sofia-sip/msg_addr.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/tport_tag.h>

enum { FLOW_TIMER_S = 120 }; /* RFC 5626 4.4.1: a connection without a keep-alive for so long may be given up */

static const char *server_of(const struct sl_registrar *r)
{
	const char *name = sl_reg_conf(r)->user_agent;

	return name && *name ? name : NULL;
}

/* Over the connection it came by, which nta does not know any more (RFC 3261 18.2.2, RFC 3581). */
static void answer_later(struct sl_registrar *r, struct sl_reg_request *q, int status, const char *phrase, const char *headers)
{
	nta_agent_t *agent = sl_sip_agent(r->sip);
	msg_t *reply = nta_msg_create(agent, 0);
	sip_t *sip = reply ? sip_object(reply) : NULL;
	const char *server = server_of(r);

	if (sip && msg_header_insert(reply, (msg_pub_t *)sip, (msg_header_t *)sip_status_create(msg_home(reply), (unsigned)status, phrase, NULL)) >= 0 &&
	        sip_add_tl(reply, sip, SIPTAG_VIA(q->sip->sip_via), SIPTAG_FROM(q->sip->sip_from), SIPTAG_TO(q->sip->sip_to),
	                SIPTAG_CALL_ID(q->sip->sip_call_id), SIPTAG_CSEQ(q->sip->sip_cseq), TAG_IF(headers, SIPTAG_HEADER_STR(headers)),
	                TAG_IF(server, SIPTAG_SERVER_STR(server)), TAG_END()) >= 0 &&
	        sip_complete_message(reply) >= 0 && sip->sip_via && sip->sip_to &&
	        (sip->sip_to->a_tag || sip_to_tag(msg_home(reply), sip->sip_to, nta_agent_newtag(msg_home(reply), "tag=%s", agent)) >= 0) &&
	        msg_serialize(reply, (msg_pub_t *)sip) >= 0) {
		const sip_via_t *via = sip->sip_via;
		tp_name_t name[1] = { {
			.tpn_proto = q->flow.transport == SL_SIP_UDP ? "udp" : "tcp",
			.tpn_host = via->v_received ? via->v_received : via->v_host,
			.tpn_port = via->v_rport && *via->v_rport ? via->v_rport : via->v_port ? via->v_port : "5060",
		} };

		name->tpn_canon = name->tpn_host;
		tport_tsend(q->tport, reply, name, TPTAG_MTU(INT_MAX), TAG_END());
	}
	if (reply)
		msg_destroy(reply);
}

void sl_reg_request_drop(struct sl_reg_request *q)
{
	if (q->msg)
		msg_destroy(q->msg);
	if (q->tport)
		tport_unref(q->tport);
	if (q->user)
		sl_prov_user_unref(q->user);
	*q = (struct sl_reg_request){ 0 };
}

void sl_reg_request_hold(struct sl_registrar *r, struct sl_reg_request *q)
{
	if (!q->tport)
		q->tport = tport_ref(tport_delivered_by(nta_agent_tports(sl_sip_agent(r->sip)), q->msg));
}

void sl_reg_answer(struct sl_registrar *r, struct sl_reg_request *q, int status, const char *phrase, const char *headers)
{
	const char *server = server_of(r);

	if (!q->msg || !r->sip) {
		; /* SIP has gone meanwhile */
	} else if (q->tport) {
		answer_later(r, q, status, phrase, headers);
	} else {
		msg_t *msg = q->msg;

		q->msg = NULL;
		if (status >= 300)
			sl_sip_refuse(r->sip, msg, q->sip, status, phrase, TAG_IF(headers, SIPTAG_HEADER_STR(headers)), TAG_END());
		else
			nta_msg_treply(sl_sip_agent(r->sip), msg, status, phrase, TAG_IF(headers, SIPTAG_HEADER_STR(headers)),
			        TAG_IF(server, SIPTAG_SERVER_STR(server)), TAG_END());
	}
	sl_reg_request_drop(q);
}

/* ---- the 200 ---- */

struct lines {
	char *p, *end;
	bool full;
};

static void __attribute__((format(printf, 2, 3))) add(struct lines *l, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(l->p, (size_t)(l->end - l->p), format, args);
	va_end(args);
	if (n < 0 || n >= l->end - l->p)
		l->full = true;
	else
		l->p += n;
}

static void add_contact(struct sl_registrar *r, struct lines *l, const struct sl_reg_binding *x, int64_t now_ms, bool gruu)
{
	const struct sl_binding *b = &x->b;

	add(l, "Contact: <%s>;expires=%lld", b->contact, (long long)((b->expires_unix_ms - now_ms + 999) / 1000));
	if (b->q != 1000)
		add(l, ";q=0.%03u", b->q);
	if (*b->instance)
		add(l, ";+sip.instance=\"<%s>\"", b->instance);
	if (b->reg_id)
		add(l, ";reg-id=%u", b->reg_id);
	if (gruu && *b->pub_gruu) {
		char token[SL_GRUU_TOKEN];

		sl_gruu_temp(r, x, token);
		add(l, ";pub-gruu=\"%s\";temp-gruu=\"sip:%s@%s;gr\"", b->pub_gruu, token, x->aor->name + x->aor->name_len + 1);
	}
	add(l, "\r\n");
}

/* RFC 3261 10.3 step 8: the client's clock. Made once a second. */
static const char *date_line(int64_t now_ms)
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	static time_t made;
	static char line[64];
	time_t now = (time_t)(now_ms / 1000);
	struct tm t;

	if (now != made && gmtime_r(&now, &t)) {
		snprintf(line, sizeof line, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[t.tm_wday], t.tm_mday, months[t.tm_mon],
		        t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
		made = now;
	}
	return line;
}

void sl_reg_answer_bindings(struct sl_registrar *r, struct sl_reg_request *q)
{
	if (!q->msg) {
		sl_reg_answer(r, q, SIP_200_OK, NULL);
		return;
	}
	const struct sl_reg_aor *a = sl_reg_aor_of(r, q->user);
	const sip_contact_t *asked = q->sip->sip_contact;
	bool gruu = sip_has_feature(q->sip->sip_supported, "gruu"), outbound = false;
	struct lines l = { r->reply, r->reply + sizeof r->reply, false };
	int64_t now = r->unix_ms();

	for (const struct sl_reg_binding *x = a ? a->bindings : NULL; x; x = x->next) {
		if (x->b.expires_unix_ms <= now)
			continue;
		add_contact(r, &l, x, now, gruu);
		outbound |= asked && x->b.reg_id && sl_reg_flow_eq(&x->b.flow, &q->flow);
	}
	if (q->sip->sip_path && sip_has_feature(q->sip->sip_supported, "path")) { /* RFC 3327 5.3 */
		const struct sl_reg_binding *x = a ? a->bindings : NULL;

		while (x && !(*x->b.path && sl_reg_flow_eq(&x->b.flow, &q->flow)))
			x = x->next;
		if (x)
			add(&l, "Path: %s\r\n", x->b.path);
	}
	if (outbound && sip_has_feature(q->sip->sip_supported, "outbound")) { /* RFC 5626 6 */
		add(&l, "Require: outbound\r\n");
		if (q->flow.transport != SL_SIP_UDP)
			add(&l, "Flow-Timer: %u\r\n", FLOW_TIMER_S);
	}
	add(&l, "Supported: path, gruu, outbound\r\n%s", date_line(now));
	if (l.full)
		sl_reg_answer(r, q, 500, "Too Many Bindings To Tell", NULL);
	else
		sl_reg_answer(r, q, SIP_200_OK, r->reply);
}

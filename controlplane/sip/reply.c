/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Answers without a transaction. They go to whoever a datagram says it is from, who may be somebody else: over UDP an answer is no longer
 * than guard.reflection_percent of what it answers (on the wire, IP and UDP heads included), so that nobody is worth forging. What does not
 * fit loses the headers that may be left out, and is not sent if that is not enough. The guard may also have answers held back for a
 * while. */

#include "controlplane/sip/internal.h"

#include "controlplane/guard/warden.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sofia-sip/msg_header.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/tport_tag.h>

enum { IP4_UDP_BYTES = 20 + 8, IP6_UDP_BYTES = 40 + 8 };

/* What is left out, one more at each step. */
enum { WHOLE, NO_NAMES /* Server, Accept, Supported */, ONE_CHALLENGE, NO_ALLOW, N_LENGTHS };

/* RFC 3261 8.2.7: every retransmission of a request that is answered without a transaction gets the same To tag. */
static sip_to_t *tagged_to(struct sl_sip *s, su_home_t *home, const sip_t *sip)
{
	uint64_t h = sl_siphash(&s->key, sip->sip_call_id->i_id, strlen(sip->sip_call_id->i_id)) + sip->sip_cseq->cs_seq;
	sip_to_t *to = sip_to_dup(home, sip->sip_to);
	char tag[24];

	if (sip->sip_from->a_tag)
		h ^= sl_siphash(&s->key, sip->sip_from->a_tag, strlen(sip->sip_from->a_tag));
	if (to && to->a_tag == NULL) {
		snprintf(tag, sizeof tag, "tag=%016llx", (unsigned long long)h);
		if (sip_to_tag(home, to, tag) < 0)
			return NULL;
	}
	return to;
}

/* ---- held back ---- */

struct sl_sip_delayed {
	msg_t *reply;
	tport_t *tport;
	int64_t due_ms;
};

static void send_reply(msg_t *reply, tport_t *tport)
{
	const sip_via_t *via = sip_object(reply)->sip_via;
	tp_name_t name[1] = {{
		.tpn_proto = tport_is_udp(tport) ? "udp" : "tcp",
		.tpn_host = via->v_received ? via->v_received : via->v_host,
		.tpn_port = via->v_rport && *via->v_rport ? via->v_rport : via->v_port ? via->v_port : "5060",
	}};

	name->tpn_canon = name->tpn_host;
	tport_tsend(tport, reply, name, TPTAG_MTU(INT_MAX), TAG_END());
}

static void take_oldest(struct sl_sip *s, bool send)
{
	struct sl_sip_delayed *d = &s->delayed[s->delayed_first];

	if (send)
		send_reply(d->reply, d->tport);
	msg_destroy(d->reply);
	tport_unref(d->tport);
	s->delayed_first = (s->delayed_first + 1) % SL_SIP_DELAYED;
	s->n_delayed--;
}

/* False: no memory, it goes at once. */
static bool hold_back(struct sl_sip *s, msg_t *reply, tport_t *tport)
{
	if (!s->delayed && !(s->delayed = calloc(SL_SIP_DELAYED, sizeof *s->delayed)))
		return false;
	if (s->n_delayed == SL_SIP_DELAYED) {
		s->counts.delayed_dropped++;
		take_oldest(s, false);
	}
	s->delayed[(s->delayed_first + s->n_delayed++) % SL_SIP_DELAYED] =
		(struct sl_sip_delayed){reply, tport_ref(tport), s->tick_ms + s->hold_ms};
	s->counts.delayed++;
	return true;
}

void sl_sip_delayed_tick(struct sl_sip *s, int64_t now_ms)
{
	while (s->n_delayed && s->delayed[s->delayed_first].due_ms <= now_ms)
		take_oldest(s, true);
}

void sl_sip_delayed_close(struct sl_sip *s)
{
	while (s->n_delayed)
		take_oldest(s, false);
	free(s->delayed);
	s->delayed = NULL;
}

/* ---- an answer that fits ---- */

static void leave_out(msg_t *reply, sip_t *sip, msg_common_t *header)
{
	if (header)
		msg_header_remove(reply, (msg_pub_t *)sip, (msg_header_t *)header);
}

static void shorten(msg_t *reply, sip_t *sip, unsigned length)
{
	if (length >= NO_NAMES) {
		leave_out(reply, sip, (msg_common_t *)sip->sip_server);
		leave_out(reply, sip, (msg_common_t *)sip->sip_accept);
		leave_out(reply, sip, (msg_common_t *)sip->sip_supported);
	}
	if (length >= ONE_CHALLENGE) { /* the last one: what every client knows */
		while (sip->sip_www_authenticate && sip->sip_www_authenticate->au_next)
			leave_out(reply, sip, (msg_common_t *)sip->sip_www_authenticate);
		while (sip->sip_proxy_authenticate && sip->sip_proxy_authenticate->au_next)
			leave_out(reply, sip, (msg_common_t *)sip->sip_proxy_authenticate);
	}
	if (length >= NO_ALLOW)
		leave_out(reply, sip, (msg_common_t *)sip->sip_allow);
}

/* Ready to be sent; *bytes: how long it is. */
static msg_t *build(struct sl_sip *s, const sip_t *request, int status, const char *phrase, unsigned length, unsigned *bytes, tag_type_t tag,
	tag_value_t value, ...)
{
	msg_t *reply = nta_msg_create(s->agent, 0);
	sip_t *sip = reply ? sip_object(reply) : NULL;
	const char *server = s->config->sip.user_agent;
	int n = -1;
	ta_list ta;

	ta_start(ta, tag, value);
	if (sip && msg_header_insert(reply, (msg_pub_t *)sip, (msg_header_t *)sip_status_create(msg_home(reply), (unsigned)status, phrase, NULL)) >= 0 &&
		sip_add_tl(reply, sip, SIPTAG_VIA(request->sip_via), SIPTAG_FROM(request->sip_from), SIPTAG_TO(tagged_to(s, msg_home(reply), request)),
			SIPTAG_CALL_ID(request->sip_call_id), SIPTAG_CSEQ(request->sip_cseq), TAG_IF(server && server[0], SIPTAG_SERVER_STR(server)),
			ta_tags(ta)) >= 0) {
		shorten(reply, sip, length);
		if (sip_complete_message(reply) >= 0 && sip->sip_via && sip->sip_to && msg_serialize(reply, (msg_pub_t *)sip) >= 0)
			n = msg_prepare(reply);
	}
	(void)ta_end(ta);
	if (n < 0 && reply)
		msg_destroy(reply);
	*bytes = n < 0 ? 0 : (unsigned)n;
	return n < 0 ? NULL : reply;
}

/* Bytes that the answer to a datagram may have; UINT_MAX = any number. */
static unsigned budget_of(const struct sl_sip *s, msg_t *msg, const tport_t *tport)
{
	unsigned percent = s->o.warden ? sl_warden_policy(s->o.warden)->reflection_percent : 0;
	unsigned heads = msg_addr(msg)->su_family == AF_INET6 ? IP6_UDP_BYTES : IP4_UDP_BYTES;
	uint64_t bytes = ((uint64_t)msg_size(msg) + heads) * percent / 100;

	if (percent == 0 || !tport_is_udp(tport))
		return UINT_MAX;
	return bytes < heads ? 0 : (unsigned)(bytes - heads);
}

void sl_sip_reply(struct sl_sip *s, msg_t *msg, const sip_t *request, int status, const char *phrase, tag_type_t tag, tag_value_t value, ...)
{
	tport_t *tport = tport_delivered_by(nta_agent_tports(s->agent), msg);
	unsigned budget = tport ? budget_of(s, msg, tport) : 0, bytes = 0, length = WHOLE;
	bool dry_run = s->o.warden && sl_warden_policy(s->o.warden)->dry_run;
	msg_t *reply = NULL;
	ta_list ta;

	ta_start(ta, tag, value);
	for (; tport && length < N_LENGTHS; length++) {
		reply = build(s, request, status, phrase, length, &bytes, ta_tags(ta));
		if (!reply || bytes <= budget)
			break;
		msg_destroy(reply);
		reply = NULL;
	}
	if (dry_run && length != WHOLE) {
		if (reply)
			msg_destroy(reply);
		reply = build(s, request, status, phrase, WHOLE, &bytes, ta_tags(ta));
	}
	(void)ta_end(ta);
	*(dry_run ? &s->counts.would_refuse_reflection : &s->counts.refused_reflection) += length == N_LENGTHS;
	s->counts.shortened += reply && length != WHOLE && !dry_run;
	if (reply && !(s->hold_ms && hold_back(s, reply, tport))) {
		send_reply(reply, tport);
		msg_destroy(reply);
	}
	msg_destroy(msg);
}

/* ---- refusing ---- */

static uint64_t *counter_of(struct sl_sip_counts *c, int status)
{
	switch (status) {
	case 400: case 413: case 414: case 505:
		return &c->refused_syntax;
	case 482: case 483:
		return &c->refused_loop;
	case 416: case 420: case 421:
		return &c->refused_extension;
	case 503:
		return &c->refused_overload;
	case 403:
		return &c->refused_unknown_source;
	case 405: case 489: case 501:
		return &c->refused_method;
	case 481:
		return &c->refused_dialog;
	case 401: case 407:
		return &c->challenged;
	default:
		return &c->refused_limit;
	}
}

void sl_sip_refuse(struct sl_sip *s, msg_t *msg, const sip_t *sip, int status, const char *phrase, tag_type_t tag, tag_value_t value, ...)
{
	ta_list ta;

	(*counter_of(&s->counts, status))++;
	ta_start(ta, tag, value);
	sl_sip_reply(s, msg, sip, status, phrase, ta_tags(ta));
	(void)ta_end(ta);
}

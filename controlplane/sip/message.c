/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* nta gives a message of a dialog or transaction straight to its owner. What must be done with every message is therefore done where Sofia
 * has just parsed it: a message class of ours whose body function looks once a message is whole. */

#include "controlplane/sip/internal.h"

#include "controlplane/brain.h"
#include "controlplane/guard/warden.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_buffer.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_util.h>

enum { LINES_MAX = 500 }; /* of a head; honest ones have less than a hundred */

static struct sl_sip *watcher; /* one agent a process */
static issize_t (*extract_body)(msg_t *msg, msg_pub_t *pub, char b[], isize_t bsiz, int eos);

static uint64_t mix(const struct sl_siphash_key *key, uint64_t h, const char *text, size_t n)
{
	struct sl_siphash_key k = {key->k0 ^ h, key->k1};

	return sl_siphash(&k, text, n);
}

static uint64_t mix_text(const struct sl_siphash_key *key, uint64_t h, const char *text)
{
	return text ? mix(key, h, text, strlen(text)) : h + 1;
}

/* What a retransmission, and a client that tries again, has in common with what it repeats: not Via, which some stacks renew. */
uint64_t sl_sip_fingerprint(const struct sl_siphash_key *key, const sip_t *sip)
{
	uint64_t h = sip->sip_status ? sip->sip_status->st_status : 1;

	if (sip->sip_call_id)
		h = mix_text(key, h, sip->sip_call_id->i_id);
	if (sip->sip_from)
		h = mix_text(key, h, sip->sip_from->a_tag);
	if (sip->sip_to)
		h = mix_text(key, h, sip->sip_to->a_tag);
	if (sip->sip_cseq)
		h = mix_text(key, h + sip->sip_cseq->cs_seq, sip->sip_cseq->cs_method_name);
	if (sip->sip_request)
		h = mix_text(key, h, sip->sip_request->rq_method_name);
	if (sip->sip_payload)
		h = mix(key, h, sip->sip_payload->pl_data, sip->sip_payload->pl_len);
	return h ? h : 1;
}

static int64_t unix_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void look(struct sl_sip *s, sip_t *sip)
{
	struct sl_siphash_key key;
	uint64_t print;

	if (s->crash.page == NULL || (sip->sip_request == NULL && sip->sip_status == NULL))
		return;
	memcpy(&key, sl_crash_key(&s->crash), sizeof key);
	print = sl_sip_fingerprint(&key, sip);
	if (sl_crash_is_known(&s->crash, print, unix_ms())) {
		s->counts.refused_crash++;
		/* Neither request nor response: nta throws it away without an answer. */
		sip->sip_request = NULL;
		sip->sip_status = NULL;
		return;
	}
	sl_crash_begin(&s->crash, print);
}

/* nta looks at a Via after it has answered what is malformed or of another version, and obeys its maddr always: whoever asks would say whom
 * we answer. Answers go where the request came from (RFC 3261 18.2.2, RFC 3581). */
void sl_sip_answer_source(msg_t *msg, sip_t *sip)
{
	char address[SL_ADDR_TEXT_MAX], text[SL_ADDR_TEXT_MAX + 16];
	const su_sockaddr_t *from = msg_addr(msg);
	sip_via_t *via = sip->sip_via;
	struct sl_ip ip;

	if (sip->sip_request == NULL || via == NULL)
		return;
	if (via->v_maddr)
		msg_header_remove_param(via->v_common, "maddr");
	if (sip->sip_error == NULL && sip_sanity_check(sip) == 0 && strcasecmp(sip->sip_request->rq_version, sip_version_2_0) == 0)
		return; /* nta does the rest */
	if (from->su_family == AF_INET)
		sl_ip_set_v4(&ip, from->su_sin.sin_addr.s_addr);
	else if (from->su_family == AF_INET6)
		sl_ip_set_v6(&ip, &from->su_sin6.sin6_addr);
	else
		return;
	snprintf(text, sizeof text, "received=%s", sl_ip_text(&ip, address));
	msg_header_replace_param(msg_home(msg), via->v_common, su_strdup(msg_home(msg), text));
	snprintf(text, sizeof text, "rport=%u", ntohs(from->su_port));
	msg_header_replace_param(msg_home(msg), via->v_common, su_strdup(msg_home(msg), text));
}

/* Who sends what cannot be read? The edge's messages come from ourselves, and whose they are is not known before they are read. */
static void report_malformed(struct sl_sip *s, msg_t *msg, const sip_t *sip)
{
	const su_sockaddr_t *from = msg_addr(msg);
	struct sl_sip_flow flow = {.transport = msg_addrinfo(msg)->ai_socktype == SOCK_STREAM ? SL_SIP_TCP : SL_SIP_UDP};

	if (sip->sip_request && sip->sip_error == NULL && sip_sanity_check(sip) == 0)
		return;
	if (from->su_family == AF_INET)
		sl_ip_set_v4(&flow.remote.ip, from->su_sin.sin_addr.s_addr);
	else if (from->su_family == AF_INET6)
		sl_ip_set_v6(&flow.remote.ip, &from->su_sin6.sin6_addr);
	else
		return;
	if (s->edge && flow.transport == SL_SIP_TCP && sl_ip_is_v4(&flow.remote.ip) && flow.remote.ip.b[12] == 127)
		return;
	sl_warden_report_flow(s->o.warden, &flow, SL_GUARD_SAW_MALFORMED, false, sl_now_ms());
}

static issize_t extract(msg_t *msg, msg_pub_t *pub, char b[], isize_t bsiz, int eos)
{
	sip_t *sip = (sip_t *)pub;
	bool was = sip->sip_flags & MSG_FLG_COMPLETE;
	issize_t n = extract_body(msg, pub, b, bsiz, eos);

	if (!was)
		sl_sip_answer_source(msg, sip);
	if (!was && watcher && (sip->sip_flags & MSG_FLG_COMPLETE)) {
		if (sip->sip_status == NULL)
			report_malformed(watcher, msg, sip);
		look(watcher, sip);
	}
	return n;
}

/* Lines that it has: those that were taken already, and what lies in the buffer up to the empty line. Counts no further than the limit. */
static unsigned lines_of(msg_t *msg)
{
	const sip_t *sip = sip_object(msg);
	const char *p = msg_buf_committed_data(msg), *end = p ? p + msg_buf_committed(msg) : NULL, *line = p;
	const sip_header_t *h = sip->sip_request ? (const sip_header_t *)sip->sip_request : (const sip_header_t *)sip->sip_status;
	unsigned n = 0;

	if (sip->sip_separator)
		return 0; /* the rest is its body */
	for (; h && n <= LINES_MAX; h = (const sip_header_t *)h->sh_succ)
		n++;
	for (; p < end && n <= LINES_MAX; p++) {
		if (*p != '\r' && *p != '\n')
			continue;
		if (p == line && n > 0)
			break;
		if (*p == '\r' && p + 1 < end && p[1] == '\n')
			p++;
		n++;
		line = p + 1;
	}
	return n;
}

/* Sofia walks a header's list to its end for each further line of it: 44 KB of short lines cost half a second, and nobody has said yet who
 * he is. The library looks this function up as any other symbol, and finds this one first. */
int msg_extract(msg_t *msg)
{
	static int (*next)(msg_t *);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "msg_extract");
	if (watcher && msg_get_flags(msg, MSG_FLG_COMPLETE) == 0 && lines_of(msg) > LINES_MAX) {
		msg_set_flags(msg, MSG_FLG_ERROR | MSG_FLG_TOOLARGE);
		return -1;
	}
	return next(msg);
}

msg_mclass_t *sl_sip_message_class(void)
{
	msg_mclass_t *mc = msg_mclass_clone(sip_default_mclass(), 0, 0);

	if (mc == NULL)
		return NULL;
	extract_body = mc->mc_extract_body;
	mc->mc_extract_body = extract;
	return mc;
}

void sl_sip_message_watch(struct sl_sip *s)
{
	watcher = s;
}

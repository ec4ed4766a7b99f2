/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* nta gives a message of a dialog or transaction straight to its owner. What must be done with every message is therefore done where Sofia
 * has just parsed it: a message class of ours whose body function looks once a message is whole. */

#include "controlplane/sip/internal.h"

#include <string.h>
#include <time.h>

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

static issize_t extract(msg_t *msg, msg_pub_t *pub, char b[], isize_t bsiz, int eos)
{
	sip_t *sip = (sip_t *)pub;
	bool was = sip->sip_flags & MSG_FLG_COMPLETE;
	issize_t n = extract_body(msg, pub, b, bsiz, eos);

	if (!was && watcher && (sip->sip_flags & MSG_FLG_COMPLETE))
		look(watcher, sip);
	return n;
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

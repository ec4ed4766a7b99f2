/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A SIP dialog as a leg: its life, what the controller may ask, what every file of legs uses. */

#include "controlplane/sip/leg_internal.h"

#include "controlplane/guard/warden.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "controlplane/brain.h"
#include "dataplane/wire/siphash.h"

static struct sl_sip_leg_counts counts;
static size_t n_legs;

struct sl_sip_leg_counts *sl_sip_leg_counts(void)
{
	return &counts;
}

size_t sl_sip_legs_n(void)
{
	return n_legs;
}

/* ---- the guard ---- */

enum { DIALOG_TRUSTED_S = 86400 /* after the last message, or until the leg ends */ };

static void leave_guard(struct leg *l)
{
	struct sl_warden *w = sl_sip_options(l->sip)->warden;

	if (l->held)
		sl_warden_distrusts(w, &l->flow, sl_now_ms());
	if (l->counted.q[0] | l->counted.q[1])
		sl_warden_give(w, SL_WARDEN_CALL, &l->counted);
}

void sl_leg_sip_is_at(struct leg *l, const struct sl_sip_flow *flow)
{
	struct sl_warden *w = sl_sip_options(l->sip)->warden;
	struct sl_sip_flow before = l->flow;
	bool was_held = l->held, moves = memcmp(&before, flow, sizeof before) != 0;

	l->flow = *flow;
	if (was_held && !moves) {
		sl_warden_renews(w, flow, DIALOG_TRUSTED_S, sl_now_ms());
		return;
	}
	l->held = flow->transport == SL_SIP_UDP || sl_sip_flow_is_open(l->sip, flow);
	if (l->held)
		sl_warden_holds(w, flow, DIALOG_TRUSTED_S, sl_now_ms());
	if (was_held)
		sl_warden_distrusts(w, &before, sl_now_ms());
}

static void leg_free(struct sl_leg *base)
{
	struct leg *l = sl_leg_sip_of(base);
	struct sl_leg_request *r;

	if (!l->ended) {
		/* The model goes without an end (no farewells): nothing of nta's may know it. */
		struct sl_leg_request *next;

		nta_incoming_bind(l->irq, NULL, NULL);
		if (l->invite)
			nta_outgoing_bind(l->invite, NULL, NULL);
		for (struct leg_sent *sent = l->sent; sent; sent = sent->next)
			nta_outgoing_bind(sent->orq, NULL, NULL);
		sl_leg_sip_forks_free(l, NULL);
		if (l->dialog)
			nta_leg_destroy(l->dialog);
		sl_ask_withdraw(sl_sip_options(l->sip)->asks, l->resolving);
		for (r = l->requests; r; r = next) {
			next = r->next;
			nta_incoming_bind(r->irq, NULL, NULL);
			free(r);
		}
		l->requests = NULL;
	}
	sl_leg_sip_stop(l, &l->session);
	sl_leg_sip_stop(l, &l->retry);
	sl_leg_sip_stop(l, &l->goodbye);
	while ((r = l->requests) != NULL) {
		l->requests = r->next;
		free(r);
	}
	while (l->sent != NULL) {
		struct leg_sent *sent = l->sent;

		l->sent = sent->next;
		free(sent);
	}
	if (l->credentials) {
		free(l->credentials->username);
		free(l->credentials->realm);
		explicit_bzero(l->credentials, sizeof *l->credentials);
		free(l->credentials);
	}
	sl_leg_sip_early_free(l);
	free(l->local);
	free(l->remote);
	free(l->contact);
	free(l->ack_branch);
	free(l->sdp);
	free(l->offer_sdp);
	free(l->end_headers);
	leave_guard(l);
	free(l);
	n_legs--;
}

const struct sl_leg_ops sl_leg_sip_ops = {
	.kind = "sip",
	.progress = sl_leg_sip_progress,
	.answer = sl_leg_sip_answer,
	.offer = sl_leg_sip_offer,
	.ack = sl_leg_sip_ack,
	.respond = sl_leg_sip_respond,
	.request = sl_leg_sip_request,
	.hangup = sl_leg_sip_hangup,
	.save = sl_leg_sip_save,
	.free = leg_free,
};

struct leg *sl_leg_sip_new(struct sl_sip *s, struct sl_call *c, enum sl_leg_direction d)
{
	struct leg *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->sip = s;
	l->session.fn = sl_leg_sip_timer_due;
	l->retry.fn = sl_leg_sip_retry;
	l->goodbye.fn = sl_leg_sip_goodbye_due;
	if (sl_leg_init(&l->base, c, &sl_leg_sip_ops, d) < 0) {
		free(l);
		return NULL;
	}
	n_legs++;
	return l;
}

static void hex(const uint8_t *from, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[from[i] >> 4];
		out[2 * i + 1] = digits[from[i] & 15];
	}
	out[2 * n] = '\0';
}

/* Region and node of the brain that owns the dialog, then random: they tell whose it is and nothing else. */
void sl_leg_sip_new_tag(char out[LEG_TAG_TEXT])
{
	struct sl_id id;

	sl_id_new(&id);
	hex(id.b + 6, 10, out);
}

const char *sl_leg_sip_user_agent(const struct leg *l)
{
	const char *name = sl_sip_options(l->sip)->config->sip.user_agent;

	return name && *name ? name : NULL;
}

void sl_leg_sip_after(struct leg *l, struct sl_timer *t, int64_t ms)
{
	sl_timer_set(sl_sip_options(l->sip)->timers, t, sl_now_ms() + ms);
}

void sl_leg_sip_stop(struct leg *l, struct sl_timer *t)
{
	if (sl_timer_is_set(t))
		sl_timer_stop(sl_sip_options(l->sip)->timers, t);
}

void sl_leg_sip_heard(struct leg *l, msg_t *msg, const sip_t *sip)
{
	struct sl_sip_flow flow;

	if (msg == NULL || sip == NULL || nta_sip_is_internal(sip))
		return;
	l->heard = true;
	sl_sip_flow_of(l->sip, msg, sip, &flow);
	sl_sip_trace(l->sip, l->base.call, &l->base, true, msg, &flow);
	bool moves = memcmp(&flow, &l->flow, sizeof flow) != 0;

	/* Whoever sends this has got our tag or branch. */
	sl_leg_sip_is_at(l, &flow);
	if (moves && l->base.state == SL_LS_UP) {
		sl_leg_sip_aim(l);
		sl_call_changed(l->base.call);
	}
}

void sl_leg_sip_trace_out(struct leg *l, msg_t *msg)
{
	struct sl_sip_flow flow = l->flow;

	if (msg == NULL)
		return;
	if (!l->hop.by_flow || flow.remote.port_be == 0) {
		flow.remote = l->hop.to;
		flow.transport = l->hop.transport;
		flow.listener = l->hop.listener;
		const struct sl_conf_sip_listener *listener = sl_sip_listener(l->sip, flow.listener);

		if (listener)
			flow.local = listener->address;
	}
	sl_sip_trace(l->sip, l->base.call, &l->base, false, msg, &flow);
	msg_destroy(msg);
}

void sl_leg_sip_learn(struct leg *l, const sip_t *sip)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} extensions[] = {
		{ "100rel", LEG_SUPPORTS_100REL }, { "timer", LEG_SUPPORTS_TIMER }, { "replaces", LEG_SUPPORTS_REPLACES },
		{ "norefersub", LEG_SUPPORTS_NOREFERSUB }, { "gruu", LEG_SUPPORTS_GRUU }, { "outbound", LEG_SUPPORTS_OUTBOUND },
		{ "histinfo", LEG_SUPPORTS_HISTINFO }, { "from-change", LEG_SUPPORTS_FROM_CHANGE },
	};
	const char *agent = sip->sip_user_agent ? sip->sip_user_agent->g_string : sip->sip_server ? sip->sip_server->g_string : NULL;

	if (sip->sip_allow)
		l->allow = sip->sip_allow->k_bitmap;
	if (sip->sip_supported || sip->sip_require) {
		l->supports = 0;
		for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
			if ((sip->sip_supported && sip_has_feature(sip->sip_supported, extensions[i].name)) ||
			    (sip->sip_require && sip_has_feature(sip->sip_require, extensions[i].name)))
				l->supports |= extensions[i].bit;
		}
	}
	l->timer_supported = l->supports & LEG_SUPPORTS_TIMER;
	if (agent && l->base.cdr.user_agent[0] == '\0')
		snprintf(l->base.cdr.user_agent, sizeof l->base.cdr.user_agent, "%s", agent);
}

int sl_leg_sip_keep_sdp(char **to, uint32_t *len, struct sl_slice sdp)
{
	if (*to && *len == sdp.n && memcmp(*to, sdp.p, sdp.n) == 0)
		return 0;
	char *copy = malloc(sdp.n + 1);

	if (copy == NULL)
		return -ENOMEM;
	if (sdp.n)
		memcpy(copy, sdp.p, sdp.n);
	copy[sdp.n] = '\0';
	free(*to);
	*to = copy;
	*len = (uint32_t)sdp.n;
	return 0;
}

struct sl_slice sl_leg_sip_sdp(const sip_t *sip)
{
	struct sl_slice s;

	sl_sip_sdp(sip, &s);
	return s;
}

uint64_t sl_leg_sip_hash(struct sl_slice sdp)
{
	static const struct sl_siphash_key key; /* tells texts of one dialog apart, nothing more */

	return sdp.n ? sl_siphash(&key, sdp.p, sdp.n) | 1 : 0;
}

void sl_leg_sip_early_free(struct leg *l)
{
	if (l->early == NULL)
		return;
	free(l->early->via);
	free(l->early->request_uri);
	free(l->early->routes);
	free(l->early->branch);
	free(l->early);
	l->early = NULL;
}

int sl_leg_sip_keep_parties(struct leg *l, const sip_addr_t *local, const sip_addr_t *remote)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };

	su_home_init(home);
	char *ours = sip_header_as_string(home, (const sip_header_t *)local);
	char *theirs = sip_header_as_string(home, (const sip_header_t *)remote);

	free(l->local);
	free(l->remote);
	l->local = ours ? strdup(ours) : NULL;
	l->remote = theirs ? strdup(theirs) : NULL;
	su_home_deinit(home);
	return l->local && l->remote ? 0 : -ENOMEM;
}

int sl_leg_sip_set_contact(struct leg *l, const char *user)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	int rc = -ENOMEM;

	su_home_init(home);
	sip_contact_t *m = sl_sip_contact(l->sip, home, &l->hop, user);
	char *text = m ? sip_header_as_string(home, (sip_header_t *)m) : NULL;

	if (text) {
		free(l->contact);
		l->contact = strdup(text);
		rc = l->contact ? 0 : -ENOMEM;
	}
	su_home_deinit(home);
	return rc;
}

/* ---- what a controller may ask ---- */

bool sl_leg_is_sip(const struct sl_leg *l)
{
	return l->ops == &sl_leg_sip_ops;
}

struct sl_leg *sl_sip_leg_find(struct sl_sip *s, const char *call_id, const char *their_tag, const char *our_tag)
{
	sip_call_id_t id[1];

	if (!call_id || !their_tag || !our_tag)
		return NULL;
	sip_call_id_init(id);
	id->i_id = call_id;
	id->i_hash = msg_hash_string(call_id);
	nta_leg_t *dialog = nta_leg_by_dialog(sl_sip_agent(s), NULL, id, their_tag, NULL, our_tag, NULL);
	nta_leg_magic_t *magic = dialog ? nta_leg_magic(dialog, sl_leg_sip_on_request) : NULL;
	/* nta finds a dialog without a tag of theirs for any: such a one is none yet. */
	const char *theirs = magic ? nta_leg_get_rtag(dialog) : NULL;

	return theirs && strcasecmp(theirs, their_tag) == 0 ? &((struct leg *)magic)->base : NULL;
}

const struct sl_sip_flow *sl_sip_leg_flow(const struct sl_leg *l)
{
	return &sl_leg_sip_of(l)->flow;
}

void sl_sip_leg_dialog(const struct sl_leg *base, const char **call_id, const char **our_tag, const char **their_tag)
{
	const struct leg *l = sl_leg_sip_of(base);
	const char *theirs = l->dialog ? nta_leg_get_rtag(l->dialog) : NULL;

	*call_id = l->base.cdr.sip_call_id;
	*our_tag = l->tag;
	*their_tag = theirs ? theirs : "";
}

bool sl_sip_leg_allows(const struct sl_leg *base, const char *method)
{
	static const struct {
		sip_method_t method;
		const char *name;
	} methods[] = {
		{ SIP_METHOD_INVITE }, { SIP_METHOD_BYE }, { SIP_METHOD_OPTIONS }, { SIP_METHOD_INFO }, { SIP_METHOD_PRACK },
		{ SIP_METHOD_UPDATE }, { SIP_METHOD_MESSAGE }, { SIP_METHOD_SUBSCRIBE }, { SIP_METHOD_NOTIFY }, { SIP_METHOD_REFER },
	};
	const struct leg *l = sl_leg_sip_of(base);

	if (l->allow == 0)
		return true;
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		if (strcmp(methods[i].name, method) == 0)
			return l->allow & (1u << methods[i].method);
	}
	return false;
}

bool sl_sip_leg_supports(const struct sl_leg *base, const char *extension)
{
	const struct leg *l = sl_leg_sip_of(base);
	uint8_t bit = strcasecmp(extension, "100rel") == 0 ? LEG_SUPPORTS_100REL
	        : strcasecmp(extension, "timer") == 0 ? LEG_SUPPORTS_TIMER
	        : strcasecmp(extension, "replaces") == 0 ? LEG_SUPPORTS_REPLACES
	        : strcasecmp(extension, "norefersub") == 0 ? LEG_SUPPORTS_NOREFERSUB
	        : strcasecmp(extension, "gruu") == 0 ? LEG_SUPPORTS_GRUU
	        : strcasecmp(extension, "outbound") == 0 ? LEG_SUPPORTS_OUTBOUND
	        : strcasecmp(extension, "histinfo") == 0 ? LEG_SUPPORTS_HISTINFO
	        : strcasecmp(extension, "from-change") == 0 ? LEG_SUPPORTS_FROM_CHANGE : 0;

	return l->supports & bit;
}

bool sl_sip_leg_heard(const struct sl_leg *base)
{
	const struct leg *l = sl_leg_sip_of(base);

	return l->heard || (l->invite && nta_outgoing_status(l->invite) >= 100);
}

struct sl_slice sl_sip_leg_last_sdp(const struct sl_leg *base)
{
	const struct leg *l = sl_leg_sip_of(base);
	struct sl_slice s = { l->sdp, l->sdp_len };

	return s;
}

void sl_sip_leg_register_kind(struct sl_sip *s)
{
	const struct sl_leg_kind kind = { .kind = "sip", .restore = sl_leg_sip_restore, .ctx = s };

	sl_calls_add_kind(sl_sip_options(s)->calls, &kind);
}

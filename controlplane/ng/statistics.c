/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/brain.h"

/* What rtpengine's statistics have and we know; packet and byte rates are Prometheus's. */

enum { MS_PER_S = 1000 };

static uint64_t requests(const struct sl_ng_brain *b, enum sl_ng_command c)
{
	return __atomic_load_n(&b->requests[c], __ATOMIC_RELAXED);
}

static void current(struct sl_ng_request *r, struct sl_ng_value *into, const struct sl_media_counts *c)
{
	struct sl_ng_value *d = sl_ng_add(&r->out, into, "currentstatistics", SL_NGV_DICTIONARY);

	sl_ng_add_integer(&r->out, d, "sessionsown", (int64_t)c->sessions);
	sl_ng_add_integer(&r->out, d, "sessionsforeign", 0);
	sl_ng_add_integer(&r->out, d, "sessionstotal", (int64_t)c->sessions);
	sl_ng_add_integer(&r->out, d, "transcodedmedia", 0);
}

static void totals(struct sl_ng_request *r, struct sl_ng_value *into, const struct sl_media_counts *c)
{
	struct sl_ng_value *d = sl_ng_add(&r->out, into, "totalstatistics", SL_NGV_DICTIONARY);

	sl_ng_add_printf(&r->out, d, "uptime", "%lld",
	        (long long)(r->brain->unix_ms() - r->brain->start_unix_ms) / MS_PER_S);
	sl_ng_add_integer(&r->out, d, "managedsessions", (int64_t)c->sessions_total);
	sl_ng_add_integer(&r->out, d, "rejectedsessions", (int64_t)c->legs_refused);
	sl_ng_add_integer(&r->out, d, "timeoutsessions", (int64_t)c->timeouts);
	sl_ng_add_integer(&r->out, d, "regularterminatedsessions", (int64_t)c->deletes);
}

static void control(struct sl_ng_request *r, struct sl_ng_value *into)
{
	static const struct {
		const char *key;
		enum sl_ng_command command;
	} keys[] = {
	        {"totalpingcount", SL_NG_PING},
	        {"totaloffercount", SL_NG_OFFER},
	        {"totalanswercount", SL_NG_ANSWER},
	        {"totaldeletecount", SL_NG_DELETE},
	        {"totalquerycount", SL_NG_QUERY},
	        {"totallistcount", SL_NG_LIST},
	        {"totalstartreccount", SL_NG_START_RECORDING},
	        {"totalstopreccount", SL_NG_STOP_RECORDING},
	        {"totalblkdtmfcount", SL_NG_BLOCK_DTMF},
	        {"totalunblkdtmfcount", SL_NG_UNBLOCK_DTMF},
	        {"totalblkmediacount", SL_NG_BLOCK_MEDIA},
	        {"totalunblkmediacount", SL_NG_UNBLOCK_MEDIA},
	        {"totalplaymediacount", SL_NG_PLAY_MEDIA},
	        {"totalstopmediacount", SL_NG_STOP_MEDIA},
	        {"totalplaydtmfcount", SL_NG_PLAY_DTMF},
	        {"totalstatscount", SL_NG_STATISTICS},
	        {"totalslnmediacount", SL_NG_SILENCE_MEDIA},
	        {"totalunslnmediacount", SL_NG_UNSILENCE_MEDIA},
	        {"totalpubcount", SL_NG_PUBLISH},
	        {"totalsubreqcount", SL_NG_SUBSCRIBE_REQUEST},
	        {"totalsubanscount", SL_NG_SUBSCRIBE_ANSWER},
	        {"totalunsubcount", SL_NG_UNSUBSCRIBE},
	};
	struct sl_ng_value *d = sl_ng_add(&r->out, into, "controlstatistics", SL_NGV_DICTIONARY);
	uint64_t errors = 0;

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		sl_ng_add_integer(&r->out, d, keys[i].key, (int64_t)requests(r->brain, keys[i].command));
	for (enum sl_ng_command c = 0; c < SL_NG_N_COMMANDS; c++)
		errors += __atomic_load_n(&r->brain->errors[c], __ATOMIC_RELAXED);
	sl_ng_add_integer(&r->out, d, "totalerrorcount", (int64_t)errors);
}

void sl_ng_statistics(struct sl_ng_request *r)
{
	struct sl_media_counts c = {0};
	struct sl_ng_value *d;

	sl_media_counts(r->brain->media, &c);
	d = sl_ng_add(&r->out, r->reply, "statistics", SL_NGV_DICTIONARY);
	current(r, d, &c);
	totals(r, d, &c);
	control(r, d);
	sl_ng_ok(r);
}

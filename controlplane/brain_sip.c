/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SIP's part of the brain: what stands on what, opened and closed in that order. */

#include "controlplane/brain.h"

#include "controlplane/b2bua/b2bua.h"
#include "controlplane/call/call.h"
#include "controlplane/guard/warden.h"
#include "controlplane/provision/provision.h"
#include "controlplane/registrar/registrar.h"
#include "controlplane/report/cdr.h"
#include "controlplane/report/trace.h"
#include "controlplane/routing/routing.h"
#include "controlplane/routing/trunks.h"
#include "controlplane/sip/leg.h"
#include "controlplane/sip/sip.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static void media_ended(void *ctx, const struct sl_media_session *s, const char *why)
{
	struct sl_brain *b = ctx;

	sl_calls_media_ended(b->calls, s->call_id, why);
}

static void media_dtmf(void *ctx, const struct sl_media_session *s, const struct sl_media_party *p, unsigned event, unsigned duration_ms,
        unsigned volume)
{
	struct sl_brain *b = ctx;

	sl_calls_media_dtmf(b->calls, s->call_id, p->tag, event, duration_ms);
}

/* The page that the keeper holds: what the process before this one was doing when it died. */
static void *map_crash_page(int fd)
{
	void *page = fd >= 0 ? mmap(NULL, SL_SIP_CRASH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	return page == MAP_FAILED ? NULL : page;
}

/* Other limits of a tenant's media are in force at once, for calls that stand as well. */
static void tenants_changed(void *ctx)
{
	struct sl_brain *b = ctx;
	const struct sl_prov_snapshot *s = sl_prov_now(b->prov);

	if (s->generation == b->tenants_generation) /* a user, a token */
		return;
	b->tenants_generation = s->generation;
	for (unsigned i = 0; i < s->n_tenants; i++)
		sl_warden_meter(b->warden, s->tenants[i].name, s->tenants[i].media_pps, s->tenants[i].media_kbps);
}

/* What knows nothing of SIP messages. */
static int open_below(struct sl_brain *b, char *text, size_t text_len)
{
	const struct sl_conf_sip *conf = &b->config->sip;

	sl_id_set_node((uint8_t)conf->region, (uint8_t)conf->node);
	b->timers = sl_timers_new();
	b->asks = b->timers ? sl_asks_new(b->timers) : NULL;
	b->events = sl_call_events_new();
	b->trace = sl_trace_new((size_t)conf->trace_mb << 20);
	if (!b->asks || !b->events || !b->trace)
		return -1;
	sl_warden_set_events(b->warden, b->events);
	struct sl_prov_options prov = {.config = b->config, .store = b->store, .events = b->events};
	if (!(b->prov = sl_prov_open(&prov, text, text_len)) ||
	        !(b->cdrs = sl_cdrs_open(b->store, conf->cdr_retention_days, text, text_len)))
		return -1;
	if (sl_prov_watch(b->prov, tenants_changed, b) < 0)
		return -1;
	struct sl_calls_options calls = {.timers = b->timers,
	        .asks = b->asks,
	        .events = b->events,
	        .media = b->media,
	        .cdrs = b->cdrs,
	        .trace = b->trace,
	        .journal_fd = b->calls_fd,
	        .max_calls = conf->max_calls};
	if (!(b->calls = sl_calls_open(&calls, text, text_len)))
		return -1;
	struct sl_routing_options routing = {.prov = b->prov, .asks = b->asks, .events = b->events};
	b->routing = sl_routing_open(&routing);
	return b->routing ? 0 : -1;
}

static int open_above(struct sl_brain *b, su_root_t *root, char *text, size_t text_len)
{
	struct sl_registrar_options registrar = {.config = b->config,
	        .prov = b->prov,
	        .store = b->store,
	        .timers = b->timers,
	        .asks = b->asks,
	        .events = b->events,
	        .warden = b->warden};

	if (!(b->registrar = sl_registrar_open(&registrar, text, text_len)))
		return -1;
	struct sl_b2bua_options b2bua = {.config = b->config,
	        .calls = b->calls,
	        .prov = b->prov,
	        .routing = b->routing,
	        .registrar = b->registrar,
	        .media = b->media,
	        .events = b->events,
	        .warden = b->warden,
	        .asks = b->asks};
	if (!(b->b2bua = sl_b2bua_open(&b2bua)))
		return -1;
	struct sl_sip_options sip = {.config = b->config,
	        .root = root,
	        .timers = b->timers,
	        .asks = b->asks,
	        .events = b->events,
	        .prov = b->prov,
	        .calls = b->calls,
	        .trace = b->trace,
	        .registrar = b->registrar,
	        .warden = b->warden,
	        .brain = b->mail,
	        .crash_page = map_crash_page(b->crash_fd),
	        .invite = sl_b2bua_invite,
	        .request = sl_b2bua_request,
	        .ctx = b->b2bua};
	if (!(b->sip = sl_sip_open(&sip, text, text_len)))
		return -1;
	sl_registrar_set_sip(b->registrar, b->sip);
	sl_b2bua_set_sip(b->b2bua, b->sip);
	sl_sip_leg_register_kind(b->sip);
	sl_calls_restore(b->calls);
	b->trunks = sl_trunks_open(b->sip, b->routing);
	return b->trunks ? 0 : -1;
}

int sl_brain_open_sip(struct sl_brain *b, void *root)
{
	struct sl_media_hooks hooks = {.ctx = b, .ended = media_ended, .dtmf = media_dtmf};
	char text[400] = "no memory";

	if (b->config->sip.n_listeners == 0)
		return 0;
	if (open_below(b, text, sizeof text) < 0 || open_above(b, root, text, sizeof text) < 0) {
		sl_log(SL_LOG_ERROR, "%s", text);
		return -1;
	}
	sl_media_set_hooks(b->media, &hooks);
	return 0;
}

void sl_brain_close_sip(struct sl_brain *b)
{
	const struct sl_media_hooks none = {0};

	if (b->media)
		sl_media_set_hooks(b->media, &none);
	sl_cdrs_flush(b->cdrs); /* calls that ended are told so while they are there */
	sl_trunks_close(b->trunks);
	sl_calls_close(b->calls); /* no farewells: dialogs stay in the journal */
	sl_b2bua_close(b->b2bua);
	sl_registrar_set_sip(b->registrar, NULL);
	sl_sip_close(b->sip);
	sl_registrar_close(b->registrar);
	/* What the store and the link answer yet asks whether they are there. */
	b->calls = NULL;
	b->sip = NULL;
	b->registrar = NULL;
	sl_routing_close(b->routing);
	sl_cdrs_close(b->cdrs);
	if (b->store)
		sl_store_flush(b->store); /* whoever asked is told while what it asked about is there */
	sl_prov_close(b->prov);
	sl_trace_free(b->trace);
	sl_warden_set_events(b->warden, NULL);
	sl_call_events_free(b->events);
	sl_asks_free(b->asks);
	sl_timers_free(b->timers);
	b->prov = NULL;
}

/* Transactions of ended and of answered calls leave holes between what stays. When no call has come for a while the pages of the holes go
 * back, once: it takes some milliseconds, which nobody waits for then. */
static void give_memory_back(struct sl_brain *b, int64_t now_ms)
{
	enum { QUIET_MS = 35000 /* longer than a transaction lives */, WORTH_BYTES = 16 << 20 };
	struct sl_calls_counts counts;

	sl_calls_counts(b->calls, &counts);
	if (counts.created != b->calls_seen) {
		b->calls_seen = counts.created;
		b->quiet_since_ms = now_ms;
		b->trimmed = false;
	}
	if (b->trimmed || now_ms - b->quiet_since_ms < QUIET_MS)
		return;
	b->trimmed = true;
	if (mallinfo2().fordblks > WORTH_BYTES)
		malloc_trim(0);
}

void sl_brain_tick_sip(struct sl_brain *b, int64_t now_ms)
{
	if (!b->sip)
		return;
	sl_timers_run(b->timers, now_ms);
	sl_sip_tick(b->sip, now_ms);
	sl_registrar_tick(b->registrar, now_ms);
	sl_trunks_tick(b->trunks, now_ms);
	sl_calls_tick(b->calls);
	sl_cdrs_tick(b->cdrs, sl_call_unix_ms());
	give_memory_back(b, now_ms);
}

int sl_brain_check_sip(struct sl_brain *b, const struct sl_config *config, char *text, size_t text_len)
{
	if ((config->sip.n_listeners > 0) != (b->sip != NULL)) {
		snprintf(text, text_len, "option 'sip' cannot come or go while the control plane runs: restart it");
		return -EINVAL;
	}
	if (!b->sip)
		return 0;
	if (sl_sip_check(b->sip, config, text, text_len) < 0)
		return -EINVAL;
	return sl_prov_check_reload(b->prov, config, text, text_len);
}

void sl_brain_reconfigure_sip(struct sl_brain *b)
{
	char text[400];

	if (!b->sip)
		return;
	if (sl_prov_reconfigure(b->prov, b->config, text, sizeof text) < 0)
		sl_log(SL_LOG_ERROR, "group provision not reloaded, the old one goes on: %s", text);
	sl_sip_reconfigure(b->sip, b->config);
	sl_registrar_reconfigure(b->registrar, b->config);
	sl_b2bua_reconfigure(b->b2bua, b->config);
	sl_cdrs_set_retention(b->cdrs, b->config->sip.cdr_retention_days);
}

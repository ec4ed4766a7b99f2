/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/call/events.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CONSUMERS_MAX = 8 };

struct sl_call_events {
	uint64_t last; /* sequence of the newest */
	unsigned n;
	struct {
		sl_call_event_fn fn;
		void *ctx;
	} consumers[CONSUMERS_MAX];
	struct sl_call_event kept[SL_CALL_EVENTS_KEPT]; /* at sequence modulo their number */
};

struct sl_call_events *sl_call_events_new(void)
{
	return calloc(1, sizeof(struct sl_call_events));
}

void sl_call_events_free(struct sl_call_events *es)
{
	free(es);
}

const char *sl_call_event_name(enum sl_call_event_type t)
{
	static const char *const names[] = {
#define X(name, text, meaning) [SL_CE_##name] = text,
	        SL_CALL_EVENTS(X)
#undef X
	};

	return (unsigned)t < SL_CE_N ? names[t] : "unknown";
}

int sl_call_events_subscribe(struct sl_call_events *es, sl_call_event_fn fn, void *ctx)
{
	if (es->n == CONSUMERS_MAX)
		return -ENOSPC;
	es->consumers[es->n].fn = fn;
	es->consumers[es->n++].ctx = ctx;
	return 0;
}

void sl_call_event_publish(struct sl_call_events *es, enum sl_call_event_type t, const char *tenant, const struct sl_id *call,
        const struct sl_id *leg, const char *format, ...)
{
	struct sl_call_event *e = &es->kept[++es->last % SL_CALL_EVENTS_KEPT];
	struct timespec ts;
	va_list ap;

	clock_gettime(CLOCK_REALTIME, &ts);
	e->sequence = es->last;
	e->unix_ms = ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
	e->type = t;
	e->call = call ? *call : (struct sl_id){0};
	e->leg = leg ? *leg : (struct sl_id){0};
	snprintf(e->tenant, sizeof e->tenant, "%s", tenant ? tenant : "");
	va_start(ap, format);
	vsnprintf(e->text, sizeof e->text, format, ap);
	va_end(ap);
	for (unsigned i = 0; i < es->n; i++)
		es->consumers[i].fn(es->consumers[i].ctx, e);
}

const struct sl_call_event *sl_call_events_after(const struct sl_call_events *es, uint64_t after, uint64_t *missed)
{
	uint64_t oldest = es->last > SL_CALL_EVENTS_KEPT ? es->last - SL_CALL_EVENTS_KEPT + 1 : 1;
	uint64_t next = after < oldest ? oldest : after + 1;

	if (missed)
		*missed = next - after - 1;
	return next <= es->last ? &es->kept[next % SL_CALL_EVENTS_KEPT] : NULL;
}

uint64_t sl_call_events_last(const struct sl_call_events *es)
{
	return es->last;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/metrics.h"

#include "controlplane/turn/accounting.h"
#include "controlplane/turn/source.h"

#include <inttypes.h>

/* User tables and records of TURN. */

static void label(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putc('\\', f);
		putc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, f);
	}
}

#define EACH_SOURCE(metric, type, help, value)                                                   \
	sl_metric_head(f, "sluice_turn_source_" metric, type, help);                             \
	for (unsigned i = 0; i < sl_sources_n(sources); i++) {                                 \
		const struct sl_source_status *s = sl_sources_status(sources, i);              \
		fputs("sluice_turn_source_" metric "{source=\"", f);                             \
		label(f, s->name);                                                             \
		fprintf(f, "\"} %" PRIu64 "\n", (uint64_t)(value));                            \
	}

static void source_metrics(FILE *f, const struct sl_sources *sources)
{
	if (sl_sources_n(sources) == 0)
		return;
	EACH_SOURCE("up", "gauge", "1 when the user table could be read the last time", !s->failing)
	EACH_SOURCE("users", "gauge", "users of the table, as last read", s->users)
	EACH_SOURCE("bad_rows", "gauge", "rows of the table that are left out", s->bad_rows)
	EACH_SOURCE("read_time_ms", "gauge", "when the table was last read, Unix time in ms", s->read_unix_ms)
	EACH_SOURCE("readings_total", "counter", "readings of the table", s->readings)
	EACH_SOURCE("failures_total", "counter", "readings of the table that failed", s->failures)
}

void sl_metrics_turn_records(FILE *f, struct sl_brain *b)
{
	struct sl_accounting_counts c;
	struct sl_accounting_status s;

	source_metrics(f, b->sources);
	sl_accounting_status(b->accounting, &s);
	if (!s.on)
		return;
	sl_accounting_counts(b->accounting, &c);
	sl_metric(f, "sluice_turn_records_open", "gauge", "records of allocations that run", s.open);
	sl_metric(f, "sluice_turn_records_waiting", "gauge", "changes of records that wait for the database", s.queued);
	sl_metric(f, "sluice_turn_records_spooled", "gauge", "changes of records that wait for the webhook", s.spooled);
	sl_metric(f, "sluice_turn_records_redis_waiting", "gauge", "changes of records that wait for Redis", s.redis_waiting);
#define X(name, text) sl_metric(f, "sluice_turn_records_" #name "_total", "counter", text, c.name);
	SL_ACCOUNTING_COUNTERS(X)
#undef X
}

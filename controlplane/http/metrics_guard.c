/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/metrics.h"

#include "controlplane/http/guard_view.h"

#include <inttypes.h>

/* The guard: what is in force in the dataplane, what it would have dropped, and the control plane's half. What workers count by themselves
 * is sluice_worker_guard_*, what they drop sluice_drops_total. */

static void dataplane_metrics(FILE *f, struct sl_brain *b, const struct sl_region *region)
{
	unsigned n_workers = sl_dp_n_workers(b->dp);

	sl_metric(f, "sluice_guard_enabled", "gauge", "1 while more than shapes is checked", region->guard_enabled);
	sl_metric(f, "sluice_guard_dry_run", "gauge", "1 while what would be dropped passes", region->guard_dry_run);
	sl_metric(f, "sluice_guard_pressure_percent", "gauge", "of SIP strangers' totals, how much is let through", region->guard_pressure);
	sl_metric(f, "sluice_guard_bans", "gauge", "addresses banned in the dataplane now", region->guard_bans);
	sl_metric(f, "sluice_guard_prefixes", "gauge", "prefixes allowed and denied in the dataplane now", region->guard_prefixes);
	sl_metric(f, "sluice_guard_bytes", "gauge", "memory of the guard's tables", sl_view_load(&region->guard_bytes));
	sl_metric_head(f, "sluice_guard_marks", "gauge", "SIP sources marked now, by trust");
	fprintf(f, "sluice_guard_marks{trust=\"final\"} %" PRIu32 "\n", region->guard_marks_final);
	fprintf(f, "sluice_guard_marks{trust=\"provisional\"} %" PRIu32 "\n", region->guard_marks_provisional);
	sl_metric_head(f, "sluice_guard_would_drop_total", "counter", "packets that would have been dropped, were it not for dry run, by reason");
	for (unsigned d = 0; d < SL_N_DROPS; d++) {
		for (unsigned w = 0; sl_guard_is_reason(d) && w < n_workers; w++)
			fprintf(f, "sluice_guard_would_drop_total{worker=\"%u\",reason=\"%s\"} %" PRIu64 "\n", w, sl_drop_names[d].name,
			        sl_view_load(&region->workers[w].would_drop[d]));
	}
}

void sl_metrics_guard(FILE *f, struct sl_brain *b)
{
	const struct sl_region *region = sl_dp_region(b->dp);
	const struct sl_warden_counts *c = sl_warden_counts(b->warden);

	sl_metric(f, "sluice_guard_owner", "gauge", "1 while the dataplane goes by our policy, lists and bans", sl_warden_standby(b->warden) == NULL);
	sl_metric(f, "sluice_guard_policy_live", "gauge", "1 while the policy was changed by the API", sl_warden_policy_is_live(b->warden));
	sl_metric_head(f, "sluice_guard_entries", "gauge", "entries of lists and bans, by kind");
	for (unsigned kind = SL_WARDEN_ALLOW; kind <= SL_WARDEN_BAN; kind++)
		fprintf(f, "sluice_guard_entries{kind=\"%s\"} %zu\n", sl_guard_kind_text(kind), sl_warden_count(b->warden, (enum sl_warden_kind)kind));
#define X(name, help) sl_metric(f, "sluice_guard_" #name "_total", "counter", help, c->name);
	SL_WARDEN_COUNTERS(X)
#undef X
	if (region)
		dataplane_metrics(f, b, region);
}

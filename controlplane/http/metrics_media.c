/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/metrics.h"

#include <inttypes.h>

/* Media as the control plane counts it: sessions, and what front ends asked by the ng protocol. Packets are the workers'. */

static void session_metrics(FILE *f, const struct sl_media_counts *c, const struct sl_conf_media *conf)
{
	sl_metric(f, "sluice_sessions", "gauge", "media sessions (calls) now", c->sessions);
	sl_metric(f, "sluice_sessions_max", "gauge", "media sessions allowed", conf->max_sessions);
	sl_metric(f, "sluice_session_parties", "gauge", "parties of all media sessions now", c->parties);
	sl_metric(f, "sluice_legs", "gauge", "media legs now", c->legs);
	sl_metric(f, "sluice_legs_max", "gauge", "media legs there is room for", conf->max_legs);
	sl_metric(f, "sluice_media_ports_free", "gauge", "media ports that can be drawn", c->ports_free);
	sl_metric(f, "sluice_media_ports_guarded", "gauge", "media ports that wait for their guard time to end", c->ports_guarded);
	sl_metric(f, "sluice_sessions_total", "counter", "media sessions made", c->sessions_total);
	sl_metric(f, "sluice_media_offers_total", "counter", "offers taken", c->offers);
	sl_metric(f, "sluice_media_answers_total", "counter", "answers taken", c->answers);
	sl_metric(f, "sluice_media_deletes_total", "counter", "deletions asked for", c->deletes);
	sl_metric(f, "sluice_media_errors_total", "counter", "offers, answers and commands refused", c->errors);
	sl_metric(f, "sluice_media_timeouts_total", "counter", "media sessions ended for want of media or an answer", c->timeouts);
	sl_metric(f, "sluice_legs_refused_total", "counter", "commands about media that the dataplane refused", c->legs_refused);
	sl_metric(f, "sluice_recordings_total", "counter", "recordings begun", c->recordings);
	sl_metric(f, "sluice_recording_lost_total", "counter", "packets missing from recordings", c->recording_lost);
}

static void ng_metrics(FILE *f, const struct sl_ng_counts *c)
{
	sl_metric_head(f, "sluice_ng_requests_total", "counter", "ng requests executed, by command");
	for (unsigned i = 0; i < SL_NG_N_COMMANDS; i++)
		fprintf(f, "sluice_ng_requests_total{command=\"%s\"} %" PRIu64 "\n", sl_ng_command_name(i), c->requests[i]);
	sl_metric_head(f, "sluice_ng_errors_total", "counter", "ng requests answered with an error, by command");
	for (unsigned i = 0; i < SL_NG_N_COMMANDS; i++)
		fprintf(f, "sluice_ng_errors_total{command=\"%s\"} %" PRIu64 "\n", sl_ng_command_name(i), c->errors[i]);
	sl_metric(f, "sluice_ng_load_limits_total", "counter", "ng requests answered with load limit", c->load_limits);
	sl_metric(f, "sluice_ng_warnings_total", "counter", "ng answers with a warning", c->warnings);
	sl_metric(f, "sluice_ng_duplicates_answered_total", "counter", "ng retransmissions answered as before",
	        c->duplicates_answered);
	sl_metric(f, "sluice_ng_duplicates_dropped_total", "counter", "ng retransmissions of what was being executed",
	        c->duplicates_dropped);
	sl_metric(f, "sluice_ng_refused_sources_total", "counter", "ng datagrams and connections from addresses not allowed",
	        c->refused_sources);
	sl_metric(f, "sluice_ng_bad_messages_total", "counter", "ng messages that could not be read", c->bad_messages);
	sl_metric(f, "sluice_ng_overloaded_total", "counter", "ng requests dropped because too many were being executed",
	        c->overloaded);
	sl_metric(f, "sluice_ng_send_failures_total", "counter", "ng answers the socket did not take", c->send_failures);
	sl_metric(f, "sluice_ng_cache_evicted_total", "counter", "ng answers forgotten before their time", c->cache_evicted);
	sl_metric(f, "sluice_ng_tcp_accepted_total", "counter", "ng connections over TCP", c->tcp_accepted);
	sl_metric(f, "sluice_ng_tcp_refused_total", "counter", "ng connections over TCP refused: too many", c->tcp_refused);
	sl_metric(f, "sluice_ng_tcp_timeouts_total", "counter", "ng connections over TCP ended for silence", c->tcp_timeouts);
	sl_metric(f, "sluice_ng_tcp_connections", "gauge", "ng connections over TCP now", c->tcp_connections);
	sl_metric(f, "sluice_ng_in_flight", "gauge", "ng requests being executed now", c->in_flight);
	sl_metric(f, "sluice_ng_cached", "gauge", "ng answers kept for retransmissions now", c->cached);
}

void sl_metrics_media(FILE *f, struct sl_brain *b)
{
	struct sl_media_counts counts;
	struct sl_ng_counts ng;

	if (b->media) {
		sl_media_counts(b->media, &counts);
		session_metrics(f, &counts, &b->config->media);
	}
	if (b->ng) {
		sl_ng_counts(b->ng, &ng);
		ng_metrics(f, &ng);
	}
}

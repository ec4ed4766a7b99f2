/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Life of the engine, its limits, and looking at it. */

#include "controlplane/media/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "controlplane/media/record.h"

/* ---- opening ---- */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static int open_tables(struct sl_media *m)
{
	m->max_sessions = sl_journal_n_slots(m->journal);
	m->hash_size = 64;
	while (m->hash_size < m->max_sessions)
		m->hash_size *= 2;
	m->hash = calloc(m->hash_size, sizeof *m->hash);
	m->sessions = calloc(m->max_sessions, sizeof *m->sessions);
	m->free_sessions = calloc(m->max_sessions, sizeof *m->free_sessions);
	m->plan = calloc(1, sizeof *m->plan);
	if (!m->hash || !m->sessions || !m->free_sessions || !m->plan || sl_legs_open(m) < 0)
		return -ENOMEM;
	for (uint32_t i = m->max_sessions; i-- > 0;)
		m->free_sessions[m->n_free_sessions++] = i;
	return 0;
}

static int open_ports(struct sl_media *m)
{
	struct sl_port_pool_params p = {.n_addresses = m->conf->n_addresses,
	        .n_workers = m->n_workers,
	        .port_min = m->conf->port_min,
	        .port_max = m->conf->port_max,
	        .guard_ms = m->conf->port_guard_s * INT64_C(1000),
	        .released_s = sl_save_ports(m)};

	if (getrandom(p.seed, sizeof p.seed, 0) != sizeof p.seed)
		return -EIO;
	m->ports = sl_port_pool_new(&p, m->now_ms);
	return m->ports ? 0 : -ENOMEM;
}

static void take_limits(struct sl_media *m, const struct sl_config *config)
{
	m->config = config;
	m->conf = &config->media;
	m->session_limit = m->conf->max_sessions;
}

struct sl_media *sl_media_open(
        const struct sl_config *config, struct sl_dp *dp, int journal_fd, char *text, size_t text_len)
{
	struct sl_media *m = calloc(1, sizeof *m);

	snprintf(text, text_len, "no memory for media");
	if (!m)
		return NULL;
	take_limits(m, config);
	TAILQ_INIT(&m->waits);
	m->dp = dp;
	m->n_workers = config->dataplane.n_workers;
	m->max_legs = m->conf->max_legs;
	m->max_worker_legs = m->conf->max_legs / m->n_workers;
	m->max_worker_large = m->conf->max_large_keys / m->n_workers;
	m->away_since_ms = -1;
	m->replay_at = UINT32_MAX;
	m->now_ms = now_ms();
	if (getrandom(&m->prng.key, sizeof m->prng.key, 0) != sizeof m->prng.key ||
	        getrandom(&m->hash_key, sizeof m->hash_key, 0) != sizeof m->hash_key ||
	        sl_save_open(m, journal_fd, text, text_len) < 0 || open_tables(m) < 0 || open_ports(m) < 0 ||
	        sl_plays_open(m) < 0 || sl_recording_open(m, text, text_len) < 0) {
		sl_media_close(m);
		return NULL;
	}
	text[0] = '\0';
	sl_save_restore(m);
	sl_dp_set_media(dp, &sl_media_dp_ops, m);
	return m;
}

void sl_media_close(struct sl_media *m)
{
	if (!m)
		return;
	if (m->sessions && m->dp)
		sl_dp_set_media(m->dp, NULL, NULL);
	sl_waits_drop(m);
	for (uint32_t i = 0; m->sessions && i < m->max_sessions; i++) {
		if (m->sessions[i])
			sl_session_free(m->sessions[i]);
	}
	sl_recorder_close(m->recorder); /* ends those under way */
	free(m->sessions);
	free(m->free_sessions);
	free(m->hash);
	free(m->legs);
	free(m->plan);
	sl_plays_close(m);
	sl_port_pool_free(m->ports);
	sl_journal_close(m->journal);
	free(m);
}

void sl_media_set_hooks(struct sl_media *m, const struct sl_media_hooks *hooks)
{
	m->hooks = *hooks;
}

void sl_media_tick(struct sl_media *m, int64_t now)
{
	m->now_ms = now;
	sl_waits_tick(m);
	sl_media_replay_pump(m);
	sl_stats_tick(m);
	sl_timeouts_tick(m);
}

void sl_media_reconfigure(struct sl_media *m, const struct sl_config *config)
{
	take_limits(m, config);
	if (m->session_limit > m->max_sessions)
		m->session_limit = m->max_sessions;
	sl_port_pool_set_guard(m->ports, m->conf->port_guard_s * INT64_C(1000));
	for (uint32_t i = 0; i < m->max_sessions; i++) {
		if (m->sessions[i])
			sl_session_changed(m, m->sessions[i]); /* inactivity times */
	}
}

/* ---- looking ---- */

size_t sl_media_n_sessions(const struct sl_media *m)
{
	return m->n_sessions;
}

void sl_media_set_meter(struct sl_media *m, struct sl_slice call_id, unsigned meter)
{
	struct session *s = sl_session_find(m, call_id);

	if (!s || s->meter == meter)
		return;
	s->meter = (uint16_t)meter;
	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		for (unsigned i = 0; i < party_at(s, k)->pub.n_sections; i++)
			sl_leg_post(m, s, SL_CMD_LEG_SET, section_at(party_at(s, k), i), 0);
	}
}

const struct sl_media_session *sl_media_find(const struct sl_media *m, struct sl_slice call_id)
{
	const struct session *s = sl_session_find(m, call_id);

	return s ? &s->pub : NULL;
}

const struct sl_media_session *sl_media_next(const struct sl_media *m, uint32_t *cursor)
{
	while (*cursor < m->max_sessions) {
		const struct session *s = m->sessions[(*cursor)++];
		if (s)
			return &s->pub;
	}
	return NULL;
}

int sl_media_peer(const struct sl_media_session *s, unsigned party)
{
	const struct party *p = (const struct party *)s->parties[party], *q = p->peer;

	for (unsigned i = 0; !q && i < p->pub.n_sections; i++)
		q = section_at(p, i)->source;
	for (unsigned i = 0; q && i < s->n_parties; i++) {
		if (s->parties[i] == &q->pub)
			return (int)i;
	}
	return -1;
}

void sl_media_counts(const struct sl_media *m, struct sl_media_counts *out)
{
	*out = m->counts;
	out->sessions = m->n_sessions;
	out->legs = m->n_legs;
	out->ports_free = sl_port_pool_total_free(m->ports);
	out->ports_guarded = sl_port_pool_total_guarded(m->ports);
	sl_recording_counts(m, out);
	out->parties = 0;
	for (uint32_t i = 0; i < m->max_sessions; i++)
		out->parties += m->sessions[i] ? m->sessions[i]->pub.n_parties : 0;
}

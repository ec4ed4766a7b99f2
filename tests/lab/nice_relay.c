/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Two libnice agents that may only be relayed (force-relay), and numbered datagrams between them, both directions. One line of JSON; exit status 1
 * when something was lost, or ICE did not succeed.
 *
 *   nice_relay udp|tcp SERVER PORT USER PASSWORD DATAGRAMS */

#include <arpa/inet.h>
#include <nice/agent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	N_AGENTS = 2,
	COMPONENT = 1,
	PAYLOAD_BYTES = 200,
	INTERVAL_MS = 10,
	DRAIN_MS = 1000, /* what is under way at the end */
	LIMIT_S = 25,
};

struct end {
	NiceAgent *agent;
	guint stream;
	struct end *other;
	gboolean gathered, ready;
	uint32_t sent, received, duplicates;
	uint8_t *seen; /* [n_datagrams] */
	char local[INET6_ADDRSTRLEN + 8], remote[INET6_ADDRSTRLEN + 8];
	gboolean relayed;
};

static struct end ends[N_AGENTS];
static uint32_t n_datagrams;
static GMainLoop *loop;

static gboolean stop(gpointer unused)
{
	(void)unused;
	g_main_loop_quit(loop);
	return G_SOURCE_REMOVE;
}

static gboolean send_next(gpointer unused)
{
	char payload[PAYLOAD_BYTES] = { 0 };
	gboolean more = FALSE;

	(void)unused;
	for (int i = 0; i < N_AGENTS; i++) {
		struct end *e = &ends[i];
		uint32_t number = htonl(e->sent);

		if (e->sent == n_datagrams)
			continue;
		memcpy(payload, &number, sizeof number);
		if (nice_agent_send(e->agent, e->stream, COMPONENT, sizeof payload, payload) == sizeof payload)
			e->sent++;
		more = more || e->sent < n_datagrams;
	}
	if (!more)
		g_timeout_add(DRAIN_MS, stop, NULL);
	return more;
}

static void on_datagram(NiceAgent *agent, guint stream, guint component, guint len, gchar *buf, gpointer data)
{
	struct end *e = data;
	uint32_t number;

	(void)agent, (void)stream, (void)component;
	if (len != PAYLOAD_BYTES)
		return;
	memcpy(&number, buf, sizeof number);
	number = ntohl(number);
	if (number >= n_datagrams)
		return;
	if (e->seen[number])
		e->duplicates++;
	else
		e->received++;
	e->seen[number] = 1;
}

/* Once both have their candidates, each learns the other's, as signalling would tell them. */
static void on_gathered(NiceAgent *agent, guint stream, gpointer data)
{
	struct end *e = data;

	(void)agent, (void)stream;
	e->gathered = TRUE;
	if (!e->other->gathered)
		return;
	for (int i = 0; i < N_AGENTS; i++) {
		struct end *to = &ends[i];
		gchar *ufrag, *password;
		GSList *candidates = nice_agent_get_local_candidates(to->other->agent, to->other->stream, COMPONENT);

		nice_agent_get_local_credentials(to->other->agent, to->other->stream, &ufrag, &password);
		nice_agent_set_remote_credentials(to->agent, to->stream, ufrag, password);
		nice_agent_set_remote_candidates(to->agent, to->stream, COMPONENT, candidates);
		g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
		g_free(ufrag);
		g_free(password);
	}
}

static void on_state(NiceAgent *agent, guint stream, guint component, guint state, gpointer data)
{
	struct end *e = data;

	(void)agent, (void)stream, (void)component;
	if (state == NICE_COMPONENT_STATE_FAILED)
		g_main_loop_quit(loop);
	if (state != NICE_COMPONENT_STATE_READY || e->ready)
		return;
	e->ready = TRUE;
	if (e->other->ready)
		g_timeout_add(INTERVAL_MS, send_next, NULL);
}

static void note_pair(struct end *e)
{
	NiceCandidate *local, *remote;

	if (!nice_agent_get_selected_pair(e->agent, e->stream, COMPONENT, &local, &remote))
		return;
	nice_address_to_string(&local->addr, e->local);
	nice_address_to_string(&remote->addr, e->remote);
	e->relayed = local->type == NICE_CANDIDATE_TYPE_RELAYED && remote->type == NICE_CANDIDATE_TYPE_RELAYED;
}

static void make_end(struct end *e, NiceRelayType type, char *argv[])
{
	e->agent = nice_agent_new(g_main_loop_get_context(loop), NICE_COMPATIBILITY_RFC5245);
	g_object_set(e->agent, "controlling-mode", e == &ends[0], "force-relay", TRUE, "upnp", FALSE, NULL);
	e->stream = nice_agent_add_stream(e->agent, COMPONENT);
	e->seen = calloc(n_datagrams, 1);
	nice_agent_set_relay_info(e->agent, e->stream, COMPONENT, argv[2], (guint)atoi(argv[3]), argv[4], argv[5], type);
	g_signal_connect(e->agent, "candidate-gathering-done", G_CALLBACK(on_gathered), e);
	g_signal_connect(e->agent, "component-state-changed", G_CALLBACK(on_state), e);
	nice_agent_attach_recv(e->agent, e->stream, COMPONENT, g_main_loop_get_context(loop), on_datagram, e);
}

int main(int argc, char *argv[])
{
	if (argc != 7 || (strcmp(argv[1], "udp") != 0 && strcmp(argv[1], "tcp") != 0) || (n_datagrams = (uint32_t)atoi(argv[6])) == 0) {
		fprintf(stderr, "usage: nice_relay udp|tcp SERVER PORT USER PASSWORD DATAGRAMS\n");
		return 2;
	}
	loop = g_main_loop_new(NULL, FALSE);
	for (int i = 0; i < N_AGENTS; i++) {
		ends[i].other = &ends[1 - i];
		make_end(&ends[i], argv[1][0] == 'u' ? NICE_RELAY_TYPE_TURN_UDP : NICE_RELAY_TYPE_TURN_TCP, argv);
	}
	g_timeout_add_seconds(LIMIT_S, stop, NULL);
	for (int i = 0; i < N_AGENTS; i++)
		nice_agent_gather_candidates(ends[i].agent, ends[i].stream);
	g_main_loop_run(loop);

	bool ok = true;
	for (int i = 0; i < N_AGENTS; i++) {
		struct end *e = &ends[i];

		note_pair(e);
		printf("%s{\"ready\": %s, \"relayed\": %s, \"local\": \"%s\", \"remote\": \"%s\", \"sent\": %u, \"lost\": %u, \"duplicates\": %u}", i ? ", " : "[",
			e->ready ? "true" : "false", e->relayed ? "true" : "false", e->local, e->remote, e->sent, e->other->sent - e->received, e->duplicates);
		ok = ok && e->ready && e->relayed && e->sent == n_datagrams && e->received == e->other->sent && e->duplicates == 0;
	}
	puts("]");
	for (int i = 0; i < N_AGENTS; i++) {
		g_object_unref(ends[i].agent);
		free(ends[i].seen);
	}
	g_main_loop_unref(loop);
	return ok ? 0 : 1;
}

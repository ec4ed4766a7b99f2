/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Checks of the group "media" between its options, and with TURN, which shares addresses and workers with it. */

#include "config/options_turn.h"

#include <string.h>

enum {
	MB = 1 << 20,
	LEG_BYTES = 2048,        /* all that a leg takes, contexts of AES-CM included */
	STREAM_BYTES = 96,       /* without its replay window */
	LARGE_KEY_BYTES = 2560,
	PORT_INDEX_BYTES = 65536 * 4, /* per address and worker */
};

static void check_addresses(struct sl_reader *r, const struct sl_conf_media *m)
{
	char text[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < m->n_addresses; i++) {
		const struct sl_conf_media_address *a = &m->addresses[i];
		const char *name = SL_OPTION("media.addresses[%u].address", i);

		if (!sl_is_unicast(&a->ip))
			sl_read_fail_at(r, name, "%s cannot carry media; must be a unicast address of this appliance",
				sl_ip_text(&a->ip, text));
		if (!sl_is_unicast(&a->advertised) || sl_ip_is_v4(&a->advertised) != sl_ip_is_v4(&a->ip))
			sl_read_fail_at(r, SL_OPTION("media.addresses[%u].advertised", i),
				"%s cannot stand for the address; must be unicast and of the same family", sl_ip_text(&a->advertised, text));
		for (unsigned j = 0; j < i; j++) {
			if (sl_ip_eq(&a->ip, &m->addresses[j].ip))
				sl_read_fail_at(r, name, "%s is listed twice", sl_ip_text(&a->ip, text));
			if (strcmp(a->interface, m->addresses[j].interface) == 0 &&
				sl_ip_is_v4(&a->ip) == sl_ip_is_v4(&m->addresses[j].ip))
				sl_read_fail_at(r, SL_OPTION("media.addresses[%u].interface", i),
					"\"%s\" has an address of this family already; one IPv4 and one IPv6 address are allowed", a->interface);
		}
	}
}

static void check_ports(struct sl_reader *r, const struct sl_conf_media *m, unsigned n_workers)
{
	unsigned min = m->port_min, max = m->port_max;

	if (min > max) {
		sl_read_fail_at(r, "media.ports", "the lowest, %u, is above the highest, %u", min, max);
		return;
	}
	unsigned first = (min + SL_CONF_RELAY_BLOCK - 1) / SL_CONF_RELAY_BLOCK, end = (max + 1) / SL_CONF_RELAY_BLOCK;
	unsigned blocks = end > first ? end - first : 0;
	/* Whole blocks that follow each other go round the workers: as many as workers are at least one for each. */
	if (blocks < n_workers)
		sl_read_fail_at(r, "media.ports",
			"%u..%u holds %u whole aligned blocks of %d ports; each of the %u workers needs one at least", min, max, blocks,
			SL_CONF_RELAY_BLOCK, n_workers);
}

/* Is a UDP port of this address one that media ports are drawn from? */
static bool is_media_port(const struct sl_conf_media *m, const struct sl_endpoint *ep)
{
	unsigned port = ntohs(ep->port_be);

	for (unsigned i = 0; i < m->n_addresses; i++) {
		if (sl_ip_eq(&m->addresses[i].ip, &ep->ip))
			return port >= m->port_min && port <= m->port_max;
	}
	return false;
}

static void check_beside_turn(struct sl_reader *r, const struct sl_conf_media *m, const struct sl_conf_turn *turn)
{
	char text[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < turn->n_relay; i++) {
		for (unsigned j = 0; j < m->n_addresses; j++) {
			if (sl_ip_eq(&turn->relay[i], &m->addresses[j].ip) && m->port_min <= turn->relay_port_max &&
				turn->relay_port_min <= m->port_max)
				sl_read_fail_at(r, "media.ports",
					"%u..%u overlaps turn.relay_ports, %u..%u, and %s has both; must be apart there", m->port_min,
					m->port_max, turn->relay_port_min, turn->relay_port_max, sl_ip_text(&turn->relay[i], text));
		}
	}
	for (unsigned i = 0; i < turn->n_listeners; i++) {
		char listener[SL_OPTION_NAME_MAX];

		if (!sl_turn_is_tcp(turn, i) && is_media_port(m, &turn->listeners[i]))
			sl_read_fail_at(r, "media.ports", "%u..%u holds the port of %s, %s; must be apart on that address", m->port_min, m->port_max,
				sl_turn_listener_option(turn, i, listener), sl_endpoint_text(&turn->listeners[i], text));
	}
}

static void check_capacity(struct sl_reader *r, const struct sl_config *c)
{
	const struct sl_conf_media *m = &c->media;
	unsigned workers = c->dataplane.n_workers;
	unsigned ports = (m->port_max - m->port_min + 1u) * m->n_addresses;
	uint64_t stream = STREAM_BYTES + m->replay_window / 8;
	uint64_t bytes = (uint64_t)m->max_legs * LEG_BYTES + m->max_streams * stream +
		(uint64_t)m->max_large_keys * LARGE_KEY_BYTES + (uint64_t)workers * m->n_addresses * PORT_INDEX_BYTES;

	if (m->max_legs < workers)
		sl_read_fail_at(r, "media.max_legs", "%u is fewer than the %u workers that share them", m->max_legs, workers);
	if (m->max_streams < workers)
		sl_read_fail_at(r, "media.max_streams", "%u is fewer than the %u workers that share them", m->max_streams, workers);
	if (m->max_legs > ports)
		sl_read_fail_at(r, "media.max_legs", "%u is more than the %u ports of media.ports on %u addresses", m->max_legs,
			ports, m->n_addresses);
	if (m->max_sessions > m->max_legs)
		sl_read_fail_at(r, "media.max_sessions", "%u is more than max_legs, %u; a session has two at least", m->max_sessions,
			m->max_legs);
	if (bytes > (uint64_t)c->dataplane.memory_mb * MB)
		sl_read_fail_at(r, "media.max_legs", "%u legs, %u streams and %u large keys take %u MB; dataplane.memory_mb is %u",
			m->max_legs, m->max_streams, m->max_large_keys, (unsigned)(bytes / MB) + 1, c->dataplane.memory_mb);
}

static void check_srtp(struct sl_reader *r, const struct sl_conf_media *m)
{
	if ((m->replay_window & (m->replay_window - 1)) != 0)
		sl_read_fail_at(r, "media.replay_window", "%u is no power of two; allowed 64, 128, 256, 512, 1024", m->replay_window);
	if (m->srtp_backend == SL_CONF_SRTP_CRYPTODEV && m->srtp_device == NULL)
		sl_read_fail_at(r, "media.srtp_backend", "\"cryptodev\" needs media.srtp_device; such as \"crypto_aesni_mb0\"");
	if (m->srtp_backend != SL_CONF_SRTP_CRYPTODEV && m->srtp_device != NULL)
		sl_read_fail_at(r, "media.srtp_device", "belongs to srtp_backend = \"cryptodev\"; leave it out");
}

static void check_folder(struct sl_reader *r, const char *name, const char *path)
{
	if (path != NULL && path[0] != '/')
		sl_read_fail_at(r, name, "\"%s\" counts from wherever the program was started; must begin with /", path);
}

/* A port that TURN has already. */
static void check_turn_listeners(struct sl_reader *r, const struct sl_config *c, const char *name, const struct sl_endpoint *ep, bool tcp)
{
	char text[SL_ADDR_TEXT_MAX], listener[SL_OPTION_NAME_MAX];

	for (unsigned i = 0; i < c->turn.n_listeners; i++) {
		if (sl_turn_is_tcp(&c->turn, i) == tcp && sl_endpoint_eq(ep, &c->turn.listeners[i]))
			sl_read_fail_at(r, name, "%s is %s; must be a port of its own", sl_endpoint_text(ep, text),
				sl_turn_listener_option(&c->turn, i, listener));
	}
}

/* A UDP port that the dataplane takes before Linux sees it: nothing would ever arrive on a socket. */
void sl_check_udp_port(struct sl_reader *r, const struct sl_config *c, const char *name, const struct sl_endpoint *ep)
{
	const struct sl_conf_turn *turn = &c->turn;
	unsigned port = ntohs(ep->port_be);
	char text[SL_ADDR_TEXT_MAX];

	if (is_media_port(&c->media, ep))
		sl_read_fail_at(r, name, "%s is a media port; must be outside media.ports, %u..%u", sl_endpoint_text(ep, text),
			c->media.port_min, c->media.port_max);
	for (unsigned i = 0; i < turn->n_relay; i++) {
		if (sl_ip_eq(&ep->ip, &turn->relay[i]) && port >= turn->relay_port_min && port <= turn->relay_port_max)
			sl_read_fail_at(r, name, "%s is a relay port; must be outside turn.relay_ports, %u..%u",
				sl_endpoint_text(ep, text), turn->relay_port_min, turn->relay_port_max);
	}
	check_turn_listeners(r, c, name, ep, false);
}

void sl_check_tcp_port(struct sl_reader *r, const struct sl_config *c, const char *name, const struct sl_endpoint *ep)
{
	const struct sl_conf_turn *turn = &c->turn;
	unsigned port = ntohs(ep->port_be);
	char text[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; turn->tcp_relay && i < turn->n_relay; i++) {
		if (sl_ip_eq(&ep->ip, &turn->relay[i]) && port >= turn->relay_port_min && port <= turn->relay_port_max)
			sl_read_fail_at(r, name, "%s is a relay port, by TCP too with turn.tcp_relay; must be outside turn.relay_ports, %u..%u",
				sl_endpoint_text(ep, text), turn->relay_port_min, turn->relay_port_max);
	}
	check_turn_listeners(r, c, name, ep, true);
}

static void check_ng(struct sl_reader *r, const struct sl_config *c)
{
	const struct sl_conf_media *m = &c->media;
	char text[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < m->n_ng_udp; i++) {
		sl_check_udp_port(r, c, SL_OPTION("media.ng.udp[%u]", i), &m->ng_udp[i]);
		for (unsigned j = 0; j < i; j++) {
			if (sl_endpoint_eq(&m->ng_udp[i], &m->ng_udp[j]))
				sl_read_fail_at(r, SL_OPTION("media.ng.udp[%u]", i), "%s is listed twice",
					sl_endpoint_text(&m->ng_udp[i], text));
		}
	}
	for (unsigned i = 0; i < m->n_ng_tcp; i++) {
		sl_check_tcp_port(r, c, SL_OPTION("media.ng.tcp[%u]", i), &m->ng_tcp[i]);
		for (unsigned j = 0; j < i; j++) {
			if (sl_endpoint_eq(&m->ng_tcp[i], &m->ng_tcp[j]))
				sl_read_fail_at(r, SL_OPTION("media.ng.tcp[%u]", i), "%s is listed twice",
					sl_endpoint_text(&m->ng_tcp[i], text));
		}
	}
}

void sl_check_media(struct sl_reader *r, const struct sl_config *c)
{
	const struct sl_conf_media *m = &c->media;

	check_addresses(r, m);
	check_ports(r, m, c->dataplane.n_workers);
	check_beside_turn(r, m, &c->turn);
	check_srtp(r, m);
	check_capacity(r, c);
	check_folder(r, "media.recording_folder", m->recording_folder);
	check_folder(r, "media.clip_folder", m->clip_folder);
	check_ng(r, c);
}

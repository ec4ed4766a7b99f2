/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Checks of the group "turn" between its options: addresses, listeners and ports. Realms: options_check_realms.c. */

#include "config/options_turn.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "dataplane/abi/msg_turn.h"
#include "dataplane/stream/stream.h"

static void check_relay(struct sl_reader *r, const struct sl_conf_turn *turn, unsigned n_workers)
{
	unsigned min = turn->relay_port_min, max = turn->relay_port_max;
	char text[SL_ADDR_TEXT_MAX];

	if (min > max) {
		sl_read_fail_at(r, "turn.relay_ports", "the lowest, %u, is above the highest, %u", min, max);
		return;
	}
	unsigned blocks = max / SL_CONF_RELAY_BLOCK - min / SL_CONF_RELAY_BLOCK + 1;
	if (blocks < n_workers)
		sl_read_fail_at(r, "turn.relay_ports",
			"%u..%u touches %u aligned blocks of %d ports; each of the %u workers needs one at least", min, max, blocks,
			SL_CONF_RELAY_BLOCK, n_workers);
	for (unsigned i = 0; i < turn->n_relay; i++) {
		const char *name = SL_OPTION("turn.relay_addresses[%u]", i);

		if (!sl_is_unicast(&turn->relay[i]))
			sl_read_fail_at(r, name, "%s cannot be a relay address; must be unicast", sl_ip_text(&turn->relay[i], text));
		for (unsigned j = 0; j < i; j++) {
			if (sl_ip_eq(&turn->relay[i], &turn->relay[j]))
				sl_read_fail_at(r, name, "%s is listed twice", sl_ip_text(&turn->relay[i], text));
		}
	}
}

/* One UDP port and one TCP port of the same number are two. */
static void check_address(struct sl_reader *r, const struct sl_conf_turn *turn, unsigned i)
{
	char text[SL_ADDR_TEXT_MAX], name[SL_OPTION_NAME_MAX], other[SL_OPTION_NAME_MAX];
	const struct sl_endpoint *ep = &turn->listeners[i];
	bool tcp = sl_turn_is_tcp(turn, i);
	unsigned port = ntohs(ep->port_be);

	sl_turn_listener_option(turn, i, name);
	if (!sl_is_unicast(&ep->ip))
		sl_read_fail_at(r, name, "%s cannot be listened on; must be a unicast address of this appliance", sl_endpoint_text(ep, text));
	for (unsigned j = 0; j < i; j++) {
		if (!sl_endpoint_eq(ep, &turn->listeners[j]) || sl_turn_is_tcp(turn, j) != tcp)
			continue;
		if (turn->more[i].transport == turn->more[j].transport)
			sl_read_fail_at(r, name, "%s is listed twice", sl_endpoint_text(ep, text));
		else
			sl_read_fail_at(r, name, "%s is %s already, with transport \"%s\"; \"%s\" needs a %s port of its own", sl_endpoint_text(ep, text),
				sl_turn_listener_option(turn, j, other), sl_turn_transports[turn->more[j].transport],
				sl_turn_transports[turn->more[i].transport], tcp ? "TCP" : "UDP");
	}
	/* With RFC 6062 relay ports are TCP ports as well. */
	for (unsigned j = 0; (!tcp || turn->tcp_relay) && j < turn->n_relay; j++) {
		if (sl_ip_eq(&ep->ip, &turn->relay[j]) && port >= turn->relay_port_min && port <= turn->relay_port_max)
			sl_read_fail_at(r, name, "port %u is a relay port of that address too; must be outside turn.relay_ports, %u..%u", port,
				turn->relay_port_min, turn->relay_port_max);
	}
}

static bool is_ours(const struct sl_conf_turn *turn, const struct sl_ip *ip)
{
	bool ours = false;

	for (unsigned i = 0; i < turn->n_relay; i++)
		ours |= sl_ip_eq(ip, &turn->relay[i]);
	for (unsigned i = 0; i < turn->n_listeners; i++)
		ours |= sl_ip_eq(ip, &turn->listeners[i].ip);
	return ours;
}

/* Both ways by one table: each address stands once on either side. */
static void check_external(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	char text[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < turn->n_external; i++) {
		const struct sl_ip *in = &turn->internal[i], *out = &turn->external[i];

		if (!is_ours(turn, in))
			sl_read_fail_at(r, SL_OPTION("turn.external_addresses[%u].address", i), "%s is neither in turn.relay_addresses nor a listener's",
				sl_ip_text(in, text));
		if (!sl_is_unicast(out) || sl_ip_is_v4(out) != sl_ip_is_v4(in) || is_ours(turn, out))
			sl_read_fail_at(r, SL_OPTION("turn.external_addresses[%u].external", i),
				"%s cannot stand for the address; must be unicast, of the same family, and none of our own", sl_ip_text(out, text));
		for (unsigned j = 0; j < i; j++) {
			if (sl_ip_eq(in, &turn->internal[j]) || sl_ip_eq(out, &turn->external[j]))
				sl_read_fail_at(r, SL_OPTION("turn.external_addresses[%u]", i), "has an address of entry %u; each stands once", j);
		}
	}
}

/* Who starts or reloads tells what is wrong inside a file; whether there is one can be said at once, with its line. */
static void check_file(struct sl_reader *r, const char *name, const char *path)
{
	struct stat st;

	if (path[0] != '/')
		sl_read_fail_at(r, name, "\"%s\" counts from wherever the program was started; must begin with /", path);
	else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		sl_read_fail_at(r, name, "%s is no file; must be a PEM file", path);
	else if (stat(path, &st) != 0 && errno != EACCES) /* who only checks may not see it */
		sl_read_fail_at(r, name, "%s cannot be read: %s; must be a PEM file", path, strerror(errno));
}

static void check_certificates(struct sl_reader *r, const struct sl_conf_turn *turn, unsigned i)
{
	const struct sl_conf_turn_listener *l = &turn->more[i];
	unsigned at = i - turn->n_plain;
	bool secure = l->transport == SL_TURN_OVER_TLS || l->transport == SL_TURN_OVER_DTLS;

	if (secure && (l->certificate == NULL || l->key == NULL)) {
		sl_read_fail_at(r, SL_OPTION("turn.listeners[%u].%s", at, l->certificate == NULL ? "certificate" : "key"),
			"is missing; transport = \"%s\" needs certificate (PEM, the full chain) and key", sl_turn_transports[l->transport]);
		return;
	}
	if (!secure && (l->certificate != NULL || l->key != NULL || l->n_certificates > 0)) {
		sl_read_fail_at(r, SL_OPTION("turn.listeners[%u].transport", at), "\"%s\" has no use for certificates; they are for \"tls\" and \"dtls\"",
			sl_turn_transports[l->transport]);
		return;
	}
	if (!secure)
		return;
	check_file(r, SL_OPTION("turn.listeners[%u].certificate", at), l->certificate);
	check_file(r, SL_OPTION("turn.listeners[%u].key", at), l->key);
	for (unsigned j = 0; j < l->n_certificates; j++) {
		check_file(r, SL_OPTION("turn.listeners[%u].certificates[%u].certificate", at, j), l->certificates[j].certificate);
		check_file(r, SL_OPTION("turn.listeners[%u].certificates[%u].key", at, j), l->certificates[j].key);
	}
}

static void check_listeners(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	bool tcp = false;

	for (unsigned i = 0; i < turn->n_listeners; i++) {
		check_address(r, turn, i);
		check_certificates(r, turn, i);
		if (turn->more[i].n_proxies > 0 && !sl_turn_is_tcp(turn, i))
			sl_read_fail_at(r, SL_OPTION("turn.listeners[%u].proxy_protocol", i - turn->n_plain), "is for transport \"tcp\" and \"tls\"");
		tcp |= sl_turn_is_tcp(turn, i);
	}
	if (turn->tcp_relay && !tcp)
		sl_read_fail_at(r, "turn.tcp_relay", "needs a client's TCP connection (RFC 6062); add one of transport \"tcp\" or \"tls\" to turn.listeners");
}

/* RFC 5780 3: two addresses of one family, two ports that both of them have. */
static void check_nat_discovery(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	const struct sl_endpoint *ep[4];

	if (!turn->nat_discovery)
		return;
	for (unsigned i = 0; i < 4; i++)
		ep[i] = &turn->listeners[turn->nat[i]];
	if (!sl_ip_eq(&ep[0]->ip, &ep[1]->ip) || !sl_ip_eq(&ep[2]->ip, &ep[3]->ip) || sl_ip_eq(&ep[0]->ip, &ep[2]->ip) ||
		sl_ip_is_v4(&ep[0]->ip) != sl_ip_is_v4(&ep[2]->ip) || ep[0]->port_be != ep[2]->port_be || ep[1]->port_be != ep[3]->port_be ||
		ep[0]->port_be == ep[1]->port_be)
		sl_read_fail_at(r, "turn.nat_discovery",
			"must be two ports of two addresses of one family, in this order: [ \"A:P1\", \"A:P2\", \"B:P1\", \"B:P2\" ]");
}

static bool is_url(const char *text)
{
	return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

static void check_alternates(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	char text[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < turn->n_alternates; i++) {
		const struct sl_conf_alternate *a = &turn->alternates[i];
		const char *name = SL_OPTION("turn.alternates[%u].server", i);

		sl_endpoint_text(&a->server, text);
		if (!sl_is_unicast(&a->server.ip))
			sl_read_fail_at(r, name, "%s is not an address that clients could go to", text);
		for (unsigned l = 0; l < turn->n_listeners; l++) {
			if (a->transport == turn->more[l].transport && sl_endpoint_eq(&a->server, &turn->listeners[l]))
				sl_read_fail_at(r, name, "%s is a listener of this node; clients would be sent in a circle", text);
		}
		for (unsigned j = 0; j < i; j++) {
			if (a->transport == turn->alternates[j].transport && sl_endpoint_eq(&a->server, &turn->alternates[j].server))
				sl_read_fail_at(r, name, "%s is listed twice for transport \"%s\"", text, sl_turn_transports[a->transport]);
		}
		if (a->load_url != NULL && !is_url(a->load_url))
			sl_read_fail_at(r, SL_OPTION("turn.alternates[%u].load_url", i),
				"is not a URL; such as \"http://TOKEN@192.0.2.9:8080/v1/turn/load\"");
	}
	if (turn->redirect_above != 0 && turn->n_alternates == 0)
		sl_read_fail_at(r, "turn.redirect_above", "needs turn.alternates, where clients are sent to");
}

static bool is_redis(const char *text)
{
	return text[0] == '/' || (strncmp(text, "redis://", 8) == 0 && text[8] != '\0');
}

static void check_records(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	const struct sl_conf_accounting *a = &turn->accounting;
	static const char redis[] = "is not Redis's address; must be \"redis://[:PASSWORD@]HOST[:PORT][/DB]\" or a socket's path";

	/* What is wrong is not shown: it may hold a password. */
	for (unsigned i = 0; i < turn->n_user_sources; i++) {
		const struct sl_conf_user_source *s = &turn->user_sources[i];

		if (s->kind == SL_USERS_SQLITE && s->connect[0] != '/')
			sl_read_fail_at(r, SL_OPTION("turn.user_sources[%u].connect", i), "must be the file's whole path, beginning with /");
		if (s->kind == SL_USERS_REDIS && !is_redis(s->connect))
			sl_read_fail_at(r, SL_OPTION("turn.user_sources[%u].connect", i), "%s", redis);
		for (unsigned j = 0; j < i; j++) {
			if (s->kind == turn->user_sources[j].kind && strcmp(s->connect, turn->user_sources[j].connect) == 0)
				sl_read_fail_at(r, SL_OPTION("turn.user_sources[%u].connect", i), "is listed twice");
		}
	}
	/* Without the group retention has no value either. */
	if (!a->database && a->webhook == NULL && a->redis == NULL && a->webhook_secret == NULL && a->retention_days + a->interval_s > 0)
		sl_read_fail_at(r, "turn.accounting", "has nowhere to put records; write database = true, webhook or redis, or leave the group out");
	if (a->webhook != NULL && !is_url(a->webhook))
		sl_read_fail_at(r, "turn.accounting.webhook", "is not a URL; such as \"https://billing.example.org/turn\"");
	if (a->webhook_secret != NULL && a->webhook == NULL)
		sl_read_fail_at(r, "turn.accounting.webhook_secret", "signs what goes to turn.accounting.webhook, which is missing");
	if (a->redis != NULL && !is_redis(a->redis))
		sl_read_fail_at(r, "turn.accounting.redis", "%s", redis);
}

static void check_streams(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	if (turn->connections_per_source > turn->max_connections)
		sl_read_fail_at(r, "turn.connections_per_source", "%u is more than max_connections, %u", turn->connections_per_source, turn->max_connections);
	if (turn->stream_buffer_kb > turn->stream_memory_mb * 1024)
		sl_read_fail_at(r, "turn.stream_buffer_kb", "%u is more than stream_memory_mb, %u MB", turn->stream_buffer_kb, turn->stream_memory_mb);
}

static void check_host_name(struct sl_reader *r, const char *name)
{
	if (name != NULL && (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != strlen(name) || name[0] == '.' ||
		name[0] == '-'))
		sl_read_fail_at(r, "turn.host_name", "\"%s\" is no host name; such as \"turn.example.org\"", name);
}

void sl_check_turn(struct sl_reader *r, const struct sl_config *c)
{
	const struct sl_conf_turn *turn = &c->turn;

	check_relay(r, turn, c->dataplane.n_workers);
	check_listeners(r, turn);
	check_external(r, turn);
	check_nat_discovery(r, turn);
	check_host_name(r, turn->api_base);
	sl_check_realms(r, turn);
	check_alternates(r, turn);
	check_records(r, turn);
	check_streams(r, turn);
}

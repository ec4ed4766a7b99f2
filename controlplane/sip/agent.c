/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* One nta agent over all listeners: opening, closing, the tick. */

#include "controlplane/sip/internal.h"

#include "controlplane/brain.h"
#include "controlplane/guard/warden.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <sofia-sip/nta_tag.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/tport_tag.h>

enum {
	MESSAGE_MAX = 64 * 1024,
	QUEUE = 1024,             /* messages that wait for a slow TCP peer; Sofia's own 64 is not enough for a trunk */
	UDP_RECEIVE_BYTES = 4 << 20, /* what waits while the loop is busy must be seen as delay, not lost */
	IDLE_MS = 30 * 60 * 1000, /* a TCP connection over which nothing comes */
	PARTIAL_MS = 20 * 1000,   /* and one whose message does not go on: Sofia never takes it for idle, and keeps what came */
	T2_MS = 4000,
	T4_MS = 5000,
	BIND_AGAIN_MS = 50,
	BIND_FOR_MS = 5000,
	SAMPLE_MS = 10,           /* between two looks at how long datagrams waited */
	SIP_PORT = 5060,
	SIPS_PORT = 5061,
};

static const char *const edge_ident = "edge";

const struct sl_sip_options *sl_sip_options(const struct sl_sip *s)
{
	return &s->o;
}

nta_agent_t *sl_sip_agent(const struct sl_sip *s)
{
	return s->agent;
}

const struct sl_edge *sl_sip_edge(const struct sl_sip *s)
{
	return s->edge;
}

unsigned sl_sip_overload_level(const struct sl_sip *s)
{
	return s->overload.level;
}

struct sl_sip_counts *sl_sip_counts(struct sl_sip *s)
{
	usize_t requests = 0, responses = 0, again = 0;

	nta_agent_get_stats(s->agent, NTATAG_S_RECV_REQUEST_REF(requests), NTATAG_S_RECV_RESPONSE_REF(responses), NTATAG_S_RECV_RETRY_REF(again),
	        TAG_END());
	s->counts.received_requests = requests - again;
	s->counts.received_responses = responses;
	return &s->counts;
}

/* ---- opening ---- */

extern su_log_t nta_log[], tport_log[], sresolv_log[];

/* What Sofia says is for those who look into it: it prints lines in pieces. */
static void say(void *stream, const char *format, va_list ap)
{
	static char line[512];
	static size_t n;
	char *end;

	(void)stream;
	if (n < sizeof line - 1) {
		int m = vsnprintf(line + n, sizeof line - n, format, ap);

		n += m < 0 ? 0 : (size_t)m;
		if (n >= sizeof line)
			n = sizeof line - 1;
	}
	end = strchr(line, '\n');
	if (end == NULL && n < sizeof line - 1)
		return;
	if (end)
		*end = '\0';
	sl_log(SL_LOG_DEBUG, "sofia: %s", line);
	n = 0;
	line[0] = '\0';
}

static void quiet(void)
{
	enum { ERRORS = 1, EVENTS = 3 };
	unsigned level = sl_log_enabled(SL_LOG_DEBUG) ? EVENTS : ERRORS;

	su_log_redirect(NULL, say, NULL);
	su_log_set_level(nta_log, level);
	su_log_set_level(tport_log, level);
	su_log_set_level(sresolv_log, level);
}

static tport_t *primary_of(const struct sl_sip *s, const char *ident)
{
	for (tport_t *tp = tport_primaries(nta_agent_tports(s->agent)); tp; tp = tport_next(tp)) {
		if (tport_ident(tp) && strcmp(tport_ident(tp), ident) == 0)
			return tp;
	}
	return NULL;
}

static bool is_at(int fd, const struct sl_endpoint *at)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name;
	socklen_t len = sizeof name, type_len = sizeof(int);
	struct sl_endpoint ep = {0};
	int type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0 || type != SOCK_DGRAM || getsockname(fd, &name.sa, &len) != 0)
		return false;
	if (name.sa.sa_family == AF_INET) {
		sl_ip_set_v4(&ep.ip, name.v4.sin_addr.s_addr);
		ep.port_be = name.v4.sin_port;
	} else if (name.sa.sa_family == AF_INET6) {
		sl_ip_set_v6(&ep.ip, &name.v6.sin6_addr);
		ep.port_be = name.v6.sin6_port;
	} else {
		return false;
	}
	return sl_endpoint_eq(&ep, at);
}

/* Sofia does not tell a transport's socket. */
static int find_socket(const struct sl_endpoint *at)
{
	enum { FDS = 4096 };

	for (int fd = 3; fd < FDS; fd++) {
		if (is_at(fd, at))
			return fd;
	}
	return -1;
}

static int add_tport(struct sl_sip *s, struct sl_sip_primary *p, const char *url)
{
	if (nta_agent_add_tport(s->agent, URL_STRING_MAKE(url), TPTAG_IDENT(p->ident), TPTAG_SERVER(1), TPTAG_QUEUESIZE(QUEUE),
	            TPTAG_IDLE(IDLE_MS), TPTAG_TIMEOUT(PARTIAL_MS), TPTAG_UDP_RMEM(UDP_RECEIVE_BYTES), TPTAG_PONG2PING(1), TPTAG_LOG(0), TAG_END()) < 0)
		return errno ? -errno : -EIO;
	p->tport = primary_of(s, p->ident);
	return p->tport ? 0 : -EIO;
}

static int open_listener(struct sl_sip *s, unsigned i, char *text, size_t text_len)
{
	const struct sl_conf_sip_listener *l = &s->listeners[i];
	struct sl_sip_primary *p = &s->primaries[i];
	char address[SL_ADDR_TEXT_MAX], url[SL_ADDR_TEXT_MAX + 32];
	uint16_t port = ntohs(l->advertised.port_be), usual = l->transport == SL_CONF_SIP_TLS ? SIPS_PORT : SIP_PORT;
	int err;

	snprintf(p->ident, sizeof p->ident, "l%u", i);
	sl_ip_text(&l->advertised.ip, address);
	snprintf(p->host, sizeof p->host, sl_ip_is_v4(&l->advertised.ip) ? "%s" : "[%.60s]", address);
	if (port != usual)
		snprintf(p->port, sizeof p->port, "%u", port);
	if (l->transport == SL_CONF_SIP_TLS)
		return 0;
	snprintf(url, sizeof url, "sip:%s;transport=%s", sl_endpoint_text(&l->address, address), sl_sip_transport_name(l->transport));
	/* The address may lie on an interface that the dataplane is making at this moment: both programs start together. */
	while ((err = add_tport(s, p, url)) == -EADDRNOTAVAIL && sl_now_ms() < s->patience_ms)
		nanosleep(&(struct timespec){.tv_nsec = BIND_AGAIN_MS * 1000000}, NULL);
	if (err) {
		snprintf(text, text_len, "sip.listeners[%u] (\"%s\"): cannot listen on %s (%s): %s; %s", i, l->name, address,
		        sl_sip_transport_name(l->transport), strerror(-err),
		        err == -EADDRNOTAVAIL ? "give this machine the address" : err == -EADDRINUSE ? "another program has it" : "look at the address");
		return err;
	}
	if (l->transport == SL_CONF_SIP_UDP)
		p->fd = find_socket(&l->address);
	return 0;
}

/* nta puts the transport's own Via before what it sends: there it gets our names. */
static void name_via(struct sl_sip *s, struct sl_sip_primary *p)
{
	for (sip_via_t *v = (sip_via_t *)tport_magic(p->tport); v; v = v->v_next) {
		v->v_host = p->host;
		v->v_port = p->port[0] ? p->port : NULL;
		msg_fragment_clear(v->v_common);
	}
}

static int open_edge(struct sl_sip *s, char *text, size_t text_len)
{
	struct sl_sip_primary *p = &s->primaries[SL_SIP_EDGE_INDEX];
	struct sl_edge_options o = {.config = s->config, .brain = s->o.brain, .closed = sl_sip_connection_closed, .ctx = s};
	bool wanted = false;
	int err;

	for (unsigned i = 0; i < s->n_listeners; i++)
		wanted = wanted || s->listeners[i].transport == SL_CONF_SIP_TLS;
	if (!wanted)
		return 0;
	snprintf(p->ident, sizeof p->ident, "%s", edge_ident);
	err = add_tport(s, p, "sip:127.0.0.1:*;transport=tcp");
	if (err) {
		snprintf(text, text_len, "sip: cannot listen on 127.0.0.1 for the TLS edge: %s", strerror(-err));
		return err;
	}
	/* Clients see this Via below the edge's: it tells them nothing. */
	snprintf(p->host, sizeof p->host, "edge.invalid");
	sl_ip_set_v4(&o.nta.ip, htonl(INADDR_LOOPBACK));
	o.nta.port_be = htons((uint16_t)atoi(tport_name(p->tport)->tpn_port));
	memcpy(o.key, s->edge_key, sizeof o.key);
	s->edge = sl_edge_open(&o, text, text_len);
	explicit_bzero(o.key, sizeof o.key);
	return s->edge ? 0 : -EIO;
}

static int open_agent(struct sl_sip *s, char *text, size_t text_len)
{
	unsigned t1 = s->config->sip.t1_ms;
	int err;

	s->mclass = sl_sip_message_class();
	if (s->mclass)
		s->agent = nta_agent_create(s->o.root, (url_string_t *)-1, sl_sip_message, (nta_agent_magic_t *)s, NTATAG_MCLASS(s->mclass),
		        NTATAG_UA(1), NTATAG_SERVER_RPORT(2), NTATAG_UDP_MTU(65535), NTATAG_MAXSIZE(MESSAGE_MAX), NTATAG_MERGE_482(1),
		        NTATAG_USE_NAPTR(0), NTATAG_USE_SRV(0), NTATAG_PRELOAD(2048), NTATAG_SIP_T1(t1), NTATAG_SIP_T1X64(64 * t1), NTATAG_SIP_T2(T2_MS),
		        NTATAG_SIP_T4(T4_MS), NTATAG_SIPFLAGS(s->config->sip.trace_mb ? MSG_DO_EXTRACT_COPY : 0), TAG_END());
	if (s->agent == NULL) {
		snprintf(text, text_len, "sip: Sofia's agent cannot be made: no memory");
		return -ENOMEM;
	}
	for (unsigned i = 0; i < s->n_listeners; i++) {
		err = open_listener(s, i, text, text_len);
		if (err)
			return err;
	}
	err = open_edge(s, text, text_len);
	if (err)
		return err;
	for (unsigned i = 0; i < SL_SIP_PRIMARIES; i++) {
		if (s->primaries[i].tport)
			name_via(s, &s->primaries[i]);
	}
	return 0;
}

static int64_t unix_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void open_crash(struct sl_sip *s)
{
	uint64_t print;

	if (sl_crash_open(&s->crash, s->o.crash_page, unix_ms(), &print))
		sl_log(SL_LOG_WARNING, "sip: the process ended while it looked at message %016llx: it is dropped for %u s",
		        (unsigned long long)print, SL_CRASH_REMEMBER_MS / 1000);
	sl_sip_message_watch(s);
}

struct sl_sip *sl_sip_open(const struct sl_sip_options *o, char *text, size_t text_len)
{
	struct sl_sip *s = calloc(1, sizeof *s);

	if (s == NULL) {
		snprintf(text, text_len, "sip: no memory");
		return NULL;
	}
	s->o = *o;
	s->config = o->config;
	s->n_listeners = o->config->sip.n_listeners;
	for (unsigned i = 0; i < SL_SIP_PRIMARIES; i++)
		s->primaries[i].fd = -1;
	for (unsigned i = 0; i < s->n_listeners; i++) {
		s->listeners[i] = o->config->sip.listeners[i];
		s->listeners[i].certificate = s->listeners[i].key = s->listeners[i].ca_file = NULL;
	}
	if (getrandom(&s->key, sizeof s->key, 0) != sizeof s->key || getrandom(&s->prng.key, sizeof s->prng.key, 0) != sizeof s->prng.key ||
	        getrandom(s->edge_key, sizeof s->edge_key, 0) != sizeof s->edge_key || getrandom(&s->epoch, sizeof s->epoch, 0) != sizeof s->epoch) {
		snprintf(text, text_len, "sip: the kernel gives no random numbers");
		goto fail;
	}
	s->epoch |= 1;
	s->patience_ms = sl_now_ms() + BIND_FOR_MS;
	if (sl_sip_connections_open(s) != 0 || (s->resolver = sl_resolver_new(s)) == NULL) {
		snprintf(text, text_len, "sip: no memory, or no resolver (sip.nameservers, /etc/resolv.conf)");
		goto fail;
	}
	quiet();
	open_crash(s);
	if (open_agent(s, text, text_len) != 0)
		goto fail;
	return s;
fail:
	sl_sip_close(s);
	return NULL;
}

void sl_sip_close(struct sl_sip *s)
{
	if (s == NULL)
		return;
	sl_sip_message_watch(NULL);
	sl_sip_delayed_close(s);
	sl_edge_close(s->edge);
	sl_resolver_free(s->resolver);
	sl_sip_connections_close(s);
	if (s->agent)
		nta_agent_destroy(s->agent);
	free(s->mclass);
	sl_crash_begin(&s->crash, 0);
	explicit_bzero(s->edge_key, sizeof s->edge_key);
	free(s);
}

int sl_sip_check(const struct sl_sip *s, const struct sl_config *config, char *text, size_t text_len)
{
	return s->edge ? sl_edge_check(config, text, text_len) : 0;
}

void sl_sip_reconfigure(struct sl_sip *s, const struct sl_config *config)
{
	char text[240];

	s->config = config;
	s->o.config = config;
	if (s->edge && sl_edge_reload(s->edge, config, text, sizeof text) != 0)
		sl_log(SL_LOG_ERROR, "sip: certificates stay as they were: %s", text);
}

/* ---- the tick ---- */

static uint64_t resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(f);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* How long the datagram that this listener delivered last, the one that is being looked at, had waited in the kernel. */
void sl_sip_overload_look(struct sl_sip *s, const struct sl_sip_flow *flow)
{
	int64_t now_ms = sl_now_ms();
	struct timeval stamp, now;

	if (flow->transport != SL_SIP_UDP || now_ms - s->sample_ms < SAMPLE_MS || s->primaries[flow->listener].fd < 0)
		return;
	s->sample_ms = now_ms;
	if (ioctl(s->primaries[flow->listener].fd, SIOCGSTAMP, &stamp) != 0)
		return;
	gettimeofday(&now, NULL);
	sl_overload_sample(&s->overload, SL_OVERLOAD_SOCKET, (int64_t)(now.tv_sec - stamp.tv_sec) * 1000000 + now.tv_usec - stamp.tv_usec);
}

static void judge(struct sl_sip *s, int64_t now_ms)
{
	const struct sl_conf_sip *c = &s->config->sip;
	struct sl_overload_limits limits = {.delay_ms = c->overload_delay_ms, .bytes = (uint64_t)c->overload_memory_mb << 20};
	static const char *const why[] = {"messages wait", "memory"};

	/* The file is read only when its number is wanted, and once a window. */
	bool due = now_ms - s->overload.window_ms >= SL_OVERLOAD_WINDOW_MS;

	switch (sl_overload_judge(&s->overload, &limits, limits.bytes && due ? resident_bytes() : s->overload.bytes, now_ms)) {
	case SL_OVERLOAD_BEGINS:
		sl_log(SL_LOG_WARNING, "sip: overload: %s (%lld ms, %llu MB): new work gets 503", why[s->overload.by_memory],
		        (long long)s->overload.delay_us / 1000, (unsigned long long)s->overload.bytes >> 20);
		sl_call_event_publish(s->o.events, SL_CE_OVERLOAD_BEGUN, NULL, NULL, NULL, "%s", why[s->overload.by_memory]);
		break;
	case SL_OVERLOAD_ENDS:
		sl_log(SL_LOG_INFO, "sip: overload is over");
		sl_call_event_publish(s->o.events, SL_CE_OVERLOAD_ENDED, NULL, NULL, NULL, "%s", "");
		break;
	case SL_OVERLOAD_SAME:
		break;
	}
}

void sl_sip_tick(struct sl_sip *s, int64_t now_ms)
{
	sl_crash_begin(&s->crash, 0); /* what was looked at has been survived */
	/* A turn that took long delays TCP as well: the tick itself comes late. */
	if (s->tick_ms)
		sl_overload_sample(&s->overload, SL_OVERLOAD_LOOP, (now_ms - s->tick_ms - SL_BRAIN_TICK_MS) * 1000);
	s->tick_ms = now_ms;
	judge(s, now_ms);
	sl_warden_pressure(s->o.warden, s->overload.level, now_ms);
	sl_sip_delayed_tick(s, now_ms);
	sl_sip_keepalive_tick(s, now_ms);
	if (now_ms - s->second_ms >= 1000) {
		s->second_ms = now_ms;
		sl_sip_connections_tick(s, now_ms);
	}
}

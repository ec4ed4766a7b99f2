/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <ifaddrs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controlplane/ng/edge.h"
#include "controlplane/ng/ng.h"
#include "tests/unit/fake_media.h"

/* Real sockets, the real thread, the brain's half on this one. */

enum { PATIENCE_MS = 5000, QUIET_MS = 100 };

static struct sl_config config;
static struct sl_ng *ng;
static int udp; /* a proxy's */
static char answer[256 * 1024];

static const char offer[] = "d7:command5:offer7:call-id1:c8:from-tag1:a3:sdp5:v=0\r\ne";
static const char ping[] = "d7:command4:pinge", query[] = "d7:command5:query7:call-id1:ce";

static struct sl_endpoint local_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	struct sl_endpoint ep;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	sl_ng_from_sockaddr(&ss, &ep);
	return ep;
}

static int dial(const struct sl_endpoint *to, int type, const struct sl_endpoint *from)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = socket(sl_ip_is_v4(&to->ip) ? AF_INET : AF_INET6, type, 0);

	assert_true(fd >= 0);
	if (from) {
		len = sl_ng_to_sockaddr(from, &ss);
		assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	}
	len = sl_ng_to_sockaddr(to, &ss);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

/* A port of this machine that is free now. */
static struct sl_endpoint free_port(const char *ip, int type)
{
	struct sockaddr_storage ss;
	struct sl_endpoint ep;
	char text[64];
	int fd;

	snprintf(text, sizeof text, strchr(ip, ':') ? "[%s]:0" : "%s:0", ip);
	memset(&ep, 0, sizeof ep);
	assert_int_equal(sl_ip_parse(ip, &ep.ip), 0);
	fd = socket(sl_ip_is_v4(&ep.ip) ? AF_INET : AF_INET6, type, 0);
	socklen_t len = sl_ng_to_sockaddr(&ep, &ss);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	ep = local_of(fd);
	close(fd);
	return ep;
}

static int start_at(const char *ip)
{
	char text[240];

	memset(&config, 0, sizeof config);
	config.media.n_ng_udp = config.media.n_ng_tcp = 1;
	config.media.ng_udp[0] = free_port(ip, SOCK_DGRAM);
	config.media.ng_tcp[0] = free_port(ip, SOCK_STREAM);
	ng = sl_ng_open(&config, fake_media_reset(), text, sizeof text);
	if (!ng)
		fail_msg("%s", text);
	return 0;
}

static int start(void **state)
{
	start_at("127.0.0.1");
	udp = dial(&config.media.ng_udp[0], SOCK_DGRAM, NULL);
	return 0;
}

static int stop(void **state)
{
	sl_ng_close(ng);
	ng = NULL;
	if (udp >= 0)
		close(udp);
	udp = -1;
	fake_media_done();
	fake_media_reset();
	return 0;
}

/* The brain's loop until fd has something to read, or nothing came for so long. */
static bool run_until(int fd, int patience_ms)
{
	struct pollfd fds[2] = {{sl_ng_fd(ng), POLLIN, 0}, {fd, POLLIN, 0}};

	while (poll(fds, 2, patience_ms) > 0) {
		if (fds[1].revents)
			return true;
		sl_ng_run(ng);
	}
	return false;
}

static const char *receive(int fd, int patience_ms)
{
	ssize_t n = 0;

	answer[0] = '\0';
	if (run_until(fd, patience_ms)) {
		n = recv(fd, answer, sizeof answer - 1, 0);
		answer[n > 0 ? n : 0] = '\0';
	}
	return answer;
}

static void put(int fd, const char *cookie, const char *body)
{
	static char text[70000];
	int n = snprintf(text, sizeof text, "%s%s", cookie, body);

	assert_int_equal(send(fd, text, (size_t)n, 0), n);
}

static struct sl_ng_counts counts(void)
{
	struct sl_ng_counts c;

	sl_ng_counts(ng, &c);
	return c;
}

/* The edge counts on its own thread: what is expected comes, or the test fails. */
#define WAIT_FOR(condition)                                                                                  \
	do {                                                                                                 \
		int patience = PATIENCE_MS;                                                                  \
		while (!(condition) && patience-- > 0)                                                       \
			run_until(-1, 1);                                                                    \
		assert_true(condition);                                                                      \
	} while (0)

/* ---- UDP ---- */

static void a_ping_is_answered(void **state)
{
	put(udp, "c1 ", ping);
	assert_string_equal(receive(udp, PATIENCE_MS), "c1 d6:result4:ponge");
	put(udp, "c2 ", "{\"command\":\"ping\"}");
	assert_string_equal(receive(udp, PATIENCE_MS), "c2 {\"result\":\"pong\"}");
	assert_int_equal(counts().requests[SL_NG_PING], 2);
}

/* What executing a request takes of its memory is not given back as room for requests: it was none. */
static void whatever_a_request_grows_to_others_are_taken(void **state)
{
	enum { NAME = 3000, MOST = 400, STEP = 40 };
	static char body[16 * 1024];

	for (unsigned k = 0; k <= MOST;
	        k += STEP) { /* one of them fills its memory but for less than the name */
		int n = snprintf(body, sizeof body,
		        "d7:command15:start recording7:call-id1:c18:output-destination%d:%0*u5:flagsl", NAME,
		        NAME, k);
		for (unsigned i = 0; i < k; i++)
			n += snprintf(body + n, sizeof body - (size_t)n, "0:");
		snprintf(body + n, sizeof body - (size_t)n, "ee");
		put(udp, "c ", body);
		assert_string_equal(receive(udp, PATIENCE_MS), "c d6:result2:oke");
	}
	assert_int_equal(counts().overloaded, 0);
}

static void a_retransmission_gets_the_same_answer_and_does_nothing(void **state)
{
	char first[512];

	put(udp, "c1 ", offer);
	snprintf(first, sizeof first, "%s", receive(udp, PATIENCE_MS));
	assert_string_equal(first, "c1 d3:sdp5:v=0\r\n6:result2:oke");
	for (unsigned i = 0; i < 5; i++) {
		put(udp, "c1 ", offer);
		assert_string_equal(receive(udp, PATIENCE_MS), first);
	}
	assert_int_equal(fake_media.n_offers, 1);
	assert_int_equal(counts().duplicates_answered, 5);
	put(udp, "c2 ", offer);
	receive(udp, PATIENCE_MS);
	assert_int_equal(fake_media.n_offers, 2);
}

static void a_retransmission_while_it_is_executed_is_dropped(void **state)
{
	fake_media_call("c", "a", "b");
	fake_media.late = true;
	put(udp, "c1 ", query);
	WAIT_FOR(fake_media.n_late == 1);
	for (unsigned i = 0; i < 3; i++)
		put(udp, "c1 ", query);
	WAIT_FOR(counts().duplicates_dropped == 3);
	assert_string_equal(receive(udp, QUIET_MS), "");
	assert_int_equal(fake_media.n_late, 1);
	assert_int_equal(counts().in_flight, 1);
	fake_media_done();
	assert_non_null(strstr(receive(udp, PATIENCE_MS), "6:totals"));
	put(udp, "c1 ", query);
	assert_non_null(strstr(receive(udp, PATIENCE_MS), "6:totals"));
	assert_int_equal(fake_media.n_calls, 1);
}

static void others_do_not_get_its_answer(void **state)
{
	int other = dial(&config.media.ng_udp[0], SOCK_DGRAM, NULL);

	put(udp, "c1 ", offer);
	receive(udp, PATIENCE_MS);
	put(other, "c1 ", offer);
	receive(other, PATIENCE_MS);
	assert_int_equal(fake_media.n_offers, 2);
	assert_int_equal(counts().duplicates_answered, 0);
	close(other);
}

static void what_is_no_message_is_counted(void **state)
{
	put(udp, "x", "");
	put(udp, " ", ping);
	put(udp, "", "");
	WAIT_FOR(counts().bad_messages == 3);
	put(udp, "c1 ", "");
	assert_non_null(strstr(receive(udp, PATIENCE_MS), "no payload"));
	put(udp, "c2 ", "d7:command4:ping");
	assert_non_null(strstr(receive(udp, PATIENCE_MS), "Could not decode"));
	assert_int_equal(counts().bad_messages, 5);
	assert_int_equal(fake_media.n_calls, 0);
}

static void too_many_at_a_time_are_dropped(void **state)
{
	char cookie[32];
	unsigned got = 0;

	/* Nobody runs the brain meanwhile. */
	for (unsigned i = 0; i < SL_NG_IN_FLIGHT_UDP + 100; i++) {
		snprintf(cookie, sizeof cookie, "c%u ", i);
		put(udp, cookie, ping);
		if (i % 64 == 0) /* its socket's buffer is not what is tested */
			usleep(2000);
	}
	for (int patience = PATIENCE_MS; counts().overloaded < 100 && patience > 0; patience--)
		usleep(1000);
	assert_int_equal(counts().overloaded, 100);
	assert_int_equal(counts().in_flight, SL_NG_IN_FLIGHT_UDP);
	/* Answers come in bursts too: what our own buffer loses is asked again. */
	while (*receive(udp, QUIET_MS))
		got++;
	assert_true(got > 0);
	WAIT_FOR(counts().in_flight == 0);
	put(udp, "last ", ping);
	assert_string_equal(receive(udp, PATIENCE_MS), "last d6:result4:ponge");
}

/* ---- who may ask ---- */

static void strangers_are_not_answered(void **state)
{
	struct ifaddrs *all, *i;
	struct sl_endpoint own;
	struct sockaddr_storage ss;
	struct sl_config other;
	char text[240];

	assert_int_equal(getifaddrs(&all), 0);
	for (i = all; i; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&ss, i->ifa_addr, sizeof(struct sockaddr_in));
		sl_ng_from_sockaddr(&ss, &own);
		if (ntohl(sl_ip_v4_be(&own.ip)) >> 24 != 127)
			break;
	}
	freeifaddrs(all);
	if (!i)
		skip(); /* no address but loopback's */
	sl_ng_close(ng);
	own.port_be = 0;
	other = config;
	other.media.ng_udp[0] = free_port(sl_ip_text(&own.ip, text), SOCK_DGRAM);
	other.media.ng_tcp[0] = free_port(sl_ip_text(&own.ip, text), SOCK_STREAM);
	ng = sl_ng_open(&other, fake_media_reset(), text, sizeof text);
	assert_non_null(ng);
	close(udp);
	udp = dial(&other.media.ng_udp[0], SOCK_DGRAM, &own);
	put(udp, "c1 ", ping);
	WAIT_FOR(counts().refused_sources == 1);
	assert_string_equal(receive(udp, QUIET_MS), "");
	int tcp = dial(&other.media.ng_tcp[0], SOCK_STREAM, &own);
	assert_string_equal(receive(tcp, PATIENCE_MS), ""); /* closed */
	WAIT_FOR(counts().refused_sources == 2);
	close(tcp);
	/* A reloaded configuration lets it in. */
	other.media.n_ng_allow = 1;
	other.media.ng_allow[0] = (struct sl_prefix){own.ip, 128};
	sl_ng_reconfigure(ng, &other);
	put(udp, "c2 ", ping);
	assert_string_equal(receive(udp, PATIENCE_MS), "c2 d6:result4:ponge");
	tcp = dial(&other.media.ng_tcp[0], SOCK_STREAM, &own);
	put(tcp, "c3 ", ping);
	assert_string_equal(receive(tcp, PATIENCE_MS), "c3 d6:result4:ponge");
	/* The next one no more: not by the connection that it has either. */
	other.media.n_ng_allow = 0;
	sl_ng_reconfigure(ng, &other);
	WAIT_FOR(counts().tcp_connections == 0);
	assert_string_equal(receive(tcp, PATIENCE_MS), "");
	close(tcp);
}

static void loopback_and_the_list_may_ask(void **state)
{
	static struct sl_ng_edge e;
	static const char *const good[] = {
	        "127.0.0.1", "127.255.255.254", "::1", "10.1.2.3", "2001:db8:1::9"};
	static const char *const bad[] = {
	        "126.0.0.1", "128.0.0.1", "::2", "10.2.2.3", "2001:db8:2::9", "::", "::127.0.0.1"};
	struct sl_ip ip;

	e.n_allow = 2;
	sl_prefix_parse("10.1.0.0/16", &e.allow[0]);
	sl_prefix_parse("2001:db8:1::/48", &e.allow[1]);
	for (size_t i = 0; i < SL_COUNT(good); i++) {
		sl_ip_parse(good[i], &ip);
		assert_true(sl_ng_allowed(&e, &ip));
	}
	for (size_t i = 0; i < SL_COUNT(bad); i++) {
		sl_ip_parse(bad[i], &ip);
		assert_false(sl_ng_allowed(&e, &ip));
	}
}

static void the_answer_comes_from_the_address_that_was_asked(void **state)
{
	static const char *const any[] = {"0.0.0.0", "::"}, *const one[] = {"127.0.0.3", "::1"};

	for (size_t i = 0; i < SL_COUNT(any); i++) {
		stop(state);
		start_at(any[i]);
		struct sl_endpoint to = config.media.ng_udp[0];
		sl_ip_parse(one[i], &to.ip);
		udp = dial(&to, SOCK_DGRAM, NULL); /* a connected socket hears nobody else */
		put(udp, "c1 ", ping);
		assert_string_equal(receive(udp, PATIENCE_MS), "c1 d6:result4:ponge");
	}
}

static void a_port_in_use_is_named(void **state)
{
	struct sl_config other = config;
	char text[240];

	other.media.n_ng_tcp = 0;
	assert_null(sl_ng_open(&other, NULL, text, sizeof text));
	assert_non_null(strstr(text, "cannot listen: Address already in use (option 'media.ng.udp')"));
	other = config;
	other.media.n_ng_udp = 0;
	assert_null(sl_ng_open(&other, NULL, text, sizeof text));
	assert_non_null(strstr(text, "(option 'media.ng.tcp')"));
}

/* ---- TCP ---- */

static void tcp_carries_messages_in_any_pieces(void **state)
{
	static const char text[] = "c1 d7:command4:pinge \r\nc2 {\"command\":\"ping\"}c3 d7:command4:pinge";
	static const char answers[] = "c1 d6:result4:pongec2 {\"result\":\"pong\"}c3 d6:result4:ponge";
	char got[256];

	for (size_t step = 1; step <= sizeof text - 1; step += step < 4 ? 1 : 20) {
		int tcp = dial(&config.media.ng_tcp[0], SOCK_STREAM, NULL);
		for (size_t at = 0; at < sizeof text - 1; at += step) {
			size_t n = at + step < sizeof text - 1 ? step : sizeof text - 1 - at;
			assert_int_equal(send(tcp, text + at, n, 0), n);
			run_until(-1, 1);
		}
		got[0] = '\0';
		while (strlen(got) < sizeof answers - 1 && *receive(tcp, PATIENCE_MS))
			strcat(got, answer);
		assert_string_equal(got, answers);
		close(tcp);
	}
	WAIT_FOR(counts().tcp_connections == 0);
}

static void tcp_is_not_read_while_too_much_is_executed(void **state)
{
	enum { MANY = 200 };
	int tcp = dial(&config.media.ng_tcp[0], SOCK_STREAM, NULL);
	char text[64], *at;
	unsigned got = 0;

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof text, "c%u %s", i, ping);
		assert_int_equal(send(tcp, text, strlen(text), 0), strlen(text));
	}
	usleep(50000); /* nobody runs the brain */
	assert_int_equal(counts().in_flight, SL_NG_IN_FLIGHT_TCP);
	while (got < MANY && *receive(tcp, PATIENCE_MS)) {
		for (at = answer; (at = strstr(at, "pong")); at++)
			got++;
	}
	assert_int_equal(got, MANY);
	assert_int_equal(counts().overloaded, 0);
	close(tcp);
}

static void what_cannot_be_followed_ends_the_connection(void **state)
{
	static const char *const texts[] = {"c1 xyz", "c1 d1x", "c1 d1:a9999999:", "c1 [1]"};
	char cookie[300];

	for (size_t i = 0; i <= SL_COUNT(texts); i++) {
		int tcp = dial(&config.media.ng_tcp[0], SOCK_STREAM, NULL);
		memset(cookie, 'c', sizeof cookie - 1);
		cookie[sizeof cookie - 1] = '\0';
		put(tcp, "", i < SL_COUNT(texts) ? texts[i] : cookie);
		assert_true(run_until(tcp, PATIENCE_MS));
		assert_int_equal(recv(tcp, answer, sizeof answer, 0), 0);
		close(tcp);
	}
	WAIT_FOR(counts().bad_messages == SL_COUNT(texts) + 1);
}

/* Without its thread: the clock is ours. */
static void connections_that_owe_something_have_little_time(void **state)
{
	static struct sl_ng_edge e;
	struct sl_conf_media m = {.n_ng_tcp = 1};
	char text[240];
	int idle, partial;

	m.ng_tcp[0] = free_port("127.0.0.1", SOCK_STREAM);
	assert_int_equal(sl_ng_edge_open(&e, &m, text, sizeof text), 0);
	idle = dial(&m.ng_tcp[0], SOCK_STREAM, NULL);
	sl_ng_tcp_accept(&e, 0);
	partial = dial(&m.ng_tcp[0], SOCK_STREAM, NULL);
	sl_ng_tcp_accept(&e, 0);
	put(partial, "c1 ", "d7:comm");
	sl_ng_tcp_ready(&e, 1, EPOLLIN);
	assert_int_equal(e.connections[1].in_len, strlen("c1 d7:comm"));
	e.now_ms += SL_NG_PARTIAL_MS - 1;
	sl_ng_tcp_sweep(&e);
	assert_int_equal(e.tcp_connections, 2);
	e.now_ms += 1;
	sl_ng_tcp_sweep(&e);
	assert_int_equal(e.tcp_connections, 1);
	assert_true(e.connections[0].fd >= 0);
	e.now_ms += SL_NG_IDLE_MS - SL_NG_PARTIAL_MS;
	sl_ng_tcp_sweep(&e);
	assert_int_equal(e.tcp_connections, 0);
	assert_int_equal(e.tcp_timeouts, 2);
	sl_ng_edge_close(&e);
	close(idle);
	close(partial);
}

static void an_answer_for_a_connection_that_is_gone_goes_nowhere(void **state)
{
	int tcp = dial(&config.media.ng_tcp[0], SOCK_STREAM, NULL), next;

	fake_media_call("c", "a", "b");
	fake_media.late = true;
	put(tcp, "c1 ", query);
	WAIT_FOR(fake_media.n_late == 1);
	close(tcp);
	WAIT_FOR(counts().tcp_connections == 0);
	next = dial(&config.media.ng_tcp[0], SOCK_STREAM, NULL); /* takes the slot over */
	put(next, "c2 ", ping);
	assert_string_equal(receive(next, PATIENCE_MS), "c2 d6:result4:ponge");
	fake_media_done();
	WAIT_FOR(counts().in_flight == 0);
	assert_string_equal(receive(next, QUIET_MS), "");
	close(next);
}

static void a_message_of_a_megabyte_is_read_over_tcp(void **state)
{
	enum { SDP = 900 * 1024 };
	int tcp = dial(&config.media.ng_tcp[0], SOCK_STREAM, NULL);
	char *text = malloc(SDP + 256);
	int head = sprintf(text, "c1 d7:command5:offer7:call-id1:c8:from-tag1:a3:sdp%d:", SDP);
	size_t len = (size_t)head + SDP + 1, sent = 0;

	memset(text + head, 'x', SDP);
	text[len - 1] = 'e';
	fake_media.error = (struct sl_media_error){SL_MEDIA_ERR_SYNTAX, "too long"};
	while (sent < len) {
		ssize_t n = send(tcp, text + sent, len - sent, 0);
		assert_true(n > 0);
		sent += (size_t)n;
	}
	assert_non_null(strstr(receive(tcp, PATIENCE_MS), "too long"));
	put(tcp, "c2 ", ping);
	assert_string_equal(receive(tcp, PATIENCE_MS), "c2 d6:result4:ponge");
	free(text);
	close(tcp);
}

/* ---- the end ---- */

static void it_ends_with_requests_on_every_way(void **state)
{
	fake_media_call("c", "a", "b");
	fake_media.late = true;
	put(udp, "c1 ", query);
	WAIT_FOR(fake_media.n_late == 1);
	put(udp, "c2 ", ping); /* waits for the brain, which does not come */
	while (counts().in_flight < 2)
		usleep(1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_ping_is_answered),
	        TEST(whatever_a_request_grows_to_others_are_taken),
	        TEST(a_retransmission_gets_the_same_answer_and_does_nothing),
	        TEST(a_retransmission_while_it_is_executed_is_dropped),
	        TEST(others_do_not_get_its_answer),
	        TEST(what_is_no_message_is_counted),
	        TEST(too_many_at_a_time_are_dropped),
	        TEST(strangers_are_not_answered),
	        TEST(loopback_and_the_list_may_ask),
	        TEST(the_answer_comes_from_the_address_that_was_asked),
	        TEST(a_port_in_use_is_named),
	        TEST(tcp_carries_messages_in_any_pieces),
	        TEST(tcp_is_not_read_while_too_much_is_executed),
	        TEST(what_cannot_be_followed_ends_the_connection),
	        TEST(connections_that_owe_something_have_little_time),
	        TEST(an_answer_for_a_connection_that_is_gone_goes_nowhere),
	        TEST(a_message_of_a_megabyte_is_read_over_tcp),
	        TEST(it_ends_with_requests_on_every_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

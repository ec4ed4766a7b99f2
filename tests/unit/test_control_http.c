/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The real sluice-controlplane against a dataplane that moves no packets. The HTTP edge: bad input, the token, metrics. */

#include "tests/unit/control_rig.h"

static void bad_requests_are_refused(void **state)
{
	static const struct {
		const char *method, *path, *body;
		long status;
		const char *field;
	} cases[] = {
	        {"GET", "/", NULL, 404, NULL},
	        {"GET", "/v1/nothing", NULL, 404, NULL},
	        {"GET", "/v1/statusx", NULL, 404, NULL},
	        {"GET", "/v1/calls", NULL, 404, NULL}, /* no group sip */
	        {"PUT", "/v1/users/a@b", "{}", 404, NULL},
	        {"POST", "/v1/status", "", 405, NULL},
	        {"GET", "/v1/reload", NULL, 405, NULL},
	        {"PUT", "/v1/turn/users", NULL, 405, NULL},
	        {"DELETE", "/v1/turn/users", NULL, 405, NULL},
	        {"POST", "/v1/turn/users", "", 400, NULL},
	        {"POST", "/v1/turn/users", "[]", 400, NULL},
	        {"POST", "/v1/turn/users", "{\"name\": \"a\"", 400, NULL},
	        {"POST", "/v1/turn/users", "{\"name\": \"a\", \"name\": \"b\", \"password\": \"c\"}", 400,
	                NULL},
	        {"POST", "/v1/turn/users", "{\"name\": \"a\"}", 400, "password"},
	        {"POST", "/v1/turn/users", "{\"password\": \"a\"}", 400, "name"},
	        {"POST", "/v1/turn/users", "{\"name\": 5, \"password\": \"a\"}", 400, "name"},
	        {"POST", "/v1/turn/users", "{\"name\": \"\", \"password\": \"a\"}", 400, "name"},
	        {"POST", "/v1/turn/users", "{\"name\": \"a\\u0000b\", \"password\": \"a\"}", 400, NULL},
	        {"POST", "/v1/turn/users", "{\"name\": \"a\\nb\", \"password\": \"a\"}", 400, "name"},
	        {"POST", "/v1/turn/users", "{\"name\": \"a\", \"password\": \"\"}", 400, "password"},
	        {"POST", "/v1/turn/users", "{\"name\": \"a\", \"password\": \"b\", \"x\": 1}", 400, "x"},
	        {"DELETE", "/v1/turn/users/nobody", NULL, 404, "name"},
	        {"GET", "/v1/allocations?limit=0", NULL, 400, "limit"},
	        {"GET", "/v1/allocations?limit=many", NULL, 400, "limit"},
	        {"GET", "/v1/allocations?limit=99999999999999999999", NULL, 400, "limit"},
	        {"GET", "/v1/allocations?offset=-1", NULL, 400, "offset"},
	        {"GET", "/v1/allocations/xyz", NULL, 400, "id"},
	        {"GET", "/v1/allocations/00000000000000001", NULL, 400, "id"},
	        {"GET", "/v1/allocations/0000000000000001", NULL, 404, NULL},
	        {"POST", "/v1/allocations/0000000000000001", "", 405, NULL},
	};
	static char huge[70 * 1024];

	start_both();
	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		if (ask(cases[i].method, cases[i].path, cases[i].body) != cases[i].status)
			fail_msg("%s %s %s: %ld %s", cases[i].method, cases[i].path, cases[i].body,
			        rig.answer.status, rig.answer.text);
		json_t *o = json_loads(rig.answer.text, 0, NULL);
		assert_non_null(json_string_value(json_object_get(o, "error")));
		if (cases[i].field)
			assert_string_equal(json_string_value(json_object_get(o, "field")), cases[i].field);
		json_decref(o);
	}
	memset(huge, 'x', sizeof huge - 1);
	assert_int_equal(ask("POST", "/v1/turn/users", huge), 413);
	snprintf(huge, sizeof huge, "{\"name\": \"%0509d\", \"password\": \"x\"}", 0);
	assert_int_equal(ask("POST", "/v1/turn/users", huge), 400);
	snprintf(huge, sizeof huge, "{\"name\": \"%0508d\", \"password\": \"x\"}", 0);
	assert_int_equal(ask("POST", "/v1/turn/users", huge), 201);
	snprintf(huge, sizeof huge, "/v1/%02000d", 0);
	assert_int_equal(ask("GET", huge, NULL), 414);
	assert_true(healthy());
}

static void many_requests_leave_nothing_behind(void **state)
{
	start_both();
	for (int i = 0; i < 5 * 64; i++)
		assert_int_equal(ask("GET", i % 2 ? "/v1/status" : "/nothing", NULL), i % 2 ? 200 : 404);
}

static void garbage_and_idle_connections_stop_nobody(void **state)
{
	enum { IDLE = 100 };
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fds[IDLE];

	start_both();
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", rig.api_path);
	for (int i = 0; i < IDLE; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (connect(fds[i], (struct sockaddr *)&sun, sizeof sun) == 0 && i % 2)
			send(fds[i], "\x16\x03\x01garbage\r\n\r\n", 14, MSG_NOSIGNAL);
	}
	for (int i = 0; i < IDLE; i++)
		close(fds[i]);
	WAIT_FOR(healthy());
	assert_int_equal(working_half() > 0, 1);
}

/* Whoever connects to api_tcp and says nothing, or half a request, keeps nobody from the socket at the machine. */
static void idle_tcp_connections_starve_nobody(void **state)
{
	enum { IDLE = 100 };
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(rig.tcp_port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fds[IDLE];

	start_both();
	for (int i = 0; i < IDLE; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fds[i], (struct sockaddr *)&sin, sizeof sin) == 0 && i % 2)
			send(fds[i], "GET /v1/status HTTP/1.1\r\n", 25, MSG_NOSIGNAL);
	}
	for (int i = 0; i < 20; i++)
		assert_int_equal(ask("GET", "/healthz", NULL), 200);
	/* They are thrown out although they stay. */
	WAIT_FOR(ask_with("GET", "/v1/status", NULL, "Authorization: Bearer " TOKEN, true) == 200);
	for (int i = 0; i < IDLE; i++)
		close(fds[i]);
}

/* What lws cannot parse for us. Returns the status of the first answer. */
static int raw(const char *request, char *text, size_t size)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 0;
	struct pollfd p = {fd, POLLIN, 0};
	size_t n = 0;
	ssize_t got;

	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", rig.api_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	while (n < size - 1 && poll(&p, 1, 500) == 1 && (got = recv(fd, text + n, size - 1 - n, 0)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	close(fd);
	sscanf(text, "HTTP/1.1 %d", &status);
	return status;
}

static void odd_requests_are_answered(void **state)
{
	char text[4096];

	start_both();
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 201);
	assert_int_equal(ask("DELETE", "/v1/turn/users/bob", "{\"a\": \"body\"}"), 200);
	assert_int_equal(ask("DELETE", "/v1/turn/users/bob", "{\"a\": \"body\"}"), 404);
	assert_int_equal(ask("PUT", "/v1/turn/users/bob", "{\"a\": \"body\"}"), 405);
	assert_int_equal(ask("PUT", "/v1/turn/users/bob", ""), 405);
	assert_int_equal(ask("DELETE", "/v1/turn/users/bob", ""), 404);
	assert_int_equal(ask("GET", "/healthz", "body"), 200);
	assert_int_equal(raw("POST /v1/reload HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", text, sizeof text), 400);
	assert_int_equal(raw("POST /v1/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\nx", text, sizeof text), 400);
	assert_int_equal(raw("DELETE /v1/turn/users/bob HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", text, sizeof text), 413);
	assert_true(healthy());
}

static void tcp_wants_the_token(void **state)
{
	start_both();
	assert_int_equal(ask_with("GET", "/v1/status", NULL, NULL, true), 401);
	assert_int_equal(ask_with("GET", "/v1/status", NULL, "Authorization: Bearer wrong", true), 401);
	assert_int_equal(ask_with("GET", "/v1/status", NULL, "Authorization: Bearer " TOKEN "x", true), 401);
	assert_int_equal(ask_with("GET", "/v1/status", NULL, "Authorization: Basic " TOKEN, true), 401);
	assert_int_equal(
	        ask_with("POST", "/v1/turn/users", "{\"name\": \"a\", \"password\": \"b\"}", NULL, true),
	        401);
	assert_int_equal(ask_with("GET", "/v1/status", NULL, "Authorization: Bearer " TOKEN, true), 200);
	assert_false(dataplane_has("a"));
	struct stat st;
	assert_int_equal(stat(rig.api_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
}

/* Every sample belongs to a metric with HELP and TYPE, and is a number. */
static void metrics_are_prometheus_text(void **state)
{
	char metric[128] = "", *line, *save = NULL;
	unsigned samples = 0;

	start_both();
	fake_lock(rig.fake);
	rig.fake->region->workers[1].drops[SL_DROP_no_route] = 42;
	rig.fake->region->workers[0].ports[0][SL_P_rx_packets] = 7;
	fake_unlock(rig.fake);
	assert_int_equal(ask("GET", "/metrics", NULL), 200);
	assert_non_null(strstr(rig.answer.text, "sluice_drops_total{worker=\"1\",reason=\"no_route\"} 42\n"));
	assert_non_null(strstr(rig.answer.text, "sluice_port_rx_packets_total{port=\"wan\",worker=\"0\"} 7\n"));
	assert_non_null(strstr(rig.answer.text, "sluice_up 1\n"));
	for (line = strtok_r(rig.answer.text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(line, "# HELP %127s", metric), 1);
			continue;
		}
		if (line[0] == '#') {
			assert_memory_equal(line + 7, metric, strlen(metric));
			continue;
		}
		size_t len = strcspn(line, "{ ");
		assert_int_equal(len, strlen(metric));
		assert_memory_equal(line, metric, len);
		char *end;
		strtod(strrchr(line, ' ') + 1, &end);
		assert_int_equal(*end, '\0');
		samples++;
	}
	assert_true(samples > SL_N_WORKER_COUNTERS + SL_N_DROPS);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        RIG_TEST(bad_requests_are_refused),
	        RIG_TEST(many_requests_leave_nothing_behind),
	        RIG_TEST(garbage_and_idle_connections_stop_nobody),
	        RIG_TEST(idle_tcp_connections_starve_nobody),
	        RIG_TEST(odd_requests_are_answered),
	        RIG_TEST(tcp_wants_the_token),
	        RIG_TEST(metrics_are_prometheus_text),
	};

	return rig_run(argc, argv, tests);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "tests/unit/fake_dataplane.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <curl/curl.h>
#include <jansson.h>

/* The real sluice-controlplane, argv[1], against the real server half of the contract with a dataplane behind
 * it that moves no packets. */

enum { WAIT_MS = 8000, TCP_PORT = 47391 };
#define TOKEN "0123456789abcdef"

static const char *program;
static char dir[64], config_path[80], socket_path[80], api_path[80];
static struct fake *fake;
static pid_t control;
static int tcp_port;
static const char *token;

/* ---- the world ---- */

static void write_config(const char *turn, unsigned n_users, const char *dataplane)
{
	FILE *f = fopen(config_path, "w");

	assert_non_null(f);
	fprintf(f,
	        "dataplane = { workers = [ 1 ]; %s socket = \"%s\"; ports = ( { name = \"wan\"; device = "
	        "\"net_null0\"; "
	        "addresses = [ \"192.0.2.1/24\" ]; } ); };\n"
	        "turn = { listen = [ \"192.0.2.1:3478\" ]; relay_addresses = [ \"192.0.2.1\" ];\n  %s\n  "
	        "users = (",
	        dataplane, socket_path, turn);
	for (unsigned i = 0; i < n_users; i++)
		fprintf(f, "%s{ name = \"user%u\"; password = \"password%u\"; }", i ? ",\n" : "", i, i);
	fprintf(f,
	        "); };\ncontrol = { api_socket = \"%s\"; database = \"%s/db\"; api_tcp = \"127.0.0.1:%d\"; "
	        "api_token = \"%s\"; };\n",
	        api_path, dir, tcp_port, token);
	fclose(f);
}

#define REALM "realm = \"example.org\"; "
#define RULES                                                                                                \
	"secrets = [ \"rest\" ]; peers = ( { allow = \"10.0.0.0/8\"; }, { deny = \"2001:db8::/32\"; } ); "

static void start_control(void)
{
	char log[96];

	control = fork();
	if (control == 0) {
		snprintf(log, sizeof log, "%s/log", dir);
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, STDERR_FILENO);
		execl(program, program, "--config", config_path, NULL);
		_exit(127);
	}
}

static int stop_control(void)
{
	int status = -1;

	if (control > 0) {
		kill(control, SIGTERM);
		waitpid(control, &status, 0);
	}
	control = 0;
	return status;
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/sluice-test-control-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(config_path, sizeof config_path, "%s/sluice.conf", dir);
	snprintf(socket_path, sizeof socket_path, "%s/dp.sock", dir);
	snprintf(api_path, sizeof api_path, "%s/api.sock", dir);
	tcp_port = TCP_PORT;
	token = TOKEN;
	write_config(REALM RULES, 1, "");
	fake = fake_new(socket_path);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	stop_control();
	fake_free(fake);
	if (getenv("SLUICE_TEST_KEEP"))
		return 0;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* ---- asking ---- */

struct answer {
	long status;
	char text[1 << 20];
	size_t len;
};
static struct answer answer;

static size_t collect(char *data, size_t size, size_t n, void *ctx)
{
	size_t left = sizeof answer.text - 1 - answer.len, len = size * n;

	len = len < left ? len : left;
	memcpy(answer.text + answer.len, data, len);
	answer.len += len;
	answer.text[answer.len] = '\0';
	return size * n;
}

static long ask_with(const char *method, const char *path, const char *body, const char *header, bool tcp)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = header ? curl_slist_append(NULL, header) : NULL;
	char url[4096];

	answer.status = 0;
	answer.len = 0;
	answer.text[0] = '\0';
	snprintf(url, sizeof url, "http://127.0.0.1:%d%s", TCP_PORT, path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	if (!tcp)
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, api_path);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	return answer.status;
}

static long ask(const char *method, const char *path, const char *body)
{
	return ask_with(method, path, body, NULL, false);
}

static json_t *get(const char *path)
{
	assert_int_equal(ask("GET", path, NULL), 200);
	json_t *o = json_loads(answer.text, 0, NULL);
	assert_non_null(o);
	return o;
}

#define WAIT_FOR(condition)                                                                                  \
	do {                                                                                                 \
		int ms_ = 0;                                                                                 \
		while (!(condition)) {                                                                       \
			if ((ms_ += 10) > WAIT_MS)                                                           \
				fail_msg("waited in vain for: %s (last answer: %s)", #condition,             \
				        answer.text);                                                        \
			poll(NULL, 0, 10);                                                                   \
		}                                                                                            \
	} while (0)

static bool healthy(void)
{
	return ask("GET", "/healthz", NULL) == 200;
}

static bool serving(void)
{
	return ask("GET", "/healthz", NULL) != 0;
}

static void start_both(void)
{
	fake_start(fake);
	start_control();
	WAIT_FOR(healthy());
}

static bool dataplane_has(const char *name)
{
	fake_lock(fake);
	bool has = fake_user(fake, name) != NULL;
	fake_unlock(fake);
	return has;
}

static unsigned commits(void)
{
	fake_lock(fake);
	unsigned n = fake->n_commits;
	fake_unlock(fake);
	return n;
}

static pid_t working_half(void)
{
	json_t *o = get("/v1/status");
	pid_t pid = (pid_t)json_integer_value(json_object_get(json_object_get(o, "controlplane"), "pid"));

	json_decref(o);
	return pid;
}

/* ---- provisioning ---- */

static void the_dataplane_is_provisioned(void **state)
{
	/* printf 'user0:example.org:password0' | md5sum, | sha256sum; printf 'user0:example.org' | sha256sum
	 */
	static const uint8_t md5[] = {0x8c, 0xa6, 0xe9, 0x7e, 0x75, 0x61, 0x1f, 0x62, 0x8b, 0xba, 0x7d, 0xe9,
	        0xfb, 0x89, 0x14, 0x0b};
	static const uint8_t userhash[] = {0x39, 0xd8, 0x2b, 0x4a, 0xe1, 0xdd, 0xa3, 0x2e, 0x0d, 0xb3, 0x90,
	        0x3b, 0xf4, 0x90, 0x67, 0x44, 0x52, 0x03, 0x37, 0x4d, 0xfe, 0x3c, 0x95, 0x2d, 0x7f, 0x2d,
	        0xef, 0xe6, 0x48, 0x33, 0xb0, 0x39};
	const struct sl_cmd_user *u;

	start_both();
	fake_lock(fake);
	assert_int_equal(fake->n_commits, 1);
	assert_string_equal(fake->published.turn.realm, "example.org");
	assert_int_equal(fake->published.turn.max_lifetime_s, 3600);
	assert_int_equal(fake->published.n_turn, 1);
	assert_int_equal(fake->published.n_secrets, 1);
	assert_int_equal(fake->published.last_secret.len, 4);
	assert_int_equal(fake->published.n_rules, 2);
	assert_int_equal(fake->published.rules[0].allow, 1);
	assert_int_equal(fake->published.rules[0].prefix_len, 104);
	assert_int_equal(fake->published.rules[1].allow, 0);
	u = fake_user(fake, "user0");
	assert_non_null(u);
	assert_memory_equal(u->key_md5, md5, sizeof md5);
	assert_memory_equal(u->userhash, userhash, sizeof userhash);
	fake_unlock(fake);
	assert_int_equal(stop_control(), 0);
}

static void the_control_plane_may_start_first(void **state)
{
	start_control();
	WAIT_FOR(serving());
	assert_int_equal(answer.status, 503);
	assert_non_null(strstr(answer.text, "not attached"));
	assert_int_equal(ask("GET", "/v1/allocations", NULL), 503);
	fake_start(fake);
	WAIT_FOR(healthy());
	assert_int_equal(commits(), 1);
}

static void a_restarted_dataplane_is_provisioned_again(void **state)
{
	start_both();
	assert_int_equal(
	        ask("POST", "/v1/turn/users", "{\"name\": \"alice\", \"password\": \"secret\"}"), 201);
	fake_die(fake);
	WAIT_FOR(!healthy());
	fake_start(fake);
	WAIT_FOR(healthy());
	assert_int_equal(commits(), 2);
	assert_true(dataplane_has("alice"));
	assert_true(dataplane_has("user0"));
	json_t *o = get("/v1/status");
	json_t *dp = json_object_get(o, "dataplane");
	assert_int_equal(json_integer_value(json_object_get(dp, "generation")), 2);
	json_decref(o);
}

static void a_killed_control_plane_comes_back(void **state)
{
	start_both();
	assert_int_equal(
	        ask("POST", "/v1/turn/users", "{\"name\": \"alice\", \"password\": \"secret\"}"), 201);
	pid_t before = working_half();
	kill(before, SIGKILL);
	WAIT_FOR(commits() == 2 && healthy());
	assert_int_not_equal(working_half(), before);
	assert_true(dataplane_has("alice"));
	assert_int_equal(waitpid(control, NULL, WNOHANG), 0); /* the keeper is there */
}

static void a_long_replay_keeps_to_the_ring(void **state)
{
	enum { USERS = 3000 };

	write_config(REALM RULES, USERS, "");
	fake_lock(fake);
	fake->burst = 3; /* far slower than the brain */
	fake_unlock(fake);
	start_both();
	fake_lock(fake);
	assert_int_equal(fake->published.n_users, USERS);
	assert_true(fake->most_waiting <= SL_COMMAND_SLOTS);
	assert_true(fake->most_waiting >= 256); /* it did fill what it may */
	fake_unlock(fake);
}

static void a_dataplane_that_does_not_read_is_waited_for(void **state)
{
	fake_lock(fake);
	fake->burst = 0;
	fake_unlock(fake);
	fake_start(fake);
	start_control();
	WAIT_FOR(serving() && strstr(answer.text, "provisioning"));
	assert_int_equal(ask("POST", "/v1/reload", ""), 503);
	fake_lock(fake);
	fake->burst = 64;
	fake_unlock(fake);
	WAIT_FOR(healthy());

	fake_lock(fake);
	fake->burst = 0;
	fake_unlock(fake);
	assert_int_equal(
	        ask("POST", "/v1/turn/users", "{\"name\": \"late\", \"password\": \"secret\"}"), 202);
	assert_false(dataplane_has("late"));
	fake_lock(fake);
	fake->burst = 64;
	fake_unlock(fake);
	WAIT_FOR(dataplane_has("late"));
}

static void a_stopped_heart_is_unhealthy(void **state)
{
	start_both();
	fake_lock(fake);
	fake->heart_stopped = true;
	fake_unlock(fake);
	WAIT_FOR(!healthy());
	assert_non_null(strstr(answer.text, "heartbeat"));
	fake_lock(fake);
	fake->heart_stopped = false;
	fake_unlock(fake);
	WAIT_FOR(healthy());
}

static void a_ring_out_of_range_is_left_and_taken_anew(void **state)
{
	start_both();
	fake_lock(fake);
	struct sl_ring_shm *shm =
	        (void *)((uint8_t *)fake->region + sl_region_ring_offset(FAKE_WORKERS, 0, 1, SL_RING_EVENTS));
	uint32_t before = fake->region->clients[0].generation;
	atomic_store(&shm->prod, 3000000000u);
	fake_unlock(fake);
	WAIT_FOR(atomic_load(&fake->region->clients[0].generation) != before && healthy());
	assert_int_equal(commits(), 2);
}

/* Send a command to the housekeeper as a second client and wait for its answer: its error. */
static int command(struct sl_client *c, uint32_t type, const char *user, struct sl_event *evt)
{
	static uint32_t seq = 1000;
	struct sl_command cmd = {.h = {type, ++seq}};
	unsigned set;

	cmd.user.name_len = (uint16_t)(user ? strlen(user) : 0);
	memcpy(cmd.user.name, user ? user : "", cmd.user.name_len);
	assert_int_equal(sl_client_send(c, 0, &cmd), 0);
	WAIT_FOR(sl_client_receive(c, evt, &set) == 1 && evt->h.type == SL_EVT_ACK && evt->h.seq == seq);
	return evt->ack.error;
}

static unsigned log_lines(const char *what)
{
	char command_line[256], text[32] = "";

	snprintf(command_line, sizeof command_line, "grep -c -- \"%s\" %s/log", what, dir);
	FILE *f = popen(command_line, "r");
	assert_non_null(f);
	if (!fgets(text, sizeof text, f))
		text[0] = '\0';
	pclose(f);
	return (unsigned)atoi(text);
}

static void two_control_planes_live_side_by_side(void **state)
{
	struct sl_client other;
	struct sl_event evt;
	char text[128];
	unsigned set;
	int rc;

	start_both();
	assert_int_equal(sl_client_attach(&other, socket_path, "other", 2000, text, sizeof text), 0);
	assert_int_not_equal(other.slot, 0);
	struct sl_command cmd = {.h = {SL_CMD_ALLOCATION_LIST, 99}};
	WAIT_FOR(sl_client_send(&other, 1, &cmd) == 0);
	WAIT_FOR((rc = sl_client_receive(&other, &evt, &set)) != 0);
	assert_int_equal(rc, 1);
	assert_int_equal(evt.h.type, SL_EVT_LIST_END);
	assert_int_equal(evt.h.seq, 99);
	fake_lock(fake);
	fake_allocate(fake, 1, 0x77, "user0");
	fake_unlock(fake);
	WAIT_FOR((rc = sl_client_receive(&other, &evt, &set)) != 0);
	assert_int_equal(evt.allocation.id, 0x77);
	assert_int_equal(ask("GET", "/v1/allocations/0000000000000077", NULL), 200);

	/* TURN's provisioning is ours: the other one may neither begin anew nor change a user. */
	assert_int_equal(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt), -EBUSY);
	assert_string_equal(evt.ack.text, "TURN is provisioned by 'main'");
	assert_int_equal(command(&other, SL_CMD_USER_DELETE, "user0", &evt), -EBUSY);
	assert_int_equal(command(&other, SL_CMD_CONFIG_COMMIT, NULL, &evt), -EBUSY);
	assert_true(dataplane_has("user0"));
	assert_int_equal(commits(), 1);

	/* When we are gone, what was published stays until the next one begins. */
	stop_control();
	WAIT_FOR(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt) == 0);
	assert_true(dataplane_has("user0"));
	sl_client_detach(&other);
}

static void a_second_control_plane_stands_by(void **state)
{
	struct sl_client other;
	struct sl_event evt;
	char text[128];

	fake_start(fake);
	assert_int_equal(sl_client_attach(&other, socket_path, "other", 2000, text, sizeof text), 0);
	assert_int_equal(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt), 0);
	assert_int_equal(command(&other, SL_CMD_USER_SET, "theirs", &evt), 0);
	assert_int_equal(command(&other, SL_CMD_CONFIG_COMMIT, NULL, &evt), 0);
	start_control();
	WAIT_FOR(healthy() && strstr(answer.text, "standby"));
	assert_non_null(strstr(answer.text, "TURN is provisioned by 'other'"));
	assert_int_equal(ask("GET", "/v1/status", NULL), 200);
	assert_non_null(strstr(answer.text, "\"state\": \"standby\""));
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 202);
	WAIT_FOR(ask("POST", "/v1/reload", "") == 200);
	poll(NULL, 0, 1500); /* more than one attempt */
	assert_true(dataplane_has("theirs"));
	assert_false(dataplane_has("user0"));
	assert_int_equal(commits(), 1);
	assert_int_equal(log_lines("standing by"), 1);

	sl_client_detach(&other);
	WAIT_FOR(dataplane_has("user0"));
	assert_true(dataplane_has("bob"));
	assert_false(dataplane_has("theirs"));
	WAIT_FOR(healthy() && strstr(answer.text, "ok"));
}

/* BEGIN and then nothing: the draft is dropped after five seconds, and its sender's next items with it. */
static void a_silent_editor_keeps_nobody_out(void **state)
{
	struct sl_client other;
	struct sl_event evt;
	char text[128];

	fake_start(fake);
	assert_int_equal(sl_client_attach(&other, socket_path, "other", 2000, text, sizeof text), 0);
	assert_int_equal(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt), 0);
	start_control();
	WAIT_FOR(serving() && strstr(answer.text, "provisioning"));
	assert_int_equal(ask("POST", "/v1/reload", ""), 503);
	WAIT_FOR(healthy());
	assert_int_equal(command(&other, SL_CMD_USER_SET, "theirs", &evt), -EBUSY);
	stop_control();
	WAIT_FOR(command(&other, SL_CMD_USER_SET, "theirs", &evt) == -ETIMEDOUT);
	assert_int_equal(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt), 0);
	sl_client_detach(&other);
}

/* A reload that the dataplane does not answer is given up, and what was in force comes back. */
static void a_reload_without_answer_is_told_so(void **state)
{
	start_both();
	write_config("realm = \"other.example\"; ", 2, "");
	fake_lock(fake);
	fake->burst = 0;
	fake_unlock(fake);
	assert_int_equal(ask("POST", "/v1/reload", ""), 503);
	assert_non_null(strstr(answer.text, "answered nothing"));
	fake_lock(fake);
	fake->burst = 64;
	fake_unlock(fake);
	WAIT_FOR(healthy());
	fake_lock(fake);
	assert_string_equal(fake->published.turn.realm, "example.org");
	fake_unlock(fake);
}

static void a_refused_configuration_leaves_the_rest_working(void **state)
{
	fake_lock(fake);
	fake->refuse_type = SL_CMD_SECRET;
	fake_unlock(fake);
	fake_start(fake);
	start_control();
	WAIT_FOR(serving() && strstr(answer.text, "refused"));
	WAIT_FOR(ask("GET", "/v1/workers", NULL) == 200); /* attached all the same */
	assert_int_equal(ask("GET", "/healthz", NULL), 503);
	fake_lock(fake);
	fake->refuse_type = 0;
	assert_int_equal(fake->editor.editing, -1);
	fake_unlock(fake);
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	assert_true(healthy());
}

/* ---- users ---- */

static void users_are_added_changed_and_removed(void **state)
{
	start_both();
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"a/../b c\", \"password\": \"x\"}"), 201);
	assert_true(dataplane_has("a/../b c"));
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"a/../b c\", \"password\": \"y\"}"), 200);
	json_t *o = get("/v1/turn/users");
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 2);
	json_decref(o);
	assert_int_equal(ask("DELETE", "/v1/turn/users?name=a%2F..%2Fb%20c", NULL), 200);
	assert_false(dataplane_has("a/../b c"));
	assert_int_equal(ask("DELETE", "/v1/turn/users?name=a%2F..%2Fb%20c", NULL), 404);
	o = get("/v1/turn/users");
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 1);
	json_decref(o);
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 201);
	assert_int_equal(ask("DELETE", "/v1/turn/users/bob", NULL), 200);
	assert_false(dataplane_has("bob"));
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"user0\", \"password\": \"x\"}"), 409);
	assert_int_equal(ask("DELETE", "/v1/turn/users/user0", NULL), 409);
}

static void a_user_refused_by_the_dataplane_is_told_so(void **state)
{
	start_both();
	fake_lock(fake);
	fake->refuse_type = SL_CMD_USER_SET;
	fake_unlock(fake);
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 502);
	assert_non_null(strstr(answer.text, "refused by the test"));
}

/* While another one writes, changes wait; each then tells what is true by that time, so no old password comes back and
 * no removed user. */
static void changes_that_had_to_wait_keep_their_order(void **state)
{
	struct sl_client other;
	struct sl_event evt;
	char text[128];
	const struct sl_cmd_user *u;

	/* Refused at attach, so that nobody owns TURN's provisioning; and a second client is writing. */
	fake_lock(fake);
	fake->refuse_type = SL_CMD_SECRET;
	fake_unlock(fake);
	fake_start(fake);
	start_control();
	WAIT_FOR(serving() && strstr(answer.text, "refused"));
	WAIT_FOR(ask("GET", "/v1/workers", NULL) == 200);
	assert_int_equal(sl_client_attach(&other, socket_path, "other", 2000, text, sizeof text), 0);
	assert_int_equal(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt), 0);
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"old\"}"), 202);
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"new\"}"), 202);
	assert_int_equal(command(&other, SL_CMD_USER_SET, "alive", &evt), 0); /* before five seconds are over */
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"eve\", \"password\": \"x\"}"), 202);
	assert_int_equal(command(&other, SL_CMD_USER_SET, "alive", &evt), 0);
	assert_int_equal(ask("DELETE", "/v1/turn/users/eve", NULL), 202);
	sl_client_detach(&other);
	WAIT_FOR(dataplane_has("bob"));
	poll(NULL, 0, 300);
	fake_lock(fake);
	u = fake_user(fake, "bob");
	assert_non_null(u);
	/* printf 'bob:example.org:new' | md5sum */
	static const uint8_t md5[16] = {0xe2, 0xa5, 0x88, 0x69, 0xfd, 0x0d, 0x63, 0xe6, 0xe5, 0x65, 0xe7, 0x5c, 0xc4, 0x6b, 0x6e, 0x31};
	assert_memory_equal(u->key_md5, md5, sizeof md5);
	assert_null(fake_user(fake, "eve"));
	fake_unlock(fake);
}

static void users_added_while_the_dataplane_is_away_arrive_later(void **state)
{
	start_control();
	WAIT_FOR(serving());
	WAIT_FOR(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}") == 202);
	fake_start(fake);
	WAIT_FOR(healthy());
	assert_true(dataplane_has("bob"));
}

static void no_password_reaches_the_disk(void **state)
{
	char command[256];

	start_both();
	assert_int_equal(
	        ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"unmistakable-7391\"}"),
	        201);
	snprintf(command, sizeof command, "grep -rqa unmistakable-7391 %s", dir);
	assert_int_not_equal(system(command), 0);
	snprintf(command, sizeof command, "grep -rqa bob %s", dir);
	assert_int_equal(system(command), 0);
	struct stat st;
	snprintf(command, sizeof command, "%s/db", dir);
	assert_int_equal(stat(command, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* ---- allocations ---- */

static void allocations_are_followed(void **state)
{
	fake_lock(fake);
	fake_allocate(fake, 0, 0x1001, "user0"); /* before anybody attached: found by the list */
	fake_unlock(fake);
	start_both();
	fake_lock(fake);
	fake_allocate(fake, 1, 0xabcdef0102030405, "someone");
	fake_unlock(fake);
	WAIT_FOR(ask("GET", "/v1/allocations/abcdef0102030405", NULL) == 200);
	json_t *o = get("/v1/allocations");
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 2);
	json_decref(o);
	o = get("/v1/allocations?user=someone&limit=1");
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 1);
	json_t *a = json_array_get(json_object_get(o, "allocations"), 0);
	assert_string_equal(json_string_value(json_object_get(a, "client")), "192.0.2.100:5000");
	json_decref(o);

	/* Byte counts are asked for when somebody looks. */
	fake_lock(fake);
	for (unsigned i = 0; i < FAKE_ALLOCATIONS_MAX; i++)
		fake->allocations[i].to_peer_bytes = 4321;
	fake_unlock(fake);
	o = get("/v1/allocations/0000000000001001");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "to_peer"), "bytes")), 4321);
	json_decref(o);

	assert_int_equal(ask("DELETE", "/v1/allocations/0000000000001001", NULL), 200);
	assert_int_equal(ask("GET", "/v1/allocations/0000000000001001", NULL), 404);
	assert_int_equal(ask("DELETE", "/v1/allocations/0000000000001001", NULL), 404);
	fake_lock(fake);
	fake->allocations[1].id = 0; /* its end went unheard */
	fake_unlock(fake);
	o = get("/v1/allocations");
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 0);
	json_decref(o);
}

/* ---- reload ---- */

static void reload_is_all_or_nothing(void **state)
{
	start_both();
	write_config("realm = \"other.example\"; ", 2, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	fake_lock(fake);
	assert_string_equal(fake->published.turn.realm, "other.example");
	assert_int_equal(fake->published.n_rules, 0);
	assert_int_equal(fake->published.n_users, 2);
	fake_unlock(fake);

	write_config("realm = \"bad.example\"; max_lifetime = 0; ", 2, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(answer.text, "max_lifetime"));

	write_config("realm = \"other.example\"; ", 2, "max_allocations = 99;");
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(answer.text, "max_allocations"));

	write_config("realm = \"third.example\"; " RULES, 3, "");
	fake_lock(fake);
	fake->refuse_type = SL_CMD_PEER_RULE;
	fake_unlock(fake);
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(answer.text, "refused by the test"));
	fake_lock(fake);
	assert_string_equal(fake->published.turn.realm, "other.example");
	fake->refuse_type = 0;
	fake_unlock(fake);
	WAIT_FOR(healthy());
	json_t *o = get("/v1/status"); /* what goes on is the old one */
	assert_string_equal(
	        json_string_value(json_object_get(json_object_get(o, "turn"), "realm")), "other.example");
	json_decref(o);
	assert_true(healthy());
	/* Nothing half-made is left behind: a change now is a change of what is published. */
	WAIT_FOR(ask("POST", "/v1/turn/users", "{\"name\": \"after\", \"password\": \"x\"}") == 201);
	assert_true(dataplane_has("after"));

	unsigned before = commits();
	kill(control, SIGHUP); /* the keeper passes it on */
	WAIT_FOR(commits() > before);
	fake_lock(fake);
	assert_string_equal(fake->published.turn.realm, "third.example");
	fake_unlock(fake);
}

/* What was refused, or not asked for yet, does not come in by a crash. */
static void a_crash_goes_on_with_what_was_accepted(void **state)
{
	start_both();
	write_config("realm = \"second.example\"; ", 2, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	write_config("realm = \"third.example\"; ", 3, "max_allocations = 99;");
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	kill(working_half(), SIGKILL);
	WAIT_FOR(commits() == 3 && healthy());
	fake_lock(fake);
	assert_string_equal(fake->published.turn.realm, "second.example");
	assert_int_equal(fake->published.n_users, 2);
	fake_unlock(fake);
	/* The path is still the file's. */
	write_config("realm = \"fourth.example\"; ", 2, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	kill(working_half(), SIGKILL);
	WAIT_FOR(commits() == 5 && healthy());
	fake_lock(fake);
	assert_string_equal(fake->published.turn.realm, "fourth.example");
	fake_unlock(fake);
}

static void the_token_follows_a_reload(void **state)
{
	start_both();
	token = "another-token-0123";
	write_config(REALM RULES, 1, "");
	assert_int_equal(ask_with("GET", "/v1/status", NULL, "Authorization: Bearer " TOKEN, true), 200);
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	assert_int_equal(ask_with("GET", "/v1/status", NULL, "Authorization: Bearer " TOKEN, true), 401);
	assert_int_equal(ask_with("GET", "/v1/status", NULL, "Authorization: bearer another-token-0123", true), 200);
}

static void what_needs_a_restart_of_ours_is_refused_by_name(void **state)
{
	char before[80];

	start_both();
	strcpy(before, api_path);
	snprintf(api_path, sizeof api_path, "%s/api2.sock", dir);
	write_config("realm = \"other.example\"; ", 1, "");
	strcpy(api_path, before);
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(answer.text, "control.api_socket"));
	tcp_port++;
	write_config("realm = \"other.example\"; ", 1, "");
	tcp_port--;
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(answer.text, "control.api_tcp"));
	fake_lock(fake);
	assert_string_equal(fake->published.turn.realm, "example.org");
	fake_unlock(fake);
}

static void users_of_another_realm_are_not_provisioned(void **state)
{
	start_both();
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 201);
	write_config("realm = \"other.example\"; ", 1, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	assert_false(dataplane_has("bob"));
	assert_true(dataplane_has("user0"));
	assert_int_equal(ask("GET", "/v1/turn/users", NULL), 200);
	assert_non_null(strstr(answer.text, "\"usable\": false"));
}

/* ---- bad input ---- */

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
			        answer.status, answer.text);
		json_t *o = json_loads(answer.text, 0, NULL);
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
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", api_path);
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
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(TCP_PORT), .sin_addr = {htonl(INADDR_LOOPBACK)}};
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

	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", api_path);
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

/* Any client of the contract can write into our rings. */
static void events_out_of_place_harm_nobody(void **state)
{
	struct sl_event e = {.h = {SL_EVT_ACK, 7}};
	unsigned long long seed = 1;

	start_both();
	pid_t before = working_half();
	memset(e.bytes, 0xff, sizeof e.bytes);
	e.ack.text[0] = '\0';
	for (unsigned round = 0; round < 20; round++) {
		fake_lock(fake);
		for (unsigned n = 0; n < 200; n++) {
			struct sl_event garbage = e;
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			if (n % 4 == 1)
				garbage = (struct sl_event){.h = {SL_EVT_LOG, 0}, .log = {4, "from a worker"}};
			for (unsigned i = 0; n % 4 > 1 && i < sizeof garbage.bytes; i++)
				garbage.bytes[i] = (uint8_t)((seed >> (i % 50)) * (i % 7 == n % 7));
			if (n % 4 > 1)
				garbage.h.type = 1 + n / 4 % 5;
			sl_abi_worker_post(&fake->workers[n % FAKE_WORKERS], &garbage);
			if (n % 4 > 1)
				sl_abi_server_post(&fake->server, &garbage);
		}
		fake_unlock(fake);
		poll(NULL, 0, 10);
	}
	WAIT_FOR(healthy());
	assert_int_equal(working_half(), before);
	json_t *o = get("/v1/status");
	json_t *link = json_object_get(json_object_get(o, "controlplane"), "link");
	assert_true(json_integer_value(json_object_get(link, "events_bad")) > 1000);
	json_decref(o);
	assert_int_equal(log_lines("from a worker"), 0);
}

static long long bad_events(void)
{
	json_t *o = get("/v1/status");
	long long n = json_integer_value(
	        json_object_get(json_object_get(json_object_get(o, "controlplane"), "link"), "events_bad"));
	json_decref(o);
	return n;
}

/* Right in everything but one field, which is an index into a table of words. */
static void an_ending_nobody_knows_is_a_bad_event(void **state)
{
	struct sl_event e = {.h.type = SL_EVT_ALLOCATION,
	        .allocation = {.id = UINT64_C(1) << 32, .change = SL_ALLOC_CLOSED, .end = 200}};

	start_both();
	assert_int_equal(bad_events(), 0);
	fake_lock(fake);
	sl_abi_worker_post(&fake->workers[0], &e);
	fake_unlock(fake);
	WAIT_FOR(bad_events() == 1);
}

static void the_dataplane_speaks_in_our_log(void **state)
{
	start_both();
	fake_lock(fake);
	sl_abi_server_announce(&fake->server, 4, "port '%s': link down", "wan");
	fake_unlock(fake);
	WAIT_FOR(log_lines("dataplane: port 'wan': link down") == 1);
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
	assert_int_equal(stat(api_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
}

/* Every sample belongs to a metric with HELP and TYPE, and is a number. */
static void metrics_are_prometheus_text(void **state)
{
	char metric[128] = "", *line, *save = NULL;
	unsigned samples = 0;

	start_both();
	fake_lock(fake);
	fake->region->workers[1].drops[SL_DROP_no_route] = 42;
	fake->region->workers[0].ports[0][SL_P_rx_packets] = 7;
	fake_unlock(fake);
	assert_int_equal(ask("GET", "/metrics", NULL), 200);
	assert_non_null(strstr(answer.text, "sluice_drops_total{worker=\"1\",reason=\"no_route\"} 42\n"));
	assert_non_null(strstr(answer.text, "sluice_port_rx_packets_total{port=\"wan\",worker=\"0\"} 7\n"));
	assert_non_null(strstr(answer.text, "sluice_up 1\n"));
	for (line = strtok_r(answer.text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
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

static void a_second_control_plane_on_the_same_socket_does_not_start(void **state)
{
	int status;

	start_both();
	pid_t first = control;
	start_control();
	assert_int_equal(waitpid(control, &status, 0), control);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	control = first;
	assert_true(healthy());
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T(the_dataplane_is_provisioned),
	        T(the_control_plane_may_start_first),
	        T(a_restarted_dataplane_is_provisioned_again),
	        T(a_killed_control_plane_comes_back),
	        T(a_long_replay_keeps_to_the_ring),
	        T(a_dataplane_that_does_not_read_is_waited_for),
	        T(a_stopped_heart_is_unhealthy),
	        T(a_ring_out_of_range_is_left_and_taken_anew),
	        T(two_control_planes_live_side_by_side),
	        T(a_second_control_plane_stands_by),
	        T(a_silent_editor_keeps_nobody_out),
	        T(a_reload_without_answer_is_told_so),
	        T(changes_that_had_to_wait_keep_their_order),
	        T(a_crash_goes_on_with_what_was_accepted),
	        T(the_token_follows_a_reload),
	        T(what_needs_a_restart_of_ours_is_refused_by_name),
	        T(idle_tcp_connections_starve_nobody),
	        T(odd_requests_are_answered),
	        T(events_out_of_place_harm_nobody),
	        T(an_ending_nobody_knows_is_a_bad_event),
	        T(the_dataplane_speaks_in_our_log),
	        T(a_refused_configuration_leaves_the_rest_working),
	        T(users_are_added_changed_and_removed),
	        T(a_user_refused_by_the_dataplane_is_told_so),
	        T(users_added_while_the_dataplane_is_away_arrive_later),
	        T(no_password_reaches_the_disk),
	        T(allocations_are_followed),
	        T(reload_is_all_or_nothing),
	        T(users_of_another_realm_are_not_provisioned),
	        T(bad_requests_are_refused),
	        T(many_requests_leave_nothing_behind),
	        T(garbage_and_idle_connections_stop_nobody),
	        T(tcp_wants_the_token),
	        T(metrics_are_prometheus_text),
	        T(a_second_control_plane_on_the_same_socket_does_not_start),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: test_control SLUICE_CONTROLPLANE\n");
		return 2;
	}
	program = argv[1];
	curl_global_init(CURL_GLOBAL_DEFAULT);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/control_rig.h"

#include <fcntl.h>

#include <curl/curl.h>

struct rig rig;

/* ---- the world ---- */

static void write_turn(FILE *f, const char *turn, unsigned n_users)
{
	fprintf(f, "turn = { listen = [ \"192.0.2.1:3478\" ]; relay_addresses = [ \"192.0.2.1\" ];\n  %s\n  users = (", turn);
	for (unsigned i = 0; i < n_users; i++)
		fprintf(f, "%s{ name = \"user%u\"; password = \"password%u\"; }", i ? ",\n" : "", i, i);
	fprintf(f, "); };\n");
}

void write_config(const char *turn, unsigned n_users, const char *dataplane)
{
	FILE *f = fopen(rig.config_path, "w");

	assert_non_null(f);
	fprintf(f,
	        "dataplane = { workers = [ 0, 1 ]; %s socket = \"%s\"; ports = ( { name = \"wan\"; device = "
	        "\"net_null0\"; addresses = [ \"192.0.2.1/24\" ]; } ); };\n",
	        dataplane, rig.socket_path);
	if (turn)
		write_turn(f, turn, n_users);
	fprintf(f,
	        "%s\ncontrol = { api_socket = \"%s\"; database = \"%s/db\"; api_tcp = \"127.0.0.1:%d\"; "
	        "api_token = \"%s\"; };\n",
	        rig.groups, rig.api_path, rig.dir, rig.tcp_port, rig.token);
	fclose(f);
}

void start_control(void)
{
	char log[96];

	rig.control = fork();
	if (rig.control == 0) {
		snprintf(log, sizeof log, "%s/log", rig.dir);
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, STDERR_FILENO);
		execl(rig.program, rig.program, "--config", rig.config_path, NULL);
		_exit(127);
	}
}

int stop_control(void)
{
	int status = -1;

	if (rig.control > 0) {
		kill(rig.control, SIGTERM);
		waitpid(rig.control, &status, 0);
	}
	rig.control = 0;
	return status;
}

void start_both(void)
{
	fake_start(rig.fake);
	start_control();
	WAIT_FOR(healthy());
}

/* ---- asking ---- */

static size_t collect(char *data, size_t size, size_t n, void *ctx)
{
	struct rig_answer *a = ctx;
	size_t left = sizeof a->text - 1 - a->len, len = size * n;

	len = len < left ? len : left;
	memcpy(a->text + a->len, data, len);
	a->len += len;
	a->text[a->len] = '\0';
	return size * n;
}

static void perform(struct rig_answer *a, const char *method, const char *path, const char *body, const char *header, bool tcp)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = header ? curl_slist_append(NULL, header) : NULL;
	char url[4096];

	a->status = 0;
	a->len = 0;
	a->text[0] = '\0';
	snprintf(url, sizeof url, "http://127.0.0.1:%d%s", rig.tcp_port, path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	if (!tcp)
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, rig.api_path);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
}

long ask_with(const char *method, const char *path, const char *body, const char *header, bool tcp)
{
	perform(&rig.answer, method, path, body, header, tcp);
	return rig.answer.status;
}

long ask(const char *method, const char *path, const char *body)
{
	return ask_with(method, path, body, NULL, false);
}

static void *ask_on_thread(void *arg)
{
	struct asking *a = arg;
	struct rig_answer *answer = malloc(sizeof *answer);

	perform(answer, a->method, a->path, a->body, NULL, false);
	a->status = answer->status;
	free(answer);
	return NULL;
}

void ask_begin(struct asking *a, const char *method, const char *path, const char *body)
{
	*a = (struct asking){.method = method, .path = path, .body = body};
	assert_int_equal(pthread_create(&a->thread, NULL, ask_on_thread, a), 0);
}

long ask_end(struct asking *a)
{
	pthread_join(a->thread, NULL);
	return a->status;
}

json_t *get(const char *path)
{
	assert_int_equal(ask("GET", path, NULL), 200);
	json_t *o = json_loads(rig.answer.text, 0, NULL);
	assert_non_null(o);
	return o;
}

int ctl(const char *arguments)
{
	char command[1024];

	snprintf(command, sizeof command, "%s --socket %s %s 2>&1 </dev/null", rig.ctl, rig.api_path, arguments);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	rig.answer.len = fread(rig.answer.text, 1, sizeof rig.answer.text - 1, f);
	rig.answer.text[rig.answer.len] = '\0';
	int status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool healthy(void)
{
	return ask("GET", "/healthz", NULL) == 200;
}

bool serving(void)
{
	return ask("GET", "/healthz", NULL) != 0;
}

bool dataplane_has(const char *name)
{
	fake_lock(rig.fake);
	bool has = fake_user(rig.fake, name) != NULL;
	fake_unlock(rig.fake);
	return has;
}

unsigned commits(void)
{
	fake_lock(rig.fake);
	unsigned n = rig.fake->n_commits;
	fake_unlock(rig.fake);
	return n;
}

pid_t working_half(void)
{
	json_t *o = get("/v1/status");
	pid_t pid = (pid_t)json_integer_value(json_object_get(json_object_get(o, "controlplane"), "pid"));

	json_decref(o);
	return pid;
}

unsigned log_lines(const char *what)
{
	char command_line[256], text[32] = "";

	snprintf(command_line, sizeof command_line, "grep -c -- \"%s\" %s/log", what, rig.dir);
	FILE *f = popen(command_line, "r");
	assert_non_null(f);
	if (!fgets(text, sizeof text, f))
		text[0] = '\0';
	pclose(f);
	return (unsigned)atoi(text);
}

void set_burst(unsigned n)
{
	fake_lock(rig.fake);
	rig.fake->burst = n;
	fake_unlock(rig.fake);
}

void refuse(uint32_t type)
{
	fake_lock(rig.fake);
	rig.fake->refuse_type = type;
	fake_unlock(rig.fake);
}

/* ---- running ---- */

static int free_port(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof sin;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	return ntohs(sin.sin_port);
}

int rig_setup(void **state)
{
	strcpy(rig.dir, "/tmp/sluice-test-control-XXXXXX");
	assert_non_null(mkdtemp(rig.dir));
	snprintf(rig.config_path, sizeof rig.config_path, "%s/sluice.conf", rig.dir);
	snprintf(rig.socket_path, sizeof rig.socket_path, "%s/dp.sock", rig.dir);
	snprintf(rig.api_path, sizeof rig.api_path, "%s/api.sock", rig.dir);
	rig.tcp_port = free_port();
	rig.token = TOKEN;
	rig.groups = "";
	write_config(REALM RULES, 1, "");
	rig.fake = fake_new(rig.socket_path);
	return 0;
}

int rig_teardown(void **state)
{
	char command[128];

	stop_control();
	fake_free(rig.fake);
	if (getenv("SLUICE_TEST_KEEP"))
		return 0;
	snprintf(command, sizeof command, "rm -rf %s", rig.dir);
	return system(command);
}

bool rig_begin(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s SLUICE_CONTROLPLANE SLUICECTL\n", argv[0]);
		return false;
	}
	rig.program = argv[1];
	rig.ctl = argv[2];
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

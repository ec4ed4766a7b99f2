/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

enum { PASSWORD_LINE_MAX = 1024 };

int ctl_users_list(const struct ctl *c)
{
	static const char *const heads[] = {"USER", "REALM", "FROM", "ADDED", "USABLE"};
	struct ctl_table t;
	char path[4096], when[32];
	char *limit = ctl_escape(c->limit ? c->limit : "1000"), *offset = ctl_escape(c->offset ? c->offset : "0");
	json_t *answer, *u;
	size_t i;

	char *realm = ctl_escape(c->realm ? c->realm : "");
	snprintf(path, sizeof path, "/v1/turn/users?limit=%s&offset=%s%s%s", limit, offset, c->realm ? "&realm=" : "", realm);
	free(realm);
	free(limit);
	free(offset);
	int rc = ctl_get(c, path, &answer);
	if (rc != CTL_OK || !answer)
		return rc;
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "users"), i, u)
	{
		time_t created = (time_t)ctl_int(u, "created_unix_s");
		struct tm tm;
		gmtime_r(&created, &tm);
		strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &tm);
		bool usable = json_is_true(json_object_get(u, "usable"));
		ctl_cell(&t, 0, "%s", ctl_text(u, "name"));
		const char *origin = ctl_text(u, "origin");
		ctl_cell(&t, 1, "%s", ctl_text(u, "realm"));
		ctl_cell(&t, 2, "%s", strcmp(origin, "api") == 0 ? "sluicectl/API" : strcmp(origin, "table") == 0 ? "user table" : "configuration");
		ctl_cell(&t, 3, "%s", created ? when : "-");
		ctl_cell(&t, 4, "%s", usable ? "yes" : "no: there is no such realm now");
	}
	ctl_table_print(&t);
	long long total = ctl_int(answer, "total");
	if ((long long)json_array_size(json_object_get(answer, "users")) < total)
		printf("%zu of %lld; more with --limit and --offset\n",
		        json_array_size(json_object_get(answer, "users")), total);
	json_decref(answer);
	return CTL_OK;
}

/* One line from stdin, not shown when it is a terminal. False at its end. */
static bool read_password(const char *prompt, char *line, size_t size)
{
	struct termios shown, hidden;
	bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;

	if (terminal) {
		fputs(prompt, stderr);
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	}
	bool ok = fgets(line, (int)size, stdin) != NULL;
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		fputc('\n', stderr);
	}
	if (ok)
		line[strcspn(line, "\r\n")] = '\0';
	return ok;
}

static bool find_password(const struct ctl *c, char *line, size_t size)
{
	char again[PASSWORD_LINE_MAX];

	if (c->password) {
		snprintf(line, size, "%s", c->password);
		return true;
	}
	if (!c->password_stdin && !isatty(STDIN_FILENO)) {
		fputs("sluicectl: no password: give it with --password-stdin, or on a terminal\n", stderr);
		return false;
	}
	if (!read_password("password: ", line, size)) {
		fputs("sluicectl: no password on standard input\n", stderr);
		return false;
	}
	if (c->password_stdin)
		return true;
	bool same = read_password("again: ", again, sizeof again) && strcmp(line, again) == 0;
	OPENSSL_cleanse(again, sizeof again);
	if (!same)
		fputs("sluicectl: the two passwords differ\n", stderr);
	return same;
}

/* 200, 201 or 202 from the API, told to a person. */
static int report(const struct ctl *c, long status, json_t *answer)
{
	if (status < 0)
		return (int)-status;
	if (c->json && answer)
		ctl_print_json(answer);
	if (status >= 300)
		return ctl_complain(status, answer);
	if (!c->json && status == 202)
		printf("%s: %s (%s)\n", c->args[0], ctl_text(answer, "note"), ctl_text(answer, "reason"));
	else if (!c->json)
		printf("%s: %s\n", c->args[0], ctl_text(answer, "status"));
	json_decref(answer);
	return CTL_OK;
}

int ctl_users_add(const struct ctl *c)
{
	char password[PASSWORD_LINE_MAX];
	json_t *answer;

	if (!find_password(c, password, sizeof password))
		return CTL_USAGE;
	json_t *body = json_pack("{s:s, s:s, s:s*}", "name", c->args[0], "password", password, "realm", c->realm);
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	OPENSSL_cleanse(password, sizeof password);
	json_decref(body);
	if (!text) {
		fputs("sluicectl: the name and the password must be UTF-8\n", stderr);
		return CTL_USAGE;
	}
	long status = ctl_request(c, "POST", "/v1/turn/users", text, &answer);
	OPENSSL_cleanse(text, strlen(text));
	free(text);
	return report(c, status, answer);
}

int ctl_users_remove(const struct ctl *c)
{
	char path[4096];
	char *name = ctl_escape(c->args[0]);
	json_t *answer;

	char *realm = ctl_escape(c->realm ? c->realm : "");
	snprintf(path, sizeof path, "/v1/turn/users?name=%s%s%s", name, c->realm ? "&realm=" : "", realm);
	free(name);
	free(realm);
	long status = ctl_request(c, "DELETE", path, NULL, &answer);
	return report(c, status, answer);
}

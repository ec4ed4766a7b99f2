/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>

#include "controlplane/report/ladder_text.h"

/* What is provisioned for SIP. Kinds differ in their columns only. */

enum { COLUMNS = 7, FILE_MAX = 32 * 1024 * 1024, SECRET_BYTES = 32 };

static const struct kind {
	const char *word, *path;
	const char *heads[COLUMNS], *members[COLUMNS]; /* "a.b": member b of a */
} kinds[] = {
        {"tenant", "tenants", {"NAME", ">CONCURRENT", ">CPS", "EARLY MEDIA", "FORKING"},
                {"name", "limits.concurrent", "limits.cps", "early_media", "forking"}},
        {"domain", "domains", {"NAME", "TENANT", "ALGORITHMS", ">CONTACTS", ">EXPIRES"},
                {"name", "tenant", "algorithms", "max_contacts", "default_expires"}},
        {"sip-user", "users", {"NAME", "DOMAIN", "NUMBERS", "ENABLED", "DISPLAY"}, {"name", "domain", "numbers", "enabled", "display"}},
        {"trunk", "trunks", {"NAME", "TENANT", "TARGETS", ">CALLS", ">FAILED", "REGISTERED", "SRTP"},
                {"name", "tenant", "state.targets", "state.concurrent", "state.failed", "state.registered", "srtp"}},
        {"route", "routes", {"NAME", "TENANT", "PREFIX", "SOURCE", "TO", "TRUNKS", ">PRIORITY"},
                {"name", "tenant", "prefix", "source", "to", "trunks", "priority"}},
        {"token", "tokens", {"NAME", "TENANT", "SCOPES"}, {"name", "tenant", "scopes"}},
};

static const struct kind *kind_of(const struct ctl *c)
{
	for (unsigned i = 0; i + 1 < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(c->word, kinds[i].word) == 0)
			return &kinds[i];
	}
	return &kinds[sizeof kinds / sizeof kinds[0] - 1];
}

/* ---- looking ---- */

static void write_value(const json_t *v, FILE *f)
{
	const json_t *o;
	size_t i;

	if (json_is_string(v))
		fputs(json_string_value(v), f);
	else if (json_is_integer(v))
		fprintf(f, "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		fprintf(f, "%g", json_real_value(v));
	else if (json_is_boolean(v))
		fputs(json_is_true(v) ? "yes" : "no", f);
	json_array_foreach(v, i, o)
	{
		fputs(i ? "," : "", f);
		if (json_is_object(o)) /* a trunk's target */
			fprintf(f, "%s %s", ctl_text(o, "uri"), json_is_true(json_object_get(o, "up")) ? "up" : "down");
		else
			write_value(o, f);
	}
}

static const json_t *member(const json_t *o, const char *name)
{
	char first[32];
	const char *dot = strchr(name, '.');

	if (!dot)
		return json_object_get(o, name);
	snprintf(first, sizeof first, "%.*s", (int)(dot - name), name);
	return json_object_get(json_object_get(o, first), dot + 1);
}

int ctl_resource_list(const struct ctl *c)
{
	const struct kind *k = kind_of(c);
	struct ctl_table t;
	char path[64], cell[CTL_CELL_MAX];
	json_t *answer, *o;
	unsigned n = 0;
	size_t i;

	snprintf(path, sizeof path, "/v1/%s", k->path);
	char *query = ctl_query(c, path);
	int rc = ctl_get(c, query, &answer);
	free(query);
	if (rc != CTL_OK || !answer)
		return rc;
	while (n < COLUMNS && k->heads[n])
		n++;
	ctl_table_begin(&t, n, k->heads);
	json_array_foreach(json_object_get(answer, k->path), i, o)
	{
		for (unsigned column = 0; column < n; column++) {
			memset(cell, 0, sizeof cell);
			FILE *f = fmemopen(cell, sizeof cell - 1, "w");
			if (!f)
				abort();
			write_value(member(o, k->members[column]), f);
			fclose(f);
			ctl_cell(&t, column, "%s", cell);
		}
	}
	ctl_table_print(&t);
	size_t shown = json_array_size(json_object_get(answer, k->path));
	if ((long long)shown < ctl_int(answer, "total"))
		printf("%zu of %lld; more with --limit and --offset\n", shown, ctl_int(answer, "total"));
	json_decref(answer);
	return CTL_OK;
}

/* "/v1/KIND/NAME"; free(). */
static char *path_of(const struct kind *k, const char *name)
{
	char *escaped = ctl_escape(name), *path = NULL;

	if (asprintf(&path, "/v1/%s/%s", k->path, escaped) < 0)
		abort();
	free(escaped);
	return path;
}

int ctl_resource_show(const struct ctl *c)
{
	char *path = path_of(kind_of(c), c->args[0]);
	json_t *answer;
	int rc = ctl_get(c, path, &answer);

	free(path);
	if (rc == CTL_OK && answer)
		ctl_print_json(answer);
	json_decref(answer);
	return rc;
}

/* ---- changing ---- */

/* A whole file, "-" = standard input; NULL after saying why. */
static char *read_file(const char *name, size_t *len)
{
	FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
	char *text = NULL;
	size_t room = 0;

	*len = 0;
	if (!f) {
		fprintf(stderr, "sluicectl: cannot read %s: %m\n", name);
		return NULL;
	}
	do {
		if (room - *len < 65536) {
			room = room ? 2 * room : 131072;
			text = realloc(text, room);
			if (!text)
				abort();
		}
		*len += fread(text + *len, 1, room - *len - 1, f);
	} while (!feof(f) && !ferror(f) && *len < FILE_MAX);
	text[*len] = '\0';
	bool bad = ferror(f) || !feof(f);
	if (f != stdin)
		fclose(f);
	if (!bad)
		return text;
	fprintf(stderr, "sluicectl: cannot read %s, or it is over 32 MiB\n", name);
	free(text);
	return NULL;
}

/* It may hold passwords. */
static void wipe(char *text)
{
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

static json_t *read_json(const char *name)
{
	json_error_t error;
	size_t len;
	char *text = read_file(name, &len);
	json_t *o = text ? json_loadb(text, len, JSON_REJECT_DUPLICATES, &error) : NULL;

	if (text && !json_is_object(o)) {
		if (o)
			fprintf(stderr, "sluicectl: %s: must be a JSON object\n", name);
		else
			fprintf(stderr, "sluicectl: %s: line %d: %s\n", name, error.line, error.text);
		json_decref(o);
		o = NULL;
	}
	wipe(text);
	return o;
}

static int put_json(const struct ctl *c, const char *path, const json_t *o, const char *what)
{
	char *body = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
	int rc = body ? ctl_change(c, "PUT", path, body, what) : CTL_FAILED;

	wipe(body);
	return rc;
}

int ctl_resource_put(const struct ctl *c)
{
	const struct kind *k = kind_of(c);
	json_t *o = read_json(c->args[0]);
	char name[512];

	if (!o)
		return CTL_USAGE;
	const char *domain = strcmp(k->word, "sip-user") == 0 && !strchr(ctl_text(o, "name"), '@') ? ctl_text(o, "domain") : "";
	int n = snprintf(name, sizeof name, "%s%s%s", ctl_text(o, "name"), domain[0] ? "@" : "", domain);
	if (!ctl_text(o, "name")[0] || n >= (int)sizeof name) {
		fprintf(stderr, "sluicectl: %s: there is no \"name\"\n", c->args[0]);
		json_decref(o);
		return CTL_USAGE;
	}
	char *path = path_of(k, name);
	int rc = put_json(c, path, o, name);
	free(path);
	json_decref(o);
	return rc;
}

int ctl_resource_delete(const struct ctl *c)
{
	char *path = path_of(kind_of(c), c->args[0]);
	int rc = ctl_change(c, "DELETE", path, NULL, c->args[0]);

	free(path);
	return rc;
}

/* ---- tokens: the secret is made here, and shown once ---- */

static bool make_secret(char out[2 * SECRET_BYTES + 1])
{
	uint8_t bytes[SECRET_BYTES];

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return false;
	for (unsigned i = 0; i < SECRET_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	OPENSSL_cleanse(bytes, sizeof bytes);
	return true;
}

static json_t *scopes_of(const char *list)
{
	json_t *all = json_array();

	while (*list) {
		size_t n = strcspn(list, ",");
		json_array_append_new(all, json_stringn(list, n));
		list += n + (list[n] == ',');
	}
	return all;
}

int ctl_token_create(const struct ctl *c)
{
	char secret[2 * SECRET_BYTES + 1];
	json_t *old, *o;
	char *path = path_of(kind_of(c), c->args[0]);

	/* One that is there would lose its secret. */
	long status = ctl_request(c, "GET", path, NULL, &old);
	json_decref(old);
	if (status < 0 || status == 200 || !make_secret(secret)) {
		if (status == 200)
			fprintf(stderr, "sluicectl: there is a token '%s' already: delete it first\n", c->args[0]);
		free(path);
		return status < 0 ? (int)-status : CTL_FAILED;
	}
	o = json_pack("{s:s, s:s, s:o, s:s}", "name", c->args[0], "secret", secret, "scopes", scopes_of(c->scopes ? c->scopes : "read"), "tenant",
	        c->tenant ? c->tenant : "");
	struct ctl quiet = *c;
	quiet.json = false;
	int rc = o ? put_json(&quiet, path, o, NULL) : CTL_USAGE;
	free(path);
	json_decref(o);
	if (rc == CTL_OK && c->json)
		printf("{\"name\": \"%s\", \"token\": \"%s\"}\n", c->args[0], secret);
	else if (rc == CTL_OK)
		printf("%s\n", secret);
	OPENSSL_cleanse(secret, sizeof secret);
	return rc;
}

/* ---- everything ---- */

int ctl_config_export(const struct ctl *c)
{
	json_t *all;
	int rc = ctl_get(c, "/v1/config", &all);

	if (rc == CTL_OK && all) /* with --json it is printed already */
		ctl_print_json(all);
	json_decref(all);
	return rc;
}

int ctl_config_import(const struct ctl *c)
{
	json_t *all = read_json(c->args[0]);

	if (!all)
		return CTL_USAGE;
	int rc = put_json(c, "/v1/config", all, c->args[0]);
	json_decref(all);
	return rc;
}

/* ---- where would a call go? ---- */

static void print_decision(const json_t *answer)
{
	const json_t *o, *record = json_object_get(answer, "record"), *v;
	const char *name;
	char words[1000];
	size_t i;

	json_array_foreach(json_object_get(answer, "candidates"), i, o)
	{
		if (ctl_text(o, "user")[0])
			snprintf(words, sizeof words, "%zu. user %s", i + 1, ctl_text(o, "user"));
		else
			snprintf(words, sizeof words, "%zu. trunk %s by route %s: %s, from %s", i + 1, ctl_text(o, "trunk"), ctl_text(o, "route"),
			        ctl_text(o, "called"), ctl_text(o, "caller"));
		puts(words);
	}
	if (json_array_size(json_object_get(answer, "candidates")) == 0)
		printf("refused: %lld %s\n", ctl_int(answer, "status"), ctl_text(answer, "reason"));
	sl_ladder_members(record, words, sizeof words);
	printf("because: %s\n", words);
	json_object_foreach((json_t *)record, name, v)
	{
		json_array_foreach(v, i, o)
		{
			if (json_is_object(o))
				sl_ladder_members(o, words, sizeof words);
			else
				snprintf(words, sizeof words, "%s", json_is_string(o) ? json_string_value(o) : "");
			printf("  %s %zu: %s\n", name, i + 1, words);
		}
	}
}

int ctl_route_test(const struct ctl *c)
{
	char *from = ctl_escape(c->args[0]), *to = ctl_escape(c->args[1]), *path = NULL;
	json_t *answer;

	if (asprintf(&path, "/v1/routes/test?from=%s&to=%s", from, to) < 0)
		abort();
	char *query = ctl_query(c, path);
	int rc = ctl_get(c, query, &answer);
	if (rc == CTL_OK && answer)
		print_decision(answer);
	json_decref(answer);
	free(query);
	free(path);
	free(from);
	free(to);
	return rc;
}

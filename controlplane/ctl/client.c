/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

struct buffer {
	char *text;
	size_t len;
};

static size_t collect(char *data, size_t size, size_t n, void *ctx)
{
	struct buffer *b = ctx;
	char *grown = realloc(b->text, b->len + size * n + 1);

	if (!grown)
		return 0;
	memcpy(grown + b->len, data, size * n);
	b->text = grown;
	b->len += size * n;
	b->text[b->len] = '\0';
	return size * n;
}

/* What a script reads; people get advice instead. */
static void explain_json(const struct ctl *c, CURLcode code)
{
	json_t *o = json_pack("{s:s, s:s}", "error",
	        code == CURLE_OPERATION_TIMEDOUT ? "the control plane did not answer in time"
	                                         : "the control plane cannot be reached",
	        "reason", curl_easy_strerror(code));

	json_object_set_new(o, "socket", json_string(c->socket)); /* left out when it is not UTF-8 */
	ctl_print_json(o);
	json_decref(o);
}

static void explain(const struct ctl *c, CURLcode code)
{
	if (c->json)
		explain_json(c, code);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		fprintf(stderr,
		        "sluicectl: the control plane took the request and has not answered it in %d s\n"
		        "  look:   sluicectl status; journalctl -u sluice-controlplane\n",
		        c->timeout_s);
	else if (access(c->socket, F_OK) < 0 && errno == ENOENT)
		fprintf(stderr,
		        "sluicectl: the control plane is not running: there is no socket %s\n"
		        "  start it:  systemctl start sluice-controlplane\n"
		        "       or:  sluice-controlplane --config /etc/sluice/sluice.conf --daemon\n"
		        "  elsewhere: sluicectl --socket PATH, or SLUICE_API=PATH (option "
		        "control.api_socket)\n",
		        c->socket);
	else if (access(c->socket, R_OK | W_OK) < 0)
		fprintf(stderr,
		        "sluicectl: %s: %s\n"
		        "  the socket is for root, the control plane's user and its group: sudo sluicectl "
		        "...\n",
		        c->socket, strerror(errno));
	else if (code == CURLE_COULDNT_CONNECT)
		fprintf(stderr,
		        "sluicectl: nobody answers at %s: the control plane is not running, or just starting "
		        "again\n"
		        "  look:   systemctl status sluice-controlplane; journalctl -u sluice-controlplane\n"
		        "  start:  systemctl start sluice-controlplane\n",
		        c->socket);
	else
		fprintf(stderr, "sluicectl: %s: %s\n", c->socket, curl_easy_strerror(code));
}

long ctl_fetch(const struct ctl *c, const char *method, const char *path, const char *body, char **text)
{
	size_t len;

	return ctl_fetch_bytes(c, method, path, body, text, &len);
}

long ctl_fetch_bytes(const struct ctl *c, const char *method, const char *path, const char *body, char **text, size_t *len)
{
	struct buffer b = {0};
	char url[8192];
	long status = 0;
	CURL *curl = curl_easy_init();
	/* Without it curl waits a second before a large body. */
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");

	*text = NULL;
	*len = 0;
	if (!curl || !headers) {
		fputs("sluicectl: no memory\n", stderr);
		curl_slist_free_all(headers);
		return -CTL_FAILED;
	}
	snprintf(url, sizeof url, "http://sluice%s", path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)c->timeout_s);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &b);
	if (body || strcmp(method, "POST") == 0)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
	if (strcmp(method, "POST") != 0)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);

	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_OK) {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		*text = b.text;
		*len = b.len;
	} else {
		explain(c, code);
		status = code == CURLE_OPERATION_TIMEDOUT ? -CTL_TIMEOUT : -CTL_UNREACHABLE;
		free(b.text);
	}
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return status;
}

long ctl_request(const struct ctl *c, const char *method, const char *path, const char *body, json_t **answer)
{
	char *text;
	long status = ctl_fetch(c, method, path, body, &text);

	*answer = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	return status;
}

int ctl_ask(const struct ctl *c, const char *method, const char *path, const char *body, long *status, json_t **answer)
{
	long got = ctl_request(c, method, path, body, answer);

	if (status)
		*status = got;
	if (got < 0)
		return (int)-got;
	if (c->json && *answer)
		ctl_print_json(*answer);
	return got >= 300 ? ctl_complain(got, *answer) : CTL_OK;
}

int ctl_change(const struct ctl *c, const char *method, const char *path, const char *body, const char *what)
{
	json_t *answer;
	long status;
	int rc = ctl_ask(c, method, path, body, &status, &answer);

	if (rc != CTL_OK)
		return rc;
	if (!c->json && what)
		printf("%s: %s\n", what, ctl_text(answer, "status")[0] ? ctl_text(answer, "status") : status == 201 ? "added" : "stored");
	json_decref(answer);
	return CTL_OK;
}

char *ctl_query(const struct ctl *c, const char *path)
{
	const struct ctl_arg args[] = {{"limit", c->limit}, {"offset", c->offset}, {"tenant", c->tenant}, {"user", c->user}, {"trunk", c->trunk},
	        {"number", c->number}, {"call", c->call}, {"after", c->after}, {"contact", c->contact}};

	return ctl_query_of(path, args, sizeof args / sizeof args[0]);
}

char *ctl_query_of(const char *path, const struct ctl_arg *args, unsigned n)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	char separator = strchr(path, '?') ? '&' : '?';

	if (!f)
		abort();
	fputs(path, f);
	for (unsigned i = 0; i < n; i++) {
		if (!args[i].value)
			continue;
		char *value = ctl_escape(args[i].value);
		fprintf(f, "%c%s=%s", separator, args[i].name, value);
		separator = '&';
		free(value);
	}
	fclose(f);
	return out;
}

int ctl_print_csv(const struct ctl *c, const char *query)
{
	char *text;
	long status = ctl_fetch(c, "GET", query, NULL, &text);

	if (status < 0)
		return (int)-status;
	if (status != 200) {
		json_t *answer = text ? json_loads(text, 0, NULL) : NULL;
		free(text);
		return ctl_complain(status, answer);
	}
	fputs(text ? text : "", stdout);
	free(text);
	return CTL_OK;
}

void ctl_print_older(const json_t *answer)
{
	if (ctl_text(answer, "next")[0])
		printf("older ones with --after %s\n", ctl_text(answer, "next"));
}

char *ctl_escape(const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = malloc(3 * strlen(text) + 1), *p = out;

	if (!out)
		abort();
	for (; *text; text++) {
		unsigned char ch = (unsigned char)*text;
		if ((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')) {
			*p++ = (char)ch;
		} else {
			*p++ = '%';
			*p++ = digits[ch >> 4];
			*p++ = digits[ch & 15];
		}
	}
	*p = '\0';
	return out;
}

void ctl_print_json(const json_t *o)
{
	json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
}

int ctl_complain(long status, json_t *answer)
{
	const char *why = ctl_text(answer, "error"), *field = ctl_text(answer, "field");

	if (why[0])
		fprintf(stderr, "sluicectl: %s%s%s\n", field, field[0] ? ": " : "", why);
	else
		fprintf(stderr, "sluicectl: the control plane answered %ld\n", status);
	json_decref(answer);
	return CTL_FAILED;
}

int ctl_get(const struct ctl *c, const char *path, json_t **answer)
{
	long status = ctl_request(c, "GET", path, NULL, answer);

	if (status < 0)
		return (int)-status;
	if (status != 200 || !*answer) {
		if (c->json && *answer)
			ctl_print_json(*answer);
		ctl_complain(status, *answer);
		*answer = NULL;
		return CTL_FAILED;
	}
	if (c->json) {
		ctl_print_json(*answer);
		json_decref(*answer);
		*answer = NULL;
	}
	return CTL_OK;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/turn/fetch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>
#include <openssl/crypto.h>

enum { MAILBOX = 512, LETTERS = 64, POLL_MS = 1000, CONNECTIONS = 16, PER_HOST = 4 };

struct sl_fetch {
	struct sl_mailbox *inbox, *brain;
	pthread_t thread;
	CURLM *multi;          /* its thread */
	struct job *first;     /* its thread: under way */
	bool stop;             /* its thread */
	size_t waiting;        /* the brain: submitted, not answered */
};

/* One request; the fetch thread's on the way there, the brain's on the way back. */
struct job {
	struct job *next;
	struct sl_fetch *f;
	CURL *easy;
	struct curl_slist *headers;
	char *body;
	size_t body_len;
	char *answer;
	size_t answer_len;
	int error;
	long status;
	char text[CURL_ERROR_SIZE];
	sl_fetch_done done;
	void *ctx;
};

static void free_job(struct job *j)
{
	curl_easy_cleanup(j->easy);
	curl_slist_free_all(j->headers);
	if (j->body)
		OPENSSL_cleanse(j->body, j->body_len);
	free(j->body);
	free(j->answer);
	free(j);
}

static void answer(void *arg)
{
	struct job *j = arg;

	j->f->waiting--;
	j->done(j->ctx, j->error, j->text, j->status, j->answer ? j->answer : "", j->answer_len);
	free_job(j);
}

/* ---- its thread ---- */

static void send_back(struct job *j)
{
	struct timespec nap = {0, 1000000};

	/* The answer must arrive; the brain always comes back to its mailbox. */
	while (sl_mailbox_post(j->f->brain, answer, j) < 0)
		nanosleep(&nap, NULL);
}

static void finish(struct job *j, CURLcode rc)
{
	struct job **at = &j->f->first;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	curl_multi_remove_handle(j->f->multi, j->easy);
	if (rc == CURLE_OK) {
		curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &j->status);
	} else {
		j->error = -EIO;
		if (!j->text[0])
			snprintf(j->text, sizeof j->text, "%s", curl_easy_strerror(rc));
	}
	send_back(j);
}

static void take(void *arg)
{
	struct job *j = arg;

	j->next = j->f->first;
	j->f->first = j;
	if (curl_multi_add_handle(j->f->multi, j->easy) != CURLM_OK)
		finish(j, CURLE_OUT_OF_MEMORY);
}

static void do_stop(void *arg)
{
	struct sl_fetch *f = arg;

	f->stop = true;
}

static void *run(void *arg)
{
	struct sl_fetch *f = arg;
	struct curl_waitfd bell = {sl_mailbox_fd(f->inbox), CURL_WAIT_POLLIN, 0};
	int running, left;
	CURLMsg *m;

	while (!f->stop) {
		curl_multi_poll(f->multi, &bell, 1, POLL_MS, NULL);
		sl_mailbox_run(f->inbox, LETTERS);
		curl_multi_perform(f->multi, &running);
		while ((m = curl_multi_info_read(f->multi, &left))) {
			struct job *j = NULL;
			if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&j) == CURLE_OK)
				finish(j, m->data.result);
		}
	}
	while (f->first)
		finish(f->first, CURLE_ABORTED_BY_CALLBACK);
	return NULL; /* the stop was the last letter: nobody submits any more */
}

/* ---- the brain's side ---- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct job *j = arg;
	size_t len = size * n;

	if (len > SL_FETCH_ANSWER_MAX - j->answer_len) {
		snprintf(j->text, sizeof j->text, "the answer is longer than %d bytes", SL_FETCH_ANSWER_MAX);
		return 0;
	}
	char *grown = realloc(j->answer, j->answer_len + len + 1);
	if (!grown)
		return 0;
	j->answer = grown;
	memcpy(j->answer + j->answer_len, data, len);
	j->answer_len += len;
	j->answer[j->answer_len] = '\0';
	return len;
}

static bool add_header(struct job *j, const char *line)
{
	struct curl_slist *more = curl_slist_append(j->headers, line);

	if (more)
		j->headers = more;
	return more != NULL;
}

/* A user name in the address is a token for the other end: it goes as such, and not in the address. */
static bool set_url(struct job *j, const char *text)
{
	char *user = NULL, *plain = NULL;
	CURLU *url = curl_url();
	bool ok = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK;

	if (ok && curl_url_get(url, CURLUPART_USER, &user, CURLU_URLDECODE) == CURLUE_OK) {
		char line[512];
		ok = (size_t)snprintf(line, sizeof line, "Authorization: Bearer %s", user) < sizeof line && !strpbrk(user, "\r\n") && add_header(j, line);
		OPENSSL_cleanse(line, sizeof line);
		curl_url_set(url, CURLUPART_USER, NULL, 0);
		curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
	}
	ok = ok && curl_url_get(url, CURLUPART_URL, &plain, 0) == CURLUE_OK && curl_easy_setopt(j->easy, CURLOPT_URL, plain) == CURLE_OK;
	curl_free(user);
	curl_free(plain);
	curl_url_cleanup(url);
	return ok;
}

static bool fill(struct job *j, const struct sl_fetch_request *r)
{
	CURL *e = j->easy;

	for (unsigned i = 0; i < r->n_headers; i++) {
		if (!add_header(j, r->headers[i]))
			return false;
	}
	if (r->body) {
		if (!(j->body = malloc(r->body_len + 1)))
			return false;
		memcpy(j->body, r->body, r->body_len);
		j->body_len = r->body_len;
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, j->body);
	}
	return set_url(j, r->url) && curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, r->method) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTPHEADER, j->headers) == CURLE_OK && curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, j) == CURLE_OK && curl_easy_setopt(e, CURLOPT_PRIVATE, j) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_ERRORBUFFER, j->text) == CURLE_OK && curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK && curl_easy_setopt(e, CURLOPT_USERAGENT, "sluice") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms) == CURLE_OK;
}

int sl_fetch_submit(struct sl_fetch *f, const struct sl_fetch_request *r, sl_fetch_done done, void *ctx)
{
	if (f->waiting >= SL_FETCH_WAITING_MAX)
		return -ENOBUFS;
	struct job *j = calloc(1, sizeof *j);
	if (!j)
		return -ENOMEM;
	*j = (struct job){.f = f, .easy = curl_easy_init(), .done = done, .ctx = ctx};
	int rc = j->easy && fill(j, r) ? 0 : -ENOMEM;
	if (rc == 0)
		rc = sl_mailbox_post(f->inbox, take, j);
	if (rc < 0)
		free_job(j);
	else
		f->waiting++;
	return rc;
}

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct sl_fetch *sl_fetch_new(struct sl_mailbox *brain)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sl_fetch *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	pthread_once(&once, init_curl);
	f->brain = brain;
	f->inbox = sl_mailbox_new(MAILBOX);
	f->multi = curl_multi_init();
	if (f->inbox && f->multi) {
		curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS);
		curl_multi_setopt(f->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)PER_HOST);
		if (pthread_create(&f->thread, NULL, run, f) == 0)
			return f;
	}
	curl_multi_cleanup(f->multi);
	sl_mailbox_free(f->inbox);
	free(f);
	return NULL;
}

void sl_fetch_free(struct sl_fetch *f)
{
	if (!f)
		return;
	while (sl_mailbox_post(f->inbox, do_stop, f) < 0)
		poll(NULL, 0, 1);
	/* Its answers need room in the mailbox, which is ours to make. */
	while (f->waiting) {
		struct pollfd p = {sl_mailbox_fd(f->brain), POLLIN, 0};
		poll(&p, 1, 1);
		sl_mailbox_run(f->brain, LETTERS);
	}
	pthread_join(f->thread, NULL);
	curl_multi_cleanup(f->multi);
	sl_mailbox_free(f->inbox);
	free(f);
}

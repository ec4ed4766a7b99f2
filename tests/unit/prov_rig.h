/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Provisioning over a real store in a file of its own, with answers waited for. JSON in tests has ' for ". */

#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/provision/provision.h"

static struct sl_config prov_config;
static struct sl_mailbox *prov_mail;
static struct sl_store *prov_store;
static struct sl_call_events *prov_events;
static struct sl_prov *prov;
static char prov_path[64];

struct prov_answer {
	unsigned n;
	int status;
	char field[80], text[240], etag[24];
	char body[2048];
};

static inline char *prov_json(const char *text)
{
	char *copy = strdup(text);

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return copy;
}

static inline json_t *prov_object(const char *text)
{
	char *copy = prov_json(text);
	json_error_t e;
	json_t *object = json_loads(copy, 0, &e);

	if (!object)
		fail_msg("%s: %s", text, e.text);
	free(copy);
	return object;
}

static inline void prov_answered(void *ctx, const struct sl_prov_result *r)
{
	struct prov_answer *a = ctx;
	char *text = r->body ? json_dumps(r->body, JSON_SORT_KEYS | JSON_COMPACT) : NULL;

	a->n++;
	a->status = r->status;
	memcpy(a->field, r->field, sizeof a->field);
	memcpy(a->text, r->text, sizeof a->text);
	memcpy(a->etag, r->etag, sizeof a->etag);
	snprintf(a->body, sizeof a->body, "%s", text ? text : "");
	free(text);
}

static inline void prov_wait(struct prov_answer *a)
{
	for (unsigned i = 0; i < 1000 && a->n == 0; i++) {
		struct pollfd p = {sl_mailbox_fd(prov_mail), POLLIN, 0};

		poll(&p, 1, 100);
		sl_mailbox_run(prov_mail, 64);
	}
	assert_int_equal(a->n, 1);
}

static inline struct prov_answer prov_put_if(enum sl_prov_kind kind, const char *name, const char *body, const char *etag)
{
	struct prov_answer a = {0};
	json_t *object = prov_object(body);

	sl_prov_put(prov, kind, name, object, etag, "", prov_answered, &a);
	prov_wait(&a);
	json_decref(object);
	return a;
}

static inline struct prov_answer prov_put(enum sl_prov_kind kind, const char *name, const char *body)
{
	return prov_put_if(kind, name, body, NULL);
}

static inline void prov_must(enum sl_prov_kind kind, const char *name, const char *body)
{
	struct prov_answer a = prov_put(kind, name, body);

	if (a.status != 200 && a.status != 201)
		fail_msg("%d %s", a.status, a.text);
}

static inline struct prov_answer prov_delete(enum sl_prov_kind kind, const char *name, const char *etag)
{
	struct prov_answer a = {0};

	sl_prov_delete(prov, kind, name, etag, "", prov_answered, &a);
	prov_wait(&a);
	return a;
}

static inline struct prov_answer prov_import(const char *all)
{
	struct prov_answer a = {0};
	json_t *object = prov_object(all);

	sl_prov_import(prov, object, prov_answered, &a);
	prov_wait(&a);
	json_decref(object);
	return a;
}

/* The configuration's group; NULL = none. */
static inline void prov_configure(const char *group)
{
	free(prov_config.provision);
	prov_config.path = "test.conf";
	prov_config.control.database = prov_path;
	prov_config.provision = group ? prov_json(group) : NULL;
	prov_config.sip.n_listeners = 1;
	snprintf(prov_config.sip.listeners[0].name, sizeof prov_config.sip.listeners[0].name, "carriers");
}

static inline struct sl_prov *prov_try_open(char *text, size_t text_len)
{
	prov_mail = sl_mailbox_new(1024);
	prov_store = sl_store_open(prov_path, prov_mail, text, text_len);
	assert_non_null(prov_store);
	return sl_prov_open(&(struct sl_prov_options){.config = &prov_config, .store = prov_store, .events = prov_events}, text, text_len);
}

static inline void prov_shut(void)
{
	sl_prov_close(prov);
	prov = NULL;
	sl_store_close(prov_store);
	sl_mailbox_free(prov_mail);
}

static inline void prov_start(void)
{
	char text[400];

	if ((prov = prov_try_open(text, sizeof text)) == NULL)
		fail_msg("%s", text);
}

static inline int prov_setup(void **state)
{
	snprintf(prov_path, sizeof prov_path, "/tmp/sluice-test-prov-%d.db", (int)getpid());
	unlink(prov_path);
	prov_configure(NULL);
	prov_events = sl_call_events_new();
	prov_start();
	return 0;
}

static inline int prov_teardown(void **state)
{
	char name[80];

	prov_shut();
	sl_call_events_free(prov_events);
	prov_configure(NULL);
	unlink(prov_path);
	snprintf(name, sizeof name, "%s-wal", prov_path);
	unlink(name);
	snprintf(name, sizeof name, "%s-shm", prov_path);
	unlink(name);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"
#include "controlplane/ctl/sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/options.h"
#include "controlplane/provision/provision.h"

int ctl_ports(const struct ctl *c)
{
	struct ctl_sample a, b;
	json_t *ignored;

	if (c->json)
		return ctl_get(c, "/v1/ports", &ignored);
	int rc = ctl_two_samples(c, &a, &b);
	if (rc != CTL_OK)
		return rc;
	ctl_print_ports(&a, &b);
	ctl_sample_free(&a);
	ctl_sample_free(&b);
	return CTL_OK;
}

int ctl_workers(const struct ctl *c)
{
	struct ctl_sample a, b;
	json_t *ignored;

	if (c->json)
		return ctl_get(c, "/v1/workers", &ignored);
	int rc = ctl_two_samples(c, &a, &b);
	if (rc != CTL_OK)
		return rc;
	ctl_print_workers(&a, &b);
	ctl_sample_free(&a);
	ctl_sample_free(&b);
	return CTL_OK;
}

/* ---- counters ---- */

static void print_group(const struct ctl *c, const json_t *before, const json_t *now, const char *group)
{
	static const char *const plain[] = {"COUNTER", ">TOTAL"}, *const rates[] = {
	                                                                  "COUNTER", ">TOTAL", ">PER SECOND"};
	double seconds = before ? (double)(ctl_int(now, "time_ns") - ctl_int(before, "time_ns")) / 1e9 : 0;
	struct ctl_table t;
	const char *name;
	json_t *value;
	char buf[CTL_CELL_MAX];

	ctl_table_begin(&t, before ? 3 : 2, before ? rates : plain);
	t.heads[0] = strcmp(group, "drops") == 0 ? "DROPPED" : "COUNTER";
	json_object_foreach(json_object_get(now, group), name, value)
	{
		long long n = json_integer_value(value);
		long long grown = before ? n - ctl_int(json_object_get(before, group), name) : 0;
		if (n == 0 && !c->all)
			continue;
		ctl_cell(&t, 0, "%s", name);
		ctl_cell(&t, 1, "%lld", n);
		if (before)
			ctl_cell(&t, 2, "%s",
			        grown && seconds > 0 ? ctl_rate((double)grown / seconds, buf) : "");
	}
	ctl_table_print(&t);
}

int ctl_counters(const struct ctl *c)
{
	struct timespec second = {1, 0};
	json_t *before = NULL, *now;

	for (;;) {
		int rc = ctl_get(c, "/v1/counters", &now);
		if (rc != CTL_OK || (c->json && !c->watch)) {
			json_decref(before);
			return rc;
		}
		if (!c->json && (before || !c->watch)) {
			if (c->watch)
				printf("\033[H\033[2J");
			print_group(c, before, now, "counters");
			putchar('\n');
			print_group(c, before, now, "drops");
		}
		json_decref(before);
		before = now;
		if (!c->watch)
			break;
		fflush(stdout);
		nanosleep(&second, NULL);
	}
	json_decref(before);
	return CTL_OK;
}

/* ---- allocations ---- */

static void print_allocations(const json_t *answer)
{
	static const char *const heads[] = {"ID", "USER", "OVER", "CLIENT", "RELAY", ">WORKER", ">PEERS", ">TO PEER",
	        ">TO CLIENT", ">AGE", ">LEFT"};
	struct ctl_table t;
	char buf[CTL_CELL_MAX];
	json_t *a;
	size_t i, shown = json_array_size(json_object_get(answer, "allocations"));

	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "allocations"), i, a)
	{
		ctl_cell(&t, 0, "%s", ctl_text(a, "id"));
		ctl_cell(&t, 1, "%s", ctl_text(a, "user"));
		ctl_cell(&t, 2, "%s", ctl_text(a, "transport"));
		ctl_cell(&t, 3, "%s", ctl_text(a, "client"));
		ctl_cell(&t, 4, "%s", ctl_text(a, "relay"));
		ctl_cell(&t, 5, "%lld", ctl_int(a, "worker"));
		ctl_cell(&t, 6, "%lld", ctl_int(a, "peers"));
		ctl_cell(&t, 7, "%s", ctl_bytes((double)ctl_int(json_object_get(a, "to_peer"), "bytes"), buf));
		ctl_cell(&t, 8, "%s", ctl_bytes((double)ctl_int(json_object_get(a, "to_client"), "bytes"), buf));
		ctl_cell(&t, 9, "%s", ctl_duration(ctl_int(a, "age_s"), buf));
		ctl_cell(&t, 10, "%s", ctl_duration(ctl_int(a, "lifetime_s"), buf));
	}
	ctl_table_print(&t);
	if ((long long)shown < ctl_int(answer, "total"))
		printf("%zu of %lld; more with --limit and --offset\n", shown, ctl_int(answer, "total"));
}

int ctl_allocations(const struct ctl *c)
{
	char path[4096];
	char *user = ctl_escape(c->user ? c->user : ""), *limit = ctl_escape(c->limit ? c->limit : "100"),
	     *offset = ctl_escape(c->offset ? c->offset : "0");
	json_t *answer;

	int n = snprintf(path, sizeof path, "/v1/allocations?limit=%s&offset=%s", limit, offset);
	char *realm = ctl_escape(c->realm ? c->realm : "");
	snprintf(path + n, sizeof path - (size_t)n, "%s%s%s%s%s", c->user ? "&user=" : "", user, c->realm ? "&realm=" : "", realm,
	        c->restricted ? "&restricted=true" : "");
	free(realm);
	free(user);
	free(limit);
	free(offset);
	int rc = ctl_get(c, path, &answer);
	if (rc == CTL_OK && answer)
		print_allocations(answer);
	json_decref(answer);
	return rc;
}

/* ---- small ones ---- */

static int simple(const struct ctl *c, const char *method, const char *path)
{
	json_t *answer;
	int rc = ctl_ask(c, method, path, NULL, NULL, &answer);

	if (rc != CTL_OK)
		return rc;
	if (!c->json)
		printf("%s%s%s\n", ctl_text(answer, "status"), ctl_text(answer, "note")[0] ? ": " : "",
		        ctl_text(answer, "note"));
	json_decref(answer);
	return CTL_OK;
}

int ctl_allocation_delete(const struct ctl *c)
{
	char path[4096];
	char *id = ctl_escape(c->args[0]);

	snprintf(path, sizeof path, "/v1/allocations/%s", id);
	free(id);
	return simple(c, "DELETE", path);
}

int ctl_reload(const struct ctl *c)
{
	return simple(c, "POST", "/v1/reload");
}

int ctl_healthz(const struct ctl *c)
{
	json_t *answer;
	long status = ctl_request(c, "GET", "/healthz", NULL, &answer);

	if (status < 0)
		return (int)-status;
	if (c->json)
		ctl_print_json(answer);
	else if (status == 200 && !ctl_text(answer, "reason")[0])
		puts("ok");
	else
		printf("%s: %s\n", ctl_text(answer, "status"), ctl_text(answer, "reason"));
	json_decref(answer);
	return status == 200 ? CTL_OK : CTL_UNHEALTHY;
}

int ctl_config_check(const struct ctl *c)
{
	struct sl_config *config;
	char text[400];
	int rc = sl_config_load(c->args[0], &config, text, sizeof text);

	if (rc == 0) {
		rc = sl_prov_check(config, text, sizeof text);
		sl_config_free(config);
	}
	if (c->json) {
		json_t *o = json_pack("{s:b}", "good", rc == 0);
		if (rc < 0)
			json_object_set_new(o, "error", json_string(text));
		ctl_print_json(o);
		json_decref(o);
	} else if (rc == 0) {
		printf("%s: good\n", c->args[0]);
	} else {
		fprintf(stderr, "%s\n", text);
	}
	return rc == 0 ? CTL_OK : CTL_FAILED;
}

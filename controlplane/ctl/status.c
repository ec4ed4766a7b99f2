/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"
#include "controlplane/ctl/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOP_DROPS = 5 };

/* ---- the two processes ---- */

static void print_processes(const json_t *status)
{
	const json_t *control = json_object_get(status, "controlplane");
	const json_t *dataplane = json_object_get(status, "dataplane");
	const char *trouble = ctl_text(dataplane, "trouble"), *reload = ctl_text(control, "last_reload");
	char up[CTL_CELL_MAX];

	printf("Sluice %s\n\n", ctl_text(status, "version"));
	printf("dataplane      ");
	if (json_is_true(json_object_get(dataplane, "attached")))
		printf("%s, up %s, generation %lld, %lld restarts, pid %lld, %s\n",
		        ctl_text(dataplane, "state"), ctl_duration(ctl_int(dataplane, "uptime_s"), up),
		        ctl_int(dataplane, "generation"), ctl_int(dataplane, "restarts"),
		        ctl_int(dataplane, "pid"),
		        json_is_true(json_object_get(dataplane, "hugepages")) ? "hugepages" : "no hugepages");
	else
		printf("away\n");
	if (trouble[0])
		printf("               ! %s\n", trouble);
	printf("control plane  serving, up %s, %lld restarts, pid %lld, %s\n",
	        ctl_duration(ctl_int(control, "uptime_s"), up), ctl_int(control, "restarts"),
	        ctl_int(control, "pid"), ctl_text(control, "config"));
	if (strncmp(reload, "refused", 7) == 0)
		printf("               ! the last reload was %s\n", reload);
}

static void print_turn(const json_t *status)
{
	const json_t *turn = json_object_get(status, "turn"),
	             *allocations = json_object_get(status, "allocations");
	long long max = ctl_int(json_object_get(status, "dataplane"), "max_allocations");

	if (!json_is_object(turn)) {
		printf("TURN           off: the configuration has no group turn\n");
		return;
	}
	printf("TURN           realm %s, %lld users configured and %lld added, %lld secrets, %lld peer "
	       "rules\n",
	        ctl_text(turn, "realm"), ctl_int(turn, "config_users"), ctl_int(turn, "api_users"),
	        ctl_int(turn, "secrets"), ctl_int(turn, "peer_rules"));
	if (ctl_int(turn, "realms") > 1 || ctl_int(turn, "table_users"))
		printf("               %lld realms, %lld users of tables elsewhere\n", ctl_int(turn, "realms"), ctl_int(turn, "table_users"));
	if (json_is_true(json_object_get(turn, "draining")))
		printf("               ! draining: no new allocations (sluicectl turn drain off ends it)\n");
	printf("allocations    %lld", ctl_int(allocations, "active"));
	if (max)
		printf(" of %lld", max);
	putchar('\n');
}

static void print_media(const json_t *status)
{
	const json_t *media = json_object_get(status, "media");

	if (!json_is_object(media)) {
		printf("media          off: the configuration has no group media\n");
		return;
	}
	printf("media          %lld of %lld sessions, %lld of %lld legs, %lld ports free\n", ctl_int(media, "sessions"),
	        ctl_int(media, "max_sessions"), ctl_int(media, "legs"), ctl_int(media, "max_legs"), ctl_int(media, "ports_free"));
}

static void print_sip(const json_t *status)
{
	const json_t *sip = json_object_get(status, "sip");

	if (!json_is_object(sip)) {
		printf("SIP            off: the configuration has no group sip\n");
		return;
	}
	printf("SIP            %lld calls of %lld, %lld of them up; %lld users registered; %lld TLS connections\n", ctl_int(sip, "calls"),
	        ctl_int(sip, "max_calls"), ctl_int(sip, "calls_up"), ctl_int(sip, "users_registered"), ctl_int(sip, "tls_connections"));
	if (strcmp(ctl_text(sip, "overload"), "no") != 0)
		printf("               ! overload: %s\n", ctl_text(sip, "overload"));
	if (ctl_int(sip, "cdrs_pending") > 1000)
		printf("               ! %lld call detail records wait for the database\n", ctl_int(sip, "cdrs_pending"));
}

static void print_guard(const json_t *status)
{
	const json_t *guard = json_object_get(status, "guard"), *dataplane = json_object_get(status, "dataplane");

	if (!json_is_object(guard))
		return;
	printf("guard          %s%s%s, %lld prefixes, %lld bans\n", json_is_true(json_object_get(guard, "enabled")) ? "on" : "off",
	        json_is_true(json_object_get(guard, "dry_run")) ? ", dry run" : "",
	        json_is_true(json_object_get(guard, "live")) ? ", limits changed until the next reload" : "", ctl_int(guard, "prefixes"),
	        ctl_int(guard, "bans"));
	if (ctl_text(guard, "standby")[0] && json_is_true(json_object_get(dataplane, "attached")))
		printf("               ! the dataplane does not go by this control plane: %s\n", ctl_text(guard, "standby"));
	if (ctl_int(guard, "pressure_percent") < 100)
		printf("               ! overload: %lld %% of what SIP's strangers may send is let through\n", ctl_int(guard, "pressure_percent"));
}

/* ---- what it does now ---- */

static void print_relaying(const struct ctl_sample *a, const struct ctl_sample *b)
{
	char pps[CTL_CELL_MAX], total[CTL_CELL_MAX];
	double packets = 0, bytes = 0, ever = 0;
	static const char *const sides[] = {"relayed_to_peer", "relayed_to_client", "rtp_out"};
	char name[64];

	for (unsigned i = 0; i < sizeof sides / sizeof sides[0]; i++) {
		snprintf(name, sizeof name, "%s_packets", sides[i]);
		packets += ctl_rate_of(a, b, "counters", name);
		ever += (double)ctl_sum_of(b, "counters", name);
		snprintf(name, sizeof name, "%s_bytes", sides[i]);
		bytes += ctl_rate_of(a, b, "counters", name);
	}
	printf("relaying       %s packets/s, %.1f Mbit/s now; %s packets since the start\n",
	        ctl_rate(packets, pps), bytes * 8 / 1e6, ctl_rate(ever, total));
}

struct drop {
	const char *name;
	long long n;
};

static int most_first(const void *a, const void *b)
{
	const struct drop *x = a, *y = b;

	return x->n < y->n ? 1 : x->n > y->n ? -1 : 0;
}

static void print_drops(const struct ctl_sample *a, const struct ctl_sample *b)
{
	struct drop drops[256];
	unsigned n = 0;
	double rate = 0;
	const char *name;
	json_t *value;
	char text[CTL_CELL_MAX];

	json_object_foreach(json_object_get(json_array_get(b->workers, 0), "drops"), name, value)
	{
		rate += ctl_rate_of(a, b, "drops", name);
		if (n < sizeof drops / sizeof drops[0])
			drops[n++] = (struct drop){name, ctl_sum_of(b, "drops", name)};
	}
	qsort(drops, n, sizeof drops[0], most_first);
	printf("dropping       %s packets/s now", ctl_rate(rate, text));
	for (unsigned i = 0; i < n && i < TOP_DROPS && drops[i].n; i++)
		printf("%s%s %lld", i ? ", " : "; since the start: ", drops[i].name, drops[i].n);
	putchar('\n');
}

int ctl_status(const struct ctl *c)
{
	struct ctl_sample a, b;
	json_t *status;
	int rc = ctl_get(c, "/v1/status", &status);

	if (rc != CTL_OK || c->json)
		return rc;
	print_processes(status);
	print_turn(status);
	print_media(status);
	print_sip(status);
	print_guard(status);
	if (!json_is_true(json_object_get(json_object_get(status, "dataplane"), "attached"))) {
		printf("\nIs it running?  systemctl status sluice-dataplane; journalctl -u "
		       "sluice-dataplane\n");
		json_decref(status);
		return CTL_OK;
	}
	json_decref(status);
	fflush(stdout);
	rc = ctl_two_samples(c, &a, &b);
	if (rc != CTL_OK)
		return rc;
	print_relaying(&a, &b);
	print_drops(&a, &b);
	putchar('\n');
	ctl_print_ports(&a, &b);
	putchar('\n');
	ctl_print_workers(&a, &b);
	ctl_sample_free(&a);
	ctl_sample_free(&b);
	return CTL_OK;
}

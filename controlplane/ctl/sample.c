/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/sample.h"

#include <stdio.h>
#include <time.h>

int ctl_take_sample(const struct ctl *c, struct ctl_sample *s)
{
	struct ctl quiet = *c;
	int rc;

	*s = (struct ctl_sample){0};
	quiet.json = false;
	if ((rc = ctl_get(&quiet, "/v1/workers", &s->answer_workers)) != CTL_OK ||
	        (rc = ctl_get(&quiet, "/v1/ports", &s->answer_ports)) != CTL_OK) {
		ctl_sample_free(s);
		return rc;
	}
	s->workers = json_object_get(s->answer_workers, "workers");
	s->ports = json_object_get(s->answer_ports, "ports");
	return CTL_OK;
}

void ctl_sample_free(struct ctl_sample *s)
{
	json_decref(s->answer_workers);
	json_decref(s->answer_ports);
	*s = (struct ctl_sample){0};
}

int ctl_two_samples(const struct ctl *c, struct ctl_sample *a, struct ctl_sample *b)
{
	struct timespec second = {1, 0};
	int rc = ctl_take_sample(c, a);

	*b = (struct ctl_sample){0};
	if (rc != CTL_OK)
		return rc;
	nanosleep(&second, NULL);
	rc = ctl_take_sample(c, b);
	if (rc != CTL_OK)
		ctl_sample_free(a);
	return rc;
}

long long ctl_sum_of(const struct ctl_sample *s, const char *group, const char *name)
{
	long long sum = 0;
	json_t *worker;
	size_t i;

	json_array_foreach(s->workers, i, worker) sum += ctl_int(json_object_get(worker, group), name);
	return sum;
}

/* A dataplane that restarted in between counts from 0: that is no negative rate. */
static double growth(long long before, long long now, double seconds)
{
	return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static double seconds_between(const json_t *a, const json_t *b)
{
	return (double)(ctl_int(b, "time_ns") - ctl_int(a, "time_ns")) / 1e9;
}

double ctl_rate_of(
        const struct ctl_sample *a, const struct ctl_sample *b, const char *group, const char *name)
{
	return growth(ctl_sum_of(a, group, name), ctl_sum_of(b, group, name),
	        seconds_between(a->answer_workers, b->answer_workers));
}

void ctl_print_ports(const struct ctl_sample *a, const struct ctl_sample *b)
{
	static const char *const heads[] = {"PORT", "DRIVER", "LINK", ">SPEED", ">MTU", ">QUEUES", "CHECKSUM",
	        ">RX pps", ">TX pps", ">RX Mbit/s", ">TX Mbit/s", ">MISSED"};
	double seconds = seconds_between(a->answer_ports, b->answer_ports);
	struct ctl_table t;
	char buf[CTL_CELL_MAX];
	json_t *p;
	size_t i;

	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(b->ports, i, p)
	{
		const json_t *before = json_array_get(a->ports, i);
		long long speed = ctl_int(p, "speed_mbps");
		/* Drivers without a wire report 2^32 - 1, which the API shows as -1. */
		bool known = speed > 0 && speed < 10000000;
		ctl_cell(&t, 0, "%s", ctl_text(p, "name"));
		ctl_cell(&t, 1, "%s", ctl_text(p, "driver"));
		ctl_cell(&t, 2, "%s", json_is_true(json_object_get(p, "link")) ? "up" : "DOWN");
		ctl_cell(&t, 3, known ? "%lldM" : "-", speed);
		ctl_cell(&t, 4, "%lld", ctl_int(p, "mtu"));
		ctl_cell(&t, 5, "%lld", ctl_int(p, "queues"));
		ctl_cell(&t, 6, "%s", ctl_text(p, "checksum"));
		ctl_cell(&t, 7, "%s",
		        ctl_rate(growth(ctl_int(before, "rx_packets"), ctl_int(p, "rx_packets"), seconds),
		                buf));
		ctl_cell(&t, 8, "%s",
		        ctl_rate(growth(ctl_int(before, "tx_packets"), ctl_int(p, "tx_packets"), seconds),
		                buf));
		ctl_cell(&t, 9, "%.1f",
		        growth(ctl_int(before, "rx_bytes"), ctl_int(p, "rx_bytes"), seconds) * 8 / 1e6);
		ctl_cell(&t, 10, "%.1f",
		        growth(ctl_int(before, "tx_bytes"), ctl_int(p, "tx_bytes"), seconds) * 8 / 1e6);
		ctl_cell(&t, 11, "%lld", ctl_int(p, "rx_missed"));
	}
	ctl_table_print(&t);
}

static double worker_growth(const json_t *a, const json_t *b, const char *name, double seconds)
{
	return growth(ctl_int(json_object_get(a, "counters"), name),
	        ctl_int(json_object_get(b, "counters"), name), seconds);
}

void ctl_print_workers(const struct ctl_sample *a, const struct ctl_sample *b)
{
	static const char *const heads[] = {"WORKER", ">CORE", ">BUSY %", ">CYCLES/PACKET", ">RX pps",
	        ">TX pps", ">RELAYED pps", ">ALLOCATIONS", ">LEGS", ">DROPS/s"};
	double seconds = seconds_between(a->answer_workers, b->answer_workers);
	struct ctl_table t;
	char buf[CTL_CELL_MAX];
	const char *name;
	json_t *w, *value;
	size_t i;

	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(b->workers, i, w)
	{
		const json_t *before = json_array_get(a->workers, i);
		double busy = worker_growth(before, w, "busy_cycles", seconds);
		double idle = worker_growth(before, w, "idle_cycles", seconds);
		double rx = worker_growth(before, w, "rx_packets", seconds);
		double relayed = worker_growth(before, w, "relayed_to_peer_packets", seconds) +
		                 worker_growth(before, w, "relayed_to_client_packets", seconds) +
		                 worker_growth(before, w, "rtp_out_packets", seconds);
		double drops = 0;
		json_object_foreach(json_object_get(w, "drops"), name, value) drops += growth(
		        ctl_int(json_object_get(before, "drops"), name), json_integer_value(value), seconds);
		ctl_cell(&t, 0, "%lld", ctl_int(w, "worker"));
		ctl_cell(&t, 1, "%lld", ctl_int(w, "lcore"));
		ctl_cell(&t, 2, "%.1f", busy + idle > 0 ? 100 * busy / (busy + idle) : 0);
		ctl_cell(&t, 3, rx >= 1 ? "%.0f" : "-", rx >= 1 ? busy / rx : 0);
		ctl_cell(&t, 4, "%s", ctl_rate(rx, buf));
		ctl_cell(&t, 5, "%s", ctl_rate(worker_growth(before, w, "tx_packets", seconds), buf));
		ctl_cell(&t, 6, "%s", ctl_rate(relayed, buf));
		ctl_cell(&t, 7, "%lld", ctl_int(json_object_get(w, "counters"), "allocations_active"));
		ctl_cell(&t, 8, "%lld", ctl_int(json_object_get(w, "counters"), "legs_active"));
		ctl_cell(&t, 9, "%s", ctl_rate(drops, buf));
	}
	ctl_table_print(&t);
}

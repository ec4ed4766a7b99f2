/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/start.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "dataplane/abi/keeper.h"
#include "dataplane/abi/log.h"
#include "dataplane/abi/server.h"
#include "dataplane/eal.h"
#include "dataplane/linux/tap.h"
#include "dataplane/session/cold.h"
#include "dataplane/session/cold_media.h"
#include "dataplane/start_memory.h"
#include "drivers/port.h"

enum { NO_INTERFACE = 0xff };

/* ---- memory that the keeper holds ---- */

static int check_cold(struct sl_dataplane *dp, uint8_t *mem, size_t bytes)
{
	const struct sl_conf_dataplane *c = &dp->config->dataplane;
	const struct sl_conf_media *m = &dp->config->media;
	struct sl_handed_cold at = sl_handed_cold(dp->config);
	if (bytes != at.bytes)
		return -EPROTO;
	dp->cold = (struct sl_cold *)mem;
	int rc = sl_cold_check(dp->cold, at.media_at, c->max_allocations, c->max_peers);
	if (rc < 0 || !at.media_bytes)
		return rc;
	dp->cold_media = (struct sl_cold_media *)(mem + at.media_at);
	return sl_cold_media_check(dp->cold_media, at.media_bytes, m->max_legs, m->max_streams);
}

static int map_cold(struct sl_dataplane *dp, int fd, char *err, size_t err_len)
{
	struct stat st;
	void *mem = MAP_FAILED;
	if (fstat(fd, &st) == 0)
		mem = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED) {
		snprintf(err, err_len, "cannot map the cold records: %s", strerror(errno));
		return -errno;
	}
	madvise(mem, (size_t)st.st_size, MADV_DONTDUMP); /* keys lie there */
	int rc = check_cold(dp, mem, (size_t)st.st_size);
	if (rc < 0)
		snprintf(err, err_len, "the cold records are another build's, or of another configuration: restart "
			"sluice-dataplane as a whole");
	return rc;
}

static int map_handed(struct sl_dataplane *dp, const struct sl_handed *h, char *err, size_t err_len)
{
	size_t bytes;
	int rc = sl_region_map(h->region, &dp->region, &bytes, err, err_len);
	return rc < 0 ? rc : map_cold(dp, h->cold, err, err_len);
}

/* ---- ports and their TAPs ---- */

static int start_port(struct sl_dataplane *dp, unsigned index, const struct sl_handed *h, char *err, size_t err_len)
{
	const struct sl_conf_port *conf = &dp->config->dataplane.ports[index];
	struct sl_port *port = &dp->ports[index];
	uint8_t tap_mac[6];
	int ifindex, rc = sl_tap_identify(conf->interfaces[0].tap, &ifindex, tap_mac);
	if (rc < 0) {
		snprintf(err, err_len, "port '%s': the TAP '%s' is gone: %s; restart sluice-dataplane as a whole", conf->name,
			conf->interfaces[0].tap, strerror(-rc));
		return rc;
	}
	port->index = (uint16_t)index;
	memset(port->interface_of_vlan, NO_INTERFACE, sizeof(port->interface_of_vlan));
	rc = sl_port_start(port, conf, dp, tap_mac, err, err_len);
	if (rc < 0)
		return rc;
	char text[256];
	sl_port_describe(port, text, sizeof(text));
	sl_log(SL_LOG_INFO, "%s", text);
	return 0;
}

static int start_interface(struct sl_dataplane *dp, struct sl_port *port, const struct sl_conf_interface *conf, int tap_fd,
	char *err, size_t err_len)
{
	struct sl_interface *i = &dp->interfaces[dp->n_interfaces];
	uint8_t mac[6];
	*i = (struct sl_interface){.index = (uint16_t)dp->n_interfaces, .port = port->index, .vlan = conf->vlan,
		.conf = conf, .tap_fd = tap_fd};
	int rc = sl_tap_identify(conf->tap, &i->ifindex, mac);
	if (rc < 0)
		snprintf(err, err_len, "the TAP '%s' is gone: %s", conf->tap, strerror(-rc));
	else
		rc = sl_tap_configure(conf->tap, i->ifindex, port->mac, port->mtu, conf, err, err_len);
	if (rc < 0)
		return rc;
	port->interface_of_vlan[conf->vlan] = (uint8_t)dp->n_interfaces++;
	return 0;
}

static int start_ports(struct sl_dataplane *dp, const struct sl_handed *h, char *err, size_t err_len)
{
	const struct sl_conf_dataplane *c = &dp->config->dataplane;
	int rc = 0;
	for (unsigned p = 0; p < c->n_ports && rc == 0; p++) {
		rc = start_port(dp, p, h, err, err_len);
		dp->n_ports += rc == 0;
		for (unsigned i = 0; i < c->ports[p].n_interfaces && rc == 0; i++) {
			if (dp->n_interfaces == h->n_taps || dp->n_interfaces == NO_INTERFACE) {
				snprintf(err, err_len, "more ports and VLANs than the keeper has TAPs for, or than %d",
					NO_INTERFACE);
				return -EINVAL;
			}
			rc = start_interface(dp, &dp->ports[p], &c->ports[p].interfaces[i], h->taps[dp->n_interfaces],
				err, err_len);
		}
	}
	return rc;
}

static uint64_t mono_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int sl_start(struct sl_started *s, const struct sl_config *c, const struct sl_handed *handed, char *err, size_t err_len)
{
	struct sl_dataplane *dp = &s->dp;
	dp->config = c;
	dp->n_workers = c->dataplane.n_workers;
	int rc = map_handed(dp, handed, err, err_len);
	if (rc == 0)
		rc = sl_eal_start(c, &dp->hugepages, err, err_len);
	if (rc == 0)
		rc = sl_start_pools(dp, err, err_len);
	if (rc == 0)
		rc = sl_start_tables(dp, err, err_len);
	if (rc == 0)
		rc = sl_guard_tables_init(&s->guard, dp, mono_ms(), sl_start_zalloc, err, err_len);
	if (rc == 0)
		rc = sl_start_rings(s, err, err_len);
	if (rc == 0)
		rc = start_ports(dp, handed, err, err_len);
	return rc;
}

/* ---- time and the region ---- */

static uint64_t wall_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void sl_start_clock(struct sl_dataplane *dp)
{
	struct timespec ts;
	dp->tsc_hz = rte_get_tsc_hz();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	dp->base_tsc = rte_rdtsc();
	dp->base_mono_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	atomic_store_explicit(&dp->unix_s, wall_ms() / 1000, memory_order_relaxed);
	atomic_store_explicit(&dp->unix_base_us, wall_ms() * 1000, memory_order_relaxed);
}

static void describe_port(struct sl_region_port *out, const struct sl_port *port)
{
	struct rte_eth_dev_info info;
	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%s", port->conf->name);
	if (rte_eth_dev_info_get(port->id, &info) == 0)
		snprintf(out->driver, sizeof(out->driver), "%s", info.driver_name);
	snprintf(out->checksum, sizeof(out->checksum), "%s", port->udp_cksum_tx ? "hardware" : "software");
	memcpy(out->mac, port->mac, sizeof(out->mac));
	out->n_queues = port->n_queues;
	out->mtu = port->mtu;
}

void sl_start_describe(struct sl_dataplane *dp)
{
	struct sl_region *r = dp->region;
	atomic_store_explicit(&r->ready, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&r->generation, 1, memory_order_release);
	r->tsc_hz = dp->tsc_hz;
	r->start_unix_ms = wall_ms();
	r->restarts = dp->cold->crashes = sl_keeper_restarts();
	r->pid = (uint32_t)getpid();
	r->max_allocations = dp->config->dataplane.max_allocations;
	r->max_legs = dp->cold_media ? dp->config->media.max_legs : 0;
	r->hugepages = dp->hugepages;
	for (unsigned p = 0; p < dp->n_ports; p++)
		describe_port(&r->ports[p], &dp->ports[p]);
	for (unsigned w = 0; w < dp->n_workers; w++)
		r->workers[w].lcore = dp->config->dataplane.worker_cores[w];
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/ports.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

enum {
	DESCRIPTORS = 1024,
	/* Enough for a NIC's rings; memif and af_packet copy and give back at once, and mempool caches keep the
	 * buffers in use few and warm. */
	RX_MBUFS = 4095,
	TX_MBUFS = 2047,
	CACHE = 128,
	LINK_WAIT_MS = 10000,
};

static bool is_pci(const char *device)
{
	unsigned a, b, c, d;
	return sscanf(device, "%x:%x:%x.%x", &a, &b, &c, &d) == 4 || sscanf(device, "%x:%x.%x", &a, &b, &c) == 3;
}

/* A memif server that died leaves its socket file, and the next one cannot bind. */
static void unlink_stale_memif_socket(const char *device)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	const char *at = strstr(device, ",socket=");

	if (strncmp(device, "net_memif", 9) != 0 || at == NULL || strstr(device, "role=server") == NULL)
		return;
	at += strlen(",socket=");
	size_t n = strcspn(at, ",");
	if (n >= sizeof sun.sun_path)
		return;
	memcpy(sun.sun_path, at, n);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) != 0)
		unlink(sun.sun_path);
	close(fd);
}

int ports_start_eal(const struct options *o, const char *program)
{
	char lcore[16], memory[16], prefix[32], name[64];
	char *argv[24];
	int argc = 0;

	snprintf(name, sizeof name, "%s", program);
	snprintf(lcore, sizeof lcore, "%u", o->lcore);
	snprintf(memory, sizeof memory, "%u", o->memory_mb);
	argv[argc++] = name;
	argv[argc++] = (char *)"-l";
	argv[argc++] = lcore;
	argv[argc++] = (char *)(o->no_huge ? "--no-huge" : "--in-memory");
	argv[argc++] = (char *)"--no-telemetry";
	argv[argc++] = (char *)"--log-level=*:4";
	bool any_pci = false;
	for (unsigned i = 0; i < o->n_ports; i++) {
		bool pci = is_pci(o->device[i]);
		any_pci |= pci;
		unlink_stale_memif_socket(o->device[i]);
		argv[argc++] = (char *)(pci ? "-a" : "--vdev");
		argv[argc++] = (char *)o->device[i];
	}
	if (!any_pci)
		argv[argc++] = (char *)"--no-pci";
	if (o->no_huge) {
		/* Hugepages are taken as needed; plain memory is mapped at the start, and shares a name space. */
		snprintf(prefix, sizeof prefix, "pktgen%u", (unsigned)getpid());
		argv[argc++] = (char *)"-m";
		argv[argc++] = memory;
		argv[argc++] = (char *)"--file-prefix";
		argv[argc++] = prefix;
	}
	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "sluice-pktgen: EAL does not start: %s%s\n", rte_strerror(rte_errno),
			o->no_huge ? "" : "; without hugepages, use --no-huge");
		return -1;
	}
	return 0;
}

static int port_open(struct port *port, struct ports *all, const char *device)
{
	struct rte_eth_conf conf = {0};
	struct rte_ether_addr mac;
	char name[MAX_DEVICE];

	snprintf(name, sizeof name, "%.*s", (int)strcspn(device, ","), device);
	if (rte_eth_dev_get_port_by_name(name, &port->id) != 0) {
		fprintf(stderr, "sluice-pktgen: no port came of device %s\n", device);
		return -1;
	}
	int rc = rte_eth_dev_configure(port->id, 1, 1, &conf);
	if (rc == 0)
		rc = rte_eth_rx_queue_setup(port->id, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL, all->rx_pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(port->id, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL);
	if (rc != 0) {
		fprintf(stderr, "sluice-pktgen: device %s: %s\n", device, rte_strerror(-rc));
		return -1;
	}
	if (rte_eth_dev_start(port->id) != 0 || rte_eth_macaddr_get(port->id, &mac) != 0) {
		fprintf(stderr, "sluice-pktgen: device %s does not start: is the other side running?\n", device);
		return -1;
	}
	memcpy(port->mac, mac.addr_bytes, 6);
	/* The clients' and peers' addresses all share the port's MAC; drivers without the mode accept all anyway. */
	(void)rte_eth_promiscuous_enable(port->id);
	return 0;
}

static bool wait_link(const struct port *port)
{
	struct rte_eth_link link = {0};
	for (unsigned ms = 0; ms < LINK_WAIT_MS; ms += 10) {
		if (rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP)
			return true;
		rte_delay_us_sleep(10000);
	}
	return false;
}

int ports_open(struct ports *p, const struct options *o)
{
	p->rx_pool = rte_pktmbuf_pool_create("pktgen_rx", RX_MBUFS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	p->tx_pool[0] = rte_pktmbuf_pool_create("pktgen_tx0", TX_MBUFS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	p->tx_pool[1] = rte_pktmbuf_pool_create("pktgen_tx1", TX_MBUFS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	if (o->flood)
		p->flood_pool = rte_pktmbuf_pool_create("pktgen_flood", TX_MBUFS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			SOCKET_ID_ANY);
	if (p->rx_pool == NULL || p->tx_pool[0] == NULL || p->tx_pool[1] == NULL || (o->flood && p->flood_pool == NULL)) {
		fprintf(stderr, "sluice-pktgen: no memory for packet buffers; raise --memory\n");
		return -1;
	}
	for (p->n = 0; p->n < o->n_ports; p->n++)
		if (port_open(&p->port[p->n], p, o->device[p->n]) != 0)
			return -1;
	p->side[CLIENT_TO_PEER] = &p->port[0];
	p->side[PEER_TO_CLIENT] = &p->port[p->n - 1];
	for (unsigned i = 0; i < p->n; i++) {
		if (!wait_link(&p->port[i])) {
			fprintf(stderr, "sluice-pktgen: no link on %s: is the other side running?\n", o->device[i]);
			return -1;
		}
	}
	return 0;
}

void ports_close(struct ports *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		rte_eth_dev_stop(p->port[i].id);
		rte_eth_dev_close(p->port[i].id);
	}
	p->n = 0;
}

bool port_send(struct ports *p, struct port *port, const void *frame, unsigned len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->rx_pool);
	if (m == NULL)
		return false;
	char *data = rte_pktmbuf_append(m, (uint16_t)len);
	if (data != NULL) {
		memcpy(data, frame, len);
		if (rte_eth_tx_burst(port->id, 0, &m, 1) == 1)
			return true;
	}
	rte_pktmbuf_free(m);
	return false;
}

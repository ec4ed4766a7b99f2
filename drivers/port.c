/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "drivers/port.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_ether.h>

enum {
	DEFAULT_DESCRIPTORS = 1024,
	WANTED_TX = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM,
	WANTED_RX = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM,
	VLAN_TAG_BYTES = 4,
};
#define WANTED_RSS                                                                                                     \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_IPV6 |                 \
		RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_UDP)

/* What a start works with: gathered once, so that each step below stays small. */
struct start {
	struct sl_port *port;
	const struct sl_conf_port *conf;
	const struct sl_port_adapter *adapter;
	const struct sl_dataplane *dp;
	struct rte_eth_dev_info info;
	bool rss;
	char *err;
	size_t err_len;
};

static int failed(const struct start *s, const char *what, int rc)
{
	snprintf(s->err, s->err_len, "port '%s' (%s): cannot %s: %s", s->conf->name, s->conf->device, what,
		strerror(-rc));
	return rc;
}

static int find_device(struct start *s)
{
	char name[SL_PORT_DEVICE_MAX];
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(s->conf->device, ","), s->conf->device);
	int rc = rte_eth_dev_get_port_by_name(name, &s->port->id);
	if (rc < 0) { /* "03:00.0" is short for domain 0 */
		snprintf(name, sizeof(name), "0000:%.*s", (int)strcspn(s->conf->device, ","), s->conf->device);
		rc = rte_eth_dev_get_port_by_name(name, &s->port->id);
	}
	if (rc == 0)
		rc = rte_eth_dev_info_get(s->port->id, &s->info);
	if (rc < 0)
		snprintf(s->err, s->err_len, "port '%s': no driver took the device '%s'%s", s->conf->name,
			s->conf->device, s->adapter == &sl_port_hardware ?
			" (is it bound to vfio-pci? `dpdk-devbind.py --status` tells)" : "");
	return rc < 0 ? -ENODEV : 0;
}

/* ---- queues ---- */

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static void deal_queues(struct start *s)
{
	struct sl_port *p = s->port;
	unsigned n = least(s->dp->n_workers, least(s->info.max_rx_queues, s->info.max_tx_queues));
	if (s->conf->queues)
		n = least(n, s->conf->queues);
	p->n_queues = (uint16_t)(n ? n : 1);
	for (unsigned w = 0; w < SL_CONF_MAX_WORKERS; w++) {
		p->queue[w] = w < p->n_queues && w < s->dp->n_workers ? (uint16_t)w : SL_NO_QUEUE;
		p->proxy[w] = (uint8_t)(w % p->n_queues);
	}
}

/* The queue on which packets of worker w are best received. */
static uint16_t receive_queue(const struct sl_port *p, unsigned w)
{
	return p->queue[w] != SL_NO_QUEUE ? p->queue[w] : p->queue[p->proxy[w]];
}

static int set_up_queues(struct start *s)
{
	struct sl_port *p = s->port;
	uint16_t n_rx = s->conf->rx_descriptors ? s->conf->rx_descriptors : DEFAULT_DESCRIPTORS;
	uint16_t n_tx = s->conf->tx_descriptors ? s->conf->tx_descriptors : DEFAULT_DESCRIPTORS;
	int socket = rte_eth_dev_socket_id(p->id);
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &n_rx, &n_tx);
	if (rc < 0)
		return failed(s, "use the numbers of descriptors", rc);
	struct rte_eth_rxconf rx = s->info.default_rxconf;
	struct rte_eth_txconf tx = s->info.default_txconf;
	rx.offloads = p->rx_offloads;
	tx.offloads = p->tx_offloads;
	for (uint16_t q = 0; q < p->n_queues; q++) {
		rc = rte_eth_rx_queue_setup(p->id, q, n_rx, (unsigned)socket, &rx, s->dp->pool);
		if (rc < 0)
			return failed(s, "set up a receive queue", rc);
		rc = rte_eth_tx_queue_setup(p->id, q, n_tx, (unsigned)socket, &tx);
		if (rc < 0)
			return failed(s, "set up a transmit queue", rc);
	}
	return 0;
}

/* ---- offloads, RSS ---- */

static void choose_offloads(struct start *s, uint16_t mtu)
{
	struct sl_port *p = s->port;
	bool hardware = s->conf->checksum_offload != SL_NO;
	p->tx_offloads = hardware ? s->info.tx_offload_capa & WANTED_TX : 0;
	p->rx_offloads = hardware ? s->info.rx_offload_capa & WANTED_RX : 0;
	p->ip_cksum_tx = p->tx_offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
	p->udp_cksum_tx = p->tx_offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	p->cksum_rx = p->rx_offloads == WANTED_RX;
	unsigned frame = mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 2 * VLAN_TAG_BYTES;
	if (frame + RTE_PKTMBUF_HEADROOM > rte_pktmbuf_data_room_size(s->dp->pool)) {
		p->rx_offloads |= s->info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
		p->tx_offloads |= s->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	}
	/* Our hash needs the whole key of an IPv6 four-tuple: 36 bytes and the 4 that the last bit still reaches. */
	s->rss = !s->adapter->is_virtual && s->port->n_queues > 1 && s->info.reta_size &&
		s->info.hash_key_size >= 40 && s->info.hash_key_size <= SL_TOEPLITZ_KEY_BYTES &&
		s->info.flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_UDP;
	if (s->rss)
		p->rx_offloads |= s->info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
}

static int set_buckets(struct start *s)
{
	struct rte_eth_rss_reta_entry64 reta[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE] = {0};
	unsigned n = least(s->info.reta_size, RTE_ETH_RSS_RETA_SIZE_512);
	for (unsigned i = 0; i < n; i++) {
		unsigned owner = s->dp->owner.bucket[i % SL_OWNER_BUCKETS];
		reta[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1) << (i % RTE_ETH_RETA_GROUP_SIZE);
		reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = receive_queue(s->port, owner);
	}
	return rte_eth_dev_rss_reta_update(s->port->id, reta, s->info.reta_size);
}

static int configure(struct start *s)
{
	struct sl_port *p = s->port;
	uint16_t mtu = s->conf->mtu;
	if (!mtu && rte_eth_dev_get_mtu(p->id, &mtu) < 0)
		mtu = RTE_ETHER_MTU;
	choose_offloads(s, mtu);
	struct rte_eth_conf conf = {
		.rxmode = {.mtu = mtu, .offloads = p->rx_offloads},
		.txmode = {.offloads = p->tx_offloads},
	};
	if (s->rss) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
			.rss_key = (uint8_t *)s->dp->owner.key, /* drivers read it again at each start */
			.rss_key_len = s->info.hash_key_size,
			.rss_hf = s->info.flow_type_rss_offloads & WANTED_RSS};
	}
	int rc = rte_eth_dev_configure(p->id, p->n_queues, p->n_queues, &conf);
	if (rc < 0)
		return failed(s, s->conf->mtu ? "configure it (does it know this MTU?)" : "configure it", rc);
	/* Drivers that have no say in the MTU (memif, rings) carry any frame that fits a buffer. */
	rc = s->conf->mtu ? rte_eth_dev_set_mtu(p->id, mtu) : 0;
	if (rc < 0 && rc != -ENOTSUP)
		return failed(s, "set the MTU", rc);
	p->mtu = mtu;
	return 0;
}

/* ---- MAC ---- */

static int choose_mac(struct start *s, const uint8_t tap_mac[6])
{
	struct rte_ether_addr mac;
	int rc = rte_eth_macaddr_get(s->port->id, &mac);
	if (rc < 0)
		return failed(s, "read its MAC", rc);
	if (s->adapter->mac != SL_PORT_MAC_DEVICE) {
		memcpy(mac.addr_bytes, tap_mac, sizeof(mac.addr_bytes));
		if (s->adapter->mac == SL_PORT_MAC_TAP)
			rte_eth_dev_default_mac_addr_set(s->port->id, &mac);
	}
	memcpy(s->port->mac, mac.addr_bytes, sizeof(s->port->mac));
	return 0;
}

/* Neighbour discovery arrives by multicast, and a MAC that the device does not know only when it takes everything. */
static void open_filters(const struct start *s)
{
	bool strange_mac = s->adapter->mac != SL_PORT_MAC_DEVICE;
	if (rte_eth_allmulticast_enable(s->port->id) < 0 || strange_mac)
		rte_eth_promiscuous_enable(s->port->id);
}

/* ---- life ---- */

int sl_port_start(struct sl_port *port, const struct sl_conf_port *conf, const struct sl_dataplane *dp,
	const uint8_t tap_mac[6], char *err, size_t err_len)
{
	struct start s = {.port = port, .conf = conf, .adapter = sl_port_adapter_of(conf->device), .dp = dp, .err = err,
		.err_len = err_len};
	port->conf = conf;
	int rc = find_device(&s);
	if (rc == 0) {
		deal_queues(&s);
		rc = configure(&s);
	}
	if (rc == 0)
		rc = set_up_queues(&s);
	if (rc == 0)
		rc = choose_mac(&s, tap_mac);
	if (rc < 0)
		return rc;
	rc = rte_eth_dev_start(port->id);
	if (rc < 0)
		return failed(&s, "start it", rc);
	open_filters(&s);
	port->rss_ours = s.rss && set_buckets(&s) == 0 && port->rx_offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH;
	return 0;
}

void sl_port_stop(struct sl_port *port)
{
	rte_eth_promiscuous_disable(port->id); /* an interface of Linux would stay so */
	if (rte_eth_dev_stop(port->id) == 0)
		rte_eth_dev_close(port->id);
}

void sl_port_describe(const struct sl_port *port, char *text, size_t len)
{
	struct rte_eth_dev_info info;
	const char *driver = rte_eth_dev_info_get(port->id, &info) == 0 ? info.driver_name : "?";
	snprintf(text, len, "port '%s': %s, MAC " RTE_ETHER_ADDR_PRT_FMT ", %u queue%s, MTU %u, checksums in %s%s, RSS %s",
		port->conf->name, driver, port->mac[0], port->mac[1], port->mac[2], port->mac[3], port->mac[4],
		port->mac[5], port->n_queues, port->n_queues == 1 ? "" : "s", port->mtu,
		port->udp_cksum_tx ? "hardware" : "software", port->udp_cksum_tx && !port->cksum_rx ? " (sending only)" : "",
		port->rss_ours ? "by our key" : "none");
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "drivers/port.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* net_af_xdp: XDP sockets on queues of an interface of Linux. Frames of queues without a socket pass on to Linux, which
 * drops them when the port is silenced: so every queue from start_queue on must be taken, or the interface be set to as
 * many queues as there are workers (ethtool -L). */

static unsigned count_rx_queues(const char *interface)
{
	char path[64];
	unsigned n = 0;
	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", interface);
	DIR *d = opendir(path);
	if (!d)
		return 0;
	for (const struct dirent *e = readdir(d); e; e = readdir(d))
		n += strncmp(e->d_name, "rx-", 3) == 0;
	closedir(d);
	return n;
}

static int complete(const struct sl_conf_port *conf, unsigned n_workers, char *out, size_t len, char *err,
	size_t err_len)
{
	char interface[IF_NAMESIZE], text[16];
	if (!sl_port_shared_interface(conf, interface, sizeof(interface))) {
		snprintf(err, err_len, "port '%s': device '%s' needs iface=NAME", conf->name, conf->device);
		return -EINVAL;
	}
	unsigned have = count_rx_queues(interface);
	if (!have) {
		snprintf(err, err_len, "port '%s': there is no interface '%s' (`ip link` lists those there are)",
			conf->name, interface);
		return -ENODEV;
	}
	unsigned first = sl_port_argument(out, "start_queue", text, sizeof(text)) ? (unsigned)atoi(text) : 0;
	unsigned want = conf->queues ? conf->queues : n_workers;
	if (want > n_workers)
		want = n_workers;
	if (first >= have) {
		snprintf(err, err_len, "port '%s': start_queue=%u, but '%s' has queues 0..%u", conf->name, first,
			interface, have - 1);
		return -EINVAL;
	}
	if (want > have - first)
		want = have - first;
	snprintf(text, sizeof(text), "%u", want);
	int rc = sl_port_default_argument(out, len, "queue_count", text);
	if (rc < 0)
		snprintf(err, err_len, "port '%s': device string too long", conf->name);
	return rc;
}

const struct sl_port_adapter sl_port_af_xdp = {
	.driver = "net_af_xdp", .mac = SL_PORT_MAC_DEVICE, .shares_interface = true, .is_virtual = true,
	.complete = complete,
};

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "drivers/port.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/if_packet.h>

/* net_af_packet: a packet socket on an interface of Linux. For tests and machines without a NIC to give away. With several
 * queues it spreads packets by the kernel's hash (PACKET_FANOUT), which is not ours: workers hand over by ownership. */

enum { FRAME_BYTES = 2048, DEFAULT_FRAMES = 1024 };

static int add_number(char *out, size_t len, const char *key, unsigned value)
{
	char text[16];
	snprintf(text, sizeof(text), "%u", value);
	return sl_port_default_argument(out, len, key, text);
}

static int complete(const struct sl_conf_port *conf, unsigned n_workers, char *out, size_t len, char *err,
	size_t err_len)
{
	char interface[IF_NAMESIZE];
	if (!sl_port_shared_interface(conf, interface, sizeof(interface))) {
		snprintf(err, err_len, "port '%s': device '%s' needs iface=NAME", conf->name, conf->device);
		return -EINVAL;
	}
	if (!if_nametoindex(interface)) {
		snprintf(err, err_len, "port '%s': there is no interface '%s' (`ip link` lists those there are)",
			conf->name, interface);
		return -ENODEV;
	}
	unsigned queues = conf->queues ? conf->queues : n_workers;
	unsigned frames = conf->rx_descriptors ? conf->rx_descriptors : DEFAULT_FRAMES;
	int rc = add_number(out, len, "qpairs", queues < n_workers ? queues : n_workers);
	if (rc == 0)
		rc = add_number(out, len, "framesz", FRAME_BYTES);
	if (rc == 0) /* in whole blocks of two frames */
		rc = add_number(out, len, "framecnt", (frames + 1) & ~1u);
	/* Past the queueing discipline: faster, and our own packets do not come back as received ones. */
	if (rc == 0)
		rc = add_number(out, len, "qdisc_bypass", 1);
	if (rc < 0)
		snprintf(err, err_len, "port '%s': device string too long", conf->name);
	return rc;
}

/* The driver joins its sockets, even a single one, to a fan-out group with PACKET_FANOUT_FLAG_DEFRAG, has no argument to
 * leave it out, and the kernel has no call to undo it. The kernel then reassembles IPv4 fragments into packets that are
 * longer than the ring's frames and arrive cut off. Drivers are loaded at run time, so their calls find this function
 * first: it drops that one flag and otherwise is the system call. */
int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	uint32_t fanout; /* id, and type with flags in the upper half */
	if (level == SOL_PACKET && option == PACKET_FANOUT && len == sizeof(fanout)) {
		memcpy(&fanout, value, sizeof(fanout));
		fanout &= ~((uint32_t)PACKET_FANOUT_FLAG_DEFRAG << 16);
		value = &fanout;
	}
	return (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}

const struct sl_port_adapter sl_port_af_packet = {
	.driver = "net_af_packet", .mac = SL_PORT_MAC_DEVICE, .shares_interface = true, .is_virtual = true,
	.complete = complete,
};

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/linux/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_tun.h>

#include "dataplane/linux/netlink.h"

enum { RETRY_MS = 20 };

static struct ifreq request_for(const char *name)
{
	struct ifreq r = {0};
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return r;
}

static int attach(int fd, const char *name, unsigned wait_ms)
{
	for (;;) {
		struct ifreq r = request_for(name);
		r.ifr_flags = IFF_TAP | IFF_NO_PI;
		if (ioctl(fd, TUNSETIFF, &r) == 0)
			return 0;
		if (errno != EBUSY || wait_ms < RETRY_MS)
			return -errno;
		nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
		wait_ms -= RETRY_MS;
	}
}

int sl_tap_open(const char *name, unsigned wait_ms)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = attach(fd, name, wait_ms);
	if (rc == 0 && (ioctl(fd, TUNSETOFFLOAD, 0UL) < 0 || ioctl(fd, TUNSETPERSIST, 1UL) < 0))
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

int sl_tap_identify(const char *name, int *ifindex, uint8_t mac[6])
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	int rc = 0;
	struct ifreq r = request_for(name);
	if (ioctl(s, SIOCGIFINDEX, &r) < 0)
		rc = -errno;
	else
		*ifindex = r.ifr_ifindex;
	if (rc == 0 && ioctl(s, SIOCGIFHWADDR, &r) < 0)
		rc = -errno;
	else if (rc == 0)
		memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	close(s);
	return rc;
}

static int set_mac(struct mnl_socket *s, const char *name, int ifindex, const uint8_t mac[6])
{
	uint8_t now[6];
	int rc = sl_tap_identify(name, &ifindex, now);
	if (rc < 0 || memcmp(now, mac, sizeof(now)) == 0)
		return rc;
	return sl_nl_set_link(s, ifindex, false, 0, mac);
}

int sl_tap_configure(const char *name, int ifindex, const uint8_t *mac, unsigned mtu,
	const struct sl_conf_interface *conf, char *err, size_t err_len)
{
	struct mnl_socket *s = sl_nl_open(NULL);
	const char *what = "open a netlink socket for";
	int rc = s ? 0 : -errno;
	if (rc == 0 && mac) {
		what = "set the MAC of";
		rc = set_mac(s, name, ifindex, mac);
	}
	if (rc == 0) {
		what = "set up";
		rc = sl_nl_set_link(s, ifindex, true, mtu, NULL);
	}
	for (unsigned i = 0; rc == 0 && i < conf->n_addresses; i++) {
		what = "add an address to";
		rc = sl_nl_add_address(s, ifindex, &conf->addresses[i].ip, conf->addresses[i].prefix_len);
	}
	if (rc < 0)
		snprintf(err, err_len, "cannot %s the TAP '%s': %s%s", what, name, strerror(-rc),
			rc == -EPERM ? " (CAP_NET_ADMIN is needed)" : "");
	if (s)
		mnl_socket_close(s);
	return rc;
}

int sl_tap_remove(const char *name)
{
	int ifindex;
	uint8_t mac[6];
	int rc = sl_tap_identify(name, &ifindex, mac);
	if (rc < 0)
		return rc == -ENODEV ? 0 : rc;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = attach(fd, name, 0);
	if (rc == 0 && ioctl(fd, TUNSETPERSIST, 0UL) < 0)
		rc = -errno;
	close(fd); /* the last holder's end deletes it */
	return rc;
}

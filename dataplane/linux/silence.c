/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/linux/silence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <nftables/libnftables.h>

#include "dataplane/abi/log.h"

enum { PRIORITY = -500 }; /* before other netdev chains: nothing of ours is to be counted or mirrored there */

/* ---- sysctl ---- */

static int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, value, strlen(value));
	int rc = n < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int set_option(const char *family, const char *interface, const char *option, const char *value)
{
	char path[160];
	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, interface, option);
	return write_file(path, value);
}

static void reset_option(const char *family, const char *interface, const char *option)
{
	char path[160], value[16];
	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/default/%s", family, option);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, value, sizeof(value) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return;
	value[n] = '\0';
	set_option(family, interface, option, value);
}

/* ---- nftables ---- */

static int run_nft(const char *commands, char *err, size_t err_len)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft)
		return -ENOMEM;
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	int rc = nft_run_cmd_from_buffer(nft, commands) == 0 ? 0 : -EIO;
	if (rc < 0) {
		const char *text = nft_ctx_get_error_buffer(nft);
		snprintf(err, err_len, "%.*s", (int)strcspn(text, "\n"), text);
	}
	nft_ctx_free(nft);
	return rc;
}

/* ---- offloads ---- */

/* Merged segments would be longer than the port's buffers. */
static int set_merging(const char *interface, bool on)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	struct ethtool_value v = {.cmd = ETHTOOL_SGRO, .data = on};
	struct ifreq r = {.ifr_data = (void *)&v};
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	int rc = ioctl(s, SIOCETHTOOL, &r) < 0 ? -errno : 0;
	v = (struct ethtool_value){.cmd = ETHTOOL_GFLAGS};
	if (!on && ioctl(s, SIOCETHTOOL, &r) == 0 && v.data & ETH_FLAG_LRO) {
		v.cmd = ETHTOOL_SFLAGS;
		v.data &= ~(uint32_t)ETH_FLAG_LRO;
		if (ioctl(s, SIOCETHTOOL, &r) < 0)
			rc = -errno;
	}
	close(s);
	return rc;
}

int sl_silence(const char *port, const char *interface, char *err, size_t err_len)
{
	char commands[512], why[200];
	/* Absent when IPv6 is off as a whole. */
	int rc = set_option("ipv6", interface, "disable_ipv6", "1");
	if (rc == 0 || rc == -ENOENT)
		rc = set_option("ipv4", interface, "arp_ignore", "8");
	if (rc < 0) {
		snprintf(err, err_len, "cannot silence interface '%s': sysctl: %s", interface, strerror(-rc));
		return rc;
	}
	rc = set_merging(interface, false);
	if (rc < 0 && rc != -EOPNOTSUPP)
		sl_log(SL_LOG_WARNING, "port '%s': cannot switch receive merging (GRO) off on '%s': %s", port, interface,
			strerror(-rc));
	/* One transaction; adding first makes the deletion succeed whether or not an older table is there. */
	snprintf(commands, sizeof(commands),
		"add table netdev sluice_%s\ndelete table netdev sluice_%s\nadd table netdev sluice_%s\n"
		"add chain netdev sluice_%s ingress { type filter hook ingress device \"%s\" priority %d; policy drop; }\n",
		port, port, port, port, interface, PRIORITY);
	rc = run_nft(commands, why, sizeof(why));
	if (rc < 0)
		snprintf(err, err_len, "cannot silence interface '%s': nftables: %s", interface, why);
	return rc;
}

void sl_silence_end(const char *port, const char *interface)
{
	char commands[160], why[200];
	snprintf(commands, sizeof(commands), "add table netdev sluice_%s\ndelete table netdev sluice_%s\n", port, port);
	if (run_nft(commands, why, sizeof(why)) < 0)
		sl_log(SL_LOG_WARNING, "cannot remove nftables table sluice_%s: %s", port, why);
	reset_option("ipv6", interface, "disable_ipv6");
	reset_option("ipv4", interface, "arp_ignore");
	set_merging(interface, true);
}

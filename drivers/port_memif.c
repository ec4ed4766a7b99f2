/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "drivers/port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* net_memif: shared memory with another process. A server that was killed leaves its socket file behind, on which the
 * driver would stumble: it is removed when nobody listens there. */

static bool is_server(const char *device)
{
	char role[16] = "client";
	sl_port_argument(device, "role", role, sizeof(role));
	return strcmp(role, "server") == 0 || strcmp(role, "master") == 0;
}

static bool somebody_listens(const struct sockaddr_un *at)
{
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes = s >= 0 && (connect(s, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno == EAGAIN);
	if (s >= 0)
		close(s);
	return yes;
}

static int complete(const struct sl_conf_port *conf, unsigned n_workers, char *out, size_t len, char *err,
	size_t err_len)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char abstract[8] = "yes";
	sl_port_argument(out, "socket-abstract", abstract, sizeof(abstract));
	if (!is_server(out) || strcmp(abstract, "no") != 0 ||
		!sl_port_argument(out, "socket", at.sun_path, sizeof(at.sun_path)))
		return 0;
	if (somebody_listens(&at)) {
		snprintf(err, err_len, "port '%s': another process serves the socket '%s'", conf->name, at.sun_path);
		return -EADDRINUSE;
	}
	if (unlink(at.sun_path) < 0 && errno != ENOENT) {
		snprintf(err, err_len, "port '%s': cannot remove the old socket '%s': %s", conf->name, at.sun_path,
			strerror(errno));
		return -errno;
	}
	return 0;
}

const struct sl_port_adapter sl_port_memif = {
	.driver = "net_memif", .mac = SL_PORT_MAC_TAP, .is_virtual = true, .complete = complete,
};

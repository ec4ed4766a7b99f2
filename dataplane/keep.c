/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/stored.h"
#include "dataplane/abi/keeper.h"
#include "dataplane/abi/log.h"
#include "dataplane/abi/server.h"
#include "dataplane/handed.h"
#include "dataplane/linux/netlink.h"
#include "dataplane/linux/silence.h"
#include "dataplane/linux/tap.h"
#include "dataplane/session/cold.h"
#include "dataplane/session/cold_media.h"
#include "drivers/port.h"

enum {
	TAP_WAIT_MS = 3000,  /* for the working half of a keeper that was killed to die as well */
	WATCHDOG_MS = 3000,  /* the housekeeper's sign of life; it watches the workers itself, more closely */
};

static int fail(const char *what, int rc)
{
	sl_log(SL_LOG_ERROR, "cannot %s: %s", what, strerror(-rc));
	return rc;
}

/* ---- memory ---- */

static int create_cold(const struct sl_config *c, const struct sl_handed_cold *at, uint8_t *mem)
{
	int rc = sl_cold_create(mem, c->dataplane.max_allocations, c->dataplane.max_peers);
	return rc < 0 || !at->media_bytes ? rc :
		sl_cold_media_create(mem + at->media_at, c->media.max_legs, c->media.max_streams);
}

static int make_cold(const struct sl_config *c)
{
	struct sl_handed_cold at = sl_handed_cold(c);
	int fd = memfd_create("sluice-cold", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	int rc = ftruncate(fd, (off_t)at.bytes) < 0 ? -errno : 0;
	void *mem = rc == 0 ? mmap(NULL, at.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (rc == 0 && mem == MAP_FAILED)
		rc = -errno;
	if (rc == 0) {
		rc = create_cold(c, &at, mem);
		munmap(mem, at.bytes);
	}
	if (rc == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

static int make_memory(struct sl_handed *h, const struct sl_keep_options *o, const struct sl_config *c)
{
	h->region = sl_region_create(c->dataplane.n_workers, c->dataplane.n_ports);
	if (h->region < 0)
		return fail("make the shared region", h->region);
	h->cold = make_cold(c);
	if (h->cold < 0)
		return fail("make memory for the records of allocations and media legs", h->cold);
	h->config = sl_config_stored_new(o->config_path, NULL);
	return h->config < 0 ? fail("keep a copy of the configuration", h->config) : 0;
}

/* ---- TAPs and shared interfaces ---- */

static int open_tap(const char *name)
{
	int fd = sl_tap_open(name, TAP_WAIT_MS);
	if (fd >= 0)
		return fd;
	const char *advice = fd == -EPERM || fd == -EACCES ? " (CAP_NET_ADMIN and /dev/net/tun are needed)" :
		fd == -ENOENT ? " (there is no /dev/net/tun: modprobe tun)" :
		fd == -EBUSY ? " (another process has it: is a dataplane running already?)" :
		fd == -EINVAL ? " (there is an interface of that name which is no TAP)" : "";
	sl_log(SL_LOG_ERROR, "cannot open the TAP '%s': %s%s", name, strerror(-fd), advice);
	return fd;
}

static int open_taps(struct sl_handed *h, const struct sl_conf_dataplane *c)
{
	for (unsigned p = 0; p < c->n_ports; p++)
		for (unsigned i = 0; i < c->ports[p].n_interfaces; i++) {
			int fd = open_tap(c->ports[p].interfaces[i].tap);
			if (fd < 0)
				return fd;
			h->taps[h->n_taps++] = fd;
		}
	return 0;
}

static int set_up(const char *interface)
{
	struct mnl_socket *s = sl_nl_open(NULL);
	int rc = s ? sl_nl_set_link(s, (int)if_nametoindex(interface), true, 0, NULL) : -errno;
	if (s)
		mnl_socket_close(s);
	return rc;
}

/* Interfaces that ports share with Linux: up, and silent. */
static int prepare_shared(const struct sl_conf_dataplane *c)
{
	for (unsigned p = 0; p < c->n_ports; p++) {
		const struct sl_conf_port *port = &c->ports[p];
		char interface[IF_NAMESIZE], why[300];
		if (!sl_port_shared_interface(port, interface, sizeof(interface)))
			continue;
		if (!if_nametoindex(interface)) {
			sl_log(SL_LOG_ERROR, "port '%s': there is no interface '%s' (`ip link` lists those there are)",
				port->name, interface);
			return -ENODEV;
		}
		int rc = set_up(interface);
		if (rc < 0)
			return fail("set up the interface of a port", rc);
		if (port->silence && (rc = sl_silence(port->name, interface, why, sizeof(why))) < 0) {
			sl_log(SL_LOG_ERROR, "port '%s': %s", port->name, why);
			return rc;
		}
	}
	return 0;
}

static void end_silence(const struct sl_conf_dataplane *c)
{
	for (unsigned p = 0; p < c->n_ports; p++) {
		char interface[IF_NAMESIZE];
		if (c->ports[p].silence && sl_port_shared_interface(&c->ports[p], interface, sizeof(interface)))
			sl_silence_end(c->ports[p].name, interface);
	}
}

/* ---- life ---- */

int sl_keep(const struct sl_keep_options *o, const struct sl_config *c)
{
	static struct sl_handed h = {.region = -1, .cold = -1, .config = -1};
	static int inherit[3 + SL_MAX_INTERFACES];
	static char text[SL_HANDED_TEXT_MAX];
	char *argv[] = {(char *)o->program, "--config", (char *)o->config_path, "--working-half", text, NULL};
	struct sl_keeper k = {.name = "sluice-dataplane", .argv = argv, .inherit = inherit, .watchdog_ms = WATCHDOG_MS,
		.daemon = o->daemon, .pid_file = o->pid_file, .log_file = o->log_file};
	if (sl_keeper_begin(&k) < 0)
		return 1;
	int status = 1;
	if (make_memory(&h, o, c) == 0 && open_taps(&h, &c->dataplane) == 0 && prepare_shared(&c->dataplane) == 0) {
		k.n_inherit = sl_handed_list(&h, inherit);
		sl_handed_write(&h, text, sizeof(text));
		status = sl_keeper_run(&k);
	}
	end_silence(&c->dataplane);
	return status;
}

int sl_keep_release(const struct sl_config *c)
{
	int status = 0;
	end_silence(&c->dataplane);
	for (unsigned p = 0; p < c->dataplane.n_ports; p++)
		for (unsigned i = 0; i < c->dataplane.ports[p].n_interfaces; i++) {
			const char *tap = c->dataplane.ports[p].interfaces[i].tap;
			int rc = sl_tap_remove(tap);
			if (rc < 0) {
				sl_log(SL_LOG_ERROR, "cannot remove the TAP '%s': %s", tap, strerror(-rc));
				status = 1;
			}
		}
	return status;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Exception TAPs: the interfaces by which Linux sees a port (one per port and VLAN). They are persistent, so addresses
 * and routes on them outlive even the keeper. No offload is offered to Linux, so that frames it sends carry finished
 * checksums and fit the MTU. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"

/* Open the TAP of this name, made if it does not exist. Waits up to wait_ms for another process to let go of it (a
 * working half that is about to die with its keeper). The descriptor (non-blocking, close-on-exec), or negative errno. */
int sl_tap_open(const char *name, unsigned wait_ms);

/* Its index in Linux, and its MAC. 0 or negative errno. */
int sl_tap_identify(const char *name, int *ifindex, uint8_t mac[6]);

/* Give it MAC (NULL: keep), MTU and the addresses of the config, and set it up. Doing so again changes nothing.
 * 0, or negative errno with words in err. */
int sl_tap_configure(const char *name, int ifindex, const uint8_t *mac, unsigned mtu,
	const struct sl_conf_interface *conf, char *err, size_t err_len);

/* Delete it: config/down, and tests. 0 (also when there is none), -EBUSY while a process holds it, or negative errno. */
int sl_tap_remove(const char *name);

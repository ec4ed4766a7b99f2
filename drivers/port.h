/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Ports: an ethdev named by any EAL device string. An adapter per kind of device completes the string, says where the
 * MAC comes from and what to look after before the start; everything else is the same for all (port.c). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "dataplane/dataplane.h"

enum { SL_PORT_DEVICE_MAX = 512 };

enum sl_port_mac {
	SL_PORT_MAC_DEVICE, /* the device has one that lasts: the TAP takes it over */
	SL_PORT_MAC_TAP,    /* the device draws one at each start: the TAP's is used, given to the device where it can be */
	SL_PORT_MAC_TAP_ONLY, /* the same, but the device's own must not be touched */
};

struct sl_port_adapter {
	const char *driver; /* the device string begins so; "" = everything else */
	enum sl_port_mac mac;
	bool shares_interface; /* Linux has the same interface (argument iface=) and sees the same frames */
	bool is_virtual;       /* no RSS worth its name */
	/* Append what the configuration left open to out (a copy of the device string of out_len bytes), and check what
	 * can be checked before EAL starts. May be NULL. 0, or negative errno with words in err. */
	int (*complete)(const struct sl_conf_port *conf, unsigned n_workers, char *out, size_t out_len, char *err,
		size_t err_len);
};

extern const struct sl_port_adapter sl_port_af_packet, sl_port_af_xdp, sl_port_memif, sl_port_tap, sl_port_virtual,
	sl_port_hardware;

const struct sl_port_adapter *sl_port_adapter_of(const char *device);

/* Value of key= in a device string. False when it is not there (value untouched) or does not fit. */
bool sl_port_argument(const char *device, const char *key, char *value, size_t value_len);
/* Append ",key=value" unless the string has the key. -ENAMETOOLONG when it does not fit. */
int sl_port_default_argument(char *device, size_t len, const char *key, const char *value);

/* Name of the interface that the port shares with Linux. False when it shares none. */
bool sl_port_shared_interface(const struct sl_conf_port *conf, char *name, size_t name_len);

/* EAL's argument for the port ("--vdev=...", or "-a..."), and for hardware whether the PCI bus must be scanned. 0, or
 * negative errno with words in err. Working half, before EAL starts. */
int sl_port_eal_argument(const struct sl_conf_port *conf, unsigned n_workers, char *out, size_t out_len, bool *pci,
	char *err, size_t err_len);

/* Configure and start the ethdev of conf, fill *port (index and interface_of_vlan excepted). tap_mac: of the untagged
 * interface's TAP. dp: workers, owner table and pool are there. 0, or negative errno with words in err. */
int sl_port_start(struct sl_port *port, const struct sl_conf_port *conf, const struct sl_dataplane *dp,
	const uint8_t tap_mac[6], char *err, size_t err_len);
/* Orderly end: files and peers see a close. */
void sl_port_stop(struct sl_port *port);
/* One line: driver, MAC, queues, MTU, checksums, RSS. */
void sl_port_describe(const struct sl_port *port, char *text, size_t len);

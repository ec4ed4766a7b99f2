/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "drivers/port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Device strings: "driver0,key=value,key=value", or a PCI address with the same arguments. */

const struct sl_port_adapter sl_port_tap = {
	/* Its own MAC is also that of its interface in Linux: ours must be another. */
	.driver = "net_tap", .mac = SL_PORT_MAC_TAP_ONLY, .is_virtual = true,
};
const struct sl_port_adapter sl_port_virtual = {.driver = "net_", .mac = SL_PORT_MAC_TAP, .is_virtual = true};
const struct sl_port_adapter sl_port_hardware = {.driver = "", .mac = SL_PORT_MAC_DEVICE};

const struct sl_port_adapter *sl_port_adapter_of(const char *device)
{
	static const struct sl_port_adapter *const all[] = {&sl_port_af_packet, &sl_port_af_xdp, &sl_port_memif,
		&sl_port_tap, &sl_port_virtual, &sl_port_hardware};
	unsigned i = 0;
	while (strncmp(device, all[i]->driver, strlen(all[i]->driver)) != 0)
		i++;
	return all[i];
}

/* Points behind "key=", or NULL. */
static const char *find_argument(const char *device, const char *key)
{
	size_t n = strlen(key);
	for (const char *at = strchr(device, ','); at; at = strchr(at + 1, ','))
		if (strncmp(at + 1, key, n) == 0 && at[1 + n] == '=')
			return at + n + 2;
	return NULL;
}

bool sl_port_argument(const char *device, const char *key, char *value, size_t value_len)
{
	const char *at = find_argument(device, key);
	size_t n = at ? strcspn(at, ",") : 0;
	if (!at || n >= value_len)
		return false;
	memcpy(value, at, n);
	value[n] = '\0';
	return true;
}

int sl_port_default_argument(char *device, size_t len, const char *key, const char *value)
{
	if (find_argument(device, key))
		return 0;
	size_t used = strlen(device);
	int n = snprintf(device + used, len - used, ",%s=%s", key, value);
	return n < 0 || (size_t)n >= len - used ? -ENAMETOOLONG : 0;
}

bool sl_port_shared_interface(const struct sl_conf_port *conf, char *name, size_t name_len)
{
	return sl_port_adapter_of(conf->device)->shares_interface &&
		sl_port_argument(conf->device, "iface", name, name_len);
}

int sl_port_eal_argument(const struct sl_conf_port *conf, unsigned n_workers, char *out, size_t out_len, bool *pci,
	char *err, size_t err_len)
{
	const struct sl_port_adapter *a = sl_port_adapter_of(conf->device);
	char device[SL_PORT_DEVICE_MAX];
	if ((size_t)snprintf(device, sizeof(device), "%s", conf->device) >= sizeof(device)) {
		snprintf(err, err_len, "port '%s': device string longer than %d bytes", conf->name,
			SL_PORT_DEVICE_MAX - 1);
		return -ENAMETOOLONG;
	}
	int rc = a->complete ? a->complete(conf, n_workers, device, sizeof(device), err, err_len) : 0;
	if (rc < 0)
		return rc;
	*pci |= a == &sl_port_hardware;
	snprintf(out, out_len, "%s%s", a == &sl_port_hardware ? "--allow=" : "--vdev=", device);
	return 0;
}

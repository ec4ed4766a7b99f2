/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/eal.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_pci.h>

#include "dataplane/abi/log.h"
#include "drivers/port.h"

enum {
	MAX_ARGS = 24 + SL_CONF_MAX_PORTS + SL_CONF_MAX_EAL,
	EAL_OWN_MB = 64, /* without hugepages the whole of EAL's memory is set at start: its own use on top of ours */
};

struct args {
	int n;
	char *v[MAX_ARGS + 1];
};

static void add(struct args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct args *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (a->n < MAX_ARGS && vasprintf(&a->v[a->n], fmt, ap) > 0)
		a->n++;
	va_end(ap);
}

/* ---- cores ---- */

static int check_core(const char *option, unsigned core, const cpu_set_t *allowed, char *err, size_t err_len)
{
	if (core < CPU_SETSIZE && CPU_ISSET(core, allowed))
		return 0;
	char list[128];
	int at = 0;
	for (unsigned i = 0; i < CPU_SETSIZE && at < 100; i++)
		if (CPU_ISSET(i, allowed))
			at += snprintf(list + at, sizeof(list) - (size_t)at, "%s%u", at ? "," : "", i);
	snprintf(err, err_len, "%s: core %u is not there or not ours to use; allowed are %s", option, core, list);
	return -ENODEV;
}

static int add_cores(struct args *a, const struct sl_conf_dataplane *c, char *err, size_t err_len)
{
	cpu_set_t allowed;
	char list[16 + 12 * SL_CONF_MAX_WORKERS];
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0) {
		snprintf(err, err_len, "cannot read which cores may be used: %s", strerror(errno));
		return -errno;
	}
	int rc = check_core("dataplane.housekeeper_core", c->housekeeper_core, &allowed, err, err_len);
	/* lcore numbers are ours, LCORE@CORE: a worker may share the housekeeper's core on a small machine. */
	int at = snprintf(list, sizeof(list), "%u@%u", SL_EAL_MAIN_LCORE, c->housekeeper_core);
	for (unsigned w = 0; w < c->n_workers && rc == 0; w++) {
		rc = check_core("dataplane.workers", c->worker_cores[w], &allowed, err, err_len);
		at += snprintf(list + at, sizeof(list) - (size_t)at, ",%u@%u", sl_eal_lcore(w),
			c->worker_cores[w]);
	}
	add(a, "--lcores=%s", list);
	add(a, "--main-lcore=%u", SL_EAL_MAIN_LCORE);
	return rc;
}

/* ---- memory ---- */

static unsigned long long read_number(const char *folder, const char *file)
{
	char path[160];
	unsigned long long n = 0;
	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%.60s/%s", folder, file);
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%llu", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

static unsigned long long free_hugepages_mb(void)
{
	unsigned long long kb = 0, size_kb;
	DIR *d = opendir("/sys/kernel/mm/hugepages");
	for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		if (sscanf(e->d_name, "hugepages-%llukB", &size_kb) == 1)
			kb += size_kb * read_number(e->d_name, "free_hugepages");
	if (d)
		closedir(d);
	return kb / 1024;
}

static int add_memory(struct args *a, const struct sl_conf_dataplane *c, bool *hugepages, char *err, size_t err_len)
{
	unsigned long long have = c->hugepages == SL_NO ? 0 : free_hugepages_mb();
	*hugepages = c->hugepages != SL_NO && have >= c->memory_mb;
	if (*hugepages) {
		add(a, "--in-memory");
		return 0;
	}
	if (c->hugepages == SL_YES) {
		snprintf(err, err_len, "dataplane.hugepages = \"yes\": memory_mb = %u are needed, %llu MB are free. "
			"Reserve them: echo %u > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages; or set \"auto\"",
			c->memory_mb, have, (c->memory_mb + 1) / 2);
		return -ENOMEM;
	}
	if (c->hugepages == SL_AUTO)
		sl_log(SL_LOG_WARNING, "no hugepages: memory_mb = %u are needed, %llu MB are free; going on without, slower",
			c->memory_mb, have);
	/* --no-huge and --in-memory together would be natural, but memif's shared memory then fails. */
	add(a, "--no-huge");
	add(a, "--no-shconf");
	add(a, "-m");
	add(a, "%u", c->memory_mb + EAL_OWN_MB);
	return 0;
}

/* ---- devices ---- */

/* A crypto device in hardware is named by its PCI address ("0000:3d:00.0_qat_sym"): EAL must be allowed to see it. Virtual
 * ones are made by sl_srtp_open(). */
static bool add_crypto(struct args *a, const struct sl_conf_media *m)
{
	char address[PCI_PRI_STR_SIZE];
	struct rte_pci_addr parsed;
	if (!m->n_addresses || m->srtp_backend != SL_CONF_SRTP_CRYPTODEV || !m->srtp_device)
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)strcspn(m->srtp_device, "_"), m->srtp_device);
	if (rte_pci_addr_parse(address, &parsed) < 0)
		return false;
	add(a, "--allow=%s", address);
	return true;
}

static int add_devices(struct args *a, const struct sl_config *config, char *err, size_t err_len)
{
	const struct sl_conf_dataplane *c = &config->dataplane;
	char text[SL_PORT_DEVICE_MAX + 16];
	bool pci = add_crypto(a, &config->media);
	for (unsigned p = 0; p < c->n_ports; p++) {
		int rc = sl_port_eal_argument(&c->ports[p], c->n_workers, text, sizeof(text), &pci, err, err_len);
		if (rc < 0)
			return rc;
		add(a, "%s", text);
		sl_log(SL_LOG_DEBUG, "EAL argument %s", text);
	}
	if (!pci)
		add(a, "--no-pci");
	return 0;
}

int sl_eal_start(const struct sl_config *c, bool *hugepages, char *err, size_t err_len)
{
	struct args a = {0};
	add(&a, "sluice-dataplane");
	int rc = add_cores(&a, &c->dataplane, err, err_len);
	if (rc == 0)
		rc = add_memory(&a, &c->dataplane, hugepages, err, err_len);
	if (rc == 0)
		rc = add_devices(&a, c, err, err_len);
	add(&a, "--file-prefix=sluice-%d", getpid());
	add(&a, "--no-telemetry");
	/* What EAL has to say on a good day is of no use to an operator; what fails it says at this level. */
	add(&a, "--log-level=%s", sl_log_enabled(SL_LOG_DEBUG) ? "info" : "error");
	for (unsigned i = 0; i < c->dataplane.n_eal; i++)
		add(&a, "%s", c->dataplane.eal[i]);
	if (rc == 0 && rte_eal_init(a.n, a.v) < 0) {
		rc = rte_errno ? -rte_errno : -EINVAL;
		snprintf(err, err_len, "DPDK's environment does not start (%s); its own messages are above",
			strerror(-rc));
	}
	return rc; /* the strings stay: EAL keeps pointers to them */
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The list "certificates" of a listener of SIP or TURN. */

#include "config/options_read.h"

enum { PATH_BYTES_MAX = 4095 };

#define CERTIFICATE(member) offsetof(struct sl_conf_certificate, member)

static const struct sl_opt options[] = {
	{ "certificate", SL_OPT_TEXT, CERTIFICATE(certificate), .min = 1, .max = PATH_BYTES_MAX, .required = true },
	{ "key", SL_OPT_TEXT, CERTIFICATE(key), .min = 1, .max = PATH_BYTES_MAX, .required = true },
};
enum { N_OPTIONS = sizeof options / sizeof options[0] };

void sl_read_certificates(struct sl_reader *r, const config_setting_t *group, struct sl_conf_certificate *into, unsigned *n)
{
	const config_setting_t *list = sl_read_list(r, group, "certificates", 0, SL_CONF_MAX_CERTIFICATES, "certificates", n);

	for (unsigned i = 0; i < *n; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);

		if (config_setting_is_group(s))
			sl_read_group(r, s, options, N_OPTIONS, &into[i]);
		else
			sl_read_fail(r, s, "must be a group: { certificate = \"/etc/sluice/b.pem\"; key = \"/etc/sluice/b.key\"; }");
	}
}

void sl_free_certificates(struct sl_conf_certificate *certificates, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		sl_opt_free(options, N_OPTIONS, &certificates[i]);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "turn": users that live in a database, and where records of sessions go. */

#include "config/options_turn.h"

enum {
	CONNECT_MAX = 2048,
	URL_MAX = 1024,
	SECRET_MAX = 256,
	SECRET_MIN = 16,
	REFRESH_MAX_S = 86400,
	INTERVAL_MAX_S = 86400,
	RETENTION_MAX_DAYS = 36500,
};

static const char *const kinds[] = { [SL_USERS_SQLITE] = "sqlite", [SL_USERS_POSTGRESQL] = "postgresql", [SL_USERS_REDIS] = "redis", NULL };

static const struct sl_opt source_options[] = {
	{ "kind", SL_OPT_CHOICE, offsetof(struct sl_conf_user_source, kind), .choices = kinds, .required = true },
	{ "connect", SL_OPT_TEXT, offsetof(struct sl_conf_user_source, connect), .min = 1, .max = CONNECT_MAX, .required = true },
	{ "refresh", SL_OPT_UINT, offsetof(struct sl_conf_user_source, refresh_s), .min = 1, .max = REFRESH_MAX_S, .def = 60 },
};
enum { N_SOURCE_OPTIONS = sizeof source_options / sizeof source_options[0] };

#define ACCOUNTING(member) offsetof(struct sl_conf_accounting, member)

static const struct sl_opt accounting_options[] = {
	{ "database", SL_OPT_BOOL, ACCOUNTING(database), .def = true },
	{ "interval", SL_OPT_UINT, ACCOUNTING(interval_s), .min = 10, .max = INTERVAL_MAX_S, .zero = "no interim records", .def = 300 },
	{ "retention_days", SL_OPT_UINT, ACCOUNTING(retention_days), .min = 1, .max = RETENTION_MAX_DAYS, .zero = "kept for ever", .def = 90 },
	{ "webhook", SL_OPT_TEXT, ACCOUNTING(webhook), .min = 1, .max = URL_MAX },
	{ "webhook_secret", SL_OPT_TEXT, ACCOUNTING(webhook_secret), .min = SECRET_MIN, .max = SECRET_MAX },
	{ "redis", SL_OPT_TEXT, ACCOUNTING(redis), .min = 1, .max = CONNECT_MAX },
};
enum { N_ACCOUNTING_OPTIONS = sizeof accounting_options / sizeof accounting_options[0] };

void sl_read_turn_records(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	const config_setting_t *list = sl_read_list(r, group, "user_sources", 0, SL_CONF_MAX_USER_SOURCES, "sources", &turn->n_user_sources);
	const config_setting_t *accounting = sl_read_subgroup(r, group, "accounting", false);

	for (unsigned i = 0; i < turn->n_user_sources; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);

		if (config_setting_is_group(s))
			sl_read_group(r, s, source_options, N_SOURCE_OPTIONS, &turn->user_sources[i]);
		else
			sl_read_fail(r, s, "must be a group: { kind = \"sqlite\"; connect = \"/var/lib/turn/turndb\"; }");
	}
	/* Without the group there are no records at all. */
	if (accounting != NULL)
		sl_read_group(r, accounting, accounting_options, N_ACCOUNTING_OPTIONS, &turn->accounting);
}

void sl_free_turn_records(struct sl_conf_turn *turn)
{
	for (unsigned i = 0; i < turn->n_user_sources; i++)
		sl_opt_free(source_options, N_SOURCE_OPTIONS, &turn->user_sources[i]);
	sl_opt_free(accounting_options, N_ACCOUNTING_OPTIONS, &turn->accounting);
}

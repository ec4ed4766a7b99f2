/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "provision" as JSON: libconfig's groups become objects, its lists and arrays arrays. What it means, and whether it is right, is for
 * controlplane/provision, which gets the line of each group as a member "_line". */

#include "config/options_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void write_text(FILE *f, const char *text)
{
	putc('"', f);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(f, "\\%c", *p);
		else if (*p < 0x20)
			fprintf(f, "\\u%04x", *p);
		else
			putc(*p, f);
	}
	putc('"', f);
}

static void write_value(FILE *f, const config_setting_t *s);

static void write_members(FILE *f, const config_setting_t *s, bool named)
{
	int n = config_setting_length(s);

	if (named)
		fprintf(f, "\"_line\": %u%s", config_setting_source_line(s), n > 0 ? ", " : "");
	for (int i = 0; i < n; i++) {
		const config_setting_t *member = config_setting_get_elem(s, (unsigned)i);

		if (named) {
			write_text(f, config_setting_name(member));
			fputs(": ", f);
		}
		write_value(f, member);
		if (i + 1 < n)
			fputs(", ", f);
	}
}

static void write_value(FILE *f, const config_setting_t *s)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		fprintf(f, "%lld", config_setting_get_int64(s));
		break;
	case CONFIG_TYPE_FLOAT:
		fprintf(f, "%.17g", isfinite(config_setting_get_float(s)) ? config_setting_get_float(s) : 0.0);
		break;
	case CONFIG_TYPE_BOOL:
		fputs(config_setting_get_bool(s) ? "true" : "false", f);
		break;
	case CONFIG_TYPE_STRING:
		write_text(f, config_setting_get_string(s));
		break;
	case CONFIG_TYPE_GROUP:
		putc('{', f);
		write_members(f, s, true);
		putc('}', f);
		break;
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		putc('[', f);
		write_members(f, s, false);
		putc(']', f);
		break;
	default:
		fputs("null", f);
	}
}

void sl_read_provision(struct sl_reader *r, const config_setting_t *group, char **json)
{
	size_t len = 0;
	FILE *f = group != NULL ? open_memstream(json, &len) : NULL;

	if (group == NULL)
		return;
	if (f != NULL)
		write_value(f, group);
	if (f == NULL || fclose(f) != 0)
		sl_read_fail(r, group, "no memory left to read it");
}

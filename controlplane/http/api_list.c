/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/api_list.h"

#include <errno.h>
#include <string.h>

bool sl_api_copy_arg(struct sl_http_request *r, const char *name, char *out, size_t room)
{
	const char *value = sl_http_arg(r, name);

	if (!value)
		return true;
	if (strlen(value) < room) {
		strcpy(out, value);
		return true;
	}
	sl_api_error(r, 400, name, "over %zu bytes", room - 1);
	return false;
}

bool sl_api_format(struct sl_http_request *r, bool *csv)
{
	const char *format = sl_http_arg(r, "format");

	*csv = format && strcmp(format, "csv") == 0;
	if (!format || *csv || strcmp(format, "json") == 0)
		return true;
	sl_api_error(r, 400, "format", "'%s' is neither json nor csv", format);
	return false;
}

void sl_api_listed(void *ctx, int error, const char *text, size_t len)
{
	struct sl_http_request *r = ctx;
	const char *format = sl_http_arg(r, "format");
	bool csv = format && strcmp(format, "csv") == 0;

	if (error == -E2BIG)
		sl_api_error(r, 400, NULL, "%.*s", (int)len, text);
	else if (error)
		sl_api_error(r, 503, NULL, "the records cannot be read: %.*s", (int)len, text);
	else
		sl_http_answer(r, 200, csv ? "text/csv; charset=utf-8; header=present" : "application/json", text, len);
}

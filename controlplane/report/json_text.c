/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/report/json_text.h"

#include <stdlib.h>

json_t *sl_json_text(const char *s, size_t len)
{
	json_t *text = json_stringn(s, len);

	if (text)
		return text;
	char *plain = malloc(len + 1);
	if (!plain)
		return NULL;
	for (size_t i = 0; i < len; i++)
		plain[i] = (s[i] >= 0x20 && s[i] < 0x7f) || s[i] == '\r' || s[i] == '\n' ? s[i] : '?';
	text = json_stringn(plain, len);
	free(plain);
	return text;
}

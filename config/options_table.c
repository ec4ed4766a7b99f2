/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What can be done with a structure, knowing the table that filled it: compare it, free it. */

#include "config/options_read.h"

#include <stdlib.h>
#include <string.h>

static bool text_differs(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a != b;
	return strcmp(a, b) != 0;
}

static bool option_differs(const struct sl_opt *o, const void *a, const void *b)
{
	const char *at_a = (const char *)a + o->offset, *at_b = (const char *)b + o->offset;

	switch (o->kind) {
	case SL_OPT_UINT:
	case SL_OPT_CHOICE:
		return memcmp(at_a, at_b, sizeof(unsigned)) != 0;
	case SL_OPT_U16:
		return memcmp(at_a, at_b, sizeof(uint16_t)) != 0;
	case SL_OPT_BOOL:
		return memcmp(at_a, at_b, sizeof(bool)) != 0;
	case SL_OPT_TEXT:
		return text_differs(*(char *const *)(const void *)at_a, *(char *const *)(const void *)at_b);
	case SL_OPT_OTHER:
		break;
	}
	return false;
}

bool sl_opt_differs(const struct sl_opt *table, size_t n, const void *a, const void *b, const char **name)
{
	for (size_t i = 0; i < n; i++) {
		if (table[i].restart && option_differs(&table[i], a, b)) {
			*name = table[i].name;
			return true;
		}
	}
	return false;
}

void sl_text_free(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

void sl_opt_free(const struct sl_opt *table, size_t n, void *from)
{
	for (size_t i = 0; i < n; i++) {
		char **text = (char **)(void *)((char *)from + table[i].offset);

		if (table[i].kind == SL_OPT_TEXT) {
			sl_text_free(*text);
			*text = NULL;
		}
	}
}

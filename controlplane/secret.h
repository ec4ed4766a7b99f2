/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Memory that holds keys and secrets: what is freed was wiped. */

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* Wipe and free; NULL is fine. */
static inline void sl_secret_free(void *p, size_t bytes)
{
	if (p)
		OPENSSL_cleanse(p, bytes);
	free(p);
}

/* The same of a text. */
static inline void sl_secret_free_text(char *s)
{
	sl_secret_free(s, s ? strlen(s) : 0);
}

/* As realloc() to a larger size, which would leave a copy behind. NULL: no memory, and old stays as it is. */
static inline void *sl_secret_grow(void *old, size_t old_bytes, size_t bytes)
{
	void *grown = malloc(bytes);

	if (!grown)
		return NULL;
	if (old)
		memcpy(grown, old, old_bytes);
	sl_secret_free(old, old_bytes);
	return grown;
}

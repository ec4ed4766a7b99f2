/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* HMAC, and AES-GCM of access tokens, for workers by libipsec-mb: nothing is allocated after a context is made. (OpenSSL 3's one-shot HMAC allocates
 * 13 times a call.) */

#include "dataplane/wire/stun.h"

/* Longest message; a UDP datagram is never longer. A longer one is hashed as if it were empty, which nobody can
 * foresee without the key. */
enum { SL_CRYPTO_HASH_MAX_BYTES = 65536 };

/* Fill *c with the functions and a context for one thread. 0, -ENOMEM, or -ENOTSUP when libipsec-mb does not like the
 * processor. */
int sl_crypto_hash_init(struct sl_stun_crypto *c);
/* Wipe and free what init made; a zeroed *c is fine. */
void sl_crypto_hash_free(struct sl_stun_crypto *c);

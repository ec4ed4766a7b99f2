/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* One SRTP packet by libcrypto, for what a device cannot do. */

#include "drivers/srtp_internal.h"

/* op as in a burst, lengths checked; unprotect: op->len without MKI and tag already. Set op->len and
 * op->status. */
void sl_srtp_soft_protect(
        struct sl_srtp_bare *b, const struct sl_srtp_session_keys *keys, struct sl_srtp_op *op);
void sl_srtp_soft_unprotect(
        struct sl_srtp_bare *b, const struct sl_srtp_session_keys *keys, struct sl_srtp_op *op);

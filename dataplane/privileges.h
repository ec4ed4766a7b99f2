/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Becoming an unprivileged user once ports are open (option run_as). */

#include <stddef.h>

/* Become user, keeping on this thread the capability to change neighbours (CAP_NET_ADMIN). socket_path is handed to
 * that user, so that its other processes can attach. 0, or negative errno with words in err. user NULL: nothing. */
int sl_privileges_drop(const char *user, const char *socket_path, char *err, size_t err_len);

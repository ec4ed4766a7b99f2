/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A port on af_packet or af_xdp shares its network interface with Linux, which sees the same frames: it would answer
 * ARP, ping and unclaimed UDP a second time. Silenced, the kernel's side of the interface drops what arrives (nftables,
 * netdev family, a table of our own per port: sluice_<port>), has no IPv6, answers no ARP and merges no segments. The
 * port's driver takes its frames before that. */

#include <stddef.h>

/* Idempotent. 0, or negative errno with words in err. Caller: keeper. */
int sl_silence(const char *port, const char *interface, char *err, size_t err_len);
/* Undo: the table goes, the interface's settings become what new interfaces get. Missing parts are fine. */
void sl_silence_end(const char *port, const char *interface);

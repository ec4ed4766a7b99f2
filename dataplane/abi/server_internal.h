/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

#include "dataplane/abi/server.h"

/* What an attached client sent on its socket, one message a call: offers of clips and of lists, and nothing else. 1 when one was
 * taken (and answered, or will be), 0 when nothing waits, -ECONNRESET when the client is gone, -EPROTO when it sent anything but an offer. */
int sl_abi_offer_input(struct sl_abi_server *s, unsigned slot);

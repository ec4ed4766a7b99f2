/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/counters.h"

#define X(name, help) {#name, help},
const struct sl_counter_name sl_worker_counter_names[SL_N_WORKER_COUNTERS] = {SL_WORKER_COUNTERS(X)};
const struct sl_counter_name sl_drop_names[SL_N_DROPS] = {SL_DROP_REASONS(X)};
const struct sl_counter_name sl_port_counter_names[SL_N_PORT_COUNTERS] = {SL_PORT_COUNTERS(X)};
const struct sl_counter_name sl_stream_counter_names[SL_N_STREAM_COUNTERS] = {SL_STREAM_COUNTERS(X)};

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files that write Prometheus' text format 0.0.4. */

#include <stdint.h>
#include <stdio.h>

#include "controlplane/http/api.h"
#include "controlplane/ng/ng.h"

void sl_metric_head(FILE *f, const char *name, const char *type, const char *help);
/* One without labels, whole. */
void sl_metric(FILE *f, const char *name, const char *type, const char *help, uint64_t value);

/* metrics_media.c: nothing where there is no media */
void sl_metrics_media(FILE *f, struct sl_brain *b);
/* metrics_sip.c: nothing where there is no SIP */
void sl_metrics_sip(FILE *f, struct sl_brain *b);
/* metrics_guard.c */
void sl_metrics_guard(FILE *f, struct sl_brain *b);
/* metrics_turn.c: nothing where there is no TURN */
void sl_metrics_turn(FILE *f, struct sl_brain *b);
/* metrics_turn_records.c: nothing where there are neither user tables nor accounting */
void sl_metrics_turn_records(FILE *f, struct sl_brain *b);

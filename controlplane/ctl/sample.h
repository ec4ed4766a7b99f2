/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Rates are the difference of two looks at the counters. */

#include "controlplane/ctl/ctl.h"

struct ctl_sample {
	json_t *answer_workers, *answer_ports;
	const json_t *workers, *ports; /* the arrays in them */
};

/* Two samples, a second apart. CTL_OK, or the exit code with both empty. */
int ctl_two_samples(const struct ctl *c, struct ctl_sample *a, struct ctl_sample *b);
int ctl_take_sample(const struct ctl *c, struct ctl_sample *s);
void ctl_sample_free(struct ctl_sample *s);

/* group: "counters" or "drops"; sum over workers, and its growth a second. */
long long ctl_sum_of(const struct ctl_sample *s, const char *group, const char *name);
double ctl_rate_of(
        const struct ctl_sample *a, const struct ctl_sample *b, const char *group, const char *name);

void ctl_print_ports(const struct ctl_sample *a, const struct ctl_sample *b);
void ctl_print_workers(const struct ctl_sample *a, const struct ctl_sample *b);

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# TURN beside plain relaying as in turn_modes_test.sh, by two workers: what a client does may reach another worker than the one that has his allocation.
SL_LAB_WORKERS=2 exec "${0%_workers_test.sh}_test.sh"

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# CDRs of all kinds of ends, durations, inactivity, the ladder.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/sip.sh"

lab_up --sip --set inactivity_timeout=3
half=$(working_half controlplane)
scenarios accounting "$@"
check "no call is left over" sl_wait_for 3 no_calls
check "the control plane was not restarted" same_half "$half"
finish

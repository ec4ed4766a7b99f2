#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Inside calls: hold, UPDATE, PRACK, late offers, glare, session timers, transfers, T.38.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/sip.sh"

lab_up --sip
half=$(working_half controlplane)
scenarios session "$@"
check "no call is left over" sl_wait_for 3 no_calls
check "the control plane was not restarted" same_half "$half"
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# UDP, TCP, TLS, IPv4, IPv6, flows, certificates, names.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/sip.sh"

lab_up --sip
half=$(working_half controlplane)
scenarios transport "$@"
check "no call is left over" sl_wait_for 3 no_calls
check "the control plane was not restarted" same_half "$half"
finish

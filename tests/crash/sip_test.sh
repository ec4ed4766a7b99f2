#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# The control plane's working half is killed with SIP calls up and ringing: media never gaps, dialogs go on over UDP at once and over TCP and TLS
# on a new connection, what was ringing is ended on both sides, bindings are back, CDRs come exactly once.
. "$(dirname "$0")/../lab/common.sh"
. "$(dirname "$0")/../lab/sip.sh"

lab_up --sip
keeper=$CONTROLPLANE_PID
scenarios crash "$@"
check "no call is left over" sl_wait_for 3 no_calls
check "the keeper is the one that it was" kill -0 "$keeper"
check "the dataplane was not restarted" is "$(restarts)" -eq 0
finish

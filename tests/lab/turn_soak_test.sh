#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# The soak test of TURN for twenty seconds.
exec "$(dirname "$0")/../soak/turn" 0.34

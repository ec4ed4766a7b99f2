# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# What the SIP tests share. Source it after common.sh. Scenarios in Python (tests/sip) are both ends of their calls; SIPp's are in sipp/.

TESTS_SIP=$TESTS_LAB/../sip
SIP_T1_MS=${SIP_T1_MS:-100} # sip.conf: t1_ms
export SIP_T1_MS

scenarios() { # FILE [PATTERN...]: each scenario is a check
	local run failed
	SIP_COUNTS=$WORK/counts "$TESTS_SIP/run.py" "$WORK/lab.env" "$@" || true
	if read -r run failed <"$WORK/counts" 2>/dev/null; then
		checks=$((checks + run)) failures=$((failures + failed))
	else
		checks=$((checks + 1)) failures=$((failures + 1))
		printf 'FAILED  scenarios %s did not run\n' "$1"
	fi
	rm -f "$WORK/counts"
}

# The same of many tests: nothing is left over, nothing was lost.
no_calls() {
	[ "$(api /v1/calls | jq '.calls | length')" -eq 0 ]
}

same_half() { # PID: the control plane's working half is the one that it was
	is "$(working_half controlplane)" -eq "$1"
}

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# systemd understands the units and the user's declaration.
set -eu
cd "$(dirname "$0")/../.."
command -v systemd-analyze >/dev/null || { echo "systemd is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The programs are not installed where the units name them: any that exists will do.
for unit in config/*.service; do
	sed 's#/usr/sbin/sluice-[a-z]*#/bin/true#' "$unit" >"$dir/${unit##*/}"
done
# It exits 0 after "Unknown key" warnings, so its silence is what counts.
systemd-analyze verify --man=no "$dir"/*.service 2>&1 | tee "$dir/out"
grep -q "$dir\|sluice" "$dir/out" && exit 1
systemd-sysusers --dry-run "$PWD/config/sluice.sysusers" >"$dir/out" 2>&1 || { cat "$dir/out"; exit 1; }
if grep -i 'invalid\|fail' "$dir/out"; then
	exit 1
fi

# The dataplane's real-time housekeeper needs all three.
unit=config/sluice-dataplane.service
grep -qx 'LimitRTPRIO=1' "$unit" && grep -qx 'RestrictRealtime=no' "$unit" &&
	systemd-analyze syscall-filter @resources | grep -qw sched_setscheduler || { echo "$unit: no SCHED_RR"; exit 1; }

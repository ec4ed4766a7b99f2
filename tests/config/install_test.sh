#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# meson install puts everything where README.md and the units say, and what is installed runs.
set -eu
cd "$(dirname "$0")/../.."
build=${SLUICE_BUILD:-build}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

DESTDIR=$dir meson install -C "$build" --no-rebuild --quiet
examples=usr/share/doc/sluice/examples
for program in usr/sbin/sluice-dataplane usr/sbin/sluice-controlplane usr/bin/sluicectl usr/bin/sluice-pktgen; do
	[ -x "$dir/$program" ] || { echo "no program /$program"; exit 1; }
	"$dir/$program" --help >/dev/null || { echo "/$program does not run"; exit 1; }
done
for file in "$examples"/{sluice.conf.sample,turn-edge.conf.sample,quickstart.conf,kamailio.cfg} etc/sluice/sluice.conf.sample \
	lib/systemd/system/sluice-{dataplane,controlplane}.service lib/udev/rules.d/60-sluice.rules usr/lib/sysusers.d/sluice.conf; do
	[ -s "$dir/$file" ] || { echo "no file /$file"; exit 1; }
done
# Every path of ours that a unit names is there.
for path in $(grep -hoE '(/usr/s?bin|/usr/share)/[^ ]*sluice[^ ]*' "$dir"/lib/systemd/system/*.service | sort -u); do
	[ -e "$dir$path" ] || { echo "a unit names $path"; exit 1; }
done
"$dir/usr/sbin/sluice-dataplane" --config "$dir/etc/sluice/sluice.conf.sample" --check

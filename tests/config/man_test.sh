#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# The manual pages: installed where man(1) looks, without a word from what renders them, and they say what the programs say.
set -eu
cd "$(dirname "$0")/../.."
build=${SLUICE_BUILD:-build}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

die() { echo "$*" >&2; exit 1; }

DESTDIR=$dir meson install -C "$build" --no-rebuild --quiet
man=$dir/usr/share/man
command -v mandoc >/dev/null || { echo "mandoc is not installed"; exit 77; }
for page in man1/sluicectl.1 man5/sluice.conf.5 man8/sluice-dataplane.8 man8/sluice-controlplane.8; do
	file=$man/$page
	[ -s "$file" ] || die "no page $page"
	mandoc -T lint -W warning "$file" >"$dir/out" || true
	[ ! -s "$dir/out" ] || die "mandoc: $(head -5 "$dir/out")"
	if command -v groff >/dev/null && command -v man >/dev/null; then
		LC_ALL=C.UTF-8 MANWIDTH=200 man --warnings -l "$file" >"$dir/text" 2>"$dir/out" || die "man cannot show $page: $(cat "$dir/out")"
		[ ! -s "$dir/out" ] || die "man: $(head -5 "$dir/out")"
	fi
done

# Each setting of the sample stands in its page as it is there, and each command of sluicectl in the other.
text() { mandoc -T ascii -O width=220 "$man/$1" | col -bx >"$dir/text"; }
text man5/sluice.conf.5
grep -oE '^ *[a-z_0-9]+ = [^#]*' config/sluice.conf.sample | sed 's/ *$//; s/^ *//' | sort -u >"$dir/settings"
while read -r setting; do
	grep -qF -- "$setting" "$dir/text" || die "sluice.conf(5) does not have: $setting"
done <"$dir/settings"
[ "$(wc -l <"$dir/settings")" -gt 150 ] || die "only $(wc -l <"$dir/settings") settings were looked for"
text man1/sluicectl.1
"$build/controlplane/sluicectl" --help | sed -nE '/^  status/,/^$/s/^  ([a-z-]+( [a-z]+)?) .*/sluicectl \1/p' | sort -u >"$dir/commands"
while read -r command; do
	grep -qF -- "Usage: ${command% *}" "$dir/text" && grep -qF -- "${command#sluicectl }" "$dir/text" || die "sluicectl(1) does not have: $command"
done <"$dir/commands"
[ "$(wc -l <"$dir/commands")" -gt 40 ] || die "only $(wc -l <"$dir/commands") commands were looked for"
for program in dataplane controlplane; do
	"$build/$program/sluice-$program" --help | grep -oE -- '--[a-z-]+' | sort -u >"$dir/flags"
	text "man8/sluice-$program.8"
	while read -r flag; do
		grep -qE -- "$flag( |,|$)" "$dir/text" || die "sluice-$program(8) does not have $flag"
	done <"$dir/flags"
done

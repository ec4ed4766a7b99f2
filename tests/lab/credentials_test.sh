#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Credentials: both integrity algorithms, hidden user names, the shared-secret scheme and its expiry, and what a wrong one
# gets.
. "$(dirname "$0")/common.sh"

lab_up
check "MD5 key and MESSAGE-INTEGRITY" turn_client allocate
check "SHA-256 when the client takes the offer (RFC 8489)" \
	is "$(turn_client allocate --sha256 | jq .sha256)" = true
check "a hidden user name (USERHASH)" turn_client allocate --sha256 --userhash
check "the shared-secret scheme" turn_client allocate --rest-secret "$REST_SECRET" --user somebody
check "the shared-secret scheme with SHA-256" turn_client allocate --rest-secret "$REST_SECRET" --user somebody --sha256
created=$(counter allocations_created)
errors=$(counter stun_errors)
check "401: a wrong password" turn_client allocate --password wrong --expect 401
check "401: an unknown user" turn_client allocate --user nobody --expect 401
check "401: a shared-secret name that has expired" \
	turn_client allocate --rest-secret "$REST_SECRET" --rest-expiry -10 --expect 401
check "401: a wrong shared secret" turn_client allocate --rest-secret wrong --expect 401
check "none of them made an allocation" is "$(counter allocations_created)" -eq "$created"
# Each is told twice: without credentials, then with the wrong ones.
check "each was counted as an error answer" is "$(counter stun_errors)" -ge $((errors + 8))
finish

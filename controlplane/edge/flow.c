/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* P-Sluice-Flow and the tokens of connections. */

#include "controlplane/edge/thread.h"

#include "dataplane/wire/siphash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

enum { MAC_HEX = 32 };

/* SipHash under both halves of the key, in hex: only this process has the key, nobody outside sees what it signed. */
static void mac(const uint8_t key[32], const char *text, size_t n, char out[MAC_HEX + 1])
{
	struct sl_siphash_key k[2];

	memcpy(k, key, sizeof k);
	snprintf(out, MAC_HEX + 1, "%016llx%016llx", (unsigned long long)sl_siphash(&k[0], text, n),
	        (unsigned long long)sl_siphash(&k[1], text, n));
	OPENSSL_cleanse(k, sizeof k);
}

void sl_edge_token(uint32_t connection, char out[16])
{
	snprintf(out, 16, "c-%x", connection);
}

bool sl_edge_token_read(struct sl_slice token, uint32_t *out)
{
	uint64_t v = 0;

	if (token.n < 3 || token.n > 10 || token.p[0] != 'c' || token.p[1] != '-')
		return false;
	for (size_t i = 2; i < token.n; i++) {
		char c = token.p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = (uint32_t)v;
	return v != 0;
}

int sl_edge_flow_write(const struct sl_edge_flow *f, const uint8_t key[32], char *out, size_t room)
{
	char token[16], remote[SL_ADDR_TEXT_MAX], sum[MAC_HEX + 1];
	int n;

	sl_edge_token(f->connection, token);
	n = snprintf(out, room, "%s;listener=%u;remote=%s;identity=\"%s\"", token, f->listener, sl_endpoint_text(&f->remote, remote), f->identity);
	if (n < 0 || (size_t)n + 5 + MAC_HEX >= room)
		return -ENOBUFS;
	mac(key, out, (size_t)n, sum);
	return n + snprintf(out + n, room - (size_t)n, ";mac=%s", sum);
}

int sl_edge_flow_parse(const char *value, const uint8_t key[32], struct sl_edge_flow *out)
{
	const char *end = value ? strstr(value, ";mac=") : NULL, *params;
	char sum[MAC_HEX + 1], listener[4], remote[SL_ADDR_TEXT_MAX];
	struct sl_slice token, rest;

	memset(out, 0, sizeof *out);
	if (!end || strlen(end + 5) != MAC_HEX)
		return -EINVAL;
	mac(key, value, (size_t)(end - value), sum);
	if (CRYPTO_memcmp(sum, end + 5, MAC_HEX) != 0)
		return -EINVAL;
	params = strchr(value, ';');
	token = (struct sl_slice){value, (size_t)(params - value)};
	rest = (struct sl_slice){params, (size_t)(end - params)};
	if (!sl_edge_token_read(token, &out->connection) || !sl_param(rest, "listener", listener, sizeof listener) ||
	        !sl_param(rest, "remote", remote, sizeof remote) || sl_endpoint_parse(remote, &out->remote) ||
	        !sl_param(rest, "identity", out->identity, sizeof out->identity)) {
		memset(out, 0, sizeof *out);
		return -EINVAL;
	}
	out->listener = (uint8_t)atoi(listener);
	return 0;
}

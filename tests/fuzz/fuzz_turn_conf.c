/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A control plane that provisions TURN in any order: each record is a kind, a realm and a few bytes, from which a valid command is made. Whatever is
 * refused changes nothing; what is published can be looked into at every place, and an old snapshot stays as it was. */

#include <stdlib.h>
#include <string.h>

#include "dataplane/abi/validate.h"
#include "dataplane/path/turn_conf.h"
#include "tests/fuzz/fuzz.h"

enum { RECORD = 8, TEXT = 4 };

static struct sl_command command_of(const uint8_t *p)
{
	static const uint32_t types[] = {SL_CMD_CONFIG_BEGIN, SL_CMD_TURN_CONFIG, SL_CMD_TURN_REALM, SL_CMD_REALM_NAME, SL_CMD_PEER_RULE, SL_CMD_SECRET,
		SL_CMD_OAUTH_KEY, SL_CMD_ALTERNATE, SL_CMD_RESTRICTED, SL_CMD_TURN_DRAIN, SL_CMD_USER_SET, SL_CMD_USER_DELETE, SL_CMD_CONFIG_COMMIT};
	struct sl_command c = {.h.type = types[p[0] % (sizeof types / sizeof *types)]};
	uint16_t realm = p[1] % 8 == 7 ? SL_TURN_ANY_REALM : p[1] % 8;
	const uint8_t *v = p + 4;

	switch (c.h.type) {
	case SL_CMD_CONFIG_BEGIN:
		c.begin.flags = p[1] & 1;
		break;
	case SL_CMD_TURN_CONFIG:
		c.turn = (struct sl_cmd_turn){.default_lifetime_s = 600, .permission_lifetime_s = 300, .channel_lifetime_s = 600, .nonce_lifetime_s = 60,
			.channel_max = 0x4fff, .total_quota = p[1], .node.hard_kbps = {p[2] & 1 ? 64 : 0}};
		break;
	case SL_CMD_TURN_REALM:
		c.realm = (struct sl_cmd_realm){.index = realm, .max_lifetime_s = 600, .max_permissions = 8, .listeners = p[2] & 1 ? 1u << (p[3] & 31) : 0};
		c.realm.name[0] = (char)('a' + v[0] % 8);
		break;
	case SL_CMD_REALM_NAME:
		c.realm_name = (struct sl_cmd_realm_name){.realm = realm, .kind = 1 + (p[2] & 1), .len = 1 + p[3] % TEXT};
		memcpy(c.realm_name.text, v, c.realm_name.len);
		break;
	case SL_CMD_PEER_RULE:
		c.peer_rule = (struct sl_cmd_peer_rule){.realm = realm, .allow = p[2] & 1, .prefix_len = (uint8_t)(96 + p[3] % 33)};
		sl_ip_set_v4(&c.peer_rule.ip, 0);
		memcpy(c.peer_rule.ip.b + 12, v, 4);
		c.peer_rule.ip = sl_ip_masked(&c.peer_rule.ip, c.peer_rule.prefix_len);
		break;
	case SL_CMD_SECRET:
		c.secret = (struct sl_cmd_secret){.realm = realm, .len = TEXT};
		memcpy(c.secret.secret, v, TEXT);
		break;
	case SL_CMD_OAUTH_KEY:
		c.oauth_key = (struct sl_cmd_oauth_key){.realm = realm, .algorithm = 1 + (p[2] & 1), .kid_len = 1};
		c.oauth_key.kid[0] = (char)v[0];
		break;
	case SL_CMD_ALTERNATE:
		c.alternate = (struct sl_cmd_alternate){.realm = realm, .transport = p[2] & 3, .weight = p[3] % 101, .server.port_be = 1};
		sl_ip_set_v4(&c.alternate.server.ip, htonl(0xc0000200u | (v[0] & 3)));
		break;
	case SL_CMD_RESTRICTED:
		c.restricted = (struct sl_cmd_restricted){.realm = realm, .kind = 1 + (p[2] & 1), .remove = p[2] >> 1 & 1, .prefix_len = 128, .name_len = 1};
		sl_ip_set_v4(&c.restricted.ip, htonl(0xc0000200u | v[0]));
		c.restricted.name[0] = (char)v[0];
		break;
	case SL_CMD_TURN_DRAIN:
		c.drain = (struct sl_cmd_drain){.on = p[1] & 1, .max_lifetime_s = p[2]};
		break;
	default:
		c.user = (struct sl_cmd_user){.realm = realm, .name_len = 1 + p[3] % TEXT, .flags = p[2] & 1};
		memcpy(c.user.name, v, c.user.name_len);
		memcpy(c.user.userhash, v, TEXT);
		c.user.userhash[31] = p[1];
		break;
	}
	return c;
}

/* Look into every place. */
static unsigned look(const struct sl_turn_conf *c, const uint8_t *v)
{
	unsigned sum = sl_turn_conf_n_users(c) + sl_turn_conf_n_realms(c) + sl_turn_conf_drain(c)->on + sl_turn_conf_limits(c);
	struct sl_ip ip;
	char name[TEXT + 1] = "";
	uint8_t hash[32] = {0};

	SL_FUZZ_CHECK(sl_turn_conf_n_realms(c) >= 1 && sl_turn_conf_n_realms(c) <= 8 && sl_turn_conf_settings(c)->channel_max == 0x4fff);
	sl_ip_set_v4(&ip, 0);
	memcpy(ip.b + 12, v, 4);
	memcpy(name, v, TEXT);
	memcpy(hash, v, TEXT);
	sum += sl_turn_conf_server_name(c, name) + sl_turn_conf_origin(c, v, TEXT) + sl_turn_conf_listener_realm(c, v[0]);
	for (unsigned realm = 0; realm < 8; realm++) {
		const struct sl_cmd_secret *secrets;
		const struct sl_cmd_realm *r = sl_turn_conf_realm(c, realm);
		SL_FUZZ_CHECK(!r || (r->index == realm && sl_turn_conf_realm_by_tag(c, sl_turn_conf_realm_tag(c, realm), v[0]) == realm));
		unsigned n = sl_turn_conf_secrets(c, realm, &secrets);
		for (unsigned i = 0; i < n; i++)
			SL_FUZZ_CHECK(secrets[i].realm == realm);
		for (unsigned len = 1; len <= TEXT; len++) {
			const struct sl_turn_user *u = sl_turn_conf_user(c, realm, v, len);
			SL_FUZZ_CHECK(!u || (r && u->realm == realm && u->name_len == len && memcmp(u->name, v, len) == 0));
			sum += u ? u->no_sha256 + 2 : 0;
		}
		hash[31] = (uint8_t)realm;
		sum += sl_turn_conf_userhash(c, realm, hash) != NULL;
		sum += sl_turn_conf_peer(c, realm, &ip, NULL, NULL) + (sl_turn_conf_oauth_key(c, realm, v, 1) != NULL) * 3;
		sum += sl_turn_conf_is_restricted(c, &ip, realm, v, 1) + (sl_turn_conf_alternate(c, realm, v[1] & 3, true, v[2]) != NULL) * 5;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_turn_conf_builder *b = sl_turn_conf_builder_new();
	struct sl_turn_conf *now = NULL, *old = NULL;
	unsigned of_old = 0;
	char text[120];

	SL_FUZZ_CHECK(b != NULL);
	for (; size >= RECORD; data += RECORD, size -= RECORD) {
		struct sl_command c = command_of(data);
		struct sl_turn_conf *next = NULL;
		if (sl_command_validate(&c, text, sizeof text) != 0)
			continue;
		int rc = sl_turn_conf_apply(b, &c, &next, text, sizeof text);
		SL_FUZZ_CHECK((rc == 0) == (text[0] == 0) && (rc == 0 || !next));
		if (!next && data[1] & 0x40)
			next = sl_turn_conf_builder_flush(b);
		if (!next)
			continue;
		static const uint8_t probe[TEXT] = {'a', 'b', 1, 2};
		SL_FUZZ_CHECK(!old || look(old, probe) == of_old);
		sl_turn_conf_free(old);
		old = now;
		now = next;
		of_old = old ? look(old, probe) : 0;
		(void)look(now, data + 4);
	}
	sl_turn_conf_builder_free(b);
	sl_turn_conf_free(old);
	sl_turn_conf_free(now);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/validate_internal.h"

#include "config/options.h"
#include "dataplane/abi/region.h"
#include "dataplane/wire/channel.h"

#include <errno.h>

_Static_assert(SL_CONF_MAX_LISTENERS <= 32, "a realm's listeners are bits of a word");

/* ---- parts ---- */

static int check_kbps(struct sl_verdict v, const char *field, const uint32_t kbps[2])
{
	for (unsigned i = 0; i < 2; i++) {
		int rc = kbps[i] ? sl_check_range(v, field, kbps[i], SL_LIMIT_METER_KBPS_MIN, SL_LIMIT_METER_KBPS) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

static int check_bandwidth(struct sl_verdict v, const char *hard, const char *soft, const struct sl_turn_bandwidth *b)
{
	int rc = check_kbps(v, hard, b->hard_kbps);

	if (rc == 0)
		rc = check_kbps(v, soft, b->soft_kbps);
	for (unsigned i = 0; i < 2 && rc == 0; i++) {
		if (b->hard_kbps[i] && b->soft_kbps[i] > b->hard_kbps[i])
			return sl_refuse(v, soft, "above the hard one: it would never be reached");
	}
	return rc;
}

static int check_realm_index(struct sl_verdict v, uint16_t realm, bool any)
{
	return any && realm == SL_TURN_ANY_REALM ? 0 : sl_check_range(v, "realm", realm, 0, SL_TURN_MAX_REALMS - 1);
}

/* Printable, of len bytes: neither control characters nor capitals. */
static int check_lower(struct sl_verdict v, const char *field, const char *s, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		if ((unsigned char)s[i] <= 0x20 || s[i] == 0x7f)
			return sl_refuse(v, field, "control character or space");
		if (s[i] >= 'A' && s[i] <= 'Z')
			return sl_refuse(v, field, "not in lower case");
	}
	return 0;
}

/* OpaqueString (RFC 8265 4.2.2) has no control characters; NUL would end it early wherever it is shown. */
static int check_opaque(struct sl_verdict v, const char *field, const char *s, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return sl_refuse(v, field, "control character");
	}
	return 0;
}

/* ---- commands ---- */

static int check_nat(struct sl_verdict v, const struct sl_cmd_turn *t)
{
	int rc = sl_check_range(v, "nat_discovery", t->nat_discovery, 0, 1);

	for (unsigned i = 0; i < 4 && rc == 0; i++) {
		rc = sl_check_range(v, "nat", t->nat[i], 0, SL_CONF_MAX_LISTENERS - 1);
		for (unsigned k = 0; k < i && rc == 0 && t->nat_discovery; k++) {
			if (t->nat[k] == t->nat[i])
				return sl_refuse(v, "nat", "a listener twice");
		}
	}
	return rc;
}

static int check_turn(struct sl_verdict v, const struct sl_cmd_turn *t)
{
	int rc;

	if ((rc = sl_check_range(v, "default_lifetime_s", t->default_lifetime_s, 1, SL_LIMIT_LIFETIME_S)) ||
	        (rc = sl_check_range(v, "permission_lifetime_s", t->permission_lifetime_s, 1, SL_LIMIT_LIFETIME_S)) ||
	        (rc = sl_check_range(v, "channel_lifetime_s", t->channel_lifetime_s, 1, SL_LIMIT_LIFETIME_S)) ||
	        (rc = sl_check_range(v, "nonce_lifetime_s", t->nonce_lifetime_s, 1, SL_LIMIT_LIFETIME_S)) ||
	        (rc = sl_check_range(v, "total_quota", t->total_quota, 0, SL_LIMIT_USER_QUOTA)) ||
	        (rc = sl_check_range(v, "offer_sha256", t->offer_sha256, 0, 1)) ||
	        (rc = sl_check_range(v, "mobility", t->mobility, 0, 1)) ||
	        (rc = sl_check_range(v, "channel_max", t->channel_max, SL_CHANNEL_MAX, SL_CHANNEL_MAX_RFC5766)) ||
	        (rc = sl_check_range(v, "tcp_relay", t->tcp_relay, 0, 1)) ||
	        (rc = sl_check_range(v, "redirect_above", t->redirect_above, 0, 100)) ||
	        (rc = sl_check_zero(v, "pad", &t->pad, sizeof t->pad)) || (rc = check_nat(v, t)) ||
	        (rc = check_bandwidth(v, "node: hard_kbps", "node: soft_kbps", &t->node)))
		return rc;
	return sl_check_text(v, "software", t->software, sizeof t->software, 0);
}

static int check_realm(struct sl_verdict v, const struct sl_cmd_realm *r)
{
	int rc;

	if ((rc = sl_check_range(v, "index", r->index, 0, SL_TURN_MAX_REALMS - 1)) ||
	        (rc = sl_check_text(v, "name", r->name, sizeof r->name, 1)) ||
	        (rc = sl_check_text(v, "server_name", r->server_name, sizeof r->server_name, 0)) ||
	        (rc = sl_check_range(v, "offer_third_party", r->offer_third_party, 0, 1)) ||
	        (rc = sl_check_zero(v, "pad", &r->pad, sizeof r->pad)) ||
	        (rc = sl_check_range(v, "max_lifetime_s", r->max_lifetime_s, 1, SL_LIMIT_LIFETIME_S)) ||
	        (rc = sl_check_range(v, "max_permissions", r->max_permissions, 1, SL_LIMIT_PERMISSIONS)) ||
	        (rc = sl_check_range(v, "user_quota", r->user_quota, 0, SL_LIMIT_USER_QUOTA)) ||
	        (rc = sl_check_range(v, "total_quota", r->total_quota, 0, SL_LIMIT_USER_QUOTA)) ||
	        (rc = sl_check_range(v, "listeners", r->listeners, 0, (UINT64_C(1) << SL_CONF_MAX_LISTENERS) - 1)) ||
	        (rc = check_bandwidth(v, "session: hard_kbps", "session: soft_kbps", &r->session)) ||
	        (rc = check_bandwidth(v, "user: hard_kbps", "user: soft_kbps", &r->user)) ||
	        (rc = check_bandwidth(v, "realm: hard_kbps", "realm: soft_kbps", &r->realm)))
		return rc;
	if (r->session.soft_kbps[0] | r->session.soft_kbps[1])
		return sl_refuse(v, "session: soft_kbps", "only users, realms and the node have one");
	if (r->offer_third_party && !r->server_name[0])
		return sl_refuse(v, "server_name", "empty, but third-party authorisation is offered");
	return 0;
}

static int check_realm_name(struct sl_verdict v, const struct sl_cmd_realm_name *n)
{
	int rc;

	if ((rc = check_realm_index(v, n->realm, false)) ||
	        (rc = sl_check_range(v, "kind", n->kind, SL_REALM_SERVER_NAME, SL_REALM_ORIGIN)) ||
	        (rc = sl_check_zero(v, "pad", &n->pad, sizeof n->pad)) ||
	        (rc = sl_check_range(v, "len", n->len, 1, SL_MSG_ORIGIN_MAX)) || (rc = check_lower(v, "text", n->text, n->len)))
		return rc;
	return sl_check_zero(v, "text: beyond len", n->text + n->len, sizeof n->text - n->len);
}

static int check_peer_rule(struct sl_verdict v, const struct sl_cmd_peer_rule *p)
{
	int rc;

	if ((rc = sl_check_range(v, "prefix_len", p->prefix_len, 0, 128)) ||
	        (rc = sl_check_range(v, "allow", p->allow, 0, 1)) || (rc = check_realm_index(v, p->realm, true)) ||
	        (rc = sl_check_zero(v, "pad", p->pad, sizeof p->pad)))
		return rc;
	return sl_check_ip_prefix(v, "ip", &p->ip, p->prefix_len);
}

static int check_oauth_key(struct sl_verdict v, const struct sl_cmd_oauth_key *k)
{
	int rc;

	if ((rc = check_realm_index(v, k->realm, false)) ||
	        (rc = sl_check_range(v, "algorithm", k->algorithm, SL_OAUTH_A256GCM, SL_OAUTH_A128GCM)) ||
	        (rc = sl_check_range(v, "kid_len", k->kid_len, 1, SL_MSG_KID_MAX)) || (rc = check_opaque(v, "kid", k->kid, k->kid_len)))
		return rc;
	if (k->algorithm == SL_OAUTH_A128GCM && (rc = sl_check_zero(v, "key: beyond 16 bytes", k->key + 16, 16)))
		return rc;
	if (k->not_after_unix_s && k->not_after_unix_s <= k->not_before_unix_s)
		return sl_refuse(v, "not_after_unix_s", "not after not_before_unix_s");
	return 0;
}

static int check_alternate(struct sl_verdict v, const struct sl_cmd_alternate *a)
{
	int rc;

	if (!sl_is_host(&a->server.ip))
		return sl_refuse(v, "server", "not an address that a host can have");
	if (a->server.port_be == 0)
		return sl_refuse(v, "server", "port 0");
	if ((rc = check_realm_index(v, a->realm, true)) ||
	        (rc = sl_check_range(v, "transport", a->transport, 0, SL_TURN_N_TRANSPORTS - 1)))
		return rc;
	return sl_check_range(v, "weight", a->weight, 0, 100);
}

static int check_restricted(struct sl_verdict v, const struct sl_cmd_restricted *r)
{
	int rc;

	if ((rc = sl_check_range(v, "kind", r->kind, SL_RESTRICTED_PREFIX, SL_RESTRICTED_ACCOUNT)) ||
	        (rc = sl_check_range(v, "remove", r->remove, 0, 1)) || (rc = sl_check_zero(v, "pad", &r->pad, sizeof r->pad)) ||
	        (rc = check_realm_index(v, r->realm, true)))
		return rc;
	if (r->kind == SL_RESTRICTED_PREFIX) {
		if ((rc = sl_check_range(v, "prefix_len", r->prefix_len, 0, 128)))
			return rc;
		/* Shorter IPv6 prefixes end within ::ffff:0:0/96 or before it; IPv4 has its own from there on. */
		return sl_check_ip_prefix(v, "ip", &r->ip, r->prefix_len);
	}
	if ((rc = sl_check_range(v, "name_len", r->name_len, 1, SL_MSG_USERNAME_MAX)))
		return rc;
	return check_opaque(v, "name", r->name, r->name_len);
}

static int check_drain(struct sl_verdict v, const struct sl_cmd_drain *d)
{
	int rc;

	if ((rc = sl_check_range(v, "on", d->on, 0, 1)) || (rc = sl_check_zero(v, "pad", d->pad, sizeof d->pad)))
		return rc;
	return sl_check_range(v, "max_lifetime_s", d->max_lifetime_s, 0, SL_LIMIT_LIFETIME_S);
}

static int check_user(struct sl_verdict v, const struct sl_cmd_user *u)
{
	int rc;

	if ((rc = sl_check_range(v, "name_len", u->name_len, 1, SL_MSG_USERNAME_MAX)) ||
	        (rc = check_realm_index(v, u->realm, false)) ||
	        (rc = sl_check_range(v, "flags", u->flags, 0, SL_USER_NO_SHA256)))
		return rc;
	return check_opaque(v, "name", u->name, u->name_len);
}

bool sl_is_turn_command(uint32_t type)
{
	return (type >= SL_CMD_CONFIG_BEGIN && type <= SL_CMD_ALLOCATION_DELETE) || (type >= SL_CMD_TURN_REALM && type <= SL_CMD_TURN_DRAIN);
}

int sl_check_turn_command(struct sl_verdict v, const struct sl_command *cmd)
{
	int rc;

	switch (cmd->h.type) {
	case SL_CMD_CONFIG_BEGIN:
		return sl_check_range(v, "flags", cmd->begin.flags, 0, SL_CONFIG_KEEP_USERS);
	case SL_CMD_TURN_CONFIG:
		return check_turn(v, &cmd->turn);
	case SL_CMD_TURN_REALM:
		return check_realm(v, &cmd->realm);
	case SL_CMD_REALM_NAME:
		return check_realm_name(v, &cmd->realm_name);
	case SL_CMD_PEER_RULE:
		return check_peer_rule(v, &cmd->peer_rule);
	case SL_CMD_SECRET:
		rc = sl_check_range(v, "len", cmd->secret.len, 1, SL_MSG_SECRET_MAX);
		return rc ? rc : check_realm_index(v, cmd->secret.realm, false);
	case SL_CMD_OAUTH_KEY:
		return check_oauth_key(v, &cmd->oauth_key);
	case SL_CMD_ALTERNATE:
		return check_alternate(v, &cmd->alternate);
	case SL_CMD_RESTRICTED:
		return check_restricted(v, &cmd->restricted);
	case SL_CMD_TURN_DRAIN:
		return check_drain(v, &cmd->drain);
	case SL_CMD_USER_SET:
	case SL_CMD_USER_DELETE:
		return check_user(v, &cmd->user);
	default: /* CONFIG_COMMIT, ALLOCATION_LIST, ALLOCATION_DELETE: nothing, or any number */
		return 0;
	}
}

/* ---- events ---- */

int sl_check_allocation_event(struct sl_verdict v, const struct sl_evt_allocation *a)
{
	int rc;

	if ((rc = sl_check_range(v, "change", a->change, SL_ALLOC_CREATED, SL_ALLOC_MOVED)) ||
	        (rc = sl_check_range(v, "end", a->end, SL_ALLOC_END_NONE, SL_ALLOC_END_CONNECTION)) ||
	        (rc = sl_check_range(v, "worker", a->worker, 0, SL_MAX_WORKERS - 1)) ||
	        (rc = sl_check_range(v, "over", a->over, 0, SL_TURN_N_TRANSPORTS - 1)) ||
	        (rc = sl_check_range(v, "flags", a->flags, 0, SL_ALLOC_IS_RESTRICTED | SL_ALLOC_IS_MOBILE | SL_ALLOC_IS_TCP)) ||
	        (rc = check_realm_index(v, a->realm, true)))
		return rc;
	if ((a->change == SL_ALLOC_CLOSED) != (a->end != SL_ALLOC_END_NONE))
		return sl_refuse(v, "end", "does not go with change");
	if ((rc = sl_check_zero(v, "pad", &a->pad, sizeof a->pad)) || (rc = sl_check_zero(v, "pad2", &a->pad2, sizeof a->pad2)) ||
	        (rc = sl_check_range(v, "lifetime_s", a->lifetime_s, 0, SL_LIMIT_LIFETIME_S)))
		return rc;
	/* Its bytes are the client's: whoever shows them makes them harmless. */
	if ((rc = sl_check_range(v, "username_len", a->username_len, 0, SL_MSG_EVENT_USERNAME_MAX)))
		return rc;
	return memchr(a->username, 0, sizeof a->username) ? 0 : sl_refuse(v, "username", "not terminated");
}

int sl_check_quota_event(struct sl_verdict v, const struct sl_evt_turn_quota *q)
{
	int rc;

	if ((rc = sl_check_range(v, "subject", q->subject, SL_QUOTA_USER, SL_QUOTA_NODE)) ||
	        (rc = sl_check_range(v, "direction", q->direction, 0, 1)) || (rc = sl_check_range(v, "over", q->over, 0, 1)) ||
	        (rc = sl_check_range(v, "worker", q->worker, 0, SL_MAX_WORKERS - 1)) || (rc = check_realm_index(v, q->realm, true)))
		return rc;
	return sl_check_range(v, "username_len", q->username_len, 0, sizeof q->username);
}

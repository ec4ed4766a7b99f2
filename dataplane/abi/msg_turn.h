/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Messages of the contract about TURN: realms, users, policy, quotas, drain. The housekeeper gets all of them; workers see the snapshot
 * that they make (dataplane/path/turn_conf.h).
 *
 * A draft is CONFIG_BEGIN, items, CONFIG_COMMIT: TURN_CONFIG, then realms by index from 0, then what names a realm. With SL_CONFIG_KEEP_USERS the users of
 * the published snapshot stay (those of realms that the draft has not are gone), so that a list of peers or a quota changes without a million users being
 * told again. USER_SET and USER_DELETE outside of a draft change the published snapshot. TURN_DRAIN stands alone and is in force at once. */

#include <stdint.h>

#include "dataplane/wire/addr.h"

enum {
	SL_MSG_USERNAME_MAX = 508,
	SL_MSG_REALM_MAX = 128,
	SL_MSG_SECRET_MAX = 128,
	SL_MSG_ORIGIN_MAX = 256,
	SL_MSG_KID_MAX = 64,
	SL_TURN_MAX_REALMS = 256,
	SL_TURN_MAX_NAMES = 1024,      /* origins and server names, all realms */
	SL_TURN_MAX_OAUTH_KEYS = 64,   /* all realms */
	SL_TURN_MAX_ALTERNATES = 16,
	SL_TURN_MAX_RESTRICTED = 65536, /* prefixes and accounts */
	SL_TURN_MAX_SECRETS = 16,      /* of a realm */
	SL_TURN_MAX_PEER_RULES = 4096, /* all realms */
	SL_TURN_ANY_REALM = 0xffff,
};

/* CONFIG_BEGIN's body. */
enum { SL_CONFIG_KEEP_USERS = 1 };
struct sl_cmd_begin {
	uint32_t flags;
};

/* How a client talks to a listener. X(NAME, number, "name") */
#define SL_TURN_TRANSPORTS(X) \
	X(UDP, 0, "udp")      \
	X(TCP, 1, "tcp")      \
	X(TLS, 2, "tls")      \
	X(DTLS, 3, "dtls")
enum sl_turn_transport {
#define X(name, number, text) SL_TURN_OVER_##name = number,
	SL_TURN_TRANSPORTS(X)
#undef X
	SL_TURN_N_TRANSPORTS
};

/* Bandwidth of something, in units of 1,000 bit/s of application data; [0] from clients to peers, [1] from peers to clients; 0 = no limit. Beyond hard
 * packets are dropped (quota_limit); beyond soft they pass, and an EVENT_TURN_QUOTA tells it. */
struct sl_turn_bandwidth {
	uint32_t hard_kbps[2], soft_kbps[2];
};

/* TURN_CONFIG: what holds for the node; times in seconds. */
struct sl_cmd_turn {
	uint32_t default_lifetime_s;                 /* RFC 8656 3.2: 600 */
	uint32_t permission_lifetime_s;              /* RFC 8656 9: 300 */
	uint32_t channel_lifetime_s;                 /* RFC 8656 12: 600 */
	uint32_t nonce_lifetime_s;
	uint32_t total_quota;                        /* allocations of the node; 0 = as many as fit */
	uint8_t offer_sha256;                        /* advertise PASSWORD-ALGORITHMS with SHA-256 */
	uint8_t mobility;                            /* RFC 8016 */
	uint16_t channel_max;                        /* 0x4FFF (RFC 8656 12) or 0x7FFF (RFC 5766 clients too) */
	uint8_t tcp_relay;                           /* RFC 6062 */
	uint8_t nat_discovery;                       /* RFC 5780: listeners[nat[..]] are its four endpoints */
	uint8_t redirect_above;                      /* percent of the quota or capacity from which on new clients get 300; 0 = never; drain: always */
	uint8_t pad;
	uint16_t nat[4];                             /* listeners: A:P1, A:P2, B:P1, B:P2 */
	struct sl_turn_bandwidth node;
	char software[64];                           /* SOFTWARE value; empty = none */
};

/* TURN_REALM. Index 0 is the default one: what no listener, server name or origin gives to another. */
struct sl_cmd_realm {
	uint16_t index;
	uint8_t offer_third_party; /* THIRD-PARTY-AUTHORIZATION with server_name (RFC 7635) */
	uint8_t pad;
	char name[SL_MSG_REALM_MAX];        /* NUL-terminated UTF-8, in no other realm of the draft */
	char server_name[SL_MSG_REALM_MAX]; /* of the authorisation server; empty = none */
	uint32_t max_lifetime_s;            /* RFC 8656 3.2: 3600 */
	uint32_t max_permissions;           /* permissions and channels per allocation */
	uint32_t user_quota, total_quota;   /* allocations of a user, of the realm; 0 = no limit */
	uint32_t listeners;                 /* bit i: clients at listener i belong to this realm; bit in one realm only */
	struct sl_turn_bandwidth session, user, realm;
};

/* REALM_NAME: which realm a client belongs to that comes for this server name (TLS, DTLS) or sends this ORIGIN. An origin goes before a server name,
 * that before the listener. */
enum sl_realm_name_kind { SL_REALM_SERVER_NAME = 1, SL_REALM_ORIGIN };
struct sl_cmd_realm_name {
	uint16_t realm;
	uint8_t kind;
	uint8_t pad;
	uint16_t len;
	char text[SL_MSG_ORIGIN_MAX]; /* lower case */
};

/* PEER_RULE, in order of precedence. */
struct sl_cmd_peer_rule {
	struct sl_ip ip;
	uint8_t prefix_len; /* of the 16-byte form */
	uint8_t allow;
	uint16_t realm;     /* SL_TURN_ANY_REALM = of all */
	uint8_t pad[4];
};

/* SECRET. A shared secret of the REST scheme: user name `expiry:user`, password base64(HMAC-SHA1(secret, user name)). */
struct sl_cmd_secret {
	uint16_t len;
	uint8_t secret[SL_MSG_SECRET_MAX];
	uint16_t realm;
};

/* OAUTH_KEY: a key shared with the authorisation server (RFC 7635 4.1, 9). */
enum sl_oauth_algorithm { SL_OAUTH_A256GCM = 1, SL_OAUTH_A128GCM };
struct sl_cmd_oauth_key {
	uint16_t realm;
	uint8_t algorithm; /* enum sl_oauth_algorithm */
	uint8_t kid_len;
	char kid[SL_MSG_KID_MAX]; /* what a client sends as USERNAME */
	uint8_t key[32];          /* AS-RS key: 32 or 16 bytes by the algorithm */
	uint64_t not_before_unix_s, not_after_unix_s; /* 0 = without an end */
};

/* ALTERNATE: where clients are sent (300, ALTERNATE-SERVER). Its transport is the one that the client came by. */
struct sl_cmd_alternate {
	struct sl_endpoint server;
	uint16_t realm;  /* SL_TURN_ANY_REALM */
	uint8_t transport; /* enum sl_turn_transport: for clients of this transport */
	uint8_t weight;  /* 0..100: 0 = not now (it is full, or does not answer) */
};

/* RESTRICTED: who may only be relayed (allocations are marked and counted). In a draft, or alone; remove only alone. */
struct sl_cmd_restricted {
	uint8_t kind;      /* enum sl_restricted_kind */
	uint8_t remove;
	uint16_t realm;    /* of the account; SL_TURN_ANY_REALM */
	uint8_t prefix_len; /* of the 16-byte form */
	uint8_t pad;
	uint16_t name_len;
	struct sl_ip ip;
	char name[SL_MSG_USERNAME_MAX];
};
enum sl_restricted_kind { SL_RESTRICTED_PREFIX = 1, SL_RESTRICTED_ACCOUNT };

/* TURN_DRAIN: no new allocations; existing ones go on, and are refreshed. New clients are sent to an alternate, or get 508. */
struct sl_cmd_drain {
	uint8_t on;
	uint8_t pad[3];
	uint32_t max_lifetime_s; /* what a Refresh gets at most while it drains; 0 = as ever */
};

/* USER_SET, USER_DELETE (only realm and name are read). A static user of the long-term mechanism; never a password, only what it hashes to
 * (RFC 8489 9.2.2, 18.5.1). */
enum { SL_USER_NO_SHA256 = 1 }; /* key_sha256 is not known: such a user is let in by MD5 alone */
struct sl_cmd_user {
	uint16_t name_len; /* bytes, 1..508; OpaqueString as received, compared byte for byte */
	char name[SL_MSG_USERNAME_MAX];
	uint8_t key_md5[16];       /* MD5(username ":" realm ":" password) */
	uint8_t key_sha256[32];    /* SHA-256 of the same */
	uint8_t userhash[32];      /* SHA-256(username ":" realm), RFC 8489 14.4 */
	uint16_t realm;
	uint16_t flags;            /* SL_USER_NO_SHA256 */
};

/* EVENT_TURN_QUOTA (worker, at most once in 10 s and subject): a bandwidth passed its soft limit, or fell below it again. */
enum sl_quota_subject { SL_QUOTA_USER = 1, SL_QUOTA_REALM, SL_QUOTA_NODE };
struct sl_evt_turn_quota {
	uint8_t subject;    /* enum sl_quota_subject */
	uint8_t direction;  /* 0 to peers, 1 to clients */
	uint8_t over;       /* 1 over, 0 below again */
	uint8_t worker;
	uint16_t realm;
	uint16_t username_len;
	uint32_t kbps, soft_kbps;
	char username[128]; /* of USER, cut to fit */
};

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The configuration file (libconfig), read by both programs: one immutable object per load. Every option is documented
 * in config/sluice.conf.sample, and a test loads the samples. Unknown options are errors, so that a typo never passes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"

enum {
	SL_CONF_MAX_PORTS = 16,
	SL_CONF_MAX_WORKERS = 32,
	SL_CONF_MAX_VLANS = 16,   /* per port */
	SL_CONF_MAX_ADDRESSES = 8, /* per port and VLAN */
	SL_CONF_MAX_LISTENERS = 32,
	SL_CONF_MAX_RELAY = 64,
	SL_CONF_MAX_EAL = 16,
	SL_CONF_MAX_MEDIA_ADDRESSES = 16,
	SL_CONF_MAX_NG_LISTENERS = 8,
	SL_CONF_MAX_NG_ALLOW = 32,
	SL_CONF_MAX_SIP_LISTENERS = 16,
	SL_CONF_MAX_CERTIFICATES = 16, /* of a listener, beside its default one */
	SL_CONF_MAX_NAMESERVERS = 4,
	SL_CONF_MAX_PROXIES = 16,
	SL_CONF_MAX_ALTERNATES = 16,
	SL_CONF_MAX_USER_SOURCES = 4,
	SL_CONF_NAME_MAX = 15, /* fits an interface name */
	SL_CONF_RELAY_BLOCK = 256, /* relay ports go to workers in aligned blocks of this size */
};

enum sl_conf_tristate { SL_AUTO, SL_YES, SL_NO };
enum sl_conf_idle { SL_IDLE_POLL, SL_IDLE_ADAPTIVE };

/* One L3 interface: a port's untagged side (vlan 0) or one VLAN on it, each with its own exception TAP. */
struct sl_conf_interface {
	uint16_t vlan;
	char tap[SL_CONF_NAME_MAX + 1];
	unsigned n_addresses;
	struct {
		struct sl_ip ip;
		uint8_t prefix_len; /* of the 16-byte form */
	} addresses[SL_CONF_MAX_ADDRESSES]; /* put on the TAP at start, if the operator wants Sluice to do it */
};

struct sl_conf_port {
	char name[SL_CONF_NAME_MAX + 1];
	char *device;     /* EAL device string: "0000:03:00.0", "net_af_packet0,iface=eth1", "net_memif0,role=client,..." */
	unsigned queues;  /* 0 = one per worker, as far as the device has them */
	uint16_t mtu;     /* 0 = the device's */
	uint16_t rx_descriptors, tx_descriptors;
	enum sl_conf_tristate checksum_offload; /* SL_NO = always in software */
	bool silence;     /* af_packet, af_xdp: keep the kernel from answering the same frames; default true */
	unsigned n_interfaces; /* [0] is the untagged one */
	struct sl_conf_interface interfaces[1 + SL_CONF_MAX_VLANS];
};

struct sl_conf_dataplane {
	unsigned n_workers;
	uint16_t worker_cores[SL_CONF_MAX_WORKERS];
	uint16_t housekeeper_core;
	enum sl_conf_tristate hugepages;
	unsigned memory_mb;        /* for packet buffers and tables */
	enum sl_conf_idle idle;
	unsigned n_ports;
	struct sl_conf_port ports[SL_CONF_MAX_PORTS];
	unsigned n_eal;
	char *eal[SL_CONF_MAX_EAL]; /* further EAL arguments */
	char *socket;              /* UNIX socket of the contract */
	char *run_as;              /* user the working half drops to; NULL = stay */
	unsigned max_allocations;  /* whole node, shared evenly by the workers */
	unsigned max_peers;        /* permissions and channels, whole node */
	unsigned exception_pps;    /* packets per second to Linux, per worker */
	unsigned unauthenticated_pps; /* error answers per second to requests without credentials, per worker */
	unsigned fragment_datagrams;  /* datagrams in reassembly, per worker */
	unsigned fragment_per_source; /* of which from one source */
	unsigned fragment_timeout_ms;
};

struct sl_conf_user {
	char *name;
	char *password;
};

struct sl_conf_peer_rule {
	struct sl_prefix prefix;
	bool allow;
};

/* PEM files: a certificate with its chain, and its key. */
struct sl_conf_certificate {
	char *certificate, *key;
};

/* A listener that is more than an address: its index is the one in sl_conf_turn.listeners. */
struct sl_conf_turn_listener {
	unsigned transport;                 /* enum sl_turn_transport (dataplane/abi/msg_turn.h) */
	char *certificate, *key;            /* TLS, DTLS; PEM, full chain */
	unsigned n_certificates;            /* further ones: a client that names one of their hosts sees that one */
	struct sl_conf_certificate certificates[SL_CONF_MAX_CERTIFICATES];
	unsigned n_proxies;                 /* from these a PROXY v2 header comes first, and is believed; from others none may */
	struct sl_prefix proxies[SL_CONF_MAX_PROXIES];
};

/* 1,000 bit/s of application data, [0] to peers, [1] to clients; 0 = no limit. */
struct sl_conf_bandwidth {
	unsigned hard_kbps[2], soft_kbps[2];
};

struct sl_conf_oauth_key {
	char *kid;
	unsigned algorithm;     /* enum sl_oauth_algorithm */
	uint8_t key[32];
	uint64_t not_before_unix_s, not_after_unix_s; /* 0 = without an end */
};

/* [0] is the default one, from the group's own options; the others are of the list "realms". */
struct sl_conf_turn_realm {
	char *name;
	unsigned n_users;
	struct sl_conf_user *users;
	unsigned n_secrets;
	char **secrets;         /* all are accepted; the first one makes credentials (POST /v1/turn/credentials) */
	uint32_t listeners;     /* bit i: clients of listener i */
	unsigned n_server_names, n_origins;
	char **server_names, **origins;
	unsigned max_lifetime_s, max_permissions, user_quota, total_quota;
	struct sl_conf_bandwidth session, user, realm;
	unsigned n_peer_rules;  /* before those of all realms */
	struct sl_conf_peer_rule *peer_rules;
	char *authorization_server; /* RFC 7635: offered to clients; NULL = none */
	unsigned n_oauth_keys;
	struct sl_conf_oauth_key *oauth_keys;
};

enum sl_conf_user_source_kind { SL_USERS_SQLITE, SL_USERS_POSTGRESQL, SL_USERS_REDIS };
struct sl_conf_user_source { /* tables as coturn has them; only read */
	unsigned kind;          /* enum above */
	char *connect;          /* a file, a libpq connection string, "redis://[:password@]host[:port][/db]" or a socket's path */
	unsigned refresh_s;     /* between two readings */
};

struct sl_conf_accounting {
	bool database;          /* records in control.database */
	unsigned interval_s;    /* of interim records; 0 = none */
	unsigned retention_days; /* 0 = for ever */
	char *webhook, *webhook_secret; /* URL; signs bodies (HMAC-SHA256). NULL = none */
	char *redis;            /* as in user sources: PUBLISH and SET of coturn's keys. NULL = none */
};

struct sl_conf_alternate {
	struct sl_endpoint server;
	unsigned transport;     /* enum sl_turn_transport */
	char *load_url;         /* of the other's /v1/turn/load; NULL = its weight is what the file says */
	unsigned weight;        /* 1..100 */
};

struct sl_conf_restricted {
	bool account;
	struct sl_prefix prefix;
	char *name, *realm;     /* account; realm NULL = of any */
};

struct sl_conf_turn {
	unsigned n_listeners, n_plain; /* the first n_plain are of the option listen (UDP), the others of listeners */
	struct sl_endpoint listeners[SL_CONF_MAX_LISTENERS];
	struct sl_conf_turn_listener more[SL_CONF_MAX_LISTENERS]; /* of the same index */
	unsigned n_relay;
	struct sl_ip relay[SL_CONF_MAX_RELAY]; /* relay addresses, each with ports relay_port_min..max */
	unsigned n_external; /* relay addresses and listeners that a NAT maps one to one: internal[i] is what clients and peers know as external[i] */
	struct sl_ip internal[SL_CONF_MAX_RELAY], external[SL_CONF_MAX_RELAY];
	uint16_t relay_port_min, relay_port_max; /* multiples of the block size are best; 49152..65535 by default */
	char *software;
	unsigned n_realms;
	struct sl_conf_turn_realm *realms; /* [n_realms] */
	unsigned default_lifetime_s, permission_lifetime_s, channel_lifetime_s, nonce_lifetime_s;
	unsigned total_quota;   /* allocations of the node; 0 = as many as fit */
	struct sl_conf_bandwidth node;
	bool sha256; /* offer PASSWORD-ALGORITHMS */
	bool rfc5766_channels; /* accept channel numbers up to 0x7FFF */
	bool mobility, tcp_relay;
	bool nat_discovery;     /* RFC 5780 on the listeners nat[]: A:P1, A:P2, B:P1, B:P2 */
	uint16_t nat[4];
	unsigned n_peer_rules;
	/* In order of precedence, first match decides; the built-in denials (loopback, private, link-local, multicast,
	 * reserved) follow after them, then allow. */
	struct sl_conf_peer_rule *peer_rules;
	unsigned n_alternates, redirect_above; /* percent; 0 = only while draining */
	struct sl_conf_alternate alternates[SL_CONF_MAX_ALTERNATES];
	unsigned n_restricted;
	struct sl_conf_restricted *restricted;
	unsigned n_user_sources;
	struct sl_conf_user_source user_sources[SL_CONF_MAX_USER_SOURCES];
	struct sl_conf_accounting accounting;
	/* Stream threads: TCP, TLS and DTLS clients. */
	unsigned stream_threads, max_connections, connections_per_source;
	unsigned stream_buffer_kb;   /* towards a client that reads slowly; relayed data beyond it is dropped */
	unsigned stream_memory_mb;   /* of all of them together */
	unsigned stream_wait_s;      /* for a handshake, and then for an allocation */
	unsigned stream_stall_s;     /* a client that reads nothing for so long is cut off */
	char *api_base;              /* what POST /v1/turn/credentials calls this node in urls: a host name; NULL = the listener's address */
};

enum sl_conf_srtp { SL_CONF_SRTP_IPSEC_MB, SL_CONF_SRTP_CRYPTODEV };

/* An address that media ports are opened on. An interface with IPv4 and IPv6 is two of one name. */
struct sl_conf_media_address {
	char interface[SL_CONF_NAME_MAX + 1]; /* "public": what ng's direction and the API name */
	struct sl_ip ip;
	struct sl_ip advertised; /* written into SDP; the same unless a NAT lies before us */
};

/* RTP forwarding, and the ng protocol that steers it. Without the group no address is: media is off. */
struct sl_conf_media {
	unsigned n_addresses;
	struct sl_conf_media_address addresses[SL_CONF_MAX_MEDIA_ADDRESSES];
	uint16_t port_min, port_max; /* of each address; 30000..39999 by default; apart from TURN's on the same address */
	unsigned max_legs;           /* whole node, shared evenly by the workers */
	unsigned max_streams;        /* SSRCs beyond the first of a leg and direction, whole node */
	unsigned max_large_keys;     /* directions at a time with AES-192, AES-256 or GCM keys, whole node */
	unsigned max_sessions;       /* calls; offers beyond get "Parallel session limit reached" */
	unsigned replay_window;      /* packets: 64, 128 ... 1024 */
	enum sl_conf_srtp srtp_backend;
	char *srtp_device;           /* of the cryptodev backend */
	unsigned port_guard_s;       /* until a port is used again */
	unsigned inactivity_s, hold_inactivity_s; /* without media: the session ends; the latter while it is on hold; 0 = never */
	unsigned answer_s;           /* an offer not answered ends after */
	unsigned delete_delay_s;
	unsigned dscp;
	enum sl_conf_tristate recording_pcap; /* recording format: SL_YES pcap, SL_NO wav */
	char *recording_folder, *clip_folder; /* NULL = that is off */
	unsigned n_ng_udp, n_ng_tcp, n_ng_allow;
	struct sl_endpoint ng_udp[SL_CONF_MAX_NG_LISTENERS], ng_tcp[SL_CONF_MAX_NG_LISTENERS];
	struct sl_prefix ng_allow[SL_CONF_MAX_NG_ALLOW]; /* who may steer us beside this machine */
};

enum sl_conf_sip_role {
	SL_SIP_ACCESS,  /* users: digest wanted; NAT is expected */
	SL_SIP_PEERING, /* trunks: a source that is none is refused */
	SL_SIP_CORE,    /* our own network: both, and what is trusted beside them */
};
enum sl_conf_sip_transport { SL_CONF_SIP_UDP, SL_CONF_SIP_TCP, SL_CONF_SIP_TLS }; /* as enum sl_sip_transport */
enum sl_conf_client_certificates { SL_CERT_OFF, SL_CERT_OPTIONAL, SL_CERT_REQUIRED };

struct sl_conf_sip_listener {
	char name[SL_CONF_NAME_MAX + 1];
	unsigned role, transport;          /* enums above */
	struct sl_endpoint address;        /* port 5060, TLS 5061 when none is given */
	struct sl_endpoint advertised;     /* in Via and Contact; the same unless a NAT lies before us */
	char media[SL_CONF_NAME_MAX + 1];  /* media interface of calls on this side */
	char *certificate, *key, *ca_file; /* TLS; certificate: PEM, full chain */
	unsigned n_certificates;           /* further ones: a client that names one of their hosts sees that one */
	struct sl_conf_certificate certificates[SL_CONF_MAX_CERTIFICATES];
	unsigned client_certificates;      /* enum sl_conf_client_certificates */
};

/* SIP. Without the group nothing listens. Needs the group media. */
struct sl_conf_sip {
	unsigned n_listeners;
	struct sl_conf_sip_listener listeners[SL_CONF_MAX_SIP_LISTENERS];
	char *user_agent;              /* Server and User-Agent; empty = none is shown */
	unsigned max_calls;            /* whole node */
	unsigned max_connections;      /* TCP and TLS */
	unsigned trace_mb;             /* of SIP trace; 0 = none */
	unsigned cdr_retention_days;   /* 0 = for ever */
	unsigned keepalive_s;          /* to UDP clients behind NAT; 0 = none */
	unsigned overload_delay_ms;    /* new work is refused when messages wait longer than this */
	unsigned overload_memory_mb;   /* or the process is larger; 0 = no such limit */
	unsigned overload_retry_after_s;
	unsigned auth_failures;        /* of a user within auth_window, then blocked for auth_block */
	unsigned auth_window_s, auth_block_s;
	unsigned t1_ms;                /* RFC 3261 17.1.1.1 */
	unsigned n_nameservers;        /* 0 = those of /etc/resolv.conf */
	struct sl_endpoint nameservers[SL_CONF_MAX_NAMESERVERS];
	unsigned region, node;         /* in ids */
};

enum { SL_CONF_MAX_GUARD_RULES = 32, SL_CONF_MAX_GUARD_FILES = 16 };

/* One of guard.limits: rates in packets a second, 0 = no limit. */
struct sl_conf_guard_rule {
	unsigned guard_class;  /* enum sl_guard_class (dataplane/abi/msg_guard.h) */
	unsigned action;       /* enum sl_guard_action */
	unsigned listener;     /* index into what the class has, SL_GUARD_ANY = all others; the file names it ("listener") */
	unsigned pps[3];       /* source, prefix, wide: enum sl_guard_level */
	unsigned total_pps;
};

struct sl_conf_guard_prefix {
	struct sl_prefix prefix;
	bool allow;
};

/* The guard (dataplane/guard/README.md). Without the group: on, with the limits that the sample shows. */
struct sl_conf_guard {
	bool enabled, dry_run;
	unsigned n_rules;
	struct sl_conf_guard_rule rules[SL_CONF_MAX_GUARD_RULES]; /* the classes' own (built in, or said), then those of listeners */
	unsigned n_prefixes;   /* allow, deny, and what their files hold */
	struct sl_conf_guard_prefix *prefixes;
	unsigned sources;      /* that each worker remembers [restart] */
	unsigned sip_sources;  /* marks of SIP sources, whole node [restart] */
	unsigned again_mb;     /* of each worker: who comes again [restart] */
	unsigned reflection_percent;
	unsigned allocations_per_source, allocations_per_prefix;
	unsigned turn_session_pps, turn_session_kbps, media_session_pps, media_session_kbps, turn_pps, turn_kbps;
	/* The control plane's: */
	unsigned delay_ms;           /* action "delay": how long answers wait */
	unsigned bindings_per_source, bindings_per_prefix, calls_per_source, calls_per_prefix;
	unsigned reputation_ban;     /* a score from which on a source is banned; 0 = never */
	unsigned reputation_half_life_s;
	unsigned weight[6];          /* points of each signal: enum sl_guard_signal */
	unsigned ban_s, ban_max_s;   /* of the first automatic ban; it doubles with each one up to the latter */
	unsigned log_per_minute;     /* lines about sources in the event log */
};

struct sl_conf_control {
	char *api_socket;      /* UNIX socket of the HTTP API */
	bool has_api_tcp;
	struct sl_endpoint api_tcp;
	char *api_token;       /* needed for TCP; read from api_token_file when that is set */
	char *database;        /* SQLite file */
	char *client_name;     /* name at the contract */
};

struct sl_config {
	char *path;
	char *log_level; /* "error", "warning", "info", "debug" */
	struct sl_conf_dataplane dataplane;
	struct sl_conf_turn turn; /* n_listeners 0 = no TURN: the group is missing */
	struct sl_conf_media media;
	struct sl_conf_sip sip;       /* n_listeners 0 = no SIP: the group is missing */
	struct sl_conf_guard guard;
	/* The group "provision" as JSON text, for controlplane/provision (an object with a member "_line" each); NULL = there is none. The dataplane
	 * does not look at it. */
	char *provision;
	struct sl_conf_control control;
};

/* Load and validate path. On success *out is owned by the caller (sl_config_free). On error returns -EINVAL (or the
 * errno of opening), leaves *out NULL, and err holds one line "FILE:LINE: option 'NAME': what is wrong; what is allowed". */
int sl_config_load(const char *path, struct sl_config **out, char *err, size_t err_len);
/* The same, judged for a machine with n_cores cores instead of this one. */
int sl_config_load_for(const char *path, unsigned n_cores, struct sl_config **out, char *err, size_t err_len);
void sl_config_free(struct sl_config *c); /* wipes secrets; NULL is fine */

/* What limits of a class (enum sl_guard_class) call listener i: "192.0.2.1:3478", "tls:192.0.2.1:443", "192.0.2.1", an interface, a SIP listener's name. NULL = there is none.
 * buf: SL_ADDR_TEXT_MAX bytes. */
const char *sl_guard_listener_text(const struct sl_config *c, unsigned guard_class, unsigned i, char *buf);

/* Does the file of c hold passwords, secrets or a token, and may everybody on this machine read it? */
bool sl_config_is_exposed(const struct sl_config *c);

/* Does going from a to b need a restart of the dataplane (ports, workers, listeners, relay addresses, memory)?
 * True, with the option's name in what (what_len bytes). */
bool sl_config_needs_restart(const struct sl_config *a, const struct sl_config *b, char *what, size_t what_len);

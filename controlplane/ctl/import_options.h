/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Every option of coturn's turnserver.conf and command line, 4.6 to 4.17, and what becomes of it. The one list: the translator, its test
 * and controlplane/turn/coturn.md go by it.
 *
 * X(ID, "name", short form or 0, kind of its value, HOW, "what it becomes, or why not")
 *   TO    is written into the configuration; the text names where
 *   SAME  needs nothing: it is so here anyway; the text says why
 *   NOT   cannot be had; the text says why, and what to do
 * */
#define COTURN_OPTIONS(X)                                                                                                                          \
	/* ---- where clients come ---- */                                                                                                         \
	X(LISTENING_IP, "listening-ip", 'L', ADDRESS, TO, "turn.listen, turn.listeners")                                                           \
	X(LISTENING_PORT, "listening-port", 'p', PORT, TO, "turn.listen, turn.listeners")                                                          \
	X(TLS_PORT, "tls-listening-port", 0, PORT, TO, "turn.listeners of transport tls and dtls")                                                 \
	X(ALT_PORT, "alt-listening-port", 0, PORT0, TO, "turn.listen, turn.nat_discovery")                                                         \
	X(ALT_TLS_PORT, "alt-tls-listening-port", 0, PORT0, NOT, "NAT discovery (RFC 5780) is by UDP alone; write a further entry of turn.listeners if clients use that port") \
	X(PROXY_PORT, "tcp-proxy-port", 0, PORT, TO, "turn.listeners with proxy_protocol")                                                         \
	X(AUX_SERVER, "aux-server", 0, ENDPOINT, TO, "turn.listen, turn.listeners")                                                                \
	X(LISTENING_DEVICE, "listening-device", 'd', TEXT, TO, "the device of dataplane.ports")                                                    \
	X(SELF_BALANCE, "udp-self-balance", 0, FLAG, SAME, "workers share the packets of every listener")                                          \
	X(NO_UDP, "no-udp", 0, FLAG, TO, "no turn.listen")                                                                                         \
	X(NO_TCP, "no-tcp", 0, FLAG, TO, "no listener of transport tcp")                                                                           \
	X(NO_TLS, "no-tls", 0, FLAG, TO, "no listener of transport tls")                                                                           \
	X(NO_DTLS, "no-dtls", 0, FLAG, TO, "no listener of transport dtls")                                                                        \
	X(DTLS, "dtls", 0, FLAG, TO, "turn.listeners of transport dtls")                                                                           \
	X(HTTP_ANSWER, "respond-http-unsupported", 0, FLAG, NOT, "what is neither STUN nor ChannelData ends the connection, and is counted")       \
	/* ---- relaying ---- */                                                                                                                   \
	X(RELAY_IP, "relay-ip", 'E', ADDRESS, TO, "turn.relay_addresses")                                                                          \
	X(EXTERNAL_IP, "external-ip", 'X', EXTERNAL, TO, "turn.external_addresses")                                                            \
	X(RELAY_DEVICE, "relay-device", 'i', TEXT, NOT, "relay addresses are of dataplane.ports; routes decide which one a packet leaves by")      \
	X(MIN_PORT, "min-port", 0, PORT, TO, "turn.relay_ports")                                                                                   \
	X(MAX_PORT, "max-port", 0, PORT, TO, "turn.relay_ports")                                                                                   \
	X(RELAY_THREADS, "relay-threads", 'm', NUMBER, NOT, "a worker is a core: write dataplane.workers, and turn.stream_threads for TCP, TLS and DTLS") \
	X(CPUS, "cpus", 0, NUMBER, NOT, "a worker is a core: write dataplane.workers")                                                             \
	X(NO_UDP_RELAY, "no-udp-relay", 0, FLAG, NOT, "relaying by UDP cannot be switched off")                                                    \
	X(NO_TCP_RELAY, "no-tcp-relay", 0, FLAG, TO, "turn.tcp_relay")                                                                             \
	X(SERVER_RELAY, "server-relay", 0, FLAG, NOT, "packets without a permission are never relayed (RFC 8656 9)")                               \
	X(KEEP_FAMILY, "keep-address-family", 'K', FLAG, NOT, "without REQUESTED-ADDRESS-FAMILY a relay is IPv4 (RFC 8656 7.2)")                   \
	X(DEFAULT_FAMILY, "allocation-default-address-family", 'A', FAMILY, NOT, "without REQUESTED-ADDRESS-FAMILY a relay is IPv4 (RFC 8656 7.2)") \
	X(MULTIPLEX, "multiplex-peer", 0, FLAG, NOT, "each allocation has a port of its own; add turn.relay_addresses when there are too few")     \
	X(MULTIPLEX_PORT, "multiplex-peer-port", 0, PORT, NOT, "each allocation has a port of its own")                                            \
	X(MULTIPLEX_MAX, "multiplex-peer-max-peers", 0, NUMBER, NOT, "each allocation has a port of its own")                                      \
	X(PORT_SHARING, "port-sharing", 0, FLAG, NOT, "each allocation has a port of its own; add turn.relay_addresses when there are too few")    \
	X(PORT_SHARING_PORT, "port-sharing-port", 0, PORT, NOT, "each allocation has a port of its own")                                           \
	X(MOBILITY, "mobility", 0, FLAG, TO, "turn.mobility")                                                                                      \
	/* ---- who may ---- */                                                                                                                    \
	X(LT_CRED, "lt-cred-mech", 'a', FLAG, SAME, "credentials are always asked for")                                                            \
	X(NO_AUTH, "no-auth", 'z', FLAG, NOT, "a relay for everybody is not offered: make users, or secrets of the REST scheme")                   \
	X(REALM, "realm", 'r', TEXT, TO, "turn.realm")                                                                                             \
	X(USER, "user", 'u', USER, TO, "turn.users")                                                                                               \
	X(USE_SECRET, "use-auth-secret", 0, FLAG, SAME, "secrets are accepted wherever there are some")                                            \
	X(SECRET, "static-auth-secret", 0, TEXT, TO, "turn.secrets")                                                                               \
	X(SEPARATOR, "rest-api-separator", 'C', SEPARATOR, NOT, "the expiry ends at the first colon")                                              \
	X(OAUTH, "oauth", 0, FLAG, TO, "turn.oauth, with keys of turn.user_sources")                                                               \
	X(SERVER_NAME, "server-name", 0, TEXT, TO, "turn.oauth.server_name")                                                                       \
	X(USERDB, "userdb", 'b', PATH, TO, "turn.user_sources")                                                                                    \
	X(DB, "db", 0, PATH, TO, "turn.user_sources")                                                                                              \
	X(PSQL, "psql-userdb", 'e', TEXT, TO, "turn.user_sources")                                                                                 \
	X(SQL, "sql-userdb", 0, TEXT, TO, "turn.user_sources")                                                                                     \
	X(MYSQL, "mysql-userdb", 'M', TEXT, NOT, "MySQL is not read: keep the tables in SQLite, PostgreSQL or Redis")                              \
	X(MONGO, "mongo-userdb", 'J', TEXT, NOT, "MongoDB is not read: keep the tables in SQLite, PostgreSQL or Redis")                            \
	X(REDIS, "redis-userdb", 'N', REDIS, TO, "turn.user_sources")                                                                              \
	X(SECRET_KEY_FILE, "secret-key-file", 0, TEXT, NOT, "it is about MySQL's password, and MySQL is not read")                                 \
	X(NO_PINGS, "no-auth-pings", 0, FLAG, SAME, "a source is read every refresh seconds, and reconnected when it is gone")                     \
	X(NO_DYNAMIC_PEERS, "no-dynamic-ip-list", 0, FLAG, NOT, "rules of peers are read with the other tables of turn.user_sources")              \
	X(NO_DYNAMIC_REALMS, "no-dynamic-realms", 0, FLAG, NOT, "realms are read with the other tables of turn.user_sources")                      \
	X(ORIGIN_CONSISTENCY, "check-origin-consistency", 0, FLAG, SAME, "a client with an allocation belongs to its realm, whatever ORIGIN it sends") \
	X(STALE_NONCE, "stale-nonce", 0, SECONDS0, TO, "turn.nonce_lifetime")                                                                      \
	X(STATELESS_NONCE, "stateless-nonce", 0, FLAG, SAME, "nonces carry their own proof; nothing is kept for a client that is not known")       \
	X(STATELESS_NONCE_SECRET, "stateless-nonce-secret", 0, TEXT, NOT, "the key of nonces is drawn at each start")                              \
	X(SECURE_STUN, "secure-stun", 0, FLAG, NOT, "Binding is answered without credentials; guard.limits of class stun bound it")                \
	X(RATELIMIT, "unauthorized-ratelimit", 0, FLAG, SAME, "clients without an allocation are limited by source, prefix and in all: guard.limits of class stun") \
	X(RATELIMIT_RPS, "unauthorized-ratelimit-rps", 0, NUMBER, NOT, "guard.limits of class stun count packets of a source, not its answers: write source there") \
	/* ---- limits ---- */                                                                                                                     \
	X(USER_QUOTA, "user-quota", 'q', NUMBER, TO, "turn.user_quota")                                                                            \
	X(TOTAL_QUOTA, "total-quota", 'Q', NUMBER, TO, "turn.realm_quota")                                                                         \
	X(MAX_BPS, "max-bps", 's', NUMBER, TO, "turn.bandwidth.session")                                                                           \
	X(BPS_CAPACITY, "bps-capacity", 'B', NUMBER, TO, "turn.bandwidth.node")                                                                    \
	X(MAX_LIFETIME, "max-allocate-lifetime", 0, SECONDS, TO, "turn.max_lifetime")                                                              \
	X(CHANNEL_LIFETIME, "channel-lifetime", 0, SECONDS, TO, "turn.channel_lifetime")                                                           \
	X(PERMISSION_LIFETIME, "permission-lifetime", 0, SECONDS, TO, "turn.permission_lifetime")                                                  \
	X(ALLOCATE_TIMEOUT, "max-allocate-timeout", 0, SECONDS, TO, "turn.stream_wait")                                                            \
	X(ALLOWED_PEER, "allowed-peer-ip", 0, RANGE, TO, "turn.peers")                                                                             \
	X(DENIED_PEER, "denied-peer-ip", 0, RANGE, TO, "turn.peers")                                                                               \
	X(NO_MULTICAST, "no-multicast-peers", 0, FLAG, SAME, "multicast is never relayed to")                                                      \
	X(NO_LOOPBACK, "no-loopback-peers", 0, FLAG, SAME, "loopback is never relayed to")                                                         \
	X(ALLOW_LOOPBACK, "allow-loopback-peers", 0, FLAG, NOT, "no port of the dataplane leads to this machine's loopback")                       \
	/* ---- STUN ---- */                                                                                                                       \
	X(FINGERPRINT, "fingerprint", 'f', FLAG, SAME, "who sends FINGERPRINT gets it, in every answer")                                           \
	X(STUN_ONLY, "stun-only", 'S', FLAG, NOT, "TURN cannot be switched off; without users, secrets and sources nobody can allocate")           \
	X(NO_STUN, "no-stun", 0, FLAG, NOT, "Binding is part of what ICE asks a TURN server")                                                      \
	X(NO_SOFTWARE, "no-software-attribute", 0, FLAG, TO, "turn.software")                                                                      \
	X(SOFTWARE, "software-attribute", 0, FLAG, TO, "turn.software")                                                                            \
	X(RFC5780, "rfc5780", 0, FLAG, TO, "turn.nat_discovery")                                                                                   \
	X(NO_RFC5780, "no-rfc5780", 0, FLAG, TO, "turn.nat_discovery")                                                                             \
	X(NO_STUN_BACKWARD, "no-stun-backward-compatibility", 0, FLAG, SAME, "a request without the magic cookie is no STUN here")                 \
	X(STUN_BACKWARD, "stun-backward-compatibility", 0, FLAG, NOT, "RFC 3489's STUN is not spoken")                                             \
	X(RFC3489, "rfc3489-compatibility", 0, FLAG, NOT, "RFC 3489's STUN is not spoken")                                                         \
	X(RESPONSE_ORIGIN, "response-origin-only-with-rfc5780", 0, FLAG, SAME, "RESPONSE-ORIGIN comes with NAT discovery alone")                   \
	X(RFC5766_CHANNELS, "rfc5766-channel-numbers", 0, FLAG, TO, "turn.rfc5766_channels")                                                       \
	X(REASON, "include-reason-string", 0, FLAG, SAME, "an error names its reason")                                                             \
	X(DROP_INVALID, "drop-invalid-packets", 0, FLAG, SAME, "what is malformed is dropped and counted")                                         \
	X(DROP_INVALID_LOG, "drop-invalid-packets-log", 0, FLAG, NOT, "it is counted by reason instead: sluicectl counters, sluicectl guard top")  \
	/* ---- TLS ---- */                                                                                                                        \
	X(CERT, "cert", 0, PATH, TO, "turn.listeners' certificate")                                                                                \
	X(PKEY, "pkey", 0, PATH, TO, "turn.listeners' key")                                                                                        \
	X(PKEY_PWD, "pkey-pwd", 0, TEXT, NOT, "a key must not be encrypted: openssl pkey -in OLD -out NEW, mode 640, group sluice")                \
	X(RPK, "raw-public-keys", 0, FLAG, NOT, "clients of WebRTC check certificates (RFC 7250 is not offered)")                                  \
	X(CIPHER_LIST, "cipher-list", 0, TEXT, NOT, "TLS 1.2 has forward-secret suites alone, TLS 1.3 its own")                               \
	X(CA_FILE, "CA-file", 0, TEXT, NOT, "clients show no certificate; they authenticate by TURN's credentials")                                \
	X(EC_CURVE, "ec-curve-name", 0, TEXT, NOT, "OpenSSL chooses among the curves that the client offers")                                      \
	X(DH_FILE, "dh-file", 0, TEXT, SAME, "OpenSSL has the parameters that it needs")                                                              \
	X(DH566, "dh566", 0, FLAG, SAME, "OpenSSL has the parameters that it needs")                                                                  \
	X(DH1066, "dh1066", 0, FLAG, SAME, "OpenSSL has the parameters that it needs")                                                                \
	X(DH2066, "dh2066", 0, FLAG, SAME, "OpenSSL has the parameters that it needs")                                                                \
	X(NO_SSLV2, "no-sslv2", 0, FLAG, SAME, "TLS is 1.2 and 1.3, DTLS 1.2")                                                                      \
	X(NO_SSLV3, "no-sslv3", 0, FLAG, SAME, "TLS is 1.2 and 1.3, DTLS 1.2")                                                                      \
	X(NO_TLSV1, "no-tlsv1", 0, FLAG, SAME, "TLS is 1.2 and 1.3, DTLS 1.2")                                                                      \
	X(NO_TLSV1_1, "no-tlsv1_1", 0, FLAG, SAME, "TLS is 1.2 and 1.3, DTLS 1.2")                                                                  \
	X(NO_TLSV1_2, "no-tlsv1_2", 0, FLAG, NOT, "TLS 1.2 stays beside 1.3")                                                                      \
	X(TLSV1, "tlsv1", 0, FLAG, NOT, "TLS 1.0 is broken; 1.2 and 1.3 are offered")                                                              \
	X(TLSV1_1, "tlsv1_1", 0, FLAG, NOT, "TLS 1.1 is broken; 1.2 and 1.3 are offered")                                                          \
	X(ACME, "acme-redirect", 0, TEXT, NOT, "a certificate is renewed by whoever has port 80; then systemctl reload sluice-dataplane")          \
	/* ---- other servers ---- */                                                                                                              \
	X(ALTERNATE, "alternate-server", 0, ALTERNATE, TO, "turn.alternates of udp and tcp, for clients that come while this node drains or is full") \
	X(TLS_ALTERNATE, "tls-alternate-server", 0, ALTERNATE, TO, "turn.alternates of tls and dtls, for clients that come while this node drains or is full") \
	X(UDP_ALTERNATE, "udp-alternate-server", 0, ALTERNATE, TO, "turn.alternates of udp, for clients that come while this node drains or is full") \
	X(TCP_ALTERNATE, "tcp-alternate-server", 0, ALTERNATE, TO, "turn.alternates of tcp, for clients that come while this node drains or is full") \
	X(DRAIN_MIN, "drain-min-allocations", 0, NUMBER, NOT, "sluicectl turn drain status shows how many are left; stopping is yours")                   \
	/* ---- records, logs, management ---- */                                                                                                  \
	X(REDIS_STATS, "redis-statsdb", 'O', REDIS, TO, "turn.accounting.redis")                                                                   \
	X(PROMETHEUS, "prometheus", 0, FLAG, SAME, "GET /metrics of the API, by its socket; by TCP with control.api_tcp")                          \
	X(PROMETHEUS_PORT, "prometheus-port", 0, PORT, NOT, "metrics are the API's: control.api_tcp, with a token")                                \
	X(PROMETHEUS_ADDRESS, "prometheus-address", 0, TEXT, NOT, "metrics are the API's: control.api_tcp, with a token")                          \
	X(PROMETHEUS_PATH, "prometheus-path", 0, TEXT, NOT, "the path is /metrics")                                                                \
	X(PROMETHEUS_USERS, "prometheus-username-labels", 0, FLAG, NOT, "one series a user is memory without bound; records of users are turn.accounting's") \
	X(VERBOSE, "verbose", 'v', FLAG, TO, "log_level")                                                                                          \
	X(VERY_VERBOSE, "Verbose", 'V', FLAG, TO, "log_level")                                                                                     \
	X(LOG_MIN, "log-min-level", 0, TEXT, TO, "log_level")                                                                                      \
	X(LOG_FILE, "log-file", 'l', TEXT, NOT, "logs go to standard error, and from there to the journal")                                        \
	X(NO_STDOUT, "no-stdout-log", 0, FLAG, NOT, "logs go to standard error, and from there to the journal")                                    \
	X(SYSLOG, "syslog", 0, FLAG, SAME, "the journal passes logs on to syslog where there is one")                                              \
	X(SYSLOG_FACILITY, "syslog-facility", 0, TEXT, NOT, "SyslogFacility= of the systemd units says it")                                        \
	X(SIMPLE_LOG, "simple-log", 0, FLAG, SAME, "there is no log file to roll over")                                                            \
	X(LOG_TIME, "new-log-timestamp", 0, FLAG, SAME, "the journal has the time of each line")                                                   \
	X(LOG_TIME_FORMAT, "new-log-timestamp-format", 0, TEXT, NOT, "journalctl --output says how times are shown")                               \
	X(LOG_BINDING, "log-binding", 0, FLAG, NOT, "packets are counted, not logged")                                                             \
	X(CLI, "cli", 0, FLAG, SAME, "sluicectl, by the API's socket")                                                                             \
	X(NO_CLI, "no-cli", 0, FLAG, SAME, "the API's socket is a file; its mode says who may")                                                    \
	X(CLI_IP, "cli-ip", 0, TEXT, NOT, "there is no telnet; other machines use control.api_tcp, with a token")                                  \
	X(CLI_PORT, "cli-port", 0, PORT, NOT, "there is no telnet; other machines use control.api_tcp, with a token")                              \
	X(CLI_PASSWORD, "cli-password", 0, TEXT, NOT, "there is no telnet; the API has tokens")                                                    \
	X(CLI_MAX, "cli-max-output-sessions", 0, NUMBER, NOT, "sluicectl allocations has --limit and --offset")                                    \
	X(WEB_ADMIN, "web-admin", 0, FLAG, NOT, "the API and sluicectl do it")                                                                     \
	X(WEB_ADMIN_IP, "web-admin-ip", 0, TEXT, NOT, "the API and sluicectl do it")                                                               \
	X(WEB_ADMIN_PORT, "web-admin-port", 0, PORT, NOT, "the API and sluicectl do it")                                                           \
	X(WEB_ADMIN_WORKERS, "web-admin-listen-on-workers", 0, FLAG, NOT, "the API and sluicectl do it")                                           \
	X(DAEMON, "daemon", 'o', FLAG, SAME, "systemd starts both programs")                                                                       \
	X(PIDFILE, "pidfile", 0, TEXT, SAME, "systemd knows the processes")                                                                        \
	X(PROC_USER, "proc-user", 0, TEXT, NOT, "the units run as user sluice: User= says it")                                                     \
	X(PROC_GROUP, "proc-group", 0, TEXT, NOT, "the units run as group sluice: Group= says it")                                                 \
	X(ENGINE, "ne", 0, NUMBER, SAME, "there is one kind of worker")                                                                            \
	X(SOCK_BUF, "sock-buf-size", 0, NUMBER, SAME, "UDP has no kernel sockets; dataplane.ports has rx_descriptors")                             \
	X(RECVMMSG, "udp-recvmmsg", 0, FLAG, SAME, "packets come in bursts from the port")                                                         \
	X(RECVMMSG_LOG, "udp-recvmmsg-log", 0, FLAG, NOT, "sluicectl workers shows how full bursts are")                                           \
	X(GSO, "udp-gso", 0, FLAG, SAME, "packets leave in bursts by the port")                                                                    \
	X(CONFIG_FILE, "config-file", 'c', TEXT, NOT, "import that file as well")                                                                  \
	X(NO_CONFIG, "no-config", 'n', FLAG, SAME, "what is imported is this file alone")                                                          \
	X(VERSION, "version", 0, FLAG, SAME, "it is for the command line")                                                                         \
	X(HELP, "help", 'h', FLAG, SAME, "it is for the command line")

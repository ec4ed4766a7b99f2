/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Names of everything the dataplane counts, once: these lists make the enums, the shared-memory layout, the
 * Prometheus and sluicectl names, the docs table and a test. Append only; a change alters the layout hash. */

#include <stdint.h>

/* X(name, help): per worker. Writer: that worker. Readers: anyone who maps the region (relaxed loads). */
#define SL_WORKER_COUNTERS(X)                                                                                \
	X(loops, "polling rounds")                                                                           \
	X(busy_rounds, "polling rounds that found work")                                                     \
	X(busy_cycles, "TSC cycles spent in rounds that found work")                                         \
	X(idle_cycles, "TSC cycles spent in rounds that found nothing, and asleep")                          \
	X(rx_packets, "packets received from ports")                                                         \
	X(tx_packets, "packets given to ports")                                                              \
	X(relayed_to_peer_packets, "packets relayed from clients to peers")                                  \
	X(relayed_to_peer_bytes, "application bytes relayed from clients to peers")                          \
	X(relayed_to_client_packets, "packets relayed from peers to clients")                                \
	X(relayed_to_client_bytes, "application bytes relayed from peers to clients")                        \
	X(hairpin, "relayed packets whose next hop was one of our own relay ports")                          \
	X(handoff_known_out, "packets of known flows handed to their owner")                                 \
	X(handoff_unknown_out, "packets of unknown flows handed to their owner")                             \
	X(handoff_known_in, "packets of known flows received from another worker")                           \
	X(handoff_unknown_in, "packets of unknown flows received from another worker")                       \
	X(tx_proxied, "packets sent through another worker's transmit queue")                                \
	X(exception_out, "packets passed to Linux")                                                          \
	X(exception_in, "packets taken from Linux")                                                          \
	X(fragments_in, "IP fragments received for claimed addresses")                                       \
	X(reassembled, "datagrams reassembled")                                                              \
	X(fragmented, "datagrams sent as fragments because they exceeded the MTU")                           \
	X(too_big_sent, "ICMP fragmentation-needed and ICMPv6 packet-too-big messages sent")                 \
	X(neighbour_held, "packets held while Linux resolved the next hop")                                  \
	X(stun_requests, "STUN and TURN requests received")                                                  \
	X(stun_success, "success responses sent")                                                            \
	X(stun_errors, "error responses sent")                                                               \
	X(allocations_created, "allocations created")                                                        \
	X(allocations_refreshed, "allocations refreshed")                                                    \
	X(allocations_expired, "allocations ended by their lifetime")                                        \
	X(allocations_deleted, "allocations ended by the client or an operator")                             \
	X(allocations_restored, "allocations taken up from cold records at start")                           \
	X(allocations_active, "allocations now (gauge)")                                                     \
	X(permissions_active, "permissions and channels now (gauge)")                                        \
	X(events_lost, "events not delivered because a client's ring was full")                              \
	X(commands, "commands carried out")                                                                  \
	X(commands_refused, "commands refused: a field was out of range")                                    \
	X(ring_corrupt, "a client's ring indices were out of range; the client was cut off")                 \
	X(rtp_in_packets, "RTP packets received for media legs")                                             \
	X(rtp_in_bytes, "RTP bytes received for media legs")                                                 \
	X(rtp_out_packets, "RTP packets sent from media legs")                                               \
	X(rtp_out_bytes, "RTP bytes sent from media legs")                                                   \
	X(rtcp_in_packets, "RTCP packets received for media legs")                                           \
	X(rtcp_out_packets, "RTCP packets sent from media legs")                                             \
	X(srtp_protected, "RTP packets encrypted")                                                           \
	X(srtp_unprotected, "RTP packets authenticated and decrypted")                                       \
	X(srtcp_protected, "RTCP packets encrypted")                                                         \
	X(srtcp_unprotected, "RTCP packets authenticated and decrypted")                                     \
	X(media_learned, "remote media addresses learned")                                                   \
	X(media_copies, "copies made because a leg has several routes")                                      \
	X(media_handed_over, "media packets given to the worker of the leg that sends them")                 \
	X(playout_packets, "RTP packets made from clips")                                                    \
	X(dtmf_received, "RFC 4733 events received")                                                         \
	X(dtmf_sent, "RFC 4733 events generated")                                                            \
	X(tap_packets, "packets copied to taps")                                                             \
	X(tap_lost, "tap copies lost because a bulk ring was full")                                          \
	X(legs_created, "media legs created")                                                                \
	X(legs_deleted, "media legs ended")                                                                  \
	X(legs_restored, "media legs taken up again after a restart")                                        \
	X(legs_inactive, "media legs reported inactive")                                                     \
	X(legs_active, "media legs now (gauge)")                                                             \
	X(guard_known, "packets of known sessions and marked sources, charged nowhere by the guard")         \
	X(guard_unknown, "packets of strangers, charged to their source by the guard")                       \
	X(guard_over, "times that a source or prefix went over its limit")                                   \
	X(guard_challenges, "answers to requests without authentication")                                    \
	X(guard_challenge_bytes, "bytes of those answers on the wire, IP header included")                   \
	X(guard_challenged_bytes, "bytes of the requests they answered")                                     \
	X(guard_allocations_refused, "TURN allocations refused (486): the source or its prefix has its full number") \
	X(guard_came_again, "strangers let through beyond a total because they came again")                  \
	X(guard_samples, "dropped packets copied for an operator")                                           \
	X(guard_samples_lost, "copies lost because a bulk ring was full")                                    \
	X(exception_known, "packets of marked sources passed to Linux")                                     \
	X(stream_frames_in, "frames from TCP, TLS and DTLS clients")                                        \
	X(stream_frames_out, "frames to TCP, TLS and DTLS clients")                                         \
	X(allocations_refused_quota, "allocations refused (486): the user, realm or node has its full number") \
	X(allocations_refused_capacity, "allocations refused (508): no room, no port, or draining")         \
	X(allocations_redirected, "clients sent to an alternate server (300)")                              \
	X(allocations_restricted, "allocations made for who may only be relayed")                           \
	X(allocations_restricted_active, "of these, now (gauge)")                                           \
	X(allocations_moved, "allocations that followed their client to another address (RFC 8016)")        \
	X(allocations_tcp_active, "allocations with a TCP relayed address now (gauge, RFC 6062)")           \
	X(icmp_to_client, "ICMP errors of peers told to clients as Data indications (RFC 8656 11.5)")       \
	X(oauth_accepted, "requests authenticated by an access token (RFC 7635)")                           \
	X(nat_discovery, "Binding requests that asked for another address or port (RFC 5780)")

/* X(name, help): why a packet was dropped. Every drop has exactly one of these. */
#define SL_DROP_REASONS(X)                                                                                   \
	X(truncated, "frame shorter than its headers or lengths say")                                        \
	X(bad_ether, "not addressed to this port, or an Ethernet type nobody handles")                       \
	X(bad_vlan, "VLAN tag not configured on the port")                                                   \
	X(bad_ip_header, "IP version, header length or total length wrong")                                  \
	X(bad_ip_checksum, "IPv4 header checksum wrong")                                                     \
	X(bad_l4_checksum, "UDP checksum wrong on a message for the relay itself")                           \
	X(bad_source, "source address that cannot be a sender: loopback, multicast, broadcast, our own")     \
	X(ip_options, "IPv4 options or IPv6 extension headers on a claimed packet")                          \
	X(fragment_table_full, "no room to reassemble another datagram")                                     \
	X(fragment_source_cap, "source has too many datagrams in reassembly")                                \
	X(fragment_timeout, "fragments whose datagram was not completed in time")                            \
	X(fragment_bad, "overlapping, oversized or inconsistent fragments")                                  \
	X(not_claimed_limit, "packets for Linux beyond the exception rate")                                  \
	X(exception_ring_full, "packets for Linux that the housekeeper could not keep up with")              \
	X(not_stun, "packet to a TURN listener that is neither STUN nor ChannelData")                        \
	X(stun_malformed, "STUN message that cannot be parsed")                                              \
	X(stun_fingerprint, "STUN message whose FINGERPRINT is wrong")                                       \
	X(stun_unexpected, "STUN response, or an indication or method not served")                           \
	X(unauthenticated_limit, "unauthenticated requests beyond the answer rate")                          \
	X(not_ready, "request that needs credentials before the control plane has provisioned them")         \
	X(no_allocation, "ChannelData, Send or relayed packet without an allocation")                        \
	X(no_permission, "packet from or to a peer without a permission")                                    \
	X(no_channel, "ChannelData on a channel that is not bound")                                          \
	X(channel_malformed, "ChannelData whose length field exceeds the datagram")                          \
	X(peer_forbidden, "peer address denied by policy")                                                   \
	X(send_malformed, "Send indication without a usable peer or data")                                   \
	X(hairpin_limit, "packet that turned inside the dataplane more often than allowed")                  \
	X(no_route, "no route to the destination")                                                           \
	X(neighbour_unresolved, "next hop not resolved in time")                                             \
	X(neighbour_queue_full, "too many packets waiting for next hops")                                    \
	X(too_big, "packet over the egress MTU that may not be fragmented")                                  \
	X(no_mbuf, "no packet buffer left")                                                                  \
	X(tx_full, "transmit queue full")                                                                    \
	X(handoff_known_full, "hand-off ring for known flows full")                                          \
	X(handoff_unknown_full, "hand-off ring for unknown flows full")                                      \
	X(internal, "cannot happen: report it")                                                               \
	X(ttl_expired, "relayed packet whose TTL or hop limit ran out")                                      \
	X(media_no_leg, "packet to a media port that no leg has")                                            \
	X(media_stranger, "media from a source that the leg's policy does not accept")                       \
	X(media_no_route, "media of a leg with no route, or whose target's address is not known yet")        \
	X(media_blocked, "media blocked, silenced or displaced by a clip on request")                        \
	X(media_unexpected, "packet on a media port that is neither RTP nor RTCP")                           \
	X(media_stale, "media handed over for a leg that ended meanwhile")                                   \
	X(rtp_malformed, "RTP header, extension or padding that does not fit its packet")                    \
	X(rtp_ssrc_limit, "packet of yet another SSRC on a leg that has its full number")                    \
	X(rtcp_malformed, "RTCP compound packet that cannot be parsed")                                      \
	X(srtp_short, "packet too short for the leg's SRTP or SRTCP")                                        \
	X(srtp_auth, "SRTP or SRTCP packet that does not authenticate")                                      \
	X(srtp_mki, "SRTP or SRTCP packet whose MKI names no key of the leg")                                \
	X(srtp_replay, "SRTP or SRTCP packet seen before, or older than the replay window")                  \
	X(srtp_key_expired, "packet for a leg whose key's lifetime or index space is used up")               \
	X(srtp_reused, "packet that would have been encrypted under an index already used")                  \
	X(srtp_no_key, "packet for a leg that must be encrypted and has no key")                              \
	X(vlan_stacked, "frame with more than one VLAN tag")                                                  \
	X(sip_malformed, "datagram to a SIP listener that does not begin like SIP")                           \
	X(guard_denied, "source in a denied prefix")                                                          \
	X(guard_banned, "source banned by itself")                                                            \
	X(guard_source_limit, "stranger's address over its limit")                                            \
	X(guard_prefix_limit, "stranger's /24 or /48 over its limit")                                         \
	X(guard_wide_limit, "stranger's /16 or /32 over its limit")                                           \
	X(guard_total_limit, "strangers as a whole over their limit, and this one had not come before")       \
	X(reflection_limit, "answer to an unauthenticated request that would have been too long beside it")   \
	X(session_limit, "packet of a session over its own limit")                                            \
	X(tenant_limit, "packet of a session whose tenant is over its limit")                                 \
	X(quota_limit, "packet beyond the bandwidth of its user, realm or of the node")                       \
	X(stream_ring_full, "frame for a stream client whose thread could not keep up")                       \
	X(stream_malformed, "frame of a stream client that is neither STUN nor ChannelData")                  \
	X(icmp_unrelated, "ICMP error to a relay address that no packet of an allocation caused")

enum sl_worker_counter {
#define X(name, help) SL_C_##name,
	SL_WORKER_COUNTERS(X)
#undef X
	SL_N_WORKER_COUNTERS
};

enum sl_drop {
#define X(name, help) SL_DROP_##name,
	SL_DROP_REASONS(X)
#undef X
	SL_N_DROPS
};

/* X(name, help): per worker and port. Writer: that worker. */
#define SL_PORT_COUNTERS(X)                                                                                  \
	X(rx_packets, "packets received")                                                                    \
	X(rx_bytes, "bytes received, Ethernet header included")                                              \
	X(tx_packets, "packets transmitted")                                                                 \
	X(tx_bytes, "bytes transmitted, Ethernet header included")                                           \
	X(tx_full, "packets dropped because the transmit queue was full")

enum sl_port_counter {
#define X(name, help) SL_P_##name,
	SL_PORT_COUNTERS(X)
#undef X
	SL_N_PORT_COUNTERS
};

/* X(name, help): of all stream threads together (dataplane/stream). Writer: the housekeeper, each second. */
#define SL_STREAM_COUNTERS(X)                                                       \
	X(connections_active, "connections of clients now (gauge)")                 \
	X(connections_taken, "connections taken")                                   \
	X(connections_refused, "connections refused: too many of all, or of one source") \
	X(connections_idle, "connections ended: no allocation within the time for it") \
	X(handshakes, "TLS and DTLS handshakes done")                               \
	X(handshakes_resumed, "of these, resumed sessions")                         \
	X(handshakes_failed, "handshakes failed")                                   \
	X(cookies, "DTLS cookies sent")                                             \
	X(frames_in, "frames from clients")                                         \
	X(frames_out, "frames to clients")                                          \
	X(bytes_in, "bytes of these")                                               \
	X(bytes_out, "bytes of these")                                              \
	X(malformed, "connections ended: neither STUN nor ChannelData, or a bad PROXY header") \
	X(slow_dropped, "relayed frames dropped because the client does not read")  \
	X(slow_ended, "connections ended because the client did not read for long") \
	X(paused, "times that a client's connection was not read because a worker was busy") \
	X(peers_active, "TCP connections to peers now (gauge, RFC 6062)")           \
	X(peer_bytes_in, "bytes from TCP peers")                                    \
	X(peer_bytes_out, "bytes to TCP peers")                                     \
	X(memory_bytes, "buffers of connections now (gauge)")
enum sl_stream_counter {
#define X(name, help) SL_S_##name,
	SL_STREAM_COUNTERS(X)
#undef X
	SL_N_STREAM_COUNTERS
};

struct sl_counter_name {
	const char *name;
	const char *help;
};
extern const struct sl_counter_name sl_worker_counter_names[SL_N_WORKER_COUNTERS];
extern const struct sl_counter_name sl_drop_names[SL_N_DROPS];
extern const struct sl_counter_name sl_port_counter_names[SL_N_PORT_COUNTERS];
extern const struct sl_counter_name sl_stream_counter_names[SL_N_STREAM_COUNTERS];

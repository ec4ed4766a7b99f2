#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Write the requests that no proxy was at hand to send: as Kamailio 5.8 (raw flags), OpenSIPS and JSON clients write them.

Those of Kamailio 5.6 (kamailio56_*) were captured from Debian's and are not made here.
"""
import json
import pathlib

HERE = pathlib.Path(__file__).parent
SDP = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 41100 RTP/AVP 8 101\r\n"
       "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n")


def bencode(x):
    if isinstance(x, int):
        return b"i%de" % x
    if isinstance(x, str):
        x = x.encode()
    if isinstance(x, bytes):
        return b"%d:%s" % (len(x), x)
    if isinstance(x, list):
        return b"l" + b"".join(bencode(i) for i in x) + b"e"
    return b"d" + b"".join(bencode(k) + bencode(v) for k, v in x.items()) + b"e"


def write(name, body):
    (HERE / f"{name}.request").write_bytes(b"0_4711_1 " + body)


CALL = {"call-id": "call-plain@x", "from-tag": "uactag"}


def raw(command, flags, **more):
    """Kamailio 5.8 with a second parameter: flags as they stand in the script."""
    return bencode({"supports": ["load limit"], "sdp": SDP, "call-id": "call-plain@x", **more, "from-tag": "uactag",
                    "command": command, "sip-message-type": "request", "rtpp-flags": flags})


def kamailio58():
    write("kamailio58_offer", raw("offer", "replace-origin replace-session-connection ICE=remove RTP/AVP "
                                  "via-branch=auto-extra", **{"via-branch": "z9hG4bKa1"}))
    write("kamailio58_srtp", raw("offer", "trust-address SRTP AVPF direction=pub direction=priv SDES-off "
                                 "SDES-no-AES_CM_128_HMAC_SHA1_32 rtcp-mux=demux rtcp-mux-offer to-tag internal"))
    write("kamailio58_lists", raw("offer", "codec-strip=[G729 telephone-event] codec=[offer=[PCMA PCMU] except=opus] "
                                  "replace=[origin session-connection] direction=[priv pub] endpoint-learning=delayed "
                                  "received-from=[IP4 192.0.2.7] flags=[strict-source loop-protect] "
                                  "codec-transcode=opus/48000/2 codec-mask-PCMA always-transcode TOS=184"))
    write("kamailio58_override", raw("offer", "call-id=other from-tag=ft to-tag=tt label=L record-call=yes "
                                     "delete-delay=5 media-address=2001:db8::1 address-family=IP6 UDP/TLS/RTP/SAVPF"))
    write("kamailio58_nested_deep", raw("offer", "codec=" + "[a=" * 40 + "x" + "]" * 40 + " origin] ] trust-address ="))
    # The key of the releases between had an underscore.
    write("kamailio57_offer", bencode({"supports": ["load limit"], "sdp": SDP, **CALL, "command": "offer",
                                       "rtpp_flags": "replace-origin symmetric"}))
    write("kamailio58_delete", bencode({"supports": ["load limit"], **CALL, "command": "delete",
                                        "sip-message-type": "request", "rtpp-flags": ""}))


def opensips():
    """OpenSIPS 3.x: its own keys first, received-from always, tags by direction."""
    tail = {"call-id": "call-plain@x", "received-from": ["IP4", "192.0.2.9"], "from-tag": "uactag"}
    write("opensips_offer", bencode({"ICE": "remove", "flags": ["trust-address", "SIP-source-address"],
                                     "replace": ["origin", "session-connection"], "direction": ["pub", "priv"],
                                     "transport-protocol": "RTP/SAVP", "rtcp-mux": ["demux"], "sdp": SDP, **tail,
                                     "command": "offer"}))
    write("opensips_answer", bencode({"replace": ["origin"], "sdp": SDP.replace("41100", "41102"), **tail,
                                      "to-tag": "uastag", "command": "answer"}))
    write("opensips_delete", bencode({**tail, "to-tag": "uastag", "via-branch": "z9hG4bKx", "command": "delete"}))
    write("opensips_query", bencode({**tail, "command": "query"}))
    write("opensips_unknown_flags", bencode({"flags": ["no-such-flag", "SDES-no", "codec-strip-all", "T38-force"],
                                             "no such key": "x", "sdp": SDP, **tail, "command": "offer"}))


def spaces():
    """The document's own spelling, with spaces."""
    write("spaces_offer", bencode({
        "command": "offer", "call-id": "call-plain@x", "from-tag": "uactag", "sdp": SDP,
        "flags": ["trust address", "strict source", "media handover", "loop protect", "record call", "no rtcp attribute"],
        "replace": ["origin", "session connection"], "address family": "IP6", "received from": ["IP4", "10.65.31.43"],
        "ICE": "force", "transport protocol": "RTP/SAVPF", "media address": "2001:d8::6f24:65b", "DTLS": "passive",
        "delete delay": 7, "endpoint learning": "heuristic", "TOS": 184, "ptime": 30, "sdp-attr": {"audio": {"add": ["x"]}},
        "SDES": ["only-AES_CM_128_HMAC_SHA1_80", "only-NULL_HMAC_SHA1_32", "unencrypted_srtp"],
        "codec": {"strip": ["all"], "except": ["PCMA"], "accept": ["opus"], "consume": ["G729"], "set": ["opus/48000"],
                  "ignore": ["x"]}}))


def repeated():
    """Keys more than once, as Kamailio's scripts can make them: the first string stays, lists add up."""
    write("repeated_keys", b"d7:command5:offer7:command6:delete8:from-tag1:a8:from-tag1:b7:call-id1:c"
          b"5:flagsl9:symmetrice5:flagsl12:strict-sourcee3:sdp%d:%se" % (len(SDP), SDP.encode()))


def wrong():
    for name, more in (("no_sdp", {}), ("transport", {"sdp": SDP, "transport-protocol": "RTP/SAVPX"}),
                       ("family", {"sdp": SDP, "address-family": "IP5"}),
                       ("media_address", {"sdp": SDP, "media-address": "192.0.2.999"}),
                       ("tos", {"sdp": SDP, "TOS": "much"}), ("long_tag", {"sdp": SDP, "to-tag": "x" * 256}),
                       ("nul_tag", {"sdp": SDP, "to-tag": b"a\0b"})):
        write(f"wrong_{name}", bencode({**CALL, "command": "offer", **more}))
    write("wrong_no_call_id", bencode({"command": "offer", "from-tag": "a", "sdp": SDP}))
    write("wrong_no_from_tag", bencode({"command": "offer", "call-id": "a", "sdp": SDP}))
    write("wrong_no_to_tag", bencode({**CALL, "command": "answer", "sdp": SDP}))
    write("wrong_no_command", bencode({"call-id": "a"}))
    write("wrong_command", bencode({"command": "start forwarding", **CALL}))
    write("wrong_command_type", bencode({"command": 7}))
    write("wrong_limit", bencode({"command": "list", "limit": -1}))
    write("wrong_bencode", b"d7:command4:pingeXX")
    write("wrong_empty", b"")
    write("wrong_list", b"l4:pinge")
    write("wrong_json", b'{"command":"ping"')


def commands():
    for name, command, more in (
            ("list", "list", {}), ("list_none", "list", {"limit": 0}), ("ping", "ping", {}), ("statistics", "statistics", {}),
            ("query_unknown", "query", {"call-id": "nobody"}), ("delete_unknown", "delete", {"call-id": "nobody"}),
            ("delete_fatal", "delete", {"call-id": "nobody", "flags": ["fatal"]}),
            ("delete_branch", "delete", {**CALL, "via-branch": "z9hG4bKx", "delete-delay": 0}),
            ("block_label", "block media", {"call-id": "c", "label": "L"}),
            ("block_address", "block media", {"call-id": "c", "address": "192.0.2.4"}),
            ("unblock_all", "unblock media", {**CALL, "flags": ["all"]}),
            ("silence", "silence media", CALL), ("unsilence", "unsilence media", {"call-id": "c", "all": "all"}),
            ("dtmf_unblock", "unblock DTMF", {"call-id": "c"}),
            ("dtmf_mode", "block DTMF", {"call-id": "c", "DTMF-security": "tone"}),
            ("dtmf_off", "block DTMF", {"call-id": "c", "DTMF-security": "off"}),
            ("play_nobody", "play media", {"call-id": "c", "file": "x.wav"}),
            ("play_nothing", "play media", CALL), ("play_blob", "play media", {**CALL, "blob": b"RIFF"}),
            ("play_db", "play media", {**CALL, "db-id": "5"}),
            ("play_clip", "play media", {**CALL, "clip": "music", "repeat-times": 0, "start-pos": 400}),
            ("play_all", "play media", {"call-id": "c", "flags": ["all"], "file": "x.wav"}),
            ("stop_all", "stop media", {"call-id": "c"}),
            ("play_dtmf_char", "play DTMF", {**CALL, "code": "#"}), ("play_dtmf_15", "play DTMF", {**CALL, "digit": 15}),
            ("play_dtmf_16", "play DTMF", {**CALL, "code": 16}), ("play_dtmf_none", "play DTMF", CALL),
            ("play_dtmf_bounds", "play DTMF", {**CALL, "code": "12", "duration": 1, "pause": 99999, "volume": 100}),
            ("record_named", "start recording", {"call-id": "c", "output-destination": "a b", "recording format": "wav"}),
            ("record_pause", "pause recording", {"call-id": "c"}),
            ("record_stop_pause", "stop recording", {"call-id": "c", "pause": "yes"}),
            ("subscribe", "subscribe request", {**CALL, "flags": ["SDES-off"], "interface": "priv", "set-label": "ear"}),
            ("subscribe_tag", "subscribe request", {"call-id": "c", "from-tags": ["uastag"], "to-tag": "ear1"}),
            ("subscribe_many", "subscribe request", {"call-id": "c", "from-tags": ["a", "b"]}),
            ("subscribe_nobody", "subscribe request", {"call-id": "c"}),
            ("subscribe_answer", "subscribe answer", {"call-id": "c", "to-tag": "ear1", "sdp": SDP}),
            ("subscribe_answer_no_tag", "subscribe answer", {**CALL, "sdp": SDP}),
            ("unsubscribe", "unsubscribe", {"call-id": "c", "to-tag": "ear1"}),
            ("publish", "publish", {**CALL, "sdp": SDP}), ("start_forwarding", "start forwarding", CALL)):
        write(f"command_{name}", bencode({"command": command, **more}))


def as_json():
    write("json_ping", b'{"command": "ping"}')
    write("json_unknown", b'{"command": "nope"}')
    write("json_query", json.dumps({"command": "query", "call-id": "call-plain@x"}).encode())
    write("json_offer", json.dumps({"command": "offer", **CALL, "sdp": SDP, "record call": True, "TOS": 184.0,
                                    "flags": ["trust-address"], "label": None}).encode())


if __name__ == "__main__":
    for make in (kamailio58, opensips, spaces, repeated, wrong, commands, as_json):
        make()

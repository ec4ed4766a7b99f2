#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Writes the seeds of the corpora provision and routing. Run after changing a seed here."""
import json
import pathlib

HERE = pathlib.Path(__file__).parent / "corpus"

REWRITE = [{"match": "^00(.*)$", "replace": "+\\1"}]
LIMITS = {"concurrent": 5, "cps": 2, "status": 503, "reason": "Full", "retry_after": 3}
PROVISION = {
    "tenant": {"name": "t", "limits": LIMITS, "emergency": ["112"], "max_duration": 60, "ring_time": 30, "early_media": "last", "forking": "serial"},
    "domain": {"name": "D.net", "tenant": "t", "min_expires": 60, "max_expires": 90, "default_expires": 70, "max_contacts": 3,
               "algorithms": ["MD5"], "rfc2617": True, "trust_flow": True, "nonce_lifetime": 60},
    "user": {"name": "a", "domain": "d.net", "password": "secret", "display": "A \u00e9", "enabled": False, "numbers": ["+1", "2"], "limits": LIMITS,
             "max_contacts": 2, "allow": ["+49"], "deny": ["+49900"], "srtp": "require", "codecs": {"strip": ["G729"], "only": ["PCMA"]}},
    "user_ha1": {"name": "a", "domain": "d.net", "ha1_md5": "0" * 32, "ha1_sha256": "f" * 64},
    "trunk": {"name": "k", "tenant": "t", "sources": ["192.0.2.0/24", "2001:db8::1"], "tls_identity": "K.example", "listener": "l",
              "targets": [{"uri": "sip:u@[2001:db8::2]:5070;transport=tcp", "priority": 1, "weight": 2}],
              "auth": {"username": "u", "realm": "r", "password": "p"}, "register": {"uri": "sips:r.example", "contact_user": "c", "expires": 600},
              "from_domain": "f", "default_domain": "d", "trusted": True, "srtp": "prefer", "codecs": {}, "limits": {}, "probe": {"interval": 5},
              "timeout_ms": 500, "failover": [408, 603], "redirects": "follow", "rel100": True, "session_expires": 0, "min_se": 90,
              "headers": [{"action": "set", "name": "X-A", "value": "b"}], "numbers_in": REWRITE, "numbers_out": REWRITE},
    "route": {"name": "r", "tenant": "t", "prefix": "+44", "match": "[0-9]$", "source": "user:a@D.net", "caller_prefix": "+",
              "times": [{"days": "fri-mon,wed", "from": "22:00", "to": "06:00"}], "zone": "UTC", "priority": 1, "weight": 0, "cost": 0.5,
              "to": "trunks", "trunks": ["k"], "numbers": REWRITE, "limits": LIMITS},
    "route_reject": {"name": "r", "tenant": "t", "to": "reject", "status": 603, "reason": "No"},
    "token": {"name": "x", "secret": "0123456789abcdef", "scopes": ["read", "calls"], "tenant": "t"},
    "token_made": {"name": "x", "scopes": ["admin"]},
    "wrong_line": {"name": "t", "_line": 7, "limits": {"_line": 9, "cps": -1}},
    "wrong_many": {"name": "t", "emergency": ["1"] * 9},
    "wrong_regex": {"name": "r", "tenant": "t", "to": "local", "match": "(("},
    "wrong_clock": {"name": "r", "tenant": "t", "to": "local", "times": [{"from": ""}]},
    "wrong_uri": {"name": "k", "tenant": "t", "targets": [{"uri": "sip:u%40@:70000;transport"}]},
}
ROUTING = {
    "user": b"1+4930\n+1\n\nd.net",
    "denied": b"1%2B9(00)\n+1\n\nd.net",
    "trunk": b"2004912\n0049\n+1555\n",
    "emergency": b"1112\n\n\n",
    "local": b"17+1\n\n\n",
    "window": b"!+4421\n+33\n\n",
    "long": b"1" + b"9" * 127 + b"\n" + b"\"" * 127 + b"\n" + b"\\" * 127 + b"\n" + b"\xff" * 63,
    "name": b"1b ob%20%zz%\nali\"ce\nx\ne.net",
}


def main():
    for name, seed in PROVISION.items():
        (HERE / "provision" / name).write_text(json.dumps(seed, separators=(",", ":")))
    for name, seed in ROUTING.items():
        (HERE / "routing" / name).write_bytes(seed)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""A webhook for records of allocations: checks each signature, answers 200 (or --status), and appends each record to a file, one a line.

usage: turn_records.py PORT SECRET FILE [STATUS]
"""
import hashlib
import hmac
import http.server
import json
import sys

port, secret, path = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3]
status = int(sys.argv[4]) if len(sys.argv) > 4 else 200


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        wanted = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
        signed = hmac.compare_digest(wanted, self.headers.get("X-Sluice-Signature", ""))
        with open(path, "a", encoding="utf-8") as out:
            if not signed:
                out.write('"a wrong signature"\n')
            elif status == 200:
                for record in json.loads(body)["records"]:
                    out.write(json.dumps(record) + "\n")
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", port), Receiver).serve_forever()

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The page, its ICE servers and a mailbox for two browsers; results become files. On 127.0.0.1 only: there a page may have a microphone without TLS."""

import argparse
import http.server
import json
import os
import threading

HERE = os.path.dirname(os.path.abspath(__file__))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    boxes, changed = {}, threading.Condition()

    def log_message(self, *_):
        pass

    def give(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/":
            with open(os.path.join(HERE, "page.html"), "rb") as f:
                self.give(200, f.read(), "text/html; charset=utf-8")
        elif path == "/ice":
            with open(self.server.args.ice, "rb") as f:
                self.give(200, f.read())
        elif path.startswith("/box/"):  # waits until there is something
            with self.changed:
                found = self.changed.wait_for(lambda: path in self.boxes, timeout=20)
                self.give(200 if found else 404, self.boxes.get(path, b""))
        else:
            self.give(404, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/box/"):
            with self.changed:
                self.boxes[self.path] = body
                self.changed.notify_all()
        elif self.path.startswith("/result/"):
            name = os.path.join(self.server.args.results, os.path.basename(self.path) + ".json")
            with open(name + ".new", "w") as f:
                json.dump(json.loads(body), f)
            os.rename(name + ".new", name)
        self.give(200, b"")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--port", type=int, default=8000)
    p.add_argument("--ice", required=True, help="file: { \"udp\": [RTCIceServer...], \"tcp\": ..., \"tls\": ... }")
    p.add_argument("--results", required=True, help="folder")
    args = p.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
    server.args = args
    server.serve_forever()


if __name__ == "__main__":
    main()

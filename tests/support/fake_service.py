"""Stands for a service where only its being run is tested: it answers the health questions and shows its settings."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        settings = {name: value for name, value in os.environ.items() if name.startswith("CUSTLOG_")}
        content = json.dumps({"ok": True, "checks": {}, "settings": settings}).encode()
        self.send_response(200 if self.path.startswith("/health/") else 404)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    address = (os.environ["CUSTLOG_HOST"], int(os.environ["CUSTLOG_PORT"]))
    ThreadingHTTPServer(address, Health).serve_forever()

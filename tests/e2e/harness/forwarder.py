# SPDX-License-Identifier: Apache-2.0
"""Plain HTTP on a port of its own, handed on to the device listener over TLS: for clients that trust the system's CAs
alone."""

import base64
import http.client
import http.server
import re
import threading
import urllib.parse


class Forwarder:
    """`as_get`: what is POSTed goes on by GET, its base64 in lines; `seen` are the methods of the PKIOperations."""

    def __init__(self, server, as_get=False):
        self.server, self.as_get = server, as_get
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer._handle(self, "GET", None)

            def do_POST(self):
                outer._handle(self, "POST", self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *words):
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *what):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def _handle(self, handler, method, body):
        path, headers = handler.path, {}
        if "PKIOperation" in path:
            self.seen.append(method)
        if body is not None and self.as_get:
            text = re.sub("(.{64})", "\\1\n", base64.b64encode(body).decode())
            path, method, body = f"{path}&message={urllib.parse.quote(text, safe='')}", "GET", None
        if body is not None:
            headers["Content-Type"] = "application/x-pki-message"
        connection = http.client.HTTPSConnection("localhost", self.server.device_port,
                                                 context=self.server.client_context(), timeout=60)
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        handler.send_response(response.status)
        handler.send_header("Content-Type", response.headers["Content-Type"])
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

# SPDX-License-Identifier: Apache-2.0
"""A policy service for SCEP, on a Unix socket or by HTTPS, which says what a test wants."""

import http.server
import json
import socket
import socketserver
import ssl
import threading


def allow(question):
    return {"decision": "allow"}


def deny(reason=None):
    return lambda question: {"decision": "deny", **({} if reason is None else {"reason": reason})}


class PolicyService:
    """`answer(question)` gives what is sent: an object, or (status, bytes); it may wait. `questions` are those that came,
    `most` is how many were there at once, `now` how many are."""

    def __init__(self, unix_path=None, identity=None, answer=allow):
        self.answer = answer
        self.questions, self.headers = [], []
        self.now = self.most = 0
        self._lock = threading.Lock()
        self._connections = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = outer._decide(self.path, dict(self.headers), json.loads(body))
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    self.close_connection = True

            def address_string(self):
                return "-"

            def log_message(self, *words):
                pass

        class Listener(socketserver.ThreadingMixIn,
                       socketserver.UnixStreamServer if unix_path else socketserver.TCPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def process_request(self, request, address):
                outer._connections.append(request)
                super().process_request(request, address)

            def handle_error(self, request, address):
                pass

        self._server = Listener(str(unix_path) if unix_path else ("127.0.0.1", 0), Handler)
        if identity is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(identity)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                      do_handshake_on_connect=False)
        self.url = f"unix:{unix_path}" if unix_path else f"https://localhost:{self._server.server_address[1]}/ask/scep"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def _decide(self, path, headers, question):
        with self._lock:
            self.questions.append(question)
            self.headers.append({"path": path, **headers})
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            answer = self.answer(question)
        finally:
            with self._lock:
                self.now -= 1
        return answer if isinstance(answer, tuple) else (200, json.dumps(answer).encode())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *what):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

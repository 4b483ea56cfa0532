# SPDX-License-Identifier: Apache-2.0
"""A small MDM server in Python: it records what devices send, and answers as a test tells it."""

import http.server
import plistlib
import socketserver
import ssl
import threading
import uuid

from cryptography.x509.oid import ExtendedKeyUsageOID

WAIT_SECONDS = 90  # a bound, not a wait: sanitizers are slow


class Message:
    def __init__(self, path, content_type, certificate, connection, raw):
        self.path = path
        self.content_type = content_type
        self.certificate = certificate  # DER
        self.connection = connection  # a number for each TLS connection
        self.raw = raw
        self.plist = plistlib.loads(raw)

    @property
    def type(self):
        return self.plist.get("MessageType")

    @property
    def status(self):
        return self.plist.get("Status")

    @property
    def channel(self):
        """The enrollment id as the field's servers build it."""
        keys = self.plist
        device = keys.get("UDID") or keys["EnrollmentID"]
        if "UserID" not in keys:
            return device
        is_shared = keys["UserID"] == "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"
        return f"{device}:{keys['UserShortName'] if is_shared else keys['UserID']}"

    def __repr__(self):
        return f"<{self.channel} {self.type or self.status}>"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        message = Message(self.path, self.headers["Content-Type"], self.connection.getpeercert(binary_form=True),
                          self.server.mdm.number_of(self.connection), raw)
        status, body, headers = self.server.mdm.answer(message)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, mdm, context):
        self.mdm = mdm
        self.context = context
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request, client_address):
        """The handshake runs on the connection's thread, so that no device holds up another."""
        try:
            with self.context.wrap_socket(request, server_side=True) as tls:
                self.mdm.opened(tls)
                super().finish_request(tls, client_address)
                self.mdm.closed(tls)
        except (OSError, ssl.SSLError):
            self.mdm.broken()


class FakeMdm:
    def __init__(self, authority, folder, device_ca):
        identity = authority.issue("localhost", usage=ExtendedKeyUsageOID.SERVER_AUTH)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.write(folder / "server.pem"))
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(device_ca)
        self.changed = threading.Condition()
        self.messages = []
        self.open = {}  # the number of each open connection
        self.connections = 0
        self.handshakes_failed = 0
        self.queues = {}  # by channel: [(uuid, command or raw bytes)]
        self.rules = []  # functions (message) -> None or (status, body, headers)
        self.server = _Server(self, self.context)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    @property
    def url(self):
        return f"https://localhost:{self.server.server_address[1]}"

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    # Connections

    def opened(self, tls):
        with self.changed:
            self.connections += 1
            self.open[tls.fileno()] = self.connections

    def number_of(self, tls):
        with self.changed:
            return self.open[tls.fileno()]

    def closed(self, tls):
        with self.changed:
            del self.open[tls.fileno()]
            self.changed.notify_all()

    def broken(self):
        with self.changed:
            self.handshakes_failed += 1
            self.changed.notify_all()

    # Messages

    def answer(self, message):
        with self.changed:
            reply = next((reply for reply in (rule(message) for rule in self.rules) if reply is not None), None)
            if reply is None:
                reply = (200, self._next_command(message), {})
            self.messages.append(message)
            self.changed.notify_all()
            return reply

    def _next_command(self, message):
        if message.type == "UserAuthenticate":
            return plistlib.dumps({"DigestChallenge": ""})
        if message.type is not None:
            return b""
        queue = self.queues.setdefault(message.channel, [])
        if message.status not in ("Idle", "NotNow"):
            queue[:] = [(key, command) for key, command in queue if key != message.plist.get("CommandUUID")]
        if message.status == "NotNow" or not queue:
            return b""
        key, command = queue[0]
        if isinstance(command, bytes):
            return command.replace(b"@UUID@", key.encode())
        return plistlib.dumps({"CommandUUID": key, "Command": command})

    def send(self, channel, command):
        """Queues a command and gives its UUID."""
        key = str(uuid.uuid4()).upper()
        with self.changed:
            self.queues.setdefault(channel, []).append((key, command))
        return key

    # Waiting and looking

    def wait(self, what, found):
        """Waits until `found()` gives something true, and gives it."""
        with self.changed:
            if not self.changed.wait_for(found, WAIT_SECONDS):
                raise AssertionError(f"waited in vain: {what}; the last: {self.messages[-20:]}")
            return found()

    def of_type(self, *types):
        return [message for message in self.messages if message.type in types]

    def of_status(self, *statuses):
        return [message for message in self.messages if message.status in statuses]

    def result(self, key):
        """Waits for the result of a command."""
        return self.wait(f"the result of {key}", lambda: next(
            (message for message in self.messages if message.plist.get("CommandUUID") == key), None))

    def wait_for_polls(self, count):
        return self.wait(f"{count} channels to poll", lambda: len({m.channel for m in self.of_status("Idle")}) >= count)

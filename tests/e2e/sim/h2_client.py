# SPDX-License-Identifier: Apache-2.0
"""An HTTP/2 client for APNs made of python3-h2 and Python's ssl."""

import json
import select
import socket
import ssl
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

WAIT_SECONDS = 60  # a bound, not a wait: sanitizers are slow


class Answer:
    def __init__(self):
        self.headers = {}
        self.body = b""
        self.is_whole = False
        self.reset_code = None

    @property
    def status(self):
        return int(self.headers[":status"])

    @property
    def reason(self):
        return json.loads(self.body)["reason"] if self.body else ""

    def __repr__(self):
        return f"<{self.headers.get(':status')} {self.body} reset {self.reset_code}>"


def context_for(apns, pem, **versions):
    context = ssl.create_default_context(cafile=str(apns.ca_pem))
    if pem is not None:
        context.load_cert_chain(str(pem))
    context.set_alpn_protocols(["h2"])
    for name, version in versions.items():
        setattr(context, name, version)
    return context


class H2Client:
    """One connection. `pem`: the push certificate with its key, or None."""

    def __init__(self, apns, pem="its own", host="localhost"):
        self.apns = apns
        context = context_for(apns, apns.push_pem if pem == "its own" else pem)
        plain = socket.create_connection(("127.0.0.1", apns.port), timeout=WAIT_SECONDS)
        self.sock = context.wrap_socket(plain, server_hostname=host)
        self.h2 = h2.connection.H2Connection(config=h2.config.H2Configuration(header_encoding="utf-8"))
        self.answers = {}
        self.settings = None  # the peer's first
        self.goaway = None
        self.pongs = []
        self.is_closed = False
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    # --- in

    def _take(self, event):
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings = {**(self.settings or {}), **{key: s.new_value for key, s in event.changed_settings.items()}}
        elif isinstance(event, h2.events.ResponseReceived):
            self.answers[event.stream_id].headers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.answers[event.stream_id].body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.answers[event.stream_id].is_whole = True
        elif isinstance(event, h2.events.StreamReset):
            self.answers[event.stream_id].reset_code = event.error_code
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event
        elif isinstance(event, h2.events.PingAckReceived):
            self.pongs.append(event.ping_data)

    def _receive(self):
        """One read; notes the end of the connection."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            self.is_closed = True
            return
        if not data:
            self.is_closed = True
            return
        for event in self.h2.receive_data(data):
            self._take(event)
        if self.goaway is None:  # h2 sends nothing after GOAWAY
            self.flush()

    def has_bytes(self):
        """Has anything come that was not read? Asks, does not wait."""
        return self.sock.pending() > 0 or bool(select.select([self.sock], [], [], 0)[0])

    def wait(self, what, found):
        """Reads until `found()` gives something true, and gives it."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not found():
            if self.is_closed or time.monotonic() > deadline:
                raise AssertionError(f"waited in vain: {what}; {self.answers} {self.goaway}")
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            self._receive()
        return found()

    def wait_closed(self):
        return self.wait("the end of the connection", lambda: self.is_closed)

    # --- out

    def headers(self, token, **changes):
        """Of a good push; `changes` by name with _ for -, None leaves one out."""
        headers = {":method": "POST", ":scheme": "https", ":authority": "localhost",
                   ":path": f"/3/device/{token if isinstance(token, str) else token.hex()}",
                   "apns-topic": self.apns.topic, "apns-push-type": "mdm", "apns-priority": "10",
                   "apns-expiration": "0"}
        for name, value in changes.items():
            headers[":" + name if ":" + name in headers else name.replace("_", "-")] = value
        return [(name, value) for name, value in headers.items() if value is not None]

    def send(self, token=b"\xab" * 32, body=b'{"mdm":"magic"}', headers=None, is_flushed=True, **changes):
        """Sends a push and gives the number of its stream. A body of None is still to be sent."""
        stream = self.h2.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, headers or self.headers(token, **changes), end_stream=body == b"")
        if body:
            self.h2.send_data(stream, body, end_stream=True)
        if is_flushed:
            self.flush()
        return stream

    def answer(self, stream):
        """Waits for the answer of a stream, or for its reset."""
        answer = self.answers[stream]
        self.wait(f"the answer of stream {stream}", lambda: answer.is_whole or answer.reset_code is not None)
        return answer

    def push(self, *words, **changes):
        return self.answer(self.send(*words, **changes))

    def ping(self):
        self.h2.ping(b"8 bytes!")
        self.flush()

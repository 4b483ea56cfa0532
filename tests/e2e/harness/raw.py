# SPDX-License-Identifier: Apache-2.0
"""HTTP by hand over TLS, for what http.client is too polite to send."""

import socket


class UnderWay:
    """A call of the API over the Unix socket whose body has begun; finish() sends the rest and gives the status."""

    def __init__(self, server):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(server.folder / "admin.sock"))
        self.sock.sendall(b"POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                          b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n")
        assert self.sock.recv(12) == b"HTTP/1.1 100", "its head was read"
        self.sock.sendall(b"{")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def finish(self):
        self.sock.sendall(b'"a": 123}')
        data = b""
        while b"HTTP/1.1 4" not in data and b"HTTP/1.1 5" not in data:
            got = self.sock.recv(65536)
            if not got:
                return None
            data += got
        return int(data[data.rindex(b"HTTP/1.1 ") + 9:][:3])


class RawConnection:
    def __init__(self, server, identity=None, source="127.0.0.1"):
        context = server.client_context(identity)
        plain = socket.create_connection(("127.0.0.1", server.device_port), timeout=60, source_address=(source, 0))
        self.sock = context.wrap_socket(plain, server_hostname="localhost")
        self._rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def send_while_open(self, data, step=65536):
        """Sends until all is out or the server has closed."""
        try:
            for at in range(0, len(data), step):
                self.sock.sendall(data[at:at + step])
        except OSError:
            pass

    def _fill(self):
        data = self.sock.recv(65536)
        self._rest += data
        return bool(data)

    def status(self):
        """The status of the next reply, whose body is read too; None where the server just closed."""
        try:
            while b"\r\n\r\n" not in self._rest:
                if not self._fill():
                    return None
            head, self._rest = self._rest.split(b"\r\n\r\n", 1)
            lines = head.decode().split("\r\n")
            length = 0
            for line in lines[1:]:
                name, value = line.split(":", 1)
                if name.lower() == "content-length":
                    length = int(value)
            code = int(lines[0].split()[1])
            while code >= 200 and len(self._rest) < length:
                if not self._fill():
                    break
            self._rest = self._rest[length:]
            return code
        except OSError:
            return None


def head(path, content_type, *more):
    return "\r\n".join([f"PUT {path} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}", *more, "", ""]).encode()


def chunked(data, size):
    parts = [b"%x\r\n%s\r\n" % (len(data[at:at + size]), data[at:at + size]) for at in range(0, len(data), size)]
    return b"".join(parts) + b"0\r\n\r\n"

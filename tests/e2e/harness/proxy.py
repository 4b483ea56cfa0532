# SPDX-License-Identifier: Apache-2.0
"""A proxy that knows CONNECT and nothing else."""

import selectors
import socket
import threading


def _received(sock):
    """Nothing at its end, whichever that was."""
    try:
        return sock.recv(65536)
    except OSError:
        return b""


class ConnectProxy:
    def __init__(self):
        self.asked = []  # the lines that were sent to it
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                more = client.recv(1)
                if not more:
                    return
                head += more
            line = head.split(b"\r\n")[0].decode()
            self.asked.append(line)
            host, _, port = line.split(" ")[1].rpartition(":")
            try:
                server = socket.create_connection((host, int(port)))
            except OSError:
                return  # it is gone
            with server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._carry(client, server)

    @staticmethod
    def _carry(client, server):
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    data = _received(key.fileobj)
                    if not data:
                        return
                    key.data.sendall(data)

    def close(self):
        self._listener.close()

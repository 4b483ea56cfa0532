# SPDX-License-Identifier: Apache-2.0
"""The TLS certificate of a server: put into its place, and seen from outside."""

import socket
import ssl

from cryptography import x509

from .authority import Authority

NAMES = ("localhost", "mdm.example.com")


def pem_of(server):
    return server.folder / "tls" / "server.pem"


def put_foreign(server, ends_days, authority=None, starts_days=-300):
    leaf = (authority or Authority("Somebody's root")).issue(
        "localhost", starts_days, ends_days, usage=x509.ExtendedKeyUsageOID.SERVER_AUTH, names=NAMES)
    pem_of(server).write_bytes(leaf.certificate_pem())
    (server.folder / "tls" / "server.key").write_bytes(leaf.key_pem())
    return leaf


def shown(server):
    """The certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", server.device_port), timeout=60)) as sock:
        return x509.load_der_x509_certificate(sock.getpeercert(True))

# SPDX-License-Identifier: Apache-2.0
"""What a stopped server's database keeps sealed, opened with its master key by python3-cryptography."""

import os
import sqlite3

from cryptography import x509
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_der_private_key

from .authority import Authority

HEAD_BYTES, NONCE_AT = 17, 5  # version, key id, nonce


def _open(folder, name):
    keys = dict(line.split() for line in (folder / "master.key").read_text().splitlines())
    database = sqlite3.connect(folder / "pomona.db")
    try:
        (sealed,), = database.execute("SELECT sealed FROM vault WHERE name = ?", (name,))
    finally:
        database.close()
    key = bytes.fromhex(keys[sealed[1:NONCE_AT].hex()])
    return AESGCM(key).decrypt(sealed[NONCE_AT:HEAD_BYTES], sealed[HEAD_BYTES:],
                               sealed[:NONCE_AT] + f"vault/{name}".encode())


def tls_root(folder):
    """The CA that `pomonactl init` made for the server's own certificate."""
    root = Authority.__new__(Authority)
    root.key = load_der_private_key(_open(folder, "tls_root.key"), None)
    root.certificate = x509.load_der_x509_certificate(_open(folder, "tls_root.cert"))
    return root


def forget(folder, name):
    database = sqlite3.connect(folder / "pomona.db")
    with database:
        assert database.execute("DELETE FROM vault WHERE name = ?", (name,)).rowcount == 1
    database.close()


def put(folder, name, plain):
    """Puts something else in the place of what is kept under the name."""
    keys = dict(line.split() for line in (folder / "master.key").read_text().splitlines())
    database = sqlite3.connect(folder / "pomona.db")
    with database:
        (sealed,), = database.execute("SELECT sealed FROM vault WHERE name = ?", (name,))
        head, nonce = sealed[:NONCE_AT], os.urandom(HEAD_BYTES - NONCE_AT)
        text = AESGCM(bytes.fromhex(keys[head[1:].hex()])).encrypt(nonce, plain, head + f"vault/{name}".encode())
        database.execute("UPDATE vault SET sealed = ? WHERE name = ?", (head + nonce + text, name))
    database.close()

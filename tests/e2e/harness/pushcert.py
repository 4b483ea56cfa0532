# SPDX-License-Identifier: Apache-2.0
"""Push certificates as Apple's portal issues them: the topic is the subject's UID."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PREFIX = "com.apple.mgmt."


class PushCert:
    """Valid from `starts_days` to `ends_days`, counted from now; `uids` instead of the topic's one for odd subjects.
    `ca_dir` holds ca.pem and ca.key of who signs it, otherwise it is nobody whom APNs knows."""

    def __init__(self, topic, starts_days=-1, ends_days=365, key=None, uids=None, ca_dir=None):
        self.topic = topic
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)
        names = [x509.NameAttribute(NameOID.USER_ID, uid) for uid in ([topic] if uids is None else uids)]
        names.append(x509.NameAttribute(NameOID.COMMON_NAME, "APSP:test"))
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Push CA")])
        if ca_dir is not None:
            ca_key = serialization.load_pem_private_key((ca_dir / "ca.key").read_bytes(), None)
            ca_name = x509.load_pem_x509_certificate((ca_dir / "ca.pem").read_bytes()).subject
        self.not_after = now + datetime.timedelta(days=ends_days)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(names))
            .issuer_name(ca_name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=starts_days))
            .not_valid_after(self.not_after)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(ca_key, hashes.SHA256())
        )

    @property
    def sha256(self):
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self, form=serialization.PrivateFormat.PKCS8, password=None):
        encryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password.encode())
        return self.key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()

    def body(self, **more):
        return {"certificate": self.pem, "key": self.key_pem(), **more}


def rsa_key(bits):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)

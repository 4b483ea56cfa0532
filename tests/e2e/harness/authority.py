# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for tests, made with python3-cryptography."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


class Identity:
    """A private key and its certificate."""

    def __init__(self, key, certificate):
        self.key = key
        self.certificate = certificate

    @property
    def sha256(self):
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def certificate_pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self):
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def write(self, path):
        """Writes certificate and key into one PEM file, as ssl.load_cert_chain reads them."""
        path.write_bytes(self.certificate_pem() + self.key_pem())
        return path


P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _tlv(tag, content):
    length = len(content)
    head = bytes([length]) if length < 128 else bytes([0x82, length >> 8, length & 0xFF])
    return bytes([tag]) + head + content


def twin(identity):
    """The same certificate under another ECDSA signature, (r, n - s), which anybody can make."""
    certificate = identity.certificate
    r, s = decode_dss_signature(certificate.signature)
    signature = encode_dss_signature(r, P256_ORDER - s)
    algorithm = _tlv(0x30, bytes.fromhex("06082a8648ce3d040302"))  # ecdsa-with-SHA256
    der = _tlv(0x30, certificate.tbs_certificate_bytes + algorithm + _tlv(0x03, b"\0" + signature))
    return Identity(identity.key, x509.load_der_x509_certificate(der))


class Authority(Identity):
    def __init__(self, common_name="Test Device CA", days=3650, backdate_days=3650):
        key = ec.generate_private_key(ec.SECP256R1())
        now = _now()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(_name(common_name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=backdate_days))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        super().__init__(key, certificate)

    def issue(self, common_name, starts_days=-1, ends_days=365, usage=ExtendedKeyUsageOID.CLIENT_AUTH, key=None,
              names=()):
        """An identity valid from `starts_days` to `ends_days`, counted from now; `names`: DNS names of a server."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        now = _now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=starts_days))
            .not_valid_after(now + datetime.timedelta(days=ends_days))
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, names))),
                                            critical=False)
        return Identity(key, builder.sign(self.key, hashes.SHA256()))


def make_csr(common_name):
    """A P-256 key and a PEM certificate request for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(_name(common_name)).sign(key, hashes.SHA256())
    return key, csr.public_bytes(serialization.Encoding.PEM)


def load_certificate(pem):
    return x509.load_pem_x509_certificate(pem)

# SPDX-License-Identifier: Apache-2.0
"""A chain like Apple's for its devices, and what a device says of itself on its way in, signed by `openssl cms`.

As the real one, its device CA ended in 2014, has an RSA key of 1024 bits and signs with SHA-1."""

import datetime
import pathlib
import plistlib
import tempfile
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from .authority import Identity
from .signing import sign_der

CONTENT_TYPE = "application/pkcs7-signature"


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Orchard Inc."),
                      x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def issue(issuer, common_name, key, years, is_ca=False, digest=hashes.SHA1()):
    """`issuer` None: it signs itself. `years`: from the first's beginning to the second's."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer.certificate.subject if issuer else _name(common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(years[0], 1, 1))
        .not_valid_after(datetime.datetime(years[1], 1, 1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=not is_ca, data_encipherment=False,
            key_agreement=False, key_cert_sign=is_ca, crl_sign=is_ca, encipher_only=False, decipher_only=False),
            critical=True)
    )
    return Identity(key, builder.sign(issuer.key if issuer else key, digest))


class AppleChain:
    """root -> middle -> device_ca -> what device() makes."""

    def __init__(self, name="Test"):
        def key(bits):
            return rsa.generate_private_key(65537, bits)

        self.root = issue(None, f"{name} Root CA", key(2048), (2006, 2035), True)
        self.middle = issue(self.root, f"{name} iPhone Certification Authority", key(2048), (2007, 2022), True)
        self.device_ca = issue(self.middle, f"{name} iPhone Device CA", key(1024), (2007, 2014), True)
        self.chain = [self.device_ca, self.middle, self.root]

    def pem(self):
        """The chain, as an administrator would download it."""
        return b"".join(one.certificate_pem() for one in self.chain)

    def fingerprints(self):
        return [one.sha256 for one in self.chain]

    def import_into(self, server):
        reply = server.api("POST", "/api/v1/apple-cas",
                           {"pem": self.pem().decode(), "fingerprints": self.fingerprints()})
        assert reply.status == 201, reply
        return self

    def device(self, common_name=None, key=None, digest=hashes.SHA1()):
        """The identity from the factory: RSA of 1024 bits, or `key`."""
        return issue(self.device_ca, common_name or str(uuid.uuid4()).upper(),
                     key or rsa.generate_private_key(65537, 1024), (2020, 2040), digest=digest)

    def ec_device(self, common_name=None):
        return self.device(common_name, ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())

    def sign(self, device, what, *options):
        """DER of a SignedData around `what` (bytes, or a dictionary as a property list), with the chain in it."""
        body = what if isinstance(what, bytes) else plistlib.dumps(what)
        with tempfile.TemporaryDirectory() as name:
            chain = pathlib.Path(name) / "chain.pem"
            chain.write_bytes(self.pem())
            return sign_der(device, body, "-nodetach", "-certfile", str(chain), *options)


def machine_info(udid, serial="TESTSERIAL01", **more):
    """What a device tells of itself."""
    return {"UDID": udid, "SERIAL": serial, "PRODUCT": "iPhone14,7", "VERSION": "22B83", **more}

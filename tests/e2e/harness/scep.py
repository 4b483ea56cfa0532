# SPDX-License-Identifier: Apache-2.0
"""A SCEP client (RFC 8894) that writes its ASN.1 itself, so that it can write what no client would. What it is
answered is judged by `openssl cms`."""

import hashlib
import http.client
import os
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID

from .authority import Identity, _name, _now, datetime
from .server import Reply

SCEP = "2.16.840.1.113733.1.9."
DATA, SIGNED, ENVELOPED = (f"1.2.840.113549.1.7.{i}" for i in (1, 2, 3))
RSA = "1.2.840.113549.1.1.1"
DIGESTS = {"SHA1": ("1.3.14.3.2.26", hashes.SHA1), "SHA256": ("2.16.840.1.101.3.4.2.1", hashes.SHA256),
           "SHA384": ("2.16.840.1.101.3.4.2.2", hashes.SHA384), "SHA512": ("2.16.840.1.101.3.4.2.3", hashes.SHA512),
           "MD5": ("1.2.840.113549.2.5", hashes.MD5)}
# OID, key bytes, block bytes, algorithm
CIPHERS = {"AES128": ("2.16.840.1.101.3.4.1.2", 16, 16, algorithms.AES),
           "AES256": ("2.16.840.1.101.3.4.1.42", 32, 16, algorithms.AES),
           "DES3": ("1.2.840.113549.3.7", 24, 8, algorithms.TripleDES),
           "DES": ("1.3.14.3.2.7", 8, 8, algorithms.TripleDES),
           "RC2": ("1.2.840.113549.3.2", 16, 8, algorithms.TripleDES)}


def tlv(tag, *contents):
    content = b"".join(contents)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*contents):
    return tlv(0x30, *contents)


def integer(value):
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(text):
    first, second, *rest = map(int, text.split("."))
    out = bytes([40 * first + second])
    for arc in rest:
        part = [arc & 0x7F]
        while arc := arc >> 7:
            part.insert(0, arc & 0x7F | 0x80)
        out += bytes(part)
    return tlv(0x06, out)


def algorithm(text, parameters=b"\x05\x00"):
    return sequence(oid(text), parameters)


def read_tlv(der, at=0):
    """(tag, content, offset behind it)"""
    tag, size, at = der[at], der[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size, at = int.from_bytes(der[at:at + count], "big"), at + count
    return tag, der[at:at + size], at + size


def children(der):
    at, found = 0, []
    while at < len(der):
        start = at
        tag, content, at = read_tlv(der, at)
        found.append((tag, content, der[start:at]))
    return found


def indefinite(der, keep=b""):
    """The same in BER: every constructed value but `keep` of indefinite length, every OCTET STRING in pieces."""
    out = b""
    for tag, content, whole in children(der):
        if tag & 0x20 and whole != keep:
            out += bytes([tag, 0x80]) + indefinite(content, keep) + b"\0\0"
        elif tag == 0x04 and len(content) > 64:
            out += b"\x24\x80" + b"".join(tlv(0x04, content[i:i + 64]) for i in range(0, len(content), 64)) + b"\0\0"
        else:
            out += whole
    return out


def make_key(bits=2048):
    return rsa.generate_private_key(65537, bits)


def self_signed(key, name="scep client"):
    now = _now()
    builder = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(name)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    return Identity(key, builder.not_valid_after(now + datetime.timedelta(days=7)).sign(key, hashes.SHA256()))


def make_csr(key, challenge=None, name="scep client"):
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(name))
    if challenge is not None:
        builder = builder.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def issuer_and_serial(certificate, serial=None):
    return sequence(certificate.issuer.public_bytes(), integer(serial or certificate.serial_number))


def envelope(ca, content, cipher="AES128"):
    """EnvelopedData to the certificate of a CA."""
    name, key_bytes, block, make = CIPHERS[cipher]
    key, iv = os.urandom(key_bytes), os.urandom(block)
    pad = block - len(content) % block
    content = content + bytes([pad]) * pad
    if make is algorithms.TripleDES and key_bytes < 24:
        cipher_key = (key * 3)[:24]
    else:
        cipher_key = key
    encryptor = Cipher(make(cipher_key), modes.CBC(iv)).encryptor()
    secret = encryptor.update(content) + encryptor.finalize()
    recipient = sequence(integer(0), issuer_and_serial(ca), algorithm(RSA),
                         tlv(0x04, ca.public_key().encrypt(key, padding.PKCS1v15())))
    what = sequence(oid(DATA), algorithm(name, tlv(0x04, iv)), tlv(0x80, secret))
    return sequence(oid(ENVELOPED), tlv(0xA0, sequence(integer(0), tlv(0x31, recipient), what)))


def signed_attributes(message):
    """{OID: value} of the one signer."""
    signed = read_tlv(children(read_tlv(message)[1])[1][1])[1]
    infos = next(content for tag, content, _ in reversed(children(signed)) if tag == 0x31)
    attributes = next(content for tag, content, _ in children(read_tlv(infos)[1]) if tag == 0xA0)
    found = {}
    for _, content, _ in children(attributes):
        (_, name, _), (_, values, _) = children(content)
        found[name] = read_tlv(values)[1]
    return found


class Answer:
    """A CertRep: status, fail_info, texts, and the certificates or CRLs in it, as PEM or text."""

    def __init__(self, reply, client, ca_pem, folder):
        self.reply = reply
        folder = folder / os.urandom(4).hex()
        folder.mkdir()
        (folder / "reply.der").write_bytes(reply.body)
        (folder / "ca.pem").write_bytes(ca_pem)
        self.attributes = signed_attributes(reply.body)
        self.status = self.text("3")
        self.fail_info = self.text("4")
        self.transaction = self.text("7")
        self.certificate = self.crl = None
        verify = self._openssl("cms", "-verify", "-inform", "DER", "-in", folder / "reply.der", "-CAfile",
                               folder / "ca.pem", "-binary", "-out", folder / "envelope.der")
        if self.status != "0":  # nothing is in it, but it is signed
            assert b"no content" in verify.stderr, verify.stderr
            return
        assert verify.returncode == 0, verify.stderr
        (folder / "me.pem").write_bytes(client.certificate_pem() + client.key_pem())
        decrypt = self._openssl("cms", "-decrypt", "-inform", "DER", "-in", folder / "envelope.der", "-recip",
                                folder / "me.pem", "-binary", "-out", folder / "bag.der")
        assert decrypt.returncode == 0, decrypt.stderr
        self.envelope = (folder / "envelope.der").read_bytes()
        bag = (folder / "bag.der").read_bytes()
        shown = self._openssl("pkcs7", "-inform", "DER", "-in", folder / "bag.der", "-print_certs").stdout
        if b"BEGIN CERTIFICATE" in shown:
            self.certificate = x509.load_pem_x509_certificate(shown[shown.index(b"-----BEGIN"):])
        elif b"BEGIN X509 CRL" in shown:
            self.crl = x509.load_pem_x509_crl(shown[shown.index(b"-----BEGIN"):])
        assert bag

    @staticmethod
    def _openssl(*words):
        return subprocess.run(["openssl", *map(str, words)], capture_output=True, timeout=60)

    def text(self, which, base=SCEP):
        return self.attributes.get(read_tlv(oid(base + which))[1], b"").decode()

    @property
    def fail_text(self):
        return self.text("1", "1.3.6.1.5.5.7.24.")


def sign(content, signer, kind="19", transaction=None, nonce=b"n" * 16, digest="SHA256", without=(), more=b""):
    """A pkiMessage: SignedData with SCEP's attributes over `content`."""
    digest_oid, make = DIGESTS[digest]
    summed = hashlib.new(digest.lower(), content).digest()
    values = {"contentType": (oid("1.2.840.113549.1.9.3"), oid(DATA)),
              "messageDigest": (oid("1.2.840.113549.1.9.4"), tlv(0x04, summed)),
              "messageType": (oid(SCEP + "2"), tlv(0x13, kind.encode())),
              "senderNonce": (oid(SCEP + "5"), tlv(0x04, nonce)),
              "transactionID": (oid(SCEP + "7"), tlv(0x13, transaction.encode()))}
    attributes = b"".join(sorted(sequence(name, tlv(0x31, value)) for key, (name, value) in values.items()
                                 if key not in without))
    signature = signer.key.sign(tlv(0x31, attributes), padding.PKCS1v15(), make())
    info = sequence(integer(1), issuer_and_serial(signer.certificate), algorithm(digest_oid), tlv(0xA0, attributes),
                    algorithm(RSA), tlv(0x04, signature))
    certificate = signer.certificate.public_bytes(serialization.Encoding.DER)
    signed = sequence(integer(1), tlv(0x31, algorithm(digest_oid)),
                      sequence(oid(DATA), tlv(0xA0, tlv(0x04, content))), tlv(0xA0, certificate), tlv(0x31, info))
    return sequence(oid(SIGNED), tlv(0xA0, signed)) + more


def common_name(certificate):
    return certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


class LongKey:
    """An RSA key of 16,384 bits in no time: the product of 16 primes."""

    def __init__(self):
        self.primes = []
        for _ in range(8):
            numbers = make_key().private_numbers()
            self.primes += [numbers.p, numbers.q]
        self.n = 1
        for prime in self.primes:
            self.n *= prime

    def public_key(self):
        return rsa.RSAPublicNumbers(65537, self.n).public_key()

    def sign(self, message, *scheme):
        size = (self.n.bit_length() + 7) // 8
        summed = sequence(algorithm(DIGESTS["SHA256"][0]), tlv(0x04, hashlib.sha256(message).digest()))
        padded = int.from_bytes(b"\0\1" + b"\xff" * (size - 3 - len(summed)) + b"\0" + summed, "big")
        signed = 0
        for prime in self.primes:
            rest = self.n // prime
            part = pow(padded % prime, pow(65537, -1, prime - 1), prime)
            signed += part * rest * pow(rest, -1, prime)
        return (signed % self.n).to_bytes(size, "big")

    def _signed(self, what):
        return sequence(what, algorithm("1.2.840.113549.1.1.11"), tlv(0x03, b"\0" + self.sign(what)))

    def _public_der(self):
        return self.public_key().public_bytes(serialization.Encoding.DER,
                                              serialization.PublicFormat.SubjectPublicKeyInfo)

    def self_signed(self):
        name = _name("long").public_bytes()
        times = sequence(tlv(0x17, b"200101000000Z"), tlv(0x17, b"491231235959Z"))
        der = self._signed(sequence(tlv(0xA0, integer(2)), integer(7), algorithm("1.2.840.113549.1.1.11"), name, times,
                                    name, self._public_der()))
        return Identity(self, x509.load_der_x509_certificate(der))

    def csr(self, challenge):
        attribute = sequence(oid("1.2.840.113549.1.9.7"), tlv(0x31, tlv(0x0C, challenge.encode())))
        return self._signed(sequence(integer(0), _name("long").public_bytes(), self._public_der(),
                                     tlv(0xA0, attribute)))


def request(server, method, query, body=None, path="/scep", headers=None):
    connection = http.client.HTTPSConnection("localhost", server.device_port, context=server.client_context(),
                                             timeout=60)
    connection.request(method, path + ("?" + query if query else ""), body=body, headers=headers or {})
    reply = Reply(connection.getresponse())
    connection.close()
    return reply


class Client:
    """Our own SCEP client: a key, a certificate that signs itself, and a server."""

    def __init__(self, server, folder, key=None, identity=None):
        self.server, self.folder = server, folder
        self.key = key or make_key()
        self.me = identity or self_signed(self.key)
        self.ca_der = request(server, "GET", "operation=GetCACert").body
        self.ca = x509.load_der_x509_certificate(self.ca_der)
        self.transaction = os.urandom(8).hex()

    def message(self, challenge=None, content=None, cipher="AES128", ca=None, csr_key=None, **more):
        if content is None:
            content = make_csr(csr_key or self.key, challenge)
        return sign(envelope(ca or self.ca, content, cipher), self.me,
                    transaction=more.pop("transaction", self.transaction), **more)

    def answer(self, reply):
        assert reply.status == 200, reply
        assert reply.headers["Content-Type"] == "application/x-pki-message"
        return Answer(reply, self.me, self.ca.public_bytes(serialization.Encoding.PEM), self.folder)

    def post(self, message):
        return request(self.server, "POST", "operation=PKIOperation", message)

    def ask(self, challenge=None, **more):
        return self.answer(self.post(self.message(challenge, **more)))

    def enroll(self, challenge=None, **more):
        """The identity that a request gains."""
        answer = self.ask(challenge, **more)
        assert (answer.status, answer.fail_text) == ("0", ""), answer.attributes
        assert answer.transaction == more.get("transaction", self.transaction)
        return Identity(more.get("csr_key") or self.key, answer.certificate)

# SPDX-License-Identifier: Apache-2.0
"""The certificates of Apple's that devices are known by: how they come in, and that no wrong one does by accident."""

import os
import pty
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization

from harness.apple import AppleChain
from harness.server import BIN, SHARED, wait_until

PATH = "/api/v1/apple-cas"
REAL = SHARED / "apple-ca" / "Apple_iPhone_Device_CA_Fullchain.pem"


@pytest.fixture(scope="module")
def apple():
    return AppleChain()


@pytest.fixture
def server(make_server):
    return make_server().start()


@pytest.fixture
def pem(apple, tmp_path):
    path = tmp_path / "apple.pem"
    path.write_bytes(apple.pem())
    return path


def imported(server):
    return [row["sha256"] for row in server.get(PATH)["apple_cas"]]


def named(sha256s):
    return [word for sha256 in sha256s for word in ("--fingerprint", sha256)]


def test_what_is_named_by_its_fingerprint_is_imported_and_stays(server, apple, pem):
    done = server.ctl("apple-ca", "import", pem, *named(apple.fingerprints()))
    assert all(sha256 in done.stdout for sha256 in apple.fingerprints()) and "Test iPhone Device CA" in done.stdout
    server.wait_log("event=admin_change .*what=import_apple_ca")
    server.ctl("apple-ca", "import", pem, *named(apple.fingerprints()))  # again is fine
    server.stop()
    server.start()
    assert imported(server) == apple.fingerprints()
    assert server.get(PATH)["apple_cas"][0]["imported_by"].startswith("unix")
    server.ctl("apple-ca", "remove", apple.root.sha256)
    assert imported(server) == apple.fingerprints()[:2]
    assert server.ctl("apple-ca", "remove", apple.root.sha256, check=False).returncode == 1
    assert apple.middle.sha256 in server.ctl("apple-ca", "list").stdout


def test_people_may_write_a_fingerprint_as_openssl_does(server, apple, pem):
    def colons(text):
        return ":".join(text[i:i + 2] for i in range(0, 64, 2)).upper()

    server.ctl("apple-ca", "import", pem, *named(map(colons, apple.fingerprints())))
    assert imported(server) == apple.fingerprints()


def test_one_certificate_may_come_in_der(server, apple, tmp_path):
    path = tmp_path / "root.cer"
    path.write_bytes(apple.root.certificate.public_bytes(serialization.Encoding.DER))
    server.ctl("apple-ca", "import", path, *named([apple.root.sha256]))
    assert imported(server) == [apple.root.sha256]


@pytest.mark.parametrize("words", [[], ["root"], ["root", "middle"]])
def test_an_unknown_one_that_nobody_has_looked_at_imports_nothing(server, apple, pem, words):
    done = server.ctl("apple-ca", "import", pem, *named(getattr(apple, word).sha256 for word in words), check=False)
    assert done.returncode == 1 and "--fingerprint" in done.stderr, done
    assert apple.device_ca.sha256 in done.stderr
    assert imported(server) == []


def test_a_fingerprint_of_another_file_imports_nothing(server, apple, pem):
    wrong = "0" * 64
    done = server.ctl("apple-ca", "import", pem, *named([*apple.fingerprints(), wrong]), check=False)
    assert done.returncode == 1 and wrong in done.stderr, done
    assert imported(server) == []
    for word in ("0" * 63, "0" * 65, "g" * 64, ""):
        assert server.ctl("apple-ca", "import", pem, "--fingerprint", word, check=False).returncode == 64, word


@pytest.mark.parametrize("answer, count", [("y\n", 3), ("n\n", 0), ("\n", 0)])
def test_on_a_terminal_it_asks(server, apple, pem, answer, count):
    leader, follower = pty.openpty()
    process = subprocess.Popen([BIN / "pomonactl", "-c", server.conf_path, "apple-ca", "import", pem], stdin=follower,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    os.close(follower)
    os.write(leader, (answer * 3).encode())
    text = process.communicate(timeout=60)[0].decode()
    os.close(leader)
    assert apple.device_ca.sha256 in text and "[y/N]" in text, text
    assert (process.returncode == 0) == (count == 3), text
    assert len(imported(server)) == count


def test_apples_own_are_known(server):
    if not REAL.exists():
        pytest.skip("there is no chain of Apple's at " + str(REAL))
    server.ctl("apple-ca", "import", REAL)
    assert [row["known_as"] for row in server.get(PATH)["apple_cas"]] == [
        "Apple iPhone Device CA", "Apple iPhone Certification Authority", "Apple Root CA"]


def test_what_cannot_be_imported_is_refused_with_the_reason(server, apple, tmp_path):
    device = apple.device()
    for body, field, says in (
            ({}, None, "pem"), ({"pem": "x"}, "pem", ""),
            ({"pem": device.certificate_pem().decode(), "fingerprints": [device.sha256]}, "pem", "not the certificate of a CA"),
            ({"pem": apple.pem().decode()}, "fingerprints", apple.device_ca.sha256),
            ({"pem": apple.pem().decode(), "fingerprints": [7]}, "fingerprints", "64 hex digits"),
            ({"pem": apple.pem().decode(), "fingerprints": apple.fingerprints() * 6}, "fingerprints", "more than 16"),
            ({"pem": apple.pem().decode() * 6, "fingerprints": apple.fingerprints()}, "pem", "more than 16")):
        reply = server.api("POST", PATH, body)
        assert reply.status == 400 and says in reply.json()["detail"], reply
        assert field is None or reply.json()["field"] == field, reply
    assert imported(server) == []
    path = tmp_path / "device.pem"
    path.write_bytes(device.certificate_pem())
    assert server.ctl("apple-ca", "import", path, *named([device.sha256]), check=False).returncode == 65
    assert server.api("DELETE", PATH + "/" + "0" * 64).status == 404


def test_no_more_than_sixteen_are_imported(server):
    chains = [AppleChain(str(i)) for i in range(6)]
    for chain in chains[:5]:
        chain.import_into(server)
    body = {"pem": chains[5].pem().decode(), "fingerprints": chains[5].fingerprints()}
    assert server.api("POST", PATH, body).status == 409
    one = chains[5].root
    assert server.api("POST", PATH, {"pem": one.certificate_pem().decode(), "fingerprints": [one.sha256]}).status == 201
    assert len(imported(server)) == 16
    wait_until(lambda: sum("what=import_apple_ca" in line for line in server.log) == 16, "an audit line for each")

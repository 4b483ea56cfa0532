# SPDX-License-Identifier: Apache-2.0
"""Certificates near their end: renewed where they are our own, told of where they are not."""

import datetime
import os
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harness.authority import Authority, load_certificate
from harness.certificate import NAMES, pem_of, put_foreign, shown
from harness.device import Device
from harness.server import wait_until
from harness.vault import forget, tls_root


def put_own(server, ends_days, root=None):
    """A certificate of the server's own root for the key that is there, as if it had been made long ago."""
    root = root or tls_root(server.folder)
    key = load_pem_private_key((server.folder / "tls" / "server.key").read_bytes(), None)
    leaf = root.issue("localhost", -300, ends_days, usage=x509.ExtendedKeyUsageOID.SERVER_AUTH, key=key, names=NAMES)
    pem_of(server).write_bytes(leaf.certificate_pem())
    return leaf


def days_left(certificate):
    return (certificate.not_valid_after - datetime.datetime.utcnow()) / datetime.timedelta(days=1)


def alarms(server, prefix):
    return {(alarm["kind"], alarm["subject"]): alarm["text"]
            for alarm in server.get("/api/v1/status")["alarms"] if alarm["kind"].startswith(prefix)}


def lines(server, event):
    return [line for line in server.log if f"event={event} " in line]


def turn(server):
    """Reloads, and waits until what is to be said of certificates then was said: they are looked at after a reload, and
    the writer takes one thing after the other."""
    for _ in range(2):
        before = len(server.log)
        server.reload()
        server.wait_log("event=reloaded ", after=before)
    assert server.api("DELETE", "/api/v1/alarms/none/none").status == 404


# --- our own


def test_a_certificate_of_our_own_root_is_renewed_before_its_end(make_server, authority):
    server = make_server()
    old = put_own(server, 20)
    os.chmod(pem_of(server), 0o644)
    server.start()
    server.trust(authority)
    assert "not_after=" in server.wait_log("event=tls_cert_renewed ")
    fresh = load_certificate(pem_of(server).read_bytes())
    assert shown(server) == fresh
    assert days_left(fresh) > 390
    assert fresh.public_key().public_numbers() == old.key.public_key().public_numbers(), "the key stays"
    assert fresh.subject == old.certificate.subject
    names = fresh.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(NAMES)
    assert stat.S_IMODE(os.stat(pem_of(server)).st_mode) == 0o644, "as it was"
    assert Device(server, authority.issue("device")).enroll().poll() is None, "by the same root"
    assert [row["days_left"] for row in server.get("/api/v1/status")["certificates"] if row["what"] == "tls"] > [390]
    assert alarms(server, "tls_cert") == {} and lines(server, "tls_cert_expiring") == []
    turn(server)
    assert len(lines(server, "tls_cert_renewed")) == 1
    assert load_certificate(pem_of(server).read_bytes()) == fresh


def test_one_that_ended_while_the_server_was_off_is_renewed_when_it_starts(make_server):
    server = make_server()
    put_own(server, -3)
    result = server.ctl("doctor", check=False)
    assert "ended" in result.stdout
    server.start()
    server.wait_log("event=tls_cert_renewed ")
    assert days_left(shown(server)) > 390


def test_it_is_renewed_while_serving_and_open_connections_go_on(make_server, authority):
    server = make_server()
    root = tls_root(server.folder)
    server.start()
    server.trust(authority)
    device = Device(server, authority.issue("device")).enroll()
    connection = device._connection.sock
    put_own(server, 20, root)
    server.reload()
    server.wait_log("event=tls_cert_renewed ")
    assert device.poll() is None and device._connection.sock is connection
    assert days_left(shown(server)) > 390


def test_the_conf_says_when_it_is_renewed_and_whether(make_server):
    server = make_server({"device.tls_renew_days": "0"})
    root = tls_root(server.folder)
    old = put_own(server, 20, root)
    server.start()
    assert "days_left=20 " in server.wait_log("event=tls_cert_expiring ")
    assert shown(server) == old.certificate
    server.conf["device.tls_renew_days"] = "10"
    server.write_conf()
    turn(server)
    assert shown(server) == old.certificate and lines(server, "tls_cert_renewed") == []
    server.conf["device.tls_renew_days"] = "20"
    server.write_conf()
    server.reload()
    server.wait_log("event=tls_cert_renewed ")
    assert days_left(shown(server)) > 390


def test_what_comes_behind_it_in_the_file_stays_and_a_link_is_followed(make_server):
    server = make_server()
    leaf = put_own(server, 20)
    root_pem = server.root_pem.read_bytes()
    elsewhere = server.folder / "elsewhere.pem"
    elsewhere.write_bytes(leaf.certificate_pem() + root_pem)
    pem_of(server).unlink()
    pem_of(server).symlink_to(elsewhere)
    server.start()
    server.wait_log("event=tls_cert_renewed ")
    assert pem_of(server).is_symlink()
    assert elsewhere.read_bytes().endswith(root_pem)
    assert elsewhere.read_bytes().count(b"BEGIN CERTIFICATE") == 2


def break_key(server):
    forget(server.folder, "tls_root.key")


def break_file(server):
    (server.folder / "tls" / "server.pem.new").mkdir()  # where the new one would be written; root may write anywhere


@pytest.mark.parametrize("broken, why", [(break_key, "the key of its root is not in the database"),
                                         (break_file, "server.pem.new: exists")])
def test_one_that_cannot_be_renewed_is_told_of_and_left_as_it_is(make_server, broken, why):
    server = make_server()
    old = put_own(server, 5)
    broken(server)
    server.start()
    assert why in server.wait_log("event=tls_cert_not_renewed ")
    assert "days_left=5 " in server.wait_log("event=tls_cert_expiring ")
    turn(server)
    told = alarms(server, "tls_cert")
    assert set(told) == {("tls_cert_not_renewed", "localhost"), ("tls_cert_expiring", "localhost")}
    assert why in told["tls_cert_not_renewed", "localhost"]
    assert len(lines(server, "tls_cert_not_renewed")) == 1 and len(lines(server, "tls_cert_expiring")) == 1
    assert shown(server) == old.certificate
    if broken is break_key:
        return
    (server.folder / "tls" / "server.pem.new").rmdir()
    server.reload()
    server.wait_log("event=tls_cert_renewed ")
    wait_until(lambda: alarms(server, "tls_cert") == {}, "the alarms are struck out")


# --- others


@pytest.mark.parametrize("ends_days, said", [(31.5, None), (29.5, 30), (13.5, 14), (6.5, 7), (0.5, 1), (-1, 0)])
def test_a_foreign_certificate_is_told_of_once_a_step(make_server, ends_days, said):
    server = make_server()
    put_foreign(server, ends_days)
    server.start()
    event = "tls_cert_expired" if said == 0 else "tls_cert_expiring"
    if said is not None:
        assert f"days_left={said} " in server.wait_log(f"event={event} ")
    turn(server)
    assert len(lines(server, event)) == (0 if said is None else 1)
    want = {(event, "localhost")} if said is not None and said <= 7 else set()
    assert set(alarms(server, "tls_cert")) == want
    server.stop()
    put_foreign(server, 300)
    server.start()
    wait_until(lambda: alarms(server, "tls_cert") == {}, "what was said of the old one is struck out")


def test_a_device_ca_near_its_end_is_told_of_until_it_is_removed(make_server):
    server = make_server().start()
    ending = Authority("Ending CA", days=5)
    ended = Authority("Ended CA", days=-5)
    server.trust(ending, "a.pem")
    server.trust(ended, "b.pem")
    server.trust(Authority("Another CA"), "c.pem")
    server.reload()
    assert ending.sha256 in server.wait_log("event=ca_cert_expiring .*days_left=5 ")
    assert ended.sha256 in server.wait_log("event=ca_cert_expired ")
    turn(server)
    told = alarms(server, "ca_cert")
    assert set(told) == {("ca_cert_expiring", ending.sha256), ("ca_cert_expired", ended.sha256)}
    assert "CN=Ending CA" in told["ca_cert_expiring", ending.sha256]
    assert len(lines(server, "ca_cert_expiring")) == 1 and len(lines(server, "ca_cert_expired")) == 1
    server.ctl("ca", "remove", ended.sha256)
    assert set(alarms(server, "ca_cert")) == {("ca_cert_expiring", ending.sha256)}
    server.ctl("ca", "remove", ending.sha256.upper())
    assert alarms(server, "ca_cert") == {}

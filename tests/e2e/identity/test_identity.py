# SPDX-License-Identifier: Apache-2.0
import ssl

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.authority import Authority, Identity, twin
from harness.device import Device


def refusal_of(server, device):
    entries = [entry for entry in server.refusals() if entry["claimed_id"] == device.udid]
    assert entries, server.refusals()
    assert entries[0]["remedy"]
    return entries[0]["reason"]


def test_without_a_certificate_a_device_is_refused(server, make_device):
    device = make_device()
    device.use(None)
    assert device.authenticate().status == 403
    assert refusal_of(server, device) == "no_certificate"


def test_a_certificate_of_a_foreign_ca_is_refused(server, make_device):
    device = make_device(identity=Authority("Somebody's CA").issue("device"))
    assert device.authenticate().status == 403
    assert refusal_of(server, device) == "not_chained"


def test_a_self_signed_certificate_is_refused(server, make_device):
    stranger = Authority("I am my own CA")
    device = make_device(identity=Identity(stranger.key, stranger.certificate))
    assert device.authenticate().status == 403


@pytest.mark.parametrize("starts, ends, reason", [(-30, -1, "expired"), (1, 30, "not_yet_valid")])
def test_a_certificate_out_of_its_time_is_refused(server, authority, make_device, starts, ends, reason):
    device = make_device(identity=authority.issue("device", starts, ends))
    assert device.authenticate().status == 403
    assert refusal_of(server, device) == reason


def test_a_certificate_for_servers_is_refused(server, authority, make_device):
    device = make_device(identity=authority.issue("device", usage=ExtendedKeyUsageOID.SERVER_AUTH))
    assert device.authenticate().status == 403
    assert refusal_of(server, device) == "wrong_purpose"


def test_an_intermediate_sent_by_the_client_is_used(server, tmp_path):
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    root = Authority("Root with a helper")
    server.trust(root, "root-ca.pem")
    helper = Authority("Helper CA")
    now = datetime.datetime.utcnow()
    cross = (x509.CertificateBuilder().subject_name(helper.certificate.subject)
             .issuer_name(root.certificate.subject).public_key(helper.key.public_key())
             .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
             .not_valid_after(now + datetime.timedelta(days=30))
             .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
             .sign(root.key, hashes.SHA256()))
    leaf = helper.issue("device")
    device = Device(server, leaf)
    path = tmp_path / "chain.pem"
    path.write_bytes(leaf.certificate_pem() + Identity(None, cross).certificate_pem() + leaf.key_pem())
    context = ssl.create_default_context(cafile=str(server.root_pem))
    context.load_cert_chain(str(path))
    device._context = context
    assert device.enroll()


def test_a_revoked_certificate_is_refused_at_once(server, make_device):
    device = make_device().enroll()
    assert device.poll() is None
    server.ctl("identity", "revoke", device.identity.sha256)
    assert device.idle().status == 403
    assert refusal_of(server, device) == "revoked"


def test_a_revoked_certificate_does_not_come_back_under_another_signature(server, make_device):
    device = make_device().enroll()
    server.ctl("identity", "revoke", device.identity.sha256)
    disguised = twin(device.identity)
    assert disguised.sha256 != device.identity.sha256
    for udid in (device.udid, "OTHER"):
        thief = make_device(udid, disguised)
        for message in (thief.authenticate, thief.token_update, thief.idle, thief.check_out,
                        lambda: thief.report("Acknowledged", "X")):
            assert message().status == 403
            assert refusal_of(server, thief) == "certificate_twin"


def test_a_certificate_that_never_came_is_revoked_by_its_file(server, authority, make_device):
    stolen = authority.issue("stolen")
    path = stolen.write(server.folder / "stolen.pem")
    assert "--cert" in server.ctl("identity", "revoke", check=False).stderr
    unknown = server.ctl("identity", "revoke", stolen.sha256, check=False)
    assert unknown.returncode != 0 and "send the certificate" in unknown.stderr
    path.write_bytes(path.read_bytes() + authority.certificate_pem())
    assert "more than one certificate" in server.ctl("identity", "revoke", "--cert", path, check=False).stderr
    stolen.write(path)
    for _ in range(2):
        assert stolen.sha256 in server.ctl("identity", "revoke", "--cert", path).stdout
    thief = make_device(identity=stolen)
    for message in (thief.authenticate, thief.token_update, thief.idle):
        assert message().status == 403
    assert refusal_of(server, thief) == "revoked"
    known = make_device().enroll()
    server.ctl("identity", "revoke", "--cert", known.identity.write(path))
    assert known.idle().status == 403
    disguised = twin(authority.issue("twin"))
    other = twin(disguised)
    server.ctl("identity", "revoke", "--cert", disguised.write(path))
    assert make_device(identity=other).authenticate().status == 403
    assert server.ctl("identity", "revoke", "--cert", other.write(path), check=False).returncode != 0


@pytest.mark.parametrize("body, field", [
    ({"certificate": "no PEM"}, "certificate"), ({"certificate": 1}, None), ({}, None), ([], None),
    ({"certificate": Authority("Another").certificate_pem().decode()}, "certificate")])
def test_a_revocation_with_another_certificate_changes_nothing(server, body, field):
    reply = server.api("POST", f"/api/v1/identities/{'0' * 64}/revoke", body)
    assert reply.status == 400
    assert field is None or reply.json()["field"] == field
    assert server.get("/api/v1/identities")["identities"] == []


def test_two_devices_never_share_a_certificate(server, authority, make_device):
    first = make_device().enroll()
    second = make_device(identity=first.identity)
    for message in (second.authenticate, second.token_update, second.idle, second.check_out):
        assert message().status == 403
    assert refusal_of(server, second) == "pinned_to_another"
    assert first.poll() is None


def test_another_certificate_cannot_speak_for_a_device(server, authority, make_device):
    device = make_device().enroll()
    server.enqueue([device.udid], {"RequestType": "ProfileList"})
    thief = make_device(device.udid, authority.issue("thief"))
    for message in (thief.token_update, thief.idle, thief.check_out,
                    lambda: thief.checkin("GetBootstrapToken"), lambda: thief.report("Acknowledged", "X")):
        assert message().status == 403
    assert server.device(device.udid)["state"] == "enrolled"
    assert device.poll()["Command"]["RequestType"] == "ProfileList"


def test_authenticate_alone_takes_nothing_from_the_enrolled_device(server, authority, make_device):
    device = make_device().enroll()
    server.enqueue([device.udid], {"RequestType": "ProfileList"})
    other = make_device(device.udid, authority.issue("second"))
    assert other.authenticate().status == 200
    assert other.idle().status == 403, "not before its TokenUpdate"
    command = device.poll()
    assert device.answer(command) is None
    assert server.device(device.udid)["state"] == "enrolled"


def test_a_token_update_moves_the_pin_and_clears_the_old_queue(server, authority, make_device):
    device = make_device().enroll()
    sent = server.enqueue([device.udid], {"RequestType": "ProfileList"})
    other = make_device(device.udid, authority.issue("second")).enroll()
    assert other.poll() is None
    assert server.get(f"/api/v1/commands/{sent['uuid']}")["by_state"]["cancelled"] == 1
    assert device.idle().status == 403
    assert refusal_of(server, device) == "superseded"
    assert server.device(device.udid)["identity"]["sha256"] == other.identity.sha256


def test_two_devices_that_claim_one_udid_raise_an_alarm(server, authority, make_device):
    device = make_device().enroll()
    clones = [make_device(device.udid, authority.issue(f"clone {i}")) for i in range(2)]
    for clone in clones:
        assert clone.authenticate().status == 200
    alarms = server.get("/api/v1/alarms")["alarms"]
    assert [alarm["subject"] for alarm in alarms if alarm["kind"] == "identity_conflict"] == [device.udid]
    # Of the two that wait, the one that authenticated last may finish; the device itself is live until then.
    assert clones[0].token_update().status == 403
    assert device.poll() is None
    assert clones[1].token_update().status == 200


def test_a_certificate_issued_for_a_device_authenticates_only_as_it(server, make_device):
    from harness.authority import load_certificate, make_csr

    key, csr = make_csr("whoever")
    reply = server.api("POST", "/api/v1/identities", {"csr": csr.decode(), "device_id": "UDID-OF-THE-RIGHT-ONE"})
    assert reply.status in (200, 201), reply
    identity = Identity(key, load_certificate(reply.json()["certificate"].encode()))
    wrong = make_device("UDID-OF-A-WRONG-ONE", identity)
    assert wrong.authenticate().status == 403
    assert refusal_of(server, wrong) == "issued_for_another"
    make_device("UDID-OF-THE-RIGHT-ONE", identity).enroll()


def test_a_renewal_keeps_queue_tokens_and_users(server, make_device):
    from harness.authority import load_certificate, make_csr
    from harness.device import UserChannel

    device = make_device().enroll(UnlockToken=b"kept")
    user = UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada")
    assert user.token_update().status == 200
    device.checkin("SetBootstrapToken", BootstrapToken=b"kept too")
    server.enqueue([device.udid, f"{device.udid}:U"], {"RequestType": "ProfileList"})
    key, csr = make_csr("renewed")
    reply = server.api("POST", "/api/v1/identities",
                       {"csr": csr.decode(), "device_id": device.udid, "renewal": True})
    assert reply.status in (200, 201), reply
    old = device.identity
    device.use(Identity(key, load_certificate(reply.json()["certificate"].encode())))
    assert device.authenticate().status == 200
    assert device.token_update().status == 200
    assert server.device(device.udid)["has_unlock_token"] is True
    assert b"kept too" in __import__("plistlib").loads(device.checkin("GetBootstrapToken").body)["BootstrapToken"]
    assert device.poll()["Command"]["RequestType"] == "ProfileList"
    user.use(device.identity)
    assert user.poll()["Command"]["RequestType"] == "ProfileList"
    device.use(old)
    assert device.token_update().status == 403


def test_an_unknown_device_is_refused_and_never_unenrolled_by_default(server, make_device):
    make_device().enroll()
    stranger = make_device()
    for message in (stranger.idle, stranger.token_update, stranger.check_out):
        assert message().status == 403
    assert refusal_of(server, stranger) == "unknown_device"


@pytest.fixture
def unenrolling(make_server, authority):
    server = make_server({"device.unknown_device": "unenroll", "device.unenroll_fuse": 3}).start()
    server.trust(authority)
    return server


def test_an_empty_database_never_unenrolls(unenrolling, authority):
    stranger = Device(unenrolling, authority.issue("stranger"))
    assert stranger.idle().status == 403
    assert refusal_of(unenrolling, stranger) == "fuse_blown"


def test_the_conf_may_unenroll_unknown_devices_until_the_fuse_blows(unenrolling, authority):
    Device(unenrolling, authority.issue("known")).enroll()
    strangers = [Device(unenrolling, authority.issue(f"stranger {i}")) for i in range(5)]
    assert [stranger.idle().status for stranger in strangers] == [401, 401, 401, 403, 403]
    alarms = unenrolling.get("/api/v1/alarms")["alarms"]
    assert "unenroll_fuse" in [alarm["kind"] for alarm in alarms]


def test_an_unknown_user_of_a_known_device_is_no_unknown_device(unenrolling, authority):
    from harness.device import UserChannel

    device = Device(unenrolling, authority.issue("known")).enroll()
    user = UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada")
    reply = user.idle()
    assert (reply.status, reply.body) == (200, b"")


def test_a_stranger_without_a_good_certificate_is_never_unenrolled(unenrolling, authority):
    Device(unenrolling, authority.issue("known")).enroll()
    assert Device(unenrolling, None).idle().status == 403
    assert Device(unenrolling, Authority("foreign").issue("x")).idle().status == 403
    assert Device(unenrolling, authority.issue("old", -30, -1)).idle().status == 403


def test_an_ordered_removal_is_given_once_the_device_comes(server, authority, make_device):
    device = make_device().enroll()
    sent = server.enqueue([device.udid], {"RequestType": "ProfileList"})
    server.ctl("device", "unenroll", device.udid)
    assert server.device(device.udid)["state"] == "removal_ordered"
    thief = make_device(device.udid, authority.issue("not its certificate"))
    assert thief.idle().status == 403
    assert device.idle().status == 401
    assert server.device(device.udid)["state"] == "removed"
    assert server.get(f"/api/v1/commands/{sent['uuid']}")["by_state"]["cancelled"] == 1
    assert device.token_update().status == 401, "an administrator ended it: no restore"
    again = make_device(device.udid, authority.issue("new profile")).enroll()
    assert again.poll() is None


def test_an_order_can_be_taken_back_before_the_device_came(server, make_device):
    device = make_device().enroll()
    server.ctl("device", "unenroll", device.udid)
    server.ctl("device", "keep", device.udid)
    assert device.poll() is None


def test_a_forgotten_device_is_unknown(server, make_device):
    device = make_device().enroll()
    assert server.ctl("device", "forget", device.udid, check=False).returncode == 1
    device.check_out()
    server.ctl("device", "forget", device.udid)
    assert server.api("GET", f"/api/v1/devices/{device.udid}").status == 404
    assert device.idle().status == 403


def test_a_device_ca_that_is_added_counts_at_once(server, make_device):
    late = Authority("Late CA")
    device = make_device(identity=late.issue("device"))
    assert device.authenticate().status == 403
    server.trust(late, "late.pem")
    assert device.authenticate().status == 200, "on the same connection"

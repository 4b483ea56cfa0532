# SPDX-License-Identifier: Apache-2.0
import plistlib

from harness.device import UserChannel


def test_a_bootstrap_token_is_kept_given_back_replaced_and_deleted(make_device):
    device = make_device().enroll()
    assert device.checkin("GetBootstrapToken").body == b""
    for secret in (b"first secret", b"second secret" * 100):
        assert device.checkin("SetBootstrapToken", BootstrapToken=secret).status == 200
        reply = device.checkin("GetBootstrapToken")
        assert plistlib.loads(reply.body) == {"BootstrapToken": secret}
    assert device.checkin("SetBootstrapToken", BootstrapToken=b"").status == 200
    reply = device.checkin("GetBootstrapToken")
    assert (reply.status, reply.body) == (200, b"")
    assert device.checkin("SetBootstrapToken", BootstrapToken=b"third").status == 200
    assert device.checkin("SetBootstrapToken").status == 200
    assert device.checkin("GetBootstrapToken").body == b""


def test_a_token_update_without_unlock_token_keeps_the_stored_one(server, make_device):
    device = make_device().enroll(UnlockToken=b"u" * 2000)
    assert server.device(device.udid)["has_unlock_token"] is True
    assert device.token_update().status == 200
    assert server.device(device.udid)["has_unlock_token"] is True


def test_a_new_enrollment_is_not_served_the_old_ones_secrets(server, authority, make_device):
    device = make_device().enroll(UnlockToken=b"u" * 2000)
    device.checkin("SetBootstrapToken", BootstrapToken=b"of the old one")
    device.use(authority.issue("after the wipe"))
    assert device.authenticate().status == 200
    assert server.device(device.udid)["has_unlock_token"] is True, "the old state stays live until the TokenUpdate"
    assert device.token_update().status == 200
    assert device.checkin("GetBootstrapToken").body == b""
    assert server.device(device.udid)["has_unlock_token"] is False


def test_secrets_stand_nowhere_in_the_open(server, make_device):
    marks = [b"UNLOCK-7f3a-SECRET", b"BOOT-91cc-SECRET", b"PIN-484848-SECRET", b"RESULT-5521-SECRET"]
    device = make_device().enroll(UnlockToken=marks[0] * 20)
    device.checkin("SetBootstrapToken", BootstrapToken=marks[1])
    server.enqueue([device.udid], {"RequestType": "DeviceLock", "PIN": marks[2].decode()})
    command = device.poll()
    assert command["Command"]["PIN"] == marks[2].decode()
    device.answer(command, RecoveryKey=marks[3].decode())
    device.put("/checkin", b"garbage " + marks[1], "application/x-apple-aspen-mdm-checkin")
    server.stop()
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    assert any(path.name.endswith(".db") for path in files)
    for mark in marks:
        assert mark.decode() not in "\n".join(server.log)
        for path in files:
            assert mark not in path.read_bytes(), path


def test_user_authenticate_is_gone_by_default(make_device):
    device = make_device().enroll()
    user = UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada")
    assert user.checkin("UserAuthenticate").status == 410


def test_user_authenticate_may_give_a_zero_length_challenge(make_server, authority):
    from harness.device import Device

    server = make_server({"device.user_authenticate": "empty_challenge"}).start()
    server.trust(authority)
    device = Device(server, authority.issue("mac")).enroll()
    user = UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada")
    reply = user.checkin("UserAuthenticate")
    assert plistlib.loads(reply.body) == {"DigestChallenge": ""}
    reply = user.checkin("UserAuthenticate", DigestResponse="")
    assert (reply.status, reply.body) == (200, b"")

# SPDX-License-Identifier: Apache-2.0
import base64
import json
import os
import plistlib

from harness.device import CHECKIN, COMMAND, Device, UserChannel
from harness.pushcert import PushCert


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


class Planted:
    """Secrets that can be told from all else, and all places where none may be found."""

    def __init__(self):
        self.marks = []

    def make(self, what):
        self.marks.append(f"SECRET{len(self.marks):02}-{what}-{os.urandom(6).hex()}")
        return self.marks[-1]

    def forms(self):
        """As it is, and as a plist or JSON would carry it: in base64 at any offset."""
        for mark in self.marks:
            yield mark, mark.encode()
            for offset in range(3):
                coded = base64.b64encode(b"\0" * offset + mark.encode() + b"\0" * 3)
                yield mark, coded[4 if offset else 0:len(mark) // 3 * 4 - 4]

    def check(self, where, data):
        if isinstance(data, str):
            data = data.encode()
        found = [mark for mark, form in self.forms() if form in data]
        assert found == [], f"{where} has {found}"


def spoiled(body):
    """A message with the fault before, within and behind the secret."""
    return [body[:-20], body.replace(b"</dict>", b"</dikt>"), b"x" + body, body.replace(b"<dict>", b"<dict><key/>", 1),
            body + body, body.replace(b"</key>", b"</key><integer>x</integer>"), body.replace(b"<plist", b"<plost"),
            body.replace(b"</string>", b"\x01</string>"), body.replace(b"</data>", b"!</data>")]


def plant_in_check_in(device, planted, replies):
    """Every secret of a check-in, taken and then in every way wrong."""
    secrets = {"UnlockToken": planted.make("unlock").encode(), "BootstrapToken": planted.make("bootstrap").encode(),
               "DigestResponse": planted.make("digest"), "Challenge": planted.make("challenge")}
    assert device.token_update(UnlockToken=secrets["UnlockToken"], Challenge=secrets["Challenge"]).status == 200
    assert device.checkin("SetBootstrapToken", BootstrapToken=secrets["BootstrapToken"]).status == 200
    user = UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada")
    replies.append(user.checkin("UserAuthenticate", DigestResponse=secrets["DigestResponse"]))
    for kind in ("Authenticate", "TokenUpdate", "SetBootstrapToken", "UserAuthenticate", "NoSuchMessage"):
        body = plistlib.dumps({"MessageType": kind, **device.ids(), "Topic": "com.apple.mgmt.test", **secrets})
        replies += [device.put("/checkin", bad, CHECKIN) for bad in spoiled(body)]
        replies.append(device.put("/checkin", body, "text/plain"))
        try:
            replies.append(device.put("/checkin", body + b" " * 1100000, CHECKIN))
        except OSError:
            device.close()  # 413 came before all of it was sent
        for name, wrong in (("UnlockToken", [1]), ("BootstrapToken", "text"), ("DigestResponse", 7)):
            replies.append(device.put("/checkin", plistlib.dumps(
                {"MessageType": kind, **device.ids(), **secrets, name: [secrets[name], wrong]}), CHECKIN))


def plant_in_commands(server, device, planted, replies):
    pin, password = planted.make("pin"), planted.make("password")
    answer, profile = planted.make("result"), planted.make("profile").encode()
    server.enqueue([device.udid], {"RequestType": "DeviceLock", "PIN": pin})
    server.enqueue([device.udid], {"RequestType": "InstallProfile", "Payload": base64.b64encode(
        b"<plist><dict><key>Password</key><string>" + profile + b"</string></dict></plist>").decode()})
    server.enqueue([device.udid], {"RequestType": "AccountConfiguration", "AutoSetupAdminAccounts": [
        {"shortName": "a", "passwordHash": password}]})
    order = {"ids": [device.udid], "uuid": "SAME", "command": {"RequestType": "DeviceLock", "PIN": pin}}
    assert server.api("POST", "/api/v1/commands", order).status == 200
    order["command"]["PIN"] = planted.make("pin of a conflict")
    replies.append(server.api("POST", "/api/v1/commands", order))
    assert replies[-1].status == 409
    text = json.dumps(order).encode()
    for bad in (text[:-1], text[:-10], text.replace(b"PIN", b"PI\\N"), b"[" + text, text.replace(b"ids", b"idz"),
                text.replace(b'"PIN":', b'"PIN"'), text.replace(b"DeviceLock", b""), text + b"x"):
        replies.append(server.api("POST", "/api/v1/commands", bad, {"Content-Type": "application/json"}))
        assert replies[-1].status == 400, bad
    # As the name of a key it is named to its sender, but to nobody else.
    reply = server.api("POST", "/api/v1/commands", text.replace(b'"uuid"', b'"' + pin.encode() + b'"'))
    assert reply.status == 400
    for status in ("Acknowledged", "Error", "NotNow", "NoSuchStatus"):
        told = [device.report(status, "NO-SUCH-COMMAND", RecoveryKey=answer)]
        body = plistlib.dumps({"Status": status, **device.ids(), "CommandUUID": "X", "RecoveryKey": answer})
        told += [device.put("/mdm", bad, COMMAND) for bad in spoiled(body)]
        replies += [reply for reply in told if reply.status != 200]  # which has the next command, for this device alone
    command = device.poll()
    while command is not None:
        command = device.answer(command, RecoveryKey=answer, ErrorChain=[{"LocalizedDescription": answer}])


def plant_in_administration(server, planted, replies):
    """Tokens right and wrong, PKCS#12 passwords, keys of push certificates."""
    token = server.api("POST", "/api/v1/tokens", {"name": "robot", "role": "viewer"}).json()["token"]
    planted.marks.append(token)
    assert server.api("GET", "/api/v1/status", token=token).status == 200
    planted.check("the list of tokens", server.api("GET", "/api/v1/tokens").body)
    for wrong in (planted.make("token"), token[:-1]):
        replies.append(server.api("GET", "/api/v1/status", token=wrong))
        assert replies[-1].status == 401
    replies.append(server.api("POST", "/api/v1/identities", {"common_name": "p", "pkcs12": {
        "password": planted.make("pkcs12")}}))
    assert replies[-1].status == 201
    password = planted.make("pkcs12 of a fault")
    for bad in ({"common_name": 7, "pkcs12": {"password": password}}, {"pkcs12": {"password": password, "x": 1}},
                {"common_name": "p", "pkcs12": {"password": password * 20}}, {"pkcs12": password}):
        replies.append(server.api("POST", "/api/v1/identities", bad))
        assert replies[-1].status in (400, 413), replies[-1]
    certificate = PushCert("com.apple.mgmt.External.secrets")
    password = planted.make("push key")
    key = certificate.key_pem()
    planted.marks += key.splitlines()[1:3]
    for body in (certificate.body(), certificate.body(key=certificate.key_pem(password=password), password=password),
                 {"certificate": key, "key": "x"}, {"certificate": "x", "key": key}):
        replies.append(server.api("PUT", "/api/v1/pushcerts", body))


def test_secrets_stand_nowhere_in_the_open(make_server, authority):
    """In logs at debug, replies to faults, refusals, status, the audit, the database with its log, and a backup."""
    server = make_server({"server.log_level": "debug"}).start()
    server.trust(authority)
    planted, replies = Planted(), []
    device = Device(server, authority.issue("device")).enroll()
    plant_in_check_in(device, planted, replies)
    plant_in_commands(server, device, planted, replies)
    plant_in_administration(server, planted, replies)
    stranger = Device(server, authority.issue("stranger"), device.udid)
    replies.append(stranger.checkin("GetBootstrapToken"))
    replies.append(stranger.token_update(UnlockToken=planted.make("stranger's").encode()))
    replies.append(stranger.idle())
    assert [reply.status for reply in replies[-3:]] == [403, 403, 403]
    for path in ("status", "refusals", "alarms", "devices", "identities", "commands", "tokens", "pushcerts"):
        replies.append(server.api("GET", f"/api/v1/{path}"))
    assert server.refusals() != []
    for at, reply in enumerate(replies):
        planted.check(f"reply {at}, {reply.status},", reply.body)
        planted.check(f"headers of reply {at}", str(reply.headers))
    server.ctl("backup", server.folder / "copy")
    for path in server.folder.glob("pomona.db*"):  # with the log, while it runs
        planted.check(path.name, path.read_bytes())
    device.close()
    stranger.close()
    server.stop()
    planted.check("the log", "\n".join(server.log))
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    assert {"pomona.db", "copy"} <= {path.name for path in files}
    for path in files:
        planted.check(path.name, path.read_bytes())


def test_user_authenticate_is_gone_by_default(make_device):
    device = make_device().enroll()
    user = UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada")
    assert user.checkin("UserAuthenticate").status == 410


def test_user_authenticate_may_give_a_zero_length_challenge(make_server, authority):
    server = make_server({"device.user_authenticate": "empty_challenge"}).start()
    server.trust(authority)
    device = Device(server, authority.issue("mac")).enroll()
    user = UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada")
    reply = user.checkin("UserAuthenticate")
    assert plistlib.loads(reply.body) == {"DigestChallenge": ""}
    reply = user.checkin("UserAuthenticate", DigestResponse="")
    assert (reply.status, reply.body) == (200, b"")

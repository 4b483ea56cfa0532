# SPDX-License-Identifier: Apache-2.0
"""Users of Macs who log in: the digest is computed by Python, which knows nothing of our code."""

import fcntl
import hashlib
import os
import plistlib
import re
import stat

import pytest
from harness.device import Device, UserChannel
from harness.server import wait_until

PASSWORD = "corréct horse"


@pytest.fixture
def mac(make_server, authority, tmp_path):
    server = make_server({"device.user_authenticate": "digest"}).start()
    server.trust(authority)
    add_user(server, tmp_path, "ada", PASSWORD)
    return Device(server, authority.issue("mac")).enroll()


def add_user(server, folder, name, password, verb="add"):
    path = folder / "password"
    path.write_text(password + "\n")
    before = sum("users_read" in line for line in server.log)
    server.ctl("user", verb, name, "--password-file", path)
    if server.process is not None:
        wait_until(lambda: sum("users_read" in line for line in server.log) > before, "the file is read again")


def user_of(device, short_name="ada", user_id="U-1"):
    return UserChannel(device, UserID=user_id, UserShortName=short_name, UserLongName="Ada")


def challenge_of(user):
    reply = user.checkin("UserAuthenticate")
    assert reply.status == 200
    return plistlib.loads(reply.body)["DigestChallenge"]


def digest(challenge, name, password, method="PUT", algorithm="MD5", qop="auth"):
    """RFC 7616, 3.4, from the challenge's own words."""
    def h(text):
        return {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm](text.encode()).hexdigest()

    facts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm, nonce, uri, nc, cnonce = facts["realm"], facts["nonce"], "/checkin", "00000001", os.urandom(8).hex()
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    response = h(f"{h(f'{name}:{realm}:{password}')}:{middle}:{h(f'{method}:{uri}')}")
    text = f'username="{name}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}"'
    if algorithm != "MD5":
        text += f", algorithm={algorithm}"
    return text + (f', cnonce="{cnonce}", nc={nc}, qop={qop}' if qop else "")


def token_of(user, response):
    reply = user.checkin("UserAuthenticate", DigestResponse=response)
    assert reply.status == 200, reply
    return plistlib.loads(reply.body)["AuthToken"]


def crash(server, device):
    server.kill()
    server.start()
    device.close()


def log_in(user, password=PASSWORD, name="ada", **how):
    return token_of(user, digest(challenge_of(user), name, password, **how))


@pytest.mark.parametrize("how", [
    {}, {"method": "POST"}, {"method": "GET"}, {"method": "AUTHENTICATE"}, {"qop": None}, {"algorithm": "SHA-256"}])
def test_the_right_password_gives_a_token_which_is_then_required(mac, how):
    user = user_of(mac)
    token = log_in(user, **how)
    assert len(token) == 64
    assert user.token_update().status == 403
    assert user.token_update(AuthToken="0" * 64).status == 403
    assert user.token_update(AuthToken=token).status == 200
    assert user.idle().status == 403
    assert user.report("Idle", AuthToken=token).status == 200
    assert mac.idle().status == 200, "the device itself needs none"
    assert user_of(mac, "bob", "U-2").token_update().status == 200, "who was not asked needs none"


@pytest.mark.parametrize("name, password", [("ada", "wrong"), ("bob", PASSWORD), ("ada", "")])
def test_a_wrong_password_gives_an_empty_token(mac, name, password):
    user = user_of(mac, name)
    assert log_in(user, password, name) == ""
    assert user.token_update(AuthToken="").status == 403
    assert user.token_update().status == 403
    mac.server.wait_log("event=user_login_(wrong|unknown_user)")
    assert PASSWORD not in "\n".join(mac.server.log)


def test_a_challenge_is_good_for_one_answer_of_one_user(mac):
    user = user_of(mac)
    challenge = challenge_of(user)
    other = user_of(mac, user_id="U-2")
    challenge_of(other)
    assert token_of(other, digest(challenge, "ada", PASSWORD)) == ""
    assert token_of(user, "garbage") == "", "and it is spent"
    assert token_of(user, digest(challenge, "ada", PASSWORD)) == ""
    challenge = challenge_of(user)
    response = digest(challenge, "ada", PASSWORD)
    assert token_of(user, response) != ""
    assert token_of(user, response) == ""


def test_a_login_lasts_over_a_crash_and_up_to_the_next_one(mac):
    user = user_of(mac)
    challenge = challenge_of(user)
    crash(mac.server, user)
    token = token_of(user, digest(challenge, "ada", PASSWORD))
    assert user.token_update(AuthToken=token).status == 200
    crash(mac.server, user)
    assert user.token_update(AuthToken=token).status == 200
    challenge_of(user)
    assert user.token_update(AuthToken=token).status == 403


def test_guessing_is_limited(mac):
    user = user_of(mac)
    for _ in range(10):
        assert log_in(user, "guess") == ""
    assert log_in(user) == "", "even the right one is not looked at any more"
    mac.server.wait_log("event=user_login_limited")


class Behind(UserChannel):
    """A user of a device behind a proxy, which says so."""

    client = "192.0.2.1"

    def put(self, path, body, content_type, headers=None):
        return super().put(path, body, content_type, {"X-Forwarded-For": self.client, **(headers or {})})


def test_guesses_are_counted_for_who_is_behind_a_proxy(make_server, authority, tmp_path):
    server = make_server({"device.user_authenticate": "digest", "device.proxies": "127.0.0.1"}).start()
    server.trust(authority)
    add_user(server, tmp_path, "ada", PASSWORD)
    mac = Device(server, authority.issue("mac")).enroll()
    for name in range(5):
        user = Behind(mac, UserID=f"U-{name}", UserShortName=f"nobody{name}")
        assert [log_in(user, "guess", f"nobody{name}") for _ in range(10)] == [""] * 10
        user.close()
    ada = Behind(mac, UserID="U-ada", UserShortName="ada")
    assert log_in(ada) == "", "50 from this address"
    ada.client = "192.0.2.2"
    assert log_in(ada) != ""


def test_answers_to_no_open_challenge_and_of_strangers_spend_no_guess(mac, authority):
    user = user_of(mac)
    spent = digest(challenge_of(user), "ada", "guess")
    assert token_of(user, spent) == "", "the first of ten guesses"
    stranger = UserChannel(Device(mac.server, authority.issue("stranger"), mac.udid), **user.user_keys)
    for _ in range(12):
        assert token_of(user, spent) == ""
        challenge = challenge_of(user)
        answer = digest(challenge, "ada", "guess")
        assert stranger.checkin("UserAuthenticate", DigestResponse=answer).status == 403
    assert log_in(user) != ""
    assert not any("user_login_limited" in line for line in mac.server.log)


def test_a_password_that_is_changed_counts_at_once_and_a_broken_file_changes_nothing(mac, tmp_path):
    server = mac.server
    user = user_of(mac)
    add_user(server, tmp_path, "ada", "another", "passwd")
    assert log_in(user) == ""
    assert log_in(user, "another") != ""
    path = server.folder / "users"
    path.write_text("ada\tgarbage\n")
    wait_until(lambda: any("users_not_read" in line for line in server.log), "the fault is logged")
    assert log_in(user, "another") != ""
    assert "users:1:" in next(line for line in server.log if "users_not_read" in line)


def test_the_user_file_is_kept_by_pomonactl(make_server, tmp_path):
    server = make_server()
    path = server.folder / "users"
    assert server.ctl_json("user", "list") == {"users": []}
    add_user(server, tmp_path, "bob", "secret of bob")
    add_user(server, tmp_path, "ada", "secret of ada")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "secret" not in path.read_text()
    assert [user["name"] for user in server.ctl_json("user", "list")["users"]] == ["ada", "bob"]
    lines = dict(line.split("\t", 1) for line in path.read_text().splitlines()[1:])
    hashed, realm, md5, sha256 = lines["ada"].split("\t")[1:]
    assert md5 == hashlib.md5(f"ada:{realm}:secret of ada".encode()).hexdigest()
    assert sha256 == hashlib.sha256(f"ada:{realm}:secret of ada".encode()).hexdigest()
    _, log_n, r, p, salt, key = hashed.split("$")
    assert hashlib.scrypt(b"secret of ada", salt=bytes.fromhex(salt), n=2 ** int(log_n), r=int(r), p=int(p),
                          maxmem=2 ** 27, dklen=32).hex() == key
    assert server.ctl("user", "add", "ada", "--password-file", tmp_path / "password", check=False).returncode == 1
    assert server.ctl("user", "remove", "carl", check=False).returncode == 1
    assert server.ctl("user", "add", "a:b", "--password-file", tmp_path / "password", check=False).returncode == 65
    server.ctl("user", "remove", "ada")
    assert "bob" in server.ctl("user", "list").stdout
    assert [user["name"] for user in server.ctl_json("user", "list")["users"]] == ["bob"]
    path.chmod(0o640)
    assert server.ctl("user", "list", check=False).returncode == 66


def test_two_pomonactl_do_not_change_the_users_at_once_and_leave_no_lock_behind(make_server, tmp_path):
    server = make_server()
    add_user(server, tmp_path, "ada", "secret of ada")
    folder = os.open(server.folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    other = server.ctl("user", "remove", "ada", check=False)
    assert other.returncode == 1 and "another pomonactl" in other.stderr
    os.close(folder)
    server.ctl("user", "remove", "ada")
    assert sorted(path.name for path in server.folder.glob("users*")) == ["users"]


@pytest.mark.parametrize("words", [("user", "list"), ("user", "remove", "ada"), ("key", "new", "/nowhere")])
@pytest.mark.parametrize("option", [("--url", "http://127.0.0.1:1"), ("--socket", "/nowhere")])
def test_what_works_on_files_refuses_to_be_sent_to_a_server(make_server, words, option):
    refused = make_server().ctl(*option, *words, check=False)
    assert refused.returncode == 64 and "works on" in refused.stderr

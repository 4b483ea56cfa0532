# SPDX-License-Identifier: Apache-2.0
"""Links: the page for people, the profile behind its button, and how often and how long both are good."""

import contextlib
import http.client
import re
import sqlite3
import subprocess
import urllib.parse
import xml.dom.minidom

import pytest

from harness.browser import DESKTOP, PHONE, Browser
from harness.scep import Client
from harness.server import Reply

from test_profile import opened, payload, set_push_cert
from test_scep import BAD_REQUEST, to_first_answer

PATH = "/api/v1/enroll/invitations"
ASPEN = "application/x-apple-aspen-config"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def server(make_server):
    server = make_server({"enroll.organization": "Orchard & Söhne"}).start()
    set_push_cert(server)
    return server


def mint(server, **body):
    reply = server.api("POST", PATH, body)
    assert reply.status == 201, reply
    assert reply.headers["Cache-Control"] == "no-store"
    return reply.json()


def link(server, **body):
    """The path of a new link."""
    url = mint(server, **body)["url"]
    base = f"https://localhost:{server.device_port}"
    assert url.startswith(base + "/enroll/"), url
    return url[len(base):]


def ask(server, method, path, body=None, headers=None):
    connection = http.client.HTTPSConnection("localhost", server.device_port, context=server.client_context(),
                                             timeout=60)
    connection.request(method, path, body=body, headers=headers or {})
    reply = Reply(connection.getresponse())
    connection.close()
    return reply


def page(server, path, status=200):
    reply = ask(server, "GET", path)
    assert reply.status == status, reply
    return check_page(reply)


def check_page(reply):
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    text = reply.body.decode()
    assert "<script" not in text
    return text


def download(server, path, folder, form=None):
    body = urllib.parse.urlencode(form) if form else None
    reply = ask(server, "POST", path + "/profile", body, FORM if form else None)
    assert (reply.status, reply.headers["Content-Type"]) == (200, ASPEN), reply
    assert reply.headers["Cache-Control"] == "no-store"
    return opened(server, reply.body, folder)


def challenge_of(profile):
    return payload(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"]


def rows(server):
    return {row["id"]: row for row in server.get(PATH)["invitations"]}


def add_user(server, name, password, folder):
    (folder / "password").write_text(password + "\n")
    server.ctl("user", "add", name, "--password-file", folder / "password")
    server.reload()
    server.wait_log("event=users_read count=1")


def test_a_link_gets_a_device_to_its_first_answered_command(server, tmp_path):
    made = mint(server, note="for the front desk")
    path = urllib.parse.urlsplit(made["url"]).path
    text = page(server, path)
    assert "Orchard &amp; Söhne" in text and f"localhost:{server.device_port}" in text
    action = re.search(r'action="([^"]+)"', text).group(1)
    assert urllib.parse.urljoin(path, action) == path + "/profile"
    profile = download(server, path, tmp_path)
    identity = Client(server, tmp_path).enroll(challenge_of(profile))
    device = to_first_answer(server, identity)
    reply = server.api("POST", "/api/v1/enroll/renewals", {"ids": [device.udid]})
    assert reply.json()["results"][0]["outcome"] == "ordered", reply  # what its profile says is known
    row = rows(server)[made["id"]]
    assert (row["uses"], row["uses_max"], row["downloads"], row["state"]) == (1, 1, 1, "used")
    assert row["note"] == "for the front desk" and row["created_by"].startswith("unix:")


def test_looking_uses_nothing_up_and_downloads_do_not_use_the_link(server, tmp_path):
    path = link(server)
    for method in ("GET", "HEAD"):
        for tail in ("", "/profile") if method == "HEAD" else ("",):
            for _ in range(3):
                assert ask(server, method, path + tail).status == 200
    assert [(row["uses"], row["downloads"]) for row in rows(server).values()] == [(0, 0)]
    first, second = (download(server, path, tmp_path) for _ in range(2))
    assert challenge_of(first) != challenge_of(second)
    Client(server, tmp_path).enroll(challenge_of(second))
    other = Client(server, tmp_path).ask(challenge_of(first))
    assert (other.status, other.fail_info) == ("2", BAD_REQUEST) and "link" in other.fail_text
    server.wait_log("event=scep_refused .*reason=closed_link")
    assert "used" in page(server, path, 410)
    assert ask(server, "POST", path + "/profile").status == 410


def test_the_same_key_gets_its_identity_again_after_the_only_use(server, tmp_path):
    challenge = challenge_of(download(server, link(server), tmp_path))
    client = Client(server, tmp_path)
    first = client.enroll(challenge)
    again = client.enroll(challenge, transaction="another")
    assert first.certificate == again.certificate
    assert [row["uses"] for row in rows(server).values()] == [1]


def test_a_link_for_many_gets_so_many_in(server, tmp_path):
    path = link(server, uses_max=3)
    assert "3 devices" in page(server, path)
    for left in (2, 1, 0):
        Client(server, tmp_path).enroll(challenge_of(download(server, path, tmp_path)))
        if left == 1:
            assert "one device" in page(server, path)
    assert ask(server, "POST", path + "/profile").status == 410


def test_downloads_have_a_bound_past_which_the_link_is_drained(server, tmp_path):
    path = link(server)
    challenges = [challenge_of(download(server, path, tmp_path)) for _ in range(10)]
    reply = ask(server, "POST", path + "/profile")
    assert reply.status == 410 and "downloaded too often" in check_page(reply)
    server.wait_log("event=link_refused .*reason=drained")
    Client(server, tmp_path).enroll(challenges[0])  # who has one may use it


def test_a_program_gets_the_profile_without_a_form(server, tmp_path):
    path = link(server)
    reply = ask(server, "GET", path + "/profile")
    assert (reply.status, reply.headers["Content-Type"]) == (200, ASPEN)
    Client(server, tmp_path).enroll(challenge_of(opened(server, reply.body, tmp_path)))


def test_a_link_that_is_withdrawn_takes_its_challenges_along(server, tmp_path):
    made = mint(server)
    path = urllib.parse.urlsplit(made["url"]).path
    profile = download(server, path, tmp_path)
    assert server.api("DELETE", f"{PATH}/{made['id']}").status == 204
    assert server.api("DELETE", f"{PATH}/{made['id']}").status == 404
    assert "withdrawn" in page(server, path, 410)
    refused = Client(server, tmp_path).ask(challenge_of(profile))
    assert (refused.status, refused.fail_info) == ("2", BAD_REQUEST)
    assert rows(server)[made["id"]]["state"] == "revoked"


def test_a_link_ends_with_its_time(server):
    path = urllib.parse.urlsplit(server.ctl_json("enroll", "link", "--expires", "1h")["url"]).path
    page(server, path)
    server.stop()
    with contextlib.closing(sqlite3.connect(server.folder / "pomona.db")) as database, database:
        database.execute("UPDATE invitation SET expires_at = strftime('%s', 'now') - 1")
    server.start()
    assert "time is over" in page(server, path, 410)


def test_what_is_no_link_is_told_so_and_nothing_else(server):
    pages = {page(server, f"/enroll/{token}", 404) for token in ("0" * 40, "x", "a%2Fb", "%3Cscript%3E")}
    assert len(pages) == 1 and "not known" in pages.pop()
    assert "A link is needed" in page(server, "/enroll")
    assert ask(server, "POST", "/enroll/" + "0" * 40 + "/profile").status == 404


def test_neither_token_nor_challenge_nor_password_stands_in_the_log(server, tmp_path):
    add_user(server, "ada", "correct horse", tmp_path)
    path = link(server, needs_login=True)
    profile = download(server, path, tmp_path, {"name": "ada", "password": "correct horse"})
    ask(server, "POST", path + "/profile", "name=ada&password=wrong-battery", FORM)
    ask(server, "GET", path + "/other")
    line = server.wait_log("event=link_profile_given")
    assert "user=ada" in line
    secrets = [path.rsplit("/", 1)[1], challenge_of(profile), "correct horse", "wrong-battery"]
    server.stop()
    assert not [line for line in server.log if any(secret in line for secret in secrets)]
    database = b"".join(file.read_bytes() for file in server.folder.glob("pomona.db*"))
    assert not any(secret.encode() in database for secret in secrets)


def test_a_login_is_asked_for_before_the_profile(server, tmp_path):
    add_user(server, "ada", "correct horse", tmp_path)
    path = link(server, needs_login=True, uses_max=2)
    text = page(server, path)
    assert 'type="password"' in text and 'autocomplete="current-password"' in text
    for form in (None, {"name": "ada"}, {"name": "ada", "password": ""}):
        reply = ask(server, "POST", path + "/profile", urllib.parse.urlencode(form or {}), FORM)
        assert reply.status == 403 and "Enter your user name" in check_page(reply)
    for form in ({"name": "ada", "password": "wrong"}, {"name": "bob", "password": "wrong"}):
        reply = ask(server, "POST", path + "/profile", urllib.parse.urlencode(form), FORM)
        text = check_page(reply)
        assert reply.status == 403 and "name or the password is wrong" in text and 'role="alert"' in text
        assert f'value="{form["name"]}"' in text and "wrong\"" not in text
        assert re.search(r'action="([^"]+)"', text).group(1) == "profile"
    assert ask(server, "GET", path + "/profile").headers["Content-Type"].startswith("text/html")
    profile = download(server, path, tmp_path, {"name": "ada", "password": "correct horse"})
    to_first_answer(server, Client(server, tmp_path).enroll(challenge_of(profile)))
    server.wait_log("event=link_refused .*reason=wrong .*user=ada")
    server.wait_log("event=link_refused .*reason=unknown_user .*user=bob")
    assert server.get("/api/v1/status")["links"] == {"profiles": 1, "refused": 5}


def test_a_link_for_one_user_is_no_other_s(server, tmp_path):
    add_user(server, "ada", "correct horse", tmp_path)
    for name, status in (("bob", 403), ("ada", 200)):
        path = link(server, user_name=name)
        reply = ask(server, "POST", path + "/profile",
                    urllib.parse.urlencode({"name": "ada", "password": "correct horse"}), FORM)
        assert reply.status == status, reply
    server.wait_log("event=link_refused .*reason=other_user")


def test_guessing_passwords_ends(server, tmp_path):
    add_user(server, "ada", "correct horse", tmp_path)
    path = link(server, needs_login=True)
    statuses = [ask(server, "POST", path + "/profile", f"name=ada&password=guess{i}", FORM).status for i in range(11)]
    assert statuses == [403] * 10 + [429]
    reply = ask(server, "POST", path + "/profile", "name=ada&password=correct+horse", FORM)
    assert reply.status == 429 and int(reply.headers["Retry-After"]) > 0
    assert "quarter of an hour" in check_page(reply)


def test_a_form_that_cannot_be_read_or_is_too_long_is_refused(server):
    path = link(server, needs_login=True)
    for body in ("name=%zz&password=x", "name=a%00b&password=x", "name=" + "a" * 300 + "&password=x"):
        reply = ask(server, "POST", path + "/profile", body, FORM)
        assert reply.status == 400 and "cannot be read" in check_page(reply)
    assert ask(server, "POST", path + "/profile", "name=" + "a" * 9000, FORM).status == 413


def test_a_server_that_cannot_make_a_profile_says_so_and_spoils_no_link(make_server, tmp_path):
    server = make_server().start()
    path = link(server)
    for _ in range(11):
        reply = ask(server, "POST", path + "/profile")
        assert reply.status == 503 and "not ready" in check_page(reply)
    server.wait_log("event=link_not_ready .*pushcert set")
    set_push_cert(server)
    download(server, path, tmp_path)


def test_what_the_page_promises_follows_from_the_rights(make_server):
    server = make_server({"enroll.access_rights": "3", "enroll.check_out_when_removed": "no"}).start()
    text = page(server, link(server))
    assert "its configuration profiles" in text and "install and remove settings" in text
    for absent in ("erase", "which apps", "encrypted", "is told"):
        assert absent not in text, absent
    server.conf.update({"enroll.access_rights": "8191", "enroll.check_out_when_removed": "yes"})
    server.write_conf()
    server.reload()
    server.wait_log("event=reloaded ")
    text = page(server, link(server))
    for there in ("erase it", "which apps", "organization is told"):
        assert there in text, there


def test_links_are_not_followed_without_tls(make_server):
    server = make_server({"device.listen_plain": "127.0.0.1:0"}).start()
    path = link(server)
    connection = http.client.HTTPConnection("127.0.0.1", server.plain_port, timeout=60)
    connection.request("GET", path)
    reply = Reply(connection.getresponse())
    assert reply.status == 403 and "safe connection" in check_page(reply)
    connection.close()


def test_an_administrator_makes_lists_and_withdraws_links(server, tmp_path):
    printed = server.ctl("enroll", "link", "--uses", "2", "--login", "--note", "ward 3", "--expires", "2d").stdout
    assert f"https://localhost:{server.device_port}/enroll/" in printed
    server.ctl("enroll", "link", "--user", "ada")
    table = server.ctl("enroll", "links").stdout
    assert "ward 3" in table and "0 of 2" in table and "ada" in table and "open" in table
    ids = sorted(rows(server))
    server.ctl("enroll", "unlink", ids[0])
    assert [rows(server)[one]["state"] for one in ids] == ["revoked", "open"]
    assert server.ctl("enroll", "unlink", ids[0], check=False).returncode == 1
    for words in (("--uses", "0"), ("--uses", "100001"), ("--expires", "soon"), ("--qr", "code.gif")):
        assert server.ctl("enroll", "link", *words, check=False).returncode == 64, words
    pages = []
    cursor = ""
    while cursor is not None:
        reply = server.get(PATH + "?limit=1" + (f"&cursor={cursor}" if cursor else ""))
        pages += [row["id"] for row in reply["invitations"]]
        cursor = reply["next_cursor"]
    assert pages == ids


@pytest.mark.parametrize("body, field", [
    ({"uses_max": 0}, "uses_max"), ({"uses_max": 100001}, "uses_max"), ({"expires_at": "2020-01-01T00:00:00Z"},
     "expires_at"), ({"expires_at": "2999-01-01T00:00:00Z"}, "expires_at"), ({"note": "x" * 257}, "note"),
    ({"user_name": "x" * 256}, "user_name"), ({"needs_login": "yes"}, "needs_login"), ({"nonsense": 1}, "nonsense")])
def test_what_a_link_cannot_be_is_refused_by_its_field(server, body, field):
    reply = server.api("POST", PATH, body)
    assert reply.status == 400 and field in reply.json()["detail"], reply
    assert server.get(PATH)["invitations"] == []


# --- QR codes


def scan(path):
    done = subprocess.run(["zbarimg", "--quiet", "--raw", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_code_of_a_link_is_read_by_a_foreign_scanner(server, tmp_path):
    made = server.ctl("enroll", "link", "--qr", tmp_path / "code.png")
    url = re.search(r"https://\S+", made.stdout).group(0)
    assert (tmp_path / "code.png").stat().st_mode & 0o777 == 0o600
    assert scan(tmp_path / "code.png") == url
    server.ctl("enroll", "qr", url, "--out", tmp_path / "code.svg")
    xml.dom.minidom.parse(str(tmp_path / "code.svg"))
    server.ctl("enroll", "qr", "-", "--out", tmp_path / "again.png", input=url + "\n")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "code.png").read_bytes()


def test_the_code_on_a_terminal_is_the_same(server, tmp_path):
    url = "https://mdm.example.org/enroll/" + "0123456789abcdef" * 2
    text = server.ctl("enroll", "qr", url).stdout.splitlines()
    dark = {" ": (0, 0), "▄": (0, 1), "▀": (1, 0), "█": (1, 1)}
    lines = [[dark[one][half] for one in line] for line in text for half in (0, 1)]
    scale = 4
    bits = "".join("".join(("1" if one else "0") * scale for one in line) + "\n" for line in lines for _ in range(scale))
    image = tmp_path / "code.pbm"
    image.write_text(f"P1\n{len(lines[0]) * scale} {len(lines) * scale}\n{bits}")
    assert scan(image) == url


def test_what_is_no_code_is_refused(server):
    for words in (("x" * 2049,), ("",), ("url", "--out", "code.gif")):
        assert server.ctl("enroll", "qr", *words, check=False).returncode in (64, 65), words


# --- in a browser


@pytest.mark.parametrize("size, is_dark", [(PHONE, False), (PHONE, True), (DESKTOP, False), (DESKTOP, True)],
                         ids=["phone-light", "phone-dark", "desktop-light", "desktop-dark"])
def test_the_pages_in_a_browser(server, tmp_path, size, is_dark):
    add_user(server, "ada", "correct horse", tmp_path)
    base = f"https://localhost:{server.device_port}"
    paths = {"link": link(server, uses_max=5), "login": link(server, needs_login=True), "unknown": "/enroll/none",
             "none": "/enroll"}
    with Browser(tmp_path / "browser", size, is_dark) as browser:
        for name, path in paths.items():
            browser.open(base + path)
            assert browser.faults() == [], name
            browser.screenshot(tmp_path / f"{name}.png")
            assert [one for one in browser.complaints() if "status of 404" not in one] == [], name
        browser.open(base + paths["login"])
        browser.type("#name", "ada")
        browser.type("#password", "wrong")
        browser.click("button")
        assert "name or the password is wrong" in browser.text(".alert")
        assert browser.faults() == []
        browser.screenshot(tmp_path / "wrong.png")
        browser.type("#password", "correct horse")
        browser.click("button")
        profile = opened(server, browser.wait_download("enroll.mobileconfig"), tmp_path)
        assert challenge_of(profile)
        browser.show_as((320, 568))
        browser.open(base + paths["link"])
        assert browser.faults() == []


def test_a_browser_runs_nothing_that_a_page_was_made_to_carry(make_server, tmp_path):
    server = make_server({"enroll.organization": "<script>document.title='run'</script><img src=x onerror=alert(1)>"})
    server.start()
    set_push_cert(server)
    with Browser(tmp_path / "browser", DESKTOP) as browser:
        browser.open(f"https://localhost:{server.device_port}" + link(server))
        assert "<script>document.title" in browser.text("header")
        assert browser.run("return document.querySelectorAll('script, img').length") == 0
        assert browser.complaints() == []

# SPDX-License-Identifier: Apache-2.0
"""Enrolling with an account through nginx and HAProxy: tokens and challenges go both ways, and who guesses is told apart."""

import pathlib
import sys

import pytest

from harness.account import Enrollee
from harness.apple import AppleChain
from harness.device import Device, TOPIC
from harness.pushcert import PushCert

from test_proxies import PLAIN, Haproxy, Nginx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "enroll"))
from test_account import ADA, PASSWORD, add_user, challenge_of  # noqa: E402
from test_profile import opened, payload  # noqa: E402
from test_scep import Client  # noqa: E402


@pytest.fixture(params=[Nginx, Haproxy], ids=["nginx", "haproxy"])
def proxy(request, make_server, tmp_path):
    server = make_server({**PLAIN, "enroll.account_byod": "on"})
    add_user(server, tmp_path, "ada")
    server.start()
    folder = tmp_path / "proxy"
    folder.mkdir()
    proxy = request.param(server, folder)
    server.conf["enroll.url"] = f"https://localhost:{proxy.device_port}"
    server.write_conf()
    server.reload()
    server.wait_log("event=reloaded ")
    proxy.run()
    yield proxy
    proxy.stop()


def test_from_the_well_known_document_to_a_login_anew(proxy, tmp_path):
    server, apple = proxy.server, AppleChain()
    apple.import_into(server)
    assert server.api("PUT", "/api/v1/pushcerts", PushCert(TOPIC).body()).status in (200, 201)
    ada = Enrollee(proxy, apple, ADA)
    assert ada.base_url("mdm-byod") == f"https://localhost:{proxy.device_port}/account/byod"
    profile = opened(server, ada.profile("mdm-byod", PASSWORD), tmp_path)
    identity = Client(proxy, tmp_path).enroll(payload(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"])
    device = Device(proxy, identity, key="EnrollmentID")
    device.headers = {"Authorization": f"Bearer {ada.token}"}
    assert device.authenticate(SerialNumber=None).status == 200
    assert device.token_update().status == 200 and device.idle().status == 200
    device.headers = {}
    reply = device.idle()
    device.headers = {"Authorization": "Bearer " + ada.log_in(challenge_of(reply), PASSWORD)}
    assert device.idle().status == 200

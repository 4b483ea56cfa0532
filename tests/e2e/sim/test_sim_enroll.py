# SPDX-License-Identifier: Apache-2.0
"""How simulated devices get in and stay in, against the real server."""

import base64
import json
import plistlib
import subprocess

import pytest

from harness.server import wait_until
from harness.sim import answered, enrolled, wait_enrolled

DEVICES = 6


def mint(server, **body):
    reply = server.api("POST", "/api/v1/enroll/challenges", body)
    assert reply.status == 201, reply
    return reply.json()["challenge"]


def make_profile(server, **body):
    reply = server.api("POST", "/api/v1/enroll/profiles", body)
    assert reply.status == 201, reply
    return reply.body


def content(profile):
    """What is in a signed profile, without a look at the signature."""
    done = subprocess.run(["openssl", "cms", "-verify", "-inform", "DER", "-noverify", "-binary"], input=profile,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return plistlib.loads(done.stdout)


def install(profile):
    return {"RequestType": "InstallProfile", "Payload": {"$data": base64.b64encode(profile).decode()}}


def identity(server, device):
    return server.device(device)["identity"]["sha256"]


def test_devices_get_their_identity_by_scep_each_with_a_challenge_of_its_own(make_sim, tmp_path):
    sim = make_sim()
    (tmp_path / "challenges").write_text("".join(mint(sim.server) + "\n" for _ in range(DEVICES)))
    sim.start(DEVICES, "--enroll", f"scep={tmp_path / 'challenges'}", "--keys", 2)
    ids = wait_enrolled(sim, DEVICES)
    assert answered(sim, ids)["done"] == DEVICES
    assert len({identity(sim.server, id) for id in ids}) == DEVICES
    assert sim.server.get("/api/v1/status")["scep"]["issued"] == DEVICES


def test_a_challenge_that_was_used_is_told_as_the_reason(make_sim, tmp_path):
    sim = make_sim()
    (tmp_path / "challenges").write_text(mint(sim.server))
    sim.start(2, "--enroll", f"scep={tmp_path / 'challenges'}", "--once")
    assert sim.process.wait(60) == 1
    assert "SCEP: refused (badRequest): the challenge was used already" in sim.said()


def test_an_enrollment_profile_leads_to_the_first_answered_command(make_sim, tmp_path):
    sim = make_sim({"enroll.sign_message": "yes", "enroll.organization": "Orchard"})
    for index in range(DEVICES):
        (tmp_path / f"{index}.mobileconfig").write_bytes(make_profile(sim.server))
    sim.start(DEVICES, "--enroll", f"profile={tmp_path}/{{index}}.mobileconfig", url=False)
    ids = wait_enrolled(sim, DEVICES)
    assert answered(sim, ids)["done"] == DEVICES
    uuid = sim.server.enqueue(ids[:1], {"RequestType": "ProfileList"})["uuid"]
    wait_until(lambda: sim.server.get(f"/api/v1/commands/{uuid}")["by_state"]["done"] == 1, "a ProfileList")
    body = json.dumps(sim.server.get(f"/api/v1/commands/{uuid}/results"))
    assert "done" in body
    sim.stop()
    management = sim.state()["management"]
    assert management["sign_message"] is True and management["identifier"] == "localhost.pomona"
    sim.start(DEVICES, "--enroll", f"profile={tmp_path}/none", url=False)  # a second run goes on with what it has
    assert answered(sim, ids)["done"] == DEVICES


def test_what_devices_do_not_do_is_refused_with_its_reason(make_sim, tmp_path):
    sim = make_sim()
    acme = content(make_profile(sim.server))
    for payload in acme["PayloadContent"]:
        if payload["PayloadType"] == "com.apple.security.scep":
            payload["PayloadType"] = "com.apple.security.acme"
    plain = {**acme, "PayloadContent": []}
    for profile, reason in ((acme, "com.apple.security.acme: simulated devices have no attested hardware"),
                            (plain, "neither management nor an identity")):
        (tmp_path / "a.mobileconfig").write_bytes(plistlib.dumps(profile))
        sim.start(1, "--enroll", f"profile={tmp_path}/a.mobileconfig", "--once", url=False)
        assert sim.process.wait(60) == 1
        assert reason in sim.said()
        sim.stop()


def renewal(server, challenge=None, **changes):
    """An enrollment profile that renews: without a challenge where none is given."""
    profile = content(make_profile(server))
    for payload in profile["PayloadContent"]:
        if payload["PayloadType"] == "com.apple.security.scep":
            payload["PayloadContent"].pop("Challenge")
            if challenge is not None:
                payload["PayloadContent"]["Challenge"] = challenge
        if payload["PayloadType"] == "com.apple.mdm":
            payload.update(changes)
    return plistlib.dumps(profile)


@pytest.fixture
def managed(make_sim, tmp_path):
    """Two devices that have enrolled by a profile."""
    sim = make_sim()
    for index in range(2):
        (tmp_path / f"{index}.mobileconfig").write_bytes(make_profile(sim.server))
    sim.start(2, "--enroll", f"profile={tmp_path}/{{index}}.mobileconfig", url=False)
    sim.ids = wait_enrolled(sim, 2)
    return sim


def test_a_renewed_profile_gives_another_identity_and_keeps_the_enrollment_with_its_queue(managed):
    server, ids = managed.server, managed.ids
    before = {id: identity(server, id) for id in ids}
    later = server.enqueue(ids, {"RequestType": "SecurityInfo"})["uuid"]
    assert answered(managed, ids, install(renewal(server)))["done"] == 2
    after = {id: identity(server, id) for id in ids}
    assert not set(before.values()) & set(after.values())
    assert answered(managed, ids)["done"] == 2
    assert server.get(f"/api/v1/commands/{later}")["by_state"]["done"] == 2
    assert enrolled(server) == ids


def test_a_renewal_that_fails_leaves_the_old_identity_and_says_why(managed):
    server, ids = managed.server, managed.ids
    before = {id: identity(server, id) for id in ids}
    for profile in (renewal(server, "no challenge of ours"), renewal(server, Topic="com.apple.mgmt.External.other"),
                    renewal(server, AccessRights=2)):
        assert answered(managed, ids, install(profile))["failed"] == 2
        assert {id: identity(server, id) for id in ids} == before
    assert answered(managed, ids)["done"] == 2

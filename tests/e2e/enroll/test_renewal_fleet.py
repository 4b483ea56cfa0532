# SPDX-License-Identifier: Apache-2.0
"""A fleet of simulated devices whose identities run out, twice over: none is lost. The daemon's time is moved."""

import time

import pytest

from harness.apns import Apns, Fleet
from harness.panel import Panel
from harness.server import BIN, wait_until
from harness.woken import push_conf

# What a sanitizer looks for shows with fewer, and it is five times slower.
DEVICES = 100 if BIN.parent.name in ("asan", "tsan") else 500
LIFE_DAYS = 10
DAY_S = 86400
# Renewals are spread over the third quarter of a life. The steps between leave no time to the identities before.
STEPS_DAYS = (5, 6.25, 7.5), (10, 11.25, 12.5, 13.75, 15)
SENT = "event=renewal_sent"


class Orchard:
    """pomonad whose time is moved, APNs, and a fleet with a profile for each."""

    def __init__(self, make_server, folder):
        apns = Apns(folder / "sim").start()
        self.panel = Panel(folder / "panel")
        self.server = make_server(
            {"enroll.identity_days": LIFE_DAYS, "enroll.topic": apns.topic, "device.tls_renew_days": 0,
             **push_conf(apns)},
            program="pomonad-faultvfs", environment=self.panel.environment).start()
        self.server.ctl("pushcert", "set", apns.push_pem)
        apns.stop()
        for index in range(DEVICES):
            reply = self.server.api("POST", "/api/v1/enroll/profiles", {})
            assert reply.status == 201, reply
            (folder / f"{index}.mobileconfig").write_bytes(reply.body)
        self.fleet = Fleet(folder / "sim", "https://none.invalid", self.server.root_pem, DEVICES, "--seed", "7",
                           "--enroll", f"profile={folder}/{{index}}.mobileconfig", "--keys", "8", "--interval", "0.5")
        self.fleet.port = apns.port

    def devices(self):
        """{id: row} of all that are enrolled."""
        rows, after = {}, ""
        while True:
            page = self.server.get(f"/api/v1/devices?state=enrolled&limit=1000{after}")
            rows.update((row["id"], row) for row in page["devices"] if ":" not in row["id"])
            if not page.get("next"):
                return rows
            after = f"&after={page['next']}"

    def identities(self):
        return {id: self.server.device(id)["identity"]["sha256"] for id in self.devices()}

    def sent(self):
        return sum(SENT in line for line in list(self.server.log))

    def walked_at(self):
        return self.server.get("/api/v1/status")["renewals"]["walked_at"]

    def order(self):
        """A command to all of them."""
        return self.server.enqueue(sorted(self.devices()), {"RequestType": "SecurityInfo"})["uuid"]

    def wait_done(self, uuid):
        wait_until(lambda: self.server.get(f"/api/v1/commands/{uuid}")["by_state"]["done"] == DEVICES, "all answers")

    def renew_at(self, days):
        """Moves the time there, and lets walks go round until one has nothing to send; gives how many were sent."""
        begin = self.sent()
        for second in range(10 * DEVICES):  # so that no two walks end in the same one
            before, walked = self.sent(), self.walked_at()
            self.panel.shift_clock(days * DAY_S + second)
            self.server.reload()
            wait_until(lambda: self.sent() >= before + 10 or self.walked_at() != walked, "a walk")
            if self.walked_at() != walked and self.sent() == before:
                break
        wait_until(lambda: self.renewed() >= self.sent(), "the new identities to speak")
        return self.sent() - begin

    def renewed(self):
        return sum("event=renewed " in line for line in list(self.server.log))


@pytest.fixture
def orchard(make_server, tmp_path):
    orchard = Orchard(make_server, tmp_path)
    yield orchard
    orchard.fleet.stop()


@pytest.mark.timeout(600)
def test_a_fleet_whose_identities_run_out_twice_loses_nobody(orchard):
    begin = time.monotonic()
    orchard.fleet.start()
    wait_until(lambda: len(orchard.devices()) == DEVICES, "the fleet to enroll", 100)
    seen = [orchard.identities()]
    for steps in STEPS_DAYS:
        waiting = orchard.order()
        sent = [orchard.renew_at(days) for days in steps]
        orchard.wait_done(waiting)
        assert sum(sent) >= DEVICES, sent
        seen.append(orchard.identities())
    assert [len(one) for one in seen] == [DEVICES] * 3
    for id, first in seen[0].items():
        assert len({first, seen[1][id], seen[2][id]}) == 3, id
    orchard.wait_done(orchard.order())
    counts = orchard.server.get("/api/v1/status")
    assert counts["scep"]["issued"] >= 3 * DEVICES and counts["scep"]["refused"] == 0, counts["scep"]
    said = "\n".join(orchard.fleet.log)
    assert "not_renewed" not in said and "unenrolled" not in said
    print(f"{DEVICES} devices, {counts['scep']['issued']} identities, {time.monotonic() - begin:.1f} s")

# SPDX-License-Identifier: Apache-2.0
"""Identities are renewed before they end, by the enrollment profile once more; and an ordered removal begins with
RemoveProfile. The daemon's time is moved, in steps."""

import calendar
import sqlite3
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from harness import vault
from harness.authority import Authority
from harness.certificate import put_foreign
from harness.device import Device, TOPIC, UserChannel
from harness.panel import Panel
from harness.server import wait_until

from test_profile import make, opened, payload, set_push_cert
from test_scep import Client

DAY_S = 86400
LIFE_DAYS = 10


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def seconds_of(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


class Clock:
    """The daemon's wall clock."""

    def __init__(self, server, panel):
        self.server, self.panel = server, panel
        self.shift_s = 0

    def now(self):
        return time.time() + self.shift_s

    def on(self, seconds):
        """Moves it on, and waits until the walk has gone round at the new time."""
        self.shift_s += seconds
        self.panel.shift_clock(self.shift_s)
        self.look()

    def look(self):
        """Waits until the walk has gone round once more."""
        walks, begin = renewals(self.server)["walks"], int(self.now())
        self.server.reload()

        def has_walked():
            told = renewals(self.server)
            return told["walks"] > walks and seconds_of(told["walked_at"]) >= begin

        wait_until(has_walked, "the walk", 60)


def renewals(server):
    return server.get("/api/v1/status")["renewals"]


@pytest.fixture
def panel(tmp_path):
    return Panel(tmp_path / "panel")


@pytest.fixture
def make_clocked(make_server, panel):
    def start(conf=None):
        server = make_server({"enroll.identity_days": LIFE_DAYS, "enroll.challenge_grace_s": 0, **(conf or {})},
                             program="pomonad-faultvfs", environment=panel.environment).start()
        set_push_cert(server)
        return server, Clock(server, panel)

    return start


class Phone(Device):
    """A device that enrolled with a profile of ours, and does as one does with InstallProfile."""

    def __init__(self, server, folder, udid, **options):
        self.folder = folder / udid
        self.folder.mkdir()
        self.client = Client(server, self.folder)
        self.profile = opened(server, make(server, device_id=udid), self.folder)
        super().__init__(server, self.new_identity(self.profile), udid, **options)
        self.seen = []  # what it was sent
        self.old = []  # identities it had
        self.enroll(UnlockToken=b"u" * 100)

    def new_identity(self, profile):
        self.client.transaction = f"{id(profile):x}"
        return self.client.enroll(payload(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"])

    def take(self, command):
        """Reads the profile; gives it with the new identity."""
        profile = opened(self.server, command["Command"]["Payload"], self.folder)
        return profile, self.new_identity(profile)

    def install(self, command):
        """All of it; afterwards it is the new identity's."""
        self.profile, identity = self.take(command)
        self.old.append(self.identity)
        self.close()
        self.use(identity)
        self.enroll()

    def refuse(self, command):
        return self.answer(command, "Error", ErrorChain=[
            {"ErrorCode": 4001, "ErrorDomain": "MCInstallationErrorDomain", "LocalizedDescription": "no"}])

    def work(self, how=None):
        """Polls to the end of its queue."""
        command = self.poll()
        while command is not None:
            kind = command["Command"]["RequestType"]
            self.seen.append(kind)
            if kind == "InstallProfile" and how is not None:
                command = how(command)
            elif kind == "InstallProfile":
                self.install(command)
                command = self.answer(command)
            else:
                command = self.answer(command)
        return self

    def renewal(self):
        return self.server.device(self.udid)["renewal"]

    def identity_ends(self):
        return seconds_of(self.server.device(self.udid)["identity"]["not_after"])


def test_what_is_said_by_the_former_identity_just_after_a_renewal_is_no_conflict(make_clocked, tmp_path):
    """A connection that was open, an answer that was on its way."""
    server, clock = make_clocked()
    phone = Phone(server, tmp_path, "ON-ITS-WAY")
    user = UserChannel(phone, UserID="U", UserShortName="ada", UserLongName="Ada")
    assert user.token_update().status == 200
    server.ctl("enroll", "renew", phone.udid)
    server.wait_log(f"event=renewal_sent device={phone.udid}")
    command = phone.poll()
    _, identity = phone.take(command)
    renewed = Device(server, identity, phone.udid).enroll()
    assert phone.report("Acknowledged", command["CommandUUID"]).status == 200
    assert phone.idle().body == b"", "it is given nothing"
    assert user.idle().status == 403
    assert kinds_of_alarms(server) == []
    assert renewed.poll() is None, "it was answered"
    clock.look()
    server.wait_log(f"event=identity_renewed device={phone.udid}")
    clock.on(3601)
    assert phone.idle().status == 403
    assert kinds_of_alarms(server) == ["identity_conflict"]
    for each in (phone, renewed, user):
        each.close()


def kinds_of_alarms(server):
    return [alarm["kind"] for alarm in server.get("/api/v1/alarms")["alarms"]]


def test_a_profile_that_was_taken_is_not_given_again_when_its_answer_is_lost(make_clocked, tmp_path):
    server, clock = make_clocked()
    phone = Phone(server, tmp_path, "LOST-ANSWER")
    server.ctl("enroll", "renew", phone.udid)
    server.wait_log(f"event=renewal_sent device={phone.udid}")
    command = phone.poll()
    phone.install(command)
    assert phone.poll() is None
    shown = server.get(f"/api/v1/devices/{phone.udid}/commands")["commands"]
    assert [(row["state"], row["status"]) for row in shown if row["uuid"] == command["CommandUUID"]] == \
        [("done", "Renewed")]
    clock.look()
    server.wait_log(f"event=identity_renewed device={phone.udid}")
    assert phone.answer(command) is None, "and should it come yet, it is taken"
    phone.close()


def test_a_device_of_a_backup_from_before_its_renewal_can_be_told_to_leave(make_clocked, tmp_path):
    server, clock = make_clocked()
    phone = Phone(server, tmp_path, "FROM-BACKUP")
    server.ctl("enroll", "renew", phone.udid)
    server.wait_log(f"event=renewal_sent device={phone.udid}")
    old = phone.identity
    phone.work()
    clock.on(3601)
    back = Device(server, old, phone.udid)
    assert back.token_update().status == 403 and kinds_of_alarms(server) == ["identity_conflict"]
    assert phone.idle().status == 200, "nothing has changed for who has the new one"
    server.ctl("device", "unenroll", phone.udid)
    assert back.token_update().status == 401
    assert server.device(phone.udid)["state"] == "removed"
    assert phone.idle().status == 401
    for each in (phone, back):
        each.close()


@pytest.mark.timeout(600)
def test_twenty_devices_stay_managed_over_several_lives_of_their_identities(make_clocked, tmp_path):
    server, clock = make_clocked()
    phones = [Phone(server, tmp_path, f"RENEWS-{i:02}") for i in range(20)]
    sleeper, refuser, busy, halting, mute, liar = phones[:6]
    waiting = server.enqueue([refuser.udid], {"RequestType": "ProfileList"})["uuid"]  # survives the change
    first_ends = sleeper.identity_ends()
    refusals, put_off, halted, lied = 2, 1, [], []
    steps_with_new = set()

    def refuse(command):
        nonlocal refusals
        if refusals == 0:
            refuser.install(command)
            return refuser.answer(command)
        refusals -= 1
        return refuser.refuse(command)

    def put_it_off(command):
        nonlocal put_off
        if put_off == 0:
            busy.install(command)
            return busy.answer(command)
        put_off -= 1
        return busy.answer(command, "NotNow")

    def halt(command):
        if halted:
            halting.install(command)
            return halting.answer(command)
        _, identity = halting.take(command)
        halted.append(identity)
        other = Device(server, identity, halting.udid)
        assert other.authenticate().status == 200
        assert other.idle().status == 403, "not before its TokenUpdate"
        other.close()
        return halting.answer(command, "Error")  # with the old one, which is good still

    def say_nothing(command):
        mute.install(command)

    def lie(command):
        if lied:
            liar.install(command)
        lied.append(command)
        return liar.answer(command)

    hows = {refuser: refuse, busy: put_it_off, halting: halt, mute: say_nothing, liar: lie}
    for step in range(2 * 3 * LIFE_DAYS):
        clock.on(DAY_S // 2)
        for phone in phones:
            if phone is sleeper and first_ends - 9 * DAY_S < clock.now() < first_ends - DAY_S:
                continue
            before = phone.identity
            phone.work(hows.get(phone))
            if phone.identity is not before:
                steps_with_new.add(step)
    assert len(halted) == 1 and len(lied) > 1 and refusals == 0 and put_off == 0
    assert server.get(f"/api/v1/commands/{waiting}/results")["results"][0]["state"] == "done"
    kinds = {alarm["kind"] for alarm in server.get("/api/v1/alarms")["alarms"]}
    assert "identity_conflict" not in kinds, "a second try is nobody else's"
    for phone in phones:
        shown = server.device(phone.udid)
        assert shown["has_unlock_token"] is True, "a renewal keeps what there was"
        assert shown["state"] == "enrolled" and phone.identity_ends() > clock.now(), shown
        assert len(phone.old) >= 3, (phone.udid, len(phone.old))
        assert phone.idle().status == 200
        former = Device(server, phone.old[-1], phone.udid)
        assert former.token_update().status == 403, "the new one has spoken"
        former.close()
    told = renewals(server)
    assert told["over"] == told["impossible"] == 0
    assert told["renewed_total"] >= 60 and told["failed_total"] >= 4, told
    assert told["sent_total"] >= told["renewed_total"]
    assert len(steps_with_new) >= 6, "spread over days"
    for phone in phones:
        phone.close()


def test_an_order_renews_at_once_what_can_be_renewed_and_what_cannot_change_stays(make_clocked, authority, tmp_path):
    server, clock = make_clocked({"enroll.access_rights": "3", "enroll.renew_before": "0",
                                  "enroll.profile_identifier": "org.example.first"})
    phone = Phone(server, tmp_path, "ON-ORDER")
    server.trust(authority)
    foreign = Device(server, authority.issue("foreign"), "FOREIGN").enroll()
    base = f"https://localhost:{server.device_port}"
    server.conf.update({"enroll.url": "https://elsewhere.example", "enroll.access_rights": "8191",
                        "enroll.profile_identifier": "org.example.second", "enroll.topic": "com.apple.mgmt.External.y"})
    server.write_conf()
    server.reload()
    server.wait_log("event=reloaded ")
    assert (phone.renewal()["state"], phone.renewal()["due_at"]) == ("far", None)
    done = server.ctl("enroll", "renew", "ON-ORDER", "FOREIGN", "NOBODY", check=False)
    assert done.returncode == 1 and "SCEP" in done.stdout and "unknown" in done.stdout, done.stdout
    server.wait_log("event=renewal_sent device=ON-ORDER")
    assert phone.renewal()["state"] == "sent"
    assert foreign.poll() is None and server.device("FOREIGN")["renewal"]["due_at"] is None
    command = phone.poll()
    reply = server.api("GET", f"/api/v1/commands/{command['CommandUUID']}/plist")
    assert reply.status == 409 and b"Payload" not in reply.body, "the challenge is the device's alone"
    phone.install(command)
    mdm, scep = payload(phone.profile, "com.apple.mdm"), payload(phone.profile, "com.apple.security.scep")
    assert phone.profile["PayloadIdentifier"] == "org.example.first"
    assert (mdm["ServerURL"], mdm["Topic"], mdm["AccessRights"]) == (base + "/mdm", TOPIC, 3)
    assert scep["PayloadContent"]["URL"] == base + "/scep"
    assert phone.answer(command) is None
    clock.look()
    server.wait_log("event=identity_renewed device=ON-ORDER")
    assert phone.renewal()["state"] == "far" and renewals(server)["renewed_total"] == 1
    assert not [one for one in server.get("/api/v1/alarms")["alarms"] if one["kind"] == "identity_conflict"]
    # Twice in a row: the later takes the place of the former, which is cancelled.
    for _ in range(2):
        count = len(server.log)
        server.ctl("enroll", "renew", "ON-ORDER")
        server.wait_log("event=renewal_sent device=ON-ORDER", after=count)
    kinds = [row["request_type"] for row in server.device("ON-ORDER")["commands"]]
    assert kinds == ["InstallProfile"]
    challenge = payload(opened(server, phone.poll()["Command"]["Payload"], tmp_path),
                        "com.apple.security.scep")["PayloadContent"]["Challenge"]
    assert not any(challenge in line for line in server.log), "a secret in the log"
    phone.close()
    foreign.close()


def test_a_profile_that_cannot_be_made_is_a_failed_try_that_is_seen_and_comes_again(make_clocked, tmp_path):
    server, clock = make_clocked()
    phone = Phone(server, tmp_path, "WITHOUT-SCEP")

    def switch_scep(word):
        count = len(server.log)
        server.conf["enroll.scep"] = word
        server.write_conf()
        server.reload()
        server.wait_log("event=reloaded ", after=count)

    switch_scep("off")
    server.ctl("enroll", "renew", phone.udid)
    server.wait_log(f"event=renewal_failed device={phone.udid} .*SCEP")
    clock.look()
    assert phone.renewal()["state"] == "failed" and renewals(server)["failed"] == 1
    assert [row["id"] for row in server.get("/api/v1/devices?renewal=failed")["devices"]] == [phone.udid]
    assert server.get("/api/v1/devices?renewal=sent")["devices"] == []
    assert phone.udid in server.ctl("devices", "--renewal", "failed").stdout
    assert server.api("GET", "/api/v1/devices?renewal=done").json()["field"] == "renewal"
    assert len([line for line in server.log if "event=renewal_failed" in line]) == 1, "not again and again"
    switch_scep("on")
    clock.on(DAY_S // 2)
    server.wait_log(f"event=renewal_sent device={phone.udid}")
    phone.work()
    clock.look()
    server.wait_log(f"event=identity_renewed device={phone.udid}")
    phone.close()


def test_what_cannot_be_renewed_is_told_once_and_what_ended_too(make_clocked, authority, tmp_path):
    server, clock = make_clocked()
    byod = Device(server, Client(server, tmp_path).enroll(
        payload(opened(server, make(server), tmp_path), "com.apple.security.scep")["PayloadContent"]["Challenge"]),
        "A-USERS-OWN", key="EnrollmentID").enroll()
    lost = Phone(server, tmp_path, "NEVER-COMES")
    for _ in range(18):
        clock.on(DAY_S // 2)
        assert byod.poll() is None
    assert len([line for line in server.log if "event=identity_not_renewable device=A-USERS-OWN" in line]) == 1
    assert server.device("A-USERS-OWN")["renewal"]["state"] == "impossible"
    assert lost.renewal()["state"] == "sent" and lost.seen == []
    clock.on(2 * DAY_S)
    server.wait_log("event=identity_ended device=NEVER-COMES")
    assert lost.renewal()["state"] == "over" and renewals(server)["over"] == 2
    assert lost.idle().status == 403
    byod.close()
    lost.close()


def test_a_root_that_is_newer_than_a_devices_profile_is_brought_to_it_and_once(make_clocked, tmp_path):
    server, clock = make_clocked({"enroll.identity_days": 365, "device.tls_renew_days": 0})
    phone = Phone(server, tmp_path, "OLD-ROOT")
    server.stop()
    root = Authority("New root", backdate_days=1)
    vault.put(server.folder, "tls_root.cert", root.certificate.public_bytes(Encoding.DER))
    put_foreign(server, 300, root, -1)
    server.root_pem.write_bytes(root.certificate_pem())
    database = sqlite3.connect(server.folder / "pomona.db")
    with database:  # as if it had enrolled before the new root was made
        database.execute("UPDATE enrollment SET enrolled_at = enrolled_at - 10 * 86400")
    database.close()
    server.start()
    phone.close()
    phone.use(phone.identity)
    clock.on(31 * DAY_S)  # half of renew_before, and a day
    server.wait_log('event=renewal_sent device=OLD-ROOT why="the server has another root"')
    phone.work()
    given = payload(phone.profile, "com.apple.security.root")["PayloadContent"]
    assert given == root.certificate.public_bytes(Encoding.DER)
    for _ in range(2):
        clock.on(DAY_S)
        phone.work()
    assert phone.seen == ["InstallProfile"] and phone.renewal()["state"] == "far"
    phone.close()


# --- removal


def order_removal(server, udid):
    done = server.ctl("device", "unenroll", udid)
    assert server.device(udid)["state"] == "removal_ordered"
    return done.stdout


def state_of(server, command, udid):
    rows = server.get(f"/api/v1/commands/{command['CommandUUID']}/results")["results"]
    return [(row["state"], row["is_late"]) for row in rows if row["id"] == udid]


@pytest.fixture
def enrolling(make_server):
    server = make_server().start()
    set_push_cert(server)
    return server


def test_a_removal_begins_with_remove_profile_and_ends_with_a_401(enrolling, tmp_path):
    server = enrolling
    for udid, status, state in (("OBEYS", "Acknowledged", "done"), ("ERRS", "Error", "failed"),
                                ("LATER", "NotNow", "cancelled"), ("DEAF", None, "cancelled")):
        phone = Phone(server, tmp_path, udid)
        other = server.enqueue([udid], {"RequestType": "ProfileList"})
        assert "RemoveProfile" in order_removal(server, udid)
        command = phone.poll()
        assert command["Command"] == {"RequestType": "RemoveProfile", "Identifier": "localhost.pomona"}, udid
        reply = phone.idle() if status is None else phone.report(status, command["CommandUUID"])
        assert reply.status == 401, (udid, reply)
        assert server.device(udid)["state"] == "removed"
        assert state_of(server, command, udid) == [(state, False)]
        assert server.get(f"/api/v1/commands/{other['uuid']}/results")["results"][0]["state"] == "cancelled"
        assert phone.idle().status == 401, "the reply may have been lost"
        phone.close()


def test_an_answer_to_another_command_is_kept_and_then_the_device_is_told(enrolling, tmp_path):
    phone = Phone(enrolling, tmp_path, "AT-WORK")
    sent = enrolling.enqueue(["AT-WORK"], {"RequestType": "ProfileList"})["uuid"]
    command = phone.poll()
    order_removal(enrolling, "AT-WORK")
    removal = phone.answer(command)
    assert removal["Command"]["RequestType"] == "RemoveProfile"
    assert enrolling.get(f"/api/v1/commands/{sent}/results")["results"][0]["state"] == "done"
    assert phone.report("Acknowledged", removal["CommandUUID"]).status == 401
    phone.close()


def test_other_messages_are_answered_401_at_once(enrolling, tmp_path):
    for udid, say in (("TOKEN", lambda phone: phone.token_update()), ("OUT", lambda phone: phone.check_out()),
                      ("USER", lambda phone: UserChannel(phone, UserID="501").idle())):
        phone = Phone(enrolling, tmp_path, udid)
        order_removal(enrolling, udid)
        assert say(phone).status == 401, udid
        assert enrolling.device(udid)["state"] == "removed"
        assert enrolling.device(udid)["open_commands"] == 0
        phone.close()


def test_an_order_is_taken_back_before_it_was_given_and_after(enrolling, tmp_path):
    phone = Phone(enrolling, tmp_path, "STAYS")
    order_removal(enrolling, "STAYS")
    assert "had not been told" in enrolling.ctl("device", "keep", "STAYS").stdout
    assert phone.poll() is None and enrolling.device("STAYS")["state"] == "enrolled"
    order_removal(enrolling, "STAYS")
    command = phone.poll()
    assert "may be gone" in enrolling.ctl("device", "keep", "STAYS").stdout
    assert phone.answer(command, "Error") is None and phone.poll() is None
    assert enrolling.device("STAYS")["state"] == "enrolled"
    order_removal(enrolling, "STAYS")  # and once more, from the beginning
    assert phone.poll()["Command"]["RequestType"] == "RemoveProfile"
    assert phone.idle().status == 401
    phone.close()


def test_a_lost_device_that_comes_back_after_months_leaves_and_cannot_come_back_by_what_it_was_sent(
        make_clocked, tmp_path):
    server, clock = make_clocked({"enroll.identity_days": 365, "device.tls_renew_days": 0})
    phone = Phone(server, tmp_path, "LOST")
    server.ctl("enroll", "renew", "LOST")
    server.wait_log("event=renewal_sent device=LOST")
    renewal = phone.poll()
    order_removal(server, "LOST")
    clock.on(200 * DAY_S)
    server.stop()
    server.start()
    phone.close()
    phone.use(phone.identity)
    assert phone.poll()["Command"]["RequestType"] == "RemoveProfile"
    reply = phone.report("Acknowledged", renewal["CommandUUID"])
    assert reply.status == 401
    challenge = payload(opened(server, renewal["Command"]["Payload"], tmp_path),
                        "com.apple.security.scep")["PayloadContent"]["Challenge"]
    phone.client.transaction = "again"
    assert phone.client.ask(challenge).status == "2", "no new identity by an old challenge"
    server.wait_log("event=scep_refused .*reason=expired_challenge")
    phone.close()


def test_a_device_whose_profile_is_not_known_gets_its_401_at_once(server, make_device):
    device = make_device().enroll()
    order_removal(server, device.udid)
    assert device.idle().status == 401

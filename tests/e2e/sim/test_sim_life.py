# SPDX-License-Identifier: Apache-2.0
"""What happens to simulated devices without their server: restores, other tokens, erasing, clones, logins."""

import shutil

# Every fleet has the same kinds of device in turns of ten, and four users: of two Macs, and two of a Shared iPad.
FLEET, CHANNELS = 10, 14


def updates_of(mdm, channel):
    return [m for m in mdm.of_type("TokenUpdate") if m.channel == channel]


def wait_for_updates(mdm, channel, count):
    return mdm.wait(f"{count} TokenUpdates", lambda: len(updates_of(mdm, channel)) >= count and updates_of(mdm, channel))


def test_a_restored_device_sends_a_token_update_of_the_same_identity_and_no_authenticate(mdm, start):
    run = start("--devices", 1, "--interval", "0.1", "--restore", 100)
    mdm.wait("a message", lambda: mdm.messages)
    first, second, third = wait_for_updates(mdm, mdm.messages[0].channel, 3)[:3]
    assert len(mdm.of_type("Authenticate")) == 1
    assert len({m.certificate for m in mdm.messages}) == 1
    assert len({m.plist["Token"] for m in (first, second, third)}) == 3
    assert len({m.plist["PushMagic"] for m in (first, second, third)}) == 3
    _, _, errors = run.stop()
    assert "restored" in errors


def test_nobody_restores_an_apple_tv_or_a_shared_ipad(mdm, start):
    start("--devices", FLEET, "--interval", "0.1", "--restore", 100)
    mdm.wait_for_polls(CHANNELS)
    products = {m.channel: m.plist["ProductName"] for m in mdm.of_type("Authenticate")}
    shared = {m.channel.split(":")[0] for m in mdm.messages if "@" in m.channel}
    never = shared | {channel for channel, product in products.items() if "TV" in product}
    assert len(never) == 2
    for channel in set(products) - never:
        wait_for_updates(mdm, channel, 2)
    for channel in never:
        mdm.wait("more polls", lambda: len([m for m in mdm.of_status("Idle") if m.channel == channel]) >= 4)
        assert len(updates_of(mdm, channel)) == 1


def test_a_token_change_is_told_with_the_same_magic(mdm, start):
    start("--devices", 1, "--interval", "0.1", "--token-change", 100)
    mdm.wait("a message", lambda: mdm.messages)
    updates = wait_for_updates(mdm, mdm.messages[0].channel, 3)
    assert len({m.plist["Token"] for m in updates}) == len(updates)
    assert len({m.plist["PushMagic"] for m in updates}) == 1
    assert len(mdm.of_type("Authenticate")) == 1


def test_the_same_seed_gives_the_same_life_and_a_restart_goes_on_with_it(mdm, start, folder):
    def tokens(run, count):
        mdm.wait("tokens", lambda: len(mdm.of_type("TokenUpdate")) >= count)
        run.stop()
        found = [m.plist["Token"] for m in mdm.of_type("TokenUpdate")]
        mdm.messages.clear()
        return found

    words = ("--devices", 1, "--interval", "0.1", "--token-change", 50)
    first = tokens(start(*words), 3)
    later = tokens(start(*words), 3)
    assert not set(later[1:]) & set(first)  # the end of the first run may have cut the answer to its last one off
    shutil.rmtree(folder / "devices")
    assert tokens(start(*words), 3)[:3] == first[:3]


def test_an_erased_device_is_away_for_a_time_of_its_own(mdm, start):
    mdm.rules.append(lambda m: mdm.send(m.channel, {"RequestType": "EraseDevice"}) and None
                     if m.type == "TokenUpdate" and len(mdm.of_type("TokenUpdate")) == 0 else None)
    start("--devices", 1, "--interval", "3600", "--away", "0.2")
    wait_for_updates(mdm, mdm.wait("a message", lambda: mdm.messages)[0].channel, 2)
    before, after = mdm.of_type("Authenticate")
    assert before.plist["SerialNumber"] == after.plist["SerialNumber"]
    assert before.certificate != after.certificate


def test_an_erased_device_that_is_away_for_long_is_not_seen_meanwhile(mdm, start):
    start("--devices", 2, "--interval", "0.1", "--away", "3600")
    mdm.wait_for_polls(2)
    erased, stays = [m.channel for m in mdm.of_type("Authenticate")]
    mdm.result(mdm.send(erased, {"RequestType": "EraseDevice"}))
    mdm.messages.clear()
    mdm.wait("the other to poll on", lambda: [m.channel for m in mdm.messages].count(stays) >= 10)
    assert erased not in {m.channel for m in mdm.messages}


def test_a_clone_comes_with_the_certificate_of_another_that_is_enrolled(mdm, start):
    refusals = [(503, b"", {})]  # the original needs longer than the clone would
    mdm.rules.append(lambda m: refusals.pop() if refusals and m.type == "TokenUpdate"
                     and m.channel == mdm.messages[0].channel else None)
    start("--devices", 3, "--clones", 1, "--interval", "0.1")
    mdm.wait("all to come", lambda: len(mdm.of_type("Authenticate")) == 3)
    first, second, clone = mdm.of_type("Authenticate")
    assert clone.certificate == first.certificate != second.certificate
    assert clone.plist["SerialNumber"] != first.plist["SerialNumber"] and clone.channel != first.channel
    assert not refusals
    before = mdm.messages[:mdm.messages.index(clone)]
    assert len([m for m in before if m.type == "TokenUpdate" and m.channel == first.channel]) == 2


def test_who_was_a_clone_has_an_identity_of_its_own_without_the_option(mdm, start):
    run = start("--devices", 2, "--clones", 1, "--interval", "0.1")
    mdm.wait_for_polls(2)
    original, clone = [m.channel for m in mdm.of_type("Authenticate")]
    run.stop()
    mdm.messages.clear()
    start("--devices", 2, "--interval", "0.1")
    mdm.wait_for_polls(2)
    assert [m.channel for m in mdm.of_type("Authenticate")] == [clone]
    assert len({m.certificate for m in mdm.messages}) == 2


def users_of(mdm, channel):
    result = mdm.result(mdm.send(channel, {"RequestType": "UserList"}))
    return {user["UserName"]: user["IsLoggedIn"] for user in result.plist["Users"]}


def mac_users(mdm):
    return [m for m in mdm.of_type("TokenUpdate") if ":" in m.channel and "@" not in m.channel]


def test_a_user_who_logs_out_is_silent_and_the_device_goes_on(mdm, start):
    start("--devices", 2, "--interval", "0.1", "--logout", 100, "--away", "3600")
    user = mdm.wait("a user", lambda: mac_users(mdm))[0]
    device, name = user.channel.split(":")[0], user.plist["UserShortName"]
    mdm.wait("the end of his visit", lambda: [m for m in mdm.of_status("Idle") if m.channel == user.channel])
    assert users_of(mdm, device) == {"admin": False, name: False}
    mdm.messages.clear()
    mdm.wait("the device to poll on", lambda: [m.channel for m in mdm.messages].count(device) >= 10)
    assert user.channel not in {m.channel for m in mdm.messages}


def test_a_user_who_logs_in_again_says_so_and_a_network_user_asks_first(mdm, start):
    start("--devices", FLEET, "--interval", "0.1", "--logout", 100, "--away", "0.3")
    mdm.wait_for_polls(CHANNELS)
    asked = mdm.of_type("UserAuthenticate")[0].channel
    local = next(m.channel for m in mac_users(mdm) if m.channel != asked)
    for channel in (asked, local):
        first, second = wait_for_updates(mdm, channel, 2)[:2]
        assert first.plist["Token"] == second.plist["Token"]
    order = [m.type for m in mdm.messages if m.channel == asked and m.type]
    assert order[:4] == ["UserAuthenticate", "TokenUpdate"] * 2
    order = [m.type or m.status for m in mdm.messages if m.channel == local]
    assert order[:3] == ["TokenUpdate", "Idle", "TokenUpdate"]
    assert len(mdm.of_type("Authenticate")) == FLEET


def test_log_out_user_sends_the_users_of_a_shared_ipad_home(mdm, start):
    start("--devices", FLEET, "--interval", "0.1", "--away", "3600")
    mdm.wait_for_polls(CHANNELS)
    device = next(m.channel for m in mdm.messages if "@" in m.channel).split(":")[0]
    assert set(users_of(mdm, device).values()) == {True}
    assert mdm.result(mdm.send(device, {"RequestType": "LogOutUser"})).status == "Acknowledged"
    assert set(users_of(mdm, device).values()) == {False}


def test_once_does_not_wait_for_clones(mdm, start):
    def keep_out(m):
        first = next((other for other in mdm.messages if other.certificate == m.certificate), m)
        return (403, b"", {}) if first.channel != m.channel else None

    mdm.rules += [keep_out, lambda m: mdm.send(m.channel, {"RequestType": "ProfileList"}) and None
                  if m.type == "TokenUpdate" else None]
    returncode, out, errors = start("--devices", 3, "--clones", 2, "--interval", "0.1", "--once").wait()
    assert returncode == 0, errors
    assert "1 of 3 enrolled" in out.splitlines()[-1]

# SPDX-License-Identifier: Apache-2.0
"""A device in Setup Assistant is let go, by itself or by an administrator."""

from harness.device import Device, UserChannel


def test_a_waiting_device_is_given_its_commands_and_let_go(server, make_device):
    device = make_device().enroll(AwaitingConfiguration=True)
    assert server.device(device.udid)["is_awaiting_configuration"] is True
    server.enqueue([device.udid], {"RequestType": "ProfileList"})
    command = device.poll()
    assert command["Command"]["RequestType"] == "ProfileList"
    command = device.answer(command)
    assert command["Command"] == {"RequestType": "DeviceConfigured"}
    server.kill()
    server.start()
    device.close()
    again = device.poll()
    assert again == command, "what was handed out before a crash is handed out again"
    assert device.answer(again) is None
    assert server.device(device.udid)["is_awaiting_configuration"] is False
    assert device.poll() is None


def test_a_waiting_user_of_a_shared_ipad_is_let_go(server, make_device):
    device = make_device().enroll()
    user = UserChannel(device, UserID="FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", UserShortName="ada@example.org")
    assert user.token_update(AwaitingConfiguration=True).status == 200
    command = user.poll()
    assert command["Command"] == {"RequestType": "UserConfigured"}
    assert user.answer(command) is None


def test_an_administrator_may_hold_devices_and_let_them_go(make_server, authority):
    server = make_server({"enroll.auto_configured": "no"}).start()
    server.trust(authority)
    device = Device(server, authority.issue("held")).enroll(AwaitingConfiguration=True)
    assert device.poll() is None
    server.enqueue([device.udid], {"RequestType": "DeviceConfigured"})
    command = device.poll()
    assert command["Command"] == {"RequestType": "DeviceConfigured"}
    assert device.answer(command) is None
    assert server.device(device.udid)["is_awaiting_configuration"] is False


def test_a_waiting_device_is_let_go_in_time_though_it_puts_commands_off(make_server, authority):
    server = make_server().start()
    server.trust(authority)
    device = Device(server, authority.issue("busy")).enroll(AwaitingConfiguration=True)
    server.enqueue([device.udid], {"RequestType": "InstallProfile", "Payload": {"$data": "AAEC"}})
    for _ in range(2):
        command = device.poll()
        assert command["Command"]["RequestType"] == "InstallProfile"
        assert device.answer(command, "NotNow") is None
    server.conf["enroll.setup_wait_s"] = "0"  # the time is over
    server.write_conf()
    before = len(server.log)
    server.reload()
    server.wait_log("event=reloaded", after=before)
    command = device.poll()
    assert command["Command"] == {"RequestType": "DeviceConfigured"}
    assert device.answer(command)["Command"]["RequestType"] == "InstallProfile"

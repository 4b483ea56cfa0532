# SPDX-License-Identifier: Apache-2.0
"""Messages as real devices sent them, and equivalents of our own making, go through TLS to the API."""

import plistlib

import pytest

from harness.device import CHECKIN, COMMAND, Device
from harness.server import SHARED

REAL = SHARED / "real-messages"
OWN = {
    # An older iPad, and a Mac with keys that no document of its time names.
    "Authenticate.ipad": {"BuildVersion": "13G36", "MessageType": "Authenticate", "OSVersion": "9.3.5",
                          "ProductName": "iPad2,5", "SerialNumber": "F4KTEST00001", "Topic": "com.apple.mgmt.own",
                          "UDID": "00000000000000000000000000000000000000a1"},
    "Authenticate.mac": {"BuildVersion": "16G2136", "Challenge": b"test", "DeviceName": "Pear",
                         "MessageType": "Authenticate", "Model": "iMac14,2", "ModelName": "iMac",
                         "OSVersion": "10.12.6", "ProductName": "iMac14,2", "SerialNumber": "C02TEST00001",
                         "Topic": "com.apple.mgmt.own", "UDID": "0000A1A1-0000-4000-8000-0000000000A1"},
    "TokenUpdate.ipad": {"AwaitingConfiguration": False, "MessageType": "TokenUpdate", "PushMagic": "MAGIC-1",
                         "Token": bytes(range(32)), "Topic": "com.apple.mgmt.own", "UnlockToken": b"\x01DATA" * 400,
                         "UDID": "00000000000000000000000000000000000000a1"},
    "TokenUpdate.mac": {"AwaitingConfiguration": False, "MessageType": "TokenUpdate", "PushMagic": "MAGIC-2",
                        "Token": bytes(range(32, 64)), "Topic": "com.apple.mgmt.own",
                        "UDID": "0000A1A1-0000-4000-8000-0000000000A1"},
    "DeviceInformation.mac": {"CommandUUID": "own-command-uuid", "QueryResponses": {
        "HostName": "pear.example.com", "UDID": "0000A1A1-0000-4000-8000-0000000000A1"},
        "RequestType": "DeviceInformation", "Status": "Acknowledged",
        "UDID": "0000A1A1-0000-4000-8000-0000000000A1"},
}


def sources():
    yield pytest.param({name: plistlib.dumps(value) for name, value in OWN.items()}, id="own")
    marks = [] if REAL.is_dir() else [pytest.mark.skip(reason="../shared/real-messages is not here")]
    yield pytest.param({path.name: path.read_bytes() for path in REAL.glob("*.plist")} if REAL.is_dir() else {},
                       id="real", marks=marks)


@pytest.mark.parametrize("files", sources())
def test_every_message_goes_through_and_comes_out_in_the_api(server, authority, files):
    messages = {name: plistlib.loads(raw) for name, raw in files.items()}
    udids = {message["UDID"] for message in messages.values()}
    devices = {udid: Device(server, authority.issue(udid), udid) for udid in udids}

    def of_type(prefix):
        return sorted(name for name in files if name.startswith(prefix))

    for prefix in ("Authenticate", "TokenUpdate"):
        assert of_type(prefix)
        for name in of_type(prefix):
            assert devices[messages[name]["UDID"]].put("/mdm", files[name], CHECKIN).status == 200, name
    for name in of_type("Authenticate"):
        message, shown = messages[name], server.device(messages[name]["UDID"])
        assert shown["state"] == "enrolled"
        assert shown["serial_number"] == message["SerialNumber"]
        assert shown["product_name"] == message["ProductName"]
        assert shown["os_version"] == message["OSVersion"]
        assert shown["device_name"] == message.get("DeviceName", "")
    for name in of_type("TokenUpdate"):
        message, shown = messages[name], server.device(messages[name]["UDID"])
        assert shown["has_push_token"] is True
        assert shown["has_unlock_token"] is ("UnlockToken" in message)
        assert shown["topic"] == message["Topic"]
    for name in of_type("DeviceInformation"):
        message = messages[name]
        server.enqueue([message["UDID"]], {"RequestType": "DeviceInformation", "Queries": ["HostName", "UDID"]},
                       uuid=message["CommandUUID"])
        device = devices[message["UDID"]]
        assert device.poll()["CommandUUID"] == message["CommandUUID"]
        reply = device.put("/mdm", files[name], COMMAND)
        assert (reply.status, reply.body) == (200, b"")
        shown = server.get(f"/api/v1/commands/{message['CommandUUID']}/results/{message['UDID']}")
        assert shown["state"] == "done"
        assert shown["result"]["QueryResponses"] == message["QueryResponses"]
    for device in devices.values():
        device.close()

# SPDX-License-Identifier: Apache-2.0
"""A device as Python's ssl and plistlib can play it."""

import http.client
import os
import plistlib
import uuid

from .server import Reply

CHECKIN = "application/x-apple-aspen-mdm-checkin"
COMMAND = "application/x-apple-aspen-mdm; charset=UTF-8"
TOPIC = "com.apple.mgmt.External.00000000-0000-4000-8000-000000000001"


class Device:
    def __init__(self, server, identity, udid=None, key="UDID"):
        self.server = server
        self.udid = udid or str(uuid.uuid4()).upper()
        self.key = key  # or EnrollmentID
        self.headers = {}  # of each message
        self.token = os.urandom(32)
        self.push_magic = str(uuid.uuid4()).upper()
        self.use(identity)

    def use(self, identity):
        """From now on with another certificate (or none) and a new connection."""
        self.identity = identity
        self._context = self.server.client_context(identity)
        self._connection = None

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def put(self, path, body, content_type, headers=None):
        """Bytes as they are; the connection is kept alive as a device keeps it."""
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                "localhost", self.server.device_port, context=self._context, timeout=60)
        headers = {"Content-Type": content_type, **self.headers, **(headers or {})}
        try:
            self._connection.request("PUT", path, body=body, headers=headers)
            return Reply(self._connection.getresponse())
        except (http.client.HTTPException, OSError):
            self.close()
            raise

    def ids(self):
        return {self.key: self.udid}

    # --- check-in

    def checkin(self, message_type, path="/checkin", fmt=plistlib.FMT_XML, **keys):
        message = {"MessageType": message_type, **self.ids(), **keys}
        message = {key: value for key, value in message.items() if value is not None}
        return self.put(path, plistlib.dumps(message, fmt=fmt), CHECKIN)

    def authenticate(self, **keys):
        return self.checkin("Authenticate", **{"Topic": TOPIC, "SerialNumber": "C0" + self.udid[:8],
                                               "ProductName": "iPhone15,2", "OSVersion": "18.1",
                                               "BuildVersion": "22B83", **keys})

    def token_update(self, **keys):
        return self.checkin("TokenUpdate", **{"Topic": TOPIC, "Token": self.token,
                                              "PushMagic": self.push_magic, **keys})

    def check_out(self):
        return self.checkin("CheckOut", Topic=TOPIC)

    def enroll(self, **keys):
        reply = self.authenticate()
        assert (reply.status, reply.body) == (200, b""), reply
        reply = self.token_update(**keys)
        assert (reply.status, reply.body) == (200, b""), reply
        return self

    # --- commands

    def report(self, status, command_uuid=None, path="/mdm", fmt=plistlib.FMT_XML, **keys):
        message = {"Status": status, **self.ids(), **keys}
        if command_uuid is not None:
            message["CommandUUID"] = command_uuid
        return self.put(path, plistlib.dumps(message, fmt=fmt), COMMAND)

    def idle(self):
        return self.report("Idle")

    def command_of(self, reply):
        """The command in a reply, or None for the empty one."""
        assert reply.status == 200, reply
        if reply.body == b"":
            return None
        assert reply.headers["Content-Type"] == "application/xml; charset=UTF-8"
        assert reply.body.startswith(b"<?xml")
        return plistlib.loads(reply.body)

    def poll(self):
        return self.command_of(self.idle())

    def answer(self, command, status="Acknowledged", **keys):
        """Answers and gives the next command."""
        return self.command_of(self.report(status, command["CommandUUID"], **keys))


class UserChannel(Device):
    """A user of a device, on the device's identity."""

    def __init__(self, device, **user_keys):
        super().__init__(device.server, device.identity, device.udid, device.key)
        self.user_keys = user_keys
        self.headers = device.headers

    def ids(self):
        return {**super().ids(), **self.user_keys}

# SPDX-License-Identifier: Apache-2.0
"""pomonad, APNs and devices together."""

from .device import Device


def push_conf(apns, **conf):
    """Gaps of a second, and whatever of the section [push] the test wants else."""
    keys = {"server": f"localhost:{apns.port}", "ca_file": apns.ca_pem, "retry_first_s": 1, "retry_max_s": 1, **conf}
    return {f"push.{key}": value for key, value in keys.items()}


class Woken:
    """pomonad, APNs, and devices that are enrolled with APNs' topic."""

    def __init__(self, server, apns, authority):
        self.server, self.apns, self.authority = server, apns, authority
        self.devices = []

    def device(self, **options):
        device = Device(self.server, self.authority.issue("device"), **options)
        device.authenticate(Topic=self.apns.topic)
        reply = device.token_update(Topic=self.apns.topic)
        assert reply.status == 200, reply
        self.devices.append(device)
        return device

    def order(self, *devices, **more):
        """Queues a command for these devices; gives its UUID."""
        reply = self.server.enqueue([device.udid for device in devices],
                                    {"RequestType": "DeviceInformation", "Queries": ["UDID"]}, **more)
        return reply["uuid"]

    def pushes_to(self, device, after=0):
        return [push for push in self.apns.pushes(after) if push["token"] == device.token.hex()]

    def wait_pushes_to(self, device, count, seconds=60):
        """Waits until this device's token was pushed to so often; gives those pushes."""
        self.apns.wait(lambda: len(self.pushes_to(device)) >= count, f"{count} pushes to the device", seconds)
        return self.pushes_to(device)

    def push_of(self, device):
        return self.server.device(device.udid)["push"]

    def wait_push(self, device, **wanted):
        """Waits until the API shows this of the device's last push."""
        def is_there():
            shown = self.push_of(device)
            return all(shown[key] == value for key, value in wanted.items())

        self.apns.wait(is_there)
        return self.push_of(device)

    def topic_state(self):
        topics = self.server.get("/api/v1/status")["push"]["topics"]
        return next((topic["state"] for topic in topics if topic["topic"] == self.apns.topic), None)

    def alarms(self, kind):
        return [alarm for alarm in self.server.get("/api/v1/alarms")["alarms"] if alarm["kind"] == kind]

    def close(self):
        for device in self.devices:
            device.close()

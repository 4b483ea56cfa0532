# SPDX-License-Identifier: Apache-2.0
"""A device that enrolls with an account of its user, and the web view in which he logs in."""

import http.client
import re
import urllib.parse
import uuid

from .apple import CONTENT_TYPE
from .server import Reply

RESULT = "apple-remotemanagement-user-login://authentication-results?access-token="
FORM = "application/x-www-form-urlencoded"


class Enrollee:
    """One device before it is enrolled; `apple` signs what it says of itself."""

    def __init__(self, server, apple, user, family="iPhone", udid=None):
        self.server, self.apple, self.user, self.family = server, apple, user, family
        self.udid = udid  # what it says of itself, where it does
        self.factory = apple.device()
        self.token = None

    def request(self, method, url, body=None, headers=None):
        """No redirect is followed."""
        parts = urllib.parse.urlsplit(url)
        target = parts.path + ("?" + parts.query if parts.query else "")
        connection = http.client.HTTPSConnection("localhost", self.server.device_port,
                                                 context=self.server.client_context(), timeout=60)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def declare(self, url, length, content_type):
        """The answer to a head that says how long the body will be."""
        connection = http.client.HTTPSConnection("localhost", self.server.device_port,
                                                 context=self.server.client_context(), timeout=60)
        try:
            connection.putrequest("POST", url)
            connection.putheader("Content-Type", content_type)
            connection.putheader("Content-Length", str(length))
            connection.endheaders()
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def discover(self, **query):
        query = {"user-identifier": self.user, "model-family": self.family, **query}
        query = {key: value for key, value in query.items() if value is not None}
        return self.request("GET", "/.well-known/com.apple.remotemanagement?" + urllib.parse.urlencode(query))

    def base_url(self, version):
        reply = self.discover()
        assert reply.status == 200 and reply.headers["Content-Type"] == "application/json", reply
        return next(one["BaseURL"] for one in reply.json()["Servers"] if one["Version"] == version)

    def machine_info(self):
        info = {"LANGUAGE": "en", "PRODUCT": "iPhone15,2", "VERSION": "22B83"}
        return info if self.udid is None else {**info, "UDID": self.udid, "SERIAL": "C0ACCOUNT"}

    def ask(self, url, token=None, body=None):
        """POST of the machine information, as DeviceManagementClient sends it."""
        headers = {"Content-Type": CONTENT_TYPE, "User-Agent": "DeviceManagementClient/1.0"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is None:
            body = self.apple.sign(self.factory, self.machine_info())
        return self.request("POST", url, body, headers)

    def login_page(self, challenge):
        """From the value of WWW-Authenticate to the form: its address, and what stands in it already."""
        assert challenge.startswith("Bearer "), challenge
        facts = dict(re.findall(r'([\w-]+)="([^"]*)"', challenge))
        assert facts["method"] == "apple-as-web", challenge
        url = facts["url"] + "?" + urllib.parse.urlencode({"user-identifier": self.user})
        page = self.request("GET", url)
        assert page.status == 200, page
        text = page.body.decode()
        action = re.search(r'<form method="post" action="([^"]*)"', text)[1]
        fields = dict(re.findall(r'<input [^>]*?name="([^"]*)"[^>]*? value="([^"]*)"', text))
        return urllib.parse.urljoin(facts["url"], action), fields

    def send_form(self, url, fields, headers=None):
        return self.request("POST", url, urllib.parse.urlencode(fields), {"Content-Type": FORM, **(headers or {})})

    def log_in(self, challenge, password):
        """The token that the web view leads to."""
        url, fields = self.login_page(challenge)
        reply = self.send_form(url, {**fields, "password": password})
        assert (reply.status, reply.body) == (308, b""), reply
        assert reply.headers["Location"].startswith(RESULT), reply.headers
        self.token = reply.headers["Location"].removeprefix(RESULT)
        return self.token

    def profile(self, version, password):
        """From nothing to the signed profile."""
        if version == "mdm-adde" and self.udid is None:
            self.udid = str(uuid.uuid4()).upper()  # user enrollment alone says nothing of the device
        url = self.base_url(version)
        reply = self.ask(url)
        assert reply.status == 401, reply
        token = self.log_in(reply.headers["WWW-Authenticate"], password)
        reply = self.ask(url, token)
        assert reply.status == 200, reply
        assert reply.headers["Content-Type"] == "application/x-apple-aspen-config"
        assert reply.headers["Cache-Control"] == "no-store"
        return reply.body

# SPDX-License-Identifier: Apache-2.0
"""What docs/api/openapi.yaml promises, held against real answers."""

import http.client
import json
import re
import socket

import pytest
import yaml

from harness.device import TOPIC, Device, UserChannel
from harness.pushcert import PushCert
from harness.server import SOURCE

SPEC = yaml.safe_load((SOURCE / "docs" / "api" / "openapi.yaml").read_text())
OTHER_TOPIC = "com.apple.mgmt.External.other"
CHECKS = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def resolve(schema):
    while "$ref" in schema:
        node = SPEC
        for name in schema["$ref"].split("/")[1:]:
            node = node[name]
        schema = node
    return schema


def properties_of(schema):
    schema = resolve(schema)
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found.update(properties_of(part))
    return found


def faults(value, schema, at="$"):
    """Where `value` is not as `schema` says; as much of JSON Schema as the document uses."""
    schema = resolve(schema)
    found = []
    for part in schema.get("allOf", []):
        found += faults(value, part, at)
    if "oneOf" in schema and all(faults(value, part, at) for part in schema["oneOf"]):
        found.append(f"{at}: fits none of oneOf")
    types = schema.get("type", [])
    types = types if isinstance(types, list) else [types]
    if types and not any(isinstance(value, CHECKS[name]) and not (name == "integer" and isinstance(value, bool))
                         for name in types):
        return found + [f"{at}: {value!r} is no {types}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is not in {schema['enum']}")
    if schema.get("format") == "date-time" and isinstance(value, str):
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value):
            found.append(f"{at}: {value!r} is no time")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += faults(item, schema["items"], f"{at}[{i}]")
    if isinstance(value, dict):
        found += [f"{at}.{name}: is missing" for name in schema.get("required", []) if name not in value]
        for name, part in schema.get("properties", {}).items():
            if name in value:
                found += faults(value[name], part, f"{at}.{name}")
        if isinstance(schema.get("additionalProperties"), dict):
            for name in set(value) - set(schema.get("properties", {})):
                found += faults(value[name], schema["additionalProperties"], f"{at}.{name}")
    return found


def unnamed(value, schema, at="$"):
    """Members of an answer that the document does not name."""
    schema = resolve(schema)
    found = []
    properties = properties_of(schema)
    if isinstance(value, dict) and properties:
        found += [f"{at}.{name}: is not described" for name in value if name not in properties]
        for name in set(value) & set(properties):
            found += unnamed(value[name], properties[name], f"{at}.{name}")
    if isinstance(value, list) and "items" in schema:
        for item in value:
            found += unnamed(item, schema["items"], f"{at}[]")
    return found


def check(server, method, template, body=None, status=200, **names):
    path = template
    for name, value in names.items():
        path = path.replace("{" + name + "}", value)
    reply = server.api(method, path, body)
    assert reply.status == status, (method, path, reply)
    responses = SPEC["paths"][template][method.lower()]["responses"]
    described = resolve(responses.get(str(status), responses.get("default")))
    content = described.get("content")
    if not content:
        assert reply.body == b""
        return None
    kind = reply.headers["Content-Type"].split(";")[0]
    assert kind in content, (method, path, kind)
    if not kind.endswith("json"):
        return reply.body
    schema = content[kind]["schema"]
    assert faults(reply.json(), schema) + unnamed(reply.json(), schema) == [], (method, path)
    return reply.json()


def test_each_route_answers_as_the_document_says(server, make_device):
    device = make_device().enroll()
    make_device().idle()
    UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada").token_update()
    v1, udid = "/api/v1", device.udid
    uuid = check(server, "POST", v1 + "/commands", {"ids": [udid, "nobody"], "command": {"RequestType": "ProfileList"}})["uuid"]
    device.answer(device.poll(), "Error", ErrorChain=[{"ErrorCode": 1, "ErrorDomain": "d", "LocalizedDescription": "t"}])
    for path in ("/healthz", "/readyz", v1 + "/status", v1 + "/devices", v1 + "/refusals", v1 + "/tokens",
                 v1 + "/identities", v1 + "/cas", v1 + "/apple-cas", v1 + "/accounts", v1 + "/alarms", v1 + "/backup", v1 + "/integrity"):
        check(server, "GET", path)
    check(server, "GET", v1 + "/devices/{id}", id=udid)
    check(server, "GET", v1 + "/devices/{id}/commands", id=udid)
    for tail in ("", "/plist", "/results"):
        check(server, "GET", v1 + "/commands/{uuid}" + tail, uuid=uuid)
    for tail in ("", "/plist"):
        check(server, "GET", v1 + "/commands/{uuid}/results/{id}" + tail, uuid=uuid, id=udid)
    check(server, "POST", v1 + "/commands/{uuid}/cancel", {"ids": [udid, "nobody"]}, uuid=uuid)
    check(server, "POST", v1 + "/tokens", {"name": "robot", "role": "viewer", "expires_at": "2999-01-01T00:00:00Z"}, 201)
    check(server, "GET", v1 + "/tokens")
    check(server, "DELETE", v1 + "/tokens/{name}", status=204, name="robot")
    check(server, "POST", v1 + "/accounts/logout", {"user": "nobody"})
    link = check(server, "POST", v1 + "/enroll/invitations", {"user_name": "ada"}, 201)
    check(server, "GET", v1 + "/enroll/invitations")
    check(server, "DELETE", v1 + "/enroll/invitations/{id}", status=204, id=str(link["id"]))
    check(server, "POST", v1 + "/devices/{id}/forget", status=409, id=udid)
    check(server, "POST", v1 + "/devices/{id}/unenroll", id=udid)
    check(server, "DELETE", v1 + "/devices/{id}/unenroll", id=udid)
    check(server, "POST", v1 + "/devices/{id}/unenroll", id=udid)
    assert device.idle().status == 401
    check(server, "POST", v1 + "/identities/{sha256}/revoke", sha256=device.identity.sha256)
    check(server, "DELETE", v1 + "/devices/{id}", id=udid)


def test_the_routes_of_waking_answer_as_the_document_says(make_server, authority):
    v1, many = "/api/v1", 201
    with socket.socket() as nobody:  # bound, and deaf
        nobody.bind(("127.0.0.1", 0))
        server = make_server({"push.server": f"127.0.0.1:{nobody.getsockname()[1]}"}).start()
        server.trust(authority)
        device = Device(server, authority.issue("device")).enroll()
        user = UserChannel(device)
        for number in range(many):
            user.user_keys = {"UserID": f"U{number}", "UserShortName": "ada", "UserLongName": "Ada"}
            assert user.token_update().status == 200
        user.close()
        check(server, "GET", v1 + "/pushcerts")
        check(server, "POST", v1 + "/push", {"ids": [device.udid, "nobody"]})
        ordered = check(server, "POST", v1 + "/push", {"filter": {"kind": "user"}}, 202)
        assert ordered == {"ordered": many, "results": []}
        check(server, "PUT", v1 + "/pushcerts", PushCert(OTHER_TOPIC).body(), 409)
        check(server, "PUT", v1 + "/pushcerts", PushCert(TOPIC).body())
        check(server, "PUT", v1 + "/pushcerts", {"certificate": "x"}, 400)
        check(server, "POST", v1 + "/pushcerts/test", {"id": device.udid})
        check(server, "GET", v1 + "/pushcerts")
        check(server, "GET", v1 + "/devices/{id}", id=device.udid)
        check(server, "GET", v1 + "/devices")
        check(server, "GET", v1 + "/status")
        check(server, "DELETE", v1 + "/pushcerts/{topic}", status=204, topic=TOPIC)
        check(server, "DELETE", v1 + "/pushcerts/{topic}", status=404, topic=TOPIC)
        device.close()
        server.stop()


@pytest.mark.parametrize("path, operation", sorted(
    (path, method) for path, item in SPEC["paths"].items() for method in item if method != "parameters"))
def test_each_route_wants_a_token_over_tcp_and_says_so_in_a_problem(server, path, operation):
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=60)
    connection.request(operation.upper(), re.sub(r"\{.*?\}", "x", path))
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    if SPEC["paths"][path][operation]["security"] == []:
        assert reply.status == 200
        return
    assert reply.status == 401, body
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert faults(json.loads(body), {"$ref": "#/components/schemas/Problem"}) == []

# SPDX-License-Identifier: Apache-2.0
import pytest

from harness.device import TOPIC
from harness.pushcert import PushCert
from harness.sim import Sim

from fake_mdm import FakeMdm
from runs import Run, sim


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "sim"
    assert sim("ca", "--dir", folder).returncode == 0
    return folder


@pytest.fixture
def mdm(authority, tmp_path, folder):
    mdm = FakeMdm(authority, tmp_path, folder / "ca.pem")
    yield mdm
    mdm.stop()


@pytest.fixture
def server_ca(authority, tmp_path):
    path = tmp_path / "server-ca.pem"
    path.write_bytes(authority.certificate_pem())
    return path


@pytest.fixture
def start(mdm, folder, server_ca):
    runs = []

    def start(*words):
        runs.append(Run(mdm, folder, server_ca, *words))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.returncode is None:
            run.stop()


@pytest.fixture
def make_sim(make_server, tmp_path):
    """A server of its own, and devices in a folder beside it that are still to be started."""
    made = []

    def make(conf=None, **more):
        server = make_server(conf or {}, **more).start()
        assert server.api("PUT", "/api/v1/pushcerts", PushCert(TOPIC).body()).status in (200, 201)
        made.append(Sim(server, tmp_path / "sim"))
        return made[-1]

    yield make
    for one in made:
        one.stop()

# SPDX-License-Identifier: Apache-2.0
"""The page where people log in to enroll a device, in a browser: at phone and desktop width, light and dark."""

import os
import pathlib

import pytest
from harness.browser import DESKTOP, PHONE, Browser
from harness.server import wait_until

from test_account import ADA, PASSWORD, add_user

ENTER = "\ue007"  # W3C WebDriver 17.4.2
SHOTS = os.environ.get("POMONA_SCREENSHOTS")  # a folder, to look at them


@pytest.fixture
def server(make_server, tmp_path):
    server = make_server({"enroll.account_byod": "on", "enroll.organization": "Orchard & Söhne"})
    add_user(server, tmp_path, "ada")
    return server.start()


@pytest.fixture
def url(server):
    return f"https://localhost:{server.device_port}/account/login?user-identifier={ADA}"


def keep(browser, tmp_path, name):
    browser.screenshot((pathlib.Path(SHOTS) if SHOTS else tmp_path) / f"account-{name}.png")


@pytest.mark.parametrize("name, size, is_dark", [
    ("phone", PHONE, False), ("phone-dark", PHONE, True), ("desktop", DESKTOP, False), ("desktop-dark", DESKTOP, True)])
def test_people_can_read_and_use_it(url, tmp_path, name, size, is_dark):
    with Browser(tmp_path / "browser", size, is_dark) as browser:
        browser.open(url)
        assert browser.faults() == [] and browser.complaints() == []
        assert browser.text("h1") == "Sign in" and "Orchard & Söhne" in browser.text()
        assert browser.run("return document.querySelector('#user').value") == ADA
        keep(browser, tmp_path, name)
        browser.type("#password", "wrong")
        browser.click("button")
        assert browser.text("[role=alert]") == "The account or the password is wrong."
        assert browser.run("return document.querySelector('#password').value") == ""
        assert browser.faults() == []
        keep(browser, tmp_path, f"{name}-wrong")


def test_it_works_without_scripts_and_leads_back_to_the_device(server, url, tmp_path):
    with Browser(tmp_path / "browser", PHONE) as browser:
        browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(url)
        browser.type("#password", PASSWORD + ENTER)
        server.wait_log("event=account_login .*user=ada")
        assert not [one for one in browser.complaints() if "Content Security Policy" in one], "where it leads is allowed"


def test_nothing_is_sent_without_a_password(server, url, tmp_path):
    with Browser(tmp_path / "browser", PHONE) as browser:
        browser.open(url)
        browser.click("button")
        assert browser.run("return document.querySelector('#password').validity.valueMissing")
        assert not any("account_" in line for line in server.log)


def test_who_asks_without_an_account_types_it(server, tmp_path):
    with Browser(tmp_path / "browser", PHONE) as browser:
        browser.open(f"https://localhost:{server.device_port}/account/login")
        browser.type("#user", "ada")
        browser.type("#password", PASSWORD)
        browser.click("button")
        assert "in full" in browser.text("[role=alert]")
        browser.type("#user", ADA.removeprefix("ada"))  # what was typed stands there still
        browser.type("#password", PASSWORD)
        browser.click("button")
        wait_until(lambda: any("event=account_login" in line for line in server.log), "a login")

# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, driven over WebDriver: what a page looks like and does in a browser of today.

    with Browser(tmp_path, PHONE, is_dark=True) as browser:
        browser.open(url)
        browser.click("button")
        browser.screenshot(path)
"""

import base64
import json
import os
import pathlib
import re
import subprocess
import threading
import urllib.error
import urllib.request

from .process import end
from .server import wait_until

PHONE, DESKTOP = (390, 844), (1280, 900)
CALL_SECONDS = 60
START_SECONDS = 60
FIND_SECONDS = 30  # what is looked for may come with the next page only
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # W3C WebDriver 12.1

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
         "--disable-default-apps", "--disable-extensions", "--hide-scrollbars", "--ignore-certificate-errors",
         "--no-proxy-server"]

# What WCAG 1.4.3 wants of each text that is seen: 4.5 to 1 against what is behind it.
CONTRAST = """
const parts = (text) => text.match(/[0-9.]+/g).map(Number);
const light = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const c = parts(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c;
  }
  return [255, 255, 255];
};
const faults = [];
for (const e of document.body.querySelectorAll("*")) {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own && e.tagName !== "INPUT") continue;
  const a = luminance(parts(getComputedStyle(e).color)), b = luminance(behind(e));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) faults.push(e.tagName + " " + ratio.toFixed(2) + " " + e.textContent.slice(0, 40));
}
return faults;
"""

# What who does not see the page, or has no mouse, is told wrongly or not at all.
ACCESS = """
const faults = [];
if (!document.documentElement.lang) faults.push("no language");
if (!document.title) faults.push("no title");
if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
if (!document.querySelector("main")) faults.push("no main");
for (const e of document.querySelectorAll("input:not([type=hidden])"))
  if (!e.labels || e.labels.length !== 1 || !e.labels[0].textContent.trim()) faults.push("no label: " + e.name);
for (const e of document.querySelectorAll("button, input:not([type=hidden])")) {
  if (e.getBoundingClientRect().height < 44) faults.push("too small to be touched: " + e.tagName);
  e.focus();
  if (document.activeElement !== e) faults.push("cannot be focused: " + e.tagName);
}
if (document.documentElement.scrollWidth > window.innerWidth) faults.push("wider than the screen");
for (const e of document.querySelectorAll("script, iframe, img, object, embed, [onclick], [style]"))
  faults.push("should not be there: " + e.tagName);
return faults;
"""


class Browser:
    def __init__(self, folder, size=PHONE, is_dark=False):
        self.folder = pathlib.Path(folder)
        self.size, self.is_dark = size, is_dark
        self.downloads = self.folder / "downloads"

    def __enter__(self):
        self.downloads.mkdir(parents=True, exist_ok=True)
        # a home of its own: nothing of the machine's is read or left
        environment = {**os.environ, "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "config"),
                       "XDG_CACHE_HOME": str(self.folder / "cache")}
        self._process = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True, env=environment, cwd=self.folder,
                                         start_new_session=True)
        try:
            self._start()
        except BaseException:
            end(self._process)
            raise
        return self

    def __exit__(self, *_):
        try:
            self._call("DELETE", f"/session/{self._session}")
        finally:
            end(self._process)
            self._process.stdout.close()

    def _start(self):
        watch = threading.Timer(START_SECONDS, self._process.kill)
        watch.start()
        found = None
        for line in self._process.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                break
        watch.cancel()
        assert found, "chromedriver did not start"
        self._address = f"http://127.0.0.1:{found.group(1)}"
        threading.Thread(target=self._process.stdout.read, daemon=True).start()  # so that it never blocks
        options = {"args": [*FLAGS, f"--user-data-dir={self.folder / 'profile'}"]}
        wanted = {"browserName": "chrome", "acceptInsecureCerts": True, "goog:chromeOptions": options,
                  "goog:loggingPrefs": {"browser": "ALL"}}
        self._session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        self._in_session("POST", "/timeouts", {"implicit": FIND_SECONDS * 1000})
        self.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self.show_as(self.size, self.is_dark)

    def _call(self, method, path, body=None):
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self._address + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=CALL_SECONDS) as reply:
                return json.loads(reply.read())["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read()[:600]!r}") from None

    def _in_session(self, method, path, body=None):
        return self._call(method, f"/session/{self._session}{path}", body)

    def devtools(self, command, **params):
        return self._in_session("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def show_as(self, size, is_dark=False):
        self.devtools("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1],
                      deviceScaleFactor=2 if size == PHONE else 1, mobile=size == PHONE)
        self.devtools("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}])

    def open(self, url):
        self._in_session("POST", "/url", {"url": url})

    @property
    def url(self):
        return self._in_session("GET", "/url")

    def run(self, script):
        return self._in_session("POST", "/execute/sync", {"script": script, "args": []})

    def text(self, selector="body"):
        return self._in_session("GET", f"/element/{self._find(selector)}/text")

    def _find(self, selector):
        return self._in_session("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self._in_session("POST", f"/element/{self._find(selector)}/click")

    def type(self, selector, text):
        self._in_session("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def wait_download(self, name):
        path = self.downloads / name
        wait_until(lambda: path.exists() and not list(self.downloads.glob("*.crdownload")), f"a download of {name}")
        return path.read_bytes()

    def screenshot(self, path):
        """The whole page, not the window alone."""
        shot = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def complaints(self):
        """What the browser itself says is wrong, what its policy forbade above all; since the last call."""
        rows = self._in_session("POST", "/se/log", {"type": "browser"})
        return [row["message"] for row in rows if row["level"] in ("SEVERE", "WARNING")]

    def faults(self):
        """What is hard to read, to touch or to be read out."""
        return self.run(CONTRAST) + self.run(ACCESS)

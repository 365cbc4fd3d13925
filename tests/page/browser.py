"""A real browser for tests: Debian's Chromium without a screen, steered by its own driver."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, WebDriverException
from selenium.webdriver import ChromeOptions, Remote
from selenium.webdriver.chrome.remote_connection import ChromeRemoteConnection
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.proxy import Proxy, ProxyType
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.webelement import WebElement

BROWSER = Path("/usr/bin/chromium")
DRIVER = Path("/usr/bin/chromedriver")

SCREENSHOTS = "OXOBENCH_SCREENSHOTS"
"""Environment variable that names the folder for screenshots; where it is not set, none are made."""

WITHIN = 15.0
"""How long, in seconds, a page may take to show something, unless said otherwise."""

LOOK = 0.05
"""Seconds between two looks at a page."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--enable-precise-memory-info",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--js-flags=--expose-gc",
)

_Seen = TypeVar("_Seen")


class Browser:
    """One Chromium with one tab. `with Browser() as browser:` starts it, and leaves neither process nor file behind.

    Elements are named by CSS selectors. What is not there yet is waited for; if it does not come, an AssertionError
    says what was awaited and what the page shows instead. A click or a key never waits for what it brings about.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="oxobench-browser-"))
        """Everything that it writes."""
        options = ChromeOptions()
        options.binary_location = str(BROWSER)
        for flag in (*FLAGS, f"--user-data-dir={self.folder / 'profile'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # A browser keeps things in its user's home even so.
        env = {**os.environ, "HOME": str(self.folder), "TMPDIR": str(self.folder)}
        self._service = Service(str(self._mortal_driver()), env=env)
        try:
            self._service.start()
            self.driver = self._connect(options)
        except BaseException:
            self._end()
            raise
        self.resize(1200, 800)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.driver.quit()
        finally:
            self._end()

    def _mortal_driver(self) -> Path:
        """A driver that the kernel kills when this process dies, in whatever way, and the browser with it.

        It is process 1 of a PID namespace of its own.
        """
        namespaces = ["unshare", "--user", "--map-current-user", "--pid", "--mount-proc", "--fork", "--kill-child"]
        command = ["setpriv", "--pdeathsig", "KILL", "--", *namespaces, "--", str(DRIVER)]
        driver = self.folder / "chromedriver"
        driver.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
        driver.chmod(0o700)
        return driver

    def reset(self) -> None:
        """Leaves the page and forgets cookies, size and colours, so that the next test finds a new browser."""
        self.driver.get("about:blank")
        self._devtools("Network.clearBrowserCookies", {})
        self.dark(False)
        self.resize(1200, 800)
        self.console()

    def open(self, url: str) -> None:
        """Goes to a page; returns when it has loaded."""
        self.driver.get(url)

    def resize(self, width: int, height: int) -> None:
        """Sets the size of what a page can be seen in, in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", size)

    def dark(self, wanted: bool = True) -> None:
        """Has the user prefer dark colours, or light ones."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if wanted else "light"}
        self._devtools("Emulation.setEmulatedMedia", {"features": [feature]})

    def until(self, awaited: str, seen: Callable[[], _Seen | None], within: float = WITHIN) -> _Seen:
        """Looks until `seen()` gives something true, and gives it back. What is not on the page yet counts as not seen.

        Raises AssertionError when it is not seen within so many seconds: `awaited` says what should be there.
        """
        deadline = time.monotonic() + within
        while True:
            try:
                if got := seen():
                    return got
            except (NoSuchElementException, StaleElementReferenceException):
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"Awaited within {within:g} s: {awaited}. {self._instead()}")
            time.sleep(LOOK)

    def find(self, css: str, text: str = "", within: float = WITHIN) -> WebElement:
        """The first visible element that matches and whose text contains `text`."""

        def seen() -> WebElement | None:
            for each in self.driver.find_elements(By.CSS_SELECTOR, css):
                if each.is_displayed() and text in each.text:
                    return each
            return None

        return self.until(f"{css} with the text {text!r}" if text else css, seen, within)

    def gone(self, css: str, text: str = "", within: float = WITHIN) -> None:
        """Waits until no visible element matches and contains `text`."""

        def seen() -> bool:
            matching = self.driver.find_elements(By.CSS_SELECTOR, css)
            return not any(each.is_displayed() and text in each.text for each in matching)

        self.until(f"no {css} with the text {text!r}" if text else f"no {css}", seen, within)

    def texts(self, css: str) -> list[str]:
        """The texts of all visible elements that match now, in the order of the page."""
        return [each.text for each in self.driver.find_elements(By.CSS_SELECTOR, css) if each.is_displayed()]

    def click(self, css: str, text: str = "") -> None:
        """Clicks the first visible element that matches and contains `text`, once it can be clicked."""

        def clicked() -> bool:
            try:
                self.find(css, text, within=0.0).click()
            except (AssertionError, WebDriverException):
                return False
            return True

        self.until(f"{css} {text!r} to be clickable", clicked)

    def write(self, css: str, text: str) -> None:
        """Writes into a field, instead of what it holds."""
        field = self.find(css)
        field.clear()
        field.send_keys(text)

    def press(self, *keys: str) -> None:
        """Presses keys, wherever the focus is: characters, or members of selenium's `Keys`."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def run(self, script: str, *arguments: object) -> object:
        """Runs JavaScript in the page; `return ...` gives its value back."""
        return self.driver.execute_script(script, *arguments)

    def console(self) -> list[str]:
        """What the page has complained of since the last call: errors of scripts, of what could not be loaded, of
        what the content policy forbade."""
        entries = self.driver.execute("getLog", {"type": "browser"})["value"]
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def heap(self) -> int:
        """Bytes that the page's script keeps, once what is of no use is collected."""
        used = self.run("gc(); gc(); return performance.memory.usedJSHeapSize;")
        assert isinstance(used, int)
        return used

    def screenshot(self, name: str) -> None:
        """Saves what the page shows as `name`.png, where `OXOBENCH_SCREENSHOTS` names a folder."""
        if folder := os.environ.get(SCREENSHOTS):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(folder) / f"{name}.png"))

    def _connect(self, options: ChromeOptions) -> Remote:
        """Starts the browser. selenium's `Chrome` would do so through the machine's HTTP proxy, if it has one."""
        url = self._service.service_url
        config = ClientConfig(url, timeout=60, proxy=Proxy({"proxyType": ProxyType.DIRECT}))
        return Remote(ChromeRemoteConnection(url, client_config=config), options=options)

    def _end(self) -> None:
        self._service.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _devtools(self, command: str, parameters: Mapping[str, object]) -> None:
        self.driver.execute("executeCdpCommand", {"cmd": command, "params": parameters})

    def _instead(self) -> str:
        text = self.run("return document.body ? document.body.innerText : '';")
        return f"{self.driver.current_url} shows: {str(text)[:2000]!r}. Complaints: {self.console()}"

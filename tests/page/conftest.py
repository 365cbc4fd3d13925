"""The browser of the tests of pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.manual.upbench import UpBench
from tests.page.browser import Browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests, since it takes a second or two to start."""
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A browser as if it were new."""
    yield chromium
    chromium.reset()


@pytest.fixture(scope="session")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpBench]:
    """A site whose PBX is not configured to use the web proxy."""
    with UpBench(tmp_path_factory.mktemp("up"), "--users", "5", "--proxy", "none") as up:
        yield up


@pytest.fixture
def page(direct: UpBench, browser: Browser) -> Browser:
    """The page of that site, put back to what it is when all is well."""
    direct.call("firewall", policy="permissive")
    direct.call("dns", mode="answer")
    direct.call("proxy", mode="tunnel")
    direct.call("rainbow_fault")
    direct.call("heal")
    if not direct.status()["oxo"]["enabled"]:
        direct.call("oxo_enable", way="omc")
    if direct.status()["link"]["state"] != "connected":
        direct.call("time_advance", seconds=960)
    browser.resize(1440, 900)
    browser.open(direct.page)
    browser.find("#headline", "Connected directly", within=30)
    if browser.texts("[role=tab][aria-selected=true]") != ["Network"]:
        browser.run("sessionStorage.clear()")
        browser.open(direct.page)
        browser.find("#headline", "Connected directly")
    return browser

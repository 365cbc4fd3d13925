"""mitmweb of the site's web proxy in a real browser: live, through the forwarder, and of saved flows."""

from __future__ import annotations

import asyncio
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.bench import Bench, BenchOptions
from bench.evidence import scenario_folder
from bench.manual.forwarder import Forwarder
from bench.pki import Pki
from network.fabric import Fabric
from network.plan import Role
from steps.installation import install
from steps.oxo import enable_by_omc
from steps.proxy import configure_proxy, set_mode
from steps.rainbow import bring_up
from steps.story import Story
from tests.page.browser import Browser

pytestmark = pytest.mark.browser

MARKS = "🔑⛔↔🔓🌈"


@contextmanager
def forwarding(socket: Path) -> Iterator[int]:
    """A forwarder to that socket, on a loop of its own; gives its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    forwarder = Forwarder(socket)
    asyncio.run_coroutine_threadsafe(forwarder.start(), loop).result(10)
    try:
        yield forwarder.port
    finally:
        asyncio.run_coroutine_threadsafe(forwarder.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def token() -> str:
    return secrets.token_urlsafe(24)


@pytest.fixture
def bench(
    request: pytest.FixtureRequest,
    fabric: Fabric,
    run_folder: Path,
    bench_options: BenchOptions,
    pki: Pki,
    tmp_path: Path,
    token: str,
) -> Iterator[Bench]:
    """A site whose web proxy serves mitmweb."""
    options = replace(bench_options, mitmweb={"socket": str(tmp_path / "mitmweb"), "token": token})
    bench = Bench(fabric, scenario_folder(run_folder, request.node.nodeid), options, pki)
    yield bench
    bench.close()


def comes_up(bench: Bench, story: Story) -> None:
    """A PBX behind a proxy that first asks for an account, then refuses, then is not trusted, then inspects."""
    install(bench, story, {"users": 3})
    configure_proxy(bench, str(bench.plan.address(Role.PROXY)))
    set_mode(bench, story, mode="authenticating", account="oxo", password="not configured in the PBX")
    enable_by_omc(bench, story)
    set_mode(bench, story, mode="refusing")
    bench.time.advance(10)
    set_mode(bench, story, mode="inspecting-untrusted")
    bench.time.advance(30)
    set_mode(bench, story, mode="inspecting")
    bring_up(bench, story, 60)


def open_messages(browser: Browser) -> None:
    """Opens the messages of the link to Rainbow."""
    browser.click("tr", "subprotocol xmpp")
    browser.click("a", "WebSocket")
    browser.find("pre", "private-code")


def test_live_mitmweb_shows_what_passes_through_the_proxy(
    bench: Bench, browser: Browser, tmp_path: Path, token: str
) -> None:
    story = Story()
    with forwarding(tmp_path / "mitmweb") as port:
        browser.open(f"http://127.0.0.1:{port}/?token={token}")
        browser.find("body", "No flows have been recorded yet.")
        # What comes now comes up by itself.
        comes_up(bench, story)
        browser.find("tbody tr", "🌈")
        rows = browser.texts("tbody tr")
        assert ["".join(mark for mark in MARKS if mark in row) for row in rows] == ["🔑", "⛔", "↔", "↔🔓", "↔", "🌈"]
        open_messages(browser)
        shown = browser.find("pre", "private-code").text
        assert shown.splitlines()[1:] == [
            '  <private-code xmlns="urn:oxobench:credentials:1">********</private-code>',
            "</iq>",
        ]
        assert story.activation_code not in browser.find("body").text
        browser.run("arguments[0].scrollIntoView({block: 'start'})", browser.find("pre", "private-code"))
        browser.screenshot("mitmweb")
        assert browser.console() == []


def test_time_jumps_while_mitmweb_is_looked_at(bench: Bench, browser: Browser, tmp_path: Path, token: str) -> None:
    story = Story()
    with forwarding(tmp_path / "mitmweb") as port:
        install(bench, story, {"users": 3})
        configure_proxy(bench, str(bench.plan.address(Role.PROXY)))
        set_mode(bench, story, mode="refusing")
        browser.open(f"http://127.0.0.1:{port}/?token={token}")
        enable_by_omc(bench, story)
        bench.time.advance(3600)
        # After 0, 10, 40, 100, 220, 460, 940, 1900 and 2860 s.
        assert len(bench.wire.attempts()) == 9
        browser.until("each attempt", lambda: len(browser.texts("tbody tr")) == 9)
        # mitmweb fades this out, so it may be there without being seen.
        connected = "return document.querySelector('.connection-indicator.established')"
        browser.until("connected", lambda: browser.run(connected))
        assert browser.console() == []


def test_saved_flows_are_reviewed_in_the_same_way(bench: Bench, browser: Browser) -> None:
    comes_up(bench, Story())
    bench.nodes[Role.PROXY].ask("flows_saved")
    code = "import sys; from pathlib import Path; from bench.review import review; sys.exit(review(Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(bench.evidence)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            browser.open(process.stdout.readline().split()[-1])
            open_messages(browser)
            assert "********" in browser.find("pre", "private-code").text
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()

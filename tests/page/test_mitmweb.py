"""mitmweb of the site's web proxy in a real browser: live, through the forwarder, and of saved flows."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.bench import PROXY_PORT, Bench, BenchOptions
from bench.evidence import scenario_folder
from bench.manual.forwarder import Forwarder
from bench.pki import Pki
from emulators.oxo.omc import Page
from network.fabric import Fabric
from network.plan import Role
from steps.oxo import enable_by_omc, install
from steps.proxy import configure_proxy, set_mode
from steps.rainbow import bring_up
from steps.story import Story
from tests.page.browser import Browser

pytestmark = pytest.mark.browser


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


def test_try(bench: Bench, browser: Browser, tmp_path: Path, token: str) -> None:
    story = Story()
    install(bench, story, {"users": 3})
    configure_proxy(bench, str(bench.plan.address(Role.PROXY)))
    set_mode(bench, story, mode="authenticating", account="oxo", password="another")
    with forwarding(tmp_path / "mitmweb") as port:
        browser.open(f"http://127.0.0.1:{port}/?token={token}")
        enable_by_omc(bench, story)
        set_mode(bench, story, mode="refusing")
        bench.time.advance(10)
        set_mode(bench, story, mode="inspecting-untrusted")
        bench.time.advance(30)
        set_mode(bench, story, mode="inspecting")
        bring_up(bench, story, 60)
        browser.find("tr", "subprotocol xmpp")
        browser.screenshot("list")
        browser.click("td", "subprotocol xmpp")
        browser.find("a", "WebSocket")
        browser.screenshot("ws0")
        browser.click("a", "WebSocket")
        browser.find(".contentview")
        browser.screenshot("ws")
        print(browser.run("return document.querySelector('.contentview').outerHTML.slice(0,3000)"))
        print(browser.console())

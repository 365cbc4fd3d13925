"""What the page makes of its events when the connection breaks, or when more is told than it can keep."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from aiohttp import web

from bench.manual import snapshot as now
from bench.manual.web import make_app
from emulators.oxo.omc import Page
from network.plan import DEFAULT_PLAN
from tests.page.browser import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

TOKEN = "token"


class Desk:
    """A site on which nothing happens but what the test says."""

    def __init__(self) -> None:
        self.evidence = "artifacts/first"
        self.happenings: deque[dict[str, Any]] = deque(maxlen=2000)
        self.last = 0
        self.told: list[Callable[[], None]] = []

    async def call(self, verb: str, parameters: dict[str, Any]) -> object:
        return None

    def snapshot(self) -> dict[str, Any]:
        nodes = [
            now.NodeNow(node.name, str(node.links[0].address), now.NodeState.UP, True, "")
            for node in DEFAULT_PLAN.nodes
        ]
        link = now.LinkNow(now.LinkState.CONNECTED, "proxy", "2026-11-24T10:00:00", "Connected with final password")
        rainbow = now.RainbowNow("PBX", "Running", "activated", ["xmpp"], "1234", None, [], "right", [], [], 0, None)
        return now.Snapshot(
            time="2026-11-24T10:00:05",
            offset=0.0,
            fabric="none",
            busy=None,
            nodes=nodes,
            firewall=now.FirewallNow("permissive", [now.Choice("permissive", "Everything may go out.")]),
            proxy=now.ProxyNow("tunnel", [now.Choice("tunnel", "")], True, ""),
            dns=now.DnsNow("answer", [now.Choice("answer", "")]),
            link=link,
            attempt=None,
            rainbow=rainbow,
            cloud=now.CloudNow(True, True, "pbx", None, ""),
            oxo=now.OxoNow(True, True, True, [page.value for page in Page], []),
            mitmweb=None,
            capture="site.pcapng",
            evidence=self.evidence,
        ).as_json()

    def since(self, last: int) -> tuple[int, Sequence[dict[str, Any]]]:
        after = [one for one in self.happenings if one["id"] > last]
        return (after[0]["id"] - last - 1 if after else 0), after

    def subscribe(self, told: Callable[[], None]) -> Callable[[], None]:
        self.told.append(told)
        return lambda: self.told.remove(told)

    def happen(self, times: int, text: str = "something") -> None:
        for _ in range(times):
            self.last += 1
            self.happenings.append(
                {"id": self.last, "time": "10:00:00.000", "kind": "tcp", "from": "oxo", "to": "pcg", "text": text,
                 "outcome": "info"}
            )  # fmt: skip
        for told in list(self.told):
            told()


class Server:
    """The page's server in a thread of its own; it can go away and come back at the same address."""

    def __init__(self) -> None:
        self.desk = Desk()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._runner: web.AppRunner | None = None
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]

    def __enter__(self) -> Server:
        self._thread.start()
        self.come()
        return self

    def __exit__(self, *ended: object) -> None:
        self.go()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def come(self, token: str = TOKEN) -> None:
        """Serves the page."""

        async def serve() -> None:
            self._runner = web.AppRunner(make_app(self.desk, token, self.port), access_log=None)
            await self._runner.setup()
            await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

        self._in_loop(serve())

    def go(self) -> None:
        """Serves it no longer; every connection is closed."""

        async def stop() -> None:
            if self._runner is not None:
                await self._runner.cleanup()

        self._in_loop(stop())

    def happen(self, times: int, text: str = "something") -> None:
        """So many things happen at once."""

        async def happen() -> None:
            self.desk.happen(times, text)

        self._in_loop(happen())

    def _in_loop(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def page(server: Server, browser: Browser) -> Browser:
    browser.open(f"http://127.0.0.1:{server.port}/?token={TOKEN}")
    browser.find("#contact", "Connected to the bench")
    browser.find("#headline", "Connected through the proxy")
    return browser


def numbers(page: Browser) -> list[int]:
    """The numbers of the rows, the newest first."""
    found = page.run("return [...document.querySelectorAll('#timeline .row')].map((e) => Number(e.dataset.id))")
    assert isinstance(found, list)
    return found


def reached(page: Browser, number: int) -> None:
    page.until(f"row {number}", lambda: numbers(page)[:1] == [number])


def test_a_page_that_loses_the_bench_says_so_and_loses_nothing_else(page: Browser, server: Server) -> None:
    server.happen(5)
    reached(page, 5)
    server.go()
    page.find("#contact[data-state=away]", "lost; trying again")
    page.find("#firewall fieldset:disabled")
    server.desk.happen(20)
    server.come()
    page.find("#contact[data-state=here]", "Connected to the bench")
    page.find("#firewall fieldset:enabled")
    reached(page, 25)
    assert numbers(page) == [*range(25, 0, -1)]
    assert page.texts("#timeline .gap") == []


def test_a_page_that_was_away_for_long_shows_the_newest_rows(page: Browser, server: Server) -> None:
    server.happen(3)
    reached(page, 3)
    server.go()
    page.find("#contact[data-state=away]")
    server.desk.happen(2100)
    server.come()
    reached(page, 2103)
    assert numbers(page) == [*range(2103, 2103 - 500, -1)]


def test_a_gap_among_the_rows_that_are_shown_is_a_row_of_its_own(page: Browser, server: Server) -> None:
    server.happen(3)
    reached(page, 3)
    server.go()
    page.find("#contact[data-state=away]")
    server.desk.happen(40)
    while server.desk.happenings[0]["id"] < 14:
        server.desk.happenings.popleft()
    server.come()
    reached(page, 43)
    assert page.texts("#timeline .gap") == ["10 happenings are missing here: they are no longer kept."]
    assert numbers(page) == [*range(43, 13, -1), 3, 2, 1]


def test_another_bench_at_the_same_address_begins_a_time_line_of_its_own(page: Browser, server: Server) -> None:
    server.happen(30)
    reached(page, 30)
    server.go()
    server.desk = Desk()
    server.desk.evidence = "artifacts/second"
    server.desk.happen(2, "another")
    server.come()
    page.find("#timeline .row", "another")
    page.until("the other time line", lambda: numbers(page) == [2, 1])


def test_a_bench_that_does_not_know_the_browser_any_more_says_what_to_do(page: Browser, server: Server) -> None:
    server.go()
    server.come(token="another")
    page.find("#contact[data-state=away]", "Open the address that")


def test_many_happenings_make_few_rows(page: Browser, server: Server) -> None:
    for _ in range(6):
        server.happen(600)
    reached(page, 3600)
    assert numbers(page) == [*range(3600, 3100, -1)]
    page.click("#timeline .chip", "TCP")
    page.until("no row", lambda: numbers(page) == [])
    page.click("#timeline .chip", "TCP")
    assert numbers(page) == [*range(3600, 3100, -1)]


def test_what_comes_from_the_network_is_shown_as_text(page: Browser, server: Server) -> None:
    server.happen(1, "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>")
    page.find("#timeline .row", "<img src=x")
    assert "taken" not in page.driver.title
    assert page.run("return document.querySelectorAll('#timeline img, #timeline script').length") == 0
    assert page.console() == []

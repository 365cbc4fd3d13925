"""mitmweb of a proxy that runs: who gets in, what is shown live, what it costs, and that it keeps no time."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.test.tflow import tflow
from mitmproxy.utils.emoji import emoji
from websockets.asyncio.client import ClientConnection, unix_connect

from node.remote import NodeError
from proxies.marks import Links, Mark
from tests.proxies.rig import (
    WITHIN,
    Proxy,
    Start,
    authorities,
    client,
    exchange,
    with_server,
)

TOKEN = "0123456789abcdef-a-token"
HOST = "127.0.0.1:4711"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
YEAR = 365 * 24 * 3600.0


class Page(HTTPConnection):
    """A program's connection to mitmweb's socket."""

    def __init__(self, path: Path) -> None:
        super().__init__(HOST, timeout=WITHIN)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WITHIN)
        self.sock.connect(str(self._path))

    def ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[HTTPResponse, str]:
        self.request(method, path, headers=headers)
        response = self.getresponse()
        return response, response.read().decode()


def live(start: Start, tmp_path: Path, **mode: object) -> tuple[Proxy, Path]:
    path = tmp_path / "page"
    links = {"localhost": "rainbow", "127.*": "cloud-connect"}
    return start(given={"web": {"socket": str(path), "token": TOKEN}, "links": links}, **mode), path


def flows(path: Path) -> list[dict[str, Any]]:
    page = Page(path)
    response, text = page.ask("GET", "/flows", BEARER)
    page.close()
    assert response.status == 200
    shown: list[dict[str, Any]] = json.loads(text)
    return shown


def marks(path: Path) -> list[str]:
    return [each["marked"] for each in flows(path)]


def status(path: Path, method: str = "GET", address: str = "/flows", **headers: str) -> int:
    page = Page(path)
    response, _ = page.ask(method, address, {name.replace("_", "-"): value for name, value in headers.items()})
    page.close()
    return response.status


async def hears(updates: ClientConnection, *words: str) -> None:
    """Waits for a message to the page with all these words in it."""
    async with asyncio.timeout(WITHIN):
        async for message in updates:
            if all(word in str(message) for word in words):
                return


def test_nobody_comes_in_without_the_token(start: Start, tmp_path: Path) -> None:
    _, path = live(start, tmp_path, mode="tunnel")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert status(path) == 403
    assert status(path, address="/") == 403
    assert status(path, address="/static/app.js") == 403
    assert status(path, address="/?token=wrong") == 403
    assert status(path, address="/flows?token=" + TOKEN) == 403
    assert status(path, Authorization="Bearer wrong") == 403
    assert status(path, Cookie="mitmproxy-auth-8081=y") == 403
    assert status(path, **BEARER) == 200


def test_the_first_visit_gets_a_cookie_that_opens_everything(start: Start, tmp_path: Path) -> None:
    _, path = live(start, tmp_path, mode="tunnel")
    page = Page(path)
    response, _ = page.ask("GET", f"/?token={TOKEN}", {})
    assert (response.status, response.getheader("Location")) == (302, "/")
    given = response.getheader("Set-Cookie", "")
    assert "httponly" in given.lower()
    assert "samesite=strict" in given.lower()
    cookie = {"Cookie": given.partition(";")[0]}
    response, text = page.ask("GET", "/", cookie)
    assert response.status == 200
    assert "mitmproxy" in text
    response, _ = page.ask("GET", "/state", cookie)
    assert response.status == 200
    page.close()


def test_another_name_or_another_sites_page_is_turned_away(start: Start, tmp_path: Path) -> None:
    _, path = live(start, tmp_path, mode="tunnel")
    assert status(path, Host="evil.example", **BEARER) == 403
    assert status(path, Host="127.0.0.1.evil.example:80", **BEARER) == 403
    assert status(path, Host="localhost:99", **BEARER) == 200
    assert status(path, Origin=f"http://{HOST}", **BEARER) == 200
    for origin in ("http://evil.example", "http://127.0.0.1:4712", "null"):
        assert status(path, Origin=origin, **BEARER) == 403
        assert status(path, "POST", "/clear", Origin=origin, **BEARER) == 403
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        assert status(path, address="/updates", Origin=origin, **BEARER, **upgrade) == 403
    # mitmweb's own guard against forged requests is still there.
    assert status(path, "POST", "/clear", **BEARER) == 403


def test_websocket_messages_come_up_live(start: Start, tmp_path: Path) -> None:
    proxy, path = live(start, tmp_path, mode="inspecting")

    async def scenario(port: int) -> None:
        async with unix_connect(
            str(path), f"ws://{HOST}/updates", additional_headers=BEARER, ping_interval=None
        ) as updates:
            async with client(port, proxy.url(), authorities().proxy) as connection:
                await hears(updates, "CONNECT", "tunnel (TLS intercepted)")
                await exchange(connection, '<message xmlns="jabber:client"><body>hello</body></message>')
                await hears(updates, f"WSS to localhost:{port}", '"count": 2')
                tunnel, session = flows(path)
                assert (tunnel["marked"], session["marked"]) == (emoji[":left_right_arrow:"], emoji[":rainbow:"])
                page = Page(path)
                _, text = page.ask("GET", f"/flows/{session['id']}/messages/content/Auto", BEARER)
                page.close()
                assert text.count("hello") == 2
                assert "jabber:client" in text
            await hears(updates, "closed by the client with 1000")

    with_server(scenario)


def test_each_kind_of_flow_has_its_mark(start: Start, tmp_path: Path) -> None:
    proxy, path = live(start, tmp_path, mode="inspecting-untrusted")

    async def once(port: int, credentials: str = "") -> None:
        with pytest.raises(Exception, match=r".+"):
            async with client(port, proxy.url(credentials), authorities().proxy):
                pass

    async def scenario(port: int) -> None:
        await once(port)
        proxy.remote.ask("set_mode", mode="refusing")
        await once(port)
        proxy.remote.ask("set_mode", mode="authenticating", account="oxo", password="right")
        await once(port, "oxo:wrong@")
        proxy.remote.ask("set_mode", mode="tunnel")
        with socket.create_server(("127.0.0.1", 0)) as free:
            closed = free.getsockname()[1]
        await once(closed)

    with_server(scenario)
    expected = [Mark.TUNNEL, Mark.TLS_FAILED, Mark.REFUSED, Mark.ACCOUNT, Mark.FAILED]
    assert [each.marked for each in proxy.saved()] == [mark.value for mark in expected]
    assert marks(path) == [emoji[mark.value] for mark in expected]


def test_every_mark_is_an_emoji_that_mitmweb_has() -> None:
    for mark in Mark:
        assert mark.value in emoji


def test_links_are_told_apart_by_their_host() -> None:
    links = Links({"agent.*": "rainbow", "connection.cloudconnect.example": "cloud-connect"})
    assert links.mark("agent.openrainbow.com") is Mark.RAINBOW
    assert links.mark("AGENT.eu.openrainbow.com") is Mark.RAINBOW
    assert links.mark("connection.cloudconnect.example") is Mark.CLOUD_CONNECT
    assert links.mark("www.example") is Mark.WEBSOCKET
    with pytest.raises(ValueError, match="rainbow or cloud-connect"):
        Links({"a": "elsewhere"})


def test_the_page_keeps_no_timer_to_which_the_sites_time_would_jump(start: Start, tmp_path: Path) -> None:
    proxy, path = live(start, tmp_path, mode="tunnel")
    before = proxy.remote.ask("clock_next")

    async def scenario() -> None:
        page = Page(path)
        page.ask("GET", "/flows", BEARER)  # and the connection stays, as a browser's does
        async with unix_connect(
            str(path), f"ws://{HOST}/updates", additional_headers=BEARER, ping_interval=None
        ) as updates:
            now = asyncio.get_running_loop().time()
            timer = proxy.remote.ask("clock_next")
            assert timer is None or timer > now + YEAR
            for offset in (3600, 100 * 3600):
                proxy.remote.ask("clock_jump", offset=offset)
                response, _ = page.ask("GET", "/flows", BEARER)
                assert response.status == 200
            pong = await updates.ping()
            async with asyncio.timeout(WITHIN):
                await pong
        page.close()

    asyncio.run(scenario())
    assert before is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_view_keeps_the_last_flows_and_those_that_live() -> None:
    # With it come packages that use what others call deprecated.
    from proxies.recentflows import RecentFlows

    view = RecentFlows(kept=5)
    alive = tflow(ws=True)
    alive.live = True
    view.add([alive])
    for number in range(50):
        flow = tflow()
        flow.timestamp_created = number
        flow.request.method = "CONNECT" if number % 2 else "GET"
        flow.live = bool(number % 2)
        view.add([flow])
    assert len(view) == 5
    assert alive in view
    assert [each.timestamp_created for each in view if each is not alive] == [46, 47, 48, 49]
    assert not any(each.error for each in view if isinstance(each, HTTPFlow))


def test_flapping_does_not_fill_the_memory(start: Start, tmp_path: Path) -> None:
    proxy, path = live(start, tmp_path, mode="refusing")

    def memory() -> int:
        pages = int(Path(f"/proc/{proxy.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def flap(times: int) -> None:
        for _ in range(times):
            with socket.create_connection(("127.0.0.1", proxy.port), WITHIN) as connection:
                connection.sendall(b"CONNECT agent.example:443 HTTP/1.1\r\n\r\n")
                response = HTTPResponse(connection)
                response.begin()
                assert response.status == 403
                response.close()

    flap(550)
    assert len(flows(path)) == 500
    before = memory()
    flap(550)
    assert len(flows(path)) == 500
    assert memory() - before < 3 * 1024 * 1024
    assert len(proxy.saved()) == 1100


def test_a_socket_that_was_left_over_is_replaced_and_none_is_left(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(tmp_path / "page"))
    proxy, path = live(start, tmp_path, mode="tunnel")
    assert flows(path) == []
    proxy.stop()
    assert not path.exists()


def test_a_deep_folder_is_no_obstacle(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    live(start, folder, mode="tunnel")
    assert (folder / "page").is_socket()


@pytest.mark.parametrize(
    ("web", "why"),
    [
        ({"socket": "/nowhere/page", "token": TOKEN}, "/nowhere"),
        ({"socket": "page", "token": "short"}, "at least 16 characters"),
        ({"socket": "page"}, "socket and token"),
    ],
)
def test_what_cannot_be_served_is_said(start: Start, web: dict[str, str], why: str) -> None:
    with pytest.raises(NodeError, match=why):
        start(given={"web": web}, mode="tunnel")


def test_what_nobody_asked_for_is_not_imported() -> None:
    code = "import sys, proxies.node; print([name for name in sys.modules if 'tornado' in name or 'tools.web' in name])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"

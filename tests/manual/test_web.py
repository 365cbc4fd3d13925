"""The page's server, on loopback, as browsers and attackers talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bench.manual import events
from bench.manual.web import BODY_LIMIT, STREAMS, make_app
from network.fabric import FabricError
from node.control import Refusal
from node.remote import NodeBroken, NodeGone

TOKEN = "the-right-token"
WITHIN = 10.0


@dataclass(frozen=True)
class Answer:
    """What the verb `shown` gives."""

    lines: tuple[str, ...] = ("one", "two")


class Desk:
    """A small desk: a counter, and happenings of which the last 50 are kept."""

    def __init__(self) -> None:
        self.counter = 0
        self.looks = 0
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.told: list[Callable[[], None]] = []
        self.listening = asyncio.Event()
        self.kept: deque[dict[str, Any]] = deque(maxlen=50)
        self.last = 0
        self.restless = False
        """Whether it tells again and again though nothing has changed."""

    async def call(self, verb: str, parameters: dict[str, Any]) -> object:
        self.calls.append((verb, parameters))
        match verb:
            case "refused":
                raise Refusal("That cannot be.")
            case "gone":
                raise NodeGone("node pcg is gone")
            case "broke":
                raise NodeBroken("node pcg broke:\nTraceback ...\nKeyError: 'x'")
            case "lost":
                raise FabricError("The sandbox is gone.")
        return Answer()

    def snapshot(self) -> dict[str, Any]:
        self.looks += 1
        if self.restless:
            self._tell()
        return {"time": f"2026-11-24T10:00:{self.looks:02}", "counter": self.counter}

    def since(self, last: int) -> tuple[int, Sequence[dict[str, Any]]]:
        after = [one for one in self.kept if one["id"] > last]
        return (after[0]["id"] - last - 1 if after else 0), after

    def subscribe(self, told: Callable[[], None]) -> Callable[[], None]:
        self.told.append(told)
        self.listening.set()

        def end() -> None:
            self.told.remove(told)
            self.listening.set()

        return end

    async def until_heard_by(self, pages: int) -> None:
        while len(self.told) != pages:
            self.listening.clear()
            await self.listening.wait()

    def count(self) -> None:
        self.counter += 1
        self._tell()

    def happen(self, times: int = 1, text: str = "x") -> None:
        for _ in range(times):
            self.last += 1
            self.kept.append({"id": self.last, "text": text})
        self._tell()

    def _tell(self) -> None:
        for told in list(self.told):
            told()


@dataclass
class Server:
    """The desk's server, and a client that holds the token."""

    desk: Desk
    port: int
    runner: web.AppRunner
    client: aiohttp.ClientSession
    extra: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {TOKEN}"})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def get(self, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        async with self.client.get(self.url + path, headers=self.extra | headers, allow_redirects=False) as answer:
            return answer.status, await answer.text(), dict(answer.headers)

    async def post(
        self, verb: str, body: bytes = b"{}", content: str = "application/json", **headers: str
    ) -> tuple[int, str]:
        sent = self.extra | {"Content-Type": content} | headers
        async with self.client.post(f"{self.url}/api/{verb}", data=body, headers=sent) as answer:
            return answer.status, await answer.text()

    async def raw(self, request: str) -> str:
        """The head of the answer to a request that no client of good manners would send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n")
        writer.close()
        return head.decode()

    def events(self, last: int | None = None) -> Events:
        headers = self.extra | ({} if last is None else {"Last-Event-ID": str(last)})
        return Events(self.client, f"{self.url}/events", headers)


class Events:
    """A client of the events, one at a time."""

    def __init__(self, client: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
        self._client, self._url, self._headers = client, url, headers

    async def __aenter__(self) -> Events:
        self._answer = await self._client.get(self._url, headers=self._headers)
        self.status = self._answer.status
        return self

    async def __aexit__(self, *ended: object) -> None:
        self._answer.close()

    async def block(self) -> dict[str, str]:
        lines: dict[str, str] = {}
        while line := (await self._answer.content.readuntil(b"\n")).decode().rstrip("\n"):
            name, _, value = line.partition(":")
            lines[name] = value.strip()
        return lines

    async def next(self, kind: str) -> Any:
        """The data of the next event of that kind; those of others are passed over."""
        while True:
            block = await self.block()
            if block.get("event") == kind:
                data = json.loads(block["data"])
                if kind == "happening":
                    assert block["id"] == str(data["id"])
                return data

    async def happenings(self, upto: int) -> list[int]:
        """The numbers of the next happenings, up to that one; a gap stands there as the negative count."""
        numbers: list[int] = []
        while not numbers or numbers[-1] < upto:
            block = await self.block()
            if block.get("event") == "happening":
                numbers.append(json.loads(block["data"])["id"])
            elif block.get("event") == "gap":
                numbers.append(-json.loads(block["data"])["missed"])
        return numbers


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        desk = Desk()
        runner = web.AppRunner(make_app(desk, TOKEN, port), access_log=None)
        await runner.setup()
        await web.SockSite(runner, sock).start()
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, trust_env=False) as client:
            yield Server(desk, port, runner, client)
        await runner.cleanup()


def against(scene: Callable[[Server], Coroutine[None, None, None]]) -> None:
    """Plays a scene against a server of its own."""

    async def play() -> None:
        async with asyncio.timeout(WITHIN), serving() as server:
            await scene(server)

    asyncio.run(play())


def test_the_right_token_in_the_address_gives_a_cookie_that_opens_everything() -> None:
    async def scene(server: Server) -> None:
        server.extra = {}
        status, _, headers = await server.get(f"/?token={TOKEN}")
        assert (status, headers["Location"]) == (303, "/")
        name, *attributes = headers["Set-Cookie"].split("; ")
        assert name == f"oxobench-{server.port}={TOKEN}"
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
        status, page, _ = await server.get("/")
        assert status == 200
        assert "<title>oxobench</title>" in page
        assert (await server.get("/assets/main.js"))[0] == 200
        assert (await server.post("shown"))[0] == 200
        assert (await server.get("/?token=wrong"))[0] == 401

    against(scene)


@pytest.mark.parametrize("path", ["/", "/assets/main.js", "/events", "/nowhere", "/?token=wrong", "/?token=%c3%a9"])
@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer \u00e9"},
        {"Cookie": "oxobench-1=the-right-token"},
        {"Cookie": "oxobench-PORT="},
    ],
)
def test_without_the_token_nothing_is_shown(path: str, shown: dict[str, str]) -> None:
    async def scene(server: Server) -> None:
        server.extra = {name: value.replace("PORT", str(server.port)) for name, value in shown.items()}
        status, text, headers = await server.get(path)
        assert status == 401
        assert "./oxobench up" in text
        assert TOKEN not in text
        assert "Set-Cookie" not in headers

    against(scene)


def test_without_the_token_nothing_is_done() -> None:
    async def scene(server: Server) -> None:
        server.extra = {}
        assert (await server.post("firewall"))[0] == 401
        assert server.desk.calls == []

    against(scene)


@pytest.mark.parametrize("host", ["evil.example:PORT", "evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]:PORT", ""])
def test_a_name_that_somebody_made_point_here_is_refused(host: str) -> None:
    async def scene(server: Server) -> None:
        lines = ["GET / HTTP/1.1", f"Host: {host.replace('PORT', str(server.port))}", f"Authorization: Bearer {TOKEN}"]
        assert "421" in await server.raw("\r\n".join(lines) + "\r\n\r\n")

    against(scene)


def test_a_request_that_names_two_hosts_or_none_is_refused() -> None:
    async def scene(server: Server) -> None:
        own = f"Host: 127.0.0.1:{server.port}\r\n"
        bearer = f"Authorization: Bearer {TOKEN}\r\n\r\n"
        assert " 4" in await server.raw(f"GET / HTTP/1.1\r\n{own}Host: evil.example\r\n{bearer}")
        assert " 4" in await server.raw(f"GET / HTTP/1.0\r\n{bearer}")
        assert " 4" in await server.raw(f"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n{bearer}")

    against(scene)


def test_both_names_of_loopback_are_taken() -> None:
    async def scene(server: Server) -> None:
        for host in (f"localhost:{server.port}", f"LOCALHOST:{server.port}", f"127.0.0.1:{server.port}"):
            assert (await server.get("/", Host=host))[0] == 200
            assert (await server.post("shown", Host=host, Origin=f"http://{host}"))[0] == 200

    against(scene)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:PORT"},
        {"Origin": "http://localhost:PORT"},
        {"Origin": "http://127.0.0.1:PORT.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_another_sites_page_neither_reads_nor_operates(headers: dict[str, str]) -> None:
    async def scene(server: Server) -> None:
        sent = {name: value.replace("PORT", str(server.port)) for name, value in headers.items()}
        assert (await server.post("firewall", b"{}", **sent))[0] == 403
        assert (await server.get("/events", **sent))[0] == 403
        assert (await server.get("/assets/main.js", **sent))[0] == 403
        assert server.desk.calls == []
        assert server.desk.told == []

    against(scene)


def test_a_link_to_the_page_may_stand_anywhere() -> None:
    async def scene(server: Server) -> None:
        came = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert (await server.get(f"/?token={TOKEN}", **came))[0] == 303
        assert (await server.get("/", **came))[0] == 200

    against(scene)


def test_every_answer_says_what_it_may_be_used_for() -> None:
    async def scene(server: Server) -> None:
        answers = [await server.get(path) for path in ("/", "/assets/style.css", "/nowhere", "/assets/x", "/?token=x")]
        async with server.client.get(server.url + "/events", headers=server.extra) as answer:
            answers.append((answer.status, "", dict(answer.headers)))
        for _, _, headers in answers:
            assert headers["Content-Security-Policy"].startswith("default-src 'self';")
            assert "unsafe" not in headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cache-Control"] == "no-store"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "Access-Control-Allow-Origin" not in headers

    against(scene)


def test_only_assets_are_served_as_assets() -> None:
    async def scene(server: Server) -> None:
        host = f"Host: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        for path in ("/assets/../index.html", "/assets/%2e%2e/%2e%2e/web.py", "/assets/..%2f..%2fweb.py", "/assets/"):
            assert " 40" in await server.raw(f"GET {path} HTTP/1.1\r\n{host}"), path

    against(scene)


def test_what_came_of_a_verb() -> None:
    async def scene(server: Server) -> None:
        answers = {verb: await server.post(verb, b'{"a": 1}') for verb in ("shown", "refused", "gone", "broke", "lost")}
        assert {verb: (status, json.loads(text)) for verb, (status, text) in answers.items()} == {
            "shown": (200, {"result": {"lines": ["one", "two"]}}),
            "refused": (409, {"refused": "That cannot be."}),
            "gone": (502, {"broken": "node pcg is gone"}),
            "broke": (502, {"broken": "node pcg broke: KeyError: 'x'"}),
            "lost": (502, {"broken": "The sandbox is gone."}),
        }
        assert server.desk.calls[0] == ("shown", {"a": 1})

    against(scene)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"[]", 400),
        (b'"text"', 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"a": NaN}', 400),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"a": "' + b"x" * BODY_LIMIT + b'"}', 413),
    ],
)
def test_parameters_are_a_json_object_of_bounded_size(body: bytes, status: int) -> None:
    async def scene(server: Server) -> None:
        assert (await server.post("shown", body))[0] == status
        assert len(server.desk.calls) == (status == 200)

    against(scene)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_could_send_is_not_taken(kind: str) -> None:
    async def scene(server: Server) -> None:
        status, _ = await server.post("shown", content=kind)
        assert status == 415
        assert server.desk.calls == []

    against(scene)


def test_a_small_body_that_unpacks_to_a_big_one_is_not_taken() -> None:
    async def scene(server: Server) -> None:
        bomb = zlib.compress(b'{"a": "' + b"x" * (64 * BODY_LIMIT) + b'"}')
        assert len(bomb) < BODY_LIMIT
        status, _ = await server.post("shown", bomb, **{"Content-Encoding": "deflate"})
        assert status in (400, 413)
        assert server.desk.calls == []

    against(scene)


def test_a_verb_is_posted_and_has_a_plain_name() -> None:
    async def scene(server: Server) -> None:
        assert (await server.get("/api/shown"))[0] == 405
        for name in ("Shown", "a/b", "__class__%00", "..%2f"):
            assert (await server.post(name))[0] == 404
        assert server.desk.calls == []

    against(scene)


def test_a_page_is_told_the_state_first_then_each_happening_once_and_in_order() -> None:
    async def scene(server: Server) -> None:
        server.desk.happen(3)
        async with server.events() as stream:
            assert (await stream.next("snapshot"))["counter"] == 0
            assert await stream.happenings(3) == [1, 2, 3]
            server.desk.happen(2)
            assert await stream.happenings(5) == [4, 5]
            server.desk.count()
            assert (await stream.next("snapshot"))["counter"] == 1

    against(scene)


def test_time_alone_is_no_news() -> None:
    async def scene(server: Server) -> None:
        async with server.events() as stream:
            first = await stream.next("snapshot")
            server.desk.happen()
            block = await stream.block()
            assert block["event"] == "happening", block
            server.desk.count()
            assert (await stream.next("snapshot"))["time"] > first["time"]

    against(scene)


def test_many_changes_make_few_snapshots_and_the_last_one_is_told() -> None:
    async def scene(server: Server) -> None:
        async with server.events() as stream:
            await stream.next("snapshot")
            begun, told = asyncio.get_running_loop().time(), 0
            for _ in range(200):
                server.desk.count()
                await asyncio.sleep(0.002)
            while (await stream.next("snapshot"))["counter"] < 200:
                told += 1
            assert told <= 1 + (asyncio.get_running_loop().time() - begun) / events.PAUSE

    against(scene)


def test_a_page_that_comes_again_goes_on_where_it_was() -> None:
    async def scene(server: Server) -> None:
        server.desk.happen(10)
        async with server.events(last=7) as stream:
            assert await stream.happenings(10) == [8, 9, 10]
        status, _, _ = await server.get("/events?since=x")
        assert status == 400
        async with server.client.get(server.url + "/events?since=9", headers=server.extra) as answer:
            text = b""
            while b"id: 10" not in text:
                text += await answer.content.readany()
            assert b"id: 9" not in text

    against(scene)


def test_a_page_that_was_away_for_too_long_is_told_what_it_missed() -> None:
    async def scene(server: Server) -> None:
        server.desk.happen(60)
        async with server.events(last=4) as stream:
            assert await stream.happenings(60) == [-6, *range(11, 61)]
        async with server.events(last=30) as stream:
            assert await stream.happenings(60) == [*range(31, 61)]

    against(scene)


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 40, ""])
def test_the_last_event_is_named_by_a_number(last: str) -> None:
    async def scene(server: Server) -> None:
        assert (await server.get("/events", **{"Last-Event-ID": last}))[0] == 400

    against(scene)


def test_a_connection_that_breaks_again_and_again_loses_and_doubles_nothing() -> None:
    async def scene(server: Server) -> None:
        seen: list[int] = []
        for round in range(1, 31):
            server.desk.happen(round % 7 + 1)
            async with server.events(last=seen[-1] if seen else 0) as stream:
                wanted = server.desk.last if round % 3 else min(server.desk.last, (seen[-1] if seen else 0) + 2)
                seen += await stream.happenings(wanted)
        async with server.events(last=seen[-1]) as stream:
            server.desk.happen()
            seen += await stream.happenings(server.desk.last)
        assert seen == [*range(1, server.desk.last + 1)]

    against(scene)


def test_a_page_that_does_not_read_costs_a_bounded_amount_and_is_told_of_the_gap() -> None:
    async def scene(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=4096)
        writer.write(
            f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        await reader.readuntil(b"snapshot")
        # Far more than the kernel's buffers of both ends hold.
        for _ in range(300):
            server.desk.happen(50, text="x" * 2000)
            await asyncio.sleep(0)
        await asyncio.sleep(events.PAUSE)
        for _ in range(300):
            server.desk.happen(50, text="y" * 2000)
            await asyncio.sleep(0.001)
        waiting = [each.get_write_buffer_size() for each in _transports(server)]
        assert max(waiting) < 2 * 1024 * 1024
        text = b""
        while f"id: {server.desk.last}\n".encode() not in text:
            text = text[-100_000:] + await reader.read(65536)
            if b"event: gap" in text:
                break
        else:
            raise AssertionError("no gap was told")
        writer.close()

    against(scene)


def _transports(server: Server) -> list[asyncio.Transport]:
    inside = server.runner.server
    assert inside is not None
    return [each.transport for each in inside.connections if each.transport is not None]


def test_a_page_that_takes_nothing_any_more_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "TAKES_WITHIN", 0.2)

    async def scene(server: Server) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(
            f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        await server.desk.until_heard_by(1)
        while server.desk.told:
            server.desk.happen(50, text="x" * 20_000)
            await asyncio.sleep(0.01)
        writer.close()

    against(scene)


@pytest.mark.parametrize("restless", [False, True])
def test_a_page_with_no_news_hears_a_heartbeat_and_one_that_left_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, restless: bool
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.05)

    async def scene(server: Server) -> None:
        server.desk.restless = restless
        async with server.events() as stream:
            await stream.next("snapshot")
            while "" not in await stream.block():
                pass
            assert len(server.desk.told) == 1
        await server.desk.until_heard_by(0)

    against(scene)


def test_so_many_pages_and_no_more() -> None:
    async def scene(server: Server) -> None:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(STREAMS):
                stream = await stack.enter_async_context(server.events())
                await stream.next("snapshot")
            assert (await server.get("/events"))[0] == 503

    against(scene)


def test_a_server_that_ends_does_not_wait_for_its_pages() -> None:
    async def scene(server: Server) -> None:
        async with server.events() as stream:
            await stream.next("snapshot")
            async with asyncio.timeout(2.0):
                await server.runner.cleanup()
            assert server.desk.told == []

    against(scene)

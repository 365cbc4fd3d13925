"""From loopback to a Unix socket: every byte passes unchanged, and whatever ends, ends cleanly."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, unix_serve

from bench.manual.forwarder import CONNECTIONS_LIMIT, Forwarder

WITHIN = 20.0
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(scenario: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(WITHIN):
            await scenario

    asyncio.run(bounded())


@asynccontextmanager
async def forwarder(path: Path) -> AsyncIterator[Forwarder]:
    forwarder = Forwarder(path)
    await forwarder.start()
    try:
        yield forwarder
    finally:
        await forwarder.stop()


@asynccontextmanager
async def behind(path: Path, talk: Talk) -> AsyncIterator[Forwarder]:
    """A forwarder to a server that talks so to each client."""
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        async with forwarder(path) as through:
            yield through
    finally:
        server.close()
        if talks:
            await asyncio.wait(talks)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()


async def answer_to(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(min_size=1, max_size=5000), max_size=5))
def test_bytes_pass_both_ways_unchanged(tmp_path: Path, pieces: list[bytes]) -> None:
    async def scenario() -> None:
        async with behind(tmp_path / "s", echo) as through:
            reader, writer = await asyncio.open_connection("127.0.0.1", through.port)
            for piece in pieces:
                writer.write(piece)
            writer.write_eof()
            assert await reader.read() == b"".join(pieces)
            writer.close()
            await writer.wait_closed()

    run(scenario())


def test_the_host_that_the_browser_named_stays(tmp_path: Path) -> None:
    async def head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + request)
        await writer.drain()

    async def scenario() -> None:
        async with behind(tmp_path / "s", head) as through:
            request = f"GET / HTTP/1.1\r\nHost: localhost:{through.port}\r\n\r\n".encode()
            assert (await answer_to(through.port, request)).endswith(request)

    run(scenario())


def test_websockets_pass(tmp_path: Path) -> None:
    async def back(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def scenario() -> None:
        async with (
            unix_serve(back, str(tmp_path / "s")),
            forwarder(tmp_path / "s") as through,
            connect(f"ws://127.0.0.1:{through.port}/updates", proxy=None) as connection,
        ):
            for text in ("a", "b" * 300_000):
                await connection.send(text)
                assert await connection.recv() == text

    run(scenario())


@pytest.mark.parametrize("left_over", [False, True])
def test_one_sentence_when_nobody_listens(tmp_path: Path, left_over: bool) -> None:
    if left_over:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "s"))

    async def scenario() -> None:
        async with forwarder(tmp_path / "s") as through:
            head, _, body = (await answer_to(through.port, b"GET / HTTP/1.1\r\n\r\n")).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 502 ")
            assert body.startswith(b"The web proxy of the site does not serve mitmweb now (")
            assert body.count(b"\n") == 1

    run(scenario())


def test_it_works_again_when_the_node_is_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with forwarder(tmp_path / "s") as through:
            assert b" 502 " in await answer_to(through.port, b"GET / HTTP/1.1\r\n\r\n")
            server = await asyncio.start_unix_server(lambda reader, writer: writer.close(), tmp_path / "s")
            assert await answer_to(through.port, b"") == b""
            server.close()

    run(scenario())


def test_a_browser_that_takes_nothing_holds_the_other_end_up(tmp_path: Path) -> None:
    sent = 0
    stuck = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            while True:
                writer.write(b"x" * 65536)
                sent += 65536
                async with asyncio.timeout(0.5):
                    await writer.drain()
        except TimeoutError:
            stuck.set()
        await reader.read()

    async def scenario() -> None:
        async with behind(tmp_path / "s", flood) as through:
            with socket.create_connection(("127.0.0.1", through.port)):
                await stuck.wait()
                # What the kernel's buffers take, and little more.
                assert sent < 20 * 1024 * 1024

    run(scenario())


def test_each_end_hears_that_the_other_is_gone(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        word = await reader.read(1)
        if word == b"b":
            writer.transport.abort()
            return
        await reader.read()
        gone.set()

    async def scenario() -> None:
        async with behind(tmp_path / "s", listen) as through:
            reader, writer = await asyncio.open_connection("127.0.0.1", through.port)
            writer.write(b"a")
            writer.transport.abort()
            await gone.wait()
            reader, writer = await asyncio.open_connection("127.0.0.1", through.port)
            writer.write(b"b")
            assert await reader.read() == b""
            writer.close()

    run(scenario())


def test_stopping_ends_every_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with behind(tmp_path / "s", echo) as through:
            port = through.port
            ends = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
            for reader, writer in ends:
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
            await through.stop()
            for reader, writer in ends:
                assert await reader.read() == b""
                writer.close()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            with pytest.raises(LookupError):
                _ = through.port

    run(scenario())


def test_there_is_a_limit_to_connections(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with behind(tmp_path / "s", echo) as through:
            ends = []
            for _ in range(CONNECTIONS_LIMIT):
                reader, writer = await asyncio.open_connection("127.0.0.1", through.port)
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                ends.append(writer)
            answer = await answer_to(through.port, b"GET / HTTP/1.1\r\n\r\n")
            assert answer.endswith(b"at once.\n")
            for writer in ends:
                writer.close()

    run(scenario())


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match=f"127.0.0.1:{port}: Address already in use. Choose another port."):
                await Forwarder(tmp_path / "s").start(port=port)

    run(scenario())

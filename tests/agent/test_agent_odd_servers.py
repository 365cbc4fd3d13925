"""The agent against servers and proxies that are not what they should be."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve

from emulators.oxo.dialling import Dialling
from emulators.oxo.failure import Layer, LinkFailure
from emulators.oxo.resolver import Resolver
from emulators.oxo.settings import DnsSettings, WebProxySettings
from tests.agent.rig import HOST, PRIVATE_CA, addresses, authority, dns_server, run


@cache
def leaf() -> trustme.LeafCert:
    return authority(PRIVATE_CA).issue_cert(HOST)


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf().configure_cert(context)
    return context


@asynccontextmanager
async def answering(data: bytes | None, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    """A server that answers the first bytes it gets with `data` and closes; with None it closes without waiting."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if data is not None:
            await reader.read(1024)
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def dial(port: int, proxy: WebProxySettings | None = None) -> LinkFailure:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority(PRIVATE_CA).configure_trust(tls)
    async with dns_server(addresses("127.0.0.1")) as server:
        resolver = Resolver(DnsSettings("127.0.0.1"), server.port)
        dialling = Dialling(
            HOST, port, "/", resolver=resolver, proxy=proxy, tls=tls, user_agent="test", close_timeout=1
        )
        with pytest.raises(LinkFailure) as failure:
            await dialling.connect()
        return failure.value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: wss://elsewhere.test/\r\n\r\n", "refused the upgrade with 302 Found"),
        (b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n", "refused the upgrade with 426"),
        (b"SSH-2.0-OpenSSH\r\n", "did not complete the upgrade"),
        (b"", "did not complete the upgrade"),
    ],
)
def test_a_server_that_is_no_websocket(data: bytes, said: str) -> None:
    async def scenario() -> None:
        async with answering(data, server_tls()) as port:
            failure = await dial(port)
        assert failure.layer is Layer.WEBSOCKET
        assert said in str(failure)

    run(scenario())


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
def test_a_server_that_does_not_speak_tls(data: bytes | None) -> None:
    async def scenario() -> None:
        async with answering(data, None) as port:
            failure = await dial(port)
        assert failure.layer is Layer.TLS

    run(scenario())


def test_nobody_listens() -> None:
    async def scenario() -> None:
        async with answering(b"", None) as port:
            pass
        failure = await dial(port)
        assert failure.layer is Layer.TCP
        assert str(failure) == f"TCP: {HOST} port {port} cannot be reached: connection refused"

    run(scenario())


def test_a_server_that_does_not_know_the_subprotocol() -> None:
    async def scenario() -> None:
        async def nothing(connection: ServerConnection) -> None:
            await connection.wait_closed()

        async with serve(nothing, "127.0.0.1", 0, ssl=server_tls()) as server:
            failure = await dial(server.sockets[0].getsockname()[1])
        assert str(failure) == f"WebSocket: {HOST} did not accept the subprotocol xmpp"

    run(scenario())


@pytest.mark.parametrize(
    ("data", "layer", "said"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", Layer.PROXY, "did not answer CONNECT as a web proxy does"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", Layer.PROXY, "answered CONNECT with 502 Bad Gateway"),
        (None, Layer.PROXY, "did not answer CONNECT as a web proxy does"),
        (b"HTTP/1.1 200 OK\r\n\r\n", Layer.TLS, "broke"),
    ],
)
def test_a_proxy_that_is_none(data: bytes | None, layer: Layer, said: str) -> None:
    async def scenario() -> None:
        async with answering(data, None) as port:
            failure = await dial(443, WebProxySettings("127.0.0.1", port, "account", "se:cret"))
        assert failure.layer is layer
        assert said in str(failure)
        assert "cret" not in repr(failure) + repr(failure.__cause__)

    run(scenario())

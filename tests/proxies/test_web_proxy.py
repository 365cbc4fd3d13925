"""The web proxy in a process of its own, with a real client, a real server and real TLS, in each of its modes."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest
from mitmproxy.flow import Flow
from mitmproxy.http import HTTPFlow
from mitmproxy.tcp import TCPFlow
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidProxyStatus, InvalidStatus

from node.control import Refusal
from node.remote import NodeError, NodeGone
from tests.proxies.rig import (
    WITHIN,
    Proxy,
    Start,
    authorities,
    client,
    exchange,
    read,
    until,
    with_server,
)

ACCOUNT = {"account": "oxo", "password": "s3cret:word"}
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def tcp_server(talk: Talk) -> AsyncIterator[int]:
    """A TCP server on loopback; gives its port, and ends when every client has been served."""
    served: list[asyncio.Task[None]] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.append(task)
        await talk(reader, writer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    async with asyncio.timeout(WITHIN):
        await asyncio.gather(*served)


def ask(proxy: Proxy, request: bytes) -> tuple[int, str]:
    """Sends one request to the proxy; gives status and text of the answer."""
    with socket.create_connection(("127.0.0.1", proxy.port), WITHIN) as connection:
        connection.sendall(request)
        return answer(connection)


def answer(connection: socket.socket) -> tuple[int, str]:
    with HTTPResponse(connection) as response:
        response.begin()
        return response.status, response.read().decode()


async def ends(connection: ClientConnection) -> None:
    async with asyncio.timeout(WITHIN):
        with pytest.raises(ConnectionClosed):
            await connection.recv()


def comments(flows: list[Flow]) -> list[str]:
    return [each.comment for each in flows]


def test_tunnel_passes_tls_through_untouched(start: Start) -> None:
    proxy = start(mode="tunnel")

    async def scenario(port: int) -> None:
        async with client(port, proxy.url()) as connection:
            await exchange(connection)
        await until(lambda: proxy.seen()[0]["ended"] is not None)
        [seen] = proxy.seen()
        assert (seen["method"], seen["target"], seen["status"]) == ("CONNECT", f"localhost:{port}", 200)
        assert seen["client"].startswith("127.0.0.1:")
        assert seen["up"] > 500
        assert seen["down"] > 500
        assert seen["opened"]["site"] <= seen["answered"]["site"] <= seen["ended"]["site"]
        assert abs(seen["opened"]["wall"] - time.time()) < 60
        assert seen["reason"].startswith("closed by the ")
        [flow] = proxy.saved()
        assert isinstance(flow, HTTPFlow)
        assert flow.request.method == "CONNECT"
        assert flow.comment == "tunnel (TLS passed through)"

    with_server(scenario)


@pytest.mark.parametrize(("said", "who"), [(b"a whole line\n", "server"), (b"not a whole line", "client")])
def test_the_journal_says_who_closed(start: Start, said: bytes, who: str) -> None:
    proxy = start(mode="tunnel")

    async def read_a_line(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readline()

    async def main() -> None:
        async with tcp_server(read_a_line) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
            assert b"200" in await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            if who == "server":
                assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            await until(lambda: proxy.seen()[0]["ended"] is not None)
        assert proxy.seen()[0]["reason"] == f"closed by the {who}"

    asyncio.run(main())


def test_200_comes_only_after_the_server_is_connected(start: Start) -> None:
    proxy = start(mode="tunnel")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    status, text = ask(proxy, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
    assert status == 502
    assert text.startswith(f"The web proxy cannot connect to 127.0.0.1:{port}: ")
    assert text.count("\n") == 1
    assert proxy.seen()[0]["status"] == 502
    assert comments(proxy.saved()) == ["CONNECT failed 502"]


@pytest.mark.parametrize("name", ["agent." + "x" * 64 + ".example", "agent..example", "-", "a" * 300])
def test_a_name_that_cannot_be_one_is_answered(start: Start, name: str) -> None:
    status, _ = ask(start(mode="tunnel"), f"CONNECT {name}:443 HTTP/1.1\r\n\r\n".encode())
    assert status in {400, 502}


def test_a_server_that_does_not_answer_is_a_502_when_the_time_is_up(start: Start) -> None:
    proxy = start(mode="tunnel", connect_timeout=60)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as second:
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        with socket.create_connection(("127.0.0.1", proxy.port), WITHIN) as connection:
            connection.sendall(f"CONNECT 127.0.0.1:{full.getsockname()[1]} HTTP/1.1\r\n\r\n".encode())
            asyncio.run(until(lambda: proxy.remote.ask("clock_next") is not None))
            proxy.remote.ask("clock_jump", offset=61)
            status, text = answer(connection)
            assert status == 502
            assert "no answer within 60 s" in text


def test_inspecting_shows_the_websocket_messages(start: Start) -> None:
    proxy = start(mode="inspecting")

    async def scenario(port: int) -> None:
        async with client(port, proxy.url(), authorities().proxy) as connection:
            await exchange(connection, "<open/>")
            assert connection.subprotocol == "xmpp"
            live = proxy.saved()
            assert isinstance(live[-1], HTTPFlow)
            assert live[-1].websocket is not None
            assert len(live[-1].websocket.messages) == 2
            await exchange(connection, "<close/>")
        await until(lambda: proxy.seen()[0]["ended"] is not None)
        tunnel, session = proxy.saved()
        assert tunnel.comment == "tunnel (TLS intercepted)"
        assert isinstance(session, HTTPFlow)
        assert session.websocket is not None
        assert [message.text for message in session.websocket.messages] == [
            "<open/>",
            "<open/>",
            "<close/>",
            "<close/>",
        ]
        assert session.request.http_version == "HTTP/1.1"
        assert session.comment == f"WSS to localhost:{port}, subprotocol xmpp, closed by the client with 1000"
        [seen] = proxy.seen()
        assert (seen["up"], seen["down"]) == (15, 15)
        assert seen["reason"] == "WebSocket closed by the client with 1000"

    with_server(scenario)


def test_inspecting_judges_the_server_by_its_ca(start: Start) -> None:
    proxy = start(mode="inspecting")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authorities().other.issue_cert("localhost").configure_cert(context)

    def greet(listener: socket.socket) -> None:
        with listener.accept()[0] as connection, pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    async def main(listener: socket.socket) -> None:
        greeted = asyncio.create_task(asyncio.to_thread(greet, listener))
        with pytest.raises(InvalidStatus) as refusal:
            await client(listener.getsockname()[1], proxy.url(), authorities().proxy)
        assert refusal.value.response.status_code == 502
        await greeted

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WITHIN)
        asyncio.run(main(listener))
    [failure] = [each for each in proxy.saved() if isinstance(each, TCPFlow)]
    assert failure.comment.startswith("TLS with the server failed: Certificate verify failed")


def test_inspecting_with_an_untrusted_ca_is_refused_by_the_client(start: Start) -> None:
    proxy = start(mode="inspecting-untrusted")

    async def scenario(port: int) -> None:
        with pytest.raises(ssl.SSLCertVerificationError):
            await client(port, proxy.url(), authorities().proxy)
        await until(lambda: proxy.seen()[0]["ended"] is not None)
        assert proxy.seen()[0]["reason"].startswith("the TLS handshake with the client failed")
        flows = proxy.saved()
        assert [each.comment.split(":")[0] for each in flows] == [
            "tunnel (TLS intercepted)",
            "TLS refused by the client",
        ]
        assert flows[1].error is not None

    with_server(scenario)


@pytest.mark.parametrize("inspect", [False, True])
def test_authenticating_asks_for_the_account(start: Start, inspect: bool) -> None:
    proxy = start(mode="authenticating", inspect=inspect, **ACCOUNT)
    ca = authorities().proxy if inspect else authorities().server

    async def scenario(port: int) -> None:
        for credentials in ("", "oxo:wrong@", "oxo2:s3cret%3Aword@"):
            with pytest.raises(InvalidProxyStatus) as refusal:
                await client(port, proxy.url(credentials), ca)
            assert refusal.value.response.status_code == 407
            assert refusal.value.response.headers["Proxy-Authenticate"].startswith("Basic ")
        async with client(port, proxy.url("oxo:s3cret%3Aword@"), ca) as connection:
            await exchange(connection)
        assert [(seen["status"], seen["account"]) for seen in proxy.seen()] == [(407, None)] * 3 + [(200, "oxo")]
        assert comments(proxy.saved())[:3] == ["CONNECT without the right account 407"] * 3
        written = proxy.flows.read_bytes()
        assert b"Proxy-Authorization" not in written
        assert b"s3cret" not in written
        assert base64.b64encode(b"oxo:s3cret:word") not in written

    with_server(scenario)


@pytest.mark.parametrize("header", [b"Basic", b"Basic \xff\xfe", b"Basic ====", b"Bearer b3hvOnMzY3JldDp3b3Jk", b":"])
def test_credentials_that_are_none_are_asked_for_again_on_the_same_connection(start: Start, header: bytes) -> None:
    proxy = start(mode="authenticating", **ACCOUNT)
    with socket.create_connection(("127.0.0.1", proxy.port), WITHIN) as connection:
        for _ in range(2):
            connection.sendall(b"CONNECT localhost:443 HTTP/1.1\r\nProxy-Authorization: " + header + b"\r\n\r\n")
            assert answer(connection)[0] == 407
    assert [seen["status"] for seen in proxy.seen()] == [407, 407]


def test_pages_without_a_tunnel_need_the_account_too(start: Start) -> None:
    proxy = start(mode="authenticating", **ACCOUNT)
    asked: list[bytes] = []

    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    async def main() -> None:
        async with tcp_server(page) as port:
            for credentials, status in ((b"oxo:wrong", 407), (b"oxo:s3cret:word", 204)):
                request = f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode()
                request += b"Proxy-Authorization: basic " + base64.b64encode(credentials) + b"\r\n\r\n"
                assert (await asyncio.to_thread(ask, proxy, request))[0] == status

    asyncio.run(main())
    assert len(asked) == 1
    assert b"proxy-authorization" not in asked[0].lower()
    assert [(seen["method"], seen["status"]) for seen in proxy.seen()] == [("GET", 407), ("GET", 204)]


def test_refusing_answers_403(start: Start) -> None:
    proxy = start(mode="refusing")

    async def scenario(port: int) -> None:
        with pytest.raises(InvalidProxyStatus) as refusal:
            await client(port, proxy.url())
        assert refusal.value.response.status_code == 403
        assert comments(proxy.saved()) == ["CONNECT refused 403"]
        for mode in ("refusing", "tunnel"):
            proxy.remote.ask("set_mode", mode=mode, allowed_ports=[443])
            with pytest.raises(InvalidProxyStatus):
                await client(port, proxy.url())
            proxy.remote.ask("set_mode", mode=mode, allowed_ports=[443, port])
            async with client(port, proxy.url()) as connection:
                await exchange(connection)

    with_server(scenario)


def test_no_websocket_drops_the_upgrade(start: Start) -> None:
    proxy = start(mode="no-websocket")

    async def scenario(port: int) -> None:
        with pytest.raises(InvalidStatus) as refusal:
            await client(port, proxy.url(), authorities().proxy)
        assert refusal.value.response.status_code == 426
        request = proxy.saved()[-1]
        assert isinstance(request, HTTPFlow)
        assert "Upgrade" not in request.request.headers
        assert "upgrade" not in request.request.headers.get("Connection", "").lower()
        assert request.request.headers["Sec-WebSocket-Protocol"] == "xmpp"
        assert request.comment == "the proxy dropped Upgrade: websocket"

    with_server(scenario)


@pytest.mark.parametrize("inspect", [False, True])
def test_idle_cut_cuts_a_tunnel_without_traffic(start: Start, inspect: bool) -> None:
    proxy = start(mode="idle-cut", idle=100, inspect=inspect)
    ca = authorities().proxy if inspect else authorities().server

    async def scenario(port: int) -> None:
        async with client(port, proxy.url(), ca) as connection:
            for offset in (60, 120, 180):
                await exchange(connection)
                proxy.remote.ask("clock_jump", offset=offset)
            await exchange(connection)
            proxy.remote.ask("clock_jump", offset=281)
            await ends(connection)
        await until(lambda: proxy.seen()[0]["ended"] is not None)
        assert proxy.seen()[0]["reason"] == "cut by the proxy: nothing passed for 100 s"

    with_server(scenario)


def test_a_tunnel_is_never_idle_for_too_long_in_other_modes(start: Start) -> None:
    proxy = start(mode="tunnel")

    async def scenario(port: int) -> None:
        async with client(port, proxy.url()) as connection:
            await exchange(connection)
            assert proxy.remote.ask("clock_next") is None
            proxy.remote.ask("clock_jump", offset=86400)
            await exchange(connection)

    with_server(scenario)


def test_slow_answers_when_its_time_has_come(start: Start) -> None:
    proxy = start(mode="slow", delay=900)

    async def scenario(port: int) -> None:
        opening = asyncio.ensure_future(client(port, proxy.url()).__aenter__())
        await until(lambda: [seen["target"] for seen in proxy.seen()] == [f"localhost:{port}"])
        assert proxy.seen()[0]["status"] is None
        proxy.remote.ask("clock_jump", offset=901)
        connection = await opening
        await exchange(connection)
        await connection.close()
        [seen] = proxy.seen()
        assert seen["answered"]["site"] - seen["opened"]["site"] >= 900

    with_server(scenario)


@pytest.mark.parametrize("mode", [{"mode": "silent"}, {"mode": "slow", "delay": 900}])
def test_a_client_that_gives_up_waiting_leaves_nothing_behind(start: Start, mode: Mapping[str, object]) -> None:
    proxy = start(**mode)

    async def scenario(port: int) -> None:
        opening = asyncio.ensure_future(client(port, proxy.url()).__aenter__())
        await until(lambda: [seen["target"] for seen in proxy.seen()] == [f"localhost:{port}"])
        opening.cancel()
        await until(lambda: proxy.seen()[0]["ended"] is not None)
        [seen] = proxy.seen()
        assert (seen["status"], seen["reason"]) == (None, "closed before an answer")
        assert proxy.remote.ask("clock_next") is None
        assert comments(proxy.saved()) == ["CONNECT not answered"]

    with_server(scenario)


def test_silent_never_answers(start: Start) -> None:
    proxy = start(mode="silent")
    with socket.create_connection(("127.0.0.1", proxy.port), WITHIN) as connection:
        connection.sendall(b"CONNECT localhost:443 HTTP/1.1\r\n\r\n")
        asyncio.run(until(lambda: any(seen["target"] for seen in proxy.seen())))
        proxy.remote.ask("clock_jump", offset=86400)
        assert proxy.seen()[0]["status"] is None
        assert proxy.remote.ask("cut_all") == 1
        assert connection.recv(1) == b""


def test_unreachable_does_not_listen(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = start(port=port, mode="unreachable")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), WITHIN)
    with pytest.raises(Refusal, match="does not listen"):
        proxy.remote.ask("address")
    proxy.remote.ask("restart")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), WITHIN)
    proxy.remote.ask("set_mode", mode="tunnel")
    assert proxy.remote.ask("address") == {"host": "127.0.0.1", "port": port}
    socket.create_connection(("127.0.0.1", port), WITHIN).close()


def test_a_mode_changes_at_run_time_for_new_connections(start: Start) -> None:
    proxy = start(mode="tunnel")

    async def scenario(port: int) -> None:
        async with client(port, proxy.url()) as old:
            proxy.remote.ask("set_mode", mode="inspecting")
            await exchange(old)
            async with client(port, proxy.url(), authorities().proxy) as new:
                await exchange(new)
                proxy.remote.ask("set_mode", mode="refusing", cut=True)
                await ends(old)
                await ends(new)
            with pytest.raises(InvalidProxyStatus):
                await client(port, proxy.url())
            proxy.remote.ask("set_mode", mode="unreachable")
            with pytest.raises(ConnectionRefusedError):
                await client(port, proxy.url())
            proxy.remote.ask("set_mode", mode="tunnel")
            async with client(port, proxy.url()) as again:
                await exchange(again)

    with_server(scenario)


def test_a_mode_that_makes_no_sense_changes_nothing(start: Start) -> None:
    proxy = start(mode="refusing")
    with pytest.raises(Refusal, match="authenticating needs account and password"):
        proxy.remote.ask("set_mode", mode="authenticating")
    assert ask(proxy, b"CONNECT localhost:443 HTTP/1.1\r\n\r\n")[0] == 403


def test_listening_stops_and_starts_while_tunnels_live(start: Start) -> None:
    proxy = start(mode="tunnel")

    async def scenario(port: int) -> None:
        async with client(port, proxy.url()) as connection:
            proxy.remote.ask("set_mode", mode="unreachable")
            with pytest.raises(ConnectionRefusedError):
                await client(port, proxy.url())
            await exchange(connection)
            proxy.remote.ask("set_mode", mode="tunnel")
            assert proxy.remote.ask("address")["port"] == proxy.port
            await exchange(connection)
            proxy.remote.ask("restart")
            assert proxy.remote.ask("address")["port"] == proxy.port
            await ends(connection)
        async with client(port, proxy.url()) as connection:
            await exchange(connection)
            assert proxy.remote.ask("cut_all") == 1
            await ends(connection)
        reasons = [seen["reason"] for seen in proxy.seen()]
        assert reasons == ["the proxy restarted", "cut by the proxy"]
        assert proxy.remote.ask("connections", since=1)[0]["number"] == 2

    with_server(scenario)


def test_a_port_already_taken_is_said_in_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            NodeError, match=rf"the web proxy cannot listen on 127.0.0.1:{port}: Address already in use$"
        ):
            start(port=port)


@pytest.mark.parametrize("name", ["ca_pem", "other_ca_pem", "upstream_ca_pem"])
def test_a_ca_that_is_none_is_said_in_one_sentence(start: Start, name: str) -> None:
    with pytest.raises(NodeError, match=r"CA.* must be a .*certificate in PEM$"):
        start(given={name: "no PEM"})


def test_an_untrusted_ca_must_be_there(start: Start) -> None:
    proxy = start(given={"other_ca_pem": None})
    with pytest.raises(Refusal, match="inspecting-untrusted needs a second CA"):
        proxy.remote.ask("set_mode", mode="inspecting-untrusted")


def test_the_flow_file_is_complete_on_stop(start: Start) -> None:
    proxy = start(mode="inspecting")

    async def scenario(port: int) -> None:
        async with client(port, proxy.url(), authorities().proxy) as connection:
            await exchange(connection, "<open/>")
            proxy.remote.ask("flows_saved")
            await asyncio.to_thread(proxy.stop)
            await ends(connection)

    with_server(scenario)
    _, session = read(proxy.flows)
    assert isinstance(session, HTTPFlow)
    assert session.websocket is not None
    assert len(session.websocket.messages) == 2
    assert proxy.flows.stat().st_mode & 0o077 == 0
    shown = subprocess.run(
        [
            *(sys.executable, "-c", "from mitmproxy.tools.main import mitmdump; mitmdump()"),
            *("--set", f"confdir={proxy.flows.parent}", "--set", "flow_detail=3", "-n", "-r", str(proxy.flows)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "<open/>" in shown.stdout


def test_the_flow_file_survives_a_kill(start: Start) -> None:
    proxy = start(mode="inspecting")

    async def scenario(port: int) -> None:
        async with client(port, proxy.url(), authorities().proxy) as connection:
            await exchange(connection)
            assert proxy.remote.ask("flows_saved") == 2
            proxy.process.kill()
            await ends(connection)

    with_server(scenario)
    proxy.process.join(WITHIN)
    assert len(read(proxy.flows)) == 2
    with pytest.raises(NodeGone):
        proxy.remote.ask("flows_saved")


def test_the_machine_s_mitmproxy_configuration_is_left_alone(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    proxy = start(mode="inspecting")
    proxy.stop()
    assert not (tmp_path / ".mitmproxy").exists()

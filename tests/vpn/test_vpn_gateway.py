"""What lies behind the VPN gateway, and the gateway's node while its charon is dead or plays dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from emulators.cci.inner import ConnectionState, InnerNetwork
from emulators.cci.vpnnode import VpnGateway
from tests.agent.rig import jump, run, settle, until
from tests.vpn.conftest import VpnSite

LOOPBACK = IPv4Address("127.0.0.1")


def test_a_late_answer_to_two_requests_is_an_answer_to_both() -> None:
    async def scenario() -> None:
        answer = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await answer.wait()
            writer.write(b"here")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        inner = InnerNetwork("127.0.0.1", LOOPBACK, LOOPBACK, 0, answer_within=10)
        connection = inner.open("127.0.0.1", server.sockets[0].getsockname()[1])
        await until(lambda: connection.state is ConnectionState.OPEN)
        inner.send(0, b"one")
        # From here on an answer is awaited.
        await settle()
        jump(6)
        inner.send(0, b"two")
        answer.set()
        await until(lambda: connection.received)
        for _ in range(3):
            jump(5)
            await settle()
        assert (connection.state, connection.why) == (ConnectionState.OPEN, "")
        # The next one is expected again, and is missed.
        inner.send(0, b"three")
        await settle()
        jump(10)
        await until(lambda: connection.state is ConnectionState.ENDED)
        assert connection.why == "no answer"
        await inner.stop()
        server.close()
        await server.wait_closed()

    run(scenario())


def test_the_list_of_connections_is_without_what_they_received(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"long " * 100)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        node = VpnGateway(str(tmp_path), "", {}, inner="127.0.0.1")
        number = node.open_page("127.0.0.1", server.sockets[0].getsockname()[1])
        await until(lambda: node.connection(number).state is ConnectionState.ENDED)
        assert node.connection(number).text.startswith("long ")
        assert [(one.received, one.text) for one in node.connections()] == [(500, "")]
        server.close()
        await server.wait_closed()

    run(scenario())


def test_a_gateway_that_plays_dead_or_is_dead_can_be_cut_and_started_anew(vpn_site: Callable[..., VpnSite]) -> None:
    site = vpn_site({"tunnel": {"close_timeout": 1}})
    site.open()
    number = site.talk_to_page()
    site.gateway.ask("freeze")
    site.gateway.ask("cut")
    assert site.page(number)["why"] == "the tunnel is gone"
    site.gateway.ask("kill_charon")
    site.gateway.ask("cut")
    site.gateway.ask("freeze")
    site.gateway.ask("restart_charon")
    assert site.gateway.ask("tunnels") == []

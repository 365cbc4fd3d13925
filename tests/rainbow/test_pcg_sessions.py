"""Sessions at the PCG: what a client may ask, how quiet it may be, and a reset while it logs in."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from emulators.chronicle import TEXT_LIMIT, Bookmark
from emulators.pbxagent.devices import DeviceChanges
from emulators.rainbow.gateway import Gateway
from emulators.rainbow.parameters import GatewayParameters
from emulators.rainbow.pbx import LifeCycle
from emulators.session.session import KeepAlive
from emulators.xmpp import disco, ping
from emulators.xmpp.client import ClientStream
from emulators.xmpp.conditions import StreamCondition
from emulators.xmpp.element import Element, serialize
from emulators.xmpp.events import Authenticated
from emulators.xmpp.stanza import Condition, IqType, StanzaError
from emulators.xmpp.stream_error import StreamError
from tests.agent.rig import CODE, DOMAIN, PBX_ID, jump, run, settle, until
from tests.rainbow.pcg_rig import USER, dial, logged_in, pcg

LONG = "x" * 60_000


class Held(ClientConnection):
    """A connection over which nothing goes out while it is held."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.free = asyncio.Event()
        self.free.set()

    async def send(self, *args: Any, **kwargs: Any) -> None:
        await self.free.wait()
        await super().send(*args, **kwargs)


async def log_in(connection: ClientConnection, password: str) -> ClientStream:
    """Logs in, and says nothing after the server's <success/>."""
    stream = ClientStream(DOMAIN, USER, password, tls=True)
    stream.start()
    while True:
        for text in stream.outgoing():
            await connection.send(text)
        if any(isinstance(event, Authenticated) for event in stream.receive(str(await connection.recv()))):
            return stream


async def go_on(connection: ClientConnection, stream: ClientStream) -> ConnectionClosed:
    """Binds and answers whatever comes, until the connection is closed."""
    try:
        async with asyncio.timeout(10):
            while True:
                for text in stream.outgoing():
                    await connection.send(text)
                stream.receive(str(await connection.recv()))
    except ConnectionClosed as closed:
        return closed


@pytest.mark.parametrize("before", [LifeCycle.CREATED, LifeCycle.ACTIVATING, LifeCycle.ACTIVATED])
def test_a_reset_between_login_and_binding_ends_the_session_and_counts(before: LifeCycle) -> None:
    async def scenario() -> None:
        async with pcg() as gateway:
            pbx = gateway.pbx(PBX_ID)
            pbx.life_cycle = before
            pbx.private_code = "" if before is LifeCycle.CREATED else "private"
            connection = await dial(gateway)
            stream = await log_in(connection, pbx.private_code or CODE)
            gateway.reset(PBX_ID, "5822")
            closed = await go_on(connection, stream)
            assert closed.rcvd is not None
            assert (closed.rcvd.code, closed.rcvd.reason) == (1000, "reset in Rainbow")
            assert (pbx.life_cycle, pbx.connected, pbx.sessions) == (LifeCycle.CREATED, False, [])
            async with logged_in(gateway, "5822"):
                await until(lambda: pbx.connected)
                assert pbx.life_cycle is LifeCycle.ACTIVATING

    run(scenario())


async def _notes(gateway: Gateway, what: str) -> list[str]:
    """The notes, once there is one with these words."""

    def texts() -> list[str]:
        return [note.text for note in gateway.chronicle.since(Bookmark()).notes]

    await until(lambda: any(what in text for text in texts()))
    return texts()


def test_a_long_text_from_the_network_is_cut_in_notes_and_records() -> None:
    error = serialize(StreamError(StreamCondition.UNDEFINED_CONDITION, LONG).to_element())

    async def refuse(payload: Element) -> None:
        raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, LONG)

    async def scenario() -> None:
        async with pcg() as gateway:
            connection = await dial(gateway)
            await connection.send(error)
            notes = await _notes(gateway, "Connection ended before a login")
            handlers = {(IqType.SET, "{urn:oxobench:channel:1}open"): refuse}
            async with logged_in(gateway, handlers=handlers) as session:
                notes += await _notes(gateway, "PBX refuses open channel conf: feature-not-implemented: xxx")
                await session._connection.send(error)
                await session.ended()
            notes += await _notes(gateway, "Session closed by the PBX")
            assert max(map(len, notes)) == TEXT_LIMIT
            await until(lambda: gateway.pbx(PBX_ID).sessions[0].ended is not None)
            assert len(gateway.pbx(PBX_ID).sessions[0].why) < 300

    run(scenario())


@pytest.mark.parametrize(
    ("payload", "kind", "condition"),
    [
        (ping.ping(), IqType.SET, Condition.BAD_REQUEST),
        (disco.info_request(), IqType.SET, Condition.BAD_REQUEST),
        (DeviceChanges("0", "1").to_element(), IqType.GET, Condition.BAD_REQUEST),
        (disco.info_request("a-node"), IqType.GET, Condition.ITEM_NOT_FOUND),
        (Element("{x}y"), IqType.SET, Condition.SERVICE_UNAVAILABLE),
    ],
)
def test_what_is_asked_in_a_wrong_way_is_refused(payload: Element, kind: IqType, condition: Condition) -> None:
    async def scenario() -> None:
        async with pcg() as gateway, logged_in(gateway) as session:
            with pytest.raises(StanzaError) as refused:
                await session.request(payload, kind=kind)
            assert refused.value.condition is condition

    run(scenario())


def test_a_sender_that_gives_up_takes_no_other_ones_request_with_it() -> None:
    async def scenario() -> None:
        async with pcg() as gateway, logged_in(gateway, connection=Held) as session:
            await until(lambda: gateway.pbx(PBX_ID).devices.failure is not None)
            held = session._connection
            assert isinstance(held, Held)
            held.free.clear()
            asking = []
            for _ in range(3):
                asking.append(asyncio.create_task(session.request(ping.ping(), timeout=5)))
                await asyncio.sleep(0)
            for gives_up in asking[:2]:
                gives_up.cancel()
                await asyncio.wait({gives_up})
                await settle()
            held.free.set()
            assert await asking[2] is None

    run(scenario())


def test_a_quiet_peer_is_pinged_after_each_interval_and_dropped_after_the_timeout() -> None:
    pinged = 0

    async def pong(payload: Element) -> None:
        nonlocal pinged
        pinged += 1

    def pinged_more_than(times: int) -> bool:
        return pinged > times

    async def scenario() -> None:
        parameters = GatewayParameters(ping_interval=20, server_ping_timeout=120)
        handlers = {(IqType.GET, ping.TAG): pong}
        async with (
            pcg(parameters=parameters) as gateway,
            logged_in(gateway, handlers=handlers, keep_alive=KeepAlive(1000, 2000)) as session,
        ):
            await until(lambda: gateway.pbx(PBX_ID).devices.failure is not None)
            for number in range(3):
                jump(20)
                await until(partial(pinged_more_than, number), within=3)
                await settle()
            session.mute()
            for _ in range(5):
                jump(20)
                await settle()
            assert gateway.pbx(PBX_ID).connected
            jump(20)
            await until(lambda: not gateway.pbx(PBX_ID).connected)
            assert pinged == 3

    run(scenario())

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Data

from emulators.door.faults import Fault, FaultKind
from emulators.payload import PayloadRefused
from emulators.pbxagent.devices import TEXT_LIMIT, Device, DeviceChanges
from emulators.rainbow.devicelist import DEVICES_LIMIT, DeviceList
from emulators.rainbow.gateway import Gateway
from emulators.rainbow.node import Rainbow
from emulators.rainbow.parameters import GatewayParameters
from emulators.rainbow.pbx import LifeCycle, Pbx, PortalState, new_activation_code
from emulators.session.ending import Ending, LoginRefused, Party, SessionEnded
from emulators.xmpp import disco, ping
from emulators.xmpp.element import Element
from emulators.xmpp.stanza import Condition, StanzaError
from node.control import LINE_LIMIT, plain
from tests.agent.rig import CODE, DOMAIN, PBX_ID, certificate, jump, run, until
from tests.rainbow.pcg_rig import OTHER_ID, USER, dial, logged_in, pcg


@pytest.mark.parametrize("subprotocol", [None, "chat"])
def test_the_subprotocol_xmpp_is_required(subprotocol: str | None) -> None:
    async def scenario() -> None:
        async with pcg() as gateway:
            with pytest.raises(InvalidStatus, match="400"):
                await dial(gateway, subprotocol=subprotocol)

    run(scenario())


def test_a_client_that_is_no_agent_of_ours_is_served_and_answers_nothing() -> None:
    async def scenario() -> None:
        async with pcg() as gateway, logged_in(gateway) as session:
            assert str(session.jid).startswith(f"{USER}@{DOMAIN}/")
            assert await session.request(ping.ping()) is None
            info = await session.request(disco.info_request())
            assert info is not None
            assert disco.Info.from_element(info).identities[0].name == "PCG"
            with pytest.raises(StanzaError) as refused:
                await session.request(Element("{x}y"))
            assert refused.value.condition is Condition.SERVICE_UNAVAILABLE
            pbx = gateway.pbx(PBX_ID)
            await until(lambda: pbx.devices.failure is not None)
            assert pbx.state is PortalState.DEGRADED
            assert pbx.life_cycle is LifeCycle.ACTIVATING
            assert [credential.label for credential in pbx.credentials()] == ["private code", "activation code"]

    run(scenario())


def test_many_pbxs_are_kept_apart_and_a_second_session_takes_the_place_of_the_first() -> None:
    async def scenario() -> None:
        async with pcg(PBX_ID, OTHER_ID) as gateway:
            other = "pbxagent_" + "f" * 32
            async with logged_in(gateway) as first, logged_in(gateway, user=other, domain="second.test") as second:
                assert second.jid is not None
                assert second.jid.domain == "second.test"
                async with logged_in(gateway) as third:
                    ending = await first.ended()
                    assert ending.by is Party.PEER
                    assert "conflict" in ending.why
                    assert await third.request(ping.ping()) is None
                    assert await second.request(ping.ping()) is None
                    sessions = gateway.pbx(PBX_ID).sessions
                    await until(lambda: sessions[0].ended is not None)
                    assert [session.replaced_another for session in sessions] == [False, True]
                    assert gateway.pbx(PBX_ID).connected
                    with pytest.raises(SessionEnded, match="conflict"):
                        await first.request(ping.ping())

    run(scenario())


@pytest.mark.parametrize(
    ("user", "password", "counted"), [(USER, "9999", 1), ("pbxagent_" + "a" * 32, CODE, 0), ("somebody", CODE, 0)]
)
def test_a_login_that_is_refused(user: str, password: str, counted: int) -> None:
    async def scenario() -> None:
        async with pcg() as gateway:
            with pytest.raises(LoginRefused, match="not-authorized"):
                async with logged_in(gateway, password, user):
                    pass
            await until(lambda: gateway.pbx(PBX_ID).refused_logins == counted)
            assert gateway.pbx(PBX_ID).state is PortalState.PENDING

    run(scenario())


def test_a_client_that_says_nothing_is_dropped_by_site_time() -> None:
    async def scenario() -> None:
        async with pcg() as gateway:
            connection = await dial(gateway)
            jump(30)
            with pytest.raises(ConnectionClosed):
                await connection.recv()

    run(scenario())


@pytest.mark.parametrize(
    ("message", "said"),
    [(b"<open/>", "1003"), ("no xml", "not-well-formed"), ("<iq xmlns='jabber:client'/>", "not-authorized")],
)
def test_what_is_no_xmpp_ends_the_connection(message: str | bytes, said: str) -> None:
    async def scenario() -> None:
        async with pcg() as gateway:
            connection = await dial(gateway)
            await connection.send(message)
            heard = [str(message) async for message in _until_closed(connection)]
            assert said in "".join(heard)

    run(scenario())


async def _until_closed(connection: ClientConnection) -> AsyncIterator[Data | str]:
    """The messages that come, and in the end how the connection was closed."""
    try:
        while True:
            yield await connection.recv()
    except ConnectionClosed as closed:
        yield str(closed)


def test_no_more_connections_than_allowed() -> None:
    async def scenario() -> None:
        async with pcg(parameters=GatewayParameters(connections=1)) as gateway:
            first = await dial(gateway)
            with pytest.raises(InvalidStatus, match="503"):
                await dial(gateway)
            await first.close()

    run(scenario())


def test_the_commands_of_the_node() -> None:
    async def scenario() -> None:
        node = Rainbow(certificate(), [DOMAIN], "127.0.0.1", 0, {PBX_ID: CODE}, {"page_size": 10, "optional": []})
        await node.start()
        try:
            node.create(OTHER_ID)
            assert 1000 <= int(node.activation_code(OTHER_ID)) <= 9999
            assert node.pbx(PBX_ID).state is PortalState.PENDING
            for ask in (node.retrieve, node.drop):
                with pytest.raises(ValueError, match="is not connected"):
                    ask(PBX_ID)
            async with logged_in(node._gateway) as session:
                await until(lambda: node.pbx(PBX_ID).retrieval_failure)
                node.open_channel(PBX_ID, "conf")
                node.close_channel(PBX_ID, "conf")
                node.retrieve(PBX_ID)
                node.drop(PBX_ID, 1013)
                assert (await session.ended()).code == 1013
                await until(lambda: not node.pbx(PBX_ID).connected)
            async with logged_in(node._gateway) as session:
                node.drop(PBX_ID, abort=True)
                assert (await session.ended()).by is Party.NETWORK
            node.reset(PBX_ID, "5555")
            assert node.activation_code(PBX_ID) == "5555"
            await node.fault_set("refuse upgrade", 418)
            assert node.fault() == Fault(FaultKind.REFUSE_UPGRADE, 418)
            with pytest.raises(InvalidStatus, match="418"):
                await dial(node._gateway)
            await node.fault_clear()
            assert node.fault() is None
            with pytest.raises(ValueError, match="chain and private key in PEM"):
                node.certificate("none")
            node.certificate(certificate())
        finally:
            await node.stop()

    run(scenario())


def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    async def scenario() -> None:
        async with pcg() as gateway:
            second = Gateway("127.0.0.1", gateway.port, [DOMAIN], certificate())
            with pytest.raises(ValueError, match=f"cannot listen on 127.0.0.1 port {gateway.port}: address already"):
                await second.start()

    run(scenario())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"pages": 3}, "there is no PCG parameter 'pages'"),
        ({"page_size": 0}, "page_size: must be from 1"),
        ({"connections": 0}, "connections: must be 1"),
        ({"login_timeout": 0.0}, "login_timeout: must be more than 0 s"),
        ({"ping_interval": 120.0}, "ping_interval: must be less"),
        ({"monitored": ["telex"]}, "telex"),
    ],
)
def test_bad_parameters_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        GatewayParameters.read(values)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (FaultKind.REFUSE_UPGRADE, None, "needs an HTTP status"),
        (FaultKind.REFUSE_UPGRADE, 101, "needs an HTTP status"),
        (FaultKind.CLOSE, 1005, "needs a WebSocket close code"),
        (FaultKind.SILENT, 1, "takes no value"),
    ],
)
def test_faults_that_make_no_sense_are_refused(kind: FaultKind, value: int | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Fault(kind, value)


@pytest.mark.parametrize("code", ["", "123", "0999", " 4711", "47\n11"])
def test_what_is_no_activation_code_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="activation code"):
        Pbx(PBX_ID, (), code)


def test_pbxs_are_known_once_and_by_their_id() -> None:
    gateway = Gateway("127.0.0.1", 0, [DOMAIN], certificate())
    gateway.create(PBX_ID.upper().replace("PBX", "pbx"), CODE)
    assert gateway.pbx(PBX_ID).id == PBX_ID
    with pytest.raises(ValueError, match="knows PBX0123-.* already"):
        gateway.create(PBX_ID, CODE)
    with pytest.raises(ValueError, match="knows no PBX"):
        gateway.pbx(OTHER_ID)
    with pytest.raises(ValueError, match="is not a PBX ID"):
        gateway.create("PBX1", CODE)
    with pytest.raises(ValueError, match="the PCG needs at least one domain"):
        Gateway("127.0.0.1", 0, [], certificate())


def test_no_code_is_ever_shown() -> None:
    pbx = Pbx(PBX_ID, (), "secret-code", private_code="secret-too")
    assert "secret" not in repr(pbx) + repr(pbx.record())
    assert all(1000 <= int(new_activation_code()) <= 9999 for _ in range(100))


def device(id_: str, name: str = "x") -> Device:
    return Device(id_, "100", "A", name, "d", "8068s")


def test_a_list_takes_the_changes_that_fit_and_asks_for_all_when_one_is_missing() -> None:
    known = DeviceList()
    known.ver, known.devices = "4", [device("a"), device("b"), device("c")]
    assert known.apply(DeviceChanges("4", "5", [device("d")], [device("b", "new")], ["a"]))
    assert known.devices == [device("b", "new"), device("c"), device("d")]
    assert known.apply(DeviceChanges("4", "5", [device("d")]))
    assert len(known.devices) == 3
    assert not known.apply(DeviceChanges("6", "7", [device("e")]))
    assert known.ver == "5"
    with pytest.raises(PayloadRefused, match="at most 1000 devices"):
        known.apply(DeviceChanges("5", "6", [device("e")] * (DEVICES_LIMIT - 2)))


def test_all_that_is_taken_of_a_pbx_fits_into_one_answer_of_the_node() -> None:
    pbx = Pbx(PBX_ID, (), CODE)
    text = "é" * TEXT_LIMIT
    pbx.devices.devices = [Device(text, text, text, text, text, text)] * DEVICES_LIMIT
    assert len(json.dumps(pbx.record(), default=plain)) < LINE_LIMIT


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        (Ending(Party.US, 1000, ""), "closed by this side with code 1000"),
        (Ending(Party.NETWORK, None, "reset"), "closed by the network without a close code: reset"),
    ],
)
def test_how_an_ending_reads(ending: Ending, said: str) -> None:
    assert str(ending) == said

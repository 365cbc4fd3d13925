from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from emulators.cci.account import Account, CredentialKind, LifeCycle, Outcome
from emulators.cci.node import ConnectionService
from emulators.cci.parameters import ServiceParameters
from emulators.cloudconnect import credentials, requests
from emulators.cloudconnect.credentials import Credentials
from emulators.door.faults import Fault, FaultKind
from emulators.session.ending import LoginRefused
from emulators.session.requests import Asked, Handler
from emulators.session.session import KeepAlive, Session
from emulators.xmpp import disco
from emulators.xmpp.client import ClientStream
from emulators.xmpp.element import Element
from emulators.xmpp.stanza import IqType
from tests.agent.rig import PRIVATE_CA, authority, certificate, clock, run, until
from tests.cloudconnect.cco_rig import ACCOUNT, ONCE, SERVICE, service


async def dial(port: int, host: str = SERVICE) -> ClientConnection:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_verify_locations(cadata=authority(PRIVATE_CA).cert_pem.bytes().decode())
    return await connect(
        f"wss://{host}:{port}/",
        host="127.0.0.1",
        ssl=tls,
        proxy=None,
        subprotocols=[Subprotocol("xmpp")],
        ping_interval=None,
        close_timeout=1,
    )


async def logged_in(
    port: int, user: str = ACCOUNT, password: str = ONCE, handlers: Mapping[Asked, Handler] | None = None
) -> Session:
    session = Session(
        await dial(port),
        ClientStream(SERVICE, user, password, tls=True),
        handlers=handlers or {},
        keep_alive=KeepAlive(90, 180),
        identity=disco.Identity("client", "pbx"),
    )
    await session.open(clock().time() + 10)
    return session


def test_one_time_credentials_are_good_until_the_final_ones_are_acknowledged() -> None:
    offered: list[Credentials] = []

    async def take(payload: Element) -> None:
        offered.append(Credentials.from_element(payload))

    async def scenario() -> None:
        async with service() as (door, account):
            deaf = await logged_in(door.port, ACCOUNT.upper())
            await until(lambda: account.connected)
            assert account.life_cycle is LifeCycle.ACTIVATING
            taking = await logged_in(door.port, handlers={(IqType.SET, credentials.TAG): take})
            await until(lambda: account.life_cycle is LifeCycle.ACTIVATED)
            assert "conflict" in (await deaf.ended()).why
            await taking.close()
            with pytest.raises(LoginRefused):
                await logged_in(door.port)
            await until(lambda: account.refused_logins == 1)
            final = await logged_in(door.port, offered[0].account, offered[0].password)
            await until(lambda: account.connected)
            record = account.record()
            assert [session.logged_in_with for session in record.sessions] == [
                CredentialKind.ONE_TIME,
                CredentialKind.ONE_TIME,
                CredentialKind.FINAL,
            ]
            assert record.final_account == offered[0].account
            assert offered[0].password not in repr(record) + repr(account)
            await final.close()

    run(scenario())


@pytest.mark.parametrize(("user", "password"), [(ACCOUNT, "wrong"), ("nobody", ONCE)])
def test_a_login_that_is_refused(user: str, password: str) -> None:
    async def scenario() -> None:
        async with service() as (door, account):
            with pytest.raises(LoginRefused, match="not-authorized"):
                await logged_in(door.port, user, password)
            await until(lambda: account.refused_logins == (1 if user == ACCOUNT else 0))
            assert account.life_cycle is LifeCycle.CREATED

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "it is empty"),
        (Element(requests.CLOSED, {"connections": "1"}), "<opened> is expected, not <closed>"),
        (Element(requests.OPENED, {"address": "x", "connection": "1"}), "is not an IP address"),
    ],
)
def test_an_answer_that_is_no_acknowledgement_is_noted(answer: Element | None, said: str) -> None:
    async def odd(payload: Element) -> Element | None:
        return answer

    async def scenario() -> None:
        async with service() as (door, _):
            session = await logged_in(door.port, handlers={(IqType.SET, requests.OPEN): odd})
            await until(lambda: door.account(ACCOUNT).connected)
            asked = door.request_open(ACCOUNT, requests.OpenRequest("u", "g"))
            await until(lambda: asked.answered)
            assert asked.outcome is Outcome.UNANSWERED
            assert said in asked.text
            await session.close()

    run(scenario())


def test_the_commands_of_the_node() -> None:
    async def scenario() -> None:
        node = ConnectionService(
            certificate(SERVICE, "second.test"), [SERVICE], "127.0.0.1", 0, {ACCOUNT: ONCE}, {"vpn_timeout": 10.0}
        )
        await node.start()
        try:
            made = node.create("Customer-2")
            assert len(made) >= 8
            assert node.accounts() == [ACCOUNT, "customer-2"]
            assert not node.pbx(ACCOUNT).connected
            for ask in (node.close, node.drop):
                with pytest.raises(ValueError, match="customer-1 is not connected"):
                    ask(ACCOUNT)
            with pytest.raises(ValueError, match="has 1 to 128 printable characters"):
                node.open(ACCOUNT, "", "gateway")
            node.add_domain("second.test")
            session = await logged_in(node.port())
            await until(lambda: node.pbx(ACCOUNT).connected)
            assert node.open(ACCOUNT, "user", "gateway", 600) == 1
            assert node.close(ACCOUNT) == 2
            await until(lambda: all(each.answered for each in node.pbx(ACCOUNT).acknowledgements))
            assert {each.outcome for each in node.pbx(ACCOUNT).acknowledgements} == {Outcome.UNANSWERED}
            with pytest.raises(ValueError, match="needs a WebSocket close code"):
                node.drop(ACCOUNT, 1005)
            node.drop(ACCOUNT, 1013)
            assert (await session.ended()).code == 1013
            session = await logged_in(node.port(), "customer-2", made)
            await until(lambda: node.pbx("customer-2").connected)
            node.drop("customer-2", abort=True)
            assert (await session.ended()).code is None
            await node.fault_set("refuse upgrade", 418)
            assert node.fault() == Fault(FaultKind.REFUSE_UPGRADE, 418)
            with pytest.raises(InvalidStatus, match="418"):
                await dial(node.port())
            await node.fault_clear()
            node.certificate(certificate("second.test"))
            second = await dial(node.port(), "second.test")
            await second.close()
            with pytest.raises(ValueError, match="certificate of the connection service cannot be used"):
                node.certificate("none")
            with pytest.raises(ValueError, match="knows the account customer-2 already"):
                node.create("CUSTOMER-2")
            with pytest.raises(ValueError, match="knows no account 'nobody'"):
                node.pbx("nobody")
        finally:
            await node.stop()

    run(scenario())


@pytest.mark.parametrize(("account", "password"), [("", "x"), ("a b", "x"), ("a@b", "x"), ("a", ""), ("a", "x\0")])
def test_what_no_login_can_carry_is_refused(account: str, password: str) -> None:
    with pytest.raises(ValueError, match="must not|may not|must have"):
        Account(account, password)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"pages": 3}, "there is no connection service parameter 'pages'"),
        ({"vpn_timeout": 0.0}, "vpn_timeout: must be more than 0 s"),
        ({"ping_interval": 180.0}, "ping_interval: must be less"),
    ],
)
def test_bad_parameters_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ServiceParameters.read(values)

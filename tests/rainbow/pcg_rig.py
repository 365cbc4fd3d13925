"""What the tests of the PCG share: one on loopback, and a client that is no PBX of ours."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from emulators.rainbow.gateway import Gateway
from emulators.rainbow.parameters import GatewayParameters
from emulators.session.requests import Asked, Handler
from emulators.session.session import KeepAlive, Session
from emulators.xmpp import disco
from emulators.xmpp.client import ClientStream
from tests.agent.rig import CODE, DOMAIN, HOST, PBX_ID, PRIVATE_CA, authority, certificate, clock

OTHER_ID = "PBX" + "-".join(["ffff"] * 8)
USER = "pbxagent_" + PBX_ID[3:].replace("-", "")
KEEP_ALIVE = KeepAlive(60, 120)
PARAMETERS = GatewayParameters(request_timeout=5)


@asynccontextmanager
async def pcg(*pbxs: str, parameters: GatewayParameters = PARAMETERS) -> AsyncIterator[Gateway]:
    gateway = Gateway("127.0.0.1", 0, [DOMAIN, "second.test"], certificate(HOST, "agent.second.test"), parameters)
    for pbx_id in pbxs or (PBX_ID,):
        gateway.create(pbx_id, CODE)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def dial(
    gateway: Gateway,
    host: str = HOST,
    subprotocol: str | None = "xmpp",
    connection: type[ClientConnection] = ClientConnection,
) -> ClientConnection:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_verify_locations(cadata=authority(PRIVATE_CA).cert_pem.bytes().decode())
    return await connect(
        f"wss://{host}:{gateway.port}/",
        host="127.0.0.1",
        ssl=tls,
        proxy=None,
        subprotocols=None if subprotocol is None else [Subprotocol(subprotocol)],
        ping_interval=None,
        close_timeout=1,
        create_connection=connection,
    )


@asynccontextmanager
async def logged_in(
    gateway: Gateway,
    password: str = CODE,
    user: str = USER,
    domain: str = DOMAIN,
    handlers: Mapping[Asked, Handler] | None = None,
    keep_alive: KeepAlive = KEEP_ALIVE,
    connection: type[ClientConnection] = ClientConnection,
) -> AsyncIterator[Session]:
    session = Session(
        await dial(gateway, f"agent.{domain}", connection=connection),
        ClientStream(domain, user, password, tls=True),
        handlers=handlers or {},
        keep_alive=keep_alive,
        identity=disco.Identity("client", "pbx"),
    )
    try:
        await session.open(clock().time() + 10)
        yield session
    finally:
        await session.close()

"""A PBX with Cloud Connect and a connection service on loopback; the tunnel is kept in memory, all else is real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from emulators.cci.account import Account, LifeCycle
from emulators.cci.node import DEFAULT_DOMAIN
from emulators.cci.parameters import ServiceParameters
from emulators.cci.service import ConnectionService
from emulators.cloudconnect.failure import Failure, FailureCode
from emulators.cloudconnect.requests import Opened, OpenRequest, VpnParameters
from emulators.oxo.cloudconnect import ConnectionAgent
from emulators.oxo.flash import Flash
from emulators.oxo.history import History
from emulators.oxo.parameters import ConnectionParameters
from emulators.oxo.settings import CloudConnectSettings, DnsSettings, Settings, WebProxySettings
from emulators.oxo.store import SettingsStore
from tests.agent.rig import PRIVATE_CA, DnsServer, addresses, authority, certificate, dns_server, until

SERVICE = DEFAULT_DOMAIN
ACCOUNT = "customer-1"
ONCE = "good-for-once"
GATEWAY = "gateway-1"
USERS = 10


@dataclass
class Tunnel:
    """A VPN agent whose tunnel is a list of users in memory."""

    on_lost: Callable[[], None]
    users: list[str] = field(default_factory=list)
    asked: list[tuple[OpenRequest, VpnParameters]] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """A set-up takes until this is set."""
    closed: list[int] = field(default_factory=list)
    """How many connections there were, each time the tunnel was closed."""
    opened: int = 0

    def __post_init__(self) -> None:
        self.ready.set()

    async def open(self, request: OpenRequest, login: VpnParameters) -> Opened:
        self.asked.append((request, login))
        await self.ready.wait()
        if request.gateway != GATEWAY:
            raise Failure(FailureCode.UNKNOWN_GATEWAY, f"there is no gateway {request.gateway}")
        if len(self.users) == USERS:
            raise Failure(FailureCode.TOO_MANY_USERS)
        self.opened += 1
        self.users.append(request.user)
        return Opened("10.168.92.100", f"connection-{self.opened}")

    async def close(self) -> int:
        if not self.users:
            raise Failure(FailureCode.NO_TUNNEL, "there is no tunnel to close")
        self.closed.append(len(self.users))
        self.users.clear()
        return self.closed[-1]

    async def start(self) -> None:
        """Has nothing to clear away."""

    async def stop(self) -> None:
        if self.users:
            await self.close()

    def cut(self) -> None:
        """The tunnel is down by itself."""
        self.users.clear()
        self.on_lost()


@dataclass
class Site:
    """A PBX and a connection service on loopback."""

    service: ConnectionService
    account: Account
    dns: DnsServer
    store: SettingsStore
    history: History
    agent: ConnectionAgent
    tunnels: list[Tunnel]

    @property
    def tunnel(self) -> Tunnel:
        return self.tunnels[0]

    @property
    def status(self) -> str:
        return self.agent.status

    async def change(self, change: Callable[[Settings], Settings]) -> None:
        """As OMC does on OK."""
        old, new = self.store.update(change)
        self.agent.settings_changed(old, new)

    async def enable(self, enabled: bool = True) -> None:
        await self.change(lambda s: replace(s, cloud_connect=replace(s.cloud_connect, enabled=enabled)))

    async def connected(self) -> None:
        """Waits until the PBX has its final credentials, and a session."""
        await until(
            lambda: (
                self.account.connected
                and self.account.life_cycle is LifeCycle.ACTIVATED
                and self.status == "Connected with final credentials"
            )
        )

    async def opened(self, *users: str, gateway: str = GATEWAY) -> None:
        """Has connections opened, and waits for what comes of it."""
        for user in users:
            await self._open(user, gateway)

    async def _open(self, user: str, gateway: str) -> None:
        asked = self.service.request_open(ACCOUNT, OpenRequest(user, gateway))
        await until(lambda: asked.answered)


@asynccontextmanager
async def service(
    parameters: ServiceParameters | None = None, *domains: str
) -> AsyncIterator[tuple[ConnectionService, Account]]:
    door = ConnectionService(
        "127.0.0.1", 0, domains or (SERVICE,), certificate(SERVICE), parameters or ServiceParameters()
    )
    account = door.create(ACCOUNT, ONCE)
    await door.start()
    try:
        yield door, account
    finally:
        await door.stop()


@asynccontextmanager
async def cco_site(
    folder: Path,
    *,
    agent: type[ConnectionAgent] = ConnectionAgent,
    enabled: bool = True,
    password: str = ONCE,
    parameters: ServiceParameters | None = None,
    proxy: WebProxySettings | None = None,
) -> AsyncIterator[Site]:
    tunnels: list[Tunnel] = []

    def vpn(on_lost: Callable[[], None]) -> Tunnel:
        tunnels.append(Tunnel(on_lost))
        return tunnels[-1]

    async with service(parameters) as (door, account), dns_server(addresses("127.0.0.1")) as server:
        flash = Flash(folder)
        store, history = SettingsStore(flash), History(flash)
        if store.load() == Settings():
            settings = CloudConnectSettings(enabled, SERVICE, ACCOUNT, password)
            web_proxy = proxy or WebProxySettings()
            store.save(Settings(cloud_connect=settings, web_proxy=web_proxy, dns=DnsSettings("127.0.0.1")))
        ca = authority(PRIVATE_CA).cert_pem.bytes().decode()
        here = agent(store, history, vpn, ca, ConnectionParameters(port=door.port, dns_port=server.port))
        life = asyncio.create_task(here.run())
        try:
            yield Site(door, account, server, store, history, here, tunnels)
        finally:
            life.cancel()
            await asyncio.wait({life})
            if not life.cancelled():
                life.result()

"""Cloud Connect Operation in the PBX: the connection agent, and the supervision of the VPN that it opens on demand.

The agent keeps a permanent link to the connection service of the Cloud Connect infrastructure (CCI), by the same way
out and the same web proxy as CCCtrlA (Installation Manual p. 42). Through it come the requests about the VPN. A close
request closes all the active connections and the tunnel, whoever opened them (manual p. 42). That the tunnel went down
by itself is not told to the CCI: it is written into the history.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from emulators.cloudconnect import credentials, requests
from emulators.cloudconnect.credentials import Credentials
from emulators.cloudconnect.failure import Failure, FailureCode
from emulators.cloudconnect.requests import Closed, CloseRequest, Opened, OpenRequest, VpnParameters
from emulators.oxo.agent import Agent
from emulators.oxo.failure import Layer, LinkFailure
from emulators.oxo.flash import FlashError
from emulators.oxo.history import EventKind, History, HistoryEvent
from emulators.oxo.parameters import CONNECTION_DEFAULTS, ConnectionParameters
from emulators.oxo.settings import CloudConnectSettings, Field, Settings
from emulators.oxo.store import SettingsStore
from emulators.session.requests import Asked, Handler
from emulators.xmpp.client import ClientStream
from emulators.xmpp.disco import Identity
from emulators.xmpp.element import Element
from emulators.xmpp.stanza import IqType

log = logging.getLogger(__name__)


class VpnAgent(Protocol):
    """The PBX's VPN agent, as the connection agent uses it: at most one tunnel, shared by the users of connections."""

    async def start(self) -> None:
        """Begins with the PBX: clears away what a power cut has left of a tunnel."""

    async def open(self, request: OpenRequest, login: VpnParameters) -> Opened:
        """One more connection, on the tunnel that is up or on a new one. Takes long, but not for ever. Raises Failure.

        `login` serves for a request that brings none. Several may be asked for at once. It is cancelled when nobody can
        be told of the connection any more; a tunnel may come of it all the same.
        """

    async def close(self) -> int:
        """Closes all connections and the tunnel, one that is being set up too; says how many connections these were.

        Raises Failure, with NO_TUNNEL when there is nothing to close.
        """

    async def stop(self) -> None:
        """Closes the tunnel in order, if there is one."""


VpnFactory = Callable[[Callable[[], None]], VpnAgent]
"""Makes a VPN agent, and gives it what to call when a tunnel is down that nobody has closed: it was inactive or cut."""


class WithoutVpn:
    """The VPN agent of a PBX that cannot make a tunnel."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        """`on_lost` is never called: there is nothing to lose."""

    async def start(self) -> None:
        """Does nothing."""

    async def open(self, request: OpenRequest, login: VpnParameters) -> Opened:
        """Fails. Raises Failure."""
        raise Failure(FailureCode.TUNNEL_UNAVAILABLE, "this PBX has no VPN")

    async def close(self) -> int:
        """Fails. Raises Failure."""
        raise Failure(FailureCode.NO_TUNNEL, "there is no tunnel to close")

    async def stop(self) -> None:
        """Does nothing."""


class ConnectionAgent(Agent[CloudConnectSettings]):
    """The connection agent of one PBX. While it is disabled, or has ended, there is no tunnel."""

    IDENTITY = Identity("client", "pbx", "Cloud Connect")

    def __init__(
        self,
        store: SettingsStore,
        history: History,
        vpn: VpnFactory,
        ca: str,
        parameters: ConnectionParameters = CONNECTION_DEFAULTS,
    ) -> None:
        """`ca` is the certificates, in PEM, of the only certification authorities that the agent trusts.

        Raises ValueError when they cannot be used.
        """
        super().__init__(store, ca, parameters)
        self._history = history
        self._vpn = vpn(self._on_unexpected_close)

    async def run(self) -> None:
        """Keeps the link while it is enabled, for ever. When cancelled it closes link and tunnel in order."""
        try:
            await self._vpn.start()
            await super().run()
        finally:
            await self._vpn.stop()

    def _section(self, settings: Settings) -> CloudConnectSettings:
        return settings.cloud_connect

    def _host(self, section: CloudConnectSettings) -> str:
        return section.service

    def _stream(self, section: CloudConnectSettings) -> ClientStream:
        account, password = self._login(section)
        try:
            return ClientStream(
                section.service,
                account,
                password,
                resource=self._parameters.resource,
                tls=True,
                mechanisms=self._parameters.mechanisms,
            )
        except ValueError as error:
            text = "the account or password of Cloud Connect has a character that no login can carry"
            raise LinkFailure(Layer.LOGIN, text) from error

    def _missing(self, section: CloudConnectSettings) -> list[Field]:
        return section.missing()

    def _login(self, section: CloudConnectSettings) -> tuple[str, str]:
        """Account and password. OMC's are for the first connection only; then the CCI has sent the final ones."""
        if section.final_account:
            return section.final_account, section.final_password
        return section.account, section.one_time_password

    def _has_final(self, section: CloudConnectSettings) -> bool:
        return bool(section.final_account)

    def _refused(self, section: CloudConnectSettings) -> str:
        return f"the CCI refused the {'final' if section.final_account else 'activation'} account or its password"

    def _connected(self) -> str:
        return f"Connected with {'final' if self._with_final else 'activation'} credentials"

    def _handlers(self, section: CloudConnectSettings) -> dict[Asked, Handler]:
        """What answers the requests of the CCI in a session that was opened with these settings."""
        return {
            (IqType.SET, credentials.TAG): partial(self._on_final_credentials, section),
            (IqType.SET, requests.OPEN): self._on_open_request,
            (IqType.SET, requests.CLOSE): self._on_close_request,
        }

    async def _on_final_credentials(self, used: CloudConnectSettings, payload: Element) -> None:
        """Stores account and password as the final ones; the result that follows is the acknowledgement."""
        final = Credentials.from_element(payload)
        self._store_final(
            partial(_with_final_credentials, used, final),
            lambda settings: (
                Credentials(settings.cloud_connect.final_account, settings.cloud_connect.final_password) == final
            ),
        )

    async def _on_open_request(self, payload: Element) -> Element:
        """Has a connection opened, and acknowledges it with the VPN address and the connection's ID."""
        request = OpenRequest.from_element(payload)
        log.info("Cloud Connect: %s asks for a connection to %s", request.user, request.gateway)
        try:
            opened = await self._vpn.open(request, self._vpn_login())
        except Failure as failure:
            return self._forward(failure)
        log.info("Cloud Connect: connection %s is open, VPN address %s", opened.connection, opened.address)
        return opened.to_element()

    async def _on_close_request(self, payload: Element) -> Element:
        """Closes all the active connections and the tunnel (manual p. 42)."""
        CloseRequest.from_element(payload)
        log.info("Cloud Connect: all connections and the tunnel are to be closed")
        try:
            closed = Closed(await self._vpn.close())
        except Failure as failure:
            return self._forward(failure)
        return closed.to_element()

    def _vpn_login(self) -> VpnParameters:
        """What the VPN gateway is shown when a request brings no account: the credentials of Cloud Connect [?]."""
        return VpnParameters(*self._login(self._section(self._store.load())))

    def _forward(self, failure: Failure) -> Element:
        """Logs the VPN agent's error code, and gives what the CCI is told of it."""
        log.warning("Cloud Connect: the VPN agent reports %s", failure)
        return failure.to_element()

    def _on_unexpected_close(self) -> None:
        """The tunnel went down by itself: that goes into the history, and is not told to the CCI."""
        log.warning("Cloud Connect: the tunnel was closed unexpectedly")
        try:
            self._history.add(HistoryEvent(asyncio.get_running_loop().time(), EventKind.UNEXPECTED_CLOSE))
        except FlashError as error:
            log.error("Cloud Connect: the history could not be written: %s", error)

    async def _disabled(self) -> None:
        await self._vpn.stop()


def _with_final_credentials(used: CloudConnectSettings, final: Credentials, settings: Settings) -> Settings:
    """The settings with the final credentials, unless they lead elsewhere by now than when the session was opened."""
    section = settings.cloud_connect
    if section.activation != used.activation:
        return settings
    new = replace(section, final_account=final.account, final_password=final.password)
    return replace(settings, cloud_connect=new)

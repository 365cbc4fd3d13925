"""A permanent link of the PBX to a service in the cloud: dials, logs in, holds the link, tries again after a failure.

CCCtrlA and Cloud Connect's connection agent are both that. What an attempt is made with is read from the settings at
each attempt; the web proxy is for both the one of OMC's page Web proxy (Installation Manual p. 42, 3.5.2.1). A change
of the link's own, the web proxy or the DNS settings closes the link in order and leads to an attempt at once, from the
ladder's start: for disabling and enabling Rainbow the manual says so, for the rest it is the bench's assumption.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, Protocol, TypeVar

from emulators.oxo.dialling import Dialling
from emulators.oxo.failure import Layer, LinkFailure
from emulators.oxo.flash import FlashError
from emulators.oxo.parameters import DelayFrom, LinkParameters
from emulators.oxo.resolver import Resolver
from emulators.oxo.settings import Field, Settings, WebProxySettings
from emulators.oxo.store import SettingsStore
from emulators.session.ending import Ending, LoginRefused, SessionEnded
from emulators.session.requests import Asked, Handler
from emulators.session.session import KeepAlive, Session
from emulators.xmpp.client import ClientStream
from emulators.xmpp.disco import Identity
from emulators.xmpp.stanza import Condition, StanzaError

log = logging.getLogger(__name__)


class Section(Protocol):
    """The settings of one link."""

    @property
    def enabled(self) -> bool:
        """Whether the link is to be kept."""


_Section = TypeVar("_Section", bound=Section)


class Agent(ABC, Generic[_Section]):
    """Keeps one link. `run` is its life; `settings_changed` tells it what OMC and MMC have saved.

    Methods that decide one thing each are kept small, so that a test can make a device that does that one thing wrong.
    """

    IDENTITY: ClassVar[Identity]
    """What the agent says it is."""

    def __init__(self, store: SettingsStore, ca: str, parameters: LinkParameters) -> None:
        """`ca` is the certificates, in PEM, of the only certification authorities that the agent trusts.

        Raises ValueError when they cannot be used.
        """
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ca)
        except (ssl.SSLError, ValueError) as error:
            raise ValueError("the certificates of the trusted authorities must be in PEM, one or more") from error
        self._store = store
        self._ca = ca
        self._parameters = parameters
        self._changed = asyncio.Event()
        self._failures = 0
        self._failure: LinkFailure | None = None
        self._phase = "Disabled"
        self._next_attempt: float | None = None
        self._with_final = False

    @property
    def status(self) -> str:
        """The state of the link in one line, as OMC shows it, with the last failure while there is no link."""
        text = self._phase
        if self._next_attempt is not None:
            left = max(0, math.ceil(self._next_attempt - asyncio.get_running_loop().time()))
            text = f"Waiting, next attempt in {left} s"
        return text if self._failure is None else f"{text} (last failure: {self._failure})"

    def settings_changed(self, old: Settings, new: Settings) -> None:
        """OMC or MMC has saved `new` in place of `old`."""
        if (self._section(old), old.web_proxy, old.dns) != (self._section(new), new.web_proxy, new.dns):
            self._changed.set()

    async def run(self) -> None:
        """Keeps the link while it is enabled, for ever. When cancelled it closes the link in order."""
        while True:
            self._changed.clear()
            section = self._section(self._store.load())
            missing = self._missing(section)
            if not section.enabled:
                self._enter("Disabled")
                await self._disabled()
            elif missing:
                self._enter(f"Not configured: {', '.join(missing)}")
            else:
                await self._enabled()
                continue
            await self._changed.wait()

    @abstractmethod
    def _section(self, settings: Settings) -> _Section:
        """The settings that this link has of its own."""

    @abstractmethod
    def _missing(self, section: _Section) -> list[Field]:
        """What must be configured before there can be an attempt."""

    @abstractmethod
    def _host(self, section: _Section) -> str:
        """The name of the host that the link goes to."""

    @abstractmethod
    def _stream(self, section: _Section) -> ClientStream:
        """The stream that logs in with these settings. Raises LinkFailure."""

    @abstractmethod
    def _has_final(self, section: _Section) -> bool:
        """Whether the login is with what the service has handed over, not with what is for the first connection."""

    @abstractmethod
    def _refused(self, section: _Section) -> str:
        """What to say when the login is refused."""

    @abstractmethod
    def _handlers(self, section: _Section) -> dict[Asked, Handler]:
        """What answers the service's requests in a session that was opened with these settings."""

    @abstractmethod
    def _connected(self) -> str:
        """What the status says while the link is up."""

    async def _disabled(self) -> None:
        """The link has been disabled, and is down."""

    async def _enabled(self) -> None:
        """Keeps the link until the settings change."""
        self._failures = 0
        link = asyncio.create_task(self._stay_connected())
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait({link, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            await self._disable(link)

    async def _disable(self, link: asyncio.Task[None]) -> None:
        """Ends the link and all attempts: an open session in order, an attempt on its way at once."""
        link.cancel()
        await asyncio.wait({link})
        if not link.cancelled():
            link.result()

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self._enter("Connecting", self._failure)
            try:
                session = await self._attempt(self._store.load())
            except LinkFailure as failure:
                self._failure = failure
            else:
                self._on_success()
                ending = await self._hold(session)
                self._failure = LinkFailure(Layer.LINK, str(ending))
                started = loop.time()
            delay = self._next_delay()
            since = started if self._parameters.delay_from is DelayFrom.START else loop.time()
            log.info("%s: %s; next attempt in %g s", self.IDENTITY.name, self._failure, delay)
            self._next_attempt = since + delay
            await asyncio.sleep(self._next_attempt - loop.time())

    async def _attempt(self, settings: Settings) -> Session:
        """One attempt, from the first DNS query to the login. Raises LinkFailure."""
        parameters, section = self._parameters, self._section(settings)
        host = self._host(section)
        stream = self._stream(section)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + parameters.attempt_timeout
        dialling = Dialling(
            host,
            parameters.port,
            parameters.path,
            resolver=self._resolver(settings),
            proxy=self._proxy_for_attempt(settings),
            tls=self._tls_context(),
            user_agent=parameters.user_agent,
            close_timeout=parameters.close_timeout,
        )
        log.info("%s: attempt to reach %s", self.IDENTITY.name, host)
        try:
            async with asyncio.timeout_at(deadline):
                connection = await dialling.connect()
        except TimeoutError as error:
            raise LinkFailure(dialling.layer, f"no answer within {parameters.attempt_timeout:g} s") from error
        session = Session(
            connection,
            stream,
            handlers=self._handlers(section),
            keep_alive=KeepAlive(parameters.keepalive_interval, parameters.server_ping_timeout),
            identity=self.IDENTITY,
        )
        self._with_final = self._has_final(section)
        try:
            await session.open(deadline)
        except LoginRefused as error:
            raise LinkFailure(Layer.LOGIN, f"{self._refused(section)} ({error})") from error
        except SessionEnded as error:
            raise LinkFailure(Layer.LOGIN, str(error.ending)) from error
        except TimeoutError as error:
            raise LinkFailure(Layer.LOGIN, f"no answer within {parameters.attempt_timeout:g} s") from error
        return session

    async def _hold(self, session: Session) -> Ending:
        """Serves the other side until the session ends; when cancelled, ends it in order."""
        self._show_connected()
        try:
            return await session.ended()
        finally:
            await session.close()

    def _proxy_for_attempt(self, settings: Settings) -> WebProxySettings | None:
        """The web proxy, if one is set; then nothing goes out in any other way (manual p. 42, 3.5.2.1)."""
        return settings.web_proxy if settings.web_proxy.host else None

    def _resolver(self, settings: Settings) -> Resolver:
        """What looks names up: the DNS servers in the settings, in their order."""
        parameters = self._parameters
        return Resolver(settings.dns, parameters.dns_port, parameters.dns_timeout, parameters.dns_rounds)

    def _tls_context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer; certificate and host name are checked against the agent's own authorities only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cadata=self._ca)
        return context

    def _on_success(self) -> None:
        """A login resets the ladder."""
        self._failures = 0
        self._failure = None
        log.info("%s: connected", self.IDENTITY.name)

    def _next_delay(self) -> float:
        """The delay after one more failure, in seconds."""
        ladder = self._parameters.retry_ladder
        delay = ladder[min(self._failures, len(ladder) - 1)]
        self._failures += 1
        return delay

    def _store_final(self, change: Callable[[Settings], Settings], stored: Callable[[Settings], bool]) -> None:
        """Stores what the service hands over in place of what is for the first connection.

        `change` makes it part of the settings, unless these lead elsewhere by now; `stored` tells whether it is. Raises
        StanzaError when it cannot be stored; otherwise the result that follows is the acknowledgement.
        """
        try:
            _, new = self._store.update(change)
        except FlashError as error:
            log.error("%s: what the service handed over could not be stored: %s", self.IDENTITY.name, error)
            raise StanzaError(Condition.INTERNAL_SERVER_ERROR, "it could not be stored") from error
        if not stored(new):
            raise StanzaError(Condition.NOT_ACCEPTABLE, "the PBX has been configured anew")
        self._with_final = True
        self._show_connected()
        log.info("%s: stored what the service handed over", self.IDENTITY.name)

    def _show_connected(self) -> None:
        self._enter(self._connected())

    def _enter(self, phase: str, failure: LinkFailure | None = None) -> None:
        """A new phase begins; `failure` is the failure that still matters in it."""
        self._phase, self._failure, self._next_attempt = phase, failure, None

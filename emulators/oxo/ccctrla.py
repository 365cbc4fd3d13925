"""CCCtrlA, the Cloud Connect Control Agent: keeps the PBX's link to Rainbow and answers its request for the devices.

Installation Manual p. 42. The link goes to `wss://agent.<domain>:443`. After a failure the agent tries again by the
retry ladder; what it tries with is read from the settings at each attempt. A change of the Rainbow, web proxy or DNS
settings closes the link in order and leads to an attempt at once, from the ladder's start: for disabling and enabling
the manual says so, for the other fields it is the bench's assumption.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from dataclasses import replace
from functools import partial

from emulators.oxo.catalogue import Catalogue, Change, ChangeKind
from emulators.oxo.dialling import Dialling
from emulators.oxo.failure import Layer, LinkFailure
from emulators.oxo.flash import FlashError
from emulators.oxo.parameters import DEFAULTS, AgentParameters, DelayFrom
from emulators.oxo.phoneset import PhoneSet, Rank
from emulators.oxo.resolver import Resolver
from emulators.oxo.settings import Field, RainbowSettings, Settings, WebProxySettings
from emulators.oxo.store import SettingsStore
from emulators.pbxagent import channels, credentials, devices
from emulators.pbxagent.channels import Channel, ChannelRequest, Move
from emulators.pbxagent.devices import Device, DeviceChanges, DevicesPage, DevicesQuery
from emulators.pbxagent.identity import user_name
from emulators.session import Ending, Handler, KeepAlive, LoginRefused, Session, SessionEnded
from emulators.xmpp.client import ClientStream
from emulators.xmpp.disco import Identity
from emulators.xmpp.element import Element
from emulators.xmpp.paging import PageRequest, paginate
from emulators.xmpp.stanza import Condition, IqType, StanzaError

log = logging.getLogger(__name__)

IDENTITY = Identity("client", "pbx", "CCCtrlA")
CHANGES_LIMIT = 1000
"""How many changes wait to be pushed; beyond that the PCG finds the gap and retrieves the list again."""


class CCCtrlA:
    """The agent of one PBX. `run` is its life; `settings_changed` tells it what OMC and MMC have saved.

    Methods that decide one thing each are kept small, so that a test can make a device that does that one thing wrong.
    """

    def __init__(
        self, store: SettingsStore, catalogue: Catalogue, ca: str, parameters: AgentParameters = DEFAULTS
    ) -> None:
        """`ca` is the certificates, in PEM, of the only certification authorities that the agent trusts.

        Raises ValueError when they cannot be used.
        """
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ca)
        except (ssl.SSLError, ValueError) as error:
            raise ValueError("the certificates of the trusted authorities must be in PEM, one or more") from error
        self._store = store
        self._catalogue = catalogue
        self._ca = ca
        self._parameters = parameters
        self._changed = asyncio.Event()
        self._failures = 0
        self._failure: LinkFailure | None = None
        self._phase = "Disabled"
        self._next_attempt: float | None = None
        self._with_final_password = False
        self.channels: set[Channel] = set()
        """The channels that are up."""

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
        if (old.rainbow, old.web_proxy, old.dns) != (new.rainbow, new.web_proxy, new.dns):
            self._changed.set()

    async def run(self) -> None:
        """Keeps the link while Rainbow is enabled, for ever. When cancelled it closes the link in order."""
        while True:
            self._changed.clear()
            rainbow = self._store.load().rainbow
            missing = self._missing(rainbow)
            if not rainbow.enabled:
                self._enter("Disabled")
            elif missing:
                self._enter(f"Not configured: {', '.join(missing)}")
            else:
                await self._enabled()
                continue
            await self._changed.wait()

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
            log.info("%s; next attempt in %g s", self._failure, delay)
            self._next_attempt = since + delay
            await asyncio.sleep(self._next_attempt - loop.time())

    async def _attempt(self, settings: Settings) -> Session:
        """One attempt, from the first DNS query to the login. Raises LinkFailure."""
        parameters, rainbow = self._parameters, settings.rainbow
        stream = self._stream(rainbow)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + parameters.attempt_timeout
        dialling = Dialling(
            rainbow.agent_host,
            parameters.port,
            parameters.path,
            resolver=self._resolver(settings),
            proxy=self._proxy_for_attempt(settings),
            tls=self._tls_context(),
            user_agent=parameters.user_agent,
            close_timeout=parameters.close_timeout,
        )
        log.info("attempt to reach %s", rainbow.agent_host)
        try:
            async with asyncio.timeout_at(deadline):
                connection = await dialling.connect()
        except TimeoutError as error:
            raise LinkFailure(dialling.layer, f"no answer within {parameters.attempt_timeout:g} s") from error
        session = Session(
            connection,
            stream,
            handlers=self._handlers(rainbow),
            keep_alive=KeepAlive(parameters.keepalive_interval, parameters.server_ping_timeout),
            identity=IDENTITY,
        )
        self.channels.clear()
        self._with_final_password = bool(rainbow.final_password)
        try:
            await session.open(deadline)
        except LoginRefused as error:
            kind = "final password" if rainbow.final_password else "activation code"
            raise LinkFailure(Layer.LOGIN, f"Rainbow refused the PBX ID or the {kind} ({error})") from error
        except SessionEnded as error:
            raise LinkFailure(Layer.LOGIN, str(error.ending)) from error
        except TimeoutError as error:
            raise LinkFailure(Layer.LOGIN, f"no answer within {parameters.attempt_timeout:g} s") from error
        return session

    async def _hold(self, session: Session) -> Ending:
        """Serves Rainbow until the session ends; when cancelled, ends it in order."""
        self._show_connected()
        changes: asyncio.Queue[Change] = asyncio.Queue(CHANGES_LIMIT)
        unsubscribe = self._catalogue.subscribe(partial(_enqueue, changes))
        try:
            async with asyncio.TaskGroup() as tasks:
                pushing = tasks.create_task(self._push_changes(session, changes))
                ending = await session.ended()
                pushing.cancel()
        finally:
            unsubscribe()
            self.channels.clear()
            await session.close()
        return ending

    def _stream(self, rainbow: RainbowSettings) -> ClientStream:
        """The stream that logs in with these settings. Raises LinkFailure."""
        try:
            return ClientStream(
                rainbow.domain,
                user_name(rainbow.pbx_id),
                self._password(rainbow),
                resource=self._parameters.resource,
                tls=True,
                mechanisms=self._parameters.mechanisms,
            )
        except ValueError as error:
            raise LinkFailure(Layer.LOGIN, "the activation code has a character that no login can carry") from error

    def _missing(self, rainbow: RainbowSettings) -> list[Field]:
        """What must be configured before there can be an attempt. A final password stands in for the code."""
        return [name for name in rainbow.missing() if name is not Field.ACTIVATION_CODE or not rainbow.final_password]

    def _password(self, rainbow: RainbowSettings) -> str:
        """The activation code is for the first connection only; then Rainbow has sent the final password."""
        return rainbow.final_password or rainbow.activation_code

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
        log.info("connected")

    def _next_delay(self) -> float:
        """The delay after one more failure, in seconds."""
        ladder = self._parameters.retry_ladder
        delay = ladder[min(self._failures, len(ladder) - 1)]
        self._failures += 1
        return delay

    def _handlers(self, rainbow: RainbowSettings) -> dict[str, Handler]:
        """What answers Rainbow's requests in a session that was opened with these settings."""
        return {
            devices.QUERY_TAG: self._on_devices_query,
            credentials.TAG: partial(self._on_private_code, rainbow),
            **dict.fromkeys(channels.TAGS, self._on_channel_request),
        }

    async def _on_devices_query(self, payload: Element) -> Element:
        return self._page_of_devices(DevicesQuery.from_element(payload).page).to_element()

    def _page_of_devices(self, request: PageRequest) -> DevicesPage:
        """One page of the devices that Rainbow supports. Raises StanzaError when the page does not exist."""
        found, page = paginate(self._catalogue.devices, lambda phone_set: phone_set.id, request)
        return DevicesPage(str(self._catalogue.revision), [_device(phone_set) for phone_set in found], page)

    async def _on_private_code(self, used: RainbowSettings, payload: Element) -> None:
        """Stores the private code as final password; the result that follows is the acknowledgement."""
        code = credentials.from_element(payload)
        try:
            _, new = self._store.update(partial(_with_final_password, used, code))
        except FlashError as error:
            log.error("the final password could not be stored: %s", error)
            raise StanzaError(Condition.INTERNAL_SERVER_ERROR, "the private code could not be stored") from error
        if new.rainbow.final_password != code:
            raise StanzaError(Condition.NOT_ACCEPTABLE, "the PBX has been configured anew")
        self._with_final_password = True
        self._show_connected()
        log.info("final password stored")

    async def _on_channel_request(self, payload: Element) -> None:
        request = ChannelRequest.from_element(payload)
        if request.move is Move.CLOSE:
            self.channels.discard(request.channel)
        elif request.channel in self._parameters.channels:
            self.channels.add(request.channel)
        else:
            raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, f"this PBX has no channel {request.channel}")

    async def _push_changes(self, session: Session, changes: asyncio.Queue[Change]) -> None:
        """Tells Rainbow what changes while the link is up, one change after the other."""
        while True:
            change = await changes.get()
            try:
                await session.request(self._changes(change).to_element(), kind=IqType.SET)
            except (StanzaError, TimeoutError) as error:
                log.warning("Rainbow did not take change %d of the catalogue: %s", change.revision, error)
            except SessionEnded:
                return

    def _changes(self, change: Change) -> DeviceChanges:
        """A change as Rainbow is told it; one of a set that Rainbow does not support only moves the revision on."""
        told = DeviceChanges(since=str(change.revision - 1), ver=str(change.revision))
        if not self._catalogue.supports(change.set):
            return told
        match change.kind:
            case ChangeKind.ADDED:
                return replace(told, added=(_device(change.set),))
            case ChangeKind.RENAMED:
                return replace(told, updated=(_device(change.set),))
            case ChangeKind.REMOVED:
                return replace(told, removed=(change.set.id,))

    def _show_connected(self) -> None:
        self._enter(f"Connected with {'final password' if self._with_final_password else 'activation code'}")

    def _enter(self, phase: str, failure: LinkFailure | None = None) -> None:
        """A new phase begins; `failure` is the failure that still matters in it."""
        self._phase, self._failure, self._next_attempt = phase, failure, None


def _enqueue(changes: asyncio.Queue[Change], change: Change) -> None:
    """Keeps a change to be pushed. One too many is left out: the next one that gets through shows the gap."""
    if changes.full():
        log.warning("change %d of the catalogue is not pushed: too many wait already", change.revision)
    else:
        changes.put_nowait(change)


def _with_final_password(used: RainbowSettings, code: str, settings: Settings) -> Settings:
    """The settings with the final password, unless they lead elsewhere by now than when the session was opened."""
    rainbow = settings.rainbow
    if (rainbow.domain, rainbow.pbx_id, rainbow.activation_code) != (used.domain, used.pbx_id, used.activation_code):
        return settings
    return replace(settings, rainbow=replace(rainbow, final_password=code))


def _device(phone_set: PhoneSet) -> Device:
    """A set as a device. That each is a `landline` to Rainbow, whatever its family, is the bench's assumption [?]."""
    return Device(
        id=phone_set.id,
        short_number=phone_set.number,
        first_name=phone_set.first_name,
        last_name=phone_set.last_name,
        device_name=f"{phone_set.family} {phone_set.number}",
        type=phone_set.family,
        rank=list(Rank).index(phone_set.rank),
    )

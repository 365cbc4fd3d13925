"""The connection service of Cloud Connect: PBXs keep a permanent connection to it, and get requests through it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial

from emulators.cci.account import Account, Acknowledgement, LifeCycle, Outcome, RequestKind
from emulators.cci.parameters import DEFAULTS, ServiceParameters
from emulators.chronicle import About
from emulators.cloudconnect import failure, requests
from emulators.cloudconnect.failure import Failure
from emulators.cloudconnect.requests import Closed, CloseRequest, Opened, OpenRequest
from emulators.door.door import Answer, Door
from emulators.door.record import SessionRecord
from emulators.payload import PayloadRefused, expect
from emulators.session.ending import Ending, SessionEnded
from emulators.session.requests import Asked
from emulators.session.session import Session
from emulators.xmpp.disco import Identity
from emulators.xmpp.element import Element
from emulators.xmpp.sasl import Credential
from emulators.xmpp.stanza import REQUESTS, IqType, StanzaError

log = logging.getLogger(__name__)


class ConnectionService(Door):
    """Serves PBXs of the domains that it stands for; a PBX calls it by the domain's own name."""

    NAME = "the connection service"
    IDENTITY = Identity("gateway", "pbx", "CCI")
    _parameters: ServiceParameters

    def __init__(
        self,
        address: str,
        port: int,
        domains: Sequence[str],
        certificate: str,
        parameters: ServiceParameters = DEFAULTS,
    ) -> None:
        """`certificate` is chain and key in PEM. Raises ValueError for one that cannot be used."""
        super().__init__(address, port, domains, certificate, parameters)
        self._accounts: dict[str, Account] = {}

    @property
    def accounts(self) -> list[str]:
        """The one-time accounts of the PBXs that are known."""
        return sorted(self._accounts)

    def create(self, account: str, one_time_password: str) -> Account:
        """Makes a PBX known. Raises ValueError for what no login can carry, or an account that is known already."""
        new = Account(account, one_time_password)
        if new.name in self._accounts:
            raise ValueError(f"the CCI knows the account {new.name} already")
        self._accounts[new.name] = new
        return new

    def account(self, account: str) -> Account:
        """A PBX that is known, by its one-time account. Raises ValueError."""
        found = self._accounts.get(account.lower())
        if found is None:
            raise ValueError(f"the CCI knows no account {account!r}")
        return found

    def request_open(self, account: str, request: OpenRequest) -> Acknowledgement:
        """Begins to ask a PBX for a VPN connection; what is returned says later what came of it. Raises ValueError."""
        known = self.account(account)
        session = self.session(known.name)
        asked = known.ask(RequestKind.OPEN, asyncio.get_running_loop().time(), request.user, request.gateway)
        self.chronicle.note(About.TUNNEL, f"{request.user} asks for a VPN connection to {request.gateway}")
        self.spawn(self._ask(session, request.to_element(), asked))
        return asked

    def request_close(self, account: str) -> Acknowledgement:
        """Begins to ask a PBX to close all its VPN connections and the tunnel. Raises ValueError."""
        known = self.account(account)
        session = self.session(known.name)
        asked = known.ask(RequestKind.CLOSE, asyncio.get_running_loop().time())
        self.chronicle.note(About.TUNNEL, "All VPN connections are asked to be closed")
        self.spawn(self._ask(session, CloseRequest().to_element(), asked))
        return asked

    async def _ask(self, session: Session, payload: Element, asked: Acknowledgement) -> None:
        """Sends a request, and notes the acknowledgement."""
        try:
            answer = await session.request(payload, kind=IqType.SET, timeout=self._parameters.vpn_timeout)
            _note(asked, answer)
        except StanzaError as error:
            asked.outcome, asked.text = Outcome.UNANSWERED, f"the PBX's answer is no acknowledgement: {error}"
        except TimeoutError:
            why = f"no answer within {self._parameters.vpn_timeout:g} s"
            asked.outcome, asked.text = Outcome.UNANSWERED, why
        except SessionEnded as error:
            asked.outcome, asked.text = Outcome.UNANSWERED, f"the session ended before the answer: {error}"
        asked.answered = asyncio.get_running_loop().time()
        log.info("request %d (%s): %s %s", asked.number, asked.kind, asked.outcome, asked.text)
        self.chronicle.note(About.TUNNEL, *_told(asked))

    def _name(self, user_name: str) -> str | None:
        name = user_name.lower()
        if name in self._accounts:
            return name
        final = (known for known, account in self._accounts.items() if account.final and account.final.account == name)
        return next(final, None)

    def _credentials(self, user_name: str) -> list[Credential]:
        name = self._name(user_name)
        return [] if name is None else self._accounts[name].credentials(user_name)

    def _login_refused(self, name: str) -> None:
        self._accounts[name].refused_logins += 1

    def _answers(self) -> Mapping[Asked, Answer]:
        """A PBX has nothing to say about its VPN but when it is asked; what it says all the same is noted."""
        said = (requests.OPENED, requests.CLOSED, failure.TAG)
        return {(kind, tag): partial(self._on_unasked, tag) for kind in REQUESTS for tag in said}

    async def _on_unasked(self, tag: str, session: Session, payload: Element) -> None:
        expect(payload, tag)
        for name, known in self._sessions.items():
            if known is session:
                said = tag.rpartition("}")[2]
                self._accounts[name].said_unasked(said)
                self.chronicle.note(About.TUNNEL, f"PBX says {said!r} about its VPN without having been asked", False)

    async def _attend(self, name: str, session: Session, record: SessionRecord) -> Ending:
        """Hands the final credentials over where that is due, and waits for the end of the session."""
        account = self._accounts[name]
        account.session_began(record)
        async with asyncio.TaskGroup() as tasks:
            handing = tasks.create_task(self._hand_over(account, session))
            ending = await session.ended()
            handing.cancel()
        account.session_ended(record, asyncio.get_running_loop().time(), ending)
        return ending

    async def _hand_over(self, account: Account, session: Session) -> None:
        final = account.final
        if account.life_cycle is not LifeCycle.ACTIVATING or final is None:
            return
        try:
            await session.request(final.to_element(), kind=IqType.SET, timeout=self._parameters.request_timeout)
        except StanzaError as error:
            log.warning("%s: final credentials: refused: %s", account.name, error)
            self.chronicle.note(About.LOGIN, f"PBX refuses its final credentials: {error}", False)
        except TimeoutError:
            log.warning("%s: final credentials: no answer", account.name)
            self.chronicle.note(About.LOGIN, "PBX does not answer to its final credentials", False)
        except SessionEnded:
            return
        else:
            account.life_cycle = LifeCycle.ACTIVATED
            self.chronicle.note(About.LOGIN, "PBX has stored its final credentials: it is registered", True)


def _note(asked: Acknowledgement, answer: Element | None) -> None:
    """Notes what the PBX answered. Raises PayloadRefused."""
    match answer:
        case None:
            raise PayloadRefused("it is empty")
        case Element(tag=failure.TAG):
            failed = Failure.from_element(answer)
            asked.outcome, asked.failure, asked.text = Outcome.FAILED, failed.code, failed.text
        case _ if asked.kind is RequestKind.OPEN:
            opened = Opened.from_element(answer)
            asked.outcome, asked.address, asked.connection = Outcome.OPENED, opened.address, opened.connection
        case _:
            asked.outcome, asked.connections = Outcome.CLOSED, Closed.from_element(answer).connections


def _told(asked: Acknowledgement) -> tuple[str, bool]:
    """What came of a request in a sentence, and whether that is good."""
    match asked.outcome:
        case Outcome.OPENED:
            return f"VPN connection of {asked.user} is open, the PBX has {asked.address}", True
        case Outcome.CLOSED:
            had = f"{asked.connections} connection" + "s" * (asked.connections != 1)
            return f"VPN is closed, it had {had}", True
        case Outcome.FAILED:
            return f"PBX fails to {asked.kind} the VPN connection: {asked.failure} ({asked.text})", False
        case _:
            return f"No acknowledgement to the request to {asked.kind} the VPN connection: {asked.text}", False

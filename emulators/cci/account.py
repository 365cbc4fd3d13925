"""A PBX as the connection service knows it: its credentials, its sessions, and what it acknowledged."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from emulators.cloudconnect.credentials import Credentials
from emulators.door.record import SessionRecord, remember
from emulators.session.ending import Ending
from emulators.xmpp.jid import Jid
from emulators.xmpp.sasl import Credential

LIMIT = 1000
"""How many requests, and how many things said unasked, are remembered of a PBX, the latest ones."""


class CredentialKind(StrEnum):
    """What a PBX logged in with."""

    ONE_TIME = "one-time credentials"
    FINAL = "final credentials"


class LifeCycle(StrEnum):
    """How far the activation of a PBX has come: until it has acknowledged the final credentials, both are good."""

    CREATED = "created"
    ACTIVATING = "activating"
    ACTIVATED = "activated"


class RequestKind(StrEnum):
    """What the PBX was asked for."""

    OPEN = "open"
    CLOSE = "close"


class Outcome(StrEnum):
    """What came of a request."""

    WAITING = "waiting"
    OPENED = "opened"
    CLOSED = "closed"
    FAILED = "failed"
    """The PBX sent a failure code."""
    UNANSWERED = "unanswered"
    """The PBX refused the request itself, did not answer in time, or its session ended before."""


@dataclass
class Acknowledgement:
    """A request about the VPN, and what the PBX answered. Times are site time in seconds."""

    number: int
    kind: RequestKind
    asked: float
    user: str = ""
    gateway: str = ""
    outcome: Outcome = Outcome.WAITING
    answered: float | None = None
    address: str = ""
    """The PBX's VPN address, once a connection is open."""
    connection: str = ""
    """The ID of the connection."""
    connections: int | None = None
    """How many connections were closed."""
    failure: str = ""
    """The failure code."""
    text: str = ""
    """The failure in words."""


@dataclass(frozen=True)
class AccountRecord:
    """Everything about a PBX that may be shown. No password is in it."""

    account: str
    final_account: str
    life_cycle: LifeCycle
    connected: bool
    refused_logins: int
    sessions: list[SessionRecord]
    acknowledgements: list[Acknowledgement]
    unasked: list[str]
    """What the PBX said about its VPN without having been asked: nothing, if it does as the manual says."""


@dataclass
class Account:
    """One PBX, by its one-time account. The final credentials are made at the first login and kept.

    Raises ValueError for an account or a password that no login can carry.
    """

    name: str
    one_time_password: str = field(repr=False)
    final: Credentials | None = None
    life_cycle: LifeCycle = LifeCycle.CREATED
    connected: bool = False
    refused_logins: int = 0
    sessions: list[SessionRecord] = field(default_factory=list)
    acknowledgements: list[Acknowledgement] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    requests: int = 0
    """How many requests there have been; the number of the latest one."""

    def __post_init__(self) -> None:
        self.name = Jid(self.name, "x", None).local or ""
        Credential(CredentialKind.ONE_TIME, self.one_time_password)

    def credentials(self, user_name: str) -> list[Credential]:
        """What it may log in with now by this user name."""
        if self.final is not None and user_name == self.final.account:
            return [Credential(CredentialKind.FINAL, self.final.password)]
        if user_name == self.name and self.life_cycle is not LifeCycle.ACTIVATED:
            return [Credential(CredentialKind.ONE_TIME, self.one_time_password)]
        return []

    def session_began(self, record: SessionRecord) -> None:
        """It has logged in. With the final credentials that counts as their acknowledgement."""
        remember(self.sessions, record)
        self.connected = True
        if record.logged_in_with == CredentialKind.FINAL:
            self.life_cycle = LifeCycle.ACTIVATED
        elif self.final is None:
            self.life_cycle = LifeCycle.ACTIVATING
            self.final = Credentials(f"oxo-{secrets.token_hex(8)}", secrets.token_urlsafe(24))

    def session_ended(self, record: SessionRecord, at: float, ending: Ending) -> None:
        """A session is over."""
        record.end(at, ending)
        if record is self.sessions[-1]:
            self.connected = False

    def ask(self, kind: RequestKind, at: float, user: str = "", gateway: str = "") -> Acknowledgement:
        """Notes a request that is about to be sent."""
        self.requests += 1
        asked = Acknowledgement(self.requests, kind, at, user, gateway)
        self.acknowledgements.append(asked)
        del self.acknowledgements[:-LIMIT]
        return asked

    def said_unasked(self, what: str) -> None:
        """Notes what it said about its VPN by itself."""
        self.unasked.append(what)
        del self.unasked[:-LIMIT]

    def record(self) -> AccountRecord:
        """What may be shown."""
        return AccountRecord(
            account=self.name,
            final_account="" if self.final is None else self.final.account,
            life_cycle=self.life_cycle,
            connected=self.connected,
            refused_logins=self.refused_logins,
            sessions=list(self.sessions),
            acknowledgements=list(self.acknowledgements),
            unasked=list(self.unasked),
        )

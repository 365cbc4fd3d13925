"""How a session ends, and what is raised when what was asked of it cannot be done any more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from websockets.exceptions import ConnectionClosed


class Party(Enum):
    """Who ended a session."""

    US = "this side"
    PEER = "the peer"
    NETWORK = "the network"


@dataclass(frozen=True)
class Ending:
    """How a session ended: who ended it, the WebSocket close code if there was one, and why in a few words."""

    by: Party
    code: int | None
    why: str

    def __str__(self) -> str:
        code = "without a close code" if self.code is None else f"with code {self.code}"
        return f"closed by {self.by.value} {code}" + (f": {self.why}" if self.why else "")

    @classmethod
    def of(cls, closed: ConnectionClosed, lost: BaseException | None, blamed: tuple[Party, str] | None) -> Ending:
        """The ending of a WebSocket that is over; `lost` is why TCP was lost.

        Who was `blamed` while the session still ran did end it, for that reason; else the closing handshake tells.
        """
        code = closed.rcvd.code if closed.rcvd else closed.sent.code if closed.sent else None
        reason = closed.rcvd.reason if closed.rcvd else ""
        if blamed is not None:
            party, why = blamed
            return cls(party, code, why or reason)
        if closed.rcvd_then_sent or (closed.rcvd and not closed.sent):
            return cls(Party.PEER, code, reason)
        if closed.sent:
            return cls(Party.US, closed.sent.code, closed.sent.reason)
        cause = closed.__cause__ or lost
        return cls(Party.NETWORK, None, str(cause) if cause else "the connection was cut")


class SessionError(Exception):
    """Something went wrong with a session.

    SessionError
    ├── SessionEnded   it is over; `ending` says how
    └── LoginRefused   the server did not accept the credentials
    """


class SessionEnded(SessionError):
    """The session is over, so what was asked of it cannot be done. `ending` says how it ended."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(str(ending))
        self.ending = ending


class LoginRefused(SessionError):
    """The server did not accept the credentials; the text is the SASL condition."""

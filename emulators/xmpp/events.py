"""What a stream tells its owner: the results of `receive`, in the order in which they happened."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.xmpp.conditions import SaslCondition, StreamCondition
from emulators.xmpp.jid import Jid
from emulators.xmpp.stanza import Stanza


@dataclass(frozen=True)
class StreamOpened:
    """The peer opened its side of the stream; comes a second time after authentication. `id` is the server's."""

    id: str | None = None


@dataclass(frozen=True)
class Authenticated:
    """Authentication succeeded. At the server, `label` says which of the user's credentials was used; else None."""

    username: str
    label: str | None = None


@dataclass(frozen=True)
class AuthenticationFailed:
    """Authentication failed; `text` says why, when anybody said so.

    At the server `username` is who tried, as far as that is known, and the peer may try again. A client closes the
    stream. It uses `aborted` when it was the one who gave up, as when the server's signature is wrong.
    """

    condition: SaslCondition
    text: str | None = None
    username: str | None = None


@dataclass(frozen=True)
class Bound:
    """The stream has its full address; stanzas may flow from here on."""

    jid: Jid


@dataclass(frozen=True)
class StanzaReceived:
    """The peer sent a stanza. At the server its sender is filled in."""

    stanza: Stanza


@dataclass(frozen=True)
class StreamClosed:
    """Both sides closed the stream in order; the WebSocket may be closed. `see_other_uri` is where to go instead."""

    see_other_uri: str | None = None


@dataclass(frozen=True)
class StreamFailed:
    """The stream ended with an error: the peer's when `from_peer`, else one that this side found."""

    condition: StreamCondition
    text: str | None = None
    from_peer: bool = False


Event = StreamOpened | Authenticated | AuthenticationFailed | Bound | StanzaReceived | StreamClosed | StreamFailed

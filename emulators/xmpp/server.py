"""The server's side of a stream (skeleton)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emulators.xmpp.conditions import StreamCondition
from emulators.xmpp.events import Event
from emulators.xmpp.jid import Jid
from emulators.xmpp.sasl import Credential, Mechanism
from emulators.xmpp.stanza import Stanza
from emulators.xmpp.stream import StreamState


class ServerStream:
    """Skeleton: signatures only."""

    state: StreamState
    jid: Jid | None

    def __init__(
        self,
        domain: str,
        credentials: Callable[[str], Sequence[Credential]],
        *,
        tls: bool,
        mechanisms: Sequence[Mechanism] = tuple(Mechanism),
        iterations: int = 4096,
    ) -> None:
        raise NotImplementedError

    def receive(self, text: str) -> list[Event]:
        raise NotImplementedError

    def send(self, stanza: Stanza) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def fail(self, condition: StreamCondition, text: str | None = None) -> None:
        raise NotImplementedError

    def outgoing(self) -> list[str]:
        raise NotImplementedError

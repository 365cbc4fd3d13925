"""The client's side of a stream (skeleton)."""

from __future__ import annotations

from collections.abc import Sequence

from emulators.xmpp.events import Event
from emulators.xmpp.jid import Jid
from emulators.xmpp.sasl import Mechanism
from emulators.xmpp.stanza import Stanza
from emulators.xmpp.stream import StreamState


class ClientStream:
    """Skeleton: signatures only."""

    state: StreamState
    jid: Jid | None

    def __init__(
        self,
        domain: str,
        username: str,
        password: str,
        *,
        resource: str | None = None,
        tls: bool,
        mechanisms: Sequence[Mechanism] = (Mechanism.SCRAM_SHA_256, Mechanism.PLAIN),
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        raise NotImplementedError

    def receive(self, text: str) -> list[Event]:
        raise NotImplementedError

    def send(self, stanza: Stanza) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def outgoing(self) -> list[str]:
        raise NotImplementedError

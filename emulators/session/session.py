"""One XMPP session over one WebSocket connection, for either side: the PBX's agent and the PCG both stand on it.

The stream itself is sans-I/O (emulators/xmpp) and the WebSocket is the library's; this is the pump between them, with
requests and their answers on top. All times are those of the running loop, in seconds.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed

from emulators.session.ending import Ending, LoginRefused, Party, SessionEnded
from emulators.session.requests import Asked, Handler, Requests
from emulators.xmpp import disco, ping
from emulators.xmpp.client import ClientStream
from emulators.xmpp.conditions import StreamCondition
from emulators.xmpp.element import Element
from emulators.xmpp.events import (
    Authenticated,
    AuthenticationFailed,
    Bound,
    Event,
    StanzaReceived,
    StreamClosed,
    StreamFailed,
)
from emulators.xmpp.jid import Jid
from emulators.xmpp.server import ServerStream
from emulators.xmpp.stanza import Condition, Iq, IqType, StanzaError
from emulators.xmpp.stream import StreamState

MESSAGE_LIMIT = 256 * 1024
"""The largest WebSocket message either side takes, in bytes. 300 devices in one page need about 80 kB."""
QUEUE_LIMIT = 16
"""How many WebSocket frames wait to be read before the peer is held back."""
CLOSE_WAIT = 5.0
"""How long to wait for the peer's `<close/>`, and then for the end of the WebSocket, in seconds [?]."""


@dataclass(frozen=True)
class KeepAlive:
    """When nothing was heard for `interval` seconds a ping is sent (XEP-0199); after `timeout` the link is dead."""

    interval: float
    timeout: float


class Session:
    """Runs a stream over a connection, from its first message to its end.

    `handlers` answer the peer's requests; ping and disco#info are answered here. Call `open` once; afterwards
    `request`, `close` and `ended` may be used from any task.
    """

    def __init__(
        self,
        connection: Connection,
        stream: ClientStream | ServerStream,
        *,
        handlers: Mapping[Asked, Handler],
        keep_alive: KeepAlive,
        identity: disco.Identity,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._connection = connection
        self._stream = stream
        self._keep_alive = keep_alive
        all_handlers: dict[Asked, Handler] = {
            (IqType.GET, disco.INFO): self._disco,
            (IqType.GET, ping.TAG): self._pong,
            **handlers,
        }
        self._info = disco.Info(identities=(identity,), features=_features(all_handlers))
        self._requests = Requests(all_handlers, self._send)
        self._pump: asyncio.Task[Ending] | None = None
        self._bound: asyncio.Future[Jid] = loop.create_future()
        self._stream_closed = asyncio.Event()
        self._outbox: deque[str] = deque()
        self._sending = asyncio.Lock()
        self._pings = itertools.count(1)
        self._pinged_at = float("-inf")
        self._blamed: tuple[Party, str] | None = None
        self._muted = False
        self.began = loop.time()
        """When the session began, in loop time: before anything was said."""
        self.last_heard = self.began
        """When the peer was last heard, in loop time."""
        self.login: Authenticated | None = None
        """Who logged in and, at the server, with which credential."""
        self.refusals: list[AuthenticationFailed] = []
        """The login attempts that failed on this session."""

    @property
    def jid(self) -> Jid | None:
        """The client's full address, once it is bound."""
        return self._bound.result() if self._bound.done() and not self._bound.cancelled() else None

    async def open(self, deadline: float) -> Jid:
        """Logs in, or at the server lets the peer log in; returns the client's address once it is bound.

        Raises LoginRefused, SessionEnded, and TimeoutError at the loop time `deadline`; the connection is gone then.
        When cancelled it drops the connection, or closes the session in order where the client is bound already.
        """
        self._pump = self._loop.create_task(self._run())
        try:
            waited: list[asyncio.Future[Any]] = [self._pump, self._bound]
            await asyncio.wait(
                waited, timeout=max(0.0, deadline - self._loop.time()), return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            if self._bound.done():
                await self.close()
            else:
                # A peer that has not come so far may not answer at all.
                self.abort("given up")
                await self._pump
            raise
        if self._bound.done():
            return self._bound.result()
        if not self._pump.done():
            self.abort("the login took too long")
            await self._pump
            raise TimeoutError("the login took too long")
        ending = self._pump.result()
        if self.refusals:
            raise LoginRefused(self.refusals[-1].condition.value)
        raise SessionEnded(ending)

    async def ended(self) -> Ending:
        """Waits for the session to end. Cancelling this leaves the session as it is."""
        assert self._pump is not None, "the session was never opened"
        return await asyncio.shield(self._pump)

    async def request(
        self, payload: Element, *, kind: IqType = IqType.GET, to: Jid | None = None, timeout: float = 30.0
    ) -> Element | None:
        """Asks the peer and returns the payload of its result.

        Raises StanzaError when the peer refuses, TimeoutError after `timeout` seconds, SessionEnded.
        """
        if self._stream.state is not StreamState.BOUND:
            party = Party.NETWORK if self._blamed is None else self._blamed[0]
            raise SessionEnded(self._over() or Ending(party, None, "it is being closed"))
        try:
            return await self._requests.ask(payload, kind, to, timeout)
        except ConnectionClosed as error:
            raise SessionEnded(await self.ended()) from error

    async def close(self, code: int = 1000, reason: str = "", error: StreamCondition | None = None) -> None:
        """Ends the session in order: `<close/>`, the peer's `<close/>`, WebSocket close with `code`, end of TCP.

        A stream error may say why. Waits at most CLOSE_WAIT seconds for the peer's part. Does nothing on a session
        that is over; one that was muted is dropped.
        """
        if self._muted:
            self.abort(reason)
        if self._pump is None or self._pump.done():
            await self._connection.close(code, reason)
            return
        self._blame(Party.US, reason)
        if error is None:
            self._stream.close()
        else:
            self._stream.fail(error, reason or None)
            self._stream_closed.set()
        try:
            async with asyncio.timeout(CLOSE_WAIT):
                await self._flush()
                await self._stream_closed.wait()
        except (TimeoutError, ConnectionClosed):
            # Whatever the peer did not do in time, the WebSocket's own closing handshake is bounded too.
            self._stream_closed.set()
        await self._connection.close(code, reason)
        await self.ended()

    def abort(self, why: str, *, reset: bool = False) -> None:
        """Drops the connection at once, without a word to the peer; with `reset` the peer sees a TCP reset."""
        self._blame(Party.US, why)
        if reset:
            sock: socket.socket = self._connection.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.transport.abort()

    def mute(self) -> None:
        """From now on neither hears nor says anything, not even a WebSocket pong, and does not notice it either."""
        self._muted = True
        self._connection.transport.pause_reading()

    async def _run(self) -> Ending:
        """Pumps until the connection is gone, and says how it ended."""
        if isinstance(self._stream, ClientStream):
            self._stream.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._flush()
                await self._read(tasks)
        except* ConnectionClosed:
            await self._connection.wait_closed()
        finally:
            self._connection.transport.abort()
        connection = self._connection
        ending = Ending.of(connection.protocol.close_exc, connection.connection_exc, self._blamed)
        self._stream_closed.set()
        self._requests.give_up(SessionEnded(ending))
        return ending

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        """Reads messages for ever; ends by ConnectionClosed, which also stops every task of the group."""
        while True:
            text = await self._connection.recv()
            self.last_heard = self._loop.time()
            if isinstance(text, bytes):
                self._blame(Party.PEER, "it sent a binary message")
                await self._connection.close(1003, "text messages only")
                continue
            # What was heard is taken first: the answer may find the connection closed already.
            for event in self._stream.receive(text):
                await self._take(event, tasks)
            await self._flush()

    async def _take(self, event: Event, tasks: asyncio.TaskGroup) -> None:
        match event:
            case Authenticated():
                self.login = event
            case AuthenticationFailed():
                self.refusals.append(event)
                if isinstance(self._stream, ClientStream):
                    self._blame(Party.US, "the login was refused")
                    tasks.create_task(self._finish(1000))
            case Bound(jid):
                self._bound.set_result(jid)
                tasks.create_task(self._supervise())
            case StanzaReceived(Iq() as iq):
                await self._requests.take(iq, tasks)
            case StreamClosed():
                self._stream_closed.set()
                if self._blamed is None:
                    self._blame(Party.PEER, "")
                    tasks.create_task(self._finish_later())
            case StreamFailed(condition, text, from_peer):
                why = f"stream error {condition.value}" + (f" ({text})" if text else "")
                self._blame(Party.PEER if from_peer else Party.US, why)
                self._stream_closed.set()
                tasks.create_task(self._finish(1000 if from_peer else 1002))

    async def _supervise(self) -> None:
        """Pings a peer that has gone quiet and gives up one that stays so."""
        interval, timeout = self._keep_alive.interval, self._keep_alive.timeout
        while not self._muted:
            quiet = self._loop.time() - self.last_heard
            if quiet >= timeout:
                self.abort(f"nothing was heard for {timeout:g} s")
                return
            if quiet >= interval and self._pinged_at < self.last_heard:
                self._pinged_at = self._loop.time()
                await self._ping()
            await asyncio.sleep(self._next_look(interval, timeout) - self._loop.time())

    def _next_look(self, interval: float, timeout: float) -> float:
        """When to see again how long the peer has been quiet, in loop time."""
        if self._pinged_at < self.last_heard:
            return self.last_heard + interval
        # The answer to the ping, which is on its way, wakes nobody; the next ping is due that long after it.
        if self._loop.time() < self._pinged_at + interval:
            return min(self.last_heard + timeout, self._pinged_at + interval)
        return self.last_heard + timeout

    async def _ping(self) -> None:
        # A peer that does not read any more holds the ping back. Its answer is of no interest: any word will do.
        try:
            async with asyncio.timeout_at(self.last_heard + self._keep_alive.timeout):
                await self._send(Iq(IqType.GET, f"p{next(self._pings)}", ping.ping(), to=self._peer()))
        except TimeoutError:
            return

    def _peer(self) -> Jid:
        """The other side's address: the server's domain, or the client's full address."""
        jid = self._bound.result()
        return Jid(None, jid.domain) if isinstance(self._stream, ClientStream) else jid

    async def _finish_later(self) -> None:
        """The peer closed the stream, so closing the WebSocket is its business too, if it does it in time."""
        await asyncio.sleep(CLOSE_WAIT)
        await self._connection.close(1000)

    async def _finish(self, code: int) -> None:
        await self._connection.close(code)

    async def _send(self, iq: Iq) -> None:
        """Sends, unless the stream is closed or being closed: nobody waits for an answer then."""
        if self._stream.state is StreamState.BOUND:
            self._stream.send(iq)
            await self._flush()

    async def _flush(self) -> None:
        self._outbox.extend(self._stream.outgoing())
        async with self._sending:
            # Whoever is cancelled in the middle leaves the rest to those who wait for their turn.
            while self._outbox:
                text = self._outbox.popleft()
                if not self._muted:
                    await self._connection.send(text)

    async def _disco(self, payload: Element) -> Element:
        if payload.get("node"):
            raise StanzaError(Condition.ITEM_NOT_FOUND, "there are no nodes here")
        return self._info.to_element()

    async def _pong(self, payload: Element) -> None:
        return None

    def _blame(self, party: Party, why: str) -> None:
        """Notes who ended the session and why; only the first word counts."""
        if self._blamed is None:
            self._blamed = party, why

    def _over(self) -> Ending | None:
        return self._pump.result() if self._pump is not None and self._pump.done() else None


def _features(handlers: Mapping[Asked, Handler]) -> tuple[str, ...]:
    """The namespaces that the handlers' payloads live in."""
    return tuple(sorted({tag[1:].partition("}")[0] for _, tag in handlers}))

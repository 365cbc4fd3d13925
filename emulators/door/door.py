"""The door of a service in the cloud: listens with TLS, takes WebSocket connections, logs PBXs in over XMPP.

Behind it stand the PCG and Cloud Connect's connection service, which say who may come in and what happens then.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import ClassVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from emulators.chronicle import About, Chronicle
from emulators.door.faults import Fault, FaultKind
from emulators.door.parameters import DoorParameters
from emulators.door.record import SessionRecord
from emulators.session.ending import Ending, Party, SessionError
from emulators.session.requests import Asked, Handler
from emulators.session.session import MESSAGE_LIMIT, QUEUE_LIMIT, KeepAlive, Session
from emulators.xmpp.conditions import StreamCondition
from emulators.xmpp.disco import Identity
from emulators.xmpp.element import Element
from emulators.xmpp.framing import SUBPROTOCOL
from emulators.xmpp.sasl import Credential
from emulators.xmpp.server import ServerStream

log = logging.getLogger(__name__)

Answer = Callable[[Session, Element], Awaitable[Element | None]]
"""Answers one kind of request in a session: takes its payload, returns the result's, or raises StanzaError."""

STOP_WAIT = 2.0
"""How long the sessions may take to end in order when the service stops, in seconds; then they are dropped."""


class Door(ABC):
    """Serves PBXs at `address`:`port` (0: a port of the kernel's choice). `start` it, and `stop` it in the end.

    `domains` are the XMPP domains that it stands for; which one a PBX means is taken from the name by which it calls,
    and is the first one when that does not tell. Each PBX has one session at a time: a new one replaces the old one.
    """

    NAME: ClassVar[str]
    """What the service is called in messages."""
    IDENTITY: ClassVar[Identity]
    """What it says it is."""
    HOST_PREFIX: ClassVar[str] = ""
    """What comes before the domain in the name by which PBXs call."""

    def __init__(
        self, address: str, port: int, domains: Sequence[str], certificate: str, parameters: DoorParameters
    ) -> None:
        """`certificate` is chain and key in PEM. Raises ValueError for one that cannot be used."""
        if not domains:
            raise ValueError(f"{self.NAME} needs at least one domain")
        self._address = address
        self._port = port
        self._domains = tuple(domains)
        self.chronicle = Chronicle()
        """What happens at the door and behind it."""
        self._parameters = parameters
        self._sessions: dict[str, Session] = {}
        self._fault: Fault | None = None
        self._tls = self._tls_context(certificate)
        self._door = self._tls_context(certificate)
        self._door.sni_callback = self._choose_certificate
        self._socket: socket.socket | None = None
        self._server: Server | None = None
        self._past_servers: list[Server] = []
        self._connections: set[ServerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._socket is not None, "the service was not started"
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def fault(self) -> Fault | None:
        """The fault that is on."""
        return self._fault

    async def start(self) -> None:
        """Listens. Raises ValueError when it cannot."""
        try:
            self._socket = socket.create_server((self._address, self._port))
        except OSError as error:
            why = f"{self._address} port {self._port}: {(error.strerror or str(error)).lower()}"
            raise ValueError(f"{self.NAME} cannot listen on {why}") from error
        self._socket.setblocking(False)
        # asyncio does this only for sockets that were made with the protocol named; accepted ones inherit it.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._listen()

    async def stop(self) -> None:
        """Stops listening and ends all sessions in order: code 1001, for at most STOP_WAIT seconds."""
        self._deafen()
        if self._socket is not None:
            self._socket.close()
        why = f"{self.NAME} stops"
        closing = [asyncio.create_task(session.close(1001, why)) for session in self._sessions.values()]
        if closing:
            _, late = await asyncio.wait(closing, timeout=STOP_WAIT)
            for task in late:
                task.cancel()
        for connection in list(self._connections):
            connection.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for server in self._past_servers:
            # A connection that is still in its handshake may take longer; it ends with the process.
            await asyncio.wait([asyncio.ensure_future(server.wait_closed())], timeout=STOP_WAIT)

    def session(self, name: str) -> Session:
        """The session of a PBX that is connected. Raises ValueError."""
        found = self._sessions.get(name)
        if found is None:
            raise ValueError(f"{name} is not connected")
        return found

    def drop(self, name: str, code: int, *, abort: bool = False) -> None:
        """Ends a PBX's session: in order with a WebSocket close code, or by a TCP reset. Raises ValueError."""
        session = self.session(name)
        if abort:
            session.abort("dropped by command", reset=True)
        else:
            Fault(FaultKind.CLOSE, code)
            self.spawn(session.close(code, "dropped by command"))

    def serve_domain(self, domain: str) -> None:
        """Stands for one more domain from now on."""
        self._domains = (*self._domains, domain)

    def use_certificate(self, certificate: str) -> None:
        """From now on new connections get this certificate: chain and key in PEM. Raises ValueError."""
        self._tls = self._tls_context(certificate)

    async def set_fault(self, fault: Fault | None) -> None:
        """Puts a fault on, in place of the one before, or takes it off. What a fault has silenced stays silent."""
        deaf = self._fault is not None and self._fault.kind is FaultKind.SILENT_TCP
        self._fault = fault
        if fault is not None and fault.kind is FaultKind.SILENT_TCP:
            self._deafen()
        elif deaf:
            await self._listen()
        if fault is not None and fault.kind is FaultKind.SILENT:
            for session in self._sessions.values():
                session.mute()

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Does something besides, so that whoever asked for it need not wait."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @abstractmethod
    def _name(self, user_name: str) -> str | None:
        """The PBX that logs in by this user name, or None when nobody knows it."""

    @abstractmethod
    def _credentials(self, user_name: str) -> list[Credential]:
        """What may be used to log in by this user name now; nothing when nobody knows it."""

    @abstractmethod
    def _login_refused(self, name: str) -> None:
        """A login of this PBX was refused."""

    @abstractmethod
    def _answers(self) -> Mapping[Asked, Answer]:
        """What answers the PBXs' requests."""

    @abstractmethod
    async def _attend(self, name: str, session: Session, record: SessionRecord) -> Ending:
        """Serves this PBX from its login to the end of the session."""

    async def _listen(self) -> None:
        """Takes connections. The listening socket itself stays open all the time, so that none is refused."""
        assert self._socket is not None
        parameters = self._parameters
        self._server = await serve(
            self._serve,
            sock=self._socket.dup(),
            ssl=self._door,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            process_request=self._admit,
            server_header=None,
            open_timeout=parameters.handshake_timeout,
            ping_interval=None,
            close_timeout=parameters.close_timeout,
            max_size=MESSAGE_LIMIT,
            max_queue=QUEUE_LIMIT,
            logger=_websockets_log(),
        )

    def _deafen(self) -> None:
        """Takes no more connections. The kernel still does, on the listening socket, as long as it is open."""
        if self._server is not None:
            self._server.close(close_connections=False)
            self._past_servers.append(self._server)
            self._server = None

    def _choose_certificate(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        tls.context = self._tls

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuses the upgrade, or lets it happen (None)."""
        name = self.NAME[0].upper() + self.NAME[1:]
        if self._fault is not None and self._fault.kind is FaultKind.REFUSE_UPGRADE and self._fault.value is not None:
            self.chronicle.note(About.UPGRADE, f"{name} refuses the upgrade with {self._fault.value}", False)
            return connection.respond(self._fault.value, f"{name} refuses the upgrade.\n")
        if len(self._connections) >= self._parameters.connections:
            self.chronicle.note(About.UPGRADE, f"{name} refuses the upgrade: too many connections", False)
            return connection.respond(503, f"{name} serves too many connections.\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        """One connection, from its upgrade to its end."""
        self._connections.add(connection)
        self.chronicle.note(About.UPGRADE, "The connection is upgraded to WebSocket", True)
        try:
            match self._fault:
                case Fault(FaultKind.SILENT_UPGRADE):
                    self.chronicle.note(About.UPGRADE, "Nothing is said after the upgrade, as was asked for", False)
                    await connection.wait_closed()
                case Fault(FaultKind.CLOSE, int() as code):
                    self.chronicle.note(About.CLOSE, f"WebSocket is closed with {code}, as was asked for", False)
                    await connection.close(code)
                case _:
                    await self._serve_session(connection)
        finally:
            self._connections.discard(connection)

    async def _serve_session(self, connection: ServerConnection) -> None:
        """Lets a PBX log in."""
        parameters = self._parameters

        def handler(answer: Answer) -> Handler:
            return lambda payload: answer(session, payload)

        session = Session(
            connection,
            ServerStream(self._domain(connection), self._valid, tls=True, mechanisms=parameters.mechanisms),
            handlers={asked: handler(answer) for asked, answer in self._answers().items()},
            keep_alive=KeepAlive(parameters.ping_interval, parameters.server_ping_timeout),
            identity=self.IDENTITY,
        )
        try:
            await session.open(asyncio.get_running_loop().time() + parameters.login_timeout)
        except (SessionError, TimeoutError) as error:
            log.info("a connection ended before its login: %s", error)
            why = str(error) or f"no login within {parameters.login_timeout:g} s"
            self.chronicle.note(About.CLOSE, f"Connection ended before a login: {why}", False)
            return
        finally:
            for refusal in session.refusals:
                name = None if refusal.username is None else self._name(refusal.username)
                who = "an unknown PBX" if name is None else "the PBX"
                self.chronicle.note(About.LOGIN, f"Login of {who} is refused: {refusal.condition.value}", False)
                if name is not None:
                    self._login_refused(name)
        await self._serve_pbx(connection, session)

    async def _serve_pbx(self, connection: ServerConnection, session: Session) -> None:
        """Serves a PBX that has logged in."""
        assert session.login is not None
        assert session.login.label is not None
        name = self._name(session.login.username)
        assert name is not None, "who is not known has not logged in"
        former = self._sessions.get(name)
        self._sessions[name] = session
        if former is not None:
            self.spawn(former.close(1000, "replaced by a new connection", StreamCondition.CONFLICT))
        record = SessionRecord(
            began=asyncio.get_running_loop().time(),
            remote=str(connection.remote_address[0]),
            logged_in_with=session.login.label,
            replaced_another=former is not None,
        )
        log.info("%s: logged in with %s", name, record.logged_in_with)
        instead = ", its former session ends" if former is not None else ""
        self.chronicle.note(About.LOGIN, f"PBX logged in with its {record.logged_in_with}{instead}", True)
        if self._fault is not None and self._fault.kind is FaultKind.SILENT:
            session.mute()
        try:
            ending = await self._attend(name, session, record)
        finally:
            if self._sessions.get(name) is session:
                del self._sessions[name]
        log.info("%s: session %s", name, ending)
        self.chronicle.note(About.CLOSE, f"Session {self._told(ending)}")

    def _told(self, ending: Ending) -> str:
        """How a session ended, for those who don't know which side they are on."""
        who = {Party.US: self.NAME, Party.PEER: "the PBX", Party.NETWORK: "the network"}[ending.by]
        code = "" if ending.code is None else f" with code {ending.code}"
        return f"closed by {who}{code}" + (f": {ending.why}" if ending.why else "")

    def _valid(self, user_name: str) -> list[Credential]:
        if self._fault is not None and self._fault.kind is FaultKind.REJECT_CREDENTIALS:
            return []
        return self._credentials(user_name)

    def _domain(self, connection: ServerConnection) -> str:
        host = "" if connection.request is None else connection.request.headers.get("Host", "")
        called = host.partition(":")[0].removeprefix(self.HOST_PREFIX).lower()
        return called if called in self._domains else self._domains[0]

    def _tls_context(self, certificate: str) -> ssl.SSLContext:
        """A server's context, TLS 1.2 or newer. Raises ValueError for a certificate that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # The ssl module takes certificate and key from a file only; this one is private and goes at once.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(certificate)
            file.flush()
            try:
                context.load_cert_chain(file.name)
            except (ssl.SSLError, OSError) as error:
                why = f"the certificate of {self.NAME} cannot be used: it must be chain and private key in PEM"
                raise ValueError(why) from error
        return context


def _websockets_log() -> logging.Logger:
    """The library's own log, as far as it is about the service: handshakes that fail are the peer's affair."""
    logger = logging.getLogger("emulators.door.websockets")
    logger.setLevel(logging.WARNING)
    logger.addFilter(_no_handshake)
    return logger


def _no_handshake(record: logging.LogRecord) -> bool:
    return record.msg != "opening handshake failed"

"""The PCG: Rainbow's access point for PBXs. Listens with TLS, logs PBXs in, and serves each of them by a Link."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import replace

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from emulators.pbxagent import devices
from emulators.pbxagent.identity import pbx_id
from emulators.rainbow.faults import Fault, FaultKind
from emulators.rainbow.link import Link
from emulators.rainbow.parameters import DEFAULTS, GatewayParameters
from emulators.rainbow.pbx import CodeKind, Pbx, SessionRecord
from emulators.session import MESSAGE_LIMIT, QUEUE_LIMIT, KeepAlive, Session, SessionError
from emulators.xmpp.conditions import StreamCondition
from emulators.xmpp.disco import Identity
from emulators.xmpp.element import Element
from emulators.xmpp.sasl import Credential
from emulators.xmpp.server import ServerStream
from emulators.xmpp.stanza import Condition, StanzaError

log = logging.getLogger(__name__)

IDENTITY = Identity("gateway", "pbx", "PCG")
STOP_WAIT = 2.0
"""How long the sessions may take to end in order when the PCG stops, in seconds; then they are dropped."""


class Gateway:
    """Serves PBXs at `address`:`port` (0: a port of the kernel's choice). `start` it, and `stop` it in the end.

    `domains` are the Rainbow domains that it stands for; which one a PBX means is taken from the name by which it
    calls, `agent.<domain>`, and is the first one when that does not tell.
    """

    def __init__(
        self,
        address: str,
        port: int,
        domains: Sequence[str],
        certificate: str,
        parameters: GatewayParameters = DEFAULTS,
    ) -> None:
        """`certificate` is chain and key in PEM. Raises ValueError for one that cannot be used."""
        if not domains:
            raise ValueError("the PCG needs at least one Rainbow domain")
        self._address = address
        self._port = port
        self._domains = tuple(domains)
        self._parameters = parameters
        self._pbxs: dict[str, Pbx] = {}
        self._links: dict[str, Link] = {}
        self._fault: Fault | None = None
        self._tls = _tls_context(certificate)
        self._door = _tls_context(certificate)
        self._door.sni_callback = self._choose_certificate
        self._socket: socket.socket | None = None
        self._server: Server | None = None
        self._past_servers: list[Server] = []
        self._connections: set[ServerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._socket is not None, "the PCG was not started"
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
            where = f"{self._address} port {self._port}"
            raise ValueError(f"the PCG cannot listen on {where}: {(error.strerror or str(error)).lower()}") from error
        self._socket.setblocking(False)
        # asyncio does this only for sockets that were made with the protocol named; accepted ones inherit it.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._listen()

    async def stop(self) -> None:
        """Stops listening and ends all sessions in order: code 1001, for at most STOP_WAIT seconds."""
        self._deafen()
        if self._socket is not None:
            self._socket.close()
        closing = [asyncio.create_task(link.session.close(1001, "the PCG stops")) for link in self._links.values()]
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

    def create(self, pbx_id: str, activation_code: str) -> Pbx:
        """Makes a PBX known. Raises ValueError for a bad PBX ID or code, or a PBX that is known already."""
        pbx = Pbx(pbx_id, self._parameters.monitored, activation_code)
        if pbx.id in self._pbxs:
            raise ValueError(f"Rainbow knows {pbx.id} already")
        self._pbxs[pbx.id] = pbx
        return pbx

    def pbx(self, pbx_id: str) -> Pbx:
        """A PBX that is known. Raises ValueError."""
        found = self._pbxs.get(_normal(pbx_id))
        if found is None:
            raise ValueError(f"Rainbow knows no PBX {pbx_id}")
        return found

    def link(self, pbx_id: str) -> Link:
        """The link of a PBX that is connected. Raises ValueError."""
        found = self._links.get(self.pbx(pbx_id).id)
        if found is None:
            raise ValueError(f"{pbx_id} is not connected")
        return found

    def reset(self, pbx_id: str, activation_code: str) -> None:
        """Begins a PBX anew: another activation code, the same PBX ID, and it is disconnected. Raises ValueError."""
        pbx = self.pbx(pbx_id)
        pbx.reset(activation_code)
        if pbx.id in self._links:
            self.spawn(self._links[pbx.id].session.close(1000, "reset in Rainbow"))

    def serve_domain(self, domain: str) -> None:
        """Stands for one more Rainbow domain from now on."""
        self._domains = (*self._domains, domain)

    def set_page_size(self, size: int) -> None:
        """From the next session on asks for that many devices at once. Raises ValueError."""
        self._parameters = replace(self._parameters, page_size=size)

    def use_certificate(self, certificate: str) -> None:
        """From now on new connections get this certificate: chain and key in PEM. Raises ValueError."""
        self._tls = _tls_context(certificate)

    async def set_fault(self, fault: Fault | None) -> None:
        """Puts a fault on, in place of the one before, or takes it off. What a fault has silenced stays silent."""
        deaf = self._fault is not None and self._fault.kind is FaultKind.SILENT_TCP
        self._fault = fault
        if fault is not None and fault.kind is FaultKind.SILENT_TCP:
            self._deafen()
        elif deaf:
            await self._listen()
        if fault is not None and fault.kind is FaultKind.SILENT:
            for link in self._links.values():
                link.session.mute()

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Does something besides, so that whoever asked for it need not wait."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self) -> None:
        """Takes connections. The listening socket itself stays open all the time, so that none is refused."""
        assert self._socket is not None
        parameters = self._parameters
        self._server = await serve(
            self._serve,
            sock=self._socket.dup(),
            ssl=self._door,
            subprotocols=[Subprotocol("xmpp")],
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
        if self._fault is not None and self._fault.kind is FaultKind.REFUSE_UPGRADE and self._fault.value is not None:
            return connection.respond(self._fault.value, "The PCG refuses the upgrade.\n")
        if len(self._connections) >= self._parameters.connections:
            return connection.respond(503, "The PCG serves too many connections.\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        """One connection, from its upgrade to its end."""
        self._connections.add(connection)
        try:
            match self._fault:
                case Fault(FaultKind.SILENT_UPGRADE):
                    await connection.wait_closed()
                case Fault(FaultKind.CLOSE, int() as code):
                    await connection.close(code)
                case _:
                    await self._serve_session(connection)
        finally:
            self._connections.discard(connection)

    async def _serve_session(self, connection: ServerConnection) -> None:
        loop = asyncio.get_running_loop()
        stream = ServerStream(
            self._domain(connection), self._credentials, tls=True, mechanisms=self._parameters.mechanisms
        )
        session = Session(
            connection,
            stream,
            handlers={devices.CHANGES_TAG: lambda payload: self._on_changes(session, payload)},
            keep_alive=KeepAlive(self._parameters.ping_interval, self._parameters.server_ping_timeout),
            identity=IDENTITY,
        )
        try:
            await session.open(loop.time() + self._parameters.login_timeout)
        except (SessionError, TimeoutError) as error:
            log.info("a connection ended before its login: %s", error)
            return
        finally:
            for refusal in session.refusals:
                self._count_refused(refusal.username)
        await self._serve_pbx(connection, session)

    async def _serve_pbx(self, connection: ServerConnection, session: Session) -> None:
        assert session.login is not None
        assert session.login.label is not None
        loop = asyncio.get_running_loop()
        pbx = self._pbxs[pbx_id(session.login.username)]
        link = Link(pbx, session, self._parameters)
        former = self._links.get(pbx.id)
        self._links[pbx.id] = link
        if former is not None:
            self.spawn(former.session.close(1000, "replaced by a new connection", StreamCondition.CONFLICT))
        record = SessionRecord(
            began=loop.time(),
            remote=str(connection.remote_address[0]),
            logged_in_with=CodeKind(session.login.label),
            replaced_another=former is not None,
        )
        pbx.session_began(record)
        log.info("%s: logged in with %s", pbx.id, record.logged_in_with)
        if self._fault is not None and self._fault.kind is FaultKind.SILENT:
            session.mute()
        try:
            ending = await link.serve()
        finally:
            if self._links.get(pbx.id) is link:
                del self._links[pbx.id]
        pbx.session_ended(record, loop.time(), ending)
        log.info("%s: session %s", pbx.id, ending)

    async def _on_changes(self, session: Session, payload: Element) -> None:
        for link in self._links.values():
            if link.session is session:
                link.take_changes(payload)
                return
        raise StanzaError(Condition.UNEXPECTED_REQUEST, "this session has been replaced")

    def _credentials(self, user_name: str) -> list[Credential]:
        if self._fault is not None and self._fault.kind is FaultKind.REJECT_CREDENTIALS:
            return []
        pbx = self._find(user_name)
        return [] if pbx is None else pbx.credentials()

    def _count_refused(self, user_name: str | None) -> None:
        pbx = None if user_name is None else self._find(user_name)
        if pbx is not None:
            pbx.refused_logins += 1

    def _find(self, user_name: str) -> Pbx | None:
        try:
            return self._pbxs.get(pbx_id(user_name))
        except ValueError:
            return None

    def _domain(self, connection: ServerConnection) -> str:
        host = "" if connection.request is None else connection.request.headers.get("Host", "")
        called = host.partition(":")[0].removeprefix("agent.").lower()
        return called if called in self._domains else self._domains[0]


def _normal(pbx: str) -> str:
    return pbx[:3].upper() + pbx[3:].lower()


def _tls_context(certificate: str) -> ssl.SSLContext:
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
            raise ValueError("the PCG's certificate cannot be used: it must be chain and private key in PEM") from error
    return context


def _websockets_log() -> logging.Logger:
    """The library's own log, as far as it is about the PCG: handshakes that fail are the peer's affair."""
    logger = logging.getLogger("emulators.rainbow.websockets")
    logger.setLevel(logging.WARNING)
    logger.addFilter(_no_handshake)
    return logger


def _no_handshake(record: logging.LogRecord) -> bool:
    return record.msg != "opening handshake failed"

"""The PBX's way out to Rainbow: DNS, TCP, web proxy, TLS and WebSocket, one layer after the other.

Nothing here comes from the machine the emulator runs on: names are asked of the DNS servers set in the PBX, the web
proxy is the one set in the PBX, and only the certification authorities that were handed in are trusted.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidProxyStatus, InvalidStatus, ProxyError
from websockets.typing import Subprotocol

from emulators.oxo.failure import Layer, LinkFailure, words
from emulators.oxo.resolver import Resolver
from emulators.oxo.settings import WebProxySettings
from emulators.session.session import MESSAGE_LIMIT, QUEUE_LIMIT
from emulators.xmpp.framing import SUBPROTOCOL


class Dialling:
    """One attempt to reach `wss://<host>:<port><path>`. `layer` says at any time how far it has come."""

    def __init__(
        self,
        host: str,
        port: int,
        path: str,
        *,
        resolver: Resolver,
        proxy: WebProxySettings | None,
        tls: ssl.SSLContext,
        user_agent: str,
        close_timeout: float,
    ) -> None:
        self.layer = Layer.DNS
        self._host = host
        self._port = port
        self._path = path
        self._resolver = resolver
        self._proxy = proxy
        self._tls = tls
        self._user_agent = user_agent
        self._close_timeout = close_timeout

    async def connect(self) -> ClientConnection:
        """Opens the WebSocket. With a web proxy nothing but the proxy is contacted. Raises LinkFailure."""
        try:
            if self._proxy is None:
                connection = await self._direct()
            else:
                connection = await self._through(self._proxy)
        except InvalidProxyStatus as error:
            status = f"{error.response.status_code} {error.response.reason_phrase}".rstrip()
            raise LinkFailure(Layer.PROXY, f"the web proxy answered CONNECT with {status}") from error
        except ProxyError as error:
            raise LinkFailure(Layer.PROXY, "the web proxy did not answer CONNECT as a web proxy does") from error
        except InvalidStatus as error:
            status = f"{error.response.status_code} {error.response.reason_phrase}".rstrip()
            raise LinkFailure(Layer.WEBSOCKET, f"{self._host} refused the upgrade with {status}") from error
        except InvalidHandshake as error:
            raise LinkFailure(Layer.WEBSOCKET, f"{self._host} did not complete the upgrade: {error}") from error
        except ssl.SSLCertVerificationError as error:
            raise LinkFailure(Layer.TLS, f"certificate of {self._host} refused: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise LinkFailure(Layer.TLS, f"{self._host} and the PBX cannot agree: {words(error)}") from error
        except (OSError, EOFError) as error:
            raise LinkFailure(self.layer, self._broken(error)) from error
        if connection.subprotocol != SUBPROTOCOL:
            await connection.close(1002, "subprotocol xmpp expected")
            raise LinkFailure(Layer.WEBSOCKET, f"{self._host} did not accept the subprotocol xmpp")
        return connection

    async def _direct(self) -> ClientConnection:
        addresses = await self._resolver.addresses(self._host)
        self.layer = Layer.TCP
        sock = await _tcp(addresses, self._port)
        return await self._open(sock=sock, proxy=None)

    async def _through(self, proxy: WebProxySettings) -> ClientConnection:
        address = (await self._resolver.addresses(proxy.host))[0]
        self.layer = Layer.PROXY
        account = f"{quote(proxy.account, safe='')}:{quote(proxy.password, safe='')}@" if proxy.account else ""
        host = f"[{address}]" if ":" in address else address
        return await self._open(proxy=f"http://{account}{host}:{proxy.port}")

    async def _open(self, **way: Any) -> ClientConnection:
        dialling = self

        class Tracked(ClientConnection):
            """Tells how far the attempt has come: it is made once TCP and proxy are through, and told when TLS is."""

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                dialling.layer = Layer.TLS
                super().__init__(*args, **kwargs)

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                dialling.layer = Layer.WEBSOCKET
                super().connection_made(transport)

        return await _ConnectOnce(
            f"wss://{self._host}:{self._port}{self._path}",
            ssl=self._tls,
            server_hostname=self._host,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            user_agent_header=self._user_agent,
            open_timeout=None,
            ping_interval=None,
            close_timeout=self._close_timeout,
            max_size=MESSAGE_LIMIT,
            max_queue=QUEUE_LIMIT,
            create_connection=Tracked,
            **way,
        )

    def _broken(self, error: OSError | EOFError) -> str:
        if self.layer is Layer.TCP:
            return f"{self._host} port {self._port} cannot be reached: {words(error)}"
        if self.layer is Layer.PROXY:
            return f"the web proxy cannot be reached: {words(error)}"
        return f"the connection to {self._host} broke: {words(error)}"


class _ConnectOnce(connect):
    """The library's `connect` without redirects: the PBX goes to the address it was set up with and nowhere else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def _tcp(addresses: list[str], port: int) -> socket.socket:
    """Connects to the first address that answers; raises the last address's OSError when none does."""
    loop = asyncio.get_running_loop()
    last = OSError("there is no address")
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await loop.sock_connect(sock, (address, port))
        except OSError as error:
            sock.close()
            last = error
        except asyncio.CancelledError:
            sock.close()
            raise
        else:
            return sock
    raise last

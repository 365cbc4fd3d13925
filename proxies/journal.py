"""What the web proxy saw of each client: evidence that the device under test has no hand in."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from mitmproxy import connection, http, tls

KEPT = 5000
"""How many entries are kept; the oldest go first."""


@dataclass(frozen=True)
class Moment:
    """When something happened: `site` in seconds of site time, `wall` in seconds since 1970 on the machine's clock."""

    site: float
    wall: float


@dataclass
class ConnectionSeen:
    """One request to the proxy, or a connection on which none came; what is not known yet is None.

    `target` is host:port as the client asked for it, `status` what the proxy answered. `up` (from the client) and
    `down` are bytes: of the tunnel when TLS passes through, of WebSocket messages when it is inspected.
    `account` is the one that authenticated. `reason` says why the connection ended.
    """

    number: int
    client: str
    opened: Moment
    method: str | None = None
    target: str | None = None
    account: str | None = None
    status: int | None = None
    answered: Moment | None = None
    ended: Moment | None = None
    reason: str | None = None
    up: int = 0
    down: int = 0


class Journal:
    """Addon that keeps a `ConnectionSeen` for every request that a client made to the proxy."""

    def __init__(self) -> None:
        self._seen: deque[ConnectionSeen] = deque(maxlen=KEPT)
        self._open: dict[str, ConnectionSeen] = {}
        self._count = 0

    @property
    def live(self) -> list[ConnectionSeen]:
        """The connections that are open now."""
        return list(self._open.values())

    def since(self, number: int) -> list[ConnectionSeen]:
        """The entries with a number above `number`, oldest first."""
        return [each for each in self._seen if each.number > number]

    def explain(self, client: str, reason: str) -> None:
        """Says why the connection of `client`, mitmproxy's id of it, is about to end; the first reason stands."""
        seen = self._open.get(client)
        if seen is not None and seen.reason is None:
            seen.reason = reason

    def count(self, client: str, from_client: bool, size: int) -> None:
        """Adds `size` bytes to what the connection of `client` carried."""
        if seen := self._open.get(client):
            if from_client:
                seen.up += size
            else:
                seen.down += size

    def client_connected(self, client: connection.Client) -> None:
        """A client's TCP connection is there."""
        self._begin(client)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """A client asks for a tunnel; after a 407 perhaps once more on the same connection."""
        self._request(flow)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """A client asks for a page without a tunnel. What is asked inside a tunnel is in the flow file only."""
        if not self._in_tunnel(flow):
            self._request(flow)

    def http_connected(self, flow: http.HTTPFlow) -> None:
        """The tunnel is open."""
        self._answer(flow)

    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        """The tunnel was refused."""
        self._answer(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        """A page was answered."""
        if not self._in_tunnel(flow):
            self._answer(flow)

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        """A WebSocket message passed in an intercepted tunnel."""
        if flow.websocket is not None:
            message = flow.websocket.messages[-1]
            self.count(flow.client_conn.id, message.from_client, len(message.content))

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """The client broke off the handshake with the intercepting proxy."""
        self.explain(data.conn.id, f"the TLS handshake with the client failed: {data.conn.error}")

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """A WebSocket ended in an intercepted tunnel, and the tunnel with it."""
        if flow.websocket is not None:
            who = "client" if flow.websocket.closed_by_client else "server"
            self.explain(flow.client_conn.id, f"WebSocket closed by the {who} with {flow.websocket.close_code}")

    def client_disconnected(self, client: connection.Client) -> None:
        """A client's TCP connection ended."""
        if seen := self._open.pop(client.id, None):
            seen.ended = _now()
            if seen.reason is None:
                seen.reason = "closed" if seen.status else "closed before an answer"

    def _begin(self, client: connection.Client) -> ConnectionSeen:
        self._count += 1
        seen = ConnectionSeen(self._count, _address(client.peername), _now())
        self._seen.append(seen)
        self._open[client.id] = seen
        return seen

    def _in_tunnel(self, flow: http.HTTPFlow) -> bool:
        seen = self._open.get(flow.client_conn.id)
        return seen is not None and seen.method == "CONNECT" and seen.status == 200

    def _request(self, flow: http.HTTPFlow) -> None:
        seen = self._open.get(flow.client_conn.id)
        if seen is None or seen.target is not None:
            if seen is not None:
                seen.ended, seen.reason = _now(), "the client asked again"
            seen = self._begin(flow.client_conn)
        seen.method = flow.request.method
        seen.target = f"{flow.request.host}:{flow.request.port}"

    def _answer(self, flow: http.HTTPFlow) -> None:
        seen = self._open.get(flow.client_conn.id)
        if seen is not None and flow.response is not None:
            seen.status = flow.response.status_code
            seen.answered = _now()
            seen.account = flow.metadata.get("account")


def _now() -> Moment:
    return Moment(asyncio.get_running_loop().time(), time.time())


def _address(peername: Sequence[object]) -> str:
    return f"{peername[0]}:{peername[1]}"

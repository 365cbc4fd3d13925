"""The flow file: what passed through the proxy, to be opened with `mitmweb -r FILE`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

from mitmproxy import connection, ctx, flow, http, tcp, tls
from mitmproxy.io import FlowWriter

from proxies.marks import Links, Mark


class FlowFile:
    """Addon that writes each flow when it is over, and says in the flow's comment and by its mark what it is.

    CONNECT is a flow of its own, written when it is answered; mitmproxy's own saving leaves it out. A record is written
    and flushed as a whole, so a kill can truncate the last one at worst. `flush` adds the flows that are still open;
    they are overwritten by what comes next, since a flow must be in the file once only.

    `links` tells whose server a WebSocket goes to. `added` is told of a flow that mitmproxy itself has none for: a TLS
    handshake that failed.
    """

    def __init__(self, path: str, links: Links, added: Callable[[flow.Flow], None] = lambda _: None) -> None:
        self._path = path
        self._links = links
        self._added = added
        self._file: BinaryIO | None = None
        self._open: dict[str, http.HTTPFlow | tcp.TCPFlow] = {}
        self._over = 0
        self._settled = 0

    def open(self) -> None:
        """Creates the file, readable by its owner only. Raises OSError when it can't."""
        self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b")

    def flush(self) -> int:
        """Writes the flows that are still open behind those that are over; how many flows the file then has."""
        if self._file is not None:
            self._rewind(self._file)
            for each in self._open.values():
                FlowWriter(self._file).add(each)
            self._file.flush()
        return self._over + len(self._open)

    def done(self) -> None:
        """The proxy ends: open flows are written as they are."""
        for each in list(self._open.values()):
            _say(each, "still open when the proxy stopped")
            self._write(each)
        if self._file is not None:
            self._file.close()
            self._file = None

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """A client asks for a tunnel."""
        self._open[flow.id] = flow

    def http_connected(self, flow: http.HTTPFlow) -> None:
        """The tunnel is open."""
        what = "tunnel (TLS intercepted)" if ctx.options.tls_interception else "tunnel (TLS passed through)"
        _say(flow, what, Mark.TUNNEL)
        self._write(flow)

    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        """The tunnel was refused."""
        if flow.response is not None:
            what = {407: "CONNECT without the right account", 502: "CONNECT failed"}
            status = flow.response.status_code
            _say(flow, f"{what.get(status, 'CONNECT refused')} {status}", Mark.refusal(status))
        self._write(flow)

    def client_disconnected(self, client: connection.Client) -> None:
        """A client is gone, perhaps before its CONNECT was answered."""
        for each in [each for each in self._open.values() if each.client_conn.id == client.id]:
            if isinstance(each, http.HTTPFlow) and each.request.method == "CONNECT":
                each.error = each.error or flow.Error("The client gave up.")
                _say(each, "CONNECT not answered", Mark.UNANSWERED)
                self._write(each)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """A client asks for something, inside an intercepted tunnel or without one."""
        self._open[flow.id] = flow

    def response(self, flow: http.HTTPFlow) -> None:
        """It was answered; a WebSocket goes on."""
        if flow.websocket is None:
            self._write(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """It failed."""
        flow.marked = flow.marked or Mark.FAILED.value
        self._write(flow)

    def websocket_start(self, flow: http.HTTPFlow) -> None:
        """A WebSocket is open."""
        subprotocol = flow.response.headers.get("Sec-WebSocket-Protocol", "none") if flow.response else "none"
        scheme = "WSS" if flow.request.scheme == "https" else "WS"
        what = f"{scheme} to {flow.request.host}:{flow.request.port}, subprotocol {subprotocol}"
        _say(flow, what, self._links.mark(flow.request.host))

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """A WebSocket ended."""
        if flow.websocket is not None:
            who = "client" if flow.websocket.closed_by_client else "server"
            _say(flow, f"closed by the {who} with {flow.websocket.close_code}")
        self._write(flow)

    def tcp_start(self, flow: tcp.TCPFlow) -> None:
        """Something other than HTTP is inside an intercepted tunnel."""
        self._open[flow.id] = flow

    def tcp_end(self, flow: tcp.TCPFlow) -> None:
        """It ended."""
        _say(flow, "not HTTP")
        self._write(flow)

    def tcp_error(self, flow: tcp.TCPFlow) -> None:
        """It failed."""
        self.tcp_end(flow)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """The client broke off TLS with the intercepting proxy, as it does when it doesn't trust the proxy's CA."""
        self._write_failure(data, "TLS refused by the client")

    def tls_failed_server(self, data: tls.TlsData) -> None:
        """TLS with the server failed."""
        self._write_failure(data, "TLS with the server failed")

    def _write_failure(self, data: tls.TlsData, what: str) -> None:
        failure = tcp.TCPFlow(data.context.client, data.context.server)
        failure.error = flow.Error(str(data.conn.error))
        _say(failure, f"{what}: {data.conn.error}", Mark.TLS_FAILED)
        self._append(failure)
        self._added(failure)

    def _write(self, each: http.HTTPFlow | tcp.TCPFlow) -> None:
        if self._open.pop(each.id, None) is not None:
            self._append(each)

    def _append(self, each: http.HTTPFlow | tcp.TCPFlow) -> None:
        if self._file is not None:
            self._rewind(self._file)
            FlowWriter(self._file).add(each)
            self._file.flush()
            self._settled = self._file.tell()
            self._over += 1

    def _rewind(self, file: BinaryIO) -> None:
        if file.tell() != self._settled:
            file.seek(self._settled)
            file.truncate()


def _say(each: http.HTTPFlow | tcp.TCPFlow, what: str, mark: Mark | None = None) -> None:
    each.comment = f"{each.comment}, {what}" if each.comment else what
    if mark is not None:
        each.marked = mark.value

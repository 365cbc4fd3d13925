"""The bench's end of a node's control socket."""

from __future__ import annotations

import json
import select
import socket
import time
from typing import Any

from node.control import LINE_LIMIT, Refusal

TAKES_WITHIN = 10.0
"""Seconds within which a node must have taken a request that does not fit into the socket's buffer."""


class NodeError(Exception):
    """A node could not do its part. The fault is the bench's, not the device's.

    NodeError
    ├── NodeGone         its process ended
    ├── NodeSilent       it did not answer in time
    ├── NodeCannotStart  it said why it cannot start
    └── NodeBroken       a command raised an error that nobody foresaw
    """


class NodeGone(NodeError):
    """The node's process ended: its end of the control socket is closed."""


class NodeSilent(NodeError):
    """The node did not answer in time."""


class NodeCannotStart(NodeError):
    """The node said why it cannot start."""


class NodeBroken(NodeError):
    """A command of the node raised an error that nobody foresaw."""


class Remote:
    """Asks one node over its control socket and waits for the answer."""

    def __init__(self, name: str, sock: socket.socket) -> None:
        self.name = name
        self._sock = sock
        # A node that no longer reads must not hold the bench up for ever.
        sock.settimeout(TAKES_WITHIN)
        self._buffer = b""
        self._asked = 0
        self._events: list[dict[str, Any]] = []

    def fileno(self) -> int:
        """The socket, for select: readable when the node has said something."""
        return self._sock.fileno()

    def hang_up(self, within: float = 1.5) -> None:
        """Tells the node to stop and waits until its process has closed the socket; NodeSilent when it doesn't."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise NodeGone(f"node {self.name} is gone") from error
        deadline = time.monotonic() + within
        try:
            while self._line(deadline) is not None:
                pass
        except NodeGone:
            return
        raise NodeSilent(f"node {self.name} did not stop within {within:g} s")

    def close(self) -> None:
        """Closes the socket; the node's process takes that as the order to stop."""
        self._sock.close()

    def ask(self, method: str, /, within: float = 10.0, **params: Any) -> Any:
        """Runs a command on the node and returns its result; waits at most `within` seconds of real time.

        Raises Refusal when the node refuses, NodeError when it cannot answer.
        """
        number = self.send(method, **params)
        return self.receive(number, within)

    def send(self, method: str, /, **params: Any) -> int:
        """Sends a request without waiting; the answer is fetched with `receive`.

        Raises ValueError when it is longer than a node accepts.
        """
        self._asked += 1
        line = json.dumps({"id": self._asked, "method": method, "params": params}).encode() + b"\n"
        if len(line) > LINE_LIMIT:
            raise ValueError(f"a request of {len(line)} bytes is too long for node {self.name} (at most {LINE_LIMIT})")
        try:
            self._sock.sendall(line)
        except TimeoutError as error:
            raise NodeSilent(f"node {self.name} does not take what it is asked ({method!r})") from error
        except OSError as error:
            raise NodeGone(f"node {self.name} is gone (while asked for {method!r})") from error
        return self._asked

    def receive(self, number: int, within: float = 10.0) -> Any:
        """Waits for the answer to request `number`."""
        deadline = time.monotonic() + within
        while True:
            message = self._line(deadline)
            if message is None:
                raise NodeSilent(f"node {self.name} did not answer within {within:g} s")
            if "event" in message:
                self._events.append(message)
            elif message["id"] == number:
                return self._result(message)

    def wait_until_ready(self, within: float = 20.0) -> None:
        """Waits until the node can serve. Raises NodeError when it can't, or does not say so in time."""
        said = self.event({"ready", "failed"}, within)
        if said["event"] == "failed":
            raise NodeCannotStart(f"node {self.name} cannot start: {said['reason']}")

    def event(self, names: set[str], within: float = 10.0) -> dict[str, Any]:
        """Waits for the node to say one of `names` unasked, and returns what it said. What it said before, counts."""
        deadline = time.monotonic() + within
        while True:
            for index, event in enumerate(self._events):
                if event["event"] in names:
                    return self._events.pop(index)
            message = self._line(deadline)
            if message is None:
                raise NodeSilent(f"node {self.name} did not say {' or '.join(names)} within {within:g} s")
            if "event" in message:
                self._events.append(message)

    def _result(self, message: dict[str, Any]) -> Any:
        if "refused" in message:
            raise Refusal(message["refused"])
        if "broken" in message:
            raise NodeBroken(f"node {self.name} broke:\n{message['broken']}")
        return message["result"]

    def _line(self, deadline: float) -> dict[str, Any] | None:
        while b"\n" not in self._buffer:
            if len(self._buffer) > LINE_LIMIT:
                raise NodeBroken(f"node {self.name} sent a line of more than {LINE_LIMIT} bytes")
            ready, _, _ = select.select([self._sock], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            try:
                data = self._sock.recv(65536)
            except OSError:
                data = b""
            if not data:
                raise NodeGone(f"node {self.name} is gone")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            message = json.loads(line)
        except ValueError as error:
            raise NodeBroken(f"node {self.name} said something that is no JSON") from error
        if not isinstance(message, dict):
            raise NodeBroken(f"node {self.name} said something that is no JSON object")
        return message

"""The control socket of a node: how the bench steers a node process without using the network under test.

One JSON object a line, in both directions. The bench asks `{"id": 1, "method": "policy", "params": {...}}`; the node
answers `{"id": 1, "result": ...}` or `{"id": 1, "refused": "one sentence"}`. A node may also say something unasked:
`{"event": "ready"}`. The socket is one end of a pair that the bench made, so nobody else can reach it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import inspect
import json
import logging
import socket
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

LINE_LIMIT = 4 * 1024 * 1024
"""The longest line either side accepts, in bytes. A catalogue of 300 users needs about 200 kB."""

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])


class Refusal(ValueError):
    """A node understood what it was asked and refuses. The text is one sentence for the person who asked."""


def command(method: F) -> F:
    """Marks a method, plain or async, as one that the control socket may call."""
    method.__is_command__ = True  # type: ignore[attr-defined]
    return method


class Control:
    """Serves one control socket: finds a command, runs it, answers.

    Commands are methods marked `@command` of any object. They are run one after the other. What a command returns
    must be made of JSON's types, dataclasses and enums. A `ValueError`, `Refusal` included, becomes the answer
    `refused`; any other error becomes the answer `broken`, with its traceback, since it is a defect of the bench.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> asyncio.StreamReader:
        """Takes the socket into the running loop; from here on `event` may be used."""
        reader, self._writer = await asyncio.open_connection(sock=self._sock, limit=LINE_LIMIT)
        return reader

    async def serve(self, reader: asyncio.StreamReader, *targets: object) -> None:
        """Answers requests with the commands of these objects, until the bench closes its end.

        Raises ValueError for a line that is too long or is no request: the bench sends none.
        """
        while line := await _line(reader):
            self._write(await _answer(targets, *_request(line)))

    def close(self) -> None:
        """Closes the socket. One whose process ends need not be closed."""
        if self._writer is not None:
            self._writer.close()

    def event(self, name: str, **details: Any) -> None:
        """Says something unasked."""
        self._write(_encode({"event": name, **details}))

    def _write(self, line: bytes) -> None:
        if self._writer is not None:
            self._writer.write(line)


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ConnectionError:
        # The bench closed its end with something unread in it, which is an end all the same.
        return b""


def _request(line: bytes) -> tuple[int, str, dict[str, Any]]:
    """A request's number, method and parameters."""
    try:
        request = json.loads(line)
    except RecursionError:
        request = None
    match request:
        case {"id": int(number), "method": str(method), **rest}:
            params = rest.get("params", {})
            if isinstance(params, dict):
                return number, method, params
    raise ValueError("a line on the control socket is no request")


async def _answer(targets: tuple[object, ...], number: int, name: str, params: dict[str, Any]) -> bytes:
    for target in targets:
        method = getattr(target, name, None)
        if callable(method) and getattr(method, "__is_command__", False):
            break
    else:
        return _encode({"id": number, "refused": f"there is no command {name!r} here"})
    try:
        result = method(**params)
        if inspect.isawaitable(result):
            result = await result
        line = _encode({"id": number, "result": result})
    except ValueError as error:
        return _encode({"id": number, "refused": str(error)})
    except Exception:
        # A node serves on after a defect in one command, and the bench is told of it.
        logger.exception("the command %s broke", name)
        return _encode({"id": number, "broken": traceback.format_exc()})
    if len(line) > LINE_LIMIT:
        # The bench could read nothing after it.
        return _encode({"id": number, "broken": f"the answer to {name} has {len(line)} bytes (at most {LINE_LIMIT})"})
    return line


def _encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, default=plain).encode() + b"\n"


def plain(value: object) -> object:
    """What JSON has no type for, in its types: dataclasses, enums, sets and tuples. For `json.dumps(default=plain)`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be sent over a control socket")

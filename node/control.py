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
import socket
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

LINE_LIMIT = 4 * 1024 * 1024
"""The longest line either side accepts, in bytes. A catalogue of 300 users needs about 200 kB."""

F = TypeVar("F", bound=Callable[..., Any])


class Refusal(ValueError):
    """A node understood what it was asked and refuses. The text is one sentence for the person who asked."""


def command(method: F) -> F:
    """Marks a method, plain or async, as one that the control socket may call."""
    method.__is_command__ = True  # type: ignore[attr-defined]
    return method


class Control:
    """Serves one control socket: finds the command on one of the targets, runs it, answers.

    A target is any object with methods marked `@command`. Commands are run one after the other. What a command
    returns must be made of JSON's types, dataclasses and enums. A `ValueError`, `Refusal` included, becomes the answer `refused`;
    any other error becomes the answer `broken`, with its traceback, since it is a defect of the bench.
    """

    def __init__(self, sock: socket.socket, *targets: object) -> None:
        self._sock = sock
        self._targets = targets
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> asyncio.StreamReader:
        """Takes the socket into the running loop; from here on `event` may be used."""
        reader, self._writer = await asyncio.open_connection(sock=self._sock, limit=LINE_LIMIT)
        return reader

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Answers requests until the bench closes its end."""
        while line := await reader.readline():
            request = json.loads(line)
            answer = await self._answer(request["method"], request.get("params", {}))
            self._send({"id": request["id"], **answer})

    def event(self, name: str, **details: Any) -> None:
        """Says something unasked."""
        self._send({"event": name, **details})

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(message, default=_plain).encode() + b"\n")

    async def _answer(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        for target in self._targets:
            method = getattr(target, name, None)
            if getattr(method, "__is_command__", False):
                break
        else:
            return {"refused": f"there is no command {name!r} here"}
        try:
            result = method(**params)
            if inspect.isawaitable(result):
                result = await result
        except ValueError as error:
            return {"refused": str(error)}
        except Exception:
            return {"broken": traceback.format_exc()}
        return {"result": result}


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be sent over a control socket")

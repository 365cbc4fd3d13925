"""The entry point of every node process: makes the role's program, serves its control socket, stops in order."""

from __future__ import annotations

import asyncio
import importlib
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from node.clock import ClockLoop
from node.control import Control, command

logger = logging.getLogger(__name__)


class Program(Protocol):
    """What a role must be: made from its settings, started, steered by its `@command` methods, stopped."""

    async def start(self) -> None:
        """Brings the role up; returns when it can serve."""

    async def stop(self) -> None:
        """Ends the role in order."""


@dataclass(frozen=True)
class ProgramSpec:
    """Which program a node runs: `factory` is `module:callable`, called with `settings` as its keyword arguments.

    The settings must be made of JSON's types. They may hold secrets: they travel over the control socket, never on a
    command line.
    """

    factory: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Program:
        """Imports the factory and calls it."""
        module, _, name = self.factory.partition(":")
        program: Program = getattr(importlib.import_module(module), name)(**self.settings)
        return program


class ClockCommands:
    """The commands with which the bench moves a node's clock."""

    def __init__(self, loop: ClockLoop) -> None:
        self._loop = loop

    @command
    def clock_next(self) -> float | None:
        """The site time of the next timer in seconds, or None."""
        return self._loop.next_timer()

    @command
    def clock_jump(self, offset: float) -> None:
        """Moves the clock to `offset` seconds ahead of the machine's."""
        self._loop.jump(offset)


def run(spec: ProgramSpec, sock: socket.socket, offset: float = 0.0) -> None:
    """Runs a program until the bench closes the other end of `sock`; `offset` is where site time stands, in seconds.

    Says the event `ready` when it can serve, or `failed` with a reason when it can't.
    """
    loop = ClockLoop()
    asyncio.set_event_loop(loop)
    loop.jump(offset)
    try:
        loop.run_until_complete(_serve(spec, sock, loop))
    finally:
        loop.close()


async def _serve(spec: ProgramSpec, sock: socket.socket, loop: ClockLoop) -> None:
    sock.setblocking(False)
    clock = ClockCommands(loop)
    control = Control(sock)
    reader = await control.open()
    try:
        program = spec.make()
        await program.start()
    except (OSError, ValueError) as error:
        reason = str(error)
    except Exception as error:
        # A program that does not exist, or is wrong in itself: the node's log shows where.
        logger.exception("the program %s cannot start", spec.factory)
        reason = f"{spec.factory}: {type(error).__name__}: {error}"
    else:
        control.event("ready")
        await control.serve(reader, program, clock)
        await program.stop()
        return
    control.event("failed", reason=reason)
    await control.serve(reader, clock)

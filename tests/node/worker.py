"""A node program with one command of each kind, for the tests of the control socket."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass
from typing import Any

from node.control import Refusal, command


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Thing:
    name: str
    colours: tuple[Colour, ...]
    parts: frozenset[int]


class Worker:
    """A program with one command of each kind."""

    def __init__(self, greeting: str = "hello") -> None:
        self._greeting = greeting

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        if self._greeting == "stubborn":
            raise RuntimeError("it does not want to stop")

    @command
    def greet(self, name: str) -> str:
        return f"{self._greeting} {name}"

    @command
    async def greet_later(self, name: str) -> str:
        await asyncio.sleep(0)
        return f"{self._greeting} later {name}"

    @command
    def thing(self) -> list[Thing]:
        return [Thing("one", (Colour.RED,), frozenset({1}))]

    @command
    def echo(self, value: Any) -> Any:
        return value

    @command
    def repeat(self, text: str, times: int) -> str:
        return text * times

    @command
    def refuse(self) -> None:
        raise Refusal("not today")

    @command
    def fail(self) -> None:
        raise ZeroDivisionError("on purpose")

    @command
    def unsayable(self) -> object:
        return object()

    def no_command(self) -> str:
        return "secret"


class Broken:
    """A program that fails when it is `made` or `started`, or by any other defect."""

    def __init__(self, when: str) -> None:
        self._when = when
        if when == "made":
            raise ValueError("it cannot be made")

    async def start(self) -> None:
        if self._when == "started":
            raise OSError("it cannot start")
        raise KeyError(self._when)

    async def stop(self) -> None:
        raise AssertionError("what never started is not stopped")

"""The web page of the manual bench: its files, its events and the verbs that it operates the bench by."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, NoReturn, Protocol

from aiohttp import web

from bench.manual.events import EventStream, Source
from bench.manual.guard import add_headers, guard
from network.fabric import FabricError
from node.control import plain
from node.remote import NodeError

BODY_LIMIT = 256 * 1024
"""The longest body of a request, in bytes."""
STREAMS = 32
"""How many pages may be open at once."""

_PAGE = Path(__file__).parent / "page"
_NUMBER = re.compile(r"[0-9]{1,15}")


class Desk(Source, Protocol):
    """The manual bench as the page shows and operates it."""

    async def call(self, verb: str, parameters: dict[str, Any]) -> object:
        """Carries one verb out; the result is made of JSON's types, dataclasses and enums.

        Raises ValueError, Refusal included, for what cannot be done as it was asked; NodeError or FabricError when a
        part of the bench broke.
        """


def make_app(desk: Desk, token: str, port: int) -> web.Application:
    """The application, to be served on loopback at `port` without a log of accesses: the token stands in one."""
    app = web.Application(middlewares=[guard(token, port)], client_max_size=BODY_LIMIT)
    pages = _Pages(desk)
    app.router.add_get("/", _index)
    app.router.add_static("/assets", _PAGE / "assets")
    app.router.add_get("/events", pages.events)
    app.router.add_post("/api/{verb:[a-z_]+}", pages.verb)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(pages.shut_down)
    return app


async def _index(request: web.Request) -> web.FileResponse:
    return web.FileResponse(_PAGE / "index.html")


class _Pages:
    """The pages that are open: what they ask for and what they are told."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._streams: set[asyncio.Task[None]] = set()

    async def verb(self, request: web.Request) -> web.Response:
        """One verb with its parameters: 200 with the result, 409 when it is refused, 502 when something broke."""
        parameters = await _parameters(request)
        try:
            result = await self._desk.call(request.match_info["verb"], parameters)
        except ValueError as refusal:
            return web.json_response({"refused": str(refusal)}, status=409)
        except (NodeError, FabricError) as error:
            return web.json_response({"broken": _sentence(error)}, status=502)
        return web.json_response(text=json.dumps({"result": result}, default=plain))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events, from after the last one that the page has had: `Last-Event-ID`, or `since`."""
        last = request.headers.get("Last-Event-ID", request.query.get("since", "0"))
        if not _NUMBER.fullmatch(last):
            raise web.HTTPBadRequest(text="The number of the last event must be a number.")
        if len(self._streams) >= STREAMS:
            raise web.HTTPServiceUnavailable(text=f"{STREAMS} pages are open; close one of them first.")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        stream = asyncio.create_task(EventStream(self._desk, response.write, int(last)).run())
        self._streams.add(stream)
        try:
            await asyncio.wait({stream})
        finally:
            self._streams.discard(stream)
            stream.cancel()
        self._ended(request, stream)
        return response

    def _ended(self, request: web.Request, stream: asyncio.Task[None]) -> None:
        """A stream ends with its page, with one that does not read, or with the server; anything else is a defect."""
        if stream.cancelled():
            return
        error = stream.exception()
        if isinstance(error, TimeoutError) and request.transport is not None:
            request.transport.abort()
        elif error is not None and not isinstance(error, ConnectionError):
            raise error

    async def shut_down(self, app: web.Application) -> None:
        """Ends all streams: a server that waits for its requests to end would wait for ever."""
        for stream in self._streams:
            stream.cancel()


async def _parameters(request: web.Request) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Parameters are sent as application/json.")
    try:
        parameters = json.loads(await request.read() or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest(text="The parameters are no JSON.") from None
    if not isinstance(parameters, dict):
        raise web.HTTPBadRequest(text="The parameters are no JSON object.")
    return parameters


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _sentence(error: Exception) -> str:
    """An error in one line: a node that broke gives its whole traceback, whose last line says what happened."""
    first, *others = str(error).strip().splitlines() or [type(error).__name__]
    return f"{first} {others[-1].strip()}" if others else first

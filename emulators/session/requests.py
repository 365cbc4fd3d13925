"""Requests and their answers within one session, both ways (RFC 6120, 8.2.3)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping

from emulators.xmpp.element import Element
from emulators.xmpp.jid import Jid
from emulators.xmpp.stanza import Condition, Iq, IqType, StanzaError

REQUEST_LIMIT = 32
"""How many of the peer's requests are worked on at once; more are refused."""

Asked = tuple[IqType, str]
"""What is asked: whether to get or to set something, and what, by the tag of the payload."""

Handler = Callable[[Element], Awaitable[Element | None]]
"""Answers one kind of request: takes its payload, returns the result's, or raises StanzaError."""


class Requests:
    """What the peer was asked and has not answered, and what it asks and is being worked on.

    `handlers` answer the peer's requests; `send` puts a stanza on its way.
    """

    def __init__(self, handlers: Mapping[Asked, Handler], send: Callable[[Iq], Awaitable[None]]) -> None:
        self._handlers = handlers
        self._send = send
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Iq]] = {}
        self._working: set[asyncio.Task[None]] = set()

    async def ask(self, payload: Element, kind: IqType, to: Jid | None, timeout: float) -> Element | None:
        """Asks the peer and returns the payload of its result.

        Raises StanzaError when the peer refuses, TimeoutError after `timeout` seconds, and what `give_up` was given.
        """
        number = f"r{next(self._ids)}"
        answer: asyncio.Future[Iq] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(timeout):
                await self._send(Iq(kind, number, payload, to=to))
                iq = await answer
        finally:
            del self._waiting[number]
        if iq.type is IqType.ERROR:
            raise iq.error or StanzaError(Condition.UNDEFINED_CONDITION)
        return iq.payload

    async def take(self, iq: Iq, tasks: asyncio.TaskGroup) -> None:
        """Takes a stanza of the peer: an answer, or a request, which is worked on in one of the `tasks`."""
        if iq.type in (IqType.RESULT, IqType.ERROR):
            answer = self._waiting.get(iq.id)
            if answer is not None and not answer.done():
                answer.set_result(iq)
            return
        if len(self._working) >= REQUEST_LIMIT:
            await self._send(iq.refuse(StanzaError(Condition.RESOURCE_CONSTRAINT, "too many requests at once")))
            return
        task = tasks.create_task(self._answer(iq))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    def give_up(self, why: Exception) -> None:
        """Nothing will be answered any more: whoever waits for an answer gets `why`."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(why)

    async def _answer(self, iq: Iq) -> None:
        try:
            result = await self._result(iq)
        except StanzaError as error:
            await self._send(iq.refuse(error))
        else:
            await self._send(iq.result(result))

    async def _result(self, iq: Iq) -> Element | None:
        """What a request is answered with. Raises StanzaError."""
        assert iq.payload is not None, "a request has a payload"
        tag = iq.payload.tag
        handler = self._handlers.get((iq.type, tag))
        if handler is not None:
            return await handler(iq.payload)
        if any(tag == known for _, known in self._handlers):
            raise StanzaError(Condition.BAD_REQUEST, f"this is nothing to {iq.type}")
        raise StanzaError(Condition.SERVICE_UNAVAILABLE)

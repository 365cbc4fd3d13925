"""The desk of the manual bench: what page and commands work with, on top of the one thread that works on the site."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.dut import Unfit
from bench.manual.failure import LastFailure
from bench.manual.installation import Installation
from bench.manual.journal import Journal, bench_says
from bench.manual.look import Look
from bench.manual.manual import ManualBench
from bench.manual.sentences import sentence
from bench.manual.snapshot import Snapshot
from bench.manual.timeline import TimeLine
from bench.manual.upstart import Running
from bench.manual.verbs import call
from network.fabric import FabricError
from network.plan import Role
from node.control import Refusal, command
from node.remote import NodeError

LOOK_EVERY = 0.3
"""Seconds between two looks at the site."""


class Desk:
    """Runs verbs and looks on one thread, keeps the latest snapshot and the journal, tells whoever subscribed.

    Everything public is called in the event loop; it belongs to that loop.
    """

    def __init__(
        self,
        thread: ThreadPoolExecutor,
        installation: Installation,
        fabric: str,
        mitmweb: str | None,
        over: Callable[[], bool],
    ) -> None:
        """`over` says, on any thread, whether the bench is to end: then no more time is let pass."""
        self._thread = thread
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._installation = installation
        bench = installation.bench
        self.journal = Journal()
        self._timeline = TimeLine(bench.site, bench.time, self.journal)
        self._timeline.watch(Role.PCG, lambda bookmark: bench.rainbow.notes(bookmark))
        self._timeline.watch(Role.CCI, lambda bookmark: bench.cci.notes(bookmark))
        if not installation.no_tunnel:
            self._timeline.watch(Role.VPN, lambda bookmark: bench.vpn.notes(bookmark))
        self._failure = LastFailure()
        self._examined = 0
        self._look = Look(installation, fabric, self._failure.now, mitmweb)
        self._manual = ManualBench(installation, self._set_busy, self._look_meanwhile)
        self._busy: str | None = None
        self._latest: Snapshot | None = None
        self._told: list[Callable[[], None]] = []
        self.gone: str | None = None
        """Why the site itself is gone, once it is: then only `down` helps."""

    @property
    def busy(self) -> bool:
        """Whether time is being let pass."""
        return self._busy is not None

    async def look(self) -> None:
        """Looks at the site once."""
        await self._loop.run_in_executor(self._thread, self._look_now)

    async def look_on(self) -> None:
        """Looks at the site again and again, until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def ask_site(self) -> str | None:
        """Asks what all nodes live in whether it still does; why not, if it doesn't."""
        return await self._loop.run_in_executor(self._thread, self._ask_site)

    async def call(self, verb: str, parameters: Mapping[str, Any]) -> object:
        """Carries a verb out. Raises Refusal or another ValueError for what cannot be, NodeError, FabricError."""
        return await self._loop.run_in_executor(self._thread, self._call, verb, dict(parameters))

    def snapshot(self) -> dict[str, Any]:
        """How the site stood at the last look."""
        assert self._latest is not None
        return self._latest.as_json()

    def since(self, last: int) -> tuple[int, Sequence[dict[str, Any]]]:
        """What happened after entry `last`: how many entries are not kept any more, and those that are."""
        missed, entries = self.journal.since(last)
        return missed, [entry.to_json() for entry in entries]

    def subscribe(self, told: Callable[[], None]) -> Callable[[], None]:
        """Has `told` called in the event loop whenever there is something new; the result ends that."""
        self._told.append(told)
        return lambda: self._told.remove(told)

    def _call(self, verb: str, parameters: dict[str, Any]) -> object:
        begun = self._installation.bench.time.now()
        try:
            result = call(self._manual, verb, parameters)
            if (told := sentence(verb, parameters)) is not None:
                self.journal.tell([bench_says(begun, told)])
            return result
        except Unfit as unfit:
            raise Refusal(str(unfit)) from unfit
        finally:
            self._look_now()

    def _look_now(self) -> None:
        try:
            self._timeline.look()
            self._examine()
            latest = self._look.now(self._busy)
            self._timeline.nodes(
                {node.name: node.why or None for node in latest.nodes if self._installation.started(Role(node.name))}
            )
            self._latest = latest
        except FabricError as error:
            self.gone = str(error)
        self._tell()

    def _ask_site(self) -> str | None:
        try:
            self._installation.bench.site.settle(0.0)
        except FabricError as error:
            self.gone = str(error)
            return self.gone
        return None

    def _look_meanwhile(self) -> bool:
        self._timeline.look()
        self._tell()
        return self._over()

    def _examine(self) -> None:
        """Takes note of the last thing that failed on the way to Rainbow."""
        _, entries = self.journal.since(self._examined)
        self._failure.see(entries)
        self._examined = self.journal.last

    def _set_busy(self, what: str | None) -> None:
        self._busy = what
        if what is not None:
            self.journal.tell([bench_says(self._installation.bench.time.now(), what.capitalize())])
        if self._latest is not None:
            self._latest = dataclasses.replace(self._latest, busy=what)
        self._tell()

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._tell_all)

    def _tell_all(self) -> None:
        for told in list(self._told):
            told()


class DeskControl:
    """The commands of the control socket."""

    def __init__(self, desk: Desk, where: Running, down: Callable[[], None]) -> None:
        self._desk = desk
        self._where = where
        self._down = down

    @command
    def where(self) -> dict[str, str]:
        """Where everything is, as this process has it."""
        return {"page": self._where.page, "mitmweb": self._where.mitmweb, "evidence": str(self._where.evidence)}

    @command
    async def call(self, verb: str, parameters: dict[str, Any]) -> object:
        """Carries a verb out; what broke is told in a sentence, as what is refused."""
        try:
            return await self._desk.call(verb, parameters)
        except (NodeError, FabricError) as error:
            raise Refusal(str(error)) from error

    @command
    async def snapshot(self) -> dict[str, Any]:
        """How the site stands now; while time is being let pass, how it stood at the last look."""
        if not self._desk.busy:
            await self._desk.look()
        return self._desk.snapshot()

    @command
    async def gone(self) -> str | None:
        """Why the site itself is gone; None while it stands."""
        return await self._desk.ask_site()

    @command
    async def happened(self, after: int, within: float = 0.0) -> tuple[int, Sequence[dict[str, Any]]]:
        """What happened after an entry of the time line; waits up to `within` seconds until something has."""
        woken = asyncio.Event()
        unsubscribe = self._desk.subscribe(woken.set)
        try:
            async with asyncio.timeout(within):
                while not self._desk.since(after)[1]:
                    woken.clear()
                    await woken.wait()
        except TimeoutError:
            # Nothing has, which is an answer too.
            pass
        finally:
            unsubscribe()
        return self._desk.since(after)

    @command
    def down(self) -> None:
        """Ends the bench."""
        self._down()

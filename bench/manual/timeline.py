"""Fills the journal: reads on in the capture, in what the services in the cloud have noted, and whether nodes live."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.manual.journal import Journal
from bench.passage import Passage
from emulators.chronicle import About, Bookmark, Note, Notes
from network.fabric import FabricError, Site
from network.plan import Role
from network.wire.frames import decode
from network.wire.happening import TEXT_LIMIT, Happening, Kind, Result
from network.wire.happenings import Happenings
from network.wire.pcapng import CaptureRefused
from network.wire.tail import Tail
from node.remote import NodeError

Read = Callable[[Bookmark], Notes]
"""Reads what a service has noted since a bookmark. May raise NodeError."""

_KINDS = {
    About.UPGRADE: Kind.UPGRADE,
    About.LOGIN: Kind.LOGIN,
    About.DEVICES: Kind.DEVICES,
    About.CLOSE: Kind.CLOSE,
    About.TUNNEL: Kind.IKE,
}
_RESULTS = {True: Result.OK, False: Result.FAILED, None: Result.INFO}


class TimeLine:
    """What happened on a site, since the last look and from its beginning on. One thread at a time may use it."""

    def __init__(self, site: Site, passage: Passage, journal: Journal) -> None:
        self._site = site
        self._passage = passage
        self._journal = journal
        self._happenings = Happenings(site.plan, passage.on_the_wall)
        self._tail: Tail | None = None
        self._trouble = ""
        self._services: dict[Role, tuple[Read, Bookmark]] = {}
        self._alive: dict[str, bool] = {}

    @property
    def size(self) -> int:
        """How many things it remembers of what is under way."""
        return self._happenings.size

    def watch(self, role: Role, read: Read) -> None:
        """Tells from now on what a service notes too, from its first note on."""
        self._services[role] = read, Bookmark()

    def look(self) -> None:
        """Tells what has happened since the last look."""
        # What was answered by now is in the capture once that has been read.
        now = self._passage.now()
        told = [*self._on_the_wire(), *self._happenings.time_passes(now), *self._noted()]
        self._journal.tell(told)

    def nodes(self, why_dead: Mapping[str, str | None]) -> None:
        """Tells which nodes have died or run again; `why_dead` is None for a node that lives."""
        told = []
        for name, why in why_dead.items():
            was_alive = self._alive.get(name, True)
            self._alive[name] = why is None
            if was_alive and why is not None:
                text = f"Node {name} died: {why}" if why else f"Node {name} died"
                told.append(self._about_node(name, text, Result.FAILED))
            elif not was_alive and why is None:
                told.append(self._about_node(name, f"Node {name} runs again", Result.OK))
        self._journal.tell(told)

    def _about_node(self, name: str, text: str, result: Result) -> Happening:
        return Happening(self._passage.now(), Kind.NODE, name, "", text[:TEXT_LIMIT], result)

    def _on_the_wire(self) -> list[Happening]:
        told: list[Happening] = []
        trouble = ""
        try:
            path = self._site.capture()
            self._tail = self._tail or Tail(path)
        except (FabricError, NodeError) as error:
            trouble = str(error)
        try:
            while self._tail is not None and (records := self._tail.new()):
                for record in records:
                    told += self._happenings.see(decode(record.time_ns / 1e9, record.port, record.data))
        except (CaptureRefused, OSError) as error:
            trouble = str(error)
        if trouble and not self._trouble:
            told.append(self._about_node("", f"The time line may lack something: {trouble}", Result.FAILED))
        self._trouble = trouble
        return told

    def _noted(self) -> list[Happening]:
        told: list[Happening] = []
        for role, (read, bookmark) in self._services.items():
            while True:
                try:
                    notes = read(bookmark)
                except NodeError:
                    # That it is dead is told by `nodes`; alive again, it is read on.
                    break
                bookmark = notes.next
                if notes.missed:
                    text = f"{notes.missed} notes of node {role.value} were too many to be told"
                    told.append(self._about_node(role.value, text, Result.INFO))
                told += [self._from_note(role, note) for note in notes.notes]
                if not notes.notes:
                    break
            self._services[role] = read, bookmark
        return told

    def _from_note(self, role: Role, note: Note) -> Happening:
        # Site time and the device's differ by what the machine's two clocks do.
        time = note.at + self._passage.now() - self._passage.clock()
        target = Role.OXO.value
        return Happening(time, _KINDS[note.about], role.value, target, note.text[:TEXT_LIMIT], _RESULTS[note.good])

"""What a service in the cloud remembers of one session of a PBX."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.session.ending import Ending

HISTORY_LIMIT = 1000
"""How many sessions of a PBX are remembered, the latest ones."""


@dataclass
class SessionRecord:
    """One session of a PBX. Times are site time in seconds; a session that is open has no `ended`."""

    began: float
    remote: str
    logged_in_with: str
    """The label of the credential that was used."""
    replaced_another: bool
    """Whether the PBX still had a session when this one began."""
    ended: float | None = None
    ended_by: str | None = None
    close_code: int | None = None
    why: str = ""

    def end(self, at: float, ending: Ending) -> None:
        """The session is over."""
        self.ended = at
        self.ended_by = ending.by.value
        self.close_code = ending.code
        self.why = ending.why


def remember(sessions: list[SessionRecord], record: SessionRecord) -> None:
    """Adds a session; the oldest one is forgotten when there are too many."""
    sessions.append(record)
    del sessions[:-HISTORY_LIMIT]

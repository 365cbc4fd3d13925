"""Reads what a service in the cloud has noted, bit by bit."""

from __future__ import annotations

from typing import Any

from emulators.chronicle import About, Bookmark, Note, Notes
from node.remote import Remote


def read_notes(node: Remote, bookmark: Bookmark) -> Notes:
    """What a node has noted since a bookmark. Raises NodeError."""
    answer: dict[str, Any] = node.ask("notes", run=bookmark.run, number=bookmark.number)
    return Notes(
        answer["missed"],
        [Note(**{**note, "about": About(note["about"])}) for note in answer["notes"]],
        Bookmark(**answer["next"]),
    )

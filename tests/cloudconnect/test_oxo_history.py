from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulators.oxo.flash import Flash, FlashDamaged
from emulators.oxo.history import LIMIT, EventKind, History, HistoryEvent


def event(at: float) -> HistoryEvent:
    return HistoryEvent(at, EventKind.UNEXPECTED_CLOSE)


def test_events_are_kept_over_a_restart_and_the_oldest_make_room(tmp_path: Path) -> None:
    history = History(Flash(tmp_path))
    assert history.events() == []
    for at in range(LIMIT + 3):
        history.add(event(at))
    again = History(Flash(tmp_path)).events()
    assert again == [event(at) for at in range(3, LIMIT + 3)]
    assert str(again[-1]) == "102 s: unexpected close"


GOOD = {"at": 1.0, "kind": "unexpected close"}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"version": 2, "events": []}, "does not hold a history of version 1"),
        ({"version": 1}, "does not hold a history"),
        ({"version": 1, "events": [GOOD] * (LIMIT + 1)}, "does not hold a history"),
        ({"version": 1, "events": [{**GOOD, "kind": "rain"}]}, "is no event"),
        ({"version": 1, "events": [{**GOOD, "at": "noon"}]}, "is no event"),
        ({"version": 1, "events": ["late"]}, "'late' in it is no event"),
    ],
)
def test_a_history_that_something_else_wrote_is_refused(tmp_path: Path, document: dict[str, Any], said: str) -> None:
    flash = Flash(tmp_path)
    flash.write("history", document)
    with pytest.raises(FlashDamaged, match=said):
        History(flash).events()

"""Finds out whether anything still happens in a sandbox.

A process that waits for nothing but an event or a timer sleeps, and its count of context switches stands still. When
this holds for every thread of every node over several looks, no node will do anything more until time passes. Looks
are counted, not milliseconds: on a busy machine they come more slowly, as the nodes do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

LOOKS = 4
PAUSE = 0.002
"""Seconds between two looks."""


def wait_until_quiet(living: Callable[[], list[int]], deadline: float, proc: Path = Path("/proc")) -> bool:
    """Returns True when all processes are quiet, False when they weren't by `deadline` (monotonic, seconds).

    `living` gives the numbers of the processes that count, anew for each look.
    """
    same = 0
    before: list[tuple[str, str]] | None = None
    while time.monotonic() < deadline:
        now = [look for pid in living() for look in _look(proc / str(pid) / "task")]
        quiet = all(switches != "" for _, switches in now)
        same = same + 1 if quiet and now == before else 0
        if same >= LOOKS:
            return True
        before = now
        time.sleep(PAUSE)
    return False


def _look(tasks: Path) -> list[tuple[str, str]]:
    """Each thread with its count of context switches; with an empty count when it is not asleep."""
    looks = []
    try:
        for task in tasks.iterdir():
            status = (task / "status").read_text()
            asleep = "\nState:\tS" in status
            looks.append((task.name, status[status.index("\nvoluntary_ctxt") :] if asleep else ""))
    except (FileNotFoundError, ProcessLookupError):
        # The process ended between two looks: the next look finds it gone.
        looks.append((tasks.parent.name, ""))
    return looks

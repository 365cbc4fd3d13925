"""Shows how far a run is, on a terminal: a bar for the scenarios, and one for a long wait in real time."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_LONG = 5.0
"""A wait shorter than this, in seconds, is not worth a bar."""


class ProgressDisplay:
    """A pytest plugin that draws on standard error while tests run. Where that is no terminal it draws nothing."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._on = console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._tests: TaskID | None = None
        self._wait: TaskID | None = None
        self._failed = 0

    def pytest_configure(self, config: pytest.Config) -> None:
        """Puts itself where a bench finds it."""
        config.stash[DISPLAY] = self

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Starts the bar, where this process runs the tests itself."""
        self._start(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Starts the bar, where workers run the tests."""
        self._start(len(ids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Moves the bar on."""
        if self._tests is None:
            return
        self._failed += report.failed
        if report.when == "teardown":
            where = PurePosixPath(report.nodeid.partition("::")[0]).stem.replace("_", " ")
            failed = f", {self._failed} failed" if self._failed else ""
            self._progress.update(self._tests, advance=1, description=f"{where}{failed}")

    def pytest_sessionfinish(self) -> None:
        """Takes the bars away."""
        self._progress.stop()

    def waiting(self, gone: float, whole: float) -> None:
        """A wait in real time: so many seconds of it are over."""
        if not self._on or whole < _LONG:
            return
        if self._wait is None:
            self._wait = self._progress.add_task("waiting (s)", total=whole)
        self._progress.update(self._wait, completed=gone, total=whole, visible=gone < whole)

    def _start(self, count: int) -> None:
        if self._on and self._tests is None and count:
            self._tests = self._progress.add_task("starting", total=count)
            self._progress.start()


DISPLAY = pytest.StashKey[ProgressDisplay]()
"""Where a run that shows its progress has its display."""

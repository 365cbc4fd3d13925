"""What a run tells its reader: a verdict for each scenario, progress, and a summary by feature.

A pytest plugin. A scenario that failed because the bench could not do its part is told apart from one that the device
failed, on the screen and in the JUnit file.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator
from pathlib import PurePosixPath
from typing import Any

import pytest
from pytest_bdd.exceptions import StepDefinitionNotFoundError
from rich.console import Console
from rich.table import Table

from bench.needs import NotHere
from bench.passage import NotSeen
from bench.verdict import Verdict, judge
from network.fabric import FabricError
from network.firewall import PolicyRefused
from node.control import Refusal
from node.remote import NodeCannotStart, NodeGone, NodeSilent

_VERDICT = "verdict"

_SAYS_IT_ALL = (
    NotSeen,
    FabricError,
    NodeCannotStart,
    NodeGone,
    NodeSilent,
    PolicyRefused,
    NotHere,
    Refusal,
    StepDefinitionNotFoundError,
)
"""Errors whose text is a sentence for the reader of a report."""

BENCH_FAILED = 2
"""The exit code of a run in which no scenario was failed by the device and some could not be judged."""


class _Summary:
    """Counts verdicts by feature or test file, with the time each took in seconds."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[Verdict]] = defaultdict(Counter)
        self.seconds: dict[str, float] = defaultdict(float)

    def take(self, report: pytest.TestReport) -> None:
        """Takes one phase of one test into account; a test counts once."""
        name = PurePosixPath(report.nodeid.partition("::")[0]).as_posix()
        self.seconds[name] += report.duration
        if report.failed:
            self.counts[name][_verdict(report)] += 1
        elif report.passed and report.when == "call":
            self.counts[name][Verdict.PASSED] += 1


_SUMMARY = pytest.StashKey[_Summary]()


def pytest_configure(config: pytest.Config) -> None:
    """Starts counting."""
    config.stash[_SUMMARY] = _Summary()
    config.pluginmanager.register(_Counter(config.stash[_SUMMARY]))


class _Counter:
    def __init__(self, summary: _Summary) -> None:
        self._summary = summary

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._summary.take(report)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the verdict, the section of the manual and the failing step to the report."""
    report = yield
    if call.excinfo is not None and report.failed:
        error = call.excinfo.value
        _note(item, report, _VERDICT, judge(error).value)
        step = getattr(item, "failed_step", None)
        if step is not None:
            report.sections.append(("Failed step", step))
            _note(item, report, "failed step", step)
        if isinstance(error, _SAYS_IT_ALL):
            # The way to it through the bench's own code would only hide the sentence.
            report.longrepr = str(error)
    section = getattr(getattr(item, "function", None), "manual_section", None)
    if section is not None and report.when == "call":
        _note(item, report, "manual section", section)
    return report


def _note(item: pytest.Item, report: pytest.TestReport, name: str, value: str) -> None:
    """Adds a property to this phase's report, and for the JUnit file to that of the last phase, made from the item."""
    item.user_properties.append((name, value))
    report.user_properties.append((name, value))


def pytest_bdd_step_error(request: pytest.FixtureRequest, step: Any) -> None:
    """Remembers the step that failed, in the words of the feature."""
    request.node.failed_step = f"{step.keyword} {step.name}"


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Gives a run that could not judge the device another exit code than one that the device failed."""
    counts = sum(session.config.stash[_SUMMARY].counts.values(), Counter[Verdict]())
    if session.exitstatus == pytest.ExitCode.TESTS_FAILED and counts[Verdict.BENCH] and not counts[Verdict.DEVICE]:
        session.exitstatus = BENCH_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the table by feature, and where the evidence is."""
    summary = config.stash[_SUMMARY]
    features = {name: counts for name, counts in summary.counts.items() if name.endswith(".feature")}
    if not features:
        return
    table = Table("feature", "passed", "failed: device", "failed: bench", "seconds")
    for name, counts in sorted(features.items()):
        numbers = [str(counts[verdict]) for verdict in (Verdict.PASSED, Verdict.DEVICE, Verdict.BENCH)]
        table.add_row(PurePosixPath(name).stem.replace("_", " "), *numbers, f"{summary.seconds[name]:.1f}")
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table)
    terminalreporter.write_line("")
    terminalreporter.write(capture.get())
    if folder := config.getoption("--artifacts"):
        terminalreporter.write_line(f"evidence: {folder}")


def _verdict(report: pytest.TestReport) -> Verdict:
    return Verdict(dict(report.user_properties).get(_VERDICT, Verdict.BENCH.value))

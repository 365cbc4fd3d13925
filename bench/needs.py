"""Leaves scenarios and tests out that need something which this machine does not have, and says so.

A pytest plugin. What needs a VPN tunnel has the tag `@vpn`, a test the marker of that name; a test that needs a Docker
engine has the marker `docker`, one that needs Docker Compose `compose` too, one that needs a browser `browser`. Nothing
is left out where the environment has CI set, nor what is in a file that was named, nor when nothing else is to be run:
then it fails, as the bench's fault, with the same sentence.

What a machine has is found out once a run: in a parallel run all workers must leave out the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench import doctor, tunnels
from network.docker.composing import NoCompose, compose_command
from network.docker.ping import EngineSilent, ping


class NotHere(Exception):
    """A scenario or test needs what this machine does not have. One sentence, and where to look."""


@dataclass(frozen=True)
class Need:
    """Something that not every machine has: the tag, what it is called, how its lack is put, and why it is lacking
    (empty where it is there)."""

    tag: str
    what: str
    lack: str
    why: Callable[[pytest.Config], str]


def _why_no_engine(config: pytest.Config) -> str:
    try:
        ping(os.environ)
    except EngineSilent as why:
        return f"{why}."
    return ""


def _why_no_compose(config: pytest.Config) -> str:
    try:
        compose_command()
    except NoCompose as why:
        return f"{why}."
    return ""


NEEDS = (
    Need(
        tunnels.TAG,
        "a VPN tunnel",
        "No VPN tunnel can be made here",
        lambda config: tunnels.why_none(config.getoption("--fabric")),
    ),
    Need("docker", "a Docker engine", "No Docker engine can be used here", _why_no_engine),
    Need("compose", "Docker Compose", "No compose project can be started here", _why_no_compose),
    Need("browser", "a browser", "No browser can be started here", lambda config: doctor.lacking_for_browser()),
)


@dataclass(frozen=True)
class _LeftOut:
    """How many of what were left out for want of what, and why."""

    count: int
    noun: str
    what: str
    why: str

    def __str__(self) -> str:
        if self.count == 1:
            return f"1 {self.noun} needs {self.what} and was left out: {self.why}"
        return f"{self.count} {self.noun}s need {self.what} and were left out: {self.why}"


_LEFT_OUT = pytest.StashKey[list[_LeftOut]]()
_TROUBLE = pytest.StashKey[str]()
_LACKING = pytest.StashKey[dict[str, str]]()
"""By tag, why something is lacking, as far as it was found out; empty where it is there."""
_TOLD_WORKERS = "oxobench_lacking"
"""Under this name the controller of a parallel run tells its workers what is lacking."""
_TOLD = "oxobench_left_out"
"""Under this name a worker of a parallel run tells its controller what it has left out."""


def pytest_configure(config: pytest.Config) -> None:
    """In a parallel run, a worker knows from its controller what is lacking."""
    told: dict[str, Any] = getattr(config, "workerinput", {})
    config.stash[_LACKING] = dict(told.get(_TOLD_WORKERS, {}))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells it a worker, which may need any of it."""
    node.workerinput[_TOLD_WORKERS] = {need.tag: _why(need, node.config) for need in NEEDS}


def _why(need: Need, config: pytest.Config) -> str:
    lacking = config.stash[_LACKING]
    if need.tag not in lacking:
        lacking[need.tag] = need.why(config)
    return lacking[need.tag]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what cannot be run, of what other selections have left."""
    named = _named_files(config)
    left_out = []
    for need in NEEDS:
        tagged = [item for item in items if item.get_closest_marker(need.tag) is not None]
        if not tagged or not (why := _why(need, config)):
            continue
        out = {item for item in tagged if item.path not in named}
        if "CI" in os.environ or len(out) == len(items):
            out = set()
        for item in set(tagged) - out:
            item.stash[_TROUBLE] = f"{need.lack}: {why} `./oxobench doctor` says what to do."
        if out:
            noun = "scenario" if all(item.path.suffix == ".feature" for item in out) else "test"
            left_out.append(_LeftOut(len(out), noun, need.what, why))
            config.hook.pytest_deselected(items=list(out))
            items[:] = [item for item in items if item not in out]
    config.stash[_LEFT_OUT] = left_out


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fails a scenario that was not left out. Raises NotHere."""
    if trouble := item.stash.get(_TROUBLE, ""):
        raise NotHere(trouble)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a parallel run, tells the controller what this worker has left out."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        left_out = session.config.stash.get(_LEFT_OUT, [])
        told[_TOLD] = [(one.count, one.noun, one.what, one.why) for one in left_out]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In a parallel run, hears it. All workers leave out the same."""
    told = getattr(node, "workeroutput", {}).get(_TOLD)
    if told:
        node.config.stash[_LEFT_OUT] = [_LeftOut(*one) for one in told]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says what was left out."""
    for left_out in config.stash.get(_LEFT_OUT, []):
        terminalreporter.write_line(str(left_out))


def _named_files(config: pytest.Config) -> set[Path]:
    """The files that the command line names, alone or with one of their scenarios."""
    paths = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
    return {path.resolve() for path in paths if path.is_file()}

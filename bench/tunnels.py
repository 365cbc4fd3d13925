"""Leaves scenarios out that need a VPN tunnel, where none can be had, and says so.

A pytest plugin. Such a scenario has the tag `@vpn`, a test the marker of that name. It is not left out where the
environment has CI set, nor when its file was named, nor when nothing else is to be run: then it fails, as the bench's
fault, with the same sentence.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench import doctor
from bench.doctor import State
from emulators.charon import find_charon
from emulators.esp import TUN

TAG = "vpn"


class NoTunnel(Exception):
    """A scenario needs a VPN tunnel, and none can be made on this machine. One sentence, and where to look."""


@dataclass(frozen=True)
class _LeftOut:
    """How many of what were left out, and why."""

    count: int
    noun: str
    why: str

    def __str__(self) -> str:
        if self.count == 1:
            return f"1 {self.noun} needs a VPN tunnel and was left out: {self.why}"
        return f"{self.count} {self.noun}s need a VPN tunnel and were left out: {self.why}"


_LEFT_OUT = pytest.StashKey[_LeftOut]()
_TROUBLE = pytest.StashKey[str]()
_TOLD = "oxobench_left_out"
"""Under this name a worker of a parallel run tells its controller what it has left out."""


def why_none() -> str:
    """Why no VPN tunnel can be made here, in one sentence; empty where one can."""
    if find_charon() is not None and _tun_opens():
        return ""
    # The kernel must be asked in a sandbox, which takes a while.
    finding = doctor.vpn_tunnel(doctor.probe())
    return "" if finding.state is State.OK else finding.detail


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what cannot be run, of what other selections have left."""
    tagged = [item for item in items if item.get_closest_marker(TAG) is not None]
    if not tagged or not (why := why_none()):
        return
    named = _named_files(config)
    out = {item for item in tagged if item.path not in named}
    if "CI" in os.environ or len(out) == len(items):
        out = set()
    for item in set(tagged) - out:
        item.stash[_TROUBLE] = why
    if out:
        noun = "scenario" if all(item.path.suffix == ".feature" for item in out) else "test"
        config.stash[_LEFT_OUT] = _LeftOut(len(out), noun, why)
        config.hook.pytest_deselected(items=list(out))
        items[:] = [item for item in items if item not in out]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fails a scenario that was not left out. Raises NoTunnel."""
    if why := item.stash.get(_TROUBLE, ""):
        raise NoTunnel(f"No VPN tunnel can be made here: {why} `./oxobench doctor` says what to do.")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a parallel run, tells the controller what this worker has left out."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    left_out = session.config.stash.get(_LEFT_OUT, None)
    if told is not None and left_out is not None:
        told[_TOLD] = (left_out.count, left_out.noun, left_out.why)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In a parallel run, hears it. All workers leave out the same."""
    told = getattr(node, "workeroutput", {}).get(_TOLD)
    if told is not None:
        node.config.stash[_LEFT_OUT] = _LeftOut(*told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says what was left out."""
    left_out = config.stash.get(_LEFT_OUT, None)
    if left_out is not None:
        terminalreporter.write_line(str(left_out))


def _tun_opens() -> bool:
    try:
        os.close(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _named_files(config: pytest.Config) -> set[Path]:
    """The files that the command line names, alone or with one of their scenarios."""
    paths = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
    return {path.resolve() for path in paths if path.is_file()}

"""Runs pytest for the command line: scenarios with `run`, everything with `test`."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.evidence import ROOT, artifacts_folder, new_run_folder
from bench.progress import ProgressDisplay
from network.docker.ping import EngineSilent, ping
from network.fabric import FabricError

BAD_INPUT = 2
"""The exit code when the user asked for something that cannot be."""

_PARALLEL = ("-n", "auto", "--maxprocesses=4", "--dist=worksteal")


class RunRefused(Exception):
    """The user asked for something that cannot be run. One sentence."""


@dataclass(frozen=True)
class Selection:
    """Which scenarios to run: feature files or folders, and an expression over their names as pytest's -k takes it."""

    paths: Sequence[str] = ()
    expression: str | None = None

    def arguments(self) -> list[str]:
        """The same for pytest. Raises RunRefused for a path that isn't there or is no feature file."""
        chosen = [self._checked(Path(path)) for path in self.paths] or [ROOT / "features"]
        return [
            *(str(path) for path in chosen),
            # pytest finds the project's conftest.py by itself only for what lies in the project.
            *("--noconftest", "-p", "conftest"),
            *(["-k", _in_test_names(self.expression)] if self.expression else []),
        ]

    def _checked(self, path: Path) -> Path:
        path = path if path.exists() else ROOT / path
        if not path.exists():
            raise RunRefused(f"There is no feature file or folder {path.name!r}: `ls features` shows what there is.")
        if path.is_file() and path.suffix != ".feature":
            raise RunRefused(f"{path.name} is not a feature file: its name must end in .feature.")
        return path.resolve()


def _in_test_names(expression: str) -> str:
    """An expression over words of scenarios' names, where "dead peer" means the one word that test names make of it."""
    operators = {"and", "or", "not"}
    parts: list[str] = []
    for word in re.findall(r"[()]|[^\s()]+", expression):
        joins = parts and not {word, parts[-1].rpartition("_")[2]} & {*operators, "(", ")"}
        parts[-1:] = [f"{parts[-1]}_{word}"] if joins else [*parts[-1:], word]
    return " ".join(parts)


def run_scenarios(selection: Selection, fabric: str, real_time: bool, extra: Sequence[str]) -> int:
    """Runs the chosen scenarios and returns the exit code: 0 all passed, 1 some failed, 2 bad input."""
    if fabric == "docker":
        _prepare_image()
    # For one file or a few scenarios, starting workers takes longer than they save.
    many = len(selection.paths) != 1 and selection.expression is None
    arguments = [
        *selection.arguments(),
        f"--fabric={fabric}",
        *(_PARALLEL if many and not real_time else ()),
        # A wait in real time is as long as the manual has it, so no test's time is bounded then.
        *(["--real-time", "--timeout=0"] if real_time else []),
    ]
    return _run(arguments, extra)


def _prepare_image() -> None:
    """Has the image built before pytest takes the output, if it must be. Raises RunRefused."""
    from network.docker.image import prepare

    try:
        prepare()
    except FabricError as error:
        raise RunRefused(str(error)) from error


def run_tests(extra: Sequence[str]) -> int:
    """Runs every test, features included, and returns the exit code."""
    # Where no engine answers, the tests of containers are left out.
    with contextlib.suppress(EngineSilent):
        ping(os.environ)
        _prepare_image()
    return _run([str(ROOT / "features"), str(ROOT / "tests"), *_PARALLEL], extra)


def _run(arguments: Sequence[str], extra: Sequence[str]) -> int:
    folder = new_run_folder(artifacts_folder())
    try:
        folder.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise RunRefused(
            f"cannot write {folder}: {error.strerror}; set OXOBENCH_ARTIFACTS to a folder of your own."
        ) from error
    code = pytest.main(
        [
            "-q",
            "-c",
            str(ROOT / "pytest.ini"),
            f"--rootdir={ROOT}",
            f"--artifacts={folder}",
            f"--basetemp={folder / 'tmp'}",
            f"--junit-xml={folder / 'junit.xml'}",
            *arguments,
            *extra,
        ],
        plugins=[ProgressDisplay()],
    )
    if code in (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR):
        shutil.rmtree(folder)
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise RunRefused("No scenario matches: look at the names in features/, or leave -k out.")
    # Whatever else ends pytest, such as an error of its own, the bench could not judge.
    return int(code) if code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) else BAD_INPUT

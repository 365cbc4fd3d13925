"""The command line: what it runs, what it refuses, and the progress that it shows."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.cli import main
from bench.progress import ProgressDisplay
from bench.running import RunRefused, Selection

ROOT = Path(__file__).parents[2]
FEATURE = """
Feature: Own
  Scenario: All is well
    Given the firewall is permissive
  Scenario: Something is not
    Given an OXO Connect that Rainbow knows
    Then every attempt of the PBX goes to port 443
"""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "nowhere.feature"], "There is no feature file or folder 'nowhere.feature'"),
        (["run", "README.md"], "README.md is not a feature file"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.startswith("oxobench: ")
    assert said.count("\n") == 1


def test_a_folder_for_the_evidence_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OXOBENCH_ARTIFACTS", str(tmp_path / "file" / "artifacts"))
    with pytest.raises(SystemExit) as ended:
        main(["run", "features/link_loss.feature"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"oxobench: cannot write {tmp_path}/file/artifacts/")
    assert said.endswith(": Not a directory; set OXOBENCH_ARTIFACTS to a folder of your own.\n")


def test_an_unknown_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--fabric", "tin cans"])
    assert ended.value.code == 2
    assert "tin cans" in capsys.readouterr().err


def test_a_selection_of_scenarios(tmp_path: Path) -> None:
    assert Selection().arguments()[0] == str(ROOT / "features")
    named = Selection(["features/link_loss.feature"], "reset").arguments()
    assert named[0] == str(ROOT / "features/link_loss.feature")
    assert named[-2:] == ["-k", "reset"]
    assert Selection((), "dead peer and not (slow or proxy restarts)").arguments()[-1] == (
        "dead_peer and not ( slow or proxy_restarts )"
    )
    (tmp_path / "own.feature").write_text(FEATURE)
    assert Selection([str(tmp_path / "own.feature")]).arguments()[0] == str(tmp_path / "own.feature")
    with pytest.raises(RunRefused):
        Selection([str(tmp_path / "other.feature")]).arguments()


@dataclass
class Ended:
    """A run of the command line that has ended, with the folder of its evidence, if it has one."""

    code: int
    out: str
    err: str
    evidence: list[Path]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ended]:
    """Runs the command line, without input and with other modules at hand, those in `modules`."""
    artifacts = tmp_path / "artifacts"

    def run(*arguments: str, modules: Path | None = None) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "bench.cli", *arguments],
            cwd=ROOT,
            env=os.environ | {"OXOBENCH_ARTIFACTS": str(artifacts)} | ({"PYTHONPATH": str(modules)} if modules else {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            timeout=100,
            check=False,
        )
        made = list(artifacts.iterdir()) if artifacts.exists() else []
        return Ended(done.returncode, done.stdout, done.stderr, made)

    return run


def test_a_run_shows_its_progress_and_keeps_its_evidence(
    run: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    (tmp_path / "own.feature").write_text(FEATURE)
    done = run("run", str(tmp_path / "own.feature"), "--", "--color=no")
    assert done.code == 1
    (evidence,) = done.evidence
    assert f"evidence: {evidence}" in done.out
    assert "own" in done.err
    assert "1 failed" in done.err
    assert stat.S_IMODE(evidence.stat().st_mode) == 0o700
    assert (evidence / "junit.xml").exists()


def test_no_scenario_of_that_name(run: Callable[..., Ended]) -> None:
    done = run("run", "-k", "no_scenario_has_this_name", "features/link_loss.feature")
    assert done.code == 2
    assert "No scenario matches" in done.err
    assert "Traceback" not in done.err
    assert not done.evidence


def test_what_breaks_pytest_is_no_verdict_on_the_device(run: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "own.feature").write_text(FEATURE)
    (tmp_path / "breaking.py").write_text("def pytest_collection_modifyitems():\n    raise RuntimeError\n")
    done = run("run", str(tmp_path / "own.feature"), "--", "-p", "breaking", modules=tmp_path)
    assert "INTERNALERROR" in done.out
    assert done.code == 2


def test_input_that_ends_too_early(run: Callable[..., Ended]) -> None:
    done = run("oxo", "configure", "rainbow", "Activation code=-")
    assert done.code == 2
    assert done.err.endswith("oxobench: The input ended before it was all there.\n")


def test_an_interrupted_start_says_so(run: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n")
    done = run("status", modules=tmp_path)
    assert (done.code, done.err) == (130, "oxobench: interrupted\n")


def test_an_interrupted_command_says_so(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(tmp_path / "docker.sock"))
        engine.listen()
        engine.settimeout(60)
        # Whoever runs the tests may have SIGINT ignored, as a shell does for what it starts in the background.
        command = ["env", "--default-signal=INT", sys.executable, "-m", "bench.cli", "run", "--fabric", "docker"]
        environment = os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        # The engine does not answer, so that the command waits.
        with process, engine.accept()[0]:
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == "oxobench: interrupted"


def test_a_long_wait_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    display = ProgressDisplay()
    display.waiting(0.5, 1)
    display.waiting(10, 960)
    display.waiting(960, 960)
    display.pytest_sessionfinish()
    monkeypatch.delenv("FORCE_COLOR")
    silent = ProgressDisplay()
    silent.waiting(10, 960)
    silent.pytest_sessionfinish()
    assert capsys.readouterr().out == ""

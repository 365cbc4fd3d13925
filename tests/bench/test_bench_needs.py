"""What becomes of scenarios that need a VPN tunnel, on a machine where none can be had."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench import tunnels
from tests.setup.lacking import without_program, without_tun

ROOT = Path(__file__).parents[2]
NEEDS = """
Feature: Some of it needs a tunnel
  @vpn
  Scenario: It does
    Given the firewall is permissive
  Rule: Here all of it
    @vpn
    Scenario Outline: It does <how>
      Given the firewall is permissive
      Examples:
        | how |
        | too |
  Scenario: It does not
    Given the firewall is permissive
"""
NO_CHARON = "strongSwan's charon is not installed."


@pytest.fixture
def features(tmp_path: Path) -> Path:
    folder = tmp_path / "features"
    folder.mkdir()
    (folder / "needs.feature").write_text(NEEDS)
    return folder


def run(folder: Path, *arguments: str, under: list[str] | None = None, ci: bool = False) -> tuple[int, str]:
    """Runs scenarios with the evidence beside `folder`; returns the exit code and what was said."""
    options = ["-q", "-c", str(ROOT / "pytest.ini"), f"--rootdir={ROOT}", "--noconftest", "-p", "conftest"]
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [
            *(without_program("charon-systemd") if under is None else under),
            *[sys.executable, "-m", "pytest", *options, f"--artifacts={folder.parent / 'evidence'}", *arguments],
        ],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)} | ({"CI": "true"} if ci else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "parallel"])
def test_they_are_left_out_and_it_is_said(features: Path, options: list[str]) -> None:
    code, said = run(features, ".", *options)
    assert code == 0, said
    assert f"2 scenarios need a VPN tunnel and were left out: {NO_CHARON}" in said
    assert "1 passed" in said


@pytest.mark.parametrize(
    ("arguments", "ci"),
    [(["needs.feature"], False), ([".", "-k", "too"], False), (["."], True)],
    ids=["named", "alone chosen", "CI"],
)
def test_they_fail_as_the_benchs_fault_where_they_were_asked_for(
    features: Path, arguments: list[str], ci: bool
) -> None:
    code, said = run(features, *arguments, ci=ci)
    assert code == 2, said
    assert f"No VPN tunnel can be made here: {NO_CHARON} `./oxobench doctor` says what to do." in said
    assert "left out" not in said
    assert "Traceback" not in said


@pytest.mark.vpn
def test_without_tun_the_kernel_must_do_esp(features: Path) -> None:
    code, said = run(features, ".", under=without_tun())
    assert code == 0, said
    left_out = (
        "2 scenarios need a VPN tunnel and were left out: The kernel has no ESP, and TUN is not to be had" in said
    )
    assert left_out or "3 passed" in said


TESTS = """
import pytest

@pytest.mark.docker
def test_of_containers(): pass

@pytest.mark.browser
def test_of_pages(): pass

def test_of_neither(): pass
"""


def test_tests_of_containers_and_pages_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "test_some.py").write_text(TESTS)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    code, said = run(tmp_path / "some", ".", under=without_program("chromium"))
    assert code == 0, said
    assert "1 test needs a Docker engine and was left out: not running." in said
    assert "1 test needs a browser and was left out: There is no /usr/bin/chromium" in said
    assert "1 passed" in said
    code, said = run(tmp_path / "some", ".", under=without_program("chromium"), ci=True)
    assert "No Docker engine can be used here: not running. `./oxobench doctor` says what to do." in said
    assert "No browser can be started here: There is no /usr/bin/chromium" in said
    assert code == 2, said


def test_whether_an_engine_answers_is_asked_once_in_a_parallel_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "test_some.py").write_text(TESTS)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "docker.sock"))
    listener.listen()
    listener.settimeout(60)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")

    def answer_once() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(1024)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nOK")

    engine = threading.Thread(target=answer_once)
    engine.start()
    code, said = run(tmp_path / "some", ".", "-n", "2", "-m", "not browser", under=[])
    engine.join()
    assert code == 0, said
    assert "2 passed" in said


@pytest.mark.vpn
def test_here_they_run(features: Path) -> None:
    assert tunnels.why_none() == ""
    code, said = run(features, ".", under=[])
    assert code == 0, said
    assert "3 passed" in said
    assert "left out" not in said

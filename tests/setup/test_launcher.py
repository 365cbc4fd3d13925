"""The launcher, started as a person starts it.

It runs in a copied checkout, with a lock file without packages and a command line that tells how it was called.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
AS_ORDINARY_USER = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
CALLED = """
import json, os, sys
import bench
print(json.dumps({"arguments": sys.argv[1:], "folder": os.getcwd(), "python": sys.executable, "bench": bench.__file__}))
"""


def lay(root: Path) -> None:
    """Copies the launcher's part of the checkout to `root`."""
    shutil.copytree(ROOT / "bench" / "setup", root / "bench" / "setup", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "bench" / "__init__.py", root / "bench")
    shutil.copy(ROOT / "oxobench", root)
    (root / "bench" / "cli.py").write_text(CALLED)
    (root / "requirements.lock").write_text("# nothing\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "checkout"
    lay(root)
    yield root
    root.chmod(0o755)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that is set up already, for tests that leave it as it is."""
    root = tmp_path_factory.mktemp("prepared") / "checkout"
    lay(root)
    called(start(root / "oxobench", "doctor"))
    return root


def start(
    launcher: Path, *arguments: str, under: list[str] | None = None, folder: Path | None = None, **variables: str
) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "OXOBENCH_"))}
    return subprocess.Popen(
        [*(under or []), str(launcher), *arguments],
        env=environment | {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"} | variables,
        cwd=folder or launcher.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def called(process: subprocess.Popen[str]) -> Mapping[str, Any]:
    code, out, err = finish(process)
    assert code == 0, err
    answer: Mapping[str, Any] = json.loads(out)
    return answer


def set_up(process: subprocess.Popen[str]) -> None:
    """Waits until the launcher says that it sets the environment up."""
    assert process.stderr is not None
    assert "setting up" in process.stderr.readline()


def test_first_use_sets_up_and_later_ones_start_at_once(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "bench").mkdir(parents=True)
    (elsewhere / "bench" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    link = tmp_path / "link"
    link.symlink_to(checkout / "oxobench")
    answer = called(start(link, "doctor", "two words", folder=elsewhere))
    assert answer == {
        "arguments": ["doctor", "two words"],
        "folder": str(elsewhere),
        "python": str(checkout / ".venv/bin/python"),
        "bench": str(checkout / "bench/__init__.py"),
    }
    code, _, err = finish(start(checkout / "oxobench", "doctor"))
    assert (code, err) == (0, "")


def test_a_set_up_that_was_killed_is_begun_again(checkout: Path) -> None:
    killed = start(checkout / "oxobench", "doctor")
    set_up(killed)
    killed.kill()
    finish(killed)
    assert not (checkout / ".venv/oxobench.json").read_text().startswith("{")
    # What the killed launcher had begun may still run: the next start waits for it.
    code, out, err = finish(start(checkout / "oxobench", "doctor"))
    assert code == 0
    assert "setting up" in err
    assert json.loads(out)["arguments"] == ["doctor"]


def test_an_interrupted_set_up_says_so(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        package = f"http://127.0.0.1:{silent.getsockname()[1]}/package-1-py3-none-any.whl"
        (checkout / "requirements.lock").write_text(f"package @ {package} --hash=sha256:{'0' * 64}\n")
        # Whoever runs the tests may have SIGINT ignored, as a shell does for what it starts in the background.
        heeding = ["env", "--default-signal=INT"]
        interrupted = start(checkout / "oxobench", "doctor", under=heeding, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
        set_up(interrupted)
        # pip waits for an answer that never comes.
        with silent.accept()[0]:
            os.killpg(interrupted.pid, signal.SIGINT)
            code, _, err = finish(interrupted)
    assert code == 130
    assert err == "oxobench: the set-up was interrupted; the next start takes it up again\n"


def test_twice_at_once_sets_up_once(checkout: Path) -> None:
    first = start(checkout / "oxobench", "doctor")
    set_up(first)
    second = start(checkout / "oxobench", "doctor")
    code, _, err = finish(second)
    assert code == 0
    assert "waiting for it" in err
    assert "(once" not in err
    assert called(first)["arguments"] == ["doctor"]


def test_a_checkout_at_another_place_is_set_up_anew(prepared: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(prepared, moved, symlinks=True)
    assert called(start(moved / "oxobench", "doctor"))["python"] == str(moved / ".venv/bin/python")


def test_a_checkout_that_cannot_be_written_names_the_way_out(checkout: Path, tmp_path: Path) -> None:
    checkout.chmod(0o555)
    code, _, err = finish(start(checkout / "oxobench", "doctor", under=AS_ORDINARY_USER))
    assert code == 2
    assert f"cannot set up {checkout}/.venv: Permission denied" in err
    assert "OXOBENCH_VENV" in err
    own = tmp_path / "own" / "venv"
    process = start(checkout / "oxobench", "doctor", under=AS_ORDINARY_USER, OXOBENCH_VENV=str(own))
    assert called(process)["python"] == str(own / "bin/python")


def test_a_python_that_does_not_run_is_passed_over(prepared: Path, tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    shims.mkdir()
    shim = shims / "python3"
    shim.write_text("#!/bin/sh\necho 'python3: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    called(start(prepared / "oxobench", "doctor", PATH=f"{shims}:{os.environ['PATH']}"))


def test_a_python_that_is_named_and_unfit_is_refused(prepared: Path) -> None:
    code, _, err = finish(start(prepared / "oxobench", "doctor", OXOBENCH_PYTHON="/bin/false"))
    assert (code, err.count("\n")) == (2, 1)
    assert "OXOBENCH_PYTHON is /bin/false" in err


def test_without_nft_scenarios_are_refused_and_the_doctor_still_runs(prepared: Path, without_nft: list[str]) -> None:
    under = [*without_nft, *AS_ORDINARY_USER]
    for refused in (["run"], ["test", "--", "-h"], ["up", "--fabric", "netns"], ["run", "-k", "docker"]):
        code, out, err = finish(start(prepared / "oxobench", *refused, under=under))
        assert (code, out) == (2, "")
        assert err.startswith("oxobench: nft ")
        assert "missing: run\n  sudo apt-get install -y nftables" in err
    assert called(start(prepared / "oxobench", "doctor", under=under))["arguments"] == ["doctor"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["run", "-h"], ["up", "--help"], ["status"], ["run", "--fabric", "docker"], ["up", "--fabric=docker"]],
    ids=" ".join,
)
def test_what_needs_no_system_tool_asks_for_none(
    prepared: Path, without_nft: list[str], without_charon: list[str], arguments: list[str]
) -> None:
    under = [*without_nft, *without_charon, *AS_ORDINARY_USER]
    code, out, err = finish(start(prepared / "oxobench", *arguments, under=under))
    assert (code, err) == (0, "")
    assert json.loads(out)["arguments"] == arguments

"""The Python environment, `.venv`: made from requirements.lock, and made anew when it no longer fits.

An environment cannot be moved, so it is built where it will stand. A stamp in it says for which lock file, checkout,
place and Python it was made, and is written last: without the right stamp it is unfinished or unfit, and is built
again. Whoever builds holds a lock on the folder, so that a second start waits.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.setup import pip_output
from bench.setup.report import SetupError, say

_KEPT_LINES = 400
"""How many of the last lines of pip's output are kept for finding out why it failed."""


@dataclass(frozen=True)
class Environment:
    """The environment in `folder` for the checkout at `root`; both are absolute."""

    folder: Path
    root: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python"

    def ready(self) -> bool:
        """Whether the environment is complete and fits the checkout as it is now."""
        try:
            stamped = self._stamp.read_text(encoding="utf-8")
        except OSError:
            return False
        return self.python.exists() and stamped == self._fitting_stamp()

    def provide(self) -> None:
        """Makes the environment if it is not ready. Raises SetupError with what to do about it."""
        if self.ready():
            return
        try:
            with self._alone() as lock:
                if not self.ready():
                    self._build(lock)
        except OSError as error:
            place = error.filename or self.folder
            raise SetupError(
                f"cannot set up {self.folder}: {error.strerror} ({place}). "
                "Set OXOBENCH_VENV to a folder of your own, as in OXOBENCH_VENV=~/.cache/oxobench/venv."
            ) from error

    @property
    def _stamp(self) -> Path:
        return self.folder / "oxobench.json"

    def _fitting_stamp(self) -> str:
        facts = {
            "folder": str(self.folder),
            "checkout": str(self.root),
            "lock": hashlib.sha256((self.root / "requirements.lock").read_bytes()).hexdigest(),
            "python": os.path.realpath(self.python),
        }
        return json.dumps(facts, indent=2)

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """Holds the lock on the folder, after waiting for whoever holds it; gives its descriptor."""
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    say(f"another start is setting up {self.folder}; waiting for it ...")
                    fcntl.flock(lock, fcntl.LOCK_EX)
                if self._is_folder(lock):
                    yield lock
                    return
            finally:
                os.close(lock)

    def _is_folder(self, lock: int) -> bool:
        """Whether the locked folder still stands at its place: someone may have removed it while we waited."""
        try:
            return os.path.samestat(os.fstat(lock), self.folder.stat())
        except FileNotFoundError:
            return False

    def _build(self, lock: int) -> None:
        began = time.monotonic()
        self._clear()
        say(f"setting up {self.folder} with Python {sys.version.split()[0]} (once, about half a minute) ...")
        # The real interpreter, not the one of an active environment, which may be the very one that is built anew.
        made = _run([os.path.realpath(sys.executable), "-I", "-m", "venv", str(self.folder)], lock)
        if made.code:
            raise SetupError(f"Python's venv failed:\n{pip_output.last_lines(made.lines)}")
        self._install(lock)
        self._make_importable()
        self._stamp.write_text(self._fitting_stamp(), encoding="utf-8")
        say(f"{self.folder} is ready, after {time.monotonic() - began:.0f} s")

    def _clear(self) -> None:
        """Empties the folder, unless it is somebody else's: only an empty one or one with our stamp is ours."""
        entries = [entry for entry in self.folder.iterdir() if entry != self._stamp]
        if entries and not self._stamp.exists():
            raise SetupError(
                f"{self.folder} was not made by oxobench, which leaves it alone: "
                "remove it, or set OXOBENCH_VENV to another folder."
            )
        self._stamp.write_text("unfinished", encoding="utf-8")
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _install(self, lock: int) -> None:
        # The lock file is complete (--no-deps) and everything has a wheel, so that no package's own code runs here.
        pip = [str(self.python), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
        install = ["install", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
        done = _run([*pip, *install, "--requirement", str(self.root / "requirements.lock")], lock)
        if done.code:
            raise SetupError(
                f"pip could not install the packages:\n{pip_output.last_lines(done.lines)}\n"
                f"{pip_output.advice(done.lines)} The next start takes the set-up up again."
            )

    def _make_importable(self) -> None:
        [packages] = self.folder.glob("lib/python3.*/site-packages")
        (packages / "oxobench.pth").write_text(f"{self.root}\n", encoding="utf-8")


@dataclass(frozen=True)
class _Done:
    code: int
    lines: list[str]


def _run(command: list[str], lock: int) -> _Done:
    """Runs a command to its end. It inherits the lock, which so lasts as long as it does if the launcher is killed."""
    unwanted = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"}
    environment = {name: value for name, value in os.environ.items() if name not in unwanted} | {"PIP_USER": "0"}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[lock],
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        lines = deque(process.stdout, maxlen=_KEPT_LINES)
    return _Done(process.returncode, [line.rstrip("\n") for line in lines])

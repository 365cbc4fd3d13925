"""A manual bench of a test's own, as `oxobench up` brings it up."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

import bench
from bench.manual.place import Place

CHECKOUT = Path(bench.__file__).parent.parent
ARTIFACTS = "OXOBENCH_ARTIFACTS"
UP_WITHIN = 60.0
DOWN_WITHIN = 30.0


class UpBench:
    """`with UpBench(folder, "--users", "3") as up:` brings a bench up that keeps its evidence there, and ends it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._environment = {**os.environ, ARTIFACTS: str(folder), "PYTHONPATH": str(CHECKOUT)}
        self._command = [sys.executable, "-P", "-m", "bench.cli", "up", *arguments]
        self._folder = folder
        self.page = ""
        """The address of the page, with its token."""
        self.mitmweb = ""

    def __enter__(self) -> UpBench:
        # Without a buffer: what was read and not looked at yet would be hidden from select.
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            cwd=CHECKOUT,
            bufsize=0,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            self._read_addresses()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def call(self, verb: str, within: float = 60.0, **parameters: Any) -> Any:
        """Has the bench carry a verb out."""
        return self._place().call(verb, within, **parameters)

    def status(self) -> dict[str, Any]:
        """The bench's snapshot."""
        return self._place().status()

    def in_node(self, node: str, commands: str) -> str:
        """What shell commands print in a node."""
        shell = self.call("shell", node=node)
        ran = subprocess.run(shell, input=commands, capture_output=True, text=True, check=True, timeout=20)
        return ran.stdout

    def happened(self, after: int, within: float = 0.0) -> tuple[int, list[dict[str, Any]]]:
        """How many entries of the time line after one are missing, and those that are kept; waits for some."""
        return self._place().happened(after, within)

    def memory(self) -> int:
        """How much memory the bench's own process holds, in kB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        return int(re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[0])

    def kill(self) -> None:
        """Kills the bench's own process at once."""
        self._process.kill()
        self._process.wait()

    def _place(self) -> Place:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(ARTIFACTS, str(self._folder))
            return Place()

    def _read_addresses(self) -> None:
        assert self._process.stdout is not None
        deadline = time.monotonic() + UP_WITHIN
        said = ""
        while not (self.page and self.mitmweb):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            line = self._process.stdout.readline().decode() if ready else ""
            said += line
            assert line, f"The bench did not come up within {UP_WITHIN:g} s: {said}"
            name, _, address = line.strip().partition(" ")
            if name in ("page", "mitmweb"):
                setattr(self, name, address.strip())

    def _end(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.communicate(timeout=DOWN_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise

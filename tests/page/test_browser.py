"""The browser of these tests leaves nothing running."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

_HOLD = """
import sys
from tests.page.browser import Browser
with Browser() as browser:
    print(browser.folder, flush=True)
    sys.stdin.read()
"""


def test_a_browser_dies_with_the_tests_even_when_they_are_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        folder = tests.stdout.readline().strip()
        running = _processes_of(folder)
        assert len(running) > 2, "the driver, the browser and its helpers"
        os.kill(tests.pid, signal.SIGKILL)
        tests.wait()
    deadline = time.monotonic() + 10
    while left := running & _processes_of(folder):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)
    shutil.rmtree(folder)


def _processes_of(folder: str) -> set[str]:
    """The processes that were given this folder, by number."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if folder.encode() in words:
            found.add(process.name)
    return found

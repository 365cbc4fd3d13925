from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["nowhere:Oxo", "emulators.oxo.node:Nobody", "emulators.oxo.node", ""])
def test_a_pbx_that_does_not_exist_is_refused_in_one_sentence(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--oxo", name, "--collect-only", "features/link_loss.feature"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "argument --oxo: " in done.stderr
    assert "Traceback" not in done.stderr

"""Where the evidence of a run stands: one private folder a run, and in it one a scenario."""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""


def artifacts_folder() -> Path:
    """Where all evidence goes, and where the manual bench is found: `artifacts` in the checkout, or the folder that
    OXOBENCH_ARTIFACTS names."""
    return Path(os.environ.get("OXOBENCH_ARTIFACTS") or ROOT / "artifacts").absolute()


def new_run_folder(artifacts: Path) -> Path:
    """Where this run's evidence goes, `artifacts/<date>-<time>-<pid>`; the first scenario makes the folder."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return artifacts / f"{stamp}-{os.getpid()}"


def scenario_folder(run: Path, node_id: str) -> Path:
    """Makes the folder of one scenario, named after its test; a second one of the same name gets a number."""
    name = re.sub(r"[^\w.-]+", "-", node_id.removeprefix("features/")).strip("-")[:120]
    run.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in range(1, 1000):
        folder = run / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{run} has a thousand folders for {name} already")

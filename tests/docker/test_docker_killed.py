"""A bench that is killed at any moment: its containers end by themselves, and the next one takes away the rest."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from network.docker.engine import CONTROL_LABEL, Engine

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
ROUNDS = 5
LONGEST = 4.0
"""Within so many seconds a bench is killed; a new site takes about two."""
GONE_WITHIN = 20.0

BENCH = """
import sys
from pathlib import Path
from network.docker.fabric import DockerFabric
from network.plan import DEFAULT_PLAN
fabric = DockerFabric()
for number in range(1000):
    evidence = Path(sys.argv[1]) / str(number)
    evidence.mkdir()
    site = fabric.build(DEFAULT_PLAN, evidence)
    site.settle(5)
    site.close()
"""
REAP = "from network.docker.reaper import reap; reap()"


def python(folder: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", program, *arguments], env=environment, cwd=ROOT)


def left(engine: Engine, folder: Path) -> tuple[list[str], list[str]]:
    """Containers and control folders that belong to benches in this folder."""
    containers = [one for one, labels in engine.containers().items() if str(folder) in labels[CONTROL_LABEL]]
    return containers, [path.name for path in folder.glob("oxobench-site-*")]


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_nothing_is_left(tmp_path: Path, round_: int) -> None:
    folder, evidence = tmp_path / "temporary", tmp_path / "evidence"
    folder.mkdir()
    evidence.mkdir()
    seed = random.randrange(1 << 32)
    after = random.Random(seed).uniform(0.3, LONGEST)
    bench = python(folder, BENCH, str(evidence))
    with pytest.raises(subprocess.TimeoutExpired):
        bench.wait(after)
    bench.send_signal(signal.SIGKILL)
    bench.wait(5)
    engine = Engine()
    try:
        deadline = time.monotonic() + GONE_WITHIN
        # A call that the engine was still carrying out for the bench may make something yet.
        while any(left(engine, folder)) and time.monotonic() < deadline:
            assert python(folder, REAP).wait(60) == 0
        assert not any(left(engine, folder)), f"seed {seed}, killed after {after:.2f} s"
    finally:
        engine.close()


def test_a_living_bench_is_left_alone(tmp_path: Path) -> None:
    folder, evidence = tmp_path / "temporary", tmp_path / "evidence"
    folder.mkdir()
    evidence.mkdir()
    bench = python(folder, BENCH, str(evidence))
    engine = Engine()
    try:
        deadline = time.monotonic() + 60
        while not (evidence / "1").exists():
            assert time.monotonic() < deadline
            assert bench.poll() is None
            select_nothing()
        before = left(engine, folder)
        assert python(folder, REAP).wait(60) == 0
        assert left(engine, folder) == before
        assert bench.poll() is None
    finally:
        bench.kill()
        bench.wait(5)
        deadline = time.monotonic() + GONE_WITHIN
        while any(left(engine, folder)) and time.monotonic() < deadline:
            assert python(folder, REAP).wait(60) == 0
        engine.close()


def select_nothing() -> None:
    """Lets another process run for a moment."""
    os.sched_yield()

"""Any process of a run may be killed at any moment: nothing stays behind but evidence.

Each round starts a real run on a copy of the checkout, waits until it has come to have a random number of processes,
kills one of them at random and lets the run end as it will. A round that fails prints its seed and whom it killed.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("bench", "emulators", "features", "network", "node", "proxies", "steps", "conftest.py", "pytest.ini")
MARK = "OXOBENCH_ROUND"
Namespace = tuple[int, int]
"""Device and inode, which tell one namespace from any other that exists at the same time."""
NAMESPACES = ("net", "mnt", "pid", "user")

ENDS_WITHIN = 40.0
"""Seconds that what is left of a run may take to end; its tests have deadlines of their own."""
GONE_WITHIN = 10.0
"""Seconds within which everything must be gone after the run has ended."""


@dataclass
class Run:
    """A run in a session of its own: finds its processes, also those that were left by their parents."""

    process: subprocess.Popen[bytes]
    mark: str
    seen: dict[int, str] = field(default_factory=dict)
    """What each process was called that was ever seen."""
    namespaces: dict[Namespace, int] = field(default_factory=dict)
    """All namespaces that any of them was ever seen in, held open: else the kernel gives their numbers away again."""

    def living(self) -> dict[int, str]:
        """The processes of the run by number: what each is."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if self._is_ours(folder):
                    found[int(folder.name)] = self._kind(folder)
                    self._hold_namespaces(folder)
        self.seen |= found
        return found

    def _hold_namespaces(self, folder: Path) -> None:
        for kind in NAMESPACES:
            if identity(folder / "ns" / kind) in self.namespaces:
                continue
            number = os.open(folder / "ns" / kind, os.O_RDONLY)
            if self.namespaces.setdefault(identity(number), number) != number:
                os.close(number)

    def still_there(self) -> list[str]:
        """The processes that are of the run, or in a namespace of it."""
        living = self.living()
        own = {identity(Path("/proc/self/ns") / kind) for kind in NAMESPACES}
        theirs = self.namespaces.keys() - own
        found = [f"{pid} ({kind})" for pid, kind in living.items()]
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                found += [f"{folder.name} in {namespace}" for namespace in inside(folder) if namespace in theirs]
        return found

    def let_go(self) -> None:
        for number in self.namespaces.values():
            os.close(number)

    def _is_ours(self, folder: Path) -> bool:
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
        state, session = stat[0], int(stat[3])
        if state == "Z":
            return False
        if session == self.process.pid:
            return True
        return f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0")

    def _kind(self, folder: Path) -> str:
        name = (folder / "comm").read_text().strip()
        if int(folder.name) == self.process.pid:
            return "pytest"
        parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        is_guard = name == "oxobench-zygote" and self.seen.get(parent) in ("oxobench-zygote", "guard")
        return "guard" if is_guard else name


def identity(namespace: Path | int) -> Namespace:
    status = os.stat(namespace)
    return status.st_dev, status.st_ino


def inside(folder: Path) -> list[Namespace]:
    """The namespaces that a process is in, also one that has ended and waits for its parent."""
    found = []
    for kind in NAMESPACES:
        with contextlib.suppress(OSError):
            found.append(identity(folder / "ns" / kind))
    return found


def mounts() -> set[str]:
    """Where something is mounted on this machine, but by its container engine, which may be at work beside this."""
    places = [line.partition(" - ")[0].split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return {place for place in places if not {"docker", "containerd"} & set(Path(place).parts)}


def interfaces() -> set[str]:
    """The machine's network interfaces, but those of a container engine."""
    return {name for _, name in socket.if_nameindex() if not name.startswith(("veth", "br-", "docker"))}


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy = tmp_path / "checkout"
    (copy / "artifacts").mkdir(parents=True)
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, copy / part)
    return copy


@pytest.fixture
def run(checkout: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    """A run that has just been started; its parameter is a list of further arguments."""
    mark = uuid.uuid4().hex
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COVERAGE_"))},
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(tmp_path / "tmp"),
        "HOME": str(tmp_path / "home"),
        MARK: mark,
    }
    command = [sys.executable, "-m", "pytest", "features", "-q", "--maxfail=1", *request.param]
    evidence = ["--artifacts=artifacts/run", "--basetemp=artifacts/tmp"]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [*command, *evidence],
            cwd=checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    run = Run(process, mark)
    yield run
    for pid in run.living():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(10)
    run.let_go()


ALONE = ["-k", "delays and not enabled or straight"]
TWO_WORKERS = [*ALONE, "-n", "2"]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("run", [ALONE, TWO_WORKERS], ids=["alone", "two workers"], indirect=True)
def test_nothing_stays_behind(run: Run, checkout: Path, tmp_path: Path, number: int) -> None:
    seed = random.SystemRandom().getrandbits(32)
    chance = random.Random(seed)
    files_before, mounts_before, interfaces_before = files(checkout), mounts(), interfaces()

    wanted = chance.randint(1, 40)
    deadline = time.monotonic() + 30
    living = run.living()
    while run.process.poll() is None and len(run.seen) < wanted and time.monotonic() < deadline:
        wait_for_end(run.process.pid, 0.01)
        living = run.living()
    wait_for_end(run.process.pid, chance.uniform(0, 0.02))
    living = run.living()
    victim = chance.choice(sorted(set(living.values()))) if living else "nobody"
    pids = [pid for pid, kind in living.items() if kind == victim]
    killed = chance.choice(sorted(pids)) if pids else None
    print(f"seed {seed}: killed {killed} ({victim}) of {living}, after {len(run.seen)} of {wanted} processes")
    if killed is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(killed, signal.SIGKILL)

    run.process.wait(ENDS_WITHIN)
    deadline = time.monotonic() + GONE_WITHIN
    while (still := run.still_there()) and time.monotonic() < deadline:
        wait_for_end(min(run.living(), default=os.getpid()), 0.01)
    print((tmp_path / "output").read_text()[-3000:])
    assert not still, "processes stay behind, or namespaces with somebody in them"
    assert not mounts() - mounts_before, "mounts stay behind"
    assert not interfaces() - interfaces_before, "interfaces stay behind"
    assert not [path for path in files(checkout) - files_before if path.parts[0] != "artifacts"]
    assert not files(tmp_path / "tmp")
    assert not files(tmp_path / "home")


def wait_for_end(pid: int, within: float) -> None:
    """Waits until a process has ended, at most `within` seconds."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([pidfd], [], [], max(0.0, within))
    finally:
        os.close(pidfd)

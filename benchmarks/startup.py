"""How long a fresh bench takes from nothing to "connected, through the proxy, devices retrieved", and to be gone again.

`python benchmarks/startup.py [--rounds N] [--json]`; README.md beside this file says what is counted.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import select
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.bench import DEFAULT_DOMAIN, PRELOADED, PROXY_PORT, Bench, BenchOptions
from bench.pki import Pki
from benchmarks import peers
from emulators.oxo.omc import Page
from network.docker.fabric import DockerFabric
from network.fabric import Fabric, FabricError, Site
from network.firewall import Policy
from network.netns.fabric import NetnsFabric
from network.plan import Role, SitePlan

AIM = 0.43
"""What an empty Mininet of this shape takes to be built and stopped on a machine of two cores, in seconds."""

USERS = 10
LOOK_AGAIN = 0.001
"""How long to wait between two looks at what the PCG has seen, in seconds."""
CONNECTED_WITHIN = 20.0

TEAR_DOWN = ("close", "gone")
"""The phases that take the site away; all others bring it up."""


class Marks:
    """The time that each phase took, in seconds, in the order of the phases."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, phase: str) -> None:
        """A phase ends here and the next one begins."""
        now = time.perf_counter()
        self.phases[phase] = now - self._last
        self._last = now

    def pause(self, work: Callable[[], int]) -> int:
        """Does something of the benchmark's own, which does not count."""
        result = work()
        self._last = time.perf_counter()
        return result

    @property
    def build(self) -> float:
        """From nothing to the devices retrieved."""
        return sum(seconds for phase, seconds in self.phases.items() if phase not in TEAR_DOWN)

    @property
    def tear_down(self) -> float:
        """From there until the last process is gone."""
        return sum(self.phases[phase] for phase in TEAR_DOWN)


class MarkedFabric:
    """A fabric that marks when the site stands: sandbox, namespaces, links and capture, and no program yet."""

    def __init__(self, fabric: Fabric, marks: Marks) -> None:
        self._fabric = fabric
        self._marks = marks

    def build(self, plan: SitePlan, evidence: Path) -> Site:
        """See Fabric."""
        site = self._fabric.build(plan, evidence)
        self._marks.mark("sandbox")
        return site

    def close(self) -> None:
        """See Fabric."""
        self._fabric.close()


class Sandbox:
    """The sandbox of one round: its process 1 ends when every process in it has, and the one that guards it last."""

    def __init__(self) -> None:
        self._before = descendants(os.getpid())
        self._guardian = -1

    def find(self) -> int:
        """Finds the process that guards it, once it is there."""
        self._guardian = os.pidfd_open((descendants(os.getpid()) - self._before).pop())
        return self._guardian

    def wait_until_gone(self) -> None:
        """Waits for that one's end."""
        select.select([self._guardian], [], [])
        os.close(self._guardian)


def measure(fabric: Fabric, pki: Pki, evidence: Path, sandbox: Sandbox | None = None) -> Marks:
    """One fresh bench, from nothing to nothing. Where there is a sandbox, its end is waited for; without one everything
    is gone when the site is closed. Raises FabricError when the PBX does not connect."""
    marks = Marks()
    bench = Bench(MarkedFabric(fabric, marks), evidence, BenchOptions(), pki)
    try:
        marks.mark("nodes")
        bench.set_policy(Policy.load("proxy-only"))
        marks.mark("policy")
        created = bench.rainbow.create()
        bench.plug_in_oxo({"users": USERS})
        marks.mark("PBX")
        bench.oxo.omc(Page.DNS, {"Primary": str(bench.plan.dns_server)})
        bench.oxo.omc(
            Page.WEB_PROXY,
            {"Host name or address": str(bench.plan.address(Role.PROXY)), "Port": str(PROXY_PORT)},
        )
        bench.oxo.omc(
            Page.RAINBOW,
            {
                "Domain": DEFAULT_DOMAIN,
                "PBX ID": created.pbx_id,
                "Activation code": created.activation_code,
                "Rainbow enabled": True,
            },
        )
        marks.mark("OMC")
        wait_for(lambda: bench.rainbow.pbx(created.pbx_id).connected, "the link", evidence)
        marks.mark("connected")
        wait_for(lambda: bench.rainbow.pbx(created.pbx_id).retrievals >= 1, "the devices", evidence)
        marks.mark("devices")
        if sandbox is not None:
            marks.pause(sandbox.find)
    finally:
        bench.close()
    marks.mark("close")
    if sandbox is not None:
        sandbox.wait_until_gone()
    marks.mark("gone")
    return marks


def wait_for(seen: Callable[[], bool], what: str, evidence: Path) -> None:
    """Asks the PCG again and again. Raises FabricError when it takes too long."""
    deadline = time.monotonic() + CONNECTED_WITHIN
    while not seen():
        if time.monotonic() > deadline:
            raise FabricError(f"The PCG did not see {what} within {CONNECTED_WITHIN:g} s; {evidence} may say why.")
        time.sleep(LOOK_AGAIN)


def descendants(pid: int) -> set[int]:
    """The children of the process's children: of the parent of all sandboxes, the processes that guard one."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended meanwhile.
    return {child for child, parent in parents.items() if parents.get(parent) == pid}


def make_pki() -> Pki:
    """The authorities, with their keys made: a run does that once."""
    pki = Pki()
    for authority in (pki.ale, pki.proxy, pki.stranger):
        authority.cert_pem.bytes()
    return pki


def run_rounds(pki: Pki, rounds: int) -> tuple[float, list[Marks]]:
    """The seconds that the parent of the sandboxes took to warm up, and what each round took."""
    with evidence_folders() as folders:
        begun = time.perf_counter()
        fabric = NetnsFabric(PRELOADED)
        warm_up = time.perf_counter() - begun
        try:
            return warm_up, [measure(fabric, pki, next(folders), Sandbox()) for _ in range(rounds)]
        finally:
            fabric.close()


def run_docker(pki: Pki, rounds: int, keep: bool) -> list[peers.BuildAndStop]:
    """The same bench in containers: in new ones each round, or with `keep` in those of a round before.

    Raises NotHere.
    """
    try:
        fabric = DockerFabric(keep)
    except FabricError as error:
        raise peers.NotHere(str(error).rstrip(".")) from error
    with evidence_folders() as folders:
        try:
            if keep:
                measure(fabric, pki, next(folders))
            marks = [measure(fabric, pki, next(folders)) for _ in range(rounds)]
        finally:
            fabric.close()
    return [(mark.build, mark.tear_down) for mark in marks]


@contextlib.contextmanager
def evidence_folders() -> Iterator[Iterator[Path]]:
    """A new folder for each round, which is gone in the end."""
    with tempfile.TemporaryDirectory(prefix="oxobench-startup-") as parent:

        def folders() -> Iterator[Path]:
            for number in itertools.count():
                folder = Path(parent) / str(number)
                folder.mkdir(mode=0o700)
                yield folder

        yield folders()


def run_peers(pki: Pki, rounds: int, image: str) -> tuple[dict[str, list[peers.BuildAndStop]], dict[str, str]]:
    """What each peer took; and for those that can't be measured here, why."""
    measured: dict[str, list[peers.BuildAndStop]] = {}
    why_not: dict[str, str] = {}
    runs: dict[str, Callable[[], list[peers.BuildAndStop]]] = {
        "in new containers": lambda: run_docker(pki, rounds, keep=False),
        "in kept containers": lambda: run_docker(pki, rounds, keep=True),
        "empty Mininet": lambda: peers.mininet(rounds),
        "empty compose project": lambda: peers.compose(rounds, image),
    }
    for name, run in runs.items():
        try:
            measured[name] = run()
        except peers.NotHere as why:
            why_not[name] = str(why)
    return measured, why_not


@dataclass(frozen=True)
class Spread:
    """Several times of one thing, in seconds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """Of at least one time."""
        return cls(statistics.median(seconds), min(seconds), max(seconds))

    def __str__(self) -> str:
        return f"{self.median * 1000:7.0f} {self.least * 1000:7.0f} {self.most * 1000:7.0f}"


@dataclass(frozen=True)
class Rounds:
    """What several rounds of building and taking away took."""

    build: Spread
    tear_down: Spread
    together: Spread

    @classmethod
    def of(cls, rounds: Sequence[peers.BuildAndStop]) -> Rounds:
        """Of at least one round."""
        builds, stops = zip(*rounds, strict=True)
        return cls(Spread.of(builds), Spread.of(stops), Spread.of([build + stop for build, stop in rounds]))

    def lines(self, name: str) -> list[str]:
        """For a table."""
        return [
            f"{name:<24} {self.together}",
            f"{'  build':<24} {self.build}",
            f"{'  tear-down':<24} {self.tear_down}",
        ]


@dataclass(frozen=True)
class Results:
    """Everything that was measured; times are in seconds."""

    rounds: int
    warm_up: float
    bench: Rounds
    phases: dict[str, Spread]
    peers: dict[str, Rounds]
    not_measured: dict[str, str]
    aim: float = AIM

    def __str__(self) -> str:
        lines = [f"{'ms, ' + str(self.rounds) + ' rounds':<24} {'median':>7} {'least':>7} {'most':>7}"]
        lines += self.bench.lines("bench")
        lines += ["", *(f"{'  ' + phase:<24} {spread}" for phase, spread in self.phases.items()), ""]
        for name, peer in self.peers.items():
            ratio = self.bench.together.median / peer.together.median
            lines += [*peer.lines(name), f"the bench takes {ratio:.2f} times as long", ""]
        lines += [f"{name}: not measured, since {why}." for name, why in self.not_measured.items()]
        met = "met" if self.bench.together.median < self.aim else "missed"
        lines += [
            f"Once a run, the parent of all sandboxes: {self.warm_up * 1000:.0f} ms.",
            f"Aim for build and tear-down together: under {self.aim * 1000:.0f} ms: {met}.",
        ]
        return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; the exit code tells whether it could be measured, not whether it was fast."""
    parser = argparse.ArgumentParser(
        description="How long a fresh bench takes to be up, connected and with its devices retrieved, and to be gone."
    )
    parser.add_argument("--rounds", type=int, default=20, help="how many benches are built (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with times in seconds")
    parser.add_argument("--image", default="busybox", help="image of the compose project (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    try:
        pki = make_pki()
        warm_up, marks = run_rounds(pki, options.rounds)
        measured, why_not = run_peers(pki, options.rounds, options.image)
    except FabricError as error:
        print(f"startup.py: {error}", file=sys.stderr)
        return 2
    results = Results(
        options.rounds,
        warm_up,
        Rounds.of([(mark.build, mark.tear_down) for mark in marks]),
        {phase: Spread.of([mark.phases[phase] for mark in marks]) for phase in marks[0].phases},
        {name: Rounds.of(rounds) for name, rounds in measured.items()},
        why_not,
    )
    print(json.dumps(asdict(results), indent=2) if options.json else results)
    return 0


if __name__ == "__main__":
    sys.exit(main())

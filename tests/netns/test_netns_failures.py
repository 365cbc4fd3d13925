"""What the bench is told when a part of the machine room is missing or dies."""

from __future__ import annotations

import gc
import os
import select
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from network.fabric import FabricError
from network.firewall import find_nft
from network.netns import messages
from network.netns.fabric import NetnsFabric, NetnsSite
from network.plan import DEFAULT_PLAN, Link, Node, Role, SitePlan
from node.program import ProgramSpec
from node.remote import NodeError, NodeGone
from tests.netns.conftest import Hands
from tests.netns.hand import hand

ROOT = Path(__file__).parents[2]


@pytest.fixture
def own_rooms() -> Iterator[NetnsFabric]:
    """A machine room that a test may break."""
    fabric = NetnsFabric(("network.capture",))
    yield fabric
    fabric.close()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def zygote() -> int:
    """The newest parent of sandboxes that this process has started."""
    return max((pid for pid in children(os.getpid()) if comm(pid) == "oxobench-zygote"), key=started)


def started(pid: int) -> int:
    """When a process was started, in ticks since the machine was: its number does not tell, as numbers come around."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def comm(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def kill(pid: int) -> None:
    """Kills a process and waits until it has ended."""
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert select.select([pidfd], [], [], 10)[0], f"process {pid} did not end"
    finally:
        os.close(pidfd)


def one_sentence(error: BaseException) -> bool:
    text = str(error)
    return text.endswith((".", "oxobench doctor` says why.")) and "\n" not in text and "Traceback" not in text


def test_a_node_whose_process_is_killed_is_gone(site: NetnsSite, hands: Hands) -> None:
    oxo = hands.nodes[Role.OXO]
    hands.site.kill(Role.OXO)
    other = hands.site.start(Role.OXO, hand())
    other.wait_until_ready()
    with pytest.raises(NodeGone, match="node pcg is gone"):
        hands.nodes[Role.PCG].ask("end", status=1)
    assert "pcg" not in _running(site)
    assert oxo is not other


def test_a_node_that_ends_on_its_own_does_not_stop_the_others(hands: Hands) -> None:
    with pytest.raises(NodeGone):
        hands.nodes[Role.DNS].ask("end", status=0)
    with pytest.raises(NodeGone, match="node dns is gone"):
        hands.nodes[Role.DNS].ask("site_time")
    assert hands.site.settle(10)
    hands.connect(Role.OXO, "198.51.100.10", 443)


def _running(site: NetnsSite) -> set[str]:
    site.settle(10)
    return set(site.pids())


@pytest.mark.parametrize("victim", ["guard", "process 1", "parent"])
def test_a_site_whose_sandbox_is_killed(own_rooms: NetnsFabric, tmp_path: Path, victim: str) -> None:
    site = own_rooms.build(DEFAULT_PLAN, tmp_path)
    node = site.start(Role.OXO, hand())
    node.wait_until_ready()
    parent = zygote()
    (guard,) = children(parent)
    (first,) = children(guard)
    assert comm(first) == "oxobench-site"
    pidfd = os.pidfd_open(first)
    kill({"guard": guard, "process 1": first, "parent": parent}[victim])
    assert select.select([pidfd], [], [], 10)[0], "process 1 of the sandbox did not end"
    os.close(pidfd)
    with pytest.raises(NodeGone, match="node oxo is gone"):
        node.ask("site_time")
    for use in (
        lambda: site.settle(1),
        lambda: site.kill(Role.OXO),
        lambda: site.start(Role.OXO, hand()),
        site.pids,
    ):
        with pytest.raises(FabricError, match="sandbox is gone") as told:
            use()
        assert one_sentence(told.value)
    for ask in (site.capture, site.next_timer):
        with pytest.raises(NodeGone):
            ask()
    site.close()


def test_a_machine_room_whose_parent_is_killed_builds_no_more(own_rooms: NetnsFabric, tmp_path: Path) -> None:
    kill(zygote())
    with pytest.raises(FabricError, match="parent of the sandboxes is gone") as told:
        own_rooms.build(DEFAULT_PLAN, tmp_path)
    assert one_sentence(told.value)


def test_a_machine_room_that_cannot_start(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FabricError, match="ended before it was ready") as told:
        NetnsFabric(("no.such.module",))
    assert one_sentence(told.value)
    assert "No module named 'no'" in capfd.readouterr().err


def test_evidence_that_cannot_be_written(own_rooms: NetnsFabric, tmp_path: Path) -> None:
    with pytest.raises(FabricError) as told:
        own_rooms.build(DEFAULT_PLAN, tmp_path / "missing")
    assert one_sentence(told.value)
    assert "missing" in str(told.value)
    own_rooms.build(DEFAULT_PLAN, tmp_path).close()


def test_a_network_that_cannot_be_built(own_rooms: NetnsFabric, tmp_path: Path) -> None:
    (lan, _), node = DEFAULT_PLAN.segments, DEFAULT_PLAN.node(Role.OXO)
    twice = SitePlan((lan, lan), (node,), DEFAULT_PLAN.dns_server)
    with pytest.raises(FabricError, match="network could not be built") as told:
        own_rooms.build(twice, tmp_path)
    assert one_sentence(told.value)


def test_a_plan_that_contradicts_itself(own_rooms: NetnsFabric, tmp_path: Path) -> None:
    lan, _ = DEFAULT_PLAN.segments
    lost = Node(Role.OXO, (Link("dmz", DEFAULT_PLAN.address(Role.OXO)),))
    with pytest.raises(FabricError) as told:
        own_rooms.build(SitePlan((lan,), (lost,), DEFAULT_PLAN.dns_server), tmp_path)
    assert one_sentence(told.value)
    assert "dmz" in (tmp_path / "sandbox.log").read_text()


def test_nothing_is_left_open_after_a_failure(own_rooms: NetnsFabric, tmp_path: Path) -> None:
    """Python warns of every socket that is forgotten."""
    before = set(os.listdir("/proc/self/fd"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            with pytest.raises(FabricError):
                own_rooms.build(DEFAULT_PLAN, tmp_path / "missing")
            with pytest.raises(FabricError):
                NetnsFabric(("no.such.module",))
        gc.collect()
    assert set(os.listdir("/proc/self/fd")) == before


def test_settings_that_are_too_large_for_a_message(site: NetnsSite) -> None:
    with pytest.raises(ValueError, match="too large for a sandbox"):
        site.start(Role.OXO, ProgramSpec("tests.netns.hand:Hand", {"tcp": ["x" * 200_000]}))
    node = site.start(Role.OXO, hand())
    node.wait_until_ready()


@pytest.mark.parametrize("when", ["made", "started"])
@pytest.mark.parametrize("kind", ["OSError", "ValueError", "KeyError"])
def test_a_program_that_cannot_start_says_why(site: NetnsSite, when: str, kind: str) -> None:
    node = site.start(Role.OXO, ProgramSpec("tests.netns.hand:Unwilling", {"when": when, "kind": kind}))
    with pytest.raises(NodeError, match="node oxo cannot start: .*the reason") as told:
        node.wait_until_ready()
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("factory", ["no.such.module:Program", "tests.netns.hand:Nobody"])
def test_a_program_that_does_not_exist(site: NetnsSite, factory: str) -> None:
    node = site.start(Role.OXO, ProgramSpec(factory))
    with pytest.raises(NodeError, match="node oxo cannot start: .*(no.such|No module|Nobody)"):
        node.wait_until_ready()


def test_messages_end_when_the_other_end_does() -> None:
    ours, theirs = messages.pair()
    messages.send(theirs, {"a": 1})
    theirs.close()
    with ours:
        assert messages.receive(ours) == ({"a": 1}, [])
        with pytest.raises(EOFError, match="gone"):
            messages.receive(ours)
        with pytest.raises(OSError, match="Broken pipe"):
            messages.send(ours, "hello")


TRY_TO_BUILD = """
import sys
from pathlib import Path
from network.fabric import FabricError
from network.netns.fabric import NetnsFabric
from network.plan import DEFAULT_PLAN
fabric = NetnsFabric(("network.capture",))
try:
    fabric.build(DEFAULT_PLAN, Path(sys.argv[1])).close()
except FabricError as error:
    print(error)
fabric.close()
"""


@pytest.mark.parametrize("kind", ["user", "net", "pid", "mnt"])
def test_a_machine_without_namespaces(tmp_path: Path, kind: str) -> None:
    """In a namespace of whose kind no more may be made."""
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "sh", "-c"),
            f'echo 0 > /proc/sys/user/max_{kind}_namespaces && exec "$@"',
            *("sh", sys.executable, "-W", "error", "-c", TRY_TO_BUILD, str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert "does not let user" in done.stdout
    assert "No space left on device" in done.stdout
    assert "oxobench doctor" in done.stdout


TRY_FIREWALL = """
import sys
from pathlib import Path
from network.netns.fabric import NetnsFabric
from network.plan import DEFAULT_PLAN, Role
from node.program import ProgramSpec
from node.remote import NodeError
fabric = NetnsFabric(("network.capture",))
site = fabric.build(DEFAULT_PLAN, Path(sys.argv[1]))
firewall = ProgramSpec("network.firewall:Firewall", {"addresses": {}, "name": "deny-all", "rules": "drop"})
try:
    site.start(Role.FIREWALL, firewall).wait_until_ready()
except NodeError as error:
    print(error)
site.close()
fabric.close()
"""


def test_a_machine_without_nft(tmp_path: Path) -> None:
    nft = find_nft()
    assert nft is not None
    done = subprocess.run(
        [
            *("unshare", "--user", "--mount", "--map-root-user", "sh", "-c"),
            f'mount --bind /dev/null "{Path(nft).resolve()}" && exec "$@"',
            *("sh", sys.executable, "-W", "error", "-c", TRY_FIREWALL, str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == (
        "node firewall cannot start: The command nft is not installed: install the package nftables.\n"
    )
    assert done.stderr == ""

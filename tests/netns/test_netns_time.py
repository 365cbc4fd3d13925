"""Time on a site: timers in several nodes, jumps, and when a site has come to rest."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.passage import JumpingTime
from network.fabric import FabricError
from network.firewall import Policy
from network.netns.fabric import NetnsSite
from network.plan import Role
from network.quiet import Bytes, Queues, wait_until_quiet
from node.remote import Remote
from tests.netns.conftest import Hands
from tests.netns.hand import hand


def started(site: NetnsSite, *roles: Role) -> list[Remote]:
    nodes = [site.start(role, hand()) for role in roles]
    for node in nodes:
        node.wait_until_ready()
    return nodes


def test_timers_of_several_nodes_ring_in_the_order_of_their_times(site: NetnsSite) -> None:
    oxo, pcg = started(site, Role.OXO, Role.PCG)
    begun = oxo.ask("site_time")
    oxo.ask("ring", bells={"a": 10, "c": 960, "e": 7200})
    pcg.ask("ring", bells={"b": 30, "d": 961}, then=5)
    passage = JumpingTime(site)
    real = time.monotonic()
    passage.advance(3600)
    assert time.monotonic() - real < 10
    rung = sorted(oxo.ask("bells") + pcg.ask("bells"))
    assert [name for _, name in rung] == ["a", "b", "b+", "c", "d", "d+"]
    for (when, _), due in zip(rung, [10, 30, 35, 960, 961, 966], strict=True):
        assert due <= when - begun < due + 2
    assert oxo.ask("site_time") - begun == pytest.approx(3600, abs=5)
    passage.advance(3600)
    assert oxo.ask("bells")[-1][1] == "e"


def test_until_stops_at_what_it_waits_for(site: NetnsSite) -> None:
    (oxo,) = started(site, Role.OXO)
    oxo.ask("ring", bells={"early": 10, "late": 1000})
    passage = JumpingTime(site)
    assert passage.until(lambda: bool(oxo.ask("bells")), 2000)
    assert site.offset == pytest.approx(10, abs=2)
    assert not passage.until(lambda: len(oxo.ask("bells")) > 1, 100)
    assert site.offset == pytest.approx(110, abs=4)


def test_a_node_that_starts_late_has_the_sites_time(site: NetnsSite) -> None:
    (oxo,) = started(site, Role.OXO)
    JumpingTime(site).advance(500)
    (pcg,) = started(site, Role.PCG)
    assert pcg.ask("offset") == oxo.ask("offset") == site.offset
    first, then = pcg.ask("site_time"), oxo.ask("site_time")
    assert first <= then < first + 5


def test_the_next_timer_is_that_of_any_node(site: NetnsSite) -> None:
    oxo, pcg = started(site, Role.OXO, Role.PCG)
    assert site.next_timer() is None
    oxo.ask("ring", bells={"far": 900})
    pcg.ask("ring", bells={"near": 90})
    due = site.next_timer()
    assert due is not None
    assert 80 < due <= 90


def test_time_never_goes_back(site: NetnsSite) -> None:
    (oxo,) = started(site, Role.OXO)
    site.jump(100)
    site.jump(50)
    assert site.offset == oxo.ask("offset") == 100


def test_a_site_at_work_is_waited_for(site: NetnsSite) -> None:
    (oxo,) = started(site, Role.OXO)
    oxo.ask("work", seconds=0.3)
    begun = time.monotonic()
    assert site.settle(10)
    assert time.monotonic() - begun >= 0.25
    assert oxo.ask("outcome", key="work") == "worked"


def test_a_site_that_works_on_does_not_come_to_rest(site: NetnsSite, monkeypatch: pytest.MonkeyPatch) -> None:
    (oxo,) = started(site, Role.OXO)
    oxo.ask("work", seconds=1.0)
    assert not site.settle(0.1)
    monkeypatch.setattr("bench.passage.REST_WITHIN", 0.1)
    with pytest.raises(FabricError, match="did not come to rest within 0.1 s"):
        JumpingTime(site).rest()


def test_bytes_that_the_kernel_holds_back_are_waited_for(hands: Hands) -> None:
    hands.nodes[Role.PCG].ask("listen_late", port=9000)
    hands.site.settle(10)
    hands.nodes[Role.OXO].ask("send_in_two", host="198.51.100.10", port=9000)
    assert hands.site.settle(10)
    assert "".join(hands.nodes[Role.PCG].ask("callers")) == "12"


def test_bytes_that_are_lost_on_the_way_are_not_waited_for_for_ever(hands: Hands) -> None:
    link = hands.connect(Role.OXO, "198.51.100.10", 443)
    hands.policy(Policy.load("deny-all"), cut=True)
    hands.nodes[Role.OXO].ask("talk", key=link)
    assert hands.site.settle(10)
    assert hands.nodes[Role.OXO].ask("outcome", key=link) == "pending"


@pytest.fixture
def queues() -> Iterator[Queues]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
        echo.bind(("127.0.0.1", 0))
        echo.connect(echo.getsockname())
        yield Queues(echo)


def test_queues_that_nothing_comes_out_of_are_not_drained() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        far.bind(("127.0.0.1", 0))
        deaf.connect(far.getsockname())
        before = os.sched_getaffinity(0)
        assert not Queues(deaf).drain()
        assert os.sched_getaffinity(0) == before


def test_no_process_at_all_is_quiet(queues: Queues) -> None:
    assert wait_until_quiet(list, queues, Bytes(), time.monotonic() + 5)


def test_a_process_that_has_ended_is_not_quiet_yet(queues: Queues) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert not wait_until_quiet(lambda: [pid], queues, Bytes(), time.monotonic() + 0.05)


def test_this_process_is_not_quiet_while_it_looks(queues: Queues) -> None:
    assert not wait_until_quiet(lambda: [os.getpid()], queues, Bytes(), time.monotonic() + 0.05)


ROW = "   0: F65CA8C0:C350 0A643363:01BB {state} {unsent}:00000000 01:00000014 {again}     0        0 4711 1 0"


@pytest.mark.parametrize(
    ("state", "unsent", "again", "quiet"),
    [
        ("01", "00000000", "00000000", True),
        ("01", "00000001", "00000000", False),
        ("04", "00000001", "00000000", False),
        ("01", "00000001", "00000003", True),
        ("02", "00000001", "00000000", True),
        ("0A", "00000080", "00000000", True),
    ],
    ids=["idle", "bytes under way", "FIN under way", "sent again", "SYN under way", "listening"],
)
def test_what_the_kernel_says_of_a_connection(
    tmp_path: Path, queues: Queues, state: str, unsent: str, again: str, quiet: bool
) -> None:
    """Reads /proc as it is when a node sleeps and has one connection."""
    task, net, namespaces = tmp_path / "7" / "task" / "7", tmp_path / "7" / "net", tmp_path / "7" / "ns"
    task.mkdir(parents=True)
    net.mkdir()
    namespaces.mkdir()
    (namespaces / "net").touch()
    (task / "status").write_text("Name:\toxo\nState:\tS (sleeping)\nvoluntary_ctxt_switches:\t5\n")
    (net / "snmp").write_text("Tcp: InSegs OutSegs\nTcp: 5 7\n")
    (net / "tcp").write_text("  sl  local_address\n" + ROW.format(state=state, unsent=unsent, again=again) + "\n")
    deadline = time.monotonic() + (10 if quiet else 0.1)
    assert wait_until_quiet(lambda: [7], queues, Bytes(tmp_path), deadline, tmp_path) is quiet


def test_a_table_of_connections_is_read_again_once_tcp_has_sent(tmp_path: Path) -> None:
    net, namespaces = tmp_path / "7" / "net", tmp_path / "7" / "ns"
    net.mkdir(parents=True)
    namespaces.mkdir()
    (namespaces / "net").touch()

    def kernel(sent: int, unsent: str) -> None:
        (net / "snmp").write_text(f"Ip: 1\nTcp: InSegs OutSegs\nTcp: 5 {sent}\n")
        (net / "tcp").write_text("  sl\n" + ROW.format(state="01", unsent=unsent, again="00000000") + "\n")

    seen = Bytes(tmp_path)
    kernel(7, "00000000")
    assert not seen.any_under_way([7])
    (net / "tcp").unlink()
    assert not seen.any_under_way([7]), "the table is not needed while the counters stand"
    kernel(8, "00000001")
    assert seen.any_under_way([7])
    assert seen.any_under_way([7]), "what is under way is looked for again"
    kernel(8, "00000000")
    assert not seen.any_under_way([7])
    assert seen.any_under_way([7, 8]), "a process that has ended may have sent something"

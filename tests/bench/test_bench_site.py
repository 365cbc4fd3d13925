"""A whole bench on the real fabric: what steps can ask of it, and what they say when something is not seen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.bench import DEFAULT_DOMAIN, PRELOADED, PROXY_NAME, Bench, BenchOptions
from bench.passage import JumpingTime, NotSeen, RealTime
from bench.pki import CertificateKind, Pki
from bench.verdict import Verdict, judge
from emulators.oxo.omc import Page
from network.fabric import FabricError
from network.firewall import Policy
from network.forge import forge_resets
from network.netns.fabric import NetnsFabric
from network.plan import Role
from network.wire.attempts import Closing, Outcome
from node.control import Refusal
from node.remote import NodeError, NodeGone

NO_SETS = {"users": 0}


@pytest.fixture(scope="module")
def rooms() -> Iterator[NetnsFabric]:
    fabric = NetnsFabric(PRELOADED)
    yield fabric
    fabric.close()


@pytest.fixture(scope="module")
def authorities() -> Pki:
    return Pki()


@pytest.fixture
def site(rooms: NetnsFabric, authorities: Pki, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(rooms, tmp_path, BenchOptions(), authorities)
    yield bench
    bench.close()


def connect(bench: Bench) -> str:
    """Plugs a PBX in and has it connect to Rainbow; its PBX ID there."""
    created = bench.rainbow.create()
    oxo = bench.plug_in_oxo(NO_SETS)
    oxo.omc(Page.DNS, {"Primary": str(bench.plan.dns_server)})
    oxo.omc(
        Page.RAINBOW,
        {
            "Domain": DEFAULT_DOMAIN,
            "PBX ID": created.pbx_id,
            "Activation code": created.activation_code,
            "Rainbow enabled": True,
        },
    )
    return created.pbx_id


def test_a_scenario_without_a_pbx(site: Bench) -> None:
    with pytest.raises(LookupError, match="no PBX has been plugged into this site"):
        site.oxo.restart()


def test_what_is_not_seen_is_told_with_what_there_was_instead(site: Bench) -> None:
    with pytest.raises(NotSeen) as told:
        site.expect(lambda: False, "a link", lambda: "no link at all", 960)
    assert str(told.value) == f"Awaited within 960 s: a link. Instead: no link at all. Evidence: {site.evidence}"
    assert judge(told.value) is Verdict.DEVICE
    assert site.site.offset == pytest.approx(960, abs=5)
    with pytest.raises(NotSeen, match=r"^Awaited: a link\. Instead: nothing\. Evidence: "):
        site.expect(lambda: False, "a link", lambda: "nothing")


def test_what_is_seen_is_not_waited_for(site: Bench) -> None:
    site.expect(lambda: True, "anything", lambda: "nothing", 3600)
    assert site.site.offset == 0


def test_what_is_said_instead_is_asked_for_only_when_it_is_needed(site: Bench) -> None:
    def never() -> str:
        raise RuntimeError("asked for nothing")

    site.expect(lambda: True, "anything", never)


def test_a_whole_site_connects(site: Bench) -> None:
    pbx_id = connect(site)
    since = site.wire.now()
    site.expect(lambda: site.rainbow.pbx(pbx_id).connected, "a link", lambda: "none", 60)
    (attempt,) = site.wire.attempts()
    assert (attempt.outcome, attempt.destination_port) == (Outcome.ANSWERED, 443)
    assert not site.wire.unanswered(attempt)
    assert site.wire.names_asked()[0] == "agent.openrainbow.com"
    assert site.wire.server_names() == ["agent.openrainbow.com"]
    assert len(site.wire.reached_rainbow()) == 1
    assert site.wire.beyond_the_lan()
    site.time.rest()
    now = site.wire.now()
    assert since < now
    assert not site.wire.attempts(now)
    assert not site.wire.sent(now)
    (one,) = site.wire.tries()
    assert one.begun == attempt.time
    assert one.ended is None


def test_times_of_the_wire_are_told_in_the_devices_time(site: Bench) -> None:
    assert isinstance(site.time, JumpingTime)
    before = time.time()
    site.time.advance(600)
    between = time.time()
    site.time.advance(3600)
    after = time.time()
    wall = site.time.on_the_wall
    assert wall(0.0) == 0.0
    assert wall(before) == before
    assert wall(between) - between == pytest.approx(600, abs=1)
    assert wall(after) - after == pytest.approx(4200, abs=2)
    assert site.time.now() == pytest.approx(time.time() + 4200, abs=2)
    assert site.time.clock() == pytest.approx(time.monotonic() + 4200, abs=2)


def test_a_try_is_over_when_its_connection_begins_to_end(site: Bench) -> None:
    """Not by a reset for a connection that was closed an hour ago."""
    pbx_id = connect(site)
    site.expect(lambda: site.rainbow.pbx(pbx_id).connected, "a link", lambda: "none", 60)
    site.time.rest()
    site.set_policy(Policy.load("blocking"))
    site.rainbow.drop(pbx_id)
    site.time.rest()
    dropped = site.time.now()
    site.time.advance(3600)
    for port, frame in forge_resets(replace(site.wire.attempts()[0], closes=[])):
        site.site.inject(port, frame)
    site.time.rest()
    assert any(close.how is Closing.RST for close in site.wire.attempts()[0].closes)
    ended = site.wire.tries()[0].ended
    assert ended is not None
    assert ended == pytest.approx(dropped, abs=10)


def test_policies_are_put_into_force_and_refused(site: Bench) -> None:
    site.set_policy(Policy.load("deny-all"))
    assert site.nodes[Role.FIREWALL].ask("in_force") == "deny-all"
    site.revive(Role.FIREWALL)
    assert site.nodes[Role.FIREWALL].ask("in_force") == "deny-all"
    with pytest.raises(Refusal, match=r"'mine': .* \(line 1\)") as refused:
        site.set_policy(Policy("mine", "let everything pass"))
    assert judge(refused.value) is Verdict.BENCH


def test_names_can_be_added(site: Bench) -> None:
    site.add_name("pbx.customer.example", Role.OXO)
    site.add_name(PROXY_NAME, Role.PROXY)


@pytest.mark.parametrize("kind", list(CertificateKind))
def test_every_certificate_is_taken_by_the_pcg(site: Bench, kind: CertificateKind) -> None:
    site.set_certificate(kind)


def test_a_node_that_dies_is_the_benchs_fault(site: Bench) -> None:
    site.site.kill(Role.DNS)
    with pytest.raises(NodeError) as gone:
        site.add_name("x.example", Role.OXO)
    assert judge(gone.value) is Verdict.BENCH


def test_a_bench_whose_nodes_cannot_start_leaves_no_site(rooms: NetnsFabric, tmp_path: Path) -> None:
    """The authorities of this one are not what a proxy can sign with."""

    class Unsigned(Pki):
        def certificate(self, kind: CertificateKind, name: str) -> str:
            return "no certificate"

    with pytest.raises(NodeError, match="node pcg cannot start"):
        Bench(rooms, tmp_path, BenchOptions(), Unsigned())


def test_an_oxo_that_does_not_exist(rooms: NetnsFabric, authorities: Pki, tmp_path: Path) -> None:
    bench = Bench(rooms, tmp_path, BenchOptions(oxo="no.such:Thing"), authorities)
    with pytest.raises(NodeError, match="node oxo cannot start: no.such:Thing: ModuleNotFoundError"):
        bench.plug_in_oxo(NO_SETS)
    bench.close()


def test_the_attempt_timeout_is_a_parameter(rooms: NetnsFabric, authorities: Pki, tmp_path: Path) -> None:
    bench = Bench(rooms, tmp_path, BenchOptions(parameters={"attempt_timeout": 7}), authorities)
    assert bench.attempt_timeout == 7
    bench.close()


@pytest.fixture
def slow(rooms: NetnsFabric, authorities: Pki, tmp_path: Path) -> Iterator[tuple[Bench, list[tuple[float, float]]]]:
    """A bench whose time cannot be moved, and what its progress display was told."""
    told: list[tuple[float, float]] = []
    options = BenchOptions(real_time=True, progress=lambda gone, whole: told.append((gone, whole)))
    bench = Bench(rooms, tmp_path, options, authorities)
    yield bench, told
    bench.close()


def test_on_real_time_a_wait_takes_its_time_and_shows_how_much_is_over(
    slow: tuple[Bench, list[tuple[float, float]]],
) -> None:
    bench, told = slow
    assert isinstance(bench.time, RealTime)
    begun = time.monotonic()
    bench.time.advance(0.3)
    assert time.monotonic() - begun >= 0.3
    assert told[0][0] < 0.3
    assert told[-1] == (0.3, 0.3)
    assert [gone for gone, _ in told] == sorted(gone for gone, _ in told)
    assert bench.site.offset == 0


def test_on_real_time_a_wait_ends_with_what_it_is_for(slow: tuple[Bench, list[tuple[float, float]]]) -> None:
    bench, _ = slow
    pbx_id = connect(bench)
    begun = time.monotonic()
    bench.expect(lambda: bench.rainbow.pbx(pbx_id).connected, "a link", lambda: "none", 15)
    assert time.monotonic() - begun < 20
    bench.time.rest()
    wire = time.time()
    assert bench.time.on_the_wall(wire) == wire
    assert bench.time.now() == pytest.approx(time.time(), abs=1)
    assert bench.time.clock() == pytest.approx(time.monotonic(), abs=1)
    with pytest.raises(NotSeen, match=r"Awaited within 0\.05 s"):
        bench.expect(lambda: False, "nothing", lambda: "nothing", 0.05)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (AssertionError("x"), Verdict.DEVICE),
        (NotSeen("x"), Verdict.DEVICE),
        (FabricError("x"), Verdict.BENCH),
        (NodeGone("x"), Verdict.BENCH),
        (Refusal("x"), Verdict.BENCH),
        (KeyboardInterrupt(), Verdict.BENCH),
    ],
)
def test_whose_fault_it_is(error: BaseException, verdict: Verdict) -> None:
    assert judge(error) is verdict

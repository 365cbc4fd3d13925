"""The time line of the manual bench: numbered without a gap, bounded, and nothing of a real site is missing in it."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from pathlib import Path

import pytest

from bench.bench import DEFAULT_DOMAIN, Bench
from bench.cloud import VPN_GATEWAY
from bench.manual.journal import KEPT, Entry, Journal, bench_says
from bench.manual.timeline import TimeLine
from bench.passage import JumpingTime
from emulators.chronicle import AT_ONCE, About, Bookmark, Chronicle, Note
from emulators.chronicle import KEPT as NOTES_KEPT
from emulators.door.faults import FaultKind
from emulators.oxo.omc import Page
from emulators.oxo.settings import DEFAULT_CONNECTION_SERVICE
from network.fabric import FabricError
from network.firewall import Policy
from network.plan import Role
from network.wire.happening import TEXT_LIMIT, Happening, Kind, Result

HOUR, FLAP = 3600, 10


def says(*numbers: int) -> list[Happening]:
    return [bench_says(float(number), f"thing {number}") for number in numbers]


def texts(entries: list[Entry]) -> list[str]:
    return [entry.happening.text for entry in entries]


def test_entries_are_numbered_and_kept_up_to_a_number() -> None:
    journal = Journal(kept=5)
    assert journal.since(0) == (0, [])
    journal.tell([])
    assert journal.last == 0
    journal.tell(says(3, 1, 2))
    assert texts(journal.since(0)[1]) == ["thing 1", "thing 2", "thing 3"]
    assert journal.since(3) == (0, [])
    journal.tell(says(*range(4, 10)))
    missed, entries = journal.since(1)
    assert (missed, [entry.id for entry in entries]) == (3, [5, 6, 7, 8, 9])
    assert journal.since(7) == (0, entries[3:])
    # A page that was open before the bench was started anew has a number that is not reached yet.
    assert journal.since(500) == (4, entries)
    assert journal.since(-1) == (4, entries)


def test_an_entry_as_json() -> None:
    happening = Happening(36_000.1234, Kind.TCP, "oxo", "pcg", "PBX opens TCP to PCG:443", Result.OK)
    shown = Entry(17, happening).to_json()
    assert shown.pop("time").endswith("0:00.123")
    assert shown == {
        "id": 17,
        "kind": "tcp",
        "from": "oxo",
        "to": "pcg",
        "text": "PBX opens TCP to PCG:443",
        "outcome": "ok",
    }
    assert len(bench_says(0, "x" * 1000).text) == TEXT_LIMIT


def test_many_threads_tell_and_a_reader_misses_nothing() -> None:
    journal = Journal(kept=10_000)

    def tell() -> None:
        for number in range(500):
            journal.tell(says(number))

    tellers = [threading.Thread(target=tell) for _ in range(4)]
    for teller in tellers:
        teller.start()
    seen: list[Entry] = []
    while len(seen) < 2000:
        missed, entries = journal.since(seen[-1].id if seen else 0)
        assert not missed
        seen += entries
    for teller in tellers:
        teller.join()
    assert [entry.id for entry in seen] == list(range(1, 2001))


def test_a_chronicle_is_read_bit_by_bit_and_bounded() -> None:
    async def fill(chronicle: Chronicle, count: int) -> None:
        for number in range(count):
            chronicle.note(About.LOGIN, f"note {number}", None)

    chronicle = Chronicle()
    first = chronicle.since(Bookmark())
    assert (first.missed, first.notes) == (0, [])
    asyncio.run(fill(chronicle, 2))
    second = chronicle.since(first.next)
    assert [note.text for note in second.notes] == ["note 0", "note 1"]
    assert chronicle.since(second.next).notes == []
    # Another process knows nothing of that bookmark: all it has is new.
    assert len(chronicle.since(Bookmark("another", 2)).notes) == 2
    asyncio.run(fill(chronicle, NOTES_KEPT + 5))
    read: list[Note] = []
    bookmark = second.next
    while (some := chronicle.since(bookmark)).notes:
        assert len(some.notes) <= AT_ONCE
        assert some.missed == (0 if read else 5)
        read += some.notes
        bookmark = some.next
    assert [note.number for note in read] == list(range(8, 8 + NOTES_KEPT))


class Watched:
    """A site with a PBX, and its time line."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.journal = Journal()
        self.line = TimeLine(bench.site, bench.time, self.journal)
        self.line.watch(Role.PCG, bench.rainbow.notes)
        created = bench.rainbow.create()
        self.pbx_id = created.pbx_id
        self.oxo = bench.plug_in_oxo({"users": 3})
        self.oxo.omc(Page.DNS, {"Primary": str(bench.plan.dns_server)})
        self.oxo.omc(
            Page.RAINBOW,
            {
                "Domain": DEFAULT_DOMAIN,
                "PBX ID": created.pbx_id,
                "Activation code": created.activation_code,
                "Rainbow enabled": True,
            },
        )
        self._read = 0

    def new(self, seconds: float = 0.0) -> list[Happening]:
        """What was told since the last time, after some time has passed; no entry is missing."""
        self.bench.time.advance(seconds)
        self.line.look()
        missed, entries = self.journal.since(self._read)
        assert not missed
        assert [entry.id for entry in entries] == list(range(self._read + 1, self._read + 1 + len(entries)))
        self._read += len(entries)
        return [entry.happening for entry in entries]


@pytest.fixture
def watched(bench: Bench) -> Watched:
    return Watched(bench)


def sentences(happenings: list[Happening]) -> list[str]:
    return [happening.text for happening in happenings]


def test_a_link_that_comes_up_and_is_dropped(watched: Watched) -> None:
    told = watched.new(1)
    assert sentences(told) == [
        "PBX asks DNS for agent.openrainbow.com: 198.51.100.10",
        "PBX opens TCP to PCG:443",
        "PBX begins TLS with PCG for agent.openrainbow.com",
        "TLS of PBX with PCG is up",
        "The connection is upgraded to WebSocket",
        "PBX logged in with its activation code",
        "PBX has stored its private code",
        "Channels up: xmpp, conf, csta, http",
        "Devices retrieved: 3 sets",
    ]
    # Notes and frames are in the device's time, alike.
    assert all(abs(one.time - watched.bench.time.now()) < 10 for one in told)
    watched.bench.rainbow.drop(watched.pbx_id, 4000)
    told = watched.new(1)
    assert "Session closed by the PCG with code 4000: dropped by command" in sentences(told)
    assert sum("TCP from PBX to PCG:443: closed" in text for text in sentences(told)) == 1
    assert "PBX logged in with its private code" in sentences(watched.new(60))
    watched.bench.rainbow.retrieve(watched.pbx_id)
    watched.bench.rainbow.retrieve(watched.pbx_id)
    assert "Devices retrieved: 3 sets" in sentences(watched.new(1))
    watched.bench.rainbow.reset(watched.pbx_id)
    assert "PBX was reset in Rainbow and has a new activation code" in sentences(watched.new(1))
    assert "Login of the PBX is refused: not-authorized" in sentences(watched.new(60))


def test_a_link_that_does_not_come_up(watched: Watched) -> None:
    watched.new(1)
    watched.bench.set_policy(Policy.load("blocking"), cut=True)
    watched.bench.rainbow.abort(watched.pbx_id)
    told = watched.new(300)
    stopped = [one for one in told if one.text == "TCP from PBX to PCG:443: no answer, stopped at the firewall"]
    attempts = [try_ for try_ in watched.bench.wire.tries() if try_.begun > stopped[0].time - 4]
    assert [one.time for one in stopped] == pytest.approx([try_.begun + 3 for try_ in attempts], abs=0.5)
    assert all(one.result is Result.FAILED for one in stopped)
    watched.bench.set_policy(Policy.load("permissive"))
    watched.bench.rainbow.set_fault(FaultKind.REFUSE_UPGRADE, 503)
    assert "The PCG refuses the upgrade with 503" in sentences(watched.new(960))


def test_nodes_that_die_and_run_again(watched: Watched) -> None:
    watched.new(1)
    watched.line.nodes({"oxo": None, "proxy": None, "cci": None})
    watched.bench.site.kill(Role.PCG)
    watched.line.nodes({"oxo": None, "proxy": "killed", "pcg": ""})
    watched.line.nodes({"oxo": None, "proxy": "killed", "pcg": ""})
    told = [one for one in watched.new() if one.kind is Kind.NODE]
    assert [(one.source, one.text) for one in told] == [
        ("proxy", "Node proxy died: killed"),
        ("pcg", "Node pcg died"),
    ]
    watched.line.nodes({"proxy": None})
    (again,) = watched.new()
    assert (again.text, again.result) == ("Node proxy runs again", Result.OK)


def test_a_capture_that_lacks_something_is_told_once(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.new(1)

    def holed() -> Path:
        raise FabricError("The capture lost 3 frames.")

    monkeypatch.setattr(watched.bench.site, "capture", holed)
    assert sentences(watched.new()) == ["The time line may lack something: The capture lost 3 frames."]
    assert watched.new() == []
    monkeypatch.undo()
    watched.bench.rainbow.drop(watched.pbx_id)
    assert "PBX logged in with its private code" in sentences(watched.new(60))


@pytest.mark.vpn
def test_cloud_connect_and_its_tunnel(watched: Watched) -> None:
    bench, oxo = watched.bench, watched.oxo
    watched.line.watch(Role.CCI, bench.cci.notes)
    watched.line.watch(Role.VPN, bench.vpn.notes)
    known = bench.cci.create()
    oxo.omc(
        Page.CLOUD_CONNECT,
        {
            "Connection service": DEFAULT_CONNECTION_SERVICE,
            "Activation account": known.account,
            "Activation password": known.one_time_password,
            "Cloud Connect enabled": True,
        },
    )
    told = watched.new(1)
    assert [one.text for one in told if one.source == "cci"] == [
        "The connection is upgraded to WebSocket",
        "PBX logged in with its one-time credentials",
        "PBX has stored its final credentials: it is registered",
    ]
    bench.cci.open(known.account, "tech1", VPN_GATEWAY, bench.vpn_password)
    told = watched.new(5)
    assert [one.text for one in told if one.source in ("cci", "vpn")] == [
        f"tech1 asks for a VPN connection to {VPN_GATEWAY}",
        "Tunnel of pbx-vpn is up: 10.168.92.100",
        "VPN connection of tech1 is open, the PBX has 10.168.92.100",
    ]
    assert [one.text for one in told if one.kind is Kind.IKE and one.source == "oxo"] == [
        "PBX sends IKE_SA_INIT to VPN gateway: answered",
        "PBX sends IKE_AUTH to VPN gateway: answered",
    ]
    bench.cci.close(known.account)
    told = watched.new(5)
    assert {one.text for one in told if one.source in ("cci", "vpn")} == {
        "All VPN connections are asked to be closed",
        "Tunnel of pbx-vpn is gone: 10.168.92.100",
        "VPN is closed, it had 1 connection",
    }


def test_an_hour_of_a_link_that_flaps(watched: Watched) -> None:
    """None is lost, each login is told exactly once, and nothing grows with the hour."""
    bench = watched.bench
    told: Counter[str] = Counter()
    times: list[float] = []
    sizes: list[int] = []
    for _ in range(HOUR // FLAP):
        happenings = watched.new(FLAP)
        told.update(sentences(happenings))
        times += [one.time for one in happenings if one.text.startswith("PBX logged in")]
        sizes.append(watched.line.size)
        if bench.rainbow.pbx(watched.pbx_id).connected:
            bench.rainbow.drop(watched.pbx_id)
    told.update(sentences(watched.new(1)))
    record = bench.rainbow.pbx(watched.pbx_id)
    sessions = len(record.sessions)
    assert sessions > HOUR / FLAP / 2
    logins = told["PBX logged in with its activation code"] + told["PBX logged in with its private code"]
    assert logins == sessions == len(times)
    assert times == sorted(times)
    assert min(after - before for before, after in itertools.pairwise(times)) > FLAP / 2
    ended = sum(session.ended is not None for session in record.sessions)
    assert told["Session closed by the PCG with code 1001: dropped by command"] == ended
    assert told["Devices retrieved: 3 sets"] == record.retrievals
    attempts = bench.wire.attempts()
    assert told["PBX opens TCP to PCG:443"] == len(attempts)
    assert told["PBX begins TLS with PCG for agent.openrainbow.com"] == len(attempts)
    closed = sum(
        count
        for text, count in told.items()
        if text.startswith(("TCP from PBX to PCG:443: closed", "TCP from PBX to PCG:443: reset"))
    )
    assert closed == sum(bool(attempt.closes) for attempt in attempts)
    # What is remembered reaches its bound, and stays there.
    assert max(sizes) < 300
    assert len(watched.journal.since(0)[1]) <= KEPT
    assert isinstance(bench.time, JumpingTime)
    assert bench.site.offset > HOUR - 100

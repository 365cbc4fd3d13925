"""The emulated PBX as a tester's hands find it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.bench import PRELOADED, Bench, BenchOptions
from bench.dut import Declined, Dut, NotStarted, Unfit
from bench.pki import Pki
from bench.verdict import Verdict, judge
from emulators.oxo.omc import Page
from emulators.oxo.settings import DEFAULT_ADMINISTRATOR_PASSWORD
from network.netns.fabric import NetnsFabric
from node.remote import NodeError


@pytest.fixture(scope="module")
def rooms() -> Iterator[NetnsFabric]:
    fabric = NetnsFabric(PRELOADED)
    yield fabric
    fabric.close()


@pytest.fixture(scope="module")
def authorities() -> Pki:
    return Pki()


@pytest.fixture
def oxo(rooms: NetnsFabric, authorities: Pki, tmp_path: Path) -> Iterator[Dut]:
    bench = Bench(rooms, tmp_path, BenchOptions(), authorities)
    yield bench.plug_in_oxo({"users": 2})
    bench.close()


def test_what_is_entered_in_omc_is_shown_and_survives_a_power_cut(oxo: Dut) -> None:
    oxo.omc(Page.WEB_PROXY, {"Host name or address": "proxy.customer.example", "Port": "3128"})
    before = oxo.omc_page(Page.WEB_PROXY)
    assert before["Host name or address"] == "proxy.customer.example"
    assert oxo.has_power()
    oxo.cut_power()
    assert not oxo.has_power()
    oxo.restart()
    assert oxo.omc_page(Page.WEB_PROXY) == before


def test_cancel_changes_nothing(oxo: Dut) -> None:
    before = oxo.omc_page(Page.DNS)
    oxo.omc(Page.DNS, {"Primary": "192.0.2.53"}, button="Cancel")
    assert oxo.omc_page(Page.DNS) == before


def test_what_omc_refuses_is_the_devices_word(oxo: Dut) -> None:
    with pytest.raises(Declined) as declined:
        oxo.omc(Page.WEB_PROXY, {"Port": "99999"})
    assert "Port" in str(declined.value)
    assert isinstance(declined.value, Unfit)
    assert judge(declined.value) is Verdict.DEVICE


def test_mmc(oxo: Dut) -> None:
    display = oxo.mmc(DEFAULT_ADMINISTRATOR_PASSWORD, ["System", "Rainbow"])
    assert display
    with pytest.raises(Declined):
        oxo.mmc("wrong", ["System"])


def test_the_sets(oxo: Dut) -> None:
    first, second = oxo.sets()
    oxo.rename_set(first.id, "Ada", "Lovelace")
    oxo.remove_set(second.id)
    assert [(phone.first_name, phone.last_name) for phone in oxo.sets()] == [("Ada", "Lovelace")]
    oxo.add_set(second)
    assert second in oxo.sets()
    with pytest.raises(Declined):
        oxo.add_set(second)


def test_a_cold_reset(oxo: Dut) -> None:
    oxo.omc(Page.RAINBOW, {"Domain": "rainbow.example"})
    oxo.cold_reset()
    assert oxo.has_power()


def test_power_that_fails_during_a_write(oxo: Dut) -> None:
    before = oxo.omc_page(Page.DNS)
    oxo.lose_power_at_next_write(3)
    oxo.omc_losing_power(Page.DNS, {"Primary": "192.0.2.53"})
    assert not oxo.has_power()
    oxo.restart()
    assert oxo.omc_page(Page.DNS) == before


def test_power_that_was_to_fail_and_did_not(oxo: Dut) -> None:
    with pytest.raises(NodeError, match="the power of the PBX did not fail, though it was told to"):
        oxo.omc_losing_power(Page.DNS, {"Primary": "192.0.2.53"})


def test_a_pbx_that_does_not_come_up_again(rooms: NetnsFabric, authorities: Pki, tmp_path: Path) -> None:
    """Its list of sets is gone when it is started for the first time after that, on an empty flash."""
    bench = Bench(rooms, tmp_path, BenchOptions(), authorities)
    sets = tmp_path / "sets.csv"
    with pytest.raises(NodeError, match="node oxo cannot start"):
        bench.plug_in_oxo({"file": str(sets)})
    bench.close()


class OnceOnly:
    """A PBX that starts but once."""

    def __init__(self, folder: str, **settings: object) -> None:
        self._used = Path(folder).with_suffix(".used")

    async def start(self) -> None:
        if self._used.exists():
            raise ValueError("it has been started before")
        self._used.touch()

    async def stop(self) -> None:
        return


def test_a_pbx_that_starts_but_once(rooms: NetnsFabric, authorities: Pki, tmp_path: Path) -> None:
    bench = Bench(rooms, tmp_path, BenchOptions(oxo="tests.bench.test_bench_dut:OnceOnly"), authorities)
    oxo = bench.plug_in_oxo({})
    with pytest.raises(NotStarted, match="node oxo cannot start: it has been started before") as told:
        oxo.restart()
    assert judge(told.value) is Verdict.DEVICE
    bench.close()

"""A power cut as others see it: nothing is said any more, whatever the PBX was doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.bench import PRELOADED, Bench, BenchOptions
from bench.pki import Pki
from emulators.oxo.omc import Page
from network.netns.fabric import NetnsFabric
from steps.installation import install
from steps.oxo import enable_by_omc
from steps.rainbow import PING_TIMEOUT, bring_up, link_comes_up, record
from steps.story import Story


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    rooms = NetnsFabric(PRELOADED)
    bench = Bench(rooms, tmp_path, BenchOptions(), Pki())
    yield bench
    bench.close()
    rooms.close()


def pull_the_plug(bench: Bench) -> None:
    bench.oxo.cut_power()


def fail_during_a_write(bench: Bench) -> None:
    bench.oxo.lose_power_at_next_write(3)
    bench.oxo.omc_losing_power(Page.DNS, {"Primary": "192.0.2.53"})


@pytest.mark.parametrize("cut", [pull_the_plug, fail_during_a_write])
def test_the_connections_of_a_pbx_without_power_do_not_end(bench: Bench, cut: Callable[[Bench], None]) -> None:
    story = Story()
    install(bench, story, {"users": 1})
    enable_by_omc(bench, story)
    bring_up(bench, story, 5.0)
    bench.time.rest()
    cut(bench)
    bench.time.advance(PING_TIMEOUT / 2)
    (link,) = bench.wire.attempts()
    assert link.is_open
    assert record(bench, story).connected
    bench.time.advance(PING_TIMEOUT)
    assert not record(bench, story).connected
    bench.oxo.restart()
    link_comes_up(bench, story)
    assert [attempt.is_open for attempt in bench.wire.attempts()][1:] == [True]

"""Which failure on the way to Rainbow the manual bench shows."""

from __future__ import annotations

import pytest

from bench.manual.failure import LastFailure
from bench.manual.journal import Entry
from network.wire.happening import Happening, Kind, Result

SILENT_PROXY = (Kind.CONNECT, "oxo", "proxy", "no answer to CONNECT by web proxy yet")
BLOCKED = (Kind.TCP, "proxy", "pcg", "TCP from web proxy to PCG:443: no answer, stopped at the firewall")


def seen(*happened: tuple[Kind, str, str, str], result: Result = Result.FAILED) -> LastFailure:
    last = LastFailure()
    last.see(Entry(n, Happening(float(n), kind, a, b, text, result)) for n, (kind, a, b, text) in enumerate(happened))
    return last


@pytest.mark.parametrize(
    ("happened", "stopped", "via"),
    [
        ([(Kind.TCP, "oxo", "pcg", "no answer, stopped at the firewall")], "firewall", "direct"),
        ([(Kind.TCP, "oxo", "proxy", "refused")], "proxy", "proxy"),
        ([(Kind.DNS, "oxo", "dns", "NXDOMAIN")], "dns", "direct"),
        ([(Kind.TCP, "oxo", "proxy", "opened"), SILENT_PROXY, BLOCKED, SILENT_PROXY], "firewall", "proxy"),
        ([(Kind.UPGRADE, "pcg", "oxo", "The PCG refuses the upgrade with 503")], "pcg", "direct"),
        ([(Kind.LOGIN, "pcg", "oxo", "The PCG refuses the login")], "pcg", "direct"),
    ],
)  # fmt: skip
def test_the_failure_that_says_most_is_shown(
    happened: list[tuple[Kind, str, str, str]], stopped: str, via: str
) -> None:
    now = seen(*happened).now()
    assert now is not None
    assert (now.stopped, now.via) == (stopped, via)


@pytest.mark.parametrize(
    "happened",
    [
        [(Kind.TCP, "oxo", "cci", "no answer")],
        [(Kind.LOGIN, "cci", "oxo", "The CCI refuses the login")],
        [BLOCKED, (Kind.BENCH, "", "", "Firewall policy: permissive")],
    ],
    ids=["another link", "another door", "the site was changed since"],
)
def test_what_is_not_on_the_way_to_rainbow_is_not(happened: list[tuple[Kind, str, str, str]]) -> None:
    assert seen(*happened).now() is None


def test_what_went_well_is_no_failure() -> None:
    assert seen(BLOCKED, result=Result.OK).now() is None


def test_what_failed_while_time_was_let_pass_is_shown_though_that_is_told_later() -> None:
    last = LastFailure()
    last.see([Entry(1, Happening(5.0, *BLOCKED, Result.FAILED))])
    last.see([Entry(2, Happening(1.0, Kind.BENCH, "", "", "Letting 16 min pass", Result.INFO))])
    assert last.now() is not None

"""Steps about time, which is the device's."""

from __future__ import annotations

from pytest_bdd import given, parsers, when

from bench.bench import Bench

_UNITS = {"second": 1, "minute": 60, "hour": 3600}


def seconds(number: int, unit: str) -> float:
    """A duration as scenarios write it, in seconds."""
    return float(number * _UNITS[unit.removesuffix("s")])


@given(parsers.re(r"(?P<number>\d+) (?P<unit>second|minute|hour)s? ha(s|ve) passed"))
@when(parsers.re(r"(?P<number>\d+) (?P<unit>second|minute|hour)s? pass(es)?"))
def time_passes(bench: Bench, number: str, unit: str) -> None:
    """Lets the device's time pass; all that falls due in it happens."""
    bench.time.advance(seconds(int(number), unit))

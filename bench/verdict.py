"""Tells a fault of the device from a fault of the bench."""

from __future__ import annotations

import enum


class Verdict(enum.Enum):
    """What a scenario says about the device under test."""

    PASSED = "passed"
    DEVICE = "device"
    """Something that the scenario asks of the device was not so."""
    BENCH = "bench"
    """The bench could not do its part, so the scenario says nothing about the device."""


def judge(error: BaseException) -> Verdict:
    """The verdict on a scenario that ended with this error: only a failed assertion is the device's."""
    return Verdict.DEVICE if isinstance(error, AssertionError) else Verdict.BENCH

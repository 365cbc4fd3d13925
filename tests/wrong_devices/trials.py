"""Makes every trial: its scenario, run against its wrong device. Nothing here is collected unless it is asked for.

test_wrong_devices.py runs this module in a pytest of its own, in which every test has to fail.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytest_bdd import scenario

from bench.bench import BenchOptions
from tests.wrong_devices.trial import Trial, all_trials

_TRIALS: dict[str, Trial] = {trial.test: trial for trial in all_trials()}


@pytest.fixture
def bench_options(request: pytest.FixtureRequest, bench_options: BenchOptions) -> BenchOptions:
    """The options of the run, with the trial's wrong device for the PBX."""
    device = _TRIALS[request.node.originalname].device
    return replace(bench_options, oxo=f"{device.__module__}:{device.__qualname__}")


def _nothing_more() -> None:
    """The scenario's steps are the whole test."""


for _name, _trial in _TRIALS.items():
    globals()[_name] = scenario(f"{_trial.feature}.feature", _trial.scenario)(_nothing_more)

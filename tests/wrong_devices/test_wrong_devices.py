"""Each scenario that is named beside a wrong device catches it, and every rule of every feature catches one."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_bdd.parser import Feature, FeatureParser

from bench.tunnels import TAG
from tests.wrong_devices.trial import Trial, all_trials

ROOT = Path(__file__).parents[2]
TRIALS = all_trials()
SECONDS = 900
"""How long all trials together may take: a fraction of that, but for other runs beside this one, or coverage."""


@dataclass(frozen=True)
class Outcome:
    """What a trial came to."""

    verdict: str
    """`passed`, or whose fault it was: `device` or `bench`."""
    step: str
    message: str


def run_trials(folder: Path) -> Path:
    """Makes all trials in one run of pytest, with its evidence in `folder`; returns its JUnit file."""
    folder.mkdir(parents=True, mode=0o700)
    junit = folder / "junit.xml"
    tests = folder / "tests.txt"
    module = Path(__file__).with_name("trials.py").relative_to(ROOT)
    tests.write_text("".join(f"{module}::{trial.case}\n" for trial in TRIALS), encoding="utf-8")
    # This run may be a worker of pytest-xdist, which the other one must not take itself for.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    options = ["-q", "-n", "4", "--tb=line", f"--artifacts={folder / 'evidence'}", f"--junit-xml={junit}"]
    with (folder / "output.txt").open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, f"@{tests}"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    why = f"the trials could not be made: {output.name} says why"
    assert done.returncode in (0, 1), why
    assert read(junit).keys() == {trial.case for trial in TRIALS}, why
    return junit


def read(junit: Path) -> dict[str, Outcome]:
    """The outcomes in a JUnit file, by the names of the tests."""
    outcomes = {}
    for case in ET.parse(junit).iter("testcase"):
        noted = {one.get("name"): one.get("value", "") for one in case.iter("property")}
        failure = case.find("failure")
        message = "" if failure is None else failure.get("message", "")
        outcomes[case.get("name", "")] = Outcome(noted.get("verdict", "passed"), noted.get("failed step", ""), message)
    return outcomes


@pytest.fixture(scope="session")
def outcomes(run_folder: Path) -> Mapping[str, Outcome]:
    """What all trials came to. The workers of a parallel run share one run of the trials: the first makes it."""
    run_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = run_folder / "wrong-devices"
    with (run_folder / "wrong-devices.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        junit = folder / "junit.xml"
        return read(junit if folder.exists() else run_trials(folder))


def features() -> dict[str, Feature]:
    return {
        path.stem: FeatureParser(str(ROOT / "features"), path.name).parse() for path in ROOT.glob("features/*.feature")
    }


def needs_tunnel() -> set[tuple[str, str]]:
    """The scenarios, by feature and name, that have the tag for what needs a VPN tunnel."""
    return {
        (name, scenario.name)
        for name, feature in features().items()
        for scenario in feature.scenarios.values()
        if TAG in feature.tags | scenario.tags
    }


TUNNELLED = needs_tunnel()


@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.parametrize(
    "trial",
    [
        pytest.param(
            trial,
            id=trial.case.removeprefix("test_"),
            marks=[pytest.mark.vpn] if (trial.feature, trial.scenario) in TUNNELLED else [],
        )
        for trial in TRIALS
    ],
)
def test_the_wrong_device_is_caught(trial: Trial, outcomes: Mapping[str, Outcome]) -> None:
    seen = outcomes[trial.case]
    assert (seen.verdict, seen.step) == ("device", trial.step), seen.message


def test_every_rule_and_every_scenario_catches_a_wrong_device() -> None:
    caught = {(trial.feature, trial.scenario) for trial in TRIALS}
    rules, proved = set(), set()
    for name, feature in features().items():
        for scenario in feature.scenarios.values():
            assert scenario.rule is not None, f"{name}: the scenario {scenario.name!r} stands under no rule"
            rules.add((name, scenario.rule.name))
            if (name, scenario.name) in caught:
                proved.add((name, scenario.rule.name))
    assert rules, "there are no features"
    assert rules - proved == set(), "rules for which there is no wrong device"
    scenarios = {(name, scenario) for name, feature in features().items() for scenario in feature.scenarios}
    assert scenarios - caught == set(), "scenarios for which there is no wrong device"


def test_the_trials_are_about_scenarios_rows_and_steps_that_exist() -> None:
    known = features()
    for trial in TRIALS:
        scenario = known[trial.feature].scenarios[trial.scenario]
        rows = [row for examples in scenario.examples for row in examples.as_contexts()] or [{}]
        assert trial.example in rows, trial
        steps = [f"{step.keyword} {step.name}" for step in scenario.render(trial.example).steps]
        assert trial.step in steps, trial

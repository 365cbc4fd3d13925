"""An engine that is not there, stops or refuses, and a container that dies: one sentence, evidence, and on it goes."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import time
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from network.docker.engine import CONTROL_LABEL, Engine
from network.docker.fabric import DockerFabric
from network.fabric import FabricError
from network.plan import DEFAULT_PLAN, Role
from tests.docker.enginedoor import EngineDoor
from tests.netns.conftest import open_hands
from tests.netns.hand import hand
from tests.wrong_devices.test_wrong_devices import read
from tests.wrong_devices.trial import all_trials

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
PCG = str(DEFAULT_PLAN.address(Role.PCG))
GONE_WITHIN = 20.0
SDK_LEAKS = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""The SDK forgets to close a socket that it could not connect to the engine."""


def bench(*arguments: str, engine: str = "", under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs Python with these arguments in the checkout, as a user at a terminal would."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [*under, sys.executable, *arguments],
        cwd=ROOT,
        env=environment | ({"DOCKER_HOST": engine} if engine else {}),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture
def sockets_of_the_sdk() -> Iterator[None]:
    """Has those that the SDK forgot closed before the next test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_no_engine_is_one_sentence(tmp_path: Path) -> None:
    for address, why in {
        f"unix://{tmp_path}/docker.sock": "not running",
        "tcp://127.0.0.1:9": "tcp://127.0.0.1:9: Connection refused",
    }.items():
        done = bench("-m", "bench.cli", "run", "--fabric", "docker", engine=address)
        assert done.returncode == 2
        assert done.stderr == (f"oxobench: No Docker engine can be used: {why}; `oxobench doctor` says what to do.\n")
        assert done.stdout == ""


def test_an_engine_that_one_may_not_ask_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        listener.listen()
        (tmp_path / "docker.sock").chmod(0)
        # In a user namespace, so that root may not do what its owner may not.
        run = ("-m", "bench.cli", "run", "--fabric", "docker")
        done = bench(*run, engine=f"unix://{tmp_path}/docker.sock", under=("unshare", "--user"))
    assert done.returncode == 2
    assert done.stderr.startswith("oxobench: No Docker engine can be used: ")
    assert done.stderr.endswith("docker.sock: Permission denied; `oxobench doctor` says what to do.\n")
    assert done.stderr.count("\n") == 1


@SDK_LEAKS
@pytest.mark.usefixtures("sockets_of_the_sdk")
def test_an_engine_that_stops(evidence: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [evidence / name for name in ("stops-1", "stops-2", "stops-3")]
    for folder in folders:
        folder.mkdir()
    with EngineDoor(tmp_path) as door:
        with monkeypatch.context() as patch:
            patch.setenv("DOCKER_HOST", door.address)
            fabric = DockerFabric()
        site = fabric.build(DEFAULT_PLAN, folders[0])
        control = site._keepers._folder
        hands = open_hands(site, "permissive")
        door.shut()
        # A site that stands does not need the engine.
        hands.connect(Role.OXO, PCG, 443)
        site.close()
        site = fabric.build(DEFAULT_PLAN, folders[1])
        with pytest.raises(FabricError, match=r"^The Docker engine did not .*: it does not answer\.$"):
            fabric.build(DEFAULT_PLAN, folders[2])
        site.close()
        fabric.close()
    assert (folders[0] / "site.pcapng").stat().st_size > 1000
    engine = Engine()
    try:
        deadline = time.monotonic() + GONE_WITHIN
        while str(control) in {labels[CONTROL_LABEL] for labels in engine.containers().values()}:
            assert time.monotonic() < deadline, "its containers have not ended by themselves"
            time.sleep(0.05)
    finally:
        engine.close()
    assert not control.exists()


@SDK_LEAKS
@pytest.mark.usefixtures("sockets_of_the_sdk")
def test_an_engine_that_stops_while_a_site_is_made(
    evidence: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (evidence / "half").mkdir()
    with EngineDoor(tmp_path) as door:
        with monkeypatch.context() as patch:
            patch.setenv("DOCKER_HOST", door.address)
            fabric = DockerFabric()
        door.shut()
        with pytest.raises(FabricError, match=r"^The Docker engine did not .*: it does not answer\.$"):
            fabric.build(DEFAULT_PLAN, evidence / "half")
        fabric.close()


def test_a_program_is_not_started_where_the_site_has_ended(containers: DockerFabric, evidence: Path) -> None:
    (evidence / "ended").mkdir()
    site = containers.build(DEFAULT_PLAN, evidence / "ended")
    engine = Engine()
    try:
        engine.remove_container(site.shell(Role.OXO)[-2])
    finally:
        engine.close()
    with pytest.raises(FabricError, match=r"^A container of the site is no longer there: .*\.$"):
        site.start(Role.OXO, hand())
    site.close()


DIES = """
import docker
from network.plan import Role

def test_a_container_dies(bench):
    engine = docker.from_env()
    engine.containers.get(bench.site.shell(Role.PCG)[-2]).kill()
    engine.close()
    bench.rainbow.create()

def test_the_next_one_has_new_containers(bench):
    bench.rainbow.create()
"""


def test_a_container_that_dies_counts_against_the_bench(tmp_path: Path) -> None:
    (tmp_path / "test_dies.py").write_text(DIES)
    junit = tmp_path / "junit.xml"
    options = ["-q", "-c", "pytest.ini", f"--rootdir={ROOT}", "--noconftest", "-p", "conftest", f"--junit-xml={junit}"]
    own = ["--fabric=docker", f"--artifacts={tmp_path / 'evidence'}", f"--basetemp={tmp_path / 'tmp'}"]
    done = bench("-m", "pytest", *options, *own, str(tmp_path / "test_dies.py"))
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "node pcg is gone" in said
    assert "Traceback" not in said
    verdicts = {
        case.get("name"): [one.get("value") for one in case.iter("property") if one.get("name") == "verdict"]
        for case in ET.parse(junit).iter("testcase")
    }
    assert verdicts == {"test_a_container_dies": ["bench"], "test_the_next_one_has_new_containers": []}
    (folder,) = (tmp_path / "evidence").glob("*test_a_container_dies*")
    assert {"site.pcapng", "pcg.log", "firewall.log"} <= {path.name for path in folder.iterdir()}


def test_wrong_devices_are_caught_in_containers_too(tmp_path: Path) -> None:
    features = ("wss_establishment", "device_retrieval", "enable_disable")
    trials = [next(trial for trial in all_trials() if trial.feature == feature) for feature in features]
    junit = tmp_path / "junit.xml"
    tests = [f"tests/wrong_devices/trials.py::{trial.case}" for trial in trials]
    own = ["--fabric=docker", f"--artifacts={tmp_path / 'evidence'}", f"--junit-xml={junit}"]
    done = bench("-m", "pytest", "-q", "--tb=line", *own, *tests)
    assert done.returncode == 1, done.stdout + done.stderr
    outcomes = read(junit)
    for trial in trials:
        assert (outcomes[trial.case].verdict, outcomes[trial.case].step) == ("device", trial.step)

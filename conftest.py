"""Options, fixtures and steps for every scenario and test."""

from __future__ import annotations

import argparse
import os
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.bench import Bench, BenchOptions
from bench.evidence import artifacts_folder, new_run_folder, scenario_folder
from bench.fabrics import AUTO, FABRICS, make_fabric
from bench.gherkin import FeatureFile, collect_feature
from bench.pki import Pki
from bench.progress import DISPLAY
from network.fabric import Fabric

# scapy keeps a cache and settings in its user's home as soon as it is imported; with the environment they are no one's
# business but the bench's.
for _name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
    os.environ[_name] = str(Path(sys.prefix) / "home")

# In the order in which they import each other: pytest wants to rewrite a module's assertions before its first import.
pytest_plugins = [
    "bench.needs",
    "bench.report",
    "steps.story",
    "steps.passing_time",
    "steps.rainbow",
    "steps.devices",
    "steps.firewall",
    "steps.names",
    "steps.proxy",
    "steps.wire",
    "steps.installation",
    "steps.oxo",
    "steps.power",
    "steps.cloud_connect",
    "steps.vpn",
    "steps.vpn_gateway",
    "steps.tunnel",
]

_RUN_FOLDER = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The bench's own options."""
    group = parser.getgroup("oxobench")
    group.addoption("--artifacts", type=Path, help="folder for the evidence of this run (default: a new one)")
    group.addoption("--fabric", choices=[AUTO, *FABRICS], default=AUTO, help="what sites are built from")
    group.addoption("--real-time", action="store_true", help="let no clock jump: a 16-minute delay takes 16 minutes")
    group.addoption(
        "--oxo",
        type=_program,
        default=BenchOptions.oxo,
        help="class of the emulated OXO Connect, as module:Class (default: %(default)s)",
    )


def _program(name: str) -> str:
    """The value of `--oxo`, once it is known that there is such a class."""
    try:
        if ":" in name and callable(pkgutil.resolve_name(name)):
            return name
    except (ImportError, AttributeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"there is no {name!r}: {error}") from error
    raise argparse.ArgumentTypeError(f"{name!r} does not name a class as module:Class")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> FeatureFile | None:
    """Feature files are test modules."""
    return collect_feature(file_path, parent)


@pytest.hookimpl(tryfirst=True)
def pytest_bdd_apply_tag(tag: str, function: Any) -> bool | None:
    """A tag such as `manual-3.5.2.1` says which section of the manual a scenario proves; it selects nothing.

    A scenario may have several, its rule's and its feature's among them; they come one by one, in any order.
    """
    if tag.startswith("manual-"):
        function.manual_sections = {*getattr(function, "manual_sections", ()), tag.removeprefix("manual-")}
        function.manual_section = ", ".join(sorted(function.manual_sections))
        return True
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Chooses the run's folder; the workers of a parallel run write to that of their controller."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        config.stash[_RUN_FOLDER] = Path(worker["oxobench_artifacts"])
    else:
        chosen = config.getoption("--artifacts")
        config.stash[_RUN_FOLDER] = (chosen or new_run_folder(artifacts_folder())).absolute()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker where the run's folder is."""
    node.workerinput["oxobench_artifacts"] = str(node.config.stash[_RUN_FOLDER])


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """The folder of this run's evidence."""
    return pytestconfig.stash[_RUN_FOLDER]


@pytest.fixture(scope="session")
def fabric(pytestconfig: pytest.Config) -> Iterator[Fabric]:
    """The machine room, one for the whole run."""
    fabric = make_fabric(pytestconfig.getoption("--fabric"))
    yield fabric
    fabric.close()


@pytest.fixture(scope="session")
def pki() -> Pki:
    """The authorities, the same for all sites of a run: making keys takes time."""
    return Pki()


@pytest.fixture(scope="session")
def bench_options(pytestconfig: pytest.Config) -> BenchOptions:
    """What holds for every scenario of this run."""
    display = pytestconfig.stash.get(DISPLAY, None)
    return BenchOptions(
        oxo=pytestconfig.getoption("--oxo"),
        real_time=pytestconfig.getoption("--real-time"),
        progress=BenchOptions.progress if display is None else display.waiting,
    )


@pytest.fixture
def bench(
    request: pytest.FixtureRequest, fabric: Fabric, run_folder: Path, bench_options: BenchOptions, pki: Pki
) -> Iterator[Bench]:
    """A fresh site for each scenario."""
    bench = Bench(fabric, scenario_folder(run_folder, request.node.nodeid), bench_options, pki)
    yield bench
    bench.close()

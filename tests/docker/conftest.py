"""Sites in containers, with hands at the nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from network.docker.fabric import DockerFabric
from network.docker.site import DockerSite
from network.plan import DEFAULT_PLAN
from tests.netns.conftest import Hands, open_hands


@pytest.fixture(scope="session")
def containers() -> Iterator[DockerFabric]:
    fabric = DockerFabric()
    yield fabric
    fabric.close()


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parent of all evidence: containers are used again for evidence in the same folder only."""
    return tmp_path_factory.mktemp("evidence")


@pytest.fixture
def site(containers: DockerFabric, evidence: Path, request: pytest.FixtureRequest) -> Iterator[DockerSite]:
    """An empty site: no program runs."""
    folder = evidence / f"{len(list(evidence.iterdir()))}"
    folder.mkdir()
    site = containers.build(DEFAULT_PLAN, folder)
    yield site
    site.close()


@pytest.fixture
def hands(site: DockerSite) -> Hands:
    return open_hands(site, "permissive")

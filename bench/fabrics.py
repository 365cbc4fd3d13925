"""The machine rooms that there are, by the names that a user chooses them by.

What makes a machine room takes long to import, and a command that only talks to a bench needs none of it.
"""

from __future__ import annotations

from network.fabric import Fabric

AUTO = "auto"
"""Takes the first of FABRICS."""

FABRICS = ("netns", "docker")
"""The names, the one to prefer first."""

KEPT_FABRICS = (*FABRICS, "compose")
"""Those that a site which is kept up may be built from: also the containers of docker-compose.yml."""


def make_fabric(name: str) -> Fabric:
    """The machine room of that name. Raises FabricError when it cannot be had, KeyError when there is none."""
    return {"netns": _netns, "docker": _docker, "compose": _compose}[FABRICS[0] if name == AUTO else name]()


def _netns() -> Fabric:
    from bench.bench import PRELOADED
    from network.netns.fabric import NetnsFabric

    return NetnsFabric(PRELOADED)


def _docker() -> Fabric:
    from network.docker.fabric import DockerFabric

    return DockerFabric()


def _compose() -> Fabric:
    from network.docker.compose import ComposeFabric

    return ComposeFabric()

"""The machine rooms that there are, by the names that a user chooses them by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.bench import PRELOADED
from network.fabric import Fabric
from network.netns.fabric import NetnsFabric

AUTO = "auto"
"""Takes the first of FABRICS."""

FABRICS: dict[str, Callable[[Sequence[str]], Fabric]] = {"netns": NetnsFabric}
"""What makes each of them, given the modules that its nodes need; the one to prefer first."""


def make_fabric(name: str) -> Fabric:
    """The machine room of that name. Raises FabricError when it cannot be had."""
    return FABRICS[next(iter(FABRICS)) if name == AUTO else name](PRELOADED)

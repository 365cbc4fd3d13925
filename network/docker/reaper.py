"""Clears away what benches that were killed have left in the Docker engine. What has no label of the bench stays."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

from network.docker.engine import Engine
from network.docker.folder import dead_folders, has_died


def reap(everything: bool = False) -> int:
    """Removes containers and control folders of dead benches, or with `everything` of live ones too.

    Returns how many things there were. Raises FabricError when there is no engine, or it does not do it.
    """
    engine = Engine()
    try:
        return reap_with(engine, everything)
    finally:
        engine.close()


def reap_with(engine: Engine, everything: bool = False) -> int:
    """The same with an engine that is known already."""
    containers = [one for one, labels in engine.containers().items() if everything or has_died(labels)]
    if containers:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(engine.remove_container, containers))
    folders = list(dead_folders())
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(containers) + len(folders)

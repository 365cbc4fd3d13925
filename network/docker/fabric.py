"""Builds sites from Docker containers. The containers of a site are used again for the next one: making them anew takes
seconds, putting them back to what they were takes milliseconds."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from pathlib import Path

from network.docker.engine import Engine
from network.docker.ensemble import Ensemble
from network.docker.image import provide
from network.docker.reaper import reap_with
from network.docker.site import DockerSite
from network.fabric import FabricError
from network.plan import Role, SitePlan

logger = logging.getLogger(__name__)


class DockerFabric:
    """Sites in containers. With `keep` False each site has containers of its own, which end with it.

    Raises FabricError when there is no engine, or no image and none can be built.
    """

    def __init__(self, keep: bool = True) -> None:
        self._keep = keep
        self._free: list[Ensemble] = []
        self._used: list[Ensemble] = []
        self._engine = Engine()
        try:
            reap_with(self._engine)
            self._image = provide(self._engine)
        except BaseException:
            self._engine.close()
            raise

    def build(self, plan: SitePlan, evidence: Path) -> DockerSite:
        """See Fabric."""
        evidence = evidence.resolve()
        while self._free:
            ensemble = self._free.pop()
            if (ensemble.plan, ensemble.evidence) == (plan, evidence.parent):
                # One of its containers may have ended meanwhile; then they are gone.
                with contextlib.suppress(FabricError):
                    return self._site(ensemble, evidence)
            else:
                ensemble.remove()
        return self._site(Ensemble(self._engine, self._image, plan, evidence.parent), evidence)

    def close(self) -> None:
        """See Fabric."""
        for ensemble in (*self._free, *self._used):
            ensemble.remove()
        self._free, self._used = [], []
        self._engine.close()

    def _site(self, ensemble: Ensemble, evidence: Path) -> DockerSite:
        self._used.append(ensemble)
        try:
            return DockerSite(
                ensemble.plan,
                evidence,
                ensemble.keepers,
                partial(_shell, ensemble),
                ensemble.renew,
                partial(self._release, ensemble),
            )
        except BaseException:
            self._discard(ensemble)
            raise

    def _release(self, ensemble: Ensemble, left: list[str]) -> None:
        if left or not self._keep:
            logger.info("the containers are not used again: %s", "; ".join(left))
            self._discard(ensemble)
        elif ensemble in self._used:
            self._used.remove(ensemble)
            self._free.append(ensemble)

    def _discard(self, ensemble: Ensemble) -> None:
        if ensemble in self._used:
            self._used.remove(ensemble)
        ensemble.remove()


def _shell(ensemble: Ensemble, role: Role) -> list[str]:
    return ["docker", "exec", "--interactive", "--tty", ensemble.container(role.value), "bash"]

"""The Docker engine as the fabric asks it: every call bounded in time, every failure one sentence."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests.exceptions
from docker import APIClient
from docker.errors import APIError, DockerException, NotFound

from network.docker.ping import EngineSilent, ping
from network.fabric import FabricError

_WITHIN = 30
"""Seconds that the engine may take over one call."""

_GONE_WITHIN = 15.0
"""Seconds within which a container that has been ended must be gone."""

_AGAIN = 0.05

CONTROL_LABEL = "oxobench.control"
"""The label of everything that a site has in the engine: its control folder, on this machine."""


class Engine:
    """The engine of this machine. Raises FabricError when it can't be had, or does not do what it is asked."""

    def __init__(self) -> None:
        try:
            address = ping(os.environ)
        except EngineSilent as why:
            raise FabricError(f"No Docker engine can be used: {why}; `oxobench doctor` says what to do.") from why
        if not address.startswith("unix://"):
            raise FabricError(f"The Docker engine must be on this machine, not at {address}: unset DOCKER_HOST.")
        with _asked("answer"):
            self.client = APIClient(base_url=address, version="auto", timeout=_WITHIN)

    def close(self) -> None:
        """Closes the connections to it."""
        self.client.close()

    def start(
        self,
        name: str,
        image: str,
        command: Sequence[str],
        labels: Mapping[str, str],
        settings: Mapping[str, Any],
    ) -> None:
        """Creates and starts a container without any network; `settings` are those of the API's HostConfig, as the SDK
        has them."""
        client = self.client
        with _asked(f"start the container {name}"):
            host = client.create_host_config(network_mode="none", **settings)
            client.create_container(
                image, list(command), name=name, hostname=name.rpartition("-")[2], labels=dict(labels), host_config=host
            )
            client.start(name)

    def remove_container(self, container: str) -> None:
        """Ends a container at once; one that is gone or going is as good."""
        with _asked("remove a container"), _unless_gone():
            self.client.remove_container(container, force=True, v=True)

    def free_name(self, container: str) -> None:
        """Ends a container and waits until there may be another one of its name."""
        self.remove_container(container)
        deadline = time.monotonic() + _GONE_WITHIN
        with _asked("remove a container"), contextlib.suppress(NotFound):
            while time.monotonic() < deadline:
                self.client.inspect_container(container)
                time.sleep(_AGAIN)

    def containers(self) -> dict[str, dict[str, str]]:
        """All containers of sites, also those of other benches: their labels by their numbers."""
        with _asked("list containers"):
            found = self.client.containers(all=True, filters={"label": CONTROL_LABEL})
        return {one["Id"]: one["Labels"] for one in found}

    def version(self) -> str:
        """Its version, as `20.10.24`."""
        with _asked("say its version"):
            return str(self.client.version()["Version"])

    def has_image(self, image: str) -> bool:
        """Whether it has that image."""
        with _asked("look for an image"):
            try:
                self.client.inspect_image(image)
            except NotFound:
                return False
        return True


@contextlib.contextmanager
def _asked(what: str) -> Iterator[None]:
    try:
        yield
    except APIError as error:
        raise FabricError(f"The Docker engine did not {what}: {_sentence(error.explanation or str(error))}.") from error
    except (DockerException, requests.exceptions.RequestException) as error:
        raise FabricError(f"The Docker engine did not {what}: it does not answer.") from error


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    conflict = 409
    try:
        yield
    except NotFound:
        return
    except APIError as error:
        if error.status_code != conflict:
            raise


def _sentence(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def device(path: Path) -> list[str]:
    """A device of the machine for a container, if the machine has it."""
    return [f"{path}:{path}:rwm"] if path.exists() else []

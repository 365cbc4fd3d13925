"""Which command runs Docker Compose here."""

from __future__ import annotations

import shutil
import subprocess

_WITHIN = 30.0
"""Seconds that it may take to say its version."""


class NoCompose(Exception):
    """Docker Compose is not installed; the text says so."""


def compose_command() -> list[str]:
    """`docker compose` (version 2 and newer), or else `docker-compose` (1.29). Raises NoCompose."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is not None and _runs(command):
            return command
    raise NoCompose("neither docker compose nor docker-compose is installed")


def _runs(command: list[str]) -> bool:
    return subprocess.run([*command, "version"], capture_output=True, timeout=_WITHIN, check=False).returncode == 0

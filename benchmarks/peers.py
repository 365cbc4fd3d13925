"""What the bench is measured against: an empty Mininet and an empty compose project of the same shape."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from network.docker.composing import NoCompose, compose_command
from network.docker.ping import EngineSilent, ping

BuildAndStop = tuple[float, float]
"""How long one round took to build and to take away, in seconds."""

_WITHIN = 120.0
"""Seconds that one program may take."""

_COMPOSE = """\
services:
  oxo: {{image: "{image}", command: [sleep, "600"], networks: [lan]}}
  proxy: {{image: "{image}", command: [sleep, "600"], networks: [lan]}}
  firewall: {{image: "{image}", command: [sleep, "600"], networks: [lan, wan]}}
  dns: {{image: "{image}", command: [sleep, "600"], networks: [wan]}}
  pcg: {{image: "{image}", command: [sleep, "600"], networks: [wan]}}
networks: {{lan: {{}}, wan: {{}}}}
"""


class NotHere(Exception):
    """A peer can't be measured on this machine; the text says why, and what it needs."""


def mininet(rounds: int) -> list[BuildAndStop]:
    """Builds and stops an empty Mininet that many times. Raises NotHere."""
    if os.geteuid() != 0:
        raise NotHere("it needs root")
    for command, package in (("mnexec", "mininet"), ("brctl", "bridge-utils"), ("unshare", "util-linux")):
        if shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            raise NotHere(f"the command {command} is not installed: install the package {package}")
    program = Path(__file__).with_name("mininet_site.py")
    # Mininet is installed for the system's Python; in a namespace of its own nothing of it shows on the machine.
    printed = _run(["unshare", "--net", "/usr/bin/python3", "-I", str(program), str(rounds)])
    pairs = [line.split() for line in printed.splitlines()]
    return [(float(build), float(stop)) for build, stop in pairs]


def compose(rounds: int, image: str) -> list[BuildAndStop]:
    """Starts and removes a compose project of five idle containers on two networks that many times. Raises NotHere."""
    try:
        ping(os.environ)
    except EngineSilent as why:
        raise NotHere(f"the Docker engine does not answer: {why}") from why
    try:
        command = compose_command()
    except NoCompose as why:
        raise NotHere(str(why)) from why
    if _succeeds(["docker", "image", "inspect", image]) is False:
        raise NotHere(f"the engine has no image {image}: pull it, or name another one that has sleep with --image")
    with tempfile.TemporaryDirectory(prefix="oxobench-compose-") as folder:
        file = Path(folder) / "compose.yml"
        file.write_text(_COMPOSE.format(image=image))
        project = [*command, "--project-name", f"oxobench-empty-{os.getpid()}", "--file", str(file)]
        down = [*project, "down", "--timeout", "0"]
        try:
            return [
                (_seconds(lambda: _run([*project, "up", "--detach"])), _seconds(lambda: _run(down)))
                for _ in range(rounds)
            ]
        finally:
            _succeeds(down)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=_WITHIN, check=False).returncode == 0


def _run(command: Sequence[str]) -> str:
    """What a program prints. Raises NotHere when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise NotHere(f"{command[0]} failed: {last}")
    return done.stdout

"""The system tools that the bench needs and pip cannot bring: finds them, and installs them where it may."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.setup.report import SetupError, say


@dataclass(frozen=True)
class Tool:
    """A system tool: what it is called, the package that brings it (on Debian and Ubuntu), and whether it is there."""

    name: str
    package: str
    present: Callable[[], bool]


def _has_nft() -> bool:
    # An ordinary user's PATH often lacks the folders where a system keeps nft.
    path = os.environ.get("PATH", os.defpath)
    return shutil.which("nft", path=f"{path}:/usr/sbin:/sbin:/usr/local/sbin") is not None


def _has_ensurepip() -> bool:
    importlib.invalidate_caches()
    return importlib.util.find_spec("ensurepip") is not None


NFT = Tool("nft", "nftables", _has_nft)
"""Puts the firewall's rules into force."""

VENV = Tool("Python's venv", f"python{sys.version_info.major}.{sys.version_info.minor}-venv", _has_ensurepip)
"""Makes the Python environment; Debian and Ubuntu keep it in a package apart."""


def provide(needed: Sequence[Tool]) -> None:
    """Sees to it that the tools are there: as root on Debian or Ubuntu it installs what is missing.

    Anywhere else it raises SetupError with the command to run.
    """
    missing = [tool for tool in needed if not tool.present()]
    if not missing:
        return
    names = " and ".join(tool.name for tool in missing)
    packages = [tool.package for tool in missing]
    if not _has_apt():
        raise SetupError(
            f"{names} missing: install {' and '.join(packages)} (so it is called on Debian) "
            "with this system's package manager."
        )
    if os.geteuid() != 0:
        raise SetupError(f"{names} missing: run\n  sudo apt-get install -y {' '.join(packages)}")
    say(f"{names} missing: installing {' '.join(packages)} with apt-get ...")
    _install(packages)
    if still := [tool.name for tool in missing if not tool.present()]:
        raise SetupError(f"apt-get installed {' '.join(packages)}, but {' and '.join(still)} is still missing.")


def _has_apt() -> bool:
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        return False
    family = {system.get("ID", ""), *system.get("ID_LIKE", "").split()}
    return "debian" in family and shutil.which("apt-get") is not None


def _install(packages: list[str]) -> None:
    # The second try is for a machine whose package lists are missing or old.
    if _apt("install", "-y", "--no-install-recommends", *packages).returncode == 0:
        return
    _apt("update")
    last = _apt("install", "-y", "--no-install-recommends", *packages)
    if last.returncode:
        lines = "\n".join(f"  {line}" for line in last.stdout.strip().splitlines()[-8:])
        raise SetupError(f"apt-get could not install {' '.join(packages)}:\n{lines}")


def _apt(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Another apt-get may be at work: wait for its lock, at most these seconds.
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=120", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

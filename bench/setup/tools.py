"""The system tools that the bench needs and pip cannot bring: finds them, and installs them where it may."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.setup.report import SetupError, say


@dataclass(frozen=True)
class Tool:
    """A system tool: what it is called, the packages that bring it (on Debian and Ubuntu), and whether it is there.

    `service` is the systemd unit that the packages would start. The bench starts the program itself, in its sandboxes,
    so the unit is kept from running on the machine.
    """

    name: str
    packages: tuple[str, ...]
    present: Callable[[], bool]
    service: str = ""


_SYSTEM_FOLDERS = "/usr/sbin:/sbin:/usr/local/sbin"
"""An ordinary user's PATH often lacks the folders where a system keeps nft and charon."""
_PLUGINS = Path("/usr/lib/ipsec/plugins")
"""Where Debian and Ubuntu keep strongSwan's plugins, which come in packages of their own."""
_UNITS = (Path("/lib/systemd/system"), Path("/etc/systemd/system"))
_SYSTEMD = Path("/run/systemd/system")
"""It is there while systemd runs."""
_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = "#!/bin/sh\n# oxobench starts no service with the packages that it installs.\nexit 101\n"


def _has(program: str) -> bool:
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(program, path=f"{path}:{_SYSTEM_FOLDERS}") is not None


def _has_charon() -> bool:
    plugins = ("openssl", "kernel-libipsec", "eap-identity", "eap-mschapv2")
    complete = not _PLUGINS.is_dir() or all((_PLUGINS / f"libstrongswan-{name}.so").exists() for name in plugins)
    return complete and _has("charon-systemd")


def _has_ensurepip() -> bool:
    importlib.invalidate_caches()
    return importlib.util.find_spec("ensurepip") is not None


NFT = Tool("nft", ("nftables",), lambda: _has("nft"))
"""Puts the firewall's rules into force."""

CHARON = Tool(
    "strongSwan's charon",
    ("charon-systemd", "libcharon-extauth-plugins", "libcharon-extra-plugins", "libstrongswan-standard-plugins"),
    _has_charon,
    service="strongswan.service",
)
"""Makes the VPN tunnels. The package with the plugin vici comes with charon-systemd."""

VENV = Tool("Python's venv", (f"python{sys.version_info.major}.{sys.version_info.minor}-venv",), _has_ensurepip)
"""Makes the Python environment; Debian and Ubuntu keep it in a package apart."""


def provide(needed: Sequence[Tool], wanted: Sequence[Tool] = ()) -> None:
    """Sees to it that the tools are there: as root on Debian or Ubuntu it installs what is missing.

    Anywhere else it names the command to run. Raises SetupError when one that is needed cannot be provided; of one that
    is only wanted it says so, and goes on.
    """
    vital = [tool for tool in needed if not tool.present()]
    useful = [tool for tool in wanted if not tool.present()]
    missing = [*vital, *useful]
    if missing and not _has_apt():
        packages = " and ".join(_packages(missing))
        text = f"install {packages} (so it is called on Debian) with this system's package manager."
        _go_without(SetupError(f"{_names(missing)} missing: {text}"), vital)
    elif missing and os.geteuid() != 0:
        _go_without(SetupError(f"{_names(missing)} missing: run\n  {_command(missing)}"), vital)
    else:
        _install(vital)
        try:
            _install(useful)
        except SetupError as error:
            _go_without(error, [])


def _go_without(trouble: SetupError, vital: Sequence[Tool]) -> None:
    """Ends the set-up, unless what is missing is only wanted."""
    if vital:
        raise trouble
    say(str(trouble))


def _install(tools: Sequence[Tool]) -> None:
    """Installs tools, as root on Debian or Ubuntu, and starts nothing that must not run. Raises SetupError."""
    if not tools:
        return
    packages = " ".join(_packages(tools))
    services = _new_services(tools)
    say(f"{_names(tools)} missing: installing {packages} with apt-get ...")
    with _no_service_started(services):
        _apt_install(_packages(tools))
    for service in services:
        _disable(service)
    if still := [tool for tool in tools if not tool.present()]:
        raise SetupError(f"apt-get installed {packages}, but {_names(still)} is still missing.")


def _names(tools: Sequence[Tool]) -> str:
    return " and ".join(tool.name for tool in tools)


def _packages(tools: Sequence[Tool]) -> list[str]:
    return [package for tool in tools for package in tool.packages]


def _command(tools: Sequence[Tool]) -> str:
    """The one command that brings the tools, and leaves no service of theirs running."""
    install = f"sudo apt-get install -y {' '.join(_packages(tools))}"
    services = _new_services(tools) if _SYSTEMD.is_dir() else []
    return " && ".join([install, *(f"sudo systemctl disable --now {service}" for service in services)])


def _new_services(tools: Sequence[Tool]) -> list[str]:
    """The units that come with the tools. One that is there already is the administrator's business."""
    services = [tool.service for tool in tools if tool.service]
    return [service for service in services if not any((folder / service).exists() for folder in _UNITS)]


@contextmanager
def _no_service_started(services: Sequence[str]) -> Iterator[None]:
    """Has packages start no service, by Debian's policy-rc.d. A policy of the administrator's own stays in force."""
    ours = not _POLICY.exists() or _POLICY.read_text(encoding="utf-8", errors="replace") == _POLICY_TEXT
    if not services or not ours:
        yield
        return
    try:
        _POLICY.write_text(_POLICY_TEXT, encoding="utf-8")
        _POLICY.chmod(0o755)
    except OSError as error:
        raise SetupError(f"cannot write {_POLICY}, which keeps services from starting: {error.strerror}.") from error
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def _disable(service: str) -> None:
    """Keeps the unit from starting with the machine, and ends it where it runs."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return
    now = ["--now"] if _SYSTEMD.is_dir() else []
    done = subprocess.run(
        [systemctl, "disable", *now, service], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        say(f"{service} could not be disabled: {done.stderr.strip()}")
    else:
        say(f"{service} is disabled: the bench starts the program itself, in its sandboxes only")


def _has_apt() -> bool:
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        return False
    family = {system.get("ID", ""), *system.get("ID_LIKE", "").split()}
    return "debian" in family and shutil.which("apt-get") is not None


def _apt_install(packages: list[str]) -> None:
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

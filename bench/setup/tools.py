"""The system tools that the bench needs and pip cannot bring: finds them, and installs them where it may."""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

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
"""By it a policy is known to be ours, and not the administrator's."""


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


def clear_up() -> None:
    """Ends an installation that was killed: nothing of it keeps services from starting, or starts one. For root only.

    If it is still at work it is waited for. Raises SetupError.
    """
    if os.geteuid() == 0 and _policy_is_ours():
        with _alone() as lock:
            # Whoever was at work may have ended meanwhile, and cleared up.
            if _policy_is_ours():
                with _undisturbed(), _no_service_started([CHARON.service]):
                    _configure(lock)


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
    packages = _packages(tools)
    say(f"{_names(tools)} missing: installing {' '.join(packages)} with apt-get ...")
    with _alone() as lock, _undisturbed(), _no_service_started(_new_services(tools)):
        _apt_install(packages, lock)
    if still := [tool for tool in tools if not tool.present()]:
        raise SetupError(f"apt-get installed {' '.join(packages)}, but {_names(still)} is still missing.")


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
    return [tool.service for tool in tools if tool.service and not _has_unit(tool.service)]


def _has_unit(service: str) -> bool:
    return any((folder / service).exists() for folder in _UNITS)


def _policy_is_ours() -> bool:
    return _POLICY.exists() and _POLICY.read_text(encoding="utf-8", errors="replace") == _POLICY_TEXT


@contextmanager
def _alone() -> Iterator[int]:
    """Holds a lock on the policy's folder: one start at a time installs. Whoever inherits the lock holds it too."""
    lock = os.open(_POLICY.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is installing system packages; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Puts off what would end this process, until the block has ended: packages are to be installed whole."""
    came: list[int] = []

    def put_off(number: int, frame: FrameType | None) -> None:
        if not came:
            say("waiting for the end of the installation, which must not be interrupted ...")
        came.append(number)

    before = {number: signal.signal(number, put_off) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@contextmanager
def _no_service_started(services: Sequence[str]) -> Iterator[None]:
    """Has packages start no service, by Debian's policy-rc.d, and disables these services, which they bring.

    A policy of the administrator's own stays in force.
    """
    ours = bool(services) and (not _POLICY.exists() or _policy_is_ours())
    if ours:
        try:
            _POLICY.write_text(_POLICY_TEXT, encoding="utf-8")
            _POLICY.chmod(0o755)
        except OSError as error:
            raise SetupError(
                f"cannot write {_POLICY}, which keeps services from starting: {error.strerror}."
            ) from error
    try:
        yield
    finally:
        for service in services:
            if _has_unit(service):
                _disable(service)
        if ours:
            _POLICY.unlink(missing_ok=True)


def _disable(service: str) -> None:
    """Keeps the unit from starting with the machine, and ends it where it runs."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return
    now = ["--now"] if _SYSTEMD.is_dir() else []
    done = _run([systemctl, "disable", *now, service])
    if done.code:
        say(f"{service} could not be disabled: {done.output.strip()}")
    else:
        say(f"{service} is disabled: the bench starts the program itself, in its sandboxes only")


def _has_apt() -> bool:
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        return False
    family = {system.get("ID", ""), *system.get("ID_LIKE", "").split()}
    return "debian" in family and shutil.which("apt-get") is not None


def _apt_install(packages: Sequence[str], lock: int) -> None:
    install = ("install", "-y", "--no-install-recommends", *packages)
    if _apt(*install, lock=lock).code == 0:
        return
    # The second try is for a machine whose package lists are missing or old, or on which dpkg was interrupted once.
    _configure(lock)
    _apt("update", lock=lock)
    last = _apt(*install, lock=lock)
    if last.code:
        lines = "\n".join(f"  {line}" for line in last.output.strip().splitlines()[-8:])
        raise SetupError(f"apt-get could not install {' '.join(packages)}:\n{lines}")


def _apt(*arguments: str, lock: int) -> _Done:
    # Another apt-get may be at work: wait for its lock, at most these seconds.
    return _run(["apt-get", "-o", "DPkg::Lock::Timeout=120", *arguments], lock)


def _configure(lock: int) -> None:
    """Completes packages that were left unpacked."""
    _run(["dpkg", "--configure", "-a"], lock)


@dataclass(frozen=True)
class _Done:
    code: int
    output: str


def _run(command: Sequence[str], *inherited: int) -> _Done:
    """Runs a command to its end, in a session of its own, where no Ctrl-C reaches it; it inherits these descriptors.

    Its output goes to a file: a pipe would break, and it with the pipe, if this process were killed.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        done = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=inherited,
            start_new_session=True,
            check=False,
        )
        output.seek(0)
        return _Done(done.returncode, output.read())

"""One strongSwan charon as the child of a node: the real IKEv2, with a configuration and a vici socket of its own.

It runs without systemd. It says on a notification socket when it is ready, as it would tell systemd; it dies with its
node; it never sees the machine's own strongSwan configuration. Its log goes to the node's standard error, and to a file
in its folder that the node reads to find out why something failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from emulators.ipsec.esp import EspBackend, TunnelUnavailable, esp_backend, flush_ipsec
from emulators.ipsec.vici import Vici, ViciError
from emulators.parameters import Parameters

_PLUGINS = "random nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints kdf eap-identity eap-mschapv2"
_KERNEL = {EspBackend.KERNEL: "kernel-netlink", EspBackend.USER_SPACE: "kernel-libipsec kernel-netlink"}
_NEEDED = {
    "openssl": "libstrongswan-standard-plugins",
    "eap-identity": "libcharon-extra-plugins",
    "eap-mschapv2": "libcharon-extauth-plugins",
}
"""What charon may come without, and the Debian package that has it."""
_ROUTES = 220
"""The routing table that charon keeps its routes in, and the preference of the rule that leads there."""
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
_SOCKET_PATH_LIMIT = 107
_GONE = {errno.ESRCH, errno.ENOENT, errno.EADDRNOTAVAIL}
"""How the kernel says that a route, a rule or an address is not there."""
_FLUSHES = 20
"""How often it is tried to take away what goes by itself meanwhile."""
_LOG_LIMIT = 256 * 1024
"""So much of its log is read at once, in bytes; what is older counts no more."""


@dataclass(frozen=True)
class Retransmission(Parameters):
    """How charon repeats a message that is not answered, in real time: after `timeout` seconds, then after `base` times
    as long each time, `tries` times in all. The defaults are strongSwan's: a peer counts as dead after 165 s [?]."""

    KIND: ClassVar[str] = "parameter of the retransmission of IKE messages"

    timeout: float = 4.0
    base: float = 1.8
    tries: int = 5

    def __post_init__(self) -> None:
        if not (0.01 <= self.timeout <= 3600 and 1 <= self.base <= 10 and 0 <= self.tries <= 20):
            raise ValueError("IKE messages are repeated after 0.01 to 3600 s, 1 to 10 times as long, up to 20 times")

    @property
    def total(self) -> float:
        """After how many seconds without an answer a peer counts as dead."""
        return sum(self.timeout * self.base**n for n in range(self.tries + 1))


def find_charon() -> str | None:
    """The path of strongSwan's IKE daemon, None where it is not installed."""
    return shutil.which("charon-systemd", path=_SYSTEM_FOLDERS)


class Charon:
    """One charon, whose files are in `folder`; started at most once, since each charon's state is its own."""

    def __init__(
        self,
        folder: Path,
        retransmission: Retransmission | None = None,
        is_client: bool = True,
        start_within: float = 10.0,
        stop_within: float = 5.0,
    ) -> None:
        """A client gets its virtual address from the other end. `start_within` and `stop_within` are seconds of the
        loop's time. Raises ValueError for a path too long."""
        self._folder = folder
        self._retransmission = retransmission or Retransmission()
        self._is_client = is_client
        self._configuration = folder / "strongswan.conf"
        self._start_within = start_within
        self._stop_within = stop_within
        self._process: asyncio.subprocess.Process | None = None
        self._backend = EspBackend.USER_SPACE
        self._log = folder / "charon.log"
        socket_path = folder / "vici"
        if len(os.fsencode(socket_path)) > _SOCKET_PATH_LIMIT:
            raise ValueError(f"the folder {folder} is too long a path for charon's socket")
        self.vici = Vici(socket_path)

    @property
    def pid(self) -> int | None:
        """Its process number, None when it doesn't run."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> None:
        """Starts it; returns when it can be asked. Raises TunnelUnavailable when it can't be had here."""
        program = find_charon()
        if program is None:
            raise TunnelUnavailable("No VPN tunnel can be made here: install strongSwan (package charon-systemd).")
        if shutil.which("setpriv", path=_SYSTEM_FOLDERS) is None:
            raise TunnelUnavailable("No VPN tunnel can be made here: install setpriv (package util-linux).")
        self._backend = esp_backend()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log.unlink(missing_ok=True)
        await self.sweep()
        self._configuration.write_text(self._settings(), encoding="utf-8")
        # A copy: where AppArmor has a profile for the program, it may read and write at fixed places only.
        own = self._folder / "charon-systemd"
        own.unlink(missing_ok=True)
        shutil.copy(program, own)
        notify = self._folder / "notify"
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(os.fspath(notify))
            ready.setblocking(False)
            environment = {
                "STRONGSWAN_CONF": str(self._configuration),
                "NOTIFY_SOCKET": str(notify),
                "PATH": _SYSTEM_FOLDERS,
            }
            # setpriv has the kernel kill charon when its node dies, in whatever way.
            self._process = await asyncio.create_subprocess_exec(
                "setpriv", "--pdeathsig", "KILL", "--", str(own),
                stdin=asyncio.subprocess.DEVNULL,
                env=environment,
            )  # fmt: skip
            try:
                async with asyncio.timeout(self._start_within):
                    await self._wait_until_ready(ready)
                    await self._check_plugins()
            except (TimeoutError, ViciError) as error:
                await self.stop()
                raise TunnelUnavailable(f"charon did not start: {self._last_words()}") from error
            except BaseException:
                await self.stop()
                raise
        (self._folder / "vici").chmod(0o600)

    async def stop(self) -> None:
        """Ends it in order, or by force when it doesn't end in time; also when it is frozen or gone already."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            process.send_signal(signal.SIGCONT)
        try:
            async with asyncio.timeout(self._stop_within):
                await process.wait()
        except TimeoutError:
            self.kill()
            await process.wait()
        self._process = None
        if process.returncode == 0:
            self._configuration.unlink(missing_ok=True)
        await self.sweep()

    async def sweep(self) -> None:
        """Takes away what a charon of this folder that was killed has left in the kernel, maybe in another life."""
        # Its configuration file is there from its start until it has ended in order.
        if self._process is None and self._configuration.exists():
            flush_ipsec()
            # The netlink library runs an event loop of its own, which needs a thread of its own.
            await asyncio.to_thread(_sweep_network, self._is_client)
            self._configuration.unlink()

    def kill(self) -> None:
        """Kills it, as the kernel does with a process that is out of memory."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Makes it answer nothing from now on."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        self._signal(signal.SIGCONT)

    def log_lines(self) -> list[str]:
        """What it has logged, but for what is long past: lines without thread numbers, as `[IKE] IKE_SA deleted`."""
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_LIMIT))
                data = log.read(_LOG_LIMIT)
        except FileNotFoundError:
            return []
        return [line.lstrip("0123456789") for line in data.decode("utf-8", "replace").splitlines()]

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def _wait_until_ready(self, ready: socket.socket) -> None:
        assert self._process is not None
        ended = asyncio.create_task(self._process.wait())
        told = asyncio.create_task(_told_ready(ready))
        try:
            await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            told.cancel()
        if not told.done():
            raise TunnelUnavailable(f"charon ended while it started: {self._last_words()}")

    async def _check_plugins(self) -> None:
        loaded = (await self.vici.ask("stats"))["plugins"]
        for plugin, package in _NEEDED.items():
            if plugin not in loaded:
                raise TunnelUnavailable(f"charon has no plugin {plugin}: install the package {package}.")
        for plugin in _KERNEL[self._backend].split():
            if plugin not in loaded:
                raise TunnelUnavailable(f"charon cannot use its plugin {plugin}: {self._last_words()}")

    def _last_words(self) -> str:
        lines = [line for line in self.log_lines() if "failed" in line or "unable" in line or "error" in line]
        return lines[-1].strip() if lines else "it gives no reason"

    def _settings(self) -> str:
        return _SETTINGS.format(
            plugins=f"{_PLUGINS} {_KERNEL[self._backend]} socket-default vici",
            socket=self._folder / "vici",
            log=self._log,
            timeout=self._retransmission.timeout,
            base=self._retransmission.base,
            tries=self._retransmission.tries,
        )


def _sweep_network(addresses_too: bool) -> None:
    """Takes away charon's routes and their rule, and the virtual addresses that the routes are for."""
    with IPRoute() as netlink:
        sources = {route.get_attr("RTA_PREFSRC") for route in netlink.get_routes(table=_ROUTES)} - {None}
        _flush(partial(netlink.flush_routes, table=_ROUTES))
        _flush(partial(netlink.flush_rules, priority=_ROUTES))
        for source in sources if addresses_too else ():
            _flush(partial(netlink.flush_addr, address=source))


def _flush(flush: Callable[[], object]) -> None:
    """Flushes. What a charon has left goes by itself too, with its TUN device, and maybe between its being listed and
    its being taken away; the rest is there still. Raises OSError when that goes on."""
    for _ in range(_FLUSHES):
        try:
            flush()
            return
        except NetlinkError as error:
            trouble = error
            if error.code not in _GONE:
                break
    raise OSError(trouble.code, f"what charon has left cannot be taken away: {trouble}") from trouble


async def _told_ready(ready: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while b"READY=1" not in await loop.sock_recv(ready, 4096):
        pass


# With fewer threads than 16, charon's own tasks leave none for vici. A tunnel without its CHILD_SA is of no use.
_SETTINGS = """\
charon-systemd {{
  threads = 16
  load = {plugins}
  install_routes = yes
  close_ike_on_child_failure = yes
  retransmit_timeout = {timeout}
  retransmit_base = {base}
  retransmit_tries = {tries}
  plugins {{
    vici {{
      socket = unix://{socket}
    }}
  }}
  journal {{
    default = -1
  }}
  filelog {{
    evidence {{
      path = stderr
      default = 1
      flush_line = yes
    }}
    own {{
      path = {log}
      append = no
      default = 1
      flush_line = yes
    }}
  }}
}}
"""

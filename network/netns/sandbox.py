"""The sandbox: the process that owns a site's namespaces and is the parent of all its nodes.

It is process 1 of its own PID namespace. When it ends, in whatever way, the kernel kills every node and takes the
namespaces, interfaces and mounts away. It ends when the bench closes its control socket, and is killed when the process
that made it dies.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pyroute2.netlink.exceptions import NetlinkError

from network import kernel
from network.etc import name_files
from network.netns import messages
from network.netns.wiring import Wiring
from network.nodeprocess import be_node
from network.plan import Role, SitePlan
from network.quiet import Bytes, Queues, wait_until_quiet
from node.program import ProgramSpec, run

logger = logging.getLogger(__name__)

CAPTURE = "capture"
"""The name of the node that records and injects frames; it has no role, since it stands at the segments themselves."""


@dataclass(frozen=True)
class Build:
    """Asks for a new sandbox with this site; answered with Built or Failed. Goes with the sandbox's end of two sockets:
    its own messages, and the capture's control socket."""

    plan: SitePlan
    evidence: Path


@dataclass(frozen=True)
class Built:
    """The sandbox stands; `pid` is its process 1 as the machine numbers it."""

    pid: int


@dataclass(frozen=True)
class Start:
    """Asks for a node's process, with the node's end of its control socket. `offset` is where site time stands."""

    role: Role
    spec: ProgramSpec
    offset: float


@dataclass(frozen=True)
class Kill:
    """Asks that a node's process be killed; answered when it has ended."""

    role: Role


@dataclass(frozen=True)
class PowerOff:
    """Asks that a node be ended as by a power cut: its links go down first. Answered when it has ended."""

    role: Role


@dataclass(frozen=True)
class Look:
    """Asks for a node's addresses and routes; answered with a NodeNetwork."""

    role: Role


@dataclass(frozen=True)
class Settle:
    """Asks to wait until no node has anything left to do; answered with True, or False after `within` seconds."""

    within: float


@dataclass(frozen=True)
class Pids:
    """Asks for the nodes' process numbers inside the sandbox, by name."""


Request = Start | Kill | PowerOff | Look | Settle | Pids


@dataclass(frozen=True)
class Failed:
    """The answer to a request that could not be carried out: one sentence."""

    why: str


def own(request: Build, sock: socket.socket, capture: socket.socket) -> NoReturn:
    """Forks the sandbox's process 1 and stands guard over it; for a freshly forked process, which this uses up."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWPID)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    except OSError as error:
        messages.send(
            sock,
            Failed(
                f"This machine does not let user {uid} make namespaces ({error.strerror}); `oxobench doctor` says why."
            ),
        )
        os._exit(1)
    first = os.fork()
    if first:
        sock.close()
        capture.close()
        os.waitpid(first, 0)
        os._exit(0)
    _be_process_1(request, sock, capture)


def _be_process_1(request: Build, sock: socket.socket, capture: socket.socket) -> NoReturn:
    kernel.die_with_parent(0)
    kernel.set_name("oxobench-site")
    try:
        Sandbox(request, sock, capture).serve()
    except Exception:
        # Whatever it was, the namespaces end here; the reason goes where the nodes' logs are.
        logging.basicConfig(filename=request.evidence / "sandbox.log")
        logger.exception("the sandbox failed")
        os._exit(1)
    os._exit(0)


class Sandbox:
    """Process 1: wires the site, starts and kills nodes as the bench asks, reaps what ends."""

    def __init__(self, request: Build, sock: socket.socket, capture: socket.socket) -> None:
        self._evidence = request.evidence
        self._plan = request.plan
        self._sock = sock
        self._pids: dict[str, int] = {}
        self._started: set[Role] = set()
        self._etc = Path("/run/oxobench/etc")
        # The machine's /proc, while it is still the one that is mounted, says how the machine numbers this process.
        pid = int(os.readlink("/proc/self"))
        self._isolate_files()
        try:
            self._wiring = Wiring(request.plan)
        except (OSError, NetlinkError) as error:
            messages.send(sock, Failed(f"The site's network could not be built: {error}."))
            raise
        self._queues = Queues(self._wiring.echo)
        self._bytes = Bytes()
        spec = ProgramSpec(
            "network.capture:Capture",
            {
                "tap": self._wiring.tap.fileno(),
                "ports": self._wiring.ports,
                "path": str(self._evidence / "site.pcapng"),
            },
        )
        self._fork(CAPTURE, None, capture, lambda: run(spec, capture), [self._wiring.tap.fileno()])
        self._wiring.tap.close()
        messages.send(sock, Built(pid))

    def serve(self) -> None:
        """Carries out requests until the bench closes its end."""
        wakeup, signalled = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(signalled)
        while True:
            ready, _, _ = select.select([self._sock.fileno(), wakeup], [], [])
            if wakeup in ready:
                os.read(wakeup, 4096)
                self._reap()
            if self._sock.fileno() in ready:
                try:
                    request, fds = messages.receive(self._sock)
                except (EOFError, OSError):
                    return
                messages.send(self._sock, self._carry_out(request, fds))

    def _carry_out(self, request: Request, fds: list[int]) -> object:
        match request:
            case Start(role, spec, offset):
                control = socket.socket(fileno=fds[0])
                if role in self._started:
                    self._wiring.restore(role)
                self._started.add(role)
                self._fork(role.value, role, control, lambda: run(spec, control, offset))
                return True
            case Kill(role):
                return self._kill(role)
            case PowerOff(role):
                self._wiring.take_down(role)
                return self._kill(role)
            case Look(role):
                return self._wiring.look(role)
            case Settle(within):
                return wait_until_quiet(self._living, self._queues, self._bytes, time.monotonic() + within)
            case Pids():
                return dict(self._pids)

    def _fork(
        self, name: str, role: Role | None, control: socket.socket, main: Callable[[], None], kept: Sequence[int] = ()
    ) -> None:
        pid = os.fork()
        if pid == 0:
            be_node(name, self._evidence / f"{name}.log", [control.fileno(), *kept], main, lambda: self._enter(role))
        self._pids[name] = pid
        control.close()

    def _enter(self, role: Role | None) -> None:
        if role is not None:
            kernel.setns(self._wiring.namespaces[role])
            self._lay_files()

    def _kill(self, role: Role) -> bool:
        pid = self._pids.pop(role.value, None)
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return True

    def _living(self) -> list[int]:
        # What the nodes have started too, such as an IKE daemon: every process here but this one.
        self._reap()
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]

    def _reap(self) -> None:
        # Orphans too, such as what a node had started when it was killed: they become children of process 1.
        names = {pid: name for name, pid in self._pids.items()}
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitpid(-1, os.WNOHANG)[0]:
                self._pids.pop(names.get(ended, ""), None)

    def _isolate_files(self) -> None:
        kernel.make_mounts_private()
        kernel.mount("proc", Path("/proc"))
        # A private /run hides the machine's own name service daemons (nscd, systemd-resolved), which a node could
        # reach across network namespaces, and gives the nodes a place for files that goes with the sandbox.
        self._resolv_conf = Path("/etc/resolv.conf").resolve()
        kernel.mount("tmpfs", Path("/run"))
        self._etc.mkdir(parents=True)
        tempfile.tempdir = str(self._etc.parent / "tmp")
        Path(tempfile.tempdir).mkdir()
        for name, text in name_files(self._plan).items():
            (self._etc / name).write_text(text, encoding="ascii")
        if not self._resolv_conf.exists() and self._resolv_conf.is_relative_to("/run"):
            self._resolv_conf.parent.mkdir(parents=True, exist_ok=True)
            self._resolv_conf.touch()

    def _lay_files(self) -> None:
        kernel.unshare(kernel.CLONE_NEWNS)
        for source in self._etc.iterdir():
            target = self._resolv_conf if source.name == "resolv.conf" else Path("/etc") / source.name
            if target.exists():
                kernel.bind(source, target)

"""Builds sites in Linux namespaces: the bench's side of the sandboxes."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from network.fabric import FabricError, NodeNetwork
from network.netns import messages
from network.netns.sandbox import CAPTURE, Build, Built, Failed, Kill, Look, Pids, PowerOff, Request, Settle, Start
from network.plan import Role, SitePlan
from network.steering import SteeredSite
from node.program import ProgramSpec
from node.remote import NodeError, Remote

_ROOT = Path(__file__).resolve().parents[2]


class NetnsFabric:
    """Sites in private namespaces, forked from a parent that has imported `modules` once."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._sock, theirs = messages.pair()
        try:
            self._zygote = subprocess.Popen(
                [sys.executable, "-m", "network.netns.zygote", str(theirs.fileno()), str(os.getpid()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
                cwd=_ROOT,
                # Ctrl-C at a terminal is for the bench only, which takes its sites down in order.
                start_new_session=True,
            )
        finally:
            theirs.close()
        try:
            messages.receive(self._sock)
        except (EOFError, OSError) as error:
            self.close()
            raise FabricError("The parent of the sandboxes ended before it was ready.") from error

    def build(self, plan: SitePlan, evidence: Path) -> NetnsSite:
        """See Fabric."""
        sock, theirs = messages.pair()
        capture, capture_theirs = socket.socketpair()
        with contextlib.ExitStack() as unless_built:
            unless_built.enter_context(sock)
            unless_built.enter_context(capture)
            with theirs, capture_theirs:
                try:
                    messages.send(self._sock, Build(plan, evidence), [theirs.fileno(), capture_theirs.fileno()])
                except OSError as error:
                    raise FabricError("The parent of the sandboxes is gone.") from error
            try:
                answer, _ = messages.receive(sock)
            except (EOFError, OSError) as error:
                raise FabricError(
                    f"The sandbox ended while it was built; {evidence / 'sandbox.log'} may say why."
                ) from error
            if isinstance(answer, Failed):
                raise FabricError(answer.why)
            assert isinstance(answer, Built)
            remote = Remote(CAPTURE, capture)
            try:
                remote.wait_until_ready()
            except NodeError as error:
                raise FabricError(f"No capture can be written to {evidence}: {error}.") from error
            unless_built.pop_all()
        return NetnsSite(plan, evidence, sock, remote, answer.pid)

    def close(self) -> None:
        """See Fabric."""
        self._sock.close()
        self._zygote.wait()


class NetnsSite(SteeredSite):
    """One site in its sandbox. See Site."""

    def __init__(self, plan: SitePlan, evidence: Path, sock: socket.socket, capture: Remote, owner: int) -> None:
        """`owner` is the number of the sandbox's process 1."""
        super().__init__(plan, evidence, capture)
        self._sock = sock
        self._owner = owner

    def start(self, role: Role, spec: ProgramSpec) -> Remote:
        """See Site."""
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as unless_started:
            unless_started.enter_context(ours)
            with theirs:
                self._ask(Start(role, spec, self._offset), [theirs.fileno()])
            unless_started.pop_all()
        self._nodes[role] = Remote(role.value, ours)
        return self._nodes[role]

    def stop(self, role: Role) -> None:
        """See Site."""
        self._end(role)
        self._ask(Kill(role))

    def network(self, role: Role) -> NodeNetwork:
        """See Site."""
        answer = self._ask(Look(role))
        assert isinstance(answer, NodeNetwork)
        return answer

    def shell(self, role: Role) -> list[str]:
        """See Site."""
        inside = self.pids().get(role.value)
        if inside is None:
            raise FabricError(f"The node {role.value} does not run.")
        outside = _outside(self._owner, inside)
        namespaces = ("--user", "--preserve-credentials", "--mount", "--net", "--pid")
        return ["nsenter", "--target", str(outside), *namespaces, os.environ.get("SHELL", "/bin/sh")]

    def kill(self, role: Role) -> None:
        """See Site."""
        self._ask(Kill(role))
        self._forget(role)

    def power_off(self, role: Role) -> None:
        """See Site."""
        self._ask(PowerOff(role))
        self._forget(role)

    def repair(self, role: Role) -> bool:
        """See Site. Nobody can take a node's network namespace away, but with the sandbox and all nodes."""
        return False

    def settle(self, within: float) -> bool:
        """See Site."""
        return bool(self._ask(Settle(within)))

    def pids(self) -> dict[str, int]:
        """The nodes' process numbers inside the sandbox, by name."""
        answer = self._ask(Pids())
        assert isinstance(answer, dict)
        return answer

    def close(self) -> None:
        """See Site."""
        self._end_all()
        self._sock.close()

    def _ask(self, request: Request, fds: list[int] | None = None) -> object:
        try:
            messages.send(self._sock, request, fds)
            answer, _ = messages.receive(self._sock)
        except (EOFError, OSError) as error:
            raise FabricError("The site's sandbox is gone.") from error
        return answer


def _outside(owner: int, inside: int) -> int:
    """The machine's number of a process that its sandbox, whose process 1 is `owner`, calls `inside`."""
    for child in Path(f"/proc/{owner}/task/{owner}/children").read_text().split():
        numbers = re.search(r"^NSpid:\s(.*)$", Path(f"/proc/{child}/status").read_text(), re.MULTILINE)
        if numbers is not None and int(numbers[1].split()[-1]) == inside:
            return int(child)
    raise FabricError("The node ended meanwhile.")

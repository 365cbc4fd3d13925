"""The keeper: the first process of each of a site's containers, which starts, kills and clears away its programs.

It imports a program's module when it is first asked for that program, and forks: so the next one starts within
milliseconds. Nothing here runs in an event loop, so that a fork takes none with it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import selectors
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

from network import kernel
from network.docker import doors
from network.docker.capabilities import keep_only, needed_by
from network.nodeprocess import be_node
from node.control import LINE_LIMIT, command, plain
from node.program import ProgramSpec, run

logger = logging.getLogger(__name__)

_CHECKOUT = Path(__file__).resolve().parents[2]


class Keeper:
    """Serves the door of the container called `name`, in the control folder."""

    def __init__(self, name: str, folder: Path = doors.CONTROL) -> None:
        self.name = name
        self.folder = folder
        self._selector = selectors.DefaultSelector()
        self._pids: dict[str, int] = {}
        self._known: set[str] = set()
        self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Carries out what is asked, until the process is told to end."""
        kernel.set_name(f"keep-{self.name}")
        # What a program leaves behind when it is killed comes to the keeper, not to process 1.
        kernel.become_subreaper()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup[1])
        self._selector.register(self._wakeup[0], selectors.EVENT_READ, self._woken)
        opened = self._open_door()
        self._selector.register(opened, selectors.EVENT_READ, lambda: self._welcome(opened))
        while True:
            ready = self._selector.select(self.patience())
            if not ready:
                return
            for key, _ in ready:
                key.data()

    def patience(self) -> float | None:
        """After how many seconds in which nothing is asked the keeper ends; None is for never."""
        return None

    def admit(self, wish: dict[str, Any], sock: socket.socket) -> None:
        """Does what a new connection is for. Raises ValueError when there is no such door."""
        match wish["door"]:
            case "control":
                self._serve_control(sock)
            case "program":
                # From here on the keeper, or what it forks, is at work where the bench can see it.
                sock.sendall(b'{"event": "taken"}\n')
                self._start(wish, sock)
            case other:
                raise ValueError(f"there is no door {other!r}")

    def hung_up(self) -> None:
        """The bench has closed its control connection."""

    @command
    def kill(self, name: str) -> bool:
        """Ends a program at once; False when it had ended already."""
        pid = self._pids.pop(name, None)
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return True

    @command
    def pids(self) -> dict[str, int]:
        """The numbers of the programs' processes in the site's containers, by name."""
        return dict(self._pids)

    @command
    def container(self) -> str:
        """The container's host name, which is its number unless it was given another one."""
        return socket.gethostname()

    def end_programs(self) -> None:
        """Ends every process that the keeper or one of its programs has started."""
        while children := _children():
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for pid in children:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
        self._pids.clear()

    def prepare(self) -> None:
        """Whatever has to be so before a program starts."""

    def inherits(self, name: str) -> tuple[dict[str, Any], list[int]]:
        """What is added to a program's settings, and the descriptors that it gets."""
        return {}, []

    def _open_door(self) -> socket.socket:
        path = doors.door(self.folder, self.name)
        path.unlink(missing_ok=True)
        user, group = self._user()
        opened = socket.socket(socket.AF_UNIX)
        umask = os.umask(0o177)
        try:
            opened.bind(str(path))
        finally:
            os.umask(umask)
        os.chown(path, user, group)
        opened.listen()
        return opened

    def _user(self) -> tuple[int, int]:
        """Whom the door is for, and the group: the control folder's owner. Where the engine has made it, it is root's;
        then the door is for the user whose checkout this is."""
        folder = self.folder.stat()
        whose = folder if folder.st_uid else _CHECKOUT.stat()
        return whose.st_uid, whose.st_gid

    def _welcome(self, opened: socket.socket) -> None:
        sock, _ = opened.accept()
        try:
            self.admit(doors.hear(sock), sock)
        except (OSError, EOFError, ValueError, KeyError) as error:
            logger.warning("a connection was not understood: %s", error)
            sock.close()

    def _serve_control(self, sock: socket.socket) -> None:
        # Requests come whole, one at a time, from a bench that waits for the answer.
        lines = sock.makefile("rb")

        def answer() -> None:
            try:
                line = lines.readline(LINE_LIMIT)
                if line:
                    sock.sendall(json.dumps(self._carry_out(json.loads(line)), default=plain).encode() + b"\n")
                    return
            except (OSError, ValueError) as error:
                logger.warning("the control connection broke: %s", error)
            self._selector.unregister(sock)
            lines.close()
            sock.close()
            self.hung_up()

        self._selector.register(sock, selectors.EVENT_READ, answer)

    def _carry_out(self, request: dict[str, Any]) -> dict[str, Any]:
        method = getattr(self, request["method"], None)
        if not getattr(method, "__is_command__", False) or method is None:
            return {"id": request["id"], "refused": f"there is no command {request['method']!r} here"}
        try:
            return {"id": request["id"], "result": method(**request.get("params", {}))}
        except ValueError as error:
            return {"id": request["id"], "refused": str(error)}
        except Exception:
            # The keeper serves on, and the bench is told.
            logger.exception("the command %s broke", request["method"])
            return {"id": request["id"], "broken": traceback.format_exc()}

    def _start(self, wish: dict[str, Any], control: socket.socket) -> None:
        name = wish["name"]
        self._learn(wish["factory"].partition(":")[0])
        self.prepare()
        settings, kept = self.inherits(name)
        spec = ProgramSpec(wish["factory"], {**wish["settings"], **settings})
        log = Path(wish["log"])

        def main() -> None:
            keep_only(needed_by(name))
            run(spec, control, wish["offset"])

        own_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            kernel.die_with_parent(own_pid)
            be_node(name, log, [control.fileno(), *kept], main, enter=lambda: _give_away(log))
        self._pids[name] = pid
        control.close()

    def _learn(self, module: str) -> None:
        if module in self._known:
            return
        self._known.add(module)
        try:
            importlib.import_module(module)
        except Exception:
            # The program will meet the same, and say why it cannot start.
            logger.exception("the module %s cannot be imported", module)
        # What is imported stays: without this, the first collection in each child would copy every page.
        gc.freeze()

    def _woken(self) -> None:
        os.read(self._wakeup[0], 4096)
        self.reap()

    def reap(self) -> None:
        """Takes note of what has ended."""
        names = {pid: name for name, pid in self._pids.items()}
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitpid(-1, os.WNOHANG)[0]:
                self._pids.pop(names.get(ended, ""), None)


def _children() -> list[int]:
    own = os.getpid()
    children = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                # The name of a program may hold anything, a parenthesis too.
                fields = Path(f"/proc/{entry}/stat").read_text(errors="replace").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == own:
                children.append(int(entry))
    return children


def _give_away(log: Path) -> None:
    """A log belongs to whose folder it is in, and not to the container's root."""
    owner = log.parent.stat()
    log.touch(mode=0o600)
    os.chown(log, owner.st_uid, owner.st_gid)

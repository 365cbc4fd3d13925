"""Where the manual bench of a checkout is found: its folder, the lock that says that it runs, its control socket."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from bench.evidence import artifacts_folder
from bench.manual.upstart import Running
from node.remote import NodeGone, NodeSilent, Remote
from node.socketpath import short_path

_ENDED = "The manual bench ended meanwhile: start it again with `./oxobench up`."


class NotRunning(ValueError):
    """No manual bench runs in this checkout; the text says how to start one."""


class Busy(ValueError):
    """The manual bench runs, but has no time to answer."""


class NotMine(ValueError):
    """The place is another user's, or cannot be written; the text says what to do."""


class Place:
    """The folder `up` among the evidence. A lock on a file in it goes with the process that holds it, however
    that ends, so what a dead bench left is never taken for a living one."""

    def __init__(self) -> None:
        self.folder = artifacts_folder() / "up"
        self._socket = self.folder / "control"
        self._lock = self.folder / "lock"

    @contextlib.contextmanager
    def taken(self) -> Iterator[bool]:
        """Takes the place for this process and those that it forks: True, or False when a bench has it already. Raises
        NotMine."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = self._lock.open("w")
        except OSError as error:
            raise NotMine(
                f"Cannot write {self.folder}: {error.strerror}; set OXOBENCH_ARTIFACTS to a folder of your own."
            ) from error
        with lock:
            yield _locked(lock, fcntl.LOCK_EX)

    def held(self) -> bool:
        """Whether a bench has the place, which it also has while it comes up and goes down."""
        try:
            with self._lock.open() as lock:
                return not _locked(lock, fcntl.LOCK_SH)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def log(self) -> BinaryIO:
        """A new file for what a bench says that nobody looks at, `up.log`; for whoever has the place."""
        path = self.folder / "up.log"
        path.unlink(missing_ok=True)
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")

    def listen(self) -> socket.socket:
        """The control socket, for whoever has the place; it belongs to the owner of the folder, and to nobody else."""
        self._socket.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short_path(self._socket) as path:
            sock.bind(path)
        self._socket.chmod(0o600)
        owner = self.folder.stat()
        if owner.st_uid != os.geteuid():
            # A bench in a container serves the user whose checkout this is.
            os.chown(self._socket, owner.st_uid, owner.st_gid)
        sock.listen()
        return sock

    def leave(self) -> None:
        """Takes the control socket away."""
        self._socket.unlink(missing_ok=True)

    def connect(self) -> Remote:
        """The bench that runs here. Raises NotRunning, NotMine."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short_path(self._socket) as path:
                sock.connect(path)
        except PermissionError:
            sock.close()
            raise NotMine(
                f"{self.folder} is another user's, and so is the bench that may run there: operate it as that user "
                "(root's with sudo), or set OXOBENCH_ARTIFACTS to a folder of your own."
            ) from None
        except OSError:
            sock.close()
            if self.held():
                raise NotRunning("A manual bench is coming up or going down here: try again in a moment.") from None
            raise NotRunning("No manual bench runs here: start one with `./oxobench up`.") from None
        return Remote("bench", sock)

    def call(self, name: str, within: float = 60.0, **parameters: Any) -> Any:
        """Has the bench carry a verb out and returns what came of it. Raises NotRunning, NotMine, Busy, Refusal,
        NodeError."""
        return self._ask("call", within, verb=name, parameters=parameters)

    def status(self) -> dict[str, Any]:
        """The bench's snapshot. Raises NotRunning, NotMine, Busy."""
        snapshot: dict[str, Any] = self._ask("snapshot")
        evidence, capture = self._here(snapshot["evidence"]), Path(snapshot["capture"]).name
        return {**snapshot, "evidence": str(evidence), "capture": str(evidence / capture)}

    def gone(self) -> str | None:
        """Why the site itself is gone; None while it stands. Raises NotRunning, NotMine, Busy."""
        why: str | None = self._ask("gone")
        return why

    def where(self) -> Running:
        """Where page, mitmweb and evidence of the bench are. Raises NotRunning, NotMine, Busy."""
        told = self._ask("where")
        return Running(told["page"], told["mitmweb"], self._here(told["evidence"]))

    def happened(self, after: int, within: float = 0.0) -> tuple[int, list[dict[str, Any]]]:
        """How many entries of the time line after `after` are not kept any more, and those that are.

        Waits up to `within` seconds until there is one. Raises NotRunning, NotMine.
        """
        remote = self.connect()
        try:
            # In two steps, since `within` is the bench's own here.
            missed, entries = remote.receive(remote.send("happened", after=after, within=within), within + 60.0)
        except NodeGone:
            raise NotRunning(_ENDED) from None
        finally:
            remote.close()
        return missed, entries

    def _here(self, evidence: str) -> Path:
        """The folder of the bench's evidence. A bench in a container has another name for it."""
        return self.folder.parent / Path(evidence).name

    def _ask(self, method: str, within: float = 60.0, **params: Any) -> Any:
        remote = self.connect()
        try:
            return remote.ask(method, within=within, **params)
        except NodeGone:
            raise NotRunning(_ENDED) from None
        except NodeSilent:
            raise Busy(f"The manual bench did not answer within {within:g} s; it may be busy.") from None
        finally:
            remote.close()


def _locked(lock: IO[str], how: int) -> bool:
    """Locks an open file, if nobody else holds it."""
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

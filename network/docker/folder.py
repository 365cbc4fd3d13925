"""A site's control folder: private, held by a lock as long as its bench lives, so that others can tell that it does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from network.docker.engine import CONTROL_LABEL

_BOOT_LABEL, _PLACE_LABEL = "oxobench.boot", "oxobench.place"
_PREFIX = "oxobench-site-"
_LOCK = "lock"


class ControlFolder:
    """A new control folder, with the doors of a site's containers."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.token = self.path.name.removeprefix(_PREFIX).lower()
        """What the names of the site's containers have in them."""
        # The lock appears with its holder: whoever sees one that nobody holds knows that the bench is dead.
        new = self.path / f"{_LOCK}.new"
        self._lock = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        new.rename(self.path / _LOCK)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of everything that belongs to it."""
        return {CONTROL_LABEL: str(self.path), _BOOT_LABEL: _boot(), _PLACE_LABEL: _place(self.path.parent)}

    def remove(self) -> None:
        """Removes it and gives up the lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def has_died(labels: Mapping[str, str]) -> bool:
    """Whether the bench to which something with these labels belongs is dead. One whose folder this process cannot
    look into, as that of another user, counts as alive."""
    if labels.get(_BOOT_LABEL) != _boot():
        return True
    path = Path(labels[CONTROL_LABEL])
    with contextlib.suppress(OSError):
        if labels.get(_PLACE_LABEL) == _place(path.parent):
            return _is_dead(path)
    return False


def dead_folders() -> Iterator[Path]:
    """The control folders of benches that are dead."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Another bench may be taking its own away right now.
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and _is_dead(path):
                yield path


def _is_dead(path: Path) -> bool:
    try:
        lock = os.open(path / _LOCK, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # Without a lock it is not a site's yet, unless it is gone altogether.
        return not path.exists()
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _place(folder: Path) -> str:
    """Which folder it is: the same path may be another one for a process with mounts of its own."""
    status = folder.stat()
    return f"{status.st_dev}:{status.st_ino}"

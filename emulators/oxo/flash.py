"""The PBX's storage: JSON documents that are replaced whole or not at all, whenever the power goes.

A document is written to a temporary file beside it, synced, renamed over the old one, and the folder is synced. So at
any moment the name stands for the old document or the new one. The first line of a file carries a checksum of the rest:
a file that anything else has changed is refused, never half believed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

SIZE_LIMIT = 1024 * 1024
"""The largest document, in bytes. A catalogue of 300 users with all their secondaries needs about 150 kB."""

_MAGIC = b"oxo-flash-1"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class FlashError(ValueError):
    """The storage could not do its part. The text is one sentence: which file, what is wrong, what to do.

    FlashError
    ├── FlashDamaged   a file was changed by something other than the PBX
    └── FlashFailed    the machine could not read or write a file
    """


class FlashDamaged(FlashError):
    """A file is not what the PBX wrote. There is no silent way back to defaults: somebody has to decide."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} is damaged: {why}; restore the file, or remove it to start from factory settings")


class FlashFailed(FlashError):
    """The machine could not read or write a file."""

    def __init__(self, path: Path, doing: str, error: OSError) -> None:
        super().__init__(
            f"{path} could not be {doing}: {error.strerror or error}; check the folder, its rights and space"
        )


class PowerCut(Exception):
    """The power went. Raised by a `Power` that was not told another way to go dark."""


def _go_dark() -> NoReturn:
    raise PowerCut("the power was cut while the flash was written")


class Power:
    """The PBX's power supply, which a test can cut in the middle of a write.

    `cut` is called at that moment and must not return. In a node it kills the process; by default it raises PowerCut.
    What the kernel has taken is kept, as it outlives a killed process: losing its caches too is not emulated.
    """

    def __init__(self, cut: Callable[[], NoReturn] = _go_dark) -> None:
        self._cut = cut
        self._left: int | None = None

    def cut_after(self, count: int) -> None:
        """Arms a cut during the next write: exactly `count` bytes of the file are written first.

        The file's own size cuts between its last byte and the rename, one more between the rename and the sync of the
        folder, anything larger at the end of the write. Raises ValueError for a negative count.
        """
        if count < 0:
            raise ValueError(f"a power cut cannot come {-count} bytes before a write")
        self._left = count

    def restore(self) -> None:
        """Takes back a cut that was armed and did not come."""
        self._left = None

    def write(self, descriptor: int, content: bytes) -> None:
        """Writes `content`, or as much of it as the power lasts for."""
        lasting = self._lasting(len(content))
        rest = memoryview(content)[:lasting]
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if lasting < len(content):
            self._go()

    def step(self) -> None:
        """Something indivisible is about to be done; it counts as one byte."""
        if self._lasting(1) < 1:
            self._go()

    def end(self) -> None:
        """The write is over; a cut that was armed and has not come yet comes now."""
        if self._left is not None:
            self._go()

    def _lasting(self, wanted: int) -> int:
        if self._left is None:
            return wanted
        lasting = min(wanted, self._left)
        self._left -= lasting
        return lasting

    def _go(self) -> NoReturn:
        self._left = None
        self._cut()


class Flash:
    """Keeps JSON documents by name in a folder of its own, which one PBX uses at a time.

    Writing blocks until the machine's storage has synced.
    """

    def __init__(self, folder: Path, power: Power | None = None) -> None:
        """Makes the folder (rights 0700, as it holds secrets) if it is not there. Raises FlashFailed."""
        self.folder = folder
        self.power = power or Power()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise FlashFailed(folder, "made", error) from error

    def path(self, name: str) -> Path:
        """Where the document `name` is kept."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a document: use small letters, digits and '-'")
        return self.folder / f"{name}.flash"

    def read(self, name: str) -> dict[str, Any] | None:
        """The document, or None if it was never written. Removes what a power cut left behind.

        Raises FlashDamaged, FlashFailed.
        """
        path = self.path(name)
        try:
            _unfinished(path).unlink(missing_ok=True)
            with path.open("rb") as file:
                data = file.read(SIZE_LIMIT + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FlashFailed(path, "read", error) from error
        return _decode(path, data)

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Replaces the document: stored when this returns; if this raises, the old one or the new one is there, whole.

        Raises FlashFailed; ValueError for a document that is too large.
        """
        path = self.path(name)
        data = _encode(document)
        if len(data) > SIZE_LIMIT:
            raise ValueError(f"{path} would have {len(data)} bytes, and the flash takes {SIZE_LIMIT}")
        unfinished = _unfinished(path)
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            try:
                self.power.write(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self.power.step()
            unfinished.rename(path)
            self.power.step()
            _sync_folder(self.folder)
        except OSError as error:
            raise FlashFailed(path, "written", error) from error
        self.power.end()


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode(document: Mapping[str, Any]) -> bytes:
    body = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1).encode()
    return b"%s %s\n%s\n" % (_MAGIC, hashlib.sha256(body).hexdigest().encode(), body)


def _decode(path: Path, data: bytes) -> dict[str, Any]:
    if len(data) > SIZE_LIMIT:
        raise FlashDamaged(path, f"it has more than {SIZE_LIMIT} bytes")
    head, newline, rest = data.partition(b"\n")
    magic, _, checksum = head.partition(b" ")
    if magic != _MAGIC or not newline:
        raise FlashDamaged(path, "its first line is not a flash file's")
    if not rest.endswith(b"\n") or hashlib.sha256(rest[:-1]).hexdigest().encode() != checksum:
        raise FlashDamaged(path, "its content does not fit its checksum")
    try:
        document = json.loads(rest)
    except (ValueError, RecursionError) as error:
        raise FlashDamaged(path, "its content is not JSON") from error
    if not isinstance(document, dict):
        raise FlashDamaged(path, "its content is not a JSON object")
    return document

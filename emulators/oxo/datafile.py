"""Reads the files that a user writes: bounded in size, and one clear sentence for a broken one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

SIZE_LIMIT = 512 * 1024
"""The largest file, in bytes. A catalogue of 300 users with all their secondaries needs about 100 kB."""


class FileRefused(ValueError):
    """A file cannot be used. The text is one sentence: the file, where in it, what is wrong."""

    def __init__(self, path: Path, why: str, *, place: str = "") -> None:
        super().__init__(f"{path}{f', {place}' if place else ''}: {why}")
        self.path = path


def read_text(path: Path) -> str:
    """The file's text, UTF-8 with or without a byte order mark. Raises FileRefused."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise FileRefused(path, f"cannot be read ({error.strerror or error})") from error
    if len(data) > SIZE_LIMIT:
        raise FileRefused(path, f"is larger than {SIZE_LIMIT} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileRefused(path, "is not UTF-8 text", place=f"line {line}") from error


def parse_toml(path: Path, text: str) -> dict[str, Any]:
    """The document in `text`, which was read from `path`. Raises FileRefused."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileRefused(path, f"is not TOML: {error}") from error
    except RecursionError as error:
        raise FileRefused(path, "is nested too deeply") from error

"""Copies the capture of the manual bench to where a person wants it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from node.control import Refusal


def copy_capture(capture: Path, target: Path) -> Path:
    """Copies a capture to a new file, which is its owner's only, since codes and passwords stand in it; returns that.
    Raises Refusal when there is one already, or can't be one."""
    try:
        with capture.open("rb") as whole, open(target, "xb", opener=_private) as copy:
            try:
                shutil.copyfileobj(whole, copy)
                copy.flush()
            except BaseException:
                target.unlink()
                raise
    except FileExistsError:
        raise Refusal(f"{target} is there already: name a new file.") from None
    except OSError as error:
        raise Refusal(f"The capture cannot be copied to {target}: {error.strerror}.") from error
    return target


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

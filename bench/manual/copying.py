"""Copies the capture of the manual bench to where a person wants it."""

from __future__ import annotations

import shutil
from pathlib import Path

from node.control import Refusal


def copy_capture(capture: Path, target: Path) -> Path:
    """Copies a capture to a new file, and returns that. Raises Refusal when there is one already, or can't be one."""
    try:
        with target.open("xb") as copy, capture.open("rb") as whole:
            shutil.copyfileobj(whole, copy)
    except FileExistsError:
        raise Refusal(f"{target} is there already: name a new file.") from None
    except OSError as error:
        raise Refusal(f"The capture cannot be copied to {target}: {error.strerror}.") from error
    return target

"""The VPN agent's own log file: the only place that says why a tunnel ended (Installation Manual).

Each line has the device's time. The file is bounded: a full one becomes `NAME.old`, in place of the one before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from pathlib import Path

from emulators.oxo.failure import words

log = logging.getLogger(__name__)

LIMIT = 64 * 1024
"""How long the file may become, in bytes."""


class VpnLog:
    """Writes one line at a time to `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, text: str) -> None:
        """Adds a line. Where the file cannot be written it goes into the PBX's own log instead."""
        ahead = asyncio.get_running_loop().time() - time.monotonic()
        when = datetime.fromtimestamp(time.time() + ahead, UTC).isoformat(" ", "milliseconds")
        line = f"{when} {' '.join(text.split())}\n".encode()
        try:
            if self._path.exists() and self._path.stat().st_size + len(line) > LIMIT:
                self._path.replace(self._path.with_name(self._path.name + ".old"))
            with self._path.open("ab") as file:
                file.write(line)
        except OSError as error:
            log.error("the VPN agent's log cannot be written (%s): %s", words(error), text)

    def lines(self) -> list[str]:
        """The lines of the file, oldest first."""
        return self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []

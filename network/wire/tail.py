"""Follows a capture file while it is still being written."""

from __future__ import annotations

from pathlib import Path

from network.wire.pcapng import READ_AT_ONCE, CaptureRefused, PcapngReader, Record


class Tail:
    """What is added to the capture file at `path`, bit by bit; the first time, what stands in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = PcapngReader(str(path))
        self._at = 0

    def new(self) -> list[Record]:
        """The frames that were added since the last time, in the order of their times; none when there are no more.

        It reads about 1 MiB at once, so there may be more than it gives: ask until nothing is left. A block that isn't
        complete yet is left for the next time. Raises CaptureRefused, also when the file has become shorter, and
        OSError.
        """
        with self._path.open("rb") as file:
            if self._path.stat().st_size < self._at:
                raise CaptureRefused(f"{self._path}: the capture has become shorter while it was being followed")
            file.seek(self._at)
            records: list[Record] = []
            while not records and (data := file.read(READ_AT_ONCE)):
                self._at += len(data)
                records += self._reader.feed(data)
        # Frames of different ports may stand in the file in the wrong order.
        return sorted(records, key=lambda record: record.time_ns)

"""Capture files in the pcapng format (draft-ietf-opsawg-pcapng): written by the capture node, read by the analysis.

The writer is small enough for a node that must not lose frames. The reader is our own as well, since a capture may come
from others: scapy's takes a broken block for the end of the file, so that half a capture would pass for a whole one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

ETHERNET = 1
"""The link type of Ethernet frames."""

FILE_LIMIT = 512 * 1024 * 1024
"""The largest capture that is read, in bytes: a scenario makes less than 1 MB."""

BLOCK_LIMIT = 16 * 1024 * 1024
"""The longest block that is read, in bytes: the largest frame of a capture has 256 KiB."""

READ_AT_ONCE = 1024 * 1024
"""How many bytes of a file are read at once."""

INTERFACES_LIMIT = 1024
"""How many interfaces a section may have."""

_SECTION, _INTERFACE, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 3, 6
_SECTION_MAGIC = b"\x0a\x0d\x0d\x0a"
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_END_OF_OPTIONS, _IF_NAME, _IF_TSRESOL, _IF_TSOFFSET = 0, 2, 9, 14
_NANOSECONDS = 9
_CLASSIC_PCAP = {bytes.fromhex(magic) for magic in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1")}


class CaptureRefused(ValueError):
    """A file is not a capture that can be read; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Record:
    """One captured frame as it stands in the file: `time_ns` since the epoch, `port` the name of its interface."""

    time_ns: int
    port: str
    data: bytes = field(repr=False)


class PcapngWriter:
    """Writes Ethernet frames with nanosecond times into `file`; interface `i` is called `names[i]`.

    The headers are written at once, so that a file is valid from the start; flushing is the caller's.
    """

    def __init__(self, file: BinaryIO, names: Sequence[str]) -> None:
        self._file = file
        file.write(_block(_SECTION, struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)))
        for name in names:
            options = (
                _option(_IF_NAME, name.encode())
                + _option(_IF_TSRESOL, bytes([_NANOSECONDS]))
                + _option(_END_OF_OPTIONS)
            )
            file.write(_block(_INTERFACE, struct.pack("<HHI", ETHERNET, 0, 0) + options))

    def write(self, interface: int, time_ns: int, frame: bytes) -> None:
        """Adds one whole frame, seen at `time_ns` nanoseconds since the epoch."""
        head = struct.pack("<IIIII", interface, time_ns >> 32, time_ns & 0xFFFFFFFF, len(frame), len(frame))
        self._file.write(_block(_ENHANCED, head + _padded(frame)))


def read_pcapng(path: Path) -> Iterator[Record]:
    """The Ethernet frames of a capture file, in the file's order.

    A file may end in the middle of a block, as it does while it is still being written; that last block is left out.
    Raises CaptureRefused for anything else that isn't a pcapng capture of Ethernet, and OSError.
    """
    size = path.stat().st_size
    if size > FILE_LIMIT:
        raise CaptureRefused(f"{path}: {size} bytes are more than the {FILE_LIMIT} that can be read; split the capture")
    return _records(path)


def _records(path: Path) -> Iterator[Record]:
    reader = PcapngReader(str(path))
    with path.open("rb") as file:
        while data := file.read(READ_AT_ONCE):
            yield from reader.feed(data)
    reader.end()


@dataclass(frozen=True, slots=True)
class _Interface:
    name: str
    link: int
    snap: int
    ticks: int
    """Ticks of its clock in a second."""
    offset: int
    """Seconds to add to its times."""


class PcapngReader:
    """Reads a capture as its bytes come. `path` is what the capture is called when it is refused.

    At most one block that isn't complete is kept, so that memory is bounded by BLOCK_LIMIT and what is fed at once.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._data = b""
        self._passed = 0
        self._begun = False
        self._order = "<"
        self._interfaces: list[_Interface] = []

    def feed(self, data: bytes) -> Iterator[Record]:
        """The frames of the blocks that are complete with these bytes; take all of them before the next bytes.

        Raises CaptureRefused.
        """
        self._data += data
        if not self._begun:
            if len(self._data) < 12:
                return
            self._begin()
        at = 0
        while at + 12 <= len(self._data):
            if self._data[at : at + 4] == _SECTION_MAGIC:
                self._begin_section(at)
            kind, length = struct.unpack_from(self._order + "II", self._data, at)
            if length < 12 or length % 4 or length > BLOCK_LIMIT:
                raise self._refuse(at, f"a block can't be {length} bytes long")
            if at + length > len(self._data):
                break
            if struct.unpack_from(self._order + "I", self._data, at + length - 4) != (length,):
                raise self._refuse(at, "the two lengths of a block differ")
            try:
                record = self._read(kind, at + 8, at + length - 4)
            except struct.error:
                raise self._refuse(at, f"a block of type {kind} is too short") from None
            if record is not None:
                yield record
            at += length
        self._data = self._data[at:]
        self._passed += at

    def end(self) -> None:
        """Says that no more bytes come. Raises CaptureRefused when they weren't even the beginning of a capture."""
        if not self._begun:
            self._begin()

    def _begin(self) -> None:
        if self._data[:4] in _CLASSIC_PCAP:
            raise CaptureRefused(
                f"{self._path}: this is a pcap file, not pcapng; convert it with 'editcap -F pcapng {self._path} NEW'"
            )
        if len(self._data) < 12 or self._data[:4] != _SECTION_MAGIC:
            raise self._refuse(0, "it doesn't begin with a section header")
        self._begun = True

    def _begin_section(self, at: int) -> None:
        magic = self._data[at + 8 : at + 12]
        for order in "<>":
            if magic == struct.pack(order + "I", _BYTE_ORDER_MAGIC):
                self._order = order
                self._interfaces = []
                return
        raise self._refuse(at, "a section header has no byte-order magic")

    def _read(self, kind: int, start: int, end: int) -> Record | None:
        if kind == _INTERFACE:
            if len(self._interfaces) >= INTERFACES_LIMIT:
                raise self._refuse(start, f"it has more than {INTERFACES_LIMIT} interfaces")
            self._interfaces.append(self._read_interface(start, end))
        elif kind == _ENHANCED:
            number, high, low, length, _ = struct.unpack_from(self._order + "IIIII", self._data[start : start + 20])
            interface = self._interface(start, number)
            if length > end - start - 20:
                raise self._refuse(start, f"a frame of {length} bytes stands in a smaller block")
            time_ns = (high << 32 | low) * 1_000_000_000 // interface.ticks + interface.offset * 1_000_000_000
            return Record(time_ns, interface.name, self._data[start + 20 : start + 20 + length])
        elif kind == _SIMPLE:
            raise self._refuse(start, "it holds frames without times (simple packet blocks)")
        return None

    def _interface(self, at: int, number: int) -> _Interface:
        if number >= len(self._interfaces):
            raise self._refuse(at, f"a frame names interface {number} of {len(self._interfaces)}")
        interface = self._interfaces[number]
        if interface.link != ETHERNET:
            raise self._refuse(at, f"interface {interface.name} has link type {interface.link}, not Ethernet (1)")
        return interface

    def _read_interface(self, start: int, end: int) -> _Interface:
        link, _, snap = struct.unpack_from(self._order + "HHI", self._data[start:end])
        name, ticks, offset = f"interface{len(self._interfaces)}", 1_000_000, 0
        at = start + 8
        while at + 4 <= end:
            code, length = struct.unpack_from(self._order + "HH", self._data, at)
            value = self._data[at + 4 : min(at + 4 + length, end)]
            if code == _END_OF_OPTIONS:
                break
            if code == _IF_NAME:
                name = value.decode("utf-8", "replace").rstrip("\0")
            elif code == _IF_TSRESOL and value:
                ticks = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
            elif code == _IF_TSOFFSET and len(value) == 8:
                (offset,) = struct.unpack(self._order + "q", value)
            at += 4 + length + -length % 4
        return _Interface(name, link, snap, ticks, offset)

    def _refuse(self, at: int, reason: str) -> CaptureRefused:
        return CaptureRefused(f"{self._path}: not a capture that can be read: {reason} (at byte {self._passed + at})")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _option(code: int, value: bytes = b"") -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length

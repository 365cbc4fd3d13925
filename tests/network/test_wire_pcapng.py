"""Capture files: what is written can be read, by us and by others, and what is broken is refused in one sentence."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.utils import PcapNgReader, wrpcap, wrpcapng

from network.wire.pcapng import CaptureRefused, PcapngWriter, Record, read_pcapng

NAMES = ["lan-oxo", "lan-proxy", "lan-firewall", "wan-firewall"]
TIME = 1_700_000_000_123_456_789


def written(records: list[tuple[int, int, bytes]], names: list[str] = NAMES) -> bytes:
    file = io.BytesIO()
    writer = PcapngWriter(file, names)
    for interface, time, frame in records:
        writer.write(interface, time, frame)
    return file.getvalue()


def read(tmp_path: Path, data: bytes) -> list[Record]:
    path = tmp_path / "site.pcapng"
    path.write_bytes(data)
    return list(read_pcapng(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("captures")


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def test_an_empty_capture_has_no_frames(tmp_path: Path) -> None:
    assert read(tmp_path, written([])) == []


@given(
    st.lists(
        st.tuples(st.integers(0, len(NAMES) - 1), st.integers(0, 2**63), st.binary(max_size=200)),
        max_size=10,
    )
)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read(folder: Path, records: list[tuple[int, int, bytes]]) -> None:
    expected = [Record(time, NAMES[interface], frame) for interface, time, frame in records]
    assert read(folder, written(records)) == expected


def test_scapy_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "site.pcapng"
    path.write_bytes(written([(0, TIME, bytes(60)), (3, TIME + 1, bytes(61))]))
    with PcapNgReader(str(path)) as reader:
        frames = [(frame.sniffed_on, int(frame.time * 10**9), len(frame)) for frame in reader]
    assert frames == [("lan-oxo", TIME, 60), ("wan-firewall", TIME + 1, 61)]


def test_a_capture_of_scapys_is_read(tmp_path: Path) -> None:
    path = tmp_path / "theirs.pcapng"
    from scapy.layers.l2 import Ether

    wrpcapng(str(path), [Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / bytes(46)])
    (record,) = read_pcapng(path)
    assert len(record.data) == 60


def test_a_file_may_end_anywhere(tmp_path: Path) -> None:
    records = [(0, TIME, bytes(60)), (1, TIME + 1, bytes(61)), (2, TIME + 2, bytes(62))]
    data, empty = written(records), len(written([]))
    whole = read(tmp_path, data)
    for end in range(empty, len(data)):
        assert read(tmp_path, data[:end]) == whole[: len(read(tmp_path, data[:end]))]
    assert len(read(tmp_path, data[:-1])) == 2


def test_big_endian_sections_and_times_of_another_resolution(tmp_path: Path) -> None:
    options = struct.pack(">HHB3xHHqHH", 9, 1, 6, 14, 8, 100, 0, 0)
    interface = block(1, struct.pack(">HHI", 1, 0, 0) + options, ">")
    ticks = 1_500_000
    frame = block(6, struct.pack(">IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, 4, 4) + b"abcd", ">")
    data = written([(0, TIME, b"")]) + section(">") + interface + frame
    assert read(tmp_path, data)[1] == Record(101_500_000_000, "interface0", b"abcd")


def test_binary_time_resolution(tmp_path: Path) -> None:
    interface = block(1, struct.pack("<HHIHHB3x", 1, 0, 0, 9, 1, 0x80 | 10))
    frame = block(6, struct.pack("<IIIII", 0, 0, 1536, 0, 0))
    assert read(tmp_path, section() + interface + frame)[0].time_ns == 1_500_000_000


def test_blocks_of_other_types_are_passed_over(tmp_path: Path) -> None:
    data = written([])
    assert read(tmp_path, data + block(5, bytes(8)) + written([(1, TIME, b"x")])) == [Record(TIME, "lan-proxy", b"x")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "doesn't begin with a section header"),
        (b"GET / HTTP/1.1\r\n\r\n", "doesn't begin with a section header"),
        (block(0x0A0D0D0A, bytes(16)), "no byte-order magic"),
        (section() + struct.pack("<III", 6, 3, 0), "can't be 3 bytes long"),
        (section() + struct.pack("<IIII", 6, 16, 0, 17), "two lengths of a block differ"),
        (section() + block(1, b""), "is too short"),
        (section() + block(6, b""), "is too short"),
        (section() + block(6, bytes(20)), "names interface 0 of 0"),
        (section() + block(3, bytes(8)), "frames without times"),
        (section() + block(1, struct.pack("<HHI", 113, 0, 0)) + block(6, bytes(20)), "link type 113, not Ethernet"),
        (written([]) + block(6, struct.pack("<IIIII", 0, 0, 0, 9, 9)), "a frame of 9 bytes"),
    ],
)
def test_what_is_broken_is_refused_in_one_sentence(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(CaptureRefused, match=reason) as refused:
        read(tmp_path, data)
    assert "site.pcapng" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_pcap_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "old.pcap"
    wrpcap(str(path), [])
    with pytest.raises(CaptureRefused, match="editcap -F pcapng"):
        list(read_pcapng(path))


def test_a_capture_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.pcapng"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(CaptureRefused, match="split the capture"):
        read_pcapng(path)


@given(st.binary(max_size=300), st.integers(0, 400), st.booleans())
@settings(max_examples=200, deadline=None)
def test_garbage_is_refused_or_read(folder: Path, garbage: bytes, at: int, replace: bool) -> None:
    data = written([(0, TIME, bytes(60)), (1, TIME, bytes(60))])
    broken = data[:at] + garbage + data[at + len(garbage) * replace :]
    for candidate in (garbage, broken):
        try:
            records = read(folder, candidate)
        except CaptureRefused:
            continue
        assert len(records) < 100

"""Following a capture that is being written: all of it once, in any portions, and nothing that isn't complete."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from network.wire import pcapng
from network.wire.pcapng import CaptureRefused, PcapngReader, PcapngWriter, Record
from network.wire.tail import Tail

NAMES = ["lan-oxo", "lan-firewall", "wan-pcg"]


def captured(frames: list[bytes]) -> bytes:
    file = io.BytesIO()
    writer = PcapngWriter(file, NAMES)
    for number, frame in enumerate(frames):
        writer.write(number % len(NAMES), 1000 + number, frame)
    return file.getvalue()


def records(frames: list[bytes]) -> list[Record]:
    return [Record(1000 + number, NAMES[number % len(NAMES)], frame) for number, frame in enumerate(frames)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tails")


@given(st.lists(st.binary(max_size=90), max_size=8), st.lists(st.integers(0, 700), max_size=6))
@settings(max_examples=100)
def test_every_frame_comes_once_wherever_the_file_is_cut(folder: Path, frames: list[bytes], cuts: list[int]) -> None:
    whole = captured(frames)
    path = folder / "site.pcapng"
    path.write_bytes(b"")
    tail = Tail(path)
    seen: list[Record] = []
    written = 0
    for end in [*sorted(cuts), len(whole)]:
        with path.open("ab") as file:
            file.write(whole[written:end])
        written = max(written, end)
        seen += tail.new()
        assert seen == records(frames)[: len(seen)]
        assert tail.new() == []
    assert seen == records(frames)


def test_what_is_large_comes_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [bytes([number]) * 1000 for number in range(50)]
    path = tmp_path / "site.pcapng"
    path.write_bytes(captured(frames))
    monkeypatch.setattr("network.wire.tail.READ_AT_ONCE", 4096)
    tail = Tail(path)
    portions = []
    while new := tail.new():
        portions.append(new)
    assert [record for portion in portions for record in portion] == records(frames)
    assert max(len(portion) for portion in portions) <= 5
    # A frame that is longer than what is read at once comes all the same.
    long = [*frames, bytes(20_000)]
    path.write_bytes(captured(long))
    assert tail.new() == records(long)[-1:]


def test_frames_of_one_look_are_in_the_order_of_their_times(tmp_path: Path) -> None:
    path = tmp_path / "site.pcapng"
    with path.open("wb") as file:
        writer = PcapngWriter(file, NAMES)
        writer.write(0, 20, b"late")
        writer.write(1, 10, b"early")
    assert [record.data for record in Tail(path).new()] == [b"early", b"late"]


def test_a_file_that_is_no_capture_or_gets_shorter_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.pcapng"
    with pytest.raises(OSError, match="No such file"):
        Tail(path).new()
    path.write_bytes(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(CaptureRefused, match="doesn't begin with a section header"):
        Tail(path).new()
    path.write_bytes(captured([b"one"]))
    tail = Tail(path)
    assert len(tail.new()) == 1
    path.write_bytes(captured([]))
    with pytest.raises(CaptureRefused, match="has become shorter"):
        tail.new()


def test_what_a_reader_keeps_is_bounded() -> None:
    reader = PcapngReader("hostile")
    huge = (6).to_bytes(4, "little") + (pcapng.BLOCK_LIMIT + 4).to_bytes(4, "little") + bytes(4)
    with pytest.raises(CaptureRefused, match="a block can't be 16777220 bytes long"):
        list(reader.feed(captured([]) + huge))
    many = io.BytesIO()
    PcapngWriter(many, ["x"] * (pcapng.INTERFACES_LIMIT + 1))
    with pytest.raises(CaptureRefused, match="more than 1024 interfaces"):
        list(PcapngReader("hostile").feed(many.getvalue()))

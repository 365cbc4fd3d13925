"""Streams: whatever way the segments came, the bytes stand in order."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from network.wire.streams import LIMIT, Stream, printable


def covers(pieces: list[tuple[int, bytes]], position: int) -> bool:
    """Whether every byte up to `position` stands in one of the pieces."""
    seen = {at for start, piece in pieces for at in range(start, start + len(piece))}
    return seen.issuperset(range(position + 1))


@given(st.binary(min_size=1, max_size=40), st.data())
@settings(max_examples=200, deadline=None)
def test_any_cut_order_and_repetition_gives_the_same_bytes(sent: bytes, data: st.DataObject) -> None:
    cuts = sorted({0, len(sent), *data.draw(st.lists(st.integers(0, len(sent)), max_size=10))})
    pieces = [(start, sent[start:end]) for start, end in itertools.pairwise(cuts)]
    again = data.draw(st.lists(st.tuples(st.integers(0, len(sent)), st.integers(0, 20)), max_size=10))
    pieces += [(start, sent[start : start + length]) for start, length in again]
    order = data.draw(st.permutations(pieces))
    stream = Stream([(position, float(time), piece) for time, (position, piece) in enumerate(order)])
    assert stream.data == sent
    for position in range(len(sent)):
        time = next(time for time in range(len(order)) if covers(order[: time + 1], position))
        assert stream.time_at(position) == time
        assert stream.position_at(float(time)) <= position < stream.position_at(time + 0.5)


def test_a_stream_ends_at_the_first_gap() -> None:
    assert Stream([(0, 1.0, b"ab"), (3, 2.0, b"d")]).data == b"ab"


def test_a_repetition_that_differs_changes_nothing() -> None:
    assert Stream([(0, 1.0, b"abc"), (1, 2.0, b"XYZ")]).data == b"abcZ"


def test_a_stream_is_bounded() -> None:
    pieces = [(number * 1000, float(number), bytes(1000)) for number in range(100)]
    assert len(Stream(pieces).data) == LIMIT
    assert len(Stream(reversed(pieces)).data) == LIMIT


def test_an_empty_stream() -> None:
    assert Stream([]).data == b""
    assert Stream([]).position_at(0.0) == 0


def test_captured_text_is_safe_to_print() -> None:
    assert printable(b"CONNECT a:443\x1b[2J\xff") == "CONNECT a:443\\x1b[2J\\xff"

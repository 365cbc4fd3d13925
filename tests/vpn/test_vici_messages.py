"""The codec of vici: what charon says is bounded, and nothing that it says breaks the node."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.ipsec.vici import DEPTH_LIMIT, Vici, ViciClosed, ViciError, decode, encode

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
TEXT = st.text(st.characters(codec="utf-8"), max_size=50)
MESSAGES = st.recursive(
    st.dictionaries(NAMES, st.one_of(TEXT, st.lists(TEXT, max_size=3)), max_size=3),
    lambda inner: st.dictionaries(NAMES, st.one_of(TEXT, st.lists(TEXT, max_size=3), inner), max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(MESSAGES)
def test_what_is_encoded_is_decoded(message: dict[str, Any]) -> None:
    assert decode(encode(message)) == message


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        decode(data)
    except ViciError:
        return


def test_sections_that_lie_too_deep_are_refused() -> None:
    message: dict[str, Any] = {}
    for _ in range(DEPTH_LIMIT):
        message = {"in": message}
    with pytest.raises(ViciError, match="too deep"):
        decode(encode(message))


def test_a_value_that_is_too_long_is_refused() -> None:
    with pytest.raises(ViciError, match="too long"):
        encode({"data": "x" * 70_000})


def test_a_socket_without_charon(tmp_path: Path) -> None:
    with pytest.raises(ViciClosed, match="does not serve"):
        asyncio.run(Vici(tmp_path / "vici").ask("version"))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "charon ended"),
        (struct.pack("!I", 100) + b"too short", "charon ended"),
        (struct.pack("!I", 1 << 30), "a packet of 1073741824 bytes"),
        (struct.pack("!I", 1) + b"\x02", "no command 'version'"),
        (struct.pack("!I", 2) + b"\x01\x03", "no message of vici"),
        (struct.pack("!I", 1) + b"\x07", "no message of vici"),
    ],
    ids=["nothing", "part of a packet", "a huge packet", "unknown", "part of an element", "part of an event"],
)
def test_what_a_strange_charon_says_is_an_error(tmp_path: Path, said: bytes, why: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(13)
        writer.write(said)
        writer.close()

    async def ask() -> None:
        server = await asyncio.start_unix_server(answer, tmp_path / "vici")
        async with server:
            await Vici(tmp_path / "vici").ask("version")

    with pytest.raises(ViciError, match=why):
        asyncio.run(ask())

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.xmpp.jid import PART_BYTES, Jid


@pytest.mark.parametrize(
    ("text", "jid"),
    [
        ("example.com", Jid(None, "example.com")),
        ("a@example.com", Jid("a", "example.com")),
        ("a@example.com/r", Jid("a", "example.com", "r")),
        ("example.com/r", Jid(None, "example.com", "r")),
        ("example.com/a@b/c", Jid(None, "example.com", "a@b/c")),
        ("PBX@Example.COM./Rés", Jid("pbx", "example.com", "Rés")),
        ("a@[::1]", Jid("a", "[::1]")),
        ("a@example.com/e\u0301", Jid("a", "example.com", "é")),
    ],
)
def test_an_address_is_read_in_normal_form(text: str, jid: Jid) -> None:
    assert Jid.parse(text) == jid
    assert Jid.parse(str(jid)) == jid
    assert jid.bare == Jid(jid.local, jid.domain)


@pytest.mark.parametrize(
    "text",
    ["", "@example.com", "a@", "a@/r", "example.com/", "a b@example.com", "a@b c", "a@b@example.com", 'a"@b', "a@[x",
     "a@b\0", "a@b/\n", "a@b/\ud800", "a@b/\u0378", "x" * 1024 + "@b", "a@" + "x" * 1024, "a@b/" + "é" * 512],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Jid.parse(text)


def test_the_longest_part_fits() -> None:
    part = "x" * PART_BYTES
    assert str(Jid(part, part, part)) == f"{part}@{part}/{part}"


@given(st.text(max_size=30))
@settings(max_examples=300)
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    try:
        jid = Jid.parse(text)
    except ValueError:
        return
    assert Jid.parse(str(jid)) == jid

from __future__ import annotations

import contextlib
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.xmpp.conditions import StreamCondition
from emulators.xmpp.element import Element, Limits, XmlRefused, parse, serialize
from emulators.xmpp.namespaces import STREAMS, XML

NAMES = st.sampled_from(["a", "b", "query", "é", "_x-1."])
NAMESPACES = st.sampled_from(["", "urn:x", "urn:y", 'http://e/?a=1&b="2"', "jabber:client", STREAMS, "a'b<c>"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\ufffe\uffff", exclude_categories=("Cc", "Cs")))
TEXTS_WITH_WHITE = st.lists(
    st.one_of(TEXTS, st.sampled_from(["\r", "\n", "\t", "\r\n", "]]>", "&amp;"])), max_size=4
).map("".join)


def clark(namespace: str, name: str) -> str:
    return f"{{{namespace}}}{name}" if namespace else name


TAGS = st.builds(clark, NAMESPACES, NAMES)
ATTRIBUTES = st.dictionaries(
    st.one_of(TAGS, st.just(f"{{{XML}}}lang"), NAMES.map(lambda name: f"{{urn:other}}{name}")),
    TEXTS_WITH_WHITE,
    max_size=3,
)


def build(tag: str, attributes: dict[str, str], text: str, children: list[tuple[Element, str]]) -> Element:
    element = Element(tag, attributes)
    element.text = text
    for child, tail in children:
        child.tail = tail
        element.append(child)
    return element


ELEMENTS = st.recursive(
    st.builds(build, TAGS, ATTRIBUTES, TEXTS_WITH_WHITE, st.just([])),
    lambda inner: st.builds(
        build, TAGS, ATTRIBUTES, TEXTS_WITH_WHITE, st.lists(st.tuples(inner, TEXTS_WITH_WHITE), max_size=3)
    ),
    max_leaves=6,
)


def plain(element: Element) -> object:
    children = [(plain(child), child.tail or "") for child in element]
    return element.tag, dict(element.items()), element.text or "", children


def refusal(text: str | bytes, limits: Limits | None = None) -> XmlRefused:
    with pytest.raises(XmlRefused) as caught:
        parse(text) if limits is None else parse(text, limits)
    return caught.value


@given(ELEMENTS)
@settings(max_examples=80, deadline=None)
def test_what_is_written_is_read_back_the_same(element: Element) -> None:
    text = serialize(element)
    assert plain(parse(text)) == plain(element)
    assert plain(parse(text.encode())) == plain(element)
    assert serialize(parse(text)) == text


@given(ELEMENTS)
@settings(max_examples=50, deadline=None)
def test_only_the_stream_namespace_has_a_prefix(element: Element) -> None:
    assert "ns0:" not in serialize(element)
    assert serialize(element).startswith("<stream:") == element.tag.startswith(f"{{{STREAMS}}}")


@given(st.one_of(st.binary(), st.text(), st.binary().map(lambda data: b"<a>" + data), st.text().map("<a {}".format)))
@settings(max_examples=300, deadline=None)
def test_anything_is_read_or_refused(data: str | bytes) -> None:
    try:
        element = parse(data)
    except XmlRefused:
        return
    assert plain(parse(serialize(element))) == plain(element)


@given(ELEMENTS, st.data())
@settings(max_examples=80, deadline=None)
def test_a_spoilt_message_is_read_or_refused(element: Element, data: st.DataObject) -> None:
    message = serialize(element).encode()
    start = data.draw(st.integers(0, len(message)))
    end = data.draw(st.integers(start, len(message)))
    spoilt = message[:start] + data.draw(st.binary(max_size=8)) + message[end:]
    with contextlib.suppress(XmlRefused):
        parse(spoilt)


@given(ELEMENTS, st.data())
@settings(max_examples=50, deadline=None)
def test_a_truncated_message_is_refused(element: Element, data: st.DataObject) -> None:
    message = serialize(element)
    cut = message[: data.draw(st.integers(0, len(message) - 1))]
    assert refusal(cut).condition is StreamCondition.NOT_WELL_FORMED


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("<a/>", "a"),
        ("  \r\n<a/>\t\n", "a"),
        ("<a xmlns='urn:x'/>", "{urn:x}a"),
        ("<p:a xmlns:p='urn:x'/>", "{urn:x}a"),
        ("<a xmlns='urn:x' xml:lang='en'/>", "{urn:x}a"),
        ("<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>", "a"),
    ],
)
def test_prefixes_and_white_space_do_not_matter(text: str, tag: str) -> None:
    assert parse(text).tag == tag


def test_namespaces_are_scoped() -> None:
    outer = parse(
        "<p:a xmlns:p='urn:x' xmlns='urn:d' p:k='1' k='2'><b/><c xmlns=''><d/></c><p:e xmlns:p='urn:y'/><p:f/></p:a>"
    )
    assert outer.attrib == {"{urn:x}k": "1", "k": "2"}
    assert [child.tag for child in outer] == ["{urn:d}b", "c", "{urn:y}e", "{urn:x}f"]
    assert outer[1][0].tag == "d"


def test_character_data_in_every_form_is_text() -> None:
    element = parse("<a>1 &lt; &#50;<![CDATA[ <!DOCTYPE x> <!-- <? ]]></a>")
    assert element.text == "1 < 2 <!DOCTYPE x> <!-- <? "


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        "<?xml version='1.0'?><a/>",
        "<?php x?><a/>",
        "<!-- --><a/>",
        "<a><!-- --></a>",
        "<a/><!-- -->",
        "<a><?x y?></a>",
        "<a/><?x y?>",
    ],
)
def test_what_xmpp_forbids_is_refused(text: str) -> None:
    assert refusal(text).condition is StreamCondition.RESTRICTED_XML


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "\ufeff",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "\ufeff<a/>",
        "\ufeff<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
        b"\xef\xbb\xbf<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
        "<a>&e;</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>\0</a>",
        "<a>\x01</a>",
        "<a k='1' k='2'/>",
        "<a k=1/>",
        "<a k='<'/>",
        "<a><!DOCTYPE a></a>",
        "<p:a/>",
        "<a p:k='1'/>",
        "<:a/>",
        "<a:/>",
        "<a :k='1'/>",
        "<p:q:a xmlns:p='urn:x'/>",
        "<a xmlns:='urn:x'/>",
        "<a xmlns:p=''/>",
        "<a xmlns:xmlns='urn:x'/>",
        "<a xmlns:xml='urn:x'/>",
        "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns='urn:x}y'/>",
        "<a xmlns='{'/>",
        "<a xmlns='urn: x'/>",
        "<a xmlns:p='urn:x' xmlns:q='urn:x' p:k='1' q:k='2'/>",
        "<xmlns:a/>",
        "\ud800",
        b"<a>\xff</a>",
        b"<a>\xed\xa0\x80</a>",
        "<a/>".encode("utf-16"),
    ],
)
def test_what_is_not_well_formed_is_refused(text: str | bytes) -> None:
    assert refusal(text).condition is StreamCondition.NOT_WELL_FORMED


SMALL = Limits(message_bytes=200, depth=3, elements=5, attributes=2, name_length=10, value_length=20)


@pytest.mark.parametrize(
    ("fits", "does_not"),
    [
        ("<a>" + "<b>" * 2 + "</b>" * 2 + "</a>", "<a>" + "<b>" * 3 + "</b>" * 3 + "</a>"),
        ("<a>" + "<b/>" * 4 + "</a>", "<a>" + "<b/>" * 5 + "</a>"),
        ("<a k='' l=''/>", "<a k='' l='' m=''/>"),
        ("<a xmlns='' xmlns:p='p'/>", "<a xmlns='' xmlns:p='p' k=''/>"),
        (f"<{'a' * 10}/>", f"<{'a' * 11}/>"),
        (f"<a {'k' * 10}=''/>", f"<a {'k' * 11}=''/>"),
        (f"<a xmlns='{'u' * 10}'/>", f"<a xmlns='{'u' * 11}'/>"),
        (f"<a k='{'v' * 20}'/>", f"<a k='{'v' * 21}'/>"),
        (f"<a>{'t' * 20}<b/>{'t' * 20}</a>", f"<a>{'t' * 21}</a>"),
        ("<a>" + "&lt;" * 20 + "</a>", "<a>" + "&lt;" * 21 + "</a>"),
        ("<a/>" + " " * 196, "<a/>" + " " * 197),
        (b"<a/>" + b" " * 196, b"<a/>" + b" " * 197),
        (" " + "<a k='ééééééé'/>", "é" * 101),
    ],
)
def test_each_limit_is_the_last_that_fits(fits: str | bytes, does_not: str | bytes) -> None:
    parse(fits, SMALL)
    assert refusal(does_not, SMALL).condition is StreamCondition.POLICY_VIOLATION


def bombs() -> list[tuple[str, str | bytes]]:
    levels = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 20))
    space = "u" * 200_000
    return [
        ("entities", f"<!DOCTYPE a [<!ENTITY e0 'x'>{levels}]><a>&e19;</a>"),
        ("entities behind white space", f"\n\n<!DOCTYPE a [<!ENTITY e0 'x'>{levels}]><a>&e19;</a>"),
        ("one large entity", f"<!DOCTYPE a [<!ENTITY e '{'x' * 100_000}'>]><a>{'&e;' * 100_000}</a>"),
        ("ten megabytes", "<a>" + "x" * 10_000_000 + "</a>"),
        ("ten megabytes as bytes", b"<a>" + b"x" * 10_000_000 + b"</a>"),
        ("ten thousand levels", "<a>" * 10_000 + "</a>" * 10_000),
        ("many attributes", "<a " + " ".join(f"k{n}=''" for n in range(50_000)) + "/>"),
        (
            "namespace in every attribute",
            f"<a xmlns:p='{space}' " + " ".join(f"p:k{n}=''" for n in range(25_000)) + "/>",
        ),
        ("namespace in every element", f"<a xmlns='{space}'>" + "".join(f"<b{n}/>" for n in range(30_000)) + "</a>"),
        ("many elements", "<a>" + "<b/>" * 120_000 + "</a>"),
        ("many comments", "<a>" + "<!---->" * 70_000 + "</a>"),
        ("many declarations", "<a>" + "<a xmlns:p='u'/>" * 30_000 + "</a>"),
        ("one token", "<" + "a" * 500_000),
        ("brackets", "<a>" + "<![CDATA[" * 50_000),
    ]


@pytest.mark.parametrize(("name", "bomb"), bombs(), ids=[name for name, _ in bombs()])
def test_a_bomb_costs_little(name: str, bomb: str | bytes) -> None:
    before = time.process_time()
    refusal(bomb)
    assert time.process_time() - before < 2


def test_the_largest_message_that_is_read_takes_little_memory() -> None:
    space, limits = "u" * 256, Limits()
    elements = "".join(f"<b{n} p:k='' p:l=''/>" for n in range(19_999))
    message = f"<a xmlns='{space}' xmlns:p='{space}'>{elements}</a>"
    assert len(message) <= limits.message_bytes
    tracemalloc.start()
    try:
        parse(message)
        assert tracemalloc.get_traced_memory()[1] < 100 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("character", ["\0", "\x0b", "\ud800", "\ufffe"])
def test_what_xml_cannot_carry_is_not_written(character: str) -> None:
    element = Element("a", {"k": character})
    with pytest.raises(ValueError, match=f"U\\+{ord(character):04X}"):
        serialize(element)


def test_the_streams_own_elements_are_written_as_everybody_does() -> None:
    features = Element(f"{{{STREAMS}}}features")
    features.append(Element("{urn:x}a"))
    features.append(Element(f"{{{STREAMS}}}b"))
    assert serialize(features) == (
        '<stream:features xmlns:stream="http://etherx.jabber.org/streams">'
        '<a xmlns="urn:x"/><stream:b/></stream:features>'
    )


def test_attributes_keep_their_namespaces() -> None:
    text = serialize(Element("a", {f"{{{XML}}}lang": "en", "{urn:x}k": "1", "{urn:y}k": "2", "k": "3"}))
    assert text == '<a xml:lang="en" xmlns:a1="urn:x" a1:k="1" xmlns:a2="urn:y" a2:k="2" k="3"/>'
    assert serialize(parse(text)) == text

from __future__ import annotations

import string
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.payload import PayloadRefused
from emulators.pbxagent import credentials, identity
from emulators.pbxagent.channels import Channel, ChannelRequest, Move
from emulators.pbxagent.devices import (
    CHANGES_TAG,
    PAGE_LIMIT,
    QUERY_TAG,
    Device,
    DeviceChanges,
    DevicesPage,
    DevicesQuery,
    DeviceType,
)
from emulators.xmpp.element import Element, parse, serialize
from emulators.xmpp.paging import Page, PageRequest
from emulators.xmpp.stanza import StanzaError

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=60)
IDS = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=40)
DEVICES = st.builds(
    Device, IDS, IDS, TEXTS, TEXTS, TEXTS, TEXTS, st.sampled_from(DeviceType), st.integers(min_value=0, max_value=2)
)
LISTS = st.lists(DEVICES, max_size=5).map(tuple)
quick = settings(max_examples=60, deadline=None)


def over_the_wire(element: Element) -> Element:
    return parse(serialize(element))


@quick
@given(LISTS, IDS, st.integers(min_value=0, max_value=900))
def test_a_page_of_devices_arrives_as_it_was_sent(devices: tuple[Device, ...], ver: str, index: int) -> None:
    part = Page(devices[0].id, index, devices[-1].id, 900) if devices else Page(None, None, None, 900)
    page = DevicesPage(ver, devices, part)
    assert DevicesPage.from_element(over_the_wire(page.to_element())) == page


@quick
@given(LISTS, LISTS, st.lists(IDS, max_size=5).map(tuple), IDS, IDS)
def test_changes_arrive_as_they_were_sent(
    added: tuple[Device, ...], updated: tuple[Device, ...], removed: tuple[str, ...], since: str, ver: str
) -> None:
    changes = DeviceChanges(since, ver, added, updated, removed)
    assert DeviceChanges.from_element(over_the_wire(changes.to_element())) == changes


@quick
@given(st.integers(min_value=0, max_value=5000), st.none() | IDS)
def test_a_query_arrives_with_no_more_than_a_page_can_hold(most: int, after: str | None) -> None:
    query = DevicesQuery(PageRequest(most, after))
    assert DevicesQuery.from_element(over_the_wire(query.to_element())).page == PageRequest(
        min(most, PAGE_LIMIT), after
    )


@pytest.mark.parametrize("move", Move)
@pytest.mark.parametrize("channel", [Channel.CONF, Channel.CSTA, Channel.HTTP])
def test_a_channel_request_arrives_as_it_was_sent(move: Move, channel: Channel) -> None:
    request = ChannelRequest(move, channel)
    assert ChannelRequest.from_element(over_the_wire(request.to_element())) == request


@quick
@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=128))
def test_a_private_code_arrives_as_it_was_sent(code: str) -> None:
    assert credentials.from_element(over_the_wire(credentials.to_element(code))) == code


@given(st.text(string.hexdigits.lower(), min_size=32, max_size=32))
def test_the_user_name_and_the_pbx_id_say_the_same(digits: str) -> None:
    pbx_id = identity.pbx_id("pbxagent_" + digits)
    assert identity.user_name(pbx_id) == identity.user_name("pbx" + pbx_id[3:].upper()) == "pbxagent_" + digits


@pytest.mark.parametrize("wrong", ["", "PBX", "PBX0123-4567", "PBX" + "0123" * 8, "PBX" + "-".join(["012g"] * 8)])
def test_what_is_no_pbx_id_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a PBX ID"):
        identity.user_name(wrong)
    with pytest.raises(ValueError, match="is not the user name of a PBX"):
        identity.pbx_id(wrong)


NAMES = st.sampled_from(["ver", "since", "id", "rank", "shortNumber", "deviceType", "name"])
TAGS = st.sampled_from(["query", "changes", "added", "removed", "updated", "device", "open", "private-code"])
SPACES = st.sampled_from(["urn:oxobench:devices:1", "urn:oxobench:channel:1", "urn:oxobench:credentials:1", "x"])


@st.composite
def anything(draw: st.DrawFn) -> Element:
    def element() -> Element:
        return Element(f"{{{draw(SPACES)}}}{draw(TAGS)}", draw(st.dictionaries(NAMES, TEXTS, max_size=4)))

    root = element()
    for _ in range(draw(st.integers(0, 3))):
        child = element()
        child.extend(element() for _ in range(draw(st.integers(0, 2))))
        root.append(child)
    return root


@settings(max_examples=150, deadline=None)
@given(anything())
def test_whatever_comes_is_read_or_refused_as_a_stanza_error(element: Element) -> None:
    readers: list[Callable[[Element], object]] = [
        DevicesPage.from_element,
        DevicesQuery.from_element,
        DeviceChanges.from_element,
        ChannelRequest.from_element,
        credentials.from_element,
        Device.from_element,
    ]
    for read in readers:
        with suppress(StanzaError):
            read(element)


def test_too_much_is_refused() -> None:
    changes = DeviceChanges("1", "2", removed=["x"] * (PAGE_LIMIT + 1)).to_element()
    with pytest.raises(PayloadRefused, match="more than 1000 devices"):
        DeviceChanges.from_element(changes)
    with pytest.raises(PayloadRefused, match="since of <changes> has more than 256 characters"):
        DeviceChanges.from_element(Element(CHANGES_TAG, {"since": "x" * 257}))
    with pytest.raises(PayloadRefused, match="type of <device> has more than 64 characters"):
        Device.from_element(Device("1", "100", "", "", "", "x" * 65).to_element())
    with pytest.raises(PayloadRefused, match="says nothing about its place"):
        DevicesPage.from_element(Element(QUERY_TAG, {"ver": "1"}))
    with pytest.raises(PayloadRefused, match="<query> is missing"):
        DevicesPage.from_element(None)


def test_a_private_code_that_is_refused_is_not_repeated() -> None:
    with pytest.raises(PayloadRefused) as refused:
        credentials.from_element(credentials.to_element("se\tcret" * 30))
    assert "cret" not in str(refused.value)

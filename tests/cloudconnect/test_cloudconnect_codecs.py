from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.cloudconnect import NAMESPACE
from emulators.cloudconnect.credentials import Credentials
from emulators.cloudconnect.failure import TEXT_LIMIT, Failure, FailureCode
from emulators.cloudconnect.requests import (
    NAME_LIMIT,
    Closed,
    CloseRequest,
    Opened,
    OpenRequest,
    VpnParameters,
)
from emulators.payload import PayloadRefused
from emulators.xmpp.element import Element, parse, serialize
from emulators.xmpp.stanza import StanzaError

PRINTABLE = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
NAMES = st.text(PRINTABLE, min_size=1, max_size=NAME_LIMIT)
TEXTS = st.text(PRINTABLE, max_size=NAME_LIMIT)
SECONDS = st.none() | st.integers(0, 1_000_000_000).map(lambda thousandths: thousandths / 1000)
quick = settings(max_examples=60, deadline=None, database=None)


def over_the_wire(element: Element) -> Element:
    return parse(serialize(element))


@quick
@given(NAMES, NAMES, SECONDS, st.builds(VpnParameters, TEXTS, TEXTS))
def test_a_request_arrives_as_it_was_sent(
    user: str, gateway: str, inactivity: float | None, parameters: VpnParameters
) -> None:
    request = OpenRequest(user, gateway, inactivity, parameters)
    assert OpenRequest.from_element(over_the_wire(request.to_element())) == request


@quick
@given(st.ip_addresses().map(str), NAMES, st.integers(0, 1000))
def test_acknowledgements_arrive_as_they_were_sent(address: str, connection: str, connections: int) -> None:
    opened = Opened(address, connection)
    assert Opened.from_element(over_the_wire(opened.to_element())) == opened
    closed = Closed(connections)
    assert Closed.from_element(over_the_wire(closed.to_element())) == closed


@quick
@given(st.sampled_from(FailureCode), st.text(PRINTABLE, max_size=2 * TEXT_LIMIT))
def test_a_failure_arrives_with_its_code_and_no_more_text_than_allowed(code: FailureCode, text: str) -> None:
    arrived = Failure.from_element(over_the_wire(Failure(code, text).to_element()))
    assert (arrived.code, arrived.text) == (code, text[:TEXT_LIMIT])


@quick
@given(NAMES, NAMES)
def test_credentials_arrive_as_they_were_sent(account: str, password: str) -> None:
    credentials = Credentials(account, password)
    assert Credentials.from_element(over_the_wire(credentials.to_element())) == credentials


def test_a_close_request_arrives() -> None:
    assert CloseRequest.from_element(over_the_wire(CloseRequest().to_element())) == CloseRequest()


TAGS = st.sampled_from(["open", "opened", "close", "closed", "vpn", "failure", "credentials"])
ATTRIBUTES = st.sampled_from(
    ["user", "gateway", "inactivity", "address", "connection", "connections", "account", "password", "code", "text"]
)
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=200) | st.sampled_from(
    ["no-tunnel", "10.0.0.1", "12", "-1", "1e400", "inf", "nan", "9" * 400, "١٢"]
)


@st.composite
def anything(draw: st.DrawFn) -> Element:
    def element() -> Element:
        space = draw(st.sampled_from([NAMESPACE, "x"]))
        return Element(f"{{{space}}}{draw(TAGS)}", draw(st.dictionaries(ATTRIBUTES, VALUES, max_size=5)))

    root = element()
    root.extend(element() for _ in range(draw(st.integers(0, 2))))
    return root


READERS: list[Callable[[Element], object]] = [
    OpenRequest.from_element,
    Opened.from_element,
    CloseRequest.from_element,
    Closed.from_element,
    Credentials.from_element,
    Failure.from_element,
]


@settings(max_examples=200, deadline=None, database=None)
@given(anything())
def test_whatever_comes_is_read_or_refused_as_a_stanza_error(element: Element) -> None:
    for read in READERS:
        with suppress(StanzaError):
            read(element)


ASKED = {"user": "u", "gateway": "g"}


@pytest.mark.parametrize(
    ("read", "tag", "attributes", "said"),
    [
        (OpenRequest.from_element, "open", {"user": "u"}, "<open> has no gateway"),
        (OpenRequest.from_element, "open", {"user": "", "gateway": "g"}, "the user of a request has 1 to 128"),
        (OpenRequest.from_element, "open", {"user": "u\n", "gateway": "g"}, "the user of a request has 1 to 128"),
        (OpenRequest.from_element, "open", {"user": "u" * 129, "gateway": "g"}, "user of <open> has more than 128"),
        (OpenRequest.from_element, "open", {**ASKED, "inactivity": "-1"}, "is no number of seconds"),
        (OpenRequest.from_element, "open", {**ASKED, "inactivity": "1e3"}, "is no number of seconds"),
        (OpenRequest.from_element, "open", {**ASKED, "inactivity": "9999999"}, "is from 0 to 1e.06 s"),
        (Opened.from_element, "opened", {"address": "1.2.3", "connection": "c"}, "is not an IP address"),
        (Opened.from_element, "opened", {"address": "1.2.3.4", "connection": ""}, "a connection ID has 1 to 128"),
        (Closed.from_element, "closed", {"connections": "1001"}, "is not a number from 0 to 1000"),
        (Closed.from_element, "opened", {}, "<closed> is expected, not <opened>"),
        (Failure.from_element, "failure", {"code": "tired"}, "there is no failure code 'tired'"),
        (Credentials.from_element, "credentials", {"account": "a", "password": ""}, "1 to 128 printable"),
    ],
)
def test_what_makes_no_sense_is_refused(
    read: Callable[[Element], Any], tag: str, attributes: dict[str, str], said: str
) -> None:
    with pytest.raises(PayloadRefused, match=said):
        read(Element(f"{{{NAMESPACE}}}{tag}", attributes))


def test_secrets_neither_show_nor_come_back_in_a_refusal() -> None:
    shown = repr(OpenRequest("u", "g", 1.0, VpnParameters("a", "hush"))) + repr(Credentials("a", "hush"))
    assert "hush" not in shown
    request = OpenRequest("u", "g", None, VpnParameters("a", "x")).to_element()
    request[0].set("password", "hush\n")
    with pytest.raises(PayloadRefused) as refused:
        OpenRequest.from_element(request)
    assert "hush" not in str(refused.value)
    with pytest.raises(PayloadRefused) as refused:
        Credentials.from_element(Element(f"{{{NAMESPACE}}}credentials", {"account": "a", "password": "hush\n"}))
    assert "hush" not in str(refused.value)


def test_the_parameters_of_a_request_are_in_an_element_of_their_own() -> None:
    assert len(OpenRequest("u", "g").to_element()) == 0
    with pytest.raises(PayloadRefused, match="<vpn> is expected, not <other>"):
        OpenRequest.from_element(_with_child(OpenRequest("u", "g").to_element(), "other"))
    with pytest.raises(PayloadRefused, match="<vpn> has no password"):
        OpenRequest.from_element(_with_child(OpenRequest("u", "g").to_element(), "vpn", {"account": "a"}))
    with pytest.raises(ValueError, match="have at most 128 characters"):
        OpenRequest("u", "g", None, VpnParameters("a" * 129))


def _with_child(element: Element, name: str, attributes: dict[str, str] | None = None) -> Element:
    element.append(Element(f"{{{NAMESPACE}}}{name}", attributes or {}))
    return element
